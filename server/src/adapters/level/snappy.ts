import { createVarintReader } from './varint-reader.js'

/**
 * Unpacks what Snappy has packed; for bytes whose checksum is right. Throws `RangeError` for what is not.
 * Source: google/snappy, format_description.txt.
 */
export function unpackSnappy(packed: Uint8Array): Uint8Array {
  const reader = createVarintReader(packed)
  const out = new Uint8Array(reader.varint())
  let written = 0
  const littleEndian = (count: number) =>
    reader.bytes(count).reduce((value, byte, index) => value + byte * 256 ** index, 0)
  while (!reader.isAtEnd) {
    const tag = reader.bytes(1)[0] as number
    const size = tag >>> 2
    if ((tag & 3) === 0) {
      const literal = reader.bytes(1 + (size < 60 ? size : littleEndian(size - 59)))
      out.set(literal, written)
      written += literal.length
      continue
    }
    const length = (tag & 3) === 1 ? 4 + (size & 7) : 1 + size
    const distance =
      (tag & 3) === 1 ? (tag >>> 5) * 256 + littleEndian(1) : littleEndian((tag & 3) === 2 ? 2 : 4)
    if (distance === 0 || distance > written || written + length > out.length) {
      throw new RangeError('copies from outside')
    }
    // Byte by byte: a copy may overlap what it makes, and so repeat it.
    for (let end = written + length; written < end; written++)
      out[written] = out[written - distance] as number
  }
  if (written !== out.length) throw new RangeError('cut short')
  return out
}
