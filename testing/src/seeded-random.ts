import type { Random } from '@onyx-sync/shared'

/** A repeatable source of randomness. The same seed gives the same numbers, on every machine. */
export interface SeededRandom extends Random {
  /** A whole number in [0, below). */
  below(below: number): number
  /** True with the given probability, 0 to 1. */
  chance(probability: number): boolean
  /** One of the items. Throws `RangeError` if there is none. */
  pick<T>(items: readonly T[]): T
  /** A source of its own for a purpose: what one purpose draws doesn't move another's numbers. */
  fork(purpose: string): SeededRandom
}

/** Mixes text into 32 bits (FNV-1a with a final avalanche). */
function hash32(text: string): number {
  let hash = 0x811c9dc5
  for (let index = 0; index < text.length; index++) {
    hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193)
  }
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return (hash ^ (hash >>> 16)) >>> 0
}

/** A source from a seed: xorshift128 with its state filled from the seed. Not for cryptography. */
export function createSeededRandom(seed: string): SeededRandom {
  let x = hash32(`${seed}/x`) | 1
  let y = hash32(`${seed}/y`)
  let z = hash32(`${seed}/z`)
  let w = hash32(`${seed}/w`)

  function word(): number {
    const t = x ^ (x << 11)
    x = y
    y = z
    z = w
    w = w ^ (w >>> 19) ^ t ^ (t >>> 8)
    return w >>> 0
  }

  const random: SeededRandom = {
    next: () => word() / 2 ** 32,
    bytes: (length) => Uint8Array.from({ length }, () => word() & 0xff),
    below: (below) => Math.floor(random.next() * below),
    chance: (probability) => random.next() < probability,
    pick(items) {
      if (items.length === 0) throw new RangeError('there is nothing to pick from')
      return items[random.below(items.length)] as (typeof items)[number]
    },
    fork: (purpose) => createSeededRandom(`${seed}/${purpose}`),
  }
  return random
}
