import {
  coordinatesOfDeletion,
  EMPTY_ROSTER,
  isDocumentKind,
  isGiftWrapKind,
  KIND,
  type Logger,
  type NostrEvent,
  ownerOfAddress,
  SyncError,
} from '@onyx-sync/shared'
import type {
  Commit,
  DeletedCoordinate,
  DocumentRecord,
  EventLog,
  Move,
  WithdrawnEvent,
} from '../ports/event-log.js'
import type { CheckedEvent } from './check-event.js'
import { plainPlaceOf } from './plain-events.js'
import { loadEvents, placeFields, withdrawnOf } from './stored-events.js'

/** A document that is gone, and who could read it. */
export interface GoneDocument {
  readonly address: string
  readonly readers: readonly string[]
}

/** What is gone with a commit, for those who may be reading it at the moment. */
export interface Gone {
  readonly documents: readonly GoneDocument[]
  readonly events: readonly WithdrawnEvent[]
}

/** A commit that takes things out of the log. */
export interface DeletionCommit {
  readonly commit: Commit
  readonly gone: Gone
}

/**
 * Decides a deletion request (NIP-09): what goes, what is remembered, who is told. Throws the `SyncError` that
 * refuses it. It is a commit of its own: nothing of the same batch comes before or after it. Source: SPEC
 * DEL1–DEL6.
 */
export async function decideDeletion(
  log: EventLog,
  logger: Logger,
  checked: CheckedEvent,
): Promise<DeletionCommit> {
  const { event, json, deletion } = checked
  if (deletion === undefined) throw new SyncError('INTERNAL', 'this is no deletion request')
  const seq = log.head + 1
  const place = { seq, id: event.id, created_at: event.created_at }
  const records = await log.documents(deletion.documents)
  assertMayBeRead(deletion.ids.length + deletion.coordinates.length + deletion.documents.length, records)
  const { withdrawn, deletedCoordinates } = await withdrawnFrom(log, logger, event, deletion.ids)
  const tombstones: DocumentRecord[] = []
  const moves: Move[] = []
  const documents: GoneDocument[] = []
  for (const [index, address] of deletion.documents.entries()) {
    const record = records[index]
    // The first request counts: those who were members then are to know.
    if (record?.deleted !== undefined) continue
    const tombstone = tombstoneOf(address, record, place)
    const readers = readersOf(tombstone)
    tombstones.push(tombstone)
    documents.push({ address, readers })
    if (record === undefined) continue
    for (const reader of readers) moves.push({ reader, address, from: record.headSeq, to: undefined })
  }
  const readers = [...new Set([event.pubkey, ...documents.flatMap((document) => document.readers)])]
  return {
    commit: {
      events: [
        {
          ...{ seq, id: event.id, pubkey: event.pubkey, kind: event.kind, createdAt: event.created_at, json },
          ...{ address: undefined, owner: event.pubkey, readers },
          ...placeFields(plainPlaceOf(event)),
        },
      ],
      documents: tombstones,
      grants: [],
      revocations: [],
      moves,
      deletedDocuments: documents,
      withdrawn,
      deletedIds: deletion.ids.map((id) => ({ pubkey: event.pubkey, id, seq })),
      deletedCoordinates: deletedCoordinates.map((gone) => ({ ...gone, seq })),
    },
    gone: { documents, events: withdrawn },
  }
}

/** What is left of a document: that it is gone, and who may know. */
export function tombstoneOf(
  address: string,
  record: DocumentRecord | undefined,
  deleted: { readonly seq: number; readonly id: string; readonly created_at: number },
): DocumentRecord {
  const { seq } = deleted
  return {
    address,
    owner: ownerOfAddress(address),
    members: record?.members ?? [],
    roster: record?.roster ?? EMPTY_ROSTER,
    rosterSeqs: [],
    rosterSeq: 0,
    headSeq: seq,
    contentSeq: seq,
    eventCount: 0,
    byteCount: 0,
    deleted,
  }
}

/** A request is read by the members of the documents it names: it must not tell them of anything else. */
function assertMayBeRead(named: number, records: readonly (DocumentRecord | undefined)[]): void {
  if (named < 2) return
  const shared = records.find((record) => record?.deleted === undefined && (record?.members.length ?? 0) > 0)
  if (shared === undefined) return
  throw new SyncError(
    'EVENT_TAGS_INVALID',
    `${shared.address} has members, who get to read the request that deletes it: delete it with a request of its own`,
  )
}

/** What a request takes out of the log that belongs to no document, and the names that are deleted up to its time. */
async function withdrawnFrom(
  log: EventLog,
  logger: Logger,
  event: NostrEvent,
  ids: readonly string[],
): Promise<{
  readonly withdrawn: WithdrawnEvent[]
  readonly deletedCoordinates: readonly Omit<DeletedCoordinate, 'seq'>[]
}> {
  const byId = await withdrawnBy(log, logger, event.pubkey, ids)
  const names = coordinatesOfDeletion(event)
  if (names.length === 0) return { withdrawn: byId, deletedCoordinates: [] }
  const until = event.created_at
  const states = await log.coordinates(names)
  const current = states
    .flatMap((state) => state.current ?? [])
    .filter(({ created_at }) => created_at <= until)
  const byName = (await loadEvents(log, logger, current)).map(withdrawnOf)
  const seqs = new Set(byId.map(({ seq }) => seq))
  return {
    withdrawn: [...byId, ...byName.filter(({ seq }) => !seqs.has(seq))],
    deletedCoordinates: names.flatMap((coordinate, index) => {
      const known = states[index]?.deletedUntil
      return known !== undefined && known >= until ? [] : { coordinate, until }
    }),
  }
}

/** Whether a key may delete an event: its own, and gift wraps that it received, since nobody has their author's key. */
function mayDelete(key: string, event: NostrEvent): boolean {
  return event.pubkey === key || (isGiftWrapKind(event.kind) && plainPlaceOf(event)?.owner === key)
}

/** The author's own events among some ids. Others', and what isn't here, are passed over without a word. */
async function withdrawnBy(
  log: EventLog,
  logger: Logger,
  author: string,
  ids: readonly string[],
): Promise<WithdrawnEvent[]> {
  const seqs = (await log.locate(ids)).flatMap((seq) => (seq === undefined ? [] : { seq }))
  const withdrawn: WithdrawnEvent[] = []
  for (const stored of await loadEvents(log, logger, seqs)) {
    const { event } = stored
    const { id, kind } = event
    if (!mayDelete(author, event) || kind === KIND.deletion) continue
    if (isDocumentKind(kind)) {
      throw new SyncError(
        'EVENT_TAGS_INVALID',
        `${id} is an update of a document: what others wrote may hang on it, so single updates can't be taken out. Delete its content with another update, or the whole document by an a tag`,
      )
    }
    withdrawn.push(withdrawnOf(stored))
  }
  return withdrawn
}

/** Keys that may read a document. */
export function readersOf({ owner, members }: DocumentRecord): string[] {
  return [owner, ...members.map(({ pubkey }) => pubkey)]
}
