import { sha256 } from '@noble/hashes/sha2.js'
import { hexToBytes } from '@noble/hashes/utils.js'
import { type Bound, encodeVarint, ID_BYTES } from './negentropy-codec.js'

/** Times and ids of a set of events, in negentropy's order: oldest first, equal times by lowest id. */
export interface RecordSet {
  readonly size: number
  /** The id at an index, 32 bytes. */
  idAt(index: number): Uint8Array
  /** Index of the first record from `from` on that is not below a bound; `size` if there is none. */
  lowerBound(from: number, bound: Bound): number
  /** The shortest bound above the record before an index and not above the one at it. `0 < index < size`. */
  boundBefore(index: number): Bound
  /** 16 bytes that stand for the records `begin <= index < end`. Takes the same time for few and for many. */
  fingerprint(begin: number, end: number): Uint8Array
}

/** Gathers records for a {@link RecordSet}. */
export interface RecordCollector {
  /** How many were added. */
  readonly size: number
  /** Adds one, newest first, equal times by lowest id: the order of queries. `id` is 64 hex characters. */
  add(createdAt: number, id: string): void
  finish(): RecordSet
}

const FINGERPRINT_BYTES = 16
const WORDS = ID_BYTES / 4
/** Records between two kept sums: no fingerprint adds up more than twice as many. */
const BLOCK = 32

/** Begins a set. What is costly about a record is done when it is added, so that `finish` blocks nobody. */
export function createRecordCollector(): RecordCollector {
  const timestamps: number[] = []
  let ids = new Uint8Array(64 * ID_BYTES)
  return {
    get size() {
      return timestamps.length
    },
    add(createdAt, id) {
      const offset = timestamps.length * ID_BYTES
      if (offset === ids.length) {
        const larger = new Uint8Array(ids.length * 2)
        larger.set(ids)
        ids = larger
      }
      ids.set(hexToBytes(id), offset)
      timestamps.push(createdAt)
    },
    finish: () => createRecordSet(...oldestFirst(timestamps, ids)),
  }
}

/** Turns the order of times around, and leaves that of ids with the same time. */
function oldestFirst(times: readonly number[], ids: Uint8Array): [Float64Array, Uint8Array] {
  const sortedTimes = new Float64Array(times.length)
  const sortedIds = new Uint8Array(times.length * ID_BYTES)
  let filled = 0
  for (let end = times.length; end > 0; ) {
    let begin = end - 1
    while (begin > 0 && times[begin - 1] === times[begin]) begin--
    sortedTimes.fill(times[begin] as number, filled, filled + end - begin)
    sortedIds.set(ids.subarray(begin * ID_BYTES, end * ID_BYTES), filled * ID_BYTES)
    filled += end - begin
    end = begin
  }
  return [sortedTimes, sortedIds]
}

/** Takes 40 bytes a record. `ids` are the 32 bytes of each, back to back. Source: NIP-77. */
function createRecordSet(timestamps: Float64Array, ids: Uint8Array): RecordSet {
  const size = timestamps.length
  const view = new DataView(ids.buffer)
  const blockSums = sumBlocks()

  /** Sums of all records before each block, as little-endian words. */
  function sumBlocks(): Uint32Array {
    const sums = new Uint32Array((Math.floor(size / BLOCK) + 1) * WORDS)
    const sum = new Uint32Array(WORDS)
    for (let index = 0; index <= size; index++) {
      if (index % BLOCK === 0) sums.set(sum, (index / BLOCK) * WORDS)
      if (index < size) addRecord(sum, index)
    }
    return sums
  }

  function addRecord(sum: Uint32Array, index: number): void {
    let carry = 0
    for (let word = 0; word < WORDS; word++) {
      const total = (sum[word] as number) + view.getUint32(index * ID_BYTES + word * 4, true) + carry
      sum[word] = total
      carry = total > 0xffff_ffff ? 1 : 0
    }
  }

  /** Sum of all records before an index, modulo 2²⁵⁶. */
  function sumBefore(index: number): Uint32Array {
    const block = Math.floor(index / BLOCK)
    const sum = blockSums.slice(block * WORDS, (block + 1) * WORDS)
    for (let at = block * BLOCK; at < index; at++) addRecord(sum, at)
    return sum
  }

  function idAt(index: number): Uint8Array {
    return ids.subarray(index * ID_BYTES, (index + 1) * ID_BYTES)
  }

  function isBelow(index: number, { timestamp, idPrefix }: Bound): boolean {
    const own = timestamps[index] as number
    if (own !== timestamp) return own < timestamp
    const start = index * ID_BYTES
    for (const [at, byte] of idPrefix.entries()) {
      const difference = (ids[start + at] as number) - byte
      if (difference !== 0) return difference < 0
    }
    return false
  }

  return {
    size,
    idAt,
    lowerBound(from, bound) {
      let low = from
      let high = size
      while (low < high) {
        const middle = (low + high) >>> 1
        if (isBelow(middle, bound)) low = middle + 1
        else high = middle
      }
      return low
    },
    boundBefore(index) {
      const timestamp = timestamps[index] as number
      if (timestamps[index - 1] !== timestamp) return { timestamp, idPrefix: new Uint8Array() }
      const [before, id] = [idAt(index - 1), idAt(index)]
      return { timestamp, idPrefix: id.subarray(0, id.findIndex((byte, at) => byte !== before[at]) + 1) }
    },
    fingerprint(begin, end) {
      const [low, high] = [sumBefore(begin), sumBefore(end)]
      const sum = new DataView(new ArrayBuffer(ID_BYTES))
      let borrow = 0
      for (let word = 0; word < WORDS; word++) {
        const difference = (high[word] as number) - (low[word] as number) - borrow
        sum.setUint32(word * 4, difference, true)
        borrow = difference < 0 ? 1 : 0
      }
      return sha256
        .create()
        .update(new Uint8Array(sum.buffer))
        .update(encodeVarint(end - begin))
        .digest()
        .subarray(0, FINGERPRINT_BYTES)
    },
  }
}
