import * as decoding from 'lib0/decoding'
import * as Y from 'yjs'

/**
 * Whether two documents hold the same: state vectors **and** delete sets. A deletion doesn't show in a state
 * vector, so comparing vectors alone calls documents equal that are not (trap Y1).
 */
export function hasSameState(a: Y.Doc, b: Y.Doc): boolean {
  return Y.equalSnapshots(Y.snapshot(a), Y.snapshot(b))
}

/** Whether two documents are equal to the byte: the same structs with the same contents, and the same deletions. */
export function hasSameBytes(a: Y.Doc, b: Y.Doc): boolean {
  const ofA = Y.encodeStateAsUpdate(a)
  const ofB = Y.encodeStateAsUpdate(b)
  return ofA.byteLength === ofB.byteLength && ofA.every((byte, index) => byte === ofB[index])
}

/** Whether a document already holds everything of an update: every struct and every deletion. */
export function containsUpdate(doc: Y.Doc, update: Uint8Array): boolean {
  return containsDecoded(doc, Y.decodeUpdate(update))
}

/** What `Y.decodeUpdate` makes of an update. */
type Decoded = ReturnType<typeof Y.decodeUpdate>

function containsDecoded(doc: Y.Doc, { structs, ds }: Decoded): boolean {
  for (const struct of structs) {
    if (struct instanceof Y.Skip) continue
    if (struct.id.clock + struct.length > Y.getState(doc.store, struct.id.client)) return false
  }
  for (const [client, ranges] of ds.clients) {
    for (const range of ranges) {
      if (!isDeleted(doc, client, range.clock, range.clock + range.len)) return false
    }
  }
  return true
}

function isDeleted(doc: Y.Doc, client: number, fromClock: number, toClock: number): boolean {
  const structs = doc.store.clients.get(client)
  if (structs === undefined || toClock > Y.getState(doc.store, client)) return false
  for (let index = Y.findIndexSS(structs, fromClock); index < structs.length; index++) {
    const struct = structs[index] as Y.Item | Y.GC
    if (struct.id.clock >= toClock) break
    if (!struct.deleted) return false
  }
  return true
}

/** Whether updates arrived whose predecessors are missing: what is visible may be incomplete (traps Y2, Y4). */
export function hasPending(doc: Y.Doc): boolean {
  return doc.store.pendingStructs !== null || doc.store.pendingDs !== null
}

/**
 * Whether a document has received everything of an update already, be it integrated or waiting for what is
 * missing. So an update that waits isn't kept again each time it comes.
 */
export function hasReceived(doc: Y.Doc, update: Uint8Array): boolean {
  const { pendingStructs, pendingDs } = doc.store
  const isAnythingPending = pendingStructs !== null || pendingDs !== null
  if (!isAnythingPending && beginsBeyond(doc, update)) return false
  const decoded = Y.decodeUpdate(update)
  if (containsDecoded(doc, decoded)) return true
  if (!isAnythingPending) return false
  const waiting: Decoded[] = []
  if (pendingStructs !== null) waiting.push(Y.decodeUpdateV2(pendingStructs.update))
  if (pendingDs !== null) waiting.push(Y.decodeUpdateV2(pendingDs))
  const received = rangesOf(waiting)
  const { structs, deleted } = rangesOf([decoded])
  return (
    structs.every((range) => isCovered(range, received.structs, Y.getState(doc.store, range.client))) &&
    deleted.every(({ client, from, to }) => {
      // What is known is deleted at once, and the rest of the same range waits.
      const known = Math.min(Math.max(from, Y.getState(doc.store, client)), to)
      const isHere = from === known || isDeleted(doc, client, from, known)
      return isHere && isCovered({ client, from: known, to }, received.deleted, 0)
    })
  )
}

const INFO_SKIP = 10

/**
 * Whether the first struct of an update (format V1) is none that a document has. So it is with most that is new, and
 * that is all that has to be read of it.
 */
function beginsBeyond(doc: Y.Doc, update: Uint8Array): boolean {
  const decoder = decoding.createDecoder(update)
  const clients = decoding.readVarUint(decoder)
  if (clients === 0 || decoding.readVarUint(decoder) === 0) return false
  const client = decoding.readVarUint(decoder)
  const clock = decoding.readVarUint(decoder)
  return clock >= Y.getState(doc.store, client) && decoding.readUint8(decoder) !== INFO_SKIP
}

interface Range {
  readonly client: number
  readonly from: number
  readonly to: number
}

function rangesOf(updates: readonly Decoded[]): { structs: Range[]; deleted: Range[] } {
  const structs: Range[] = []
  const deleted: Range[] = []
  for (const update of updates) {
    for (const struct of update.structs) {
      if (struct instanceof Y.Skip) continue
      structs.push({ client: struct.id.client, from: struct.id.clock, to: struct.id.clock + struct.length })
    }
    for (const [client, ranges] of update.ds.clients) {
      for (const { clock, len } of ranges) deleted.push({ client, from: clock, to: clock + len })
    }
  }
  return { structs, deleted }
}

/** Whether ranges that may overlap cover one, all below `knownTo` being covered anyway. */
function isCovered(range: Range, ranges: readonly Range[], knownTo: number): boolean {
  let reached = Math.max(range.from, Math.min(range.to, knownTo))
  const candidates = ranges
    .filter(({ client, to }) => client === range.client && to > reached)
    .sort((a, b) => a.from - b.from)
  for (const { from, to } of candidates) {
    if (reached >= range.to || from > reached) break
    reached = Math.max(reached, to)
  }
  return reached >= range.to
}

/**
 * What a document holds and another state lacks; undefined when it lacks nothing. With `clientIds`, only what
 * was written under these; deletions are nobody's, and come along in any case.
 */
export function missingFrom(
  doc: Y.Doc,
  other: Y.Doc,
  clientIds?: ReadonlySet<number>,
): Uint8Array | undefined {
  if (clientIds === undefined) return beyond(other, Y.encodeStateAsUpdate(doc, Y.encodeStateVector(other)))
  const vector = Y.decodeStateVector(Y.encodeStateVector(other))
  for (const client of doc.store.clients.keys()) {
    if (!clientIds.has(client)) vector.set(client, Y.getState(doc.store, client))
  }
  const { pendingStructs, pendingDs } = doc.store
  // Yjs puts what waits into every encoding, whoever wrote it.
  doc.store.pendingStructs = null
  doc.store.pendingDs = null
  try {
    return beyond(other, Y.encodeStateAsUpdate(doc, Y.encodeStateVector(vector)))
  } finally {
    doc.store.pendingStructs = pendingStructs
    doc.store.pendingDs = pendingDs
  }
}

function beyond(doc: Y.Doc, update: Uint8Array): Uint8Array | undefined {
  return containsUpdate(doc, update) ? undefined : update
}

const MERGE_WIDTH = 32

/**
 * One update that holds all of the given ones, oldest first. Merges in a tree, because a flat
 * `Y.mergeUpdates` is quadratic.
 */
export function mergeUpdates(updates: readonly Uint8Array[]): Uint8Array {
  let level = updates
  while (level.length > 1) {
    const next: Uint8Array[] = []
    for (let index = 0; index < level.length; index += MERGE_WIDTH) {
      const group = level.slice(index, index + MERGE_WIDTH)
      next.push(group.length === 1 ? (group[0] as Uint8Array) : Y.mergeUpdates(group))
    }
    level = next
  }
  const merged = level[0]
  if (merged === undefined) throw new RangeError('mergeUpdates needs at least one update')
  return merged
}
