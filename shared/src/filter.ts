import { addressToDTag, type DocumentAddress } from './address.js'
import { getOrCreate } from './collections.js'
import { SyncError } from './errors.js'
import type { NostrEvent } from './event.js'
import { isHex64 } from './hex.js'
import type { Limits } from './limits.js'

/** A NIP-01 filter, checked, with the sync extension's `after`. Absent lists match everything. */
export interface Filter {
  readonly ids?: readonly string[]
  readonly authors?: readonly string[]
  readonly kinds?: readonly number[]
  /** Single-letter tag filters, by letter without the `#`. */
  readonly tags: ReadonlyMap<string, readonly string[]>
  /** Unix seconds, inclusive. */
  readonly since?: number
  /** Unix seconds, inclusive. */
  readonly until?: number
  readonly limit?: number
  /** Sync extension: a cursor, or the empty string for "from the beginning". */
  readonly after?: string
  /** Sync extension: false for a reader that wants the authors' events only, and no merged states. */
  readonly states?: boolean
  /** Sync extension: true for summaries of documents in place of their events and states. */
  readonly summaries?: boolean
}

const TAG_FIELD = /^#[A-Za-z]$/
const MAX_KIND = 65_535

function invalid(message: string): SyncError {
  return new SyncError('FILTER_INVALID', message)
}

/** A filter as the wire carries it, checked. Unknown fields are ignored (NIP-01). Throws `FILTER_INVALID`. */
export function parseFilter(value: unknown, limits: Limits): Filter {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw invalid('a filter is a JSON object')
  }
  const fields = value as Record<string, unknown>
  const tags = new Map<string, readonly string[]>()
  for (const [name, list] of Object.entries(fields)) {
    if (!TAG_FIELD.test(name)) continue
    const letter = name[1] as string
    tags.set(
      letter,
      parseList(name, list, limits, letter === 'e' || letter === 'p' ? isHex64 : isString, 'strings'),
    )
  }
  const filter: { -readonly [K in keyof Filter]: Filter[K] } = { tags }
  if (fields.ids !== undefined) filter.ids = parseList('ids', fields.ids, limits, isHex64, '')
  if (fields.authors !== undefined) filter.authors = parseList('authors', fields.authors, limits, isHex64, '')
  if (fields.kinds !== undefined)
    filter.kinds = parseList('kinds', fields.kinds, limits, isKind, 'kind numbers')
  checkTotal(filter, limits)
  if (fields.since !== undefined) filter.since = parseCount('since', fields.since)
  if (fields.until !== undefined) filter.until = parseCount('until', fields.until)
  if (fields.limit !== undefined) filter.limit = parseCount('limit', fields.limit)
  if (fields.after !== undefined) {
    if (typeof fields.after !== 'string') throw invalid('after must be a cursor, or "" for the beginning')
    for (const name of ['since', 'until', 'limit'] as const) {
      if (fields[name] !== undefined) {
        throw invalid(`after can't be combined with ${name}: it brings everything that changed`)
      }
    }
    filter.after = fields.after
  }
  if (fields.states !== undefined) {
    if (typeof fields.states !== 'boolean') throw invalid('states must be true or false')
    filter.states = fields.states
  }
  if (fields.summaries !== undefined) {
    if (typeof fields.summaries !== 'boolean') throw invalid('summaries must be true or false')
    if (fields.summaries) checkSummaryFilter(filter)
    filter.summaries = fields.summaries
  }
  return filter
}

/** All lists of texts together: 52 letters with full lists each would hold on to megabytes per filter. */
function checkTotal({ ids = [], authors = [], tags }: Filter, { maxFilterValues }: Limits): void {
  let total = ids.length + authors.length
  for (const values of tags.values()) total += values.length
  if (total <= maxFilterValues) return
  throw invalid(`a filter has ${total} values in its lists, at most ${maxFilterValues} are allowed`)
}

function checkSummaryFilter({ after, ids, authors, states, tags }: Filter): void {
  if (after === undefined) throw invalid('summaries need "after": they tell what changed since a cursor')
  const others = Object.entries({ ids, authors, states }).flatMap(([name, value]) =>
    value === undefined ? [] : [name],
  )
  for (const letter of tags.keys()) if (letter !== 'd') others.push(`#${letter}`)
  if (others.length > 0) {
    throw invalid(`summaries are of whole documents, by kinds and #d: not by ${others.join(', ')}`)
  }
}

function isString(value: unknown): value is string {
  return typeof value === 'string'
}

function isKind(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) >= 0 && (value as number) <= MAX_KIND
}

function parseList<T>(
  name: string,
  value: unknown,
  limits: Limits,
  accepts: (item: unknown) => item is T,
  what: string,
): readonly T[] {
  if (!Array.isArray(value)) throw invalid(`${name} must be an array`)
  if (value.length > limits.maxFilterValues) {
    throw invalid(`${name} has ${value.length} values, at most ${limits.maxFilterValues} are allowed`)
  }
  if (!value.every(accepts)) {
    throw invalid(
      `${name} must hold ${accepts === (isHex64 as unknown) ? '64 lower-case hex characters each' : what}`,
    )
  }
  return value
}

function parseCount(name: string, value: unknown): number {
  if (!Number.isSafeInteger(value) || (value as number) < 0) {
    throw invalid(`${name} must be a whole number, 0 or more`)
  }
  return value as number
}

/** Whether an event is in a filter's set (NIP-01). `limit` and `after` don't decide that. */
export function matchFilter(filter: Filter, event: NostrEvent): boolean {
  if (filter.ids !== undefined && !includes(filter.ids, event.id)) return false
  if (filter.kinds !== undefined && !includes(filter.kinds, event.kind)) return false
  if (filter.authors !== undefined && !includes(filter.authors, event.pubkey)) return false
  if (filter.since !== undefined && event.created_at < filter.since) return false
  if (filter.until !== undefined && event.created_at > filter.until) return false
  if (filter.tags.size === 0) return true
  const tags = tagsOf(event)
  for (const [letter, values] of filter.tags) {
    if (tags.get(letter)?.some((value) => includes(values, value)) !== true) return false
  }
  return true
}

/** Lists up to this long are searched as they are. */
const MAX_SEARCHED = 16
const sets = new WeakMap<readonly unknown[], ReadonlySet<unknown>>()
const tagIndexes = new WeakMap<object, ReadonlyMap<string, readonly string[]>>()

/** Whether a list of a filter has a value. A long list becomes a set once, however many events are asked for. */
function includes<T>(list: readonly T[], value: T): boolean {
  if (list.length <= MAX_SEARCHED) return list.includes(value)
  let set = sets.get(list)
  if (set === undefined) {
    set = new Set(list)
    sets.set(list, set)
  }
  return set.has(value)
}

/** An event's single-letter tags by letter, found once, however many filters ask. */
function tagsOf(event: Pick<NostrEvent, 'tags'>): ReadonlyMap<string, readonly string[]> {
  let index = tagIndexes.get(event.tags)
  if (index === undefined) {
    const byLetter = new Map<string, string[]>()
    for (const [letter, value] of event.tags) {
      if (letter?.length !== 1 || value === undefined) continue
      getOrCreate(byLetter, letter, () => []).push(value)
    }
    index = byLetter
    tagIndexes.set(event.tags, index)
  }
  return index
}

/** Whether events of a document, given its address, may be in a filter's set: by what the address tells of them. */
export function mayMatchDocument({ kinds, tags }: Filter, address: DocumentAddress): boolean {
  if (kinds !== undefined && !kinds.includes(address.kind)) return false
  const identifiers = tags.get('d')
  return identifiers === undefined || identifiers.includes(addressToDTag(address))
}

/** Newest first, equal times by lowest id (NIP-01): the order of stored events. */
export function compareNewestFirst(
  a: { readonly created_at: number; readonly id: string },
  b: { readonly created_at: number; readonly id: string },
): number {
  return b.created_at - a.created_at || (a.id < b.id ? -1 : a.id > b.id ? 1 : 0)
}
