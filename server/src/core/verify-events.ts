import {
  type DecodedUpdateEvent,
  decodeUpdateEvent,
  type EventVerifier,
  expirationOf,
  formatAddress,
  isDocumentKind,
  KIND,
  type NostrEvent,
  ownerOfAddress,
  parseEvent,
  SyncError,
  stringifyEvent,
} from '@onyx-sync/shared'
import type { IndexEntry } from '../ports/event-log.js'
import type { EntryOf, PlaceEntry } from '../ports/inspectable-log.js'
import { type PlainPlace, plainPlaceOf } from './plain-events.js'
import { addressOfEvent, inPages, UNBOUNDED } from './stored-events.js'
import { entriesOfDeletion, noteDeletion } from './verify-deletions.js'
import { type Findings, readable } from './verify-findings.js'

/** An event of the log, and where it must be found. */
export interface Place {
  readonly event: NostrEvent
  /** Undefined for events of no document. */
  readonly address: string | undefined
  readonly owner: string
  /** Only of an event of a further kind. */
  readonly plain?: PlainPlace
}

/** Reads an event that was checked before. Throws where it can't be read. */
export function placeOf(json: string): Place {
  const event = JSON.parse(json) as NostrEvent
  const address = addressOfEvent(event)
  const plain = plainPlaceOf(event)
  if (plain !== undefined) return { event, address, owner: plain.owner, plain }
  return { event, address, owner: address === undefined ? event.pubkey : ownerOfAddress(address) }
}

/**
 * Everything that can be said of a stored event by itself: shape, id, signature, tags, content. Throws a
 * `SyncError`, or a `SyntaxError` for what is no JSON.
 */
export function checkStored(json: string, verifier: EventVerifier): void {
  const event = parseEvent(JSON.parse(json), UNBOUNDED)
  verifier.verify(event)
  if (stringifyEvent(event) !== json) {
    throw new SyncError('EVENT_MALFORMED', 'it is not stored in the form in which it is served')
  }
  if (!isDocumentKind(event.kind)) return
  const { address } = decodeUpdateEvent(event, UNBOUNDED)
  if (formatAddress(address) !== addressOfEvent(event)) {
    throw new SyncError('EVENT_TAGS_INVALID', 'its tags name no document clearly')
  }
}

/** The update event in an event that was checked before. */
export function decodeStored(event: NostrEvent): DecodedUpdateEvent {
  return decodeUpdateEvent(event, UNBOUNDED)
}

/** Every entry that an event must have, whoever else reads it. */
export function entriesOf({ event, address, owner, plain }: Place, seq: number): PlaceEntry[] {
  const { id, kind, created_at } = event
  const entries: PlaceEntry[] = [
    { index: 'id', id, place: seq },
    { index: 'ownerLog', owner, kind, created_at, id, seq },
    // A request to vanish is served to nobody.
    ...(kind === KIND.vanish || plain !== undefined ? [] : [{ index: 'feed', reader: owner, seq } as const]),
    ...(plain === undefined ? [] : entriesOfPlain(plain, { seq, id, created_at }, kind)),
  ]
  if (kind === KIND.training) {
    entries.push({ index: 'training', created_at, id, seq }, { index: 'trainingFeed', seq })
  }
  if (address !== undefined) entries.push({ index: 'documentLog', address, seq, id, created_at })
  const expiresAt = address === undefined ? expirationOf(event) : undefined
  if (expiresAt !== undefined) entries.push({ index: 'expiry', expiresAt, seq })
  return [...entries, ...entriesOfDeletion(event, seq)]
}

/** Entries that only events of further kinds have. */
function entriesOfPlain({ readers, coordinate }: PlainPlace, place: IndexEntry, kind: number): PlaceEntry[] {
  const entries = readers.flatMap((reader): PlaceEntry[] => [
    { index: 'feed', reader, seq: place.seq },
    { index: 'listed', reader, kind, ...place },
  ])
  return coordinate === undefined ? entries : [...entries, { index: 'coordinate', coordinate, ...place }]
}

/** Checks every event of the log, and that the indexes find it. */
export async function checkEvents(check: Findings): Promise<void> {
  for await (const page of inPages(readable(check, 'event'))) {
    const places: { readonly seq: number; readonly place: Place }[] = []
    for (const { seq, json } of page) {
      check.counts.events++
      try {
        checkStored(json, check.verifier)
        const place = placeOf(json)
        noteDeletion(check, place.event, seq)
        places.push({ seq, place })
      } catch (error) {
        check.damaged.add(seq)
        const message = error instanceof SyntaxError ? 'it is no JSON' : (error as Error).message
        await check.note({ kind: 'event-damaged', seq, message, ...claimed(json) })
      }
    }
    await checkFound(check, places)
    check.tell('events', page[page.length - 1]?.seq)
  }
}

/** Characters of what may be anything. */
const MAX_SHOWN = 256

/** What a damaged event says of itself, as far as it does. */
function claimed(json: string): { readonly id?: string; readonly address?: string } {
  try {
    const { event, address } = placeOf(json)
    const id = String(event.id).slice(0, 64)
    return address === undefined ? { id } : { id, address: address.slice(0, MAX_SHOWN) }
  } catch {
    return {}
  }
}

async function checkFound(
  check: Findings,
  places: readonly { readonly seq: number; readonly place: Place }[],
): Promise<void> {
  const expected = places.flatMap(({ seq, place }) =>
    entriesOf(place, seq).map((entry) => ({ seq, place, entry })),
  )
  const found = await check.log.hasEntries(expected.map(({ entry }) => entry))
  const twins = new Set<number>()
  for (const [at, { seq, place, entry }] of expected.entries()) {
    if (found[at] === true || twins.has(seq)) continue
    if (entry.index === 'deletedId' && (await isDeletedByAnother(check, entry))) continue
    const { id } = place.event
    const where = { seq, id, ...(place.address === undefined ? {} : { address: place.address }) }
    const twin = entry.index === 'id' ? await twinOf(check, id, seq) : undefined
    if (twin === undefined) {
      const fault = { kind: 'index', index: entry.index, ...where, message: MISSED[entry.index] } as const
      await check.note(fault, { put: [entry] })
    } else {
      // What finds events by id can name one of the two only.
      twins.add(seq)
      const message = `the log has it twice, here and at position ${twin}`
      await check.note({ kind: 'event-damaged', ...where, message })
    }
  }
}

/** Whether an id counts as deleted by another request than this one; which, is checked with all that do. */
async function isDeletedByAnother(check: Findings, entry: EntryOf<'deletedId'>): Promise<boolean> {
  const [isDeleted] = await check.log.areDeleted([entry])
  if (isDeleted === true) check.deletedAgain.set(`${entry.pubkey} ${entry.id}`, entry)
  return isDeleted === true
}

const MISSED: Readonly<Record<PlaceEntry['index'], string>> = {
  id: 'the event is not found by its id',
  ownerLog: 'the event is not among those of its owner',
  listed: 'the event is not among those that a reader finds by kind',
  coordinate: 'the event is not known as the newest of its name',
  deletedCoordinate: 'a name is not known as deleted',
  documentLog: 'the event is not in the log of its document',
  training: 'the event is not among the training data of all authors',
  trainingFeed: 'the event is not in the feed of training data',
  feed: 'the event is not in the feed of its owner, or of a reader',
  grant: 'a grant is missing',
  shared: 'a right is missing',
  change: 'a change is missing',
  supersededId: 'a superseded id is missing',
  deletedId: 'an event that it deletes is not known as deleted',
  expiry: 'the event is not known to expire',
  vanished: 'the key is not known to have vanished',
}

/** Another position at which the very same event stands. */
async function twinOf(check: Findings, id: string, seq: number): Promise<number | undefined> {
  const [other] = await check.log.locate([id])
  if (other === undefined || other === seq) return undefined
  const [json] = await check.log.load([other])
  try {
    return json !== undefined && placeOf(json).event.id === id ? other : undefined
  } catch {
    return undefined
  }
}
