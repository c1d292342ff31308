import {
  coordinatesOfDeletion,
  KIND,
  type Logger,
  type NostrEvent,
  ownerOfAddress,
  tagValues,
} from '@onyx-sync/shared'
import type { DocumentRecord, EventLog, Move, WithdrawnEvent } from '../ports/event-log.js'
import type { CheckedEvent } from './check-event.js'
import { type DeletionCommit, type GoneDocument, readersOf, tombstoneOf } from './deletions.js'
import { plainPlaceOf } from './plain-events.js'
import { documentsOfEvent, loadInPages, parseEvents, withdrawnOf } from './stored-events.js'

/**
 * Decides a request to vanish: every document of the key, everything else that it signed up to that time, and what of
 * its edits waits for other parts. One commit. Source: NIP-62, SPEC VAN2.
 */
export async function decideVanish(
  log: EventLog,
  logger: Logger,
  { event, json }: CheckedEvent,
): Promise<DeletionCommit> {
  const { pubkey, created_at } = event
  const seq = log.head + 1
  const place = { seq, id: event.id, created_at }
  const { others, stillDeleted } = await othersOf(log, logger, event)
  const alive = await ownDocuments(log, pubkey)
  const known = await log.documents([...new Set(others.flatMap(({ stored }) => documentsOfEvent(stored)))])
  // Their requests go as well: that they are gone has to hang on this one.
  const before = known.filter((record) => record?.deleted !== undefined) as DocumentRecord[]
  const withdrawn = others.map(({ gone, stored }): WithdrawnEvent => {
    const named = new Set(documentsOfEvent(stored))
    const readers = before.filter(({ address }) => named.has(address)).flatMap(readersOf)
    return { ...gone, readers: [...new Set([...gone.readers, ...readers])] }
  })
  const documents = alive.map(
    (record): GoneDocument => ({ address: record.address, readers: readersOf(record) }),
  )
  const moves = alive.flatMap((record) =>
    readersOf(record).map((reader): Move => {
      return { reader, address: record.address, from: record.headSeq, to: undefined }
    }),
  )
  return {
    commit: {
      events: [
        {
          ...{ seq, id: event.id, pubkey, kind: event.kind, createdAt: created_at, json },
          ...{ address: undefined, owner: pubkey, readers: [] },
        },
      ],
      // Who could read them is nobody's business any more either.
      documents: [...alive, ...before].map(({ address }) => tombstoneOf(address, undefined, place)),
      grants: [],
      revocations: [...alive, ...before].flatMap(({ address, members }) =>
        members.map((member) => ({ reader: member.pubkey, address })),
      ),
      moves,
      deletedDocuments: documents,
      withdrawn,
      released: await log.heldGroups(pubkey),
      forgottenIds: others.flatMap(({ stored }) =>
        stored.kind === KIND.deletion ? tagValues(stored, 'e').map((id) => ({ pubkey, id })) : [],
      ),
      // What is forgotten goes first.
      deletedIds: [...stillDeleted].map(([id, seq]) => ({ pubkey, id, seq })),
      forgottenCoordinates: await coordinatesToForget(
        log,
        created_at,
        others.map(({ stored }) => stored),
      ),
      vanished: [{ pubkey, until: created_at, seq }],
    },
    gone: { documents, events: withdrawn },
  }
}

/** What a key signed that belongs to no document, and gift wraps to it, up to the time of its request. */
async function othersOf(
  log: EventLog,
  logger: Logger,
  { pubkey, created_at }: NostrEvent,
): Promise<{
  readonly others: { readonly gone: WithdrawnEvent; readonly stored: NostrEvent }[]
  /** Ids that a request names which stays, because it is signed later, with its position. */
  readonly stillDeleted: ReadonlyMap<string, number>
}> {
  const others: { readonly gone: WithdrawnEvent; readonly stored: NostrEvent }[] = []
  const stillDeleted = new Map<string, number>()
  for await (const page of loadInPages(log, log.ownedBy(pubkey))) {
    for (const stored of parseEvents(logger, page)) {
      const { event, address } = stored
      const owner = plainPlaceOf(event)?.owner ?? event.pubkey
      if (address !== undefined || owner !== pubkey || event.kind === KIND.vanish) continue
      if (event.created_at <= created_at) others.push({ gone: withdrawnOf(stored), stored: event })
      else if (event.kind === KIND.deletion)
        for (const id of tagValues(event, 'e')) stillDeleted.set(id, stored.seq)
    }
  }
  return { others, stillDeleted }
}

/** Names that requests deleted which go now. Where a later request stays, the name stays deleted by that one. */
async function coordinatesToForget(
  log: EventLog,
  until: number,
  gone: readonly NostrEvent[],
): Promise<string[]> {
  const requests = gone.filter(({ kind }) => kind === KIND.deletion)
  const names = [...new Set(requests.flatMap(coordinatesOfDeletion))]
  const states = names.length === 0 ? [] : await log.coordinates(names)
  return names.filter((_, index) => (states[index]?.deletedUntil ?? 0) <= until)
}

async function ownDocuments(log: EventLog, owner: string): Promise<DocumentRecord[]> {
  const addresses: string[] = []
  for await (const page of log.changedDocuments(owner, 0)) {
    for (const { address } of page) if (ownerOfAddress(address) === owner) addresses.push(address)
  }
  const records = await log.documents(addresses)
  return records.filter((record) => record !== undefined && record.deleted === undefined) as DocumentRecord[]
}
