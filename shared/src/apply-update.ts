import * as Y from 'yjs'

/** For each document what waited in it when it was looked at last. */
const looked = new WeakMap<Y.Doc, Uint8Array>()

/**
 * Applies an update (format V1) as Yjs does. What waits for something missing is applied as soon as that is there:
 * where one waiting struct hangs on another one that waits, Yjs notes only what the second lacks, and would leave the
 * first out, until the document is loaded again, though all that it hangs on has come. Source: SPEC YJS12.
 *
 * @param origin of the transaction, unless one is under way
 * @throws what Yjs does on an update that `checkUpdate` would refuse
 */
export function applyUpdate(doc: Y.Doc, update: Uint8Array, origin?: unknown): void {
  Y.applyUpdate(doc, update, origin)
  const pending = doc.store.pendingStructs
  if (pending === null || looked.get(doc) === pending.update) return
  looked.set(doc, pending.update)
  pending.missing = missingFor(doc.store, pending.update)
}

/** What each client's first waiting struct lacks, the others being behind it: client ids to clocks. */
function missingFor(store: Y.Doc['store'], pending: Uint8Array): Map<number, number> {
  const missing = new Map<number, number>()
  let client: number | undefined
  for (const struct of Y.decodeUpdateV2(pending).structs) {
    if (struct.id.client === client || struct instanceof Y.Skip) continue
    client = struct.id.client
    const lacking = lackingOf(store, struct)
    const known = lacking === undefined ? undefined : missing.get(lacking.client)
    if (lacking !== undefined && (known === undefined || lacking.clock < known))
      missing.set(lacking.client, lacking.clock)
  }
  return missing
}

/** The first id that a struct hangs on and that isn't there. */
function lackingOf(store: Y.Doc['store'], struct: Y.Item | Y.GC): Y.ID | undefined {
  const { client, clock } = struct.id
  const before = clock > 0 ? [Y.createID(client, clock - 1)] : []
  const others = struct instanceof Y.Item ? [struct.origin, struct.rightOrigin, struct.parent] : []
  return [...before, ...others].find(
    (id): id is Y.ID => id instanceof Y.ID && id.clock >= Y.getState(store, id.client),
  )
}
