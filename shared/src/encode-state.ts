import * as Y from 'yjs'
import { encodeStruct } from './struct-cutter.js'
import { createUpdateWriter } from './update-writer.js'

/**
 * The state of a document, in updates (Yjs format V1) of about `maxBytes` that together are what `Y.encodeStateAsUpdate`
 * gives of a document in which nothing waits. Between two of them others may have their turn; what was encoded is worth
 * nothing once the document has changed.
 */
export function* encodeState({ store }: Y.Doc, maxBytes: number): Generator<Uint8Array, void, void> {
  let writer = createUpdateWriter(Number.POSITIVE_INFINITY)
  let bytes = 0
  let isFirst = true
  for (const [client, structs] of highestFirst(store.clients)) {
    for (const struct of structs) {
      const encoded = encodeStruct(struct)
      writer.add(client, struct.id.clock, struct.length, encoded)
      bytes += encoded.byteLength
      if (bytes < maxBytes) continue
      yield writer.toUint8Array()
      writer = createUpdateWriter(Number.POSITIVE_INFINITY)
      isFirst = false
      bytes = 0
    }
  }
  // A range has less than ten bytes.
  let room = maxBytes / 10
  for (const [client, ranges] of highestFirst(Y.createDeleteSetFromStructStore(store).clients)) {
    for (const { clock, len } of ranges) {
      writer.addDeletion(client, clock, len)
      if (--room > 0) continue
      yield writer.toUint8Array()
      writer = createUpdateWriter(Number.POSITIVE_INFINITY)
      isFirst = false
      room = maxBytes / 10
    }
  }
  if (!writer.isEmpty() || isFirst) yield writer.toUint8Array()
}

/** The order in which Yjs writes clients. */
function highestFirst<T>(byClient: ReadonlyMap<number, T>): [number, T][] {
  return [...byClient].sort(([a], [b]) => b - a)
}
