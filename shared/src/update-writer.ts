import * as encoding from 'lib0/encoding'

/** Info byte of a `Skip`: a gap in the clocks of one client. Source: Yjs update format V1. */
const SKIP_INFO = 10

/** Bytes that lib0 takes for a whole number, 0 or more. */
export function varUintBytes(value: number): number {
  let bytes = 1
  for (let rest = value; rest > 127; rest = Math.floor(rest / 128)) bytes++
  return bytes
}

/** Structs of one client that follow each other, written already. */
export interface StructBlock {
  readonly client: number
  /** Of the first one. */
  readonly clock: number
  readonly count: number
  readonly chunks: readonly Uint8Array[]
}

/** What was deleted of one client. */
export interface DeletedRanges {
  readonly client: number
  /** Clock and length in turns. */
  readonly ranges: readonly number[]
}

/** Writes a Yjs update (format V1). Each client comes once in either list; Yjs puts the highest first. */
export function encodeUpdate(
  blocks: readonly StructBlock[],
  deletions: readonly DeletedRanges[],
): Uint8Array {
  const encoder = encoding.createEncoder()
  encoding.writeVarUint(encoder, blocks.length)
  for (const { client, clock, count, chunks } of blocks) {
    for (const value of [count, client, clock]) encoding.writeVarUint(encoder, value)
    for (const chunk of chunks) encoding.writeUint8Array(encoder, chunk)
  }
  encoding.writeVarUint(encoder, deletions.length)
  for (const { client, ranges } of deletions) {
    for (const value of [client, ranges.length / 2, ...ranges]) encoding.writeVarUint(encoder, value)
  }
  return encoding.toUint8Array(encoder)
}

/** Bytes that are put side by side. What lies side by side already is taken as one, so that each byte is copied once. */
export interface Chunks {
  /** Adds the bytes of `source` from `from` to before `to`, which must not change until they are written. */
  add(source: Uint8Array, from: number, to: number): void
  all(): readonly Uint8Array[]
}

export function createChunks(): Chunks {
  const chunks: Uint8Array[] = []
  let last: { readonly source: Uint8Array; readonly from: number; to: number } | undefined
  function close(): void {
    if (last !== undefined) chunks.push(last.source.subarray(last.from, last.to))
    last = undefined
  }
  return {
    add(source, from, to) {
      if (last?.source === source && last.to === from) last.to = to
      else {
        close()
        last = { source, from, to }
      }
    },
    all() {
      close()
      return chunks
    },
  }
}

/** Structs of one client that follow each other, gaps filled. */
interface Block {
  readonly client: number
  readonly clock: number
  endClock: number
  count: number
  readonly chunks: Chunks
}

interface Deletions extends DeletedRanges {
  readonly ranges: number[]
}

/** Puts together one Yjs update (format V1) of at most so many bytes. */
export interface UpdateWriter {
  isEmpty(): boolean
  /** Bytes that a struct may have which is added next; negative when none can be added. */
  room(client: number, clock: number): number
  /**
   * Adds a struct that is written already, in `source` from `from` to before `to`. Returns false, and adds nothing, when it
   * doesn't fit.
   */
  add(client: number, clock: number, length: number, source: Uint8Array, from?: number, to?: number): boolean
  /** Adds a deleted range. Returns false, and adds nothing, when it doesn't fit. */
  addDeletion(client: number, clock: number, length: number): boolean
  toUint8Array(): Uint8Array
}

export function createUpdateWriter(maxBytes: number): UpdateWriter {
  const blocks: Block[] = []
  const clients = new Set<number>()
  const deletions: Deletions[] = []
  // The counts of clients with structs and of clients with deletions, both 0.
  let size = 2

  /** What a struct costs besides its own bytes; undefined when it has to go into another update. */
  function overhead(client: number, clock: number): number | undefined {
    const block = blocks[blocks.length - 1]
    if (block?.client !== client) {
      // An update names each client once: the second time would hide the first.
      if (clients.has(client)) return undefined
      const counts = varUintBytes(blocks.length + 1) - varUintBytes(blocks.length) + varUintBytes(1)
      return counts + varUintBytes(client) + varUintBytes(clock)
    }
    const gap = clock - block.endClock
    if (gap < 0) return undefined
    const growth = (by: number) => varUintBytes(block.count + by) - varUintBytes(block.count)
    return gap === 0 ? growth(1) : growth(2) + 1 + varUintBytes(gap)
  }

  function blockAt(client: number, clock: number): Block {
    const last = blocks[blocks.length - 1]
    if (last?.client === client) {
      const gap = clock - last.endClock
      if (gap > 0) {
        const encoder = encoding.createEncoder()
        encoding.writeUint8(encoder, SKIP_INFO)
        encoding.writeVarUint(encoder, gap)
        const skip = encoding.toUint8Array(encoder)
        last.chunks.add(skip, 0, skip.byteLength)
        last.count++
      }
      return last
    }
    const block: Block = { client, clock, endClock: clock, count: 0, chunks: createChunks() }
    blocks.push(block)
    clients.add(client)
    return block
  }

  return {
    isEmpty: () => blocks.length === 0 && deletions.length === 0,
    room(client, clock) {
      const bytes = overhead(client, clock)
      return bytes === undefined ? -1 : maxBytes - size - bytes
    },
    add(client, clock, length, source, from = 0, to = source.byteLength) {
      const bytes = overhead(client, clock)
      if (bytes === undefined || size + bytes + to - from > maxBytes) return false
      size += bytes + to - from
      const block = blockAt(client, clock)
      block.chunks.add(source, from, to)
      block.count++
      block.endClock = clock + length
      return true
    },
    addDeletion(client, clock, length) {
      const last = deletions[deletions.length - 1]
      let bytes = varUintBytes(clock) + varUintBytes(length)
      if (last?.client === client) {
        const count = last.ranges.length / 2
        bytes += varUintBytes(count + 1) - varUintBytes(count)
      } else {
        bytes += varUintBytes(deletions.length + 1) - varUintBytes(deletions.length)
        bytes += varUintBytes(client) + varUintBytes(1)
      }
      if (size + bytes > maxBytes) return false
      size += bytes
      if (last?.client === client) last.ranges.push(clock, length)
      else deletions.push({ client, ranges: [clock, length] })
      return true
    },
    toUint8Array() {
      return encodeUpdate(
        blocks.map((block) => ({ ...block, chunks: block.chunks.all() })),
        deletions,
      )
    },
  }
}

/** The order in which Yjs writes clients. */
export function highestFirst<T>(byClient: ReadonlyMap<number, T>): [number, T][] {
  return [...byClient].sort(([a], [b]) => b - a)
}
