import {
  classOfKind,
  coordinateOf,
  DIRECT_MESSAGE_KIND,
  type Filter,
  isGiftWrapKind,
  isHex64,
  isOwnKind,
  KIND,
  MAX_COORDINATE_IDENTIFIER,
  type NostrEvent,
  REPOST_KINDS,
  SyncError,
  tagValues,
} from '@onyx-sync/shared'
import { EVERYBODY } from '../ports/event-log.js'

/** Where an event of a further kind belongs. It follows from the event alone, whatever a server is told to take. */
export interface PlainPlace {
  /** Whose it is: the author, and of a gift wrap its receiver, since nobody knows the author's key. */
  readonly owner: string
  /** Keys that may read it, or {@link EVERYBODY}. */
  readonly readers: readonly string[]
  /** What names it, where a newer one of that name takes its place. */
  readonly coordinate: string | undefined
}

/**
 * Where an event belongs; undefined for one of a kind that has a meaning of its own here, but for a deletion request
 * that everybody may read. Source: SPEC KND2, KND5, KND7.
 */
export function plainPlaceOf(event: Pick<NostrEvent, 'kind' | 'pubkey' | 'tags'>): PlainPlace | undefined {
  const { kind, pubkey } = event
  if (isOpenDeletion(event)) return { owner: pubkey, readers: [pubkey, EVERYBODY], coordinate: undefined }
  if (isOwnKind(kind)) return undefined
  const coordinate = coordinateOf(event)
  if (!isPrivateKind(kind)) return { owner: pubkey, readers: [EVERYBODY], coordinate }
  const receivers = [...new Set(tagValues(event, 'p'))].filter(isHex64)
  if (isGiftWrapKind(kind)) return { owner: receivers[0] ?? pubkey, readers: receivers, coordinate }
  return { owner: pubkey, readers: [...new Set([pubkey, ...receivers])], coordinate }
}

/** Whether a deletion request says by its own tags that it names nothing but what everybody may read. */
function isOpenDeletion({ kind, tags }: Pick<NostrEvent, 'kind' | 'tags'>): boolean {
  if (kind !== KIND.deletion) return false
  const ofIds = tagValues({ tags }, 'k')
  const ofNames = tagValues({ tags }, 'a').map((name) => name.slice(0, name.indexOf(':')))
  const namesIds = tags.some(([name]) => name === 'e')
  if (namesIds ? ofIds.length === 0 : ofNames.length === 0) return false
  return [...ofIds, ...ofNames].every(
    (text) => /^\d{1,5}$/.test(text) && !isOwnKind(Number(text)) && isForEverybody(Number(text)),
  )
}

function isPrivateKind(kind: number): boolean {
  return kind === DIRECT_MESSAGE_KIND || isGiftWrapKind(kind)
}

/** Whether an event reaches a server from somebody else than its author, as gift wraps do. */
export function isForAnyone({ kind, tags }: Pick<NostrEvent, 'kind' | 'tags'>): boolean {
  return isGiftWrapKind(kind) && !isProtected({ tags })
}

function isProtected({ tags }: Pick<NostrEvent, 'tags'>): boolean {
  return tags.some(([name]) => name === '-')
}

const LONE_SURROGATE = /\p{Surrogate}/u

/** Throws for an event of a further kind that can't be kept, or must not be. Source: SPEC KND3, KND6, KND8. */
export function checkPlain(event: NostrEvent): void {
  const { kind } = event
  if (isPrivateKind(kind)) {
    const receivers = tagValues(event, 'p')
    if (receivers.length !== 1 || !receivers.every(isHex64)) {
      const name = isGiftWrapKind(kind) ? 'a gift wrap' : 'a direct message'
      throw new SyncError(
        'EVENT_TAGS_INVALID',
        `${name} names its receiver in one p tag, 64 lower-case hex characters; send one to each receiver`,
      )
    }
  }
  if (classOfKind(kind) === 'addressable') {
    const identifiers = tagValues(event, 'd')
    const [identifier = ''] = identifiers
    if (identifiers.length > 1 || LONE_SURROGATE.test(identifier)) {
      throw new SyncError('EVENT_TAGS_INVALID', 'an addressable event has one d tag, of well-formed Unicode')
    }
    if (identifier.length > MAX_COORDINATE_IDENTIFIER) {
      throw new SyncError(
        'EVENT_TAGS_INVALID',
        `the d tag has ${identifier.length} characters, at most ${MAX_COORDINATE_IDENTIFIER} are taken`,
      )
    }
  }
  if (REPOST_KINDS.includes(kind) && holdsProtected(event.content)) {
    throw new SyncError(
      'WRITE_RESTRICTED',
      'it holds a protected event (NIP-70), which its author alone may publish; repost it without its content',
    )
  }
}

/** Whether a repost has a protected event in its content. */
function holdsProtected(content: string): boolean {
  let held: unknown
  try {
    held = JSON.parse(content)
  } catch {
    return false
  }
  const tags = (held as { readonly tags?: unknown } | null)?.tags
  return Array.isArray(tags) && tags.some((tag) => Array.isArray(tag) && tag[0] === '-')
}

/** The kinds that a server takes and serves. */
export interface ServedKinds {
  /** Further kinds that are stored. */
  readonly storedExtra: readonly number[]
  /** Whether it was told to take a kind by NIP-01's plain rules. */
  isExtra(kind: number): boolean
  /** Whether events of a kind are served. One that isn't taken any more is not, though it may be stored. */
  isServed(kind: number): boolean
  /** Keys for which filters are answered: some keys, with {@link EVERYBODY} where what all may read can match. */
  readersFor(keys: readonly string[], filters: readonly Filter[]): string[]
}

/** What follows from the further kinds that the configuration names. */
export function createServedKinds(extra: readonly number[] = []): ServedKinds {
  const extraKinds = new Set(extra)
  const forAll = extra.filter((kind) => !isPrivateKind(kind))
  return {
    storedExtra: [...extraKinds].filter((kind) => classOfKind(kind) !== 'ephemeral'),
    isExtra: (kind) => extraKinds.has(kind),
    isServed: (kind) => isOwnKind(kind) || extraKinds.has(kind),
    readersFor(keys, filters) {
      if (forAll.length === 0) return [...keys]
      // A device that catches up with its documents asks for deletion requests as well, and not for these.
      const isOpen = (kind: number, after: string | undefined) =>
        forAll.includes(kind) || (kind === KIND.deletion && after === undefined)
      const mayMatch = ({ kinds, after }: Filter) => kinds?.some((kind) => isOpen(kind, after)) ?? true
      return filters.some(mayMatch) ? [...keys, EVERYBODY] : [...keys]
    },
  }
}

/** The readers among whom events of a further kind are looked for: each key, or all of them together. */
export function listsFor(kind: number, keys: Iterable<string>): readonly string[] {
  return isPrivateKind(kind) ? [...keys].filter((key) => key !== EVERYBODY) : [EVERYBODY]
}

/** Whether everybody may read events of a further kind. */
export function isForEverybody(kind: number): boolean {
  return !isPrivateKind(kind)
}
