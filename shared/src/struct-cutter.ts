import * as encoding from 'lib0/encoding'
import * as Y from 'yjs'
import { varUintBytes } from './update-writer.js'

/** Structs as `Y.decodeUpdate` gives them. */
export type Struct = Y.Item | Y.GC

/** A struct in update format V1. */
function encodeStruct(struct: Struct): Uint8Array {
  const encoder = new Y.UpdateEncoderV1()
  struct.write(encoder, 0)
  return encoder.toUint8Array()
}

/** Cuts one struct into smaller ones that say the same. Offsets count clocks from the struct's own. */
export interface StructCutter {
  /**
   * Where the longest piece ends that begins at an offset and takes at most so many bytes; undefined when not
   * even the smallest does.
   */
  fit(from: number, maxBytes: number): number | undefined
  /** Where the smallest piece ends that begins at an offset. */
  least(from: number): number
  /** A piece in update format V1. */
  encode(from: number, to: number): Uint8Array
}

/** What can be cut in an item. */
interface Divisible {
  /** Clocks that stay together with the one at this offset. */
  unitLength(at: number): number
  /** Bytes of that unit. */
  unitBytes(at: number): number
  /** The number before the units: of their clocks, or of their bytes. */
  prefix(length: number, bytes: number): number
  slice(from: number, to: number): Y.ContentString | Y.ContentAny | Y.ContentJSON
}

/** A cutter of a struct. Deletions, which take a few bytes whatever their length, are left whole. */
export function createStructCutter(struct: Struct): StructCutter {
  const divisible = struct instanceof Y.Item && struct.length > 1 ? divide(struct.content) : undefined
  return divisible === undefined ? whole(struct) : pieces(struct as Y.Item, divisible)
}

function whole(struct: Struct): StructCutter {
  const bytes = encodeStruct(struct)
  return {
    fit: (_from, maxBytes) => (bytes.byteLength <= maxBytes ? struct.length : undefined),
    least: () => struct.length,
    encode: () => bytes,
  }
}

function pieces(item: Y.Item, { unitLength, unitBytes, prefix, slice }: Divisible): StructCutter {
  const { client, clock } = item.id

  /** A piece hangs on the one to its left, as it does when Yjs itself cuts an item. */
  function piece(from: number, content: Y.Item['content']): Uint8Array {
    const origin = from === 0 ? item.origin : Y.createID(client, clock + from - 1)
    const { rightOrigin, parent, parentSub } = item
    const id = Y.createID(client, clock + from)
    return encodeStruct(new Y.Item(id, null, origin, null, rightOrigin, parent, parentSub, content))
  }

  return {
    fit(from, maxBytes) {
      // An empty text takes one byte.
      const header = piece(from, new Y.ContentString('')).byteLength - 1
      let end = from
      let bytes = 0
      while (end < item.length) {
        const length = unitLength(end)
        const next = bytes + unitBytes(end)
        if (header + varUintBytes(prefix(end + length - from, next)) + next > maxBytes) break
        bytes = next
        end += length
      }
      return end === from ? undefined : end
    },
    least: (from) => from + unitLength(from),
    encode: (from, to) => piece(from, slice(from, to)),
  }
}

function divide(content: Y.Item['content']): Divisible | undefined {
  if (content instanceof Y.ContentString) return divideText(content.str)
  if (content instanceof Y.ContentAny) {
    return divideList(content.arr, Y.ContentAny, (encoder, value) => encoding.writeAny(encoder, value))
  }
  if (content instanceof Y.ContentJSON) {
    return divideList(content.arr, Y.ContentJSON, (encoder, value) =>
      encoding.writeVarString(encoder, value === undefined ? 'undefined' : JSON.stringify(value)),
    )
  }
  return undefined
}

function divideText(text: string): Divisible {
  // What was decoded is well-formed: a high surrogate has its low one behind it.
  const isPair = (at: number) => (text.charCodeAt(at) & 0xfc00) === 0xd800
  return {
    unitLength: (at) => (isPair(at) ? 2 : 1),
    unitBytes(at) {
      const code = text.charCodeAt(at)
      if (code < 0x80) return 1
      if (code < 0x800) return 2
      return isPair(at) ? 4 : 3
    },
    prefix: (_length, bytes) => bytes,
    slice: (from, to) => new Y.ContentString(text.slice(from, to)),
  }
}

function divideList<T>(
  values: readonly T[],
  Content: new (values: T[]) => Y.ContentAny | Y.ContentJSON,
  write: (encoder: encoding.Encoder, value: T) => void,
): Divisible {
  return {
    unitLength: () => 1,
    unitBytes(at) {
      const encoder = encoding.createEncoder()
      write(encoder, values[at] as T)
      return encoding.length(encoder)
    },
    prefix: (length) => length,
    slice: (from, to) => new Content(values.slice(from, to)),
  }
}
