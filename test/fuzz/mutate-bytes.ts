import type { Chance } from './random.js'

/** No input grows beyond this by being changed. Bytes. */
export const MAX_INPUT_BYTES = 32 * 1024
/** Nor is one changed further beyond this, so that most runs take microseconds. Bytes. */
export const MAX_SOURCE_BYTES = 3 * 1024

/** Numbers at which something turns over: lengths, clocks, client ids. */
const NUMBERS = [
  0,
  1,
  2,
  63,
  64,
  65,
  127,
  128,
  255,
  256,
  1023,
  1024,
  1025,
  16_383,
  16_384,
  65_535,
  200_000,
  2 ** 31 - 1,
  2 ** 31,
  2 ** 32 - 1,
  2 ** 32,
  2 ** 53 - 1,
  2 ** 53,
  2 ** 60,
]

/** A number as lib0 writes lengths and clocks: seven bits a byte, the lowest first. */
export function varUint(number: number): Uint8Array {
  const bytes: number[] = []
  let rest = number
  for (; rest > 127; rest = Math.floor(rest / 128)) bytes.push(128 | (rest % 128))
  bytes.push(rest)
  return new Uint8Array(bytes)
}

function joined(...parts: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((sum, { byteLength }) => sum + byteLength, 0))
  let position = 0
  for (const part of parts) {
    bytes.set(part, position)
    position += part.byteLength
  }
  return bytes
}

/** Replaces `count` bytes at a place. */
function spliced(input: Uint8Array, at: number, count: number, replacement: Uint8Array): Uint8Array {
  return joined(input.subarray(0, at), replacement, input.subarray(at + count))
}

/** Where a varint ends that begins at a place. */
function varUintEnd(input: Uint8Array, at: number): number {
  let end = at
  while (end < input.byteLength && (input[end] as number) >= 128) end++
  return Math.min(end + 1, input.byteLength)
}

/** One change of some bytes; `other` is an input to take from. */
export function mutateBytes(input: Uint8Array, other: Uint8Array, chance: Chance): Uint8Array {
  if (input.byteLength === 0) return new Uint8Array([chance.below(256)])
  const at = chance.below(input.byteLength)
  const length = 1 + chance.below(Math.min(32, input.byteLength - at))
  switch (chance.below(9)) {
    case 0: {
      const copy = input.slice()
      copy[at] = (copy[at] as number) ^ (1 << chance.below(8))
      return copy
    }
    case 1: {
      const copy = input.slice()
      copy[at] = chance.once(2) ? chance.below(256) : chance.pick([0, 1, 2, 10, 117, 118, 127, 128, 255])
      return copy
    }
    case 2:
      return spliced(input, at, length, new Uint8Array())
    case 3:
      return spliced(input, at, 0, input.subarray(at, at + length))
    case 4: {
      const number = chance.once(3) ? chance.below(300) : chance.pick(NUMBERS)
      return spliced(input, at, varUintEnd(input, at) - at, varUint(number))
    }
    case 5:
      return spliced(
        input,
        at,
        0,
        Uint8Array.from({ length: 1 + chance.below(8) }, () => chance.below(256)),
      )
    case 6: {
      const from = chance.below(other.byteLength + 1)
      return spliced(input, at, length, other.subarray(from, from + chance.below(64)))
    }
    case 7:
      return input.slice(0, at)
    default: {
      const times = 1 + chance.below(chance.once(200) ? 2_000 : 8)
      const chunk = input.subarray(at, at + length)
      return spliced(input, at, 0, joined(...Array.from({ length: times }, () => chunk)))
    }
  }
}
