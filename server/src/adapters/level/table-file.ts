import { maskedCrc32c } from './crc32c.js'
import { unpackSnappy } from './snappy.js'
import { createVarintReader, type VarintReader } from './varint-reader.js'

/** The end of a table: where its metaindex and index are, padded, and a magic number. */
const FOOTER_BYTES = 48
const MAGIC = '57fb808b247547db'
/** Behind each block: how it is packed (1 byte), and a masked CRC-32C of it and that byte (4). */
const TRAILER_BYTES = 5
const SNAPPY = 1

/** A block of a table, by its place in the file, without its trailer. */
export interface Block {
  readonly offset: number
  readonly length: number
}

/**
 * The blocks of a table file whose checksum is wrong, which LevelDB does not look at when it reads: blocks with
 * entries or filters, the index, or its footer. Empty where all are right.
 * Source: LevelDB's doc/table_format.md.
 */
export function damagedBlocks(bytes: Buffer): Block[] {
  const footer = {
    offset: Math.max(0, bytes.byteLength - FOOTER_BYTES),
    length: FOOTER_BYTES - TRAILER_BYTES,
  }
  try {
    const places = bytes.subarray(footer.offset)
    if (places.subarray(-MAGIC.length / 2).toString('hex') !== MAGIC) return [footer]
    const reader = createVarintReader(places.subarray(0, -MAGIC.length / 2))
    const roots = [readBlock(reader), readBlock(reader)]
    // Byte by byte: a varint is 0 also where its first byte has the bit that says that another one follows.
    while (!reader.isAtEnd) if (reader.bytes(1)[0] !== 0) return [footer]
    const blocks = roots.flatMap((root) => [root, ...(isSound(bytes, root) ? entriesOf(bytes, root) : [])])
    return blocks.filter((block) => !isSound(bytes, block)).sort((a, b) => a.offset - b.offset)
  } catch (error) {
    if (error instanceof RangeError) return [footer]
    throw error
  }
}

/** Makes damaged blocks unreadable, so that LevelDB leaves them out, and doesn't take what they hold for right. */
export function spoilBlocks(bytes: Buffer, blocks: readonly Block[]): void {
  const unknownPacking = 0xff
  for (const { offset, length } of blocks) bytes[offset + length] = unknownPacking
}

function readBlock(reader: VarintReader): Block {
  return { offset: reader.varint(), length: reader.varint() }
}

function isSound(bytes: Buffer, { offset, length }: Block): boolean {
  const end = offset + length
  if (end + TRAILER_BYTES > bytes.byteLength) return false
  return maskedCrc32c(bytes.subarray(offset, end + 1)) === bytes.readUInt32LE(end + 1)
}

/** The blocks that an index or metaindex names. */
function* entriesOf(bytes: Buffer, { offset, length }: Block): Generator<Block> {
  const stored = bytes.subarray(offset, offset + length)
  const plain = bytes[offset + length] === SNAPPY ? Buffer.from(unpackSnappy(stored)) : stored
  const restarts = plain.readUInt32LE(plain.byteLength - 4)
  const reader = createVarintReader(plain.subarray(0, plain.byteLength - 4 * (restarts + 1)))
  while (!reader.isAtEnd) {
    // How many bytes of its key an entry shares with the one before, how many more there are, and of its value.
    reader.varint()
    const keyBytes = reader.varint()
    const valueBytes = reader.varint()
    reader.bytes(keyBytes)
    yield readBlock(createVarintReader(reader.bytes(valueBytes)))
  }
}
