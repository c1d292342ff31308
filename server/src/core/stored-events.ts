import {
  DEFAULT_LIMITS,
  decodeContent,
  expirationOf,
  formatAddress,
  type Inflate,
  isDocumentKind,
  KIND,
  type Limits,
  type Logger,
  type NostrEvent,
  tagValues,
} from '@onyx-sync/shared'
import type { EventLog, LoggedEvent, WithdrawnEvent } from '../ports/event-log.js'
import { type PlainPlace, plainPlaceOf } from './plain-events.js'

/** An event as it comes out of the log. */
export interface StoredEvent {
  readonly seq: number
  readonly event: NostrEvent
  readonly json: string
  /** Address of its document; undefined for events of no document. */
  readonly address: string | undefined
  /** Documents whose readers may read it: its own, or those that it deletes. */
  readonly about: readonly string[]
}

/** The owner named in an address: 64 lower-case hex characters. */
export function ownerOfAddress(address: string): string {
  return address.slice(address.indexOf(':') + 1, address.lastIndexOf(':', address.indexOf(':') + 65))
}

/**
 * Address of the document of an event that was checked when it was stored. Unlike `parseUpdateHeader` it
 * refuses nothing: limits may have been tightened since.
 */
export function addressOfEvent(event: NostrEvent): string | undefined {
  const { kind, pubkey: owner, tags } = event
  if (!isDocumentKind(kind)) return undefined
  const aTag = tags.find((tag) => tag[0] === 'a' && tag[1] !== undefined)
  if (aTag !== undefined) return aTag[1]
  const identifier = kind === KIND.settings ? '' : (tags.find((tag) => tag[0] === 'd')?.[1] ?? '')
  return formatAddress({ kind, owner, identifier })
}

/** Documents whose readers may read an event that was checked when it was stored. */
export function documentsOfEvent(event: NostrEvent): readonly string[] {
  if (event.kind === KIND.deletion) return tagValues(event, 'a')
  const address = addressOfEvent(event)
  return address === undefined ? [] : [address]
}

/** Bounds for what was checked when it was stored: limits may have been tightened since. */
export const UNBOUNDED = Object.fromEntries(
  Object.keys(DEFAULT_LIMITS).map((name) => [name, Number.MAX_SAFE_INTEGER]),
) as unknown as Limits

/**
 * The Yjs update of a document's event that was checked when it was stored. Throws where it is damaged.
 *
 * @param inflate one that the platform has. @default JavaScript's
 */
export function updateOfStored(event: NostrEvent, inflate?: Inflate): Uint8Array {
  const encoding = event.tags.find((tag) => tag[0] === 'encoding')
  const name = encoding?.[2] === 'deflate' ? 'yjs+deflate' : 'yjs'
  return decodeContent(event.content, name, UNBOUNDED, inflate).update
}

/** An event of no document, as it leaves the log. */
export function withdrawnOf({ seq, event }: Pick<StoredEvent, 'seq' | 'event'>): WithdrawnEvent {
  const { id, kind, created_at, pubkey } = event
  const expiresAt = expirationOf(event)
  return {
    ...{ seq, id, created_at, kind, owner: pubkey, readers: [pubkey] },
    ...(expiresAt === undefined ? {} : { expiresAt }),
    ...placeFields(plainPlaceOf(event)),
  }
}

/** Where an event of a further kind is found, as the log is told. */
export function placeFields(
  place: PlainPlace | undefined,
): Partial<Pick<LoggedEvent, 'owner' | 'readers' | 'isListed' | 'coordinate'>> {
  if (place === undefined) return {}
  const { owner, readers, coordinate } = place
  return { owner, readers, isListed: true, ...(coordinate === undefined ? {} : { coordinate }) }
}

/**
 * Events by position, in the order asked for, each with whatever else its place carries. What can't be
 * read is reported and left out; what is no more in the log is left out.
 */
export async function loadEvents<T extends { readonly seq: number }>(
  log: EventLog,
  logger: Logger,
  places: readonly T[],
): Promise<(T & StoredEvent)[]> {
  const events: (T & StoredEvent)[] = []
  let size = places.length
  for (let from = 0; from < places.length; ) {
    const page = places.slice(from, from + size)
    const texts = await log.load(page.map(({ seq }) => seq))
    let length = 0
    let parsed = 0
    for (const [index, json] of texts.entries()) {
      // The rest is loaded again, with a look at the sockets in between: parsing 64 MB takes a while.
      if (length > PAGE_LENGTH) break
      length += json?.length ?? 0
      parsed++
      const stored = parseStored(logger, page[index] as T, json)
      if (stored !== undefined) events.push(stored)
    }
    from += parsed
    size = parsed
  }
  return events
}

function parseStored<T extends { readonly seq: number }>(
  logger: Logger,
  place: T,
  json: string | undefined,
): (T & StoredEvent) | undefined {
  // A checkpoint may have taken its place since the position was read.
  if (json === undefined) return undefined
  try {
    const event = JSON.parse(json) as NostrEvent
    const about = documentsOfEvent(event)
    return { ...place, event, json, address: addressOfEvent(event), about }
  } catch (error) {
    logger.error('a stored event is unreadable; it is left out', { seq: place.seq, error: String(error) })
    return undefined
  }
}

/**
 * Which of these documents some of the keys may read now. One's own are known without a look. Of a deleted one
 * there is nothing to read but that it is gone, and that may be read by whoever could read it.
 */
export async function readableAmong(
  log: EventLog,
  keys: ReadonlySet<string>,
  addresses: Iterable<string | undefined>,
): Promise<Set<string>> {
  const readable = new Set<string>()
  const foreign = new Set<string>()
  for (const address of addresses) {
    if (address === undefined) continue
    if (keys.has(ownerOfAddress(address))) readable.add(address)
    else foreign.add(address)
  }
  if (foreign.size === 0) return readable
  for (const record of await log.documents([...foreign])) {
    if (record?.members.some((member) => keys.has(member.pubkey))) readable.add(record.address)
  }
  return readable
}

/** Whether keys may read an event, given the documents they may read, and whether one of them is an operator's. */
export function isReadable(
  stored: StoredEvent,
  keys: ReadonlySet<string>,
  readable: ReadonlySet<string>,
  isOperator: boolean,
): boolean {
  if (stored.address !== undefined) return readable.has(stored.address)
  if (isOperator && isOpenToOperators(stored.event)) return true
  // Bookkeeping of this server's.
  if (stored.event.kind === KIND.vanish) return false
  const plain = plainPlaceOf(stored.event)
  if (plain !== undefined) return plain.readers.some((reader) => keys.has(reader))
  return keys.has(stored.event.pubkey) || stored.about.some((address) => readable.has(address))
}

/** Whether operators may read an event, whoever signed it. Source: SPEC OPR1. */
export function isOpenToOperators({ kind }: Pick<NostrEvent, 'kind'>): boolean {
  return kind === KIND.training
}

const MIN_PAGE = 16
const MAX_PAGE = 64
/** Characters of JSON a page may have before the next one is made smaller: bounds what a reader holds. */
const PAGE_LENGTH = 1024 * 1024

/** Cuts a sequence into pages that `load` turns into events; pages shrink where events are large. */
export async function* loadInPages<T, E extends { readonly json: string }>(
  source: AsyncIterable<T>,
  load: (page: readonly T[]) => Promise<E[]>,
): AsyncGenerator<E[]> {
  let size = MIN_PAGE
  let page: T[] = []
  for await (const item of source) {
    page.push(item)
    if (page.length < size) continue
    const events = await load(page)
    const length = events.reduce((sum, { json }) => sum + json.length, 0)
    size = length > PAGE_LENGTH ? Math.max(1, size >> 2) : Math.min(MAX_PAGE, size * 2)
    page = []
    yield events
  }
  if (page.length > 0) yield await load(page)
}
