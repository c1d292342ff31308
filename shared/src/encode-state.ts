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

/** A deleted range has less. Bytes. */
const RANGE_BYTES = 10

/**
 * The state of a document, in updates (Yjs format V1) of about `maxBytes` that together are what `Y.encodeStateAsUpdate`
 * gives of a document in which nothing waits. Between two of them others may have their turn; what was encoded is worth
 * nothing once the document has changed.
 */
export function* encodeState({ store }: Y.Doc, maxBytes: number): Generator<Uint8Array, void, void> {
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
  for (const [client, structs] of highestFirst(store.clients)) {
    let block: Block | undefined
    for (const struct of structs) {
      if (block === undefined) {
        block = { client, clock: struct.id.clock, count: 0, structs: new Y.UpdateEncoderV1() }
        blocks.push(block)
      }
      const before = encoding.length(block.structs.restEncoder)
      struct.write(block.structs, 0)
      block.count++
      bytes += encoding.length(block.structs.restEncoder) - before
      if (bytes < maxBytes) continue
      yield end()
      block = undefined
      bytes = 0
    }
  }
  let deleted = new Map<number, number[]>()
  for (const [client, ranges] of highestFirst(Y.createDeleteSetFromStructStore(store).clients)) {
    for (const { clock, len } of ranges) {
      const list = deleted.get(client) ?? []
      deleted.set(client, list)
      list.push(clock, len)
      bytes += RANGE_BYTES
      if (bytes < maxBytes) continue
      yield end(deleted)
      deleted = new Map()
      bytes = 0
    }
  }
  if (blocks.length > 0 || deleted.size > 0 || isFirst) yield end(deleted)
}
