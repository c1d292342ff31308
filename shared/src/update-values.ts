import * as decoding from 'lib0/decoding'

/** Thrown by the readers of an update where bytes say something that no update says. */
export class NotAnUpdate extends Error {}

/** Bounds of one value in an update. Values that fit can be read, shown and written again by recursion. */
const MAX_DEPTH = 64

/** A list or object one level further down. Throws where that is deeper than anybody needs. */
function deeper(depth: number): number {
  if (depth >= MAX_DEPTH) throw new NotAnUpdate(`values are nested more than ${MAX_DEPTH} deep`)
  return depth + 1
}

/** Skips one value in lib0's `any` format, and tells how many values it holds, itself included. */
export function skipAny(decoder: decoding.Decoder, addValues: (count: number) => void, depth = 0): void {
  addValues(1)
  const type = decoding.readUint8(decoder)
  switch (type) {
    case 127:
    case 126:
    case 121:
    case 120:
      return
    case 125:
      decoding.readVarInt(decoder)
      return
    case 124:
      skipBytes(decoder, 4)
      return
    case 123:
    case 122:
      skipBytes(decoder, 8)
      return
    case 119:
      skipText(decoder)
      return
    case 118: {
      const inside = deeper(depth)
      for (let left = decoding.readVarUint(decoder); left > 0; left--) {
        skipText(decoder)
        skipAny(decoder, addValues, inside)
      }
      return
    }
    case 117: {
      const inside = deeper(depth)
      for (let left = decoding.readVarUint(decoder); left > 0; left--) skipAny(decoder, addValues, inside)
      return
    }
    case 116:
      skipBytes(decoder, decoding.readVarUint(decoder))
      return
    default:
      throw new NotAnUpdate(`there is no value of type ${type}`)
  }
}

/** Skips a text, which must be well-formed UTF-8. @returns its length in UTF-16 */
export function skipText(decoder: decoding.Decoder): number {
  const { arr, pos } = decoder
  const bytes = decoding.readVarUint(decoder)
  const end = decoder.pos + bytes
  let at = decoder.pos
  // Nothing has to be made of what is ASCII.
  while (at < end && (arr[at] as number) < 0x80) at++
  if (at === end) {
    decoder.pos = end
    return bytes
  }
  decoder.pos = pos
  return decoding.readVarString(decoder).length
}

/** Skips bytes that must be there. */
export function skipBytes(decoder: decoding.Decoder, count: number): void {
  if (count > decoder.arr.byteLength - decoder.pos) throw new NotAnUpdate('a value is cut off')
  decoder.pos += count
}

/** Skips one value that is written as JSON text. */
export function skipJson(text: string, addValues: (count: number) => void): void {
  measureJson(text, addValues)
  JSON.parse(text)
}

/** Counts what a JSON text holds, and how deep, without making it. */
function measureJson(text: string, addValues: (count: number) => void): void {
  addValues(1)
  let depth = 0
  let isQuoted = false
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index)
    if (isQuoted) {
      if (code === BACKSLASH) index++
      else if (code === QUOTE) isQuoted = false
    } else if (code === QUOTE) isQuoted = true
    else if (code === OPEN_LIST || code === OPEN_OBJECT) depth = deeper(depth)
    else if (code === CLOSE_LIST || code === CLOSE_OBJECT) depth--
    else if (code === COMMA) addValues(1)
  }
}

const QUOTE = 0x22
const BACKSLASH = 0x5c
const COMMA = 0x2c
const OPEN_LIST = 0x5b
const CLOSE_LIST = 0x5d
const OPEN_OBJECT = 0x7b
const CLOSE_OBJECT = 0x7d
