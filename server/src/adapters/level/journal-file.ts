import { maskedCrc32c } from './crc32c.js'

/**
 * LevelDB's journal, whose format its manifest has too: blocks of 32 KiB with records of a masked CRC-32C
 * (4 bytes), a length (2) and a type (1), all little-endian, and their data. Source: LevelDB's doc/log_format.md.
 */
const BLOCK_BYTES = 32 * 1024
const HEADER_BYTES = 7
/** Types of a record: a whole one, or the first, a middle, or the last piece of one. */
const TYPE = { full: 1, first: 2, middle: 3, last: 4 } as const

interface Piece {
  /** Offset in the file. */
  readonly at: number
  readonly type: number
  readonly data: Uint8Array
  readonly isSound: boolean
}

function* piecesOf(bytes: Buffer): Generator<Piece> {
  for (let block = 0; block < bytes.byteLength; block += BLOCK_BYTES) {
    const end = Math.min(block + BLOCK_BYTES, bytes.byteLength)
    let at = block
    while (at + HEADER_BYTES <= end) {
      const length = bytes.readUInt16LE(at + 4)
      const type = bytes[at + 6] as number
      const next = at + HEADER_BYTES + length
      // Zeros: room that was set aside.
      if (type === 0 && length === 0) break
      const isSound = next <= end && maskedCrc32c(bytes.subarray(at + 6, next)) === bytes.readUInt32LE(at)
      yield { at, type, data: bytes.subarray(at + HEADER_BYTES, Math.min(next, end)), isSound }
      at = next
    }
  }
}

/**
 * Offset of a damaged record of a journal that sound ones follow; undefined where there is none. LevelDB would
 * open such a file, drop what is damaged without a word, and remove the file. A damaged end is what a power cut
 * leaves of a write that nobody was told of; it is no fault.
 */
export function damagedRecord(bytes: Buffer): number | undefined {
  let damagedAt: number | undefined
  for (const { at, isSound } of piecesOf(bytes)) {
    if (!isSound) damagedAt ??= at
    else if (damagedAt !== undefined) return damagedAt
  }
  return undefined
}

/** The whole records of a journal or manifest, up to the first that is damaged. */
export function* recordsOf(bytes: Buffer): Generator<Buffer> {
  let pieces: Uint8Array[] = []
  for (const { type, data, isSound } of piecesOf(bytes)) {
    if (!isSound) return
    if (type === TYPE.full || type === TYPE.first) pieces = []
    pieces.push(data)
    if (type === TYPE.full || type === TYPE.last) yield Buffer.concat(pieces)
  }
}
