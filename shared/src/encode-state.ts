import * as encoding from 'lib0/encoding'
import * as Y from 'yjs'
import { encodeUpdate, highestFirst } from './update-writer.js'

/** A client's structs in one update. */
interface Block {
  readonly client: number
  readonly clock: number
  count: number
  readonly structs: Y.UpdateEncoderV1
}

/** How far each client's structs go in a document at one moment: its clocks by client id. */
export type StateVector = ReadonlyMap<number, number>

/** A deleted range has less. Bytes. */
const RANGE_BYTES = 10

/** The state vector of a document as it is now. What waits for something missing doesn't count. */
export function vectorOf({ store }: Y.Doc): StateVector {
  return new Map([...store.clients.keys()].map((client) => [client, Y.getState(store, client)]))
}

/**
 * What a document held at the moment of `vector`, in updates (Yjs format V1) of about `maxBytes` that together are one
 * whole state: nothing in it hangs on something that isn't. Between two of them the document may change. What is written
 * later is not in them; what is deleted before the last struct is encoded may be, and is then named as deleted. For a
 * document that stays as it is they are together what `Y.encodeStateAsUpdate` gives. Throws where the document holds less
 * than `vector` says.
 */
export function* encodeState(
  { store }: Y.Doc,
  maxBytes: number,
  vector: StateVector,
): Generator<Uint8Array, void, void> {
  let blocks: Block[] = []
  let isFirst = true

  function end(deleted: ReadonlyMap<number, readonly number[]> = new Map()): Uint8Array {
    const written = blocks.map(({ structs, ...block }) => ({ ...block, chunks: [structs.toUint8Array()] }))
    blocks = []
    isFirst = false
    return encodeUpdate(
      written,
      [...deleted].map(([client, ranges]) => ({ client, ranges })),
    )
  }

  let bytes = 0
  for (const [client, endClock] of highestFirst(vector)) {
    let clock = 0
    let block: Block | undefined
    while (clock < endClock) {
      // Looked for anew in each piece: structs are cut and joined when a document changes.
      const structs = store.clients.get(client) ?? []
      for (let at = Y.findIndexSS(structs, clock); clock < endClock && bytes < maxBytes; at++) {
        if (block === undefined) {
          block = { client, clock, count: 0, structs: new Y.UpdateEncoderV1() }
          blocks.push(block)
        }
        const struct = structs[at] as Y.Item | Y.GC
        const before = encoding.length(block.structs.restEncoder)
        startOf(struct, endClock).write(block.structs, clock - struct.id.clock)
        block.count++
        bytes += encoding.length(block.structs.restEncoder) - before
        clock = struct.id.clock + struct.length
      }
      if (bytes < maxBytes) continue
      yield end()
      block = undefined
      bytes = 0
    }
  }
  // What was deleted meanwhile may have lost its content, which must not look as if it had never been.
  let deleted = new Map<number, number[]>()
  for (const [client, ranges] of highestFirst(Y.createDeleteSetFromStructStore(store).clients)) {
    const endClock = vector.get(client) ?? 0
    for (const { clock, len } of ranges) {
      if (clock >= endClock) break
      const list = deleted.get(client) ?? []
      deleted.set(client, list)
      list.push(clock, Math.min(len, endClock - clock))
      bytes += RANGE_BYTES
      if (bytes < maxBytes) continue
      yield end(deleted)
      deleted = new Map()
      bytes = 0
    }
  }
  if (blocks.length > 0 || deleted.size > 0 || isFirst) yield end(deleted)
}

/** A struct, or where it goes on behind a clock what it is before that: what was written later may be joined to it. */
function startOf(struct: Y.Item | Y.GC, endClock: number): Y.Item | Y.GC {
  const length = endClock - struct.id.clock
  if (struct.length <= length) return struct
  if (struct instanceof Y.GC) return new Y.GC(struct.id, length)
  const { id, origin, rightOrigin, parent, parentSub } = struct
  const content = struct.content.copy()
  content.splice(length)
  return new Y.Item(id, null, origin, null, rightOrigin, parent, parentSub, content)
}
