import { readFileSync } from 'node:fs'

/**
 * LevelDB's journal: blocks of 32 KiB with records of a masked CRC-32C (4 bytes), a length (2) and a type (1),
 * all little-endian, and their data. Source: LevelDB's doc/log_format.md.
 */
const BLOCK_BYTES = 32 * 1024
const HEADER_BYTES = 7
const MASK_DELTA = 0xa282ead8

const TABLE = Uint32Array.from({ length: 256 }, (_, index) => {
  let value = index
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0x82f63b78 : value >>> 1
  return value
})

/** CRC-32C (Castagnoli). */
function crc32c(bytes: Uint8Array): number {
  let crc = 0xffffffff
  for (const byte of bytes) crc = (crc >>> 8) ^ (TABLE[(crc ^ byte) & 0xff] as number)
  return ~crc >>> 0
}

/**
 * Offset of a damaged record of a journal that sound ones follow; undefined where there is none. LevelDB would
 * open such a file, drop what is damaged without a word, and remove the file. A damaged end is what a power cut
 * leaves of a write that nobody was told of; it is no fault.
 */
export function damagedRecord(path: string): number | undefined {
  const bytes = readFileSync(path)
  let damagedAt: number | undefined
  for (let block = 0; block < bytes.byteLength; block += BLOCK_BYTES) {
    const end = Math.min(block + BLOCK_BYTES, bytes.byteLength)
    let at = block
    while (at + HEADER_BYTES <= end) {
      const length = bytes.readUInt16LE(at + 4)
      const next = at + HEADER_BYTES + length
      // Zeros: room that was set aside.
      if (bytes[at + 6] === 0 && length === 0) break
      if (next > end) {
        damagedAt ??= at
        break
      }
      const crc = crc32c(bytes.subarray(at + 6, next))
      const masked = (((crc >>> 15) | (crc << 17)) + MASK_DELTA) >>> 0
      if (masked !== bytes.readUInt32LE(at)) damagedAt ??= at
      else if (damagedAt !== undefined) return damagedAt
      at = next
    }
  }
  return undefined
}
