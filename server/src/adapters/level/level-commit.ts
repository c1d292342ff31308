import { KIND, parseAddress, SyncError } from '@onyx-sync/shared'
import type { Level } from 'level'
import {
  type Commit,
  type HeldPlace,
  KEPT_SUPERSEDED_IDS,
  type PartGroup,
  type Superseded,
  type WithdrawnEvent,
} from '../../ports/event-log.js'
import {
  decodeHex,
  encodeCurrent,
  encodeHeld,
  encodeHex,
  encodePlace,
  encodeSeq,
  encodeVanished,
} from './codecs.js'
import type { HeldIndex } from './held-index.js'
import { EMPTY, FEED_EVENT, ID_HELD, ID_SUPERSEDED, keyOf, rangeOf } from './keys.js'
import { keysOfDeleted } from './level-deletion.js'
import { encodeRecord } from './records.js'

/** What a commit needs to know of the database before it is written. */
export interface LookedUp {
  /** Held parts that the commit releases. */
  readonly released: readonly (PartGroup & HeldPlace)[]
  /** Ids of superseded events that are forgotten now, with their keys. */
  readonly forgotten: readonly { readonly key: Uint8Array; readonly id: string }[]
  /** Everything that is kept of documents that the commit deletes. */
  readonly deleted: readonly Uint8Array[]
}

/** The writing half of a LevelDB batch. */
interface Writer {
  put(key: Uint8Array, value: Uint8Array): unknown
  del(key: Uint8Array): unknown
}

/** Reads what a commit releases and lets go. */
export async function lookUp(
  db: Level<Uint8Array, Uint8Array>,
  commit: Commit,
  held: HeldIndex,
): Promise<LookedUp> {
  const { released = [], superseded = [] } = commit
  const parts: (PartGroup & HeldPlace)[] = []
  for (const group of released) {
    for (const place of await held.parts(group)) parts.push({ ...group, ...place })
  }
  const forgotten: { key: Uint8Array; id: string }[] = []
  for (const { address, events } of superseded) {
    const known = await db.iterator(rangeOf.supersededIds(address)).all()
    const excess = known.length + events.length - KEPT_SUPERSEDED_IDS
    for (const [key, value] of known.slice(0, Math.max(0, excess)))
      forgotten.push({ key, id: decodeHex(value) })
  }
  return { released: parts, forgotten, deleted: await keysOfDeleted(db, commit) }
}

/** Characters of events that are put into a batch before the event loop goes round: an edit in parts has 64 MB. */
const SLICE_LENGTH = 1024 * 1024

/** Writes a commit into a batch. What goes comes first, because it may be put again by what comes. */
export async function writeCommit(commit: Commit, lookedUp: LookedUp, batch: Writer): Promise<void> {
  const { epoch, moves = [], writers = [], superseded = [], held = [] } = commit
  for (const key of lookedUp.deleted) batch.del(key)
  for (const { pubkey, id } of commit.forgottenIds ?? []) batch.del(keyOf.deletedId(pubkey, id))
  for (const name of commit.forgottenCoordinates ?? []) batch.del(keyOf.deletedCoordinate(name))
  for (const gone of commit.withdrawn ?? []) deleteWithdrawn(gone, batch)
  for (const part of lookedUp.released) {
    batch.del(keyOf.held(part.author, part.address, part.group, part.index))
    batch.del(keyOf.id(part.id))
  }
  for (const { key, id } of lookedUp.forgotten) {
    batch.del(key)
    batch.del(keyOf.id(id))
  }
  for (const gone of superseded) deleteSuperseded(gone, batch)
  if (epoch !== undefined) batch.put(keyOf.epoch(epoch.fromSeq), Buffer.from(epoch.id, 'hex'))
  let length = 0
  for (const event of commit.events) {
    const { seq, id, address, createdAt } = event
    length += event.json.length
    if (length > SLICE_LENGTH) {
      length = 0
      await new Promise((resolve) => setImmediate(resolve))
    }
    const position = encodeSeq(seq)
    batch.put(keyOf.event(seq), Buffer.from(event.json, 'utf8'))
    batch.put(keyOf.id(id), position)
    batch.put(keyOf.ownerLog(event.owner, event.kind, createdAt, id), position)
    if (event.isListed === true) {
      for (const reader of event.readers) batch.put(keyOf.listed(reader, event.kind, createdAt, id), position)
    }
    if (event.coordinate !== undefined) {
      batch.put(keyOf.coordinate(event.coordinate), encodeCurrent({ seq, id, created_at: createdAt }))
    }
    if (address !== undefined) batch.put(keyOf.documentLog(address, seq), encodePlace(createdAt, id))
    for (const reader of event.readers) batch.put(keyOf.feed(reader, seq), FEED_EVENT)
    if (event.kind === KIND.training) {
      batch.put(keyOf.training(createdAt, id), position)
      batch.put(keyOf.trainingFeed(seq), EMPTY)
    }
    if (event.expiresAt !== undefined) batch.put(keyOf.expiry(event.expiresAt, seq), EMPTY)
  }
  for (const part of held) {
    batch.put(keyOf.held(part.author, part.address, part.group, part.index), encodeHeld(part))
    batch.put(keyOf.id(part.id), ID_HELD)
  }
  for (const record of commit.documents) {
    batch.put(keyOf.record(record.address), encodeRecord(record))
  }
  for (const { address, clientId, pubkey } of writers) {
    batch.put(keyOf.writer(address, clientId), encodeHex(pubkey))
  }
  for (const gone of commit.vanished ?? []) batch.put(keyOf.vanished(gone.pubkey), encodeVanished(gone))
  for (const { pubkey, id, seq } of commit.deletedIds ?? []) {
    batch.put(keyOf.deletedId(pubkey, id), encodeSeq(seq))
  }
  for (const gone of commit.deletedCoordinates ?? []) {
    batch.put(keyOf.deletedCoordinate(gone.coordinate), encodeVanished(gone))
  }
  for (const { reader, from } of moves) if (from !== undefined) batch.del(keyOf.change(reader, from))
  for (const { reader, address, to } of moves) {
    if (to !== undefined) batch.put(keyOf.change(reader, to), Buffer.from(address, 'utf8'))
  }
  for (const { reader, address } of commit.revocations) batch.del(keyOf.shared(reader, address))
  for (const { reader, address, seq } of commit.grants) {
    batch.put(keyOf.grant(reader, seq, address), EMPTY)
    batch.put(keyOf.shared(reader, address), EMPTY)
  }
}

function deleteWithdrawn(gone: WithdrawnEvent, batch: Writer): void {
  const { seq, id, created_at, kind, owner, readers, expiresAt, isListed, coordinate } = gone
  batch.del(keyOf.event(seq))
  batch.del(keyOf.id(id))
  batch.del(keyOf.ownerLog(owner, kind, created_at, id))
  for (const reader of readers) batch.del(keyOf.feed(reader, seq))
  if (kind === KIND.training) {
    batch.del(keyOf.training(created_at, id))
    batch.del(keyOf.trainingFeed(seq))
  }
  if (isListed === true) {
    for (const reader of readers) batch.del(keyOf.listed(reader, kind, created_at, id))
  }
  // The one that is there is the newest; what takes its place is put after this.
  if (coordinate !== undefined) batch.del(keyOf.coordinate(coordinate))
  if (expiresAt !== undefined) batch.del(keyOf.expiry(expiresAt, seq))
}

function deleteSuperseded({ address, events, readers }: Superseded, batch: Writer): void {
  const parsed = parseAddress(address)
  if (parsed === undefined) throw new SyncError('STORE_FAILED', `${address} names no document`)
  const { owner, kind } = parsed
  for (const [index, { seq, id, created_at }] of events.entries()) {
    batch.del(keyOf.event(seq))
    batch.del(keyOf.ownerLog(owner, kind, created_at, id))
    batch.del(keyOf.documentLog(address, seq))
    for (const reader of readers) batch.del(keyOf.feed(reader, seq))
    if (index < events.length - KEPT_SUPERSEDED_IDS) {
      batch.del(keyOf.id(id))
      continue
    }
    batch.put(keyOf.id(id), ID_SUPERSEDED)
    batch.put(keyOf.supersededId(address, seq), encodeHex(id))
  }
}
