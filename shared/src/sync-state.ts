import * as Y from 'yjs'

/**
 * Whether two documents hold the same: state vectors **and** delete sets. A deletion doesn't show in a state
 * vector, so comparing vectors alone calls documents equal that are not (trap Y1).
 */
export function hasSameState(a: Y.Doc, b: Y.Doc): boolean {
  return Y.equalSnapshots(Y.snapshot(a), Y.snapshot(b))
}

/** Whether a document already holds everything of an update: every struct and every deletion. */
export function containsUpdate(doc: Y.Doc, update: Uint8Array): boolean {
  const { structs, ds } = Y.decodeUpdate(update)
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

/** What a document holds and another state lacks; undefined when it lacks nothing. */
export function missingFrom(doc: Y.Doc, other: Y.Doc): Uint8Array | undefined {
  const difference = Y.encodeStateAsUpdate(doc, Y.encodeStateVector(other))
  return containsUpdate(other, difference) ? undefined : difference
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
