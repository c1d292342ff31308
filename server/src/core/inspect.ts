import { getOrCreate, KIND, type NostrEvent, SyncError, utf8Length } from '@onyx-sync/shared'
import type { DocumentRecord } from '../ports/event-log.js'
import type { OperableLog } from '../ports/operable-log.js'
import { gatherPages } from './pages.js'
import { byteLengthOf } from './state-pieces.js'
import { loadInPages } from './stored-events.js'
import { decodeStored } from './verify-events.js'

/** One document, as a list shows it. */
export interface DocumentUse {
  readonly address: string
  readonly events: number
  /** Bytes of the events' JSON. */
  readonly bytes: number
  readonly members: number
  /** Position of its newest event. */
  readonly head: number
}

/** One account, as a list shows it. */
export interface AccountUse {
  readonly pubkey: string
  readonly documents: number
  readonly events: number
  readonly bytes: number
}

/** What is in a database. */
export interface Overview {
  readonly database: string
  /** Position of the newest event. */
  readonly head: number
  /** Runs of servers that have written to it. */
  readonly epochs: number
  readonly disk: { readonly bytes: number; readonly files: number }
  /** Events in the log, without those that wait as parts. */
  readonly events: number
  readonly eventsByKind: Readonly<Record<string, number>>
  readonly documents: number
  /** Bytes of the events of documents, as JSON. */
  readonly documentBytes: number
  readonly accounts: number
  /** Members of chats, each counted once for each chat. */
  readonly memberships: number
  /** Events that checkpoints have taken out of the log, and whose ids are still known. */
  readonly supersededIds: number
  /** Parts of edits that wait for others. */
  readonly heldParts: number
  readonly heldBytes: number
  /** Largest first. */
  readonly largestDocuments: readonly DocumentUse[]
  readonly largestAccounts: readonly AccountUse[]
}

/** One event of a document, without its content. */
export interface EventPlace {
  readonly seq: number
  readonly id: string
  readonly author: string
  /** Unix seconds, by the author's clock. */
  readonly createdAt: number
  /** Bytes of its JSON. */
  readonly bytes: number
  /** Whether it is a whole state. Undefined where the event can't be read. */
  readonly checkpoint: boolean | undefined
}

/** Entries between two tellings of progress. */
const TELL_EVERY = 20_000

/**
 * What is in a log, as lines of JSON: `{"progress":<entries read>}` now and then, last `{"overview":…}`.
 * `top` is how many documents and accounts are named.
 */
export async function* overviewLines(log: OperableLog, top: number): AsyncGenerator<string> {
  const snapshot = await log.snapshot()
  let entries = 0
  const isTold = (): boolean => ++entries % TELL_EVERY === 0
  const progress = (): string => JSON.stringify({ progress: entries })
  try {
    const documents: DocumentUse[] = []
    const accounts = new Map<string, { documents: number; events: number; bytes: number }>()
    let memberships = 0
    for await (const { record } of readable(snapshot.scan('record'))) {
      if (isTold()) yield progress()
      if (record === undefined) continue
      documents.push(useOf(record))
      memberships += record.members.length
      const account = getOrCreate(accounts, record.owner, () => ({ documents: 0, events: 0, bytes: 0 }))
      account.documents++
      account.events += record.eventCount
      account.bytes += record.byteCount
    }
    const byKind = new Map<number, number>()
    for await (const { kind } of readable(snapshot.scan('ownerLog'))) {
      if (isTold()) yield progress()
      byKind.set(kind, (byKind.get(kind) ?? 0) + 1)
    }
    let supersededIds = 0
    for await (const _ of readable(snapshot.scan('supersededId'))) {
      if (isTold()) yield progress()
      supersededIds++
    }
    let [heldParts, heldBytes] = [0, 0]
    for await (const { part } of readable(snapshot.scan('held'))) {
      if (isTold()) yield progress()
      heldParts++
      heldBytes += utf8Length(part.json)
    }
    const bySize = (a: { bytes: number }, b: { bytes: number }) => b.bytes - a.bytes
    const overview: Overview = {
      database: log.databaseId,
      head: snapshot.head,
      epochs: snapshot.epochs.length,
      disk: await log.diskUse(),
      events: [...byKind.values()].reduce((sum, count) => sum + count, 0),
      eventsByKind: Object.fromEntries([...byKind].sort(([a], [b]) => a - b)),
      documents: documents.length,
      documentBytes: documents.reduce((sum, { bytes }) => sum + bytes, 0),
      accounts: accounts.size,
      memberships,
      supersededIds,
      heldParts,
      heldBytes,
      largestDocuments: documents.sort(bySize).slice(0, top),
      largestAccounts: [...accounts]
        .map(([pubkey, use]) => ({ pubkey, ...use }))
        .sort(bySize)
        .slice(0, top),
    }
    yield JSON.stringify({ overview })
  } finally {
    await snapshot.close()
  }
}

/**
 * One document, as lines of JSON: `{"document":…}` with its members, then `{"event":…}` for each event of its
 * log, in order. Throws `DOCUMENT_NOT_FOUND`.
 */
export async function* documentLines(log: OperableLog, address: string): AsyncGenerator<string> {
  const [record] = await log.documents([address])
  if (record === undefined) throw new SyncError('DOCUMENT_NOT_FOUND', `there is no document ${address}`)
  const members = record.members.map(({ pubkey }) => pubkey)
  const kept = await log.keptState(address)
  const state =
    kept === undefined ? undefined : { bytes: byteLengthOf(kept.updates), through: kept.throughSeq }
  yield JSON.stringify({ document: { ...useOf(record), owner: record.owner, members, state } })
  const places = log.documentLog(address, 0, log.head)
  for await (const page of loadInPages(log, places)) {
    for (const { seq, json } of page) {
      if (json !== undefined) yield JSON.stringify({ event: placeOfEvent(seq, json) })
    }
  }
}

function placeOfEvent(seq: number, json: string): EventPlace {
  const bytes = utf8Length(json)
  try {
    const event = JSON.parse(json) as NostrEvent
    const { id, pubkey: author, created_at: createdAt } = event
    return { seq, id, author, createdAt, bytes, checkpoint: decodeStored(event).framed.checkpoint }
  } catch {
    return { seq, id: '', author: '', createdAt: 0, bytes, checkpoint: undefined }
  }
}

/** One event as it is stored, as a line of JSON. Throws `CONFIG_INVALID` where there is none. */
export async function* eventLines(log: OperableLog, id: string): AsyncGenerator<string> {
  const [seq] = await log.locate([id])
  const [json] = seq === undefined ? [] : await log.load([seq])
  if (json !== undefined) {
    yield JSON.stringify({ stored: { seq, bytes: utf8Length(json), json } })
    return
  }
  const [isSuperseded, isHeld] = await log.hasEntries([
    { index: 'id', id, place: 'superseded' },
    { index: 'id', id, place: 'held' },
  ])
  const why = isSuperseded
    ? 'it was superseded by a checkpoint'
    : isHeld
      ? 'it is a part of an edit and waits for the others'
      : 'no such event is known'
  throw new SyncError('CONFIG_INVALID', `the log has no event ${id}: ${why}`)
}

/** Events of kind 1, as the JSON that their authors signed, one a line; by author, newest first. */
export async function* trainingLines(log: OperableLog): AsyncGenerator<string> {
  const snapshot = await log.snapshot()
  try {
    async function* places() {
      for await (const entry of readable(snapshot.scan('ownerLog'))) {
        if (entry.kind === KIND.training) yield entry
      }
    }
    for await (const page of loadInPages(log, gatherPages(places()))) {
      for (const { json } of page) {
        // A damaged one must not look like two.
        if (json !== undefined) yield json.replaceAll('\n', ' ')
      }
    }
  } finally {
    await snapshot.close()
  }
}

function useOf({ address, eventCount, byteCount, members, headSeq }: DocumentRecord): DocumentUse {
  return { address, events: eventCount, bytes: byteCount, members: members.length, head: headSeq }
}

async function* readable<E extends { readonly index: string }>(
  entries: AsyncIterable<E>,
): AsyncGenerator<Exclude<E, { readonly index: 'unreadable' }>> {
  for await (const entry of entries) {
    if (entry.index !== 'unreadable') yield entry as Exclude<E, { readonly index: 'unreadable' }>
  }
}
