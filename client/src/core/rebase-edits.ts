import { encodeUpdate, getOrCreate, highestFirst } from '@onyx-sync/shared'
import * as Y from 'yjs'

export interface RebaseParts {
  /** Edits that were made on top of what must go, one Yjs update. */
  readonly edits: Uint8Array
  /** The document with everything in it, made without `gc`: what was deleted of the edits must be there. */
  readonly before: Y.Doc
  /** The document without the edits, and without what they must not hang on. */
  readonly after: Y.Doc
  /** A Yjs client id that nobody has written under. */
  createClientId(): number
}

type Struct = Y.Item | Y.GC

/**
 * Edits as they are without something that they were made on top of, as one update that hangs on nothing but `after`. What
 * goes leaves deleted places of the same length, without its content, so that everything stays where it was put; what was
 * put into a part of it goes with that. All of it comes under client ids of its own, since the clocks of the old ones may
 * have been taken by what goes. Undefined if nothing is left.
 */
export function rebaseEdits({ edits, before, after, createClientId }: RebaseParts): Uint8Array | undefined {
  const { structs, ds } = Y.decodeUpdate(edits)
  const own = new Map<number, Set<number>>()
  for (const struct of structs) {
    if (struct instanceof Y.Skip) continue
    const clocks = getOrCreate(own, struct.id.client, () => new Set<number>())
    for (let at = 0; at < struct.length; at++) clocks.add(struct.id.clock + at)
  }
  const isOwn = (client: number, clock: number) => own.get(client)?.has(clock) === true
  const stays = (client: number) => Y.getState(after.store, client)
  const moved = [...before.store.clients.keys()].filter(
    (client) => Y.getState(before.store, client) > stays(client),
  )
  // In the order of the old ones, which decides between what was put into one place.
  const ids = moved.map(createClientId).sort((a, b) => a - b)
  const renamed = new Map(moved.sort((a, b) => a - b).map((client, index) => [client, ids[index] as number]))

  function nameOf({ client, clock }: Y.ID): Y.ID {
    const id = renamed.get(client)
    if (id === undefined || clock < stays(client)) return Y.createID(client, clock)
    return Y.createID(id, clock - stays(client))
  }

  /** In what an item lies, as an update says it. */
  function parentOf({ parent }: Y.Item): Y.AbstractType<unknown> | Y.ID | undefined {
    if (!(parent instanceof Y.AbstractType)) return undefined
    if (parent._item !== null) return nameOf(parent._item.id)
    // An update has the name of a top-level type in its place, which the types don't say.
    return Y.findRootTypeKey(parent) as unknown as Y.AbstractType<unknown>
  }

  /** What the value of a key took the place of, among those that stay: a deleted one would take the place of these. */
  function valueBefore(origin: Y.ID | null): Y.ID | null {
    for (let id = origin; id !== null; ) {
      if (id.clock < stays(id.client) || isOwn(id.client, id.clock)) return id
      const item: Struct = Y.getItem(before.store, id)
      id = item instanceof Y.Item ? (item.left?.lastId ?? null) : null
    }
    return null
  }

  /** What is there from one clock of a struct up to another, with its content or without. */
  function rebased(struct: Struct, from: number, to: number, isKept: boolean): Struct {
    const { client, clock } = struct.id
    const id = nameOf(Y.createID(client, from))
    const parent = struct instanceof Y.Item ? parentOf(struct) : undefined
    if (!(struct instanceof Y.Item) || parent === undefined) return new Y.GC(id, to - from)
    const { rightOrigin, parentSub } = struct
    const isValue = parentSub !== null
    if (isValue && !isKept) return new Y.GC(id, to - from)
    const left = from === clock ? struct.origin : Y.createID(client, from - 1)
    const origin = isValue ? valueBefore(left) : left
    return new Y.Item(
      id,
      null,
      origin === null ? null : nameOf(origin),
      null,
      rightOrigin === null ? null : nameOf(rightOrigin),
      parent,
      parentSub,
      isKept ? contentOf(struct, from - clock, to - clock) : new Y.ContentDeleted(to - from),
    )
  }

  const deleted = new Map<number, number[]>()
  function noteDeleted(id: Y.ID, length: number): void {
    const { client, clock } = nameOf(id)
    getOrCreate(deleted, client, () => []).push(clock, length)
  }

  const blocks = moved.map((client) => {
    const encoder = new Y.UpdateEncoderV1()
    const stored = before.store.clients.get(client) ?? []
    const endClock = Y.getState(before.store, client)
    let count = 0
    for (let clock = stays(client); clock < endClock; count++) {
      const struct = stored[Y.findIndexSS(stored, clock)] as Struct
      const isKept = isOwn(client, clock)
      const structEnd = struct.id.clock + struct.length
      let end = clock + 1
      while (end < structEnd && isOwn(client, end) === isKept) end++
      rebased(struct, clock, end, isKept).write(encoder, 0)
      if (!isKept) noteDeleted(Y.createID(client, clock), end - clock)
      clock = end
    }
    return { client: renamed.get(client) as number, clock: 0, count, chunks: [encoder.toUint8Array()] }
  })
  for (const [client, ranges] of ds.clients) {
    for (const { clock, len } of ranges) {
      // What is named here and isn't there is neither in the one nor in the other document.
      const boundary = Math.min(clock + len, Math.max(clock, stays(client)))
      if (boundary > clock) noteDeleted(Y.createID(client, clock), boundary - clock)
      if (clock + len > boundary && renamed.has(client))
        noteDeleted(Y.createID(client, boundary), clock + len - boundary)
    }
  }
  if (blocks.length === 0 && deleted.size === 0) return undefined
  const update = encodeUpdate(
    highestFirst(new Map(blocks.map((block) => [block.client, block]))).map(([, block]) => block),
    highestFirst(deleted).map(([client, ranges]) => ({ client, ranges })),
  )
  // Sorts and joins what is deleted.
  return Y.mergeUpdates([update])
}

/** A part of an item's content. */
function contentOf({ content, length }: Y.Item, from: number, to: number): Y.Item['content'] {
  if (to - from === length) return content
  let part = content.copy()
  if (from > 0) part = part.splice(from)
  if (to - from < part.getLength()) part.splice(to - from)
  return part
}
