/** Reads what LevelDB writes: varints of up to 53 bits, and bytes with their length before them. */
export interface VarintReader {
  readonly isAtEnd: boolean
  /** Throws `RangeError` at the end of the bytes, and for more than a number can hold. */
  varint(): number
  /** Throws `RangeError` where fewer are left. */
  bytes(length: number): Uint8Array
}

/** A reader from the first byte on. */
export function createVarintReader(source: Uint8Array): VarintReader {
  let at = 0
  return {
    get isAtEnd() {
      return at >= source.length
    },
    varint() {
      let value = 0
      for (let factor = 1; factor <= 2 ** 49; factor *= 128) {
        const byte = source[at++]
        if (byte === undefined) break
        value += (byte & 0x7f) * factor
        if (byte < 0x80) return value
      }
      throw new RangeError('not a number')
    },
    bytes(length) {
      if (at + length > source.length) throw new RangeError('cut short')
      at += length
      return source.subarray(at - length, at)
    },
  }
}
