import * as Y from 'yjs'

type Struct = ReturnType<typeof Y.decodeUpdateV2>['structs'][number]

/** What waits in a document, as it was looked at last. */
interface Looked {
  readonly update: Uint8Array
  /** What each client's first waiting struct is, the others being behind it. */
  readonly first: readonly Y.ID[]
}

const looked = new WeakMap<Y.Doc, Looked>()

/**
 * Applies an update (format V1) as Yjs does, but for two things. What waits for something missing is applied as soon as that
 * is there: where one waiting struct hangs on another one that waits, Yjs notes only what the second lacks, and would leave
 * the first out, until the document is loaded again, though all that it hangs on has come. And what brings more of an item
 * of which the document has the beginning as garbage is applied, where Yjs throws. Source: SPEC YJS12, YJS13.
 *
 * @param origin of the transaction, unless one is under way
 * @throws what Yjs does on an update that `checkUpdate` would refuse
 */
export function applyUpdate(doc: Y.Doc, update: Uint8Array, origin?: unknown): void {
  const waiting = doc.store.pendingStructs?.update
  try {
    Y.applyUpdate(doc, update, origin)
  } catch (error) {
    applyBeyond(doc, update, waiting, origin, error)
  }
  lookAtWaiting(doc, origin)
}

/** Leaves nothing waiting that lacks nothing, and notes what the rest lacks. */
function lookAtWaiting(doc: Y.Doc, origin: unknown): void {
  const { store } = doc
  const isKnown = ({ client, clock }: Y.ID) => clock < Y.getState(store, client)
  for (;;) {
    const pending = store.pendingStructs
    if (pending === null) return
    const last = looked.get(doc)
    if (last?.update === pending.update && !last.first.some(isKnown)) return
    const waiting = firstOfEach(Y.decodeUpdateV2(pending.update).structs)
    const first = waiting.map(({ id }) => id)
    if (!first.some(isKnown)) {
      looked.set(doc, { update: pending.update, first })
      pending.missing = missingFor(store, waiting)
      return
    }
    // It came in another piece meanwhile, such as garbage, which hangs on nothing: what is behind it must not wait for what it
    // would have hung on.
    store.pendingStructs = null
    Y.applyUpdateV2(doc, Y.diffUpdateV2(pending.update, Y.encodeStateVector(doc)), origin)
  }
}

/**
 * Applies what the document hasn't got yet, without what it has. An item that begins with that is cut off by Yjs as it is
 * integrated, and put behind its own beginning; where this is garbage and stands nowhere, it throws. Cut off before, the item
 * hangs on garbage, and is garbage itself. What was integrated before the throw stays, and counts as what is there.
 *
 * @param waiting what waited before (format V2): it may be the one that can go on and throws, and Yjs has forgotten it then
 */
function applyBeyond(
  doc: Y.Doc,
  update: Uint8Array,
  waiting: Uint8Array | undefined,
  origin: unknown,
  cause: unknown,
): void {
  const rest = Y.diffUpdate(update, Y.encodeStateVector(doc))
  if (rest.byteLength === update.byteLength && waiting === undefined) throw cause
  doc.store.pendingStructs = null
  try {
    Y.applyUpdate(doc, rest, origin)
  } finally {
    if (waiting !== undefined) Y.applyUpdateV2(doc, Y.diffUpdateV2(waiting, Y.encodeStateVector(doc)), origin)
  }
}

/** Each client's first struct, of structs by client and clock. */
function firstOfEach(structs: readonly Struct[]): (Y.Item | Y.GC)[] {
  const first: (Y.Item | Y.GC)[] = []
  for (const struct of structs) {
    if (struct instanceof Y.Skip || struct.id.client === first[first.length - 1]?.id.client) continue
    first.push(struct)
  }
  return first
}

/** What waiting structs lack: client ids to clocks. */
function missingFor(store: Y.Doc['store'], waiting: readonly (Y.Item | Y.GC)[]): Map<number, number> {
  const missing = new Map<number, number>()
  for (const struct of waiting) {
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
