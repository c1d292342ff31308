import {
  type DecodedUpdateEvent,
  EMPTY_ROSTER,
  isDocumentKind,
  membersOf,
  type NostrEvent,
  ownerOfAddress,
  parseAddress,
  utf8Length,
} from '@onyx-sync/shared'
import type { DocumentRecord, IndexEntry } from '../ports/event-log.js'
import type { PlaceEntry } from '../ports/inspectable-log.js'
import { type StatedRoster, stateRoster } from './roster.js'
import { type Loaded, loadInPages } from './stored-events.js'
import { decodeStored, placeOf } from './verify-events.js'
import { END, type Findings, readRecord } from './verify-findings.js'
import { createStateCheck, type StateCheck } from './verify-states.js'
import { createWriterCheck, type WriterCheck } from './verify-writers.js'

/** Rebuilds every document from its events, and compares what the log keeps of it. */
export async function checkDocuments(check: Findings): Promise<void> {
  let last: string | undefined
  for await (const entry of check.log.scan('documentLog')) {
    if (entry.index === 'unreadable' || entry.address === last) continue
    const { address } = entry
    last = address
    if (!isDocumentKind(parseAddress(address)?.kind ?? 0)) continue
    // Whatever has come back of it is reported with what is known of it.
    if (!check.mislisted.has(address) && !check.deletions.has(address)) await checkDocument(check, address)
    check.counts.documents++
    check.tell('documents')
  }
}

/** What the events of a document give. */
interface Walk {
  eventCount: number
  byteCount: number
  headSeq: number
  /** Newest event that brought something for sure: no checkpoint, and nothing of others repeated. */
  newsSeq: number
  /** What the owner's events say about the members, all of them together. */
  stated: StatedRoster
}

async function checkDocument(check: Findings, address: string): Promise<void> {
  const state = await createStateCheck(check, address)
  const writers = createWriterCheck(check, address, state.rebuilt)
  const walk = await walkThrough(check, address, state, writers)
  if (walk.eventCount === 0) return
  const isSure = !check.unsure.has(address)
  await state.finish(isSure)
  if (isSure) await writers.finish()
  const record = await checkRecord(check, address, walk, isSure)
  if (record !== undefined) await checkRights(check, record)
}

interface Stored {
  readonly seq: number
  readonly json: string
  /** Undefined where there was one that can't be believed, or is gone. */
  readonly event: NostrEvent | undefined
}

async function walkThrough(
  check: Findings,
  address: string,
  state: StateCheck,
  writers: WriterCheck,
): Promise<Walk> {
  const walk: Walk = {
    eventCount: 0,
    byteCount: 0,
    headSeq: 0,
    newsSeq: 0,
    stated: { roster: EMPTY_ROSTER, rosterSeqs: [0] },
  }
  const entries = check.log.documentLog(address, 0, END)
  for await (const places of loadInPages(check.log, entries)) {
    const page = readStored(check, address, places)
    const updates: { readonly stored: Stored; readonly decoded: DecodedUpdateEvent }[] = []
    for (const stored of page) {
      walk.eventCount++
      walk.byteCount += utf8Length(stored.json)
      walk.headSeq = stored.seq
      if (stored.event === undefined) check.unsure.add(address)
      else updates.push({ stored, decoded: decodeStored(stored.event) })
    }
    await writers.learn(updates.flatMap(({ decoded }) => decoded.clientIds))
    state.transact(() => {
      for (const { stored, decoded } of updates) {
        const event = stored.event as NostrEvent
        if (writers.look(stored.seq, event.pubkey, decoded)) walk.newsSeq = stored.seq
        walk.stated = stateRoster(walk.stated, decoded.roster, stored.seq)
        state.apply(stored.seq, decoded.framed.update)
      }
    })
  }
  return walk
}

/**
 * The events of one document at some places. Left out are places that point to nothing or to something else:
 * what is wrong then is the index.
 */
function readStored(check: Findings, address: string, places: readonly Loaded<IndexEntry>[]): Stored[] {
  return places.flatMap(({ seq, id, json }): Stored[] => {
    if (json === undefined) return check.missing.has(seq) ? [{ seq, json: '', event: undefined }] : []
    if (check.damaged.has(seq)) return [{ seq, json, event: undefined }]
    const place = placeOf(json)
    return place.event.id === id && place.address === address ? [{ seq, json, event: place.event }] : []
  })
}

/** @returns the record as it should be; where that can't be said, as it is */
async function checkRecord(
  check: Findings,
  address: string,
  walk: Walk,
  isSure: boolean,
): Promise<DocumentRecord | undefined> {
  const stored = await readRecord(check, address)
  const { newsSeq, stated, ...found } = walk
  const contentSeq = stored?.contentSeq ?? 0
  const isSane =
    Number.isInteger(contentSeq) && contentSeq >= Math.max(1, newsSeq) && contentSeq <= found.headSeq
  const expected: DocumentRecord = {
    address,
    owner: ownerOfAddress(address),
    members: membersOf(stated.roster),
    ...stated,
    rosterSeq: rosterSeqOf(stored, stated),
    headSeq: found.headSeq,
    // Which checkpoints repeat what was there can't be told any more. The newest event is never wrong: readers
    // get an event too many, not one too few.
    contentSeq: isSane ? contentSeq : found.headSeq,
    eventCount: found.eventCount,
    byteCount: found.byteCount,
  }
  const fields = isSure ? (Object.keys(expected) as (keyof DocumentRecord)[]) : COUNTED
  const wrong = stored === undefined ? [] : fields.filter((field) => !isSame(stored[field], expected[field]))
  if (stored !== undefined && wrong.length === 0) return stored
  const message =
    stored === undefined
      ? 'what is known of the document is missing or damaged'
      : wrong
          .map((field) => `${field} is ${shown(stored[field])}, its events give ${shown(expected[field])}`)
          .join('; ')
  const remedy = isSure ? { put: [{ index: 'record', address, record: expected } as const] } : undefined
  await check.note({ kind: 'record', address, message }, remedy)
  if (isSure) check.corrected.set(address, expected)
  return isSure ? expected : stored
}

/** Which event changed the members last can't be told once it was superseded; not after the one that states them. */
function rosterSeqOf(stored: DocumentRecord | undefined, { roster, rosterSeqs }: StatedRoster): number {
  const { rosterSeq } = stored ?? {}
  const lowest = roster.entries.length === 0 ? 0 : 1
  const highest = Math.max(...rosterSeqs)
  const isSane =
    Number.isInteger(rosterSeq) && (rosterSeq as number) >= lowest && (rosterSeq as number) <= highest
  return isSane ? (rosterSeq as number) : highest
}

/** Fields that hold whatever the events say. */
const COUNTED: readonly (keyof DocumentRecord)[] = ['address', 'owner', 'headSeq', 'eventCount']

function isSame(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b)
}

function shown(value: unknown): string {
  if (Array.isArray(value)) return `${value.length} of them`
  return JSON.stringify(value)?.slice(0, 80) ?? 'missing'
}

/** Whether the readers of a document find it. */
async function checkRights(
  check: Findings,
  { address, owner, members, headSeq }: DocumentRecord,
): Promise<void> {
  const readers = members.map(({ pubkey }) => pubkey)
  const expected: Extract<PlaceEntry, { reader: string }>[] = [
    ...[owner, ...readers].map((reader) => ({ index: 'change', reader, seq: headSeq, address }) as const),
    ...readers.map((reader) => ({ index: 'shared', reader, address }) as const),
  ]
  const found = await check.log.hasEntries(expected)
  for (const [at, entry] of expected.entries()) {
    if (found[at] === true) continue
    const { index, reader } = entry
    const message =
      index === 'shared'
        ? 'a member does not find the document among those it may read'
        : 'a reader does not find the document by its newest event'
    await check.note({ kind: 'index', index, address, reader, message }, { put: [entry] })
  }
}
