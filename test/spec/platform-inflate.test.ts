import { deflateRawSync } from 'node:zlib'
import { inflateBounded } from '@onyx-sync/shared'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { platformInflate } from '../../client/src/adapters/platform-inflate.js'

const native = platformInflate()
const MAX_BYTES = 100_000

/** The bytes, or the code of the error. */
function outcome(inflate: typeof native, deflated: Uint8Array, maxBytes = MAX_BYTES): Uint8Array | unknown {
  try {
    return inflate(deflated, maxBytes)
  } catch (error) {
    return (error as { code?: string }).code
  }
}

describe('inflating by the platform', () => {
  it('[YJS5] gives plain bytes of its own, as JavaScript does, of any size', () => {
    for (const size of [0, 1, 1_000, 5_000, 50_000, MAX_BYTES]) {
      const bytes = Uint8Array.from({ length: size }, (_, index) => (index * index) % 251)
      const inflated = native(deflateRawSync(bytes), MAX_BYTES)
      expect(inflated).toEqual(bytes)
      expect(inflated.constructor).toBe(Uint8Array)
    }
  })

  it('[YJS5] ends at the bound, and refuses what is no DEFLATE, in the same words', () => {
    const bomb = deflateRawSync(new Uint8Array(20_000_000))
    expect(outcome(native, bomb)).toBe('TOO_LARGE')
    expect(outcome(native, deflateRawSync(new Uint8Array(MAX_BYTES + 1)))).toBe('TOO_LARGE')
    const noise = Uint8Array.from({ length: 9_000 }, (_, index) => (index * 7_919) % 256)
    expect(outcome(native, noise)).toBe(outcome(inflateBounded, noise))
    const whole = deflateRawSync(Uint8Array.from({ length: 40_000 }, (_, index) => (index * index) % 251))
    fc.assert(
      fc.property(fc.nat(whole.byteLength - 1), fc.integer({ min: 1, max: 255 }), (at, by) => {
        const damaged = Uint8Array.from(whole)
        damaged[at] = (damaged[at] as number) ^ by
        const [ours, theirs] = [outcome(native, damaged), outcome(inflateBounded, damaged)]
        // Both check what the bytes are by themselves; neither may give more than the bound, or throw anything else.
        for (const result of [ours, theirs])
          expect(result instanceof Uint8Array ? result.byteLength <= MAX_BYTES : result).toSatisfy(
            (it) => it === true || it === 'UPDATE_INVALID' || it === 'TOO_LARGE',
          )
      }),
    )
  })

  it('[YJS5] is JavaScript where the platform has nothing of its own', () => {
    for (const globals of [{}, { process: {} }, { process: { getBuiltinModule: () => undefined } }])
      expect(platformInflate(globals)).toBe(inflateBounded)
  })
})
