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
  ownerOfAddress,
  tagValues,
} from '@onyx-sync/shared'
import type { EventLog, LoggedEvent, Pages, WithdrawnEvent } from '../ports/event-log.js'
import { onePage } from './pages.js'
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
  for await (const page of loadInPages(log, onePage(places))) events.push(...parseEvents(logger, page))
  return events
}

/** Events of a page, each with whatever else its place carries. Those that are no more in the log, or can't be read, are left out. */
export function parseEvents<T extends { readonly seq: number }>(
  logger: Logger,
  page: readonly Loaded<T>[],
): (T & StoredEvent)[] {
  return page.flatMap((place) => parseStored(logger, place) ?? [])
}

function parseStored<T extends { readonly seq: number }>(
  logger: Logger,
  place: Loaded<T>,
): (T & StoredEvent) | undefined {
  const { seq, json } = place
  // A checkpoint may have taken its place since the position was read.
  if (json === undefined) return undefined
  try {
    const event = JSON.parse(json) as NostrEvent
    const about = documentsOfEvent(event)
    return { ...place, event, json, address: addressOfEvent(event), about }
  } catch (error) {
    logger.error('a stored event is unreadable; it is left out', { seq, error: String(error) })
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

/** A place in the log, with the JSON of the event that is there; undefined where there is none. */
export type Loaded<T> = T & { readonly json: string | undefined }

const MIN_PAGE = 16
const MAX_PAGE = 64
/** Characters of JSON a page has at most, and one event more: bounds what a reader holds, and holds up. */
const PAGE_LENGTH = 1024 * 1024

/** Loads the events at some places, in pages; what is large comes in smaller ones. */
export async function* loadInPages<T extends { readonly seq: number }>(
  log: Pick<EventLog, 'load'>,
  source: Pages<T>,
): AsyncGenerator<Loaded<T>[]> {
  let size = MIN_PAGE
  let waiting: readonly T[] = []
  for await (const places of source) {
    waiting = waiting.length === 0 ? places : [...waiting, ...places]
    while (waiting.length >= size) {
      const page = await loadPage(log, waiting.slice(0, size))
      yield page
      waiting = waiting.slice(page.length)
      size = Math.min(MAX_PAGE, size * 2)
    }
  }
  while (waiting.length > 0) {
    const page = await loadPage(log, waiting)
    yield page
    waiting = waiting.slice(page.length)
  }
}

async function loadPage<T extends { readonly seq: number }>(
  log: Pick<EventLog, 'load'>,
  places: readonly T[],
): Promise<Loaded<T>[]> {
  const texts = await log.load(
    places.map(({ seq }) => seq),
    PAGE_LENGTH,
  )
  return texts.map((json, index) => ({ ...(places[index] as T), json }))
}

/** Cuts what has been loaded into pages of the same bounds. */
export async function* inPages<T extends { readonly json: string }>(
  source: AsyncIterable<T>,
): AsyncGenerator<T[]> {
  let page: T[] = []
  let length = 0
  for await (const item of source) {
    page.push(item)
    length += item.json.length
    if (page.length < MAX_PAGE && length < PAGE_LENGTH) continue
    yield page
    page = []
    length = 0
  }
  if (page.length > 0) yield page
}
