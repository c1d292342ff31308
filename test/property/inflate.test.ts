import { SyncError } from '@onyx-sync/shared'
import fc from 'fast-check'
import { deflateSync, Inflate } from 'fflate'
import { expect, it } from 'vitest'
import { inflateBounded } from '../../shared/src/deflate.js'

/** What the stream of the same library makes of it, byte for byte; undefined where it fails. */
function streamed(deflated: Uint8Array): Buffer | undefined {
  const chunks: Uint8Array[] = []
  try {
    new Inflate((chunk) => chunks.push(chunk)).push(deflated, true)
  } catch {
    return undefined
  }
  return Buffer.concat(chunks)
}

/** What is inflated of it, or the code of the refusal. */
function bounded(deflated: Uint8Array, maxBytes: number): Buffer | string {
  try {
    return Buffer.from(inflateBounded(deflated, maxBytes))
  } catch (error) {
    return error instanceof SyncError ? error.code : String(error)
  }
}

/** Of all sizes around those at which another way is taken: 8 KiB before and 256 KiB behind. */
const plain = fc
  .record({
    word: fc.uint8Array({ minLength: 1, maxLength: 40 }),
    times: fc.constantFrom(0, 1, 7, 300, 6_000, 30_000),
    rest: fc.uint8Array({ maxLength: 12_000 }),
  })
  .map(({ word, times, rest }) => Buffer.concat([...Array.from({ length: times }, () => word), rest]))

it('[YJS4][YJS5] small and large messages are inflated alike, whole, cut, changed or with more behind', () => {
  const damage = fc.record({
    kind: fc.constantFrom('none', 'cut', 'flip', 'more', 'noise'),
    at: fc.nat(20_000),
  })
  fc.assert(
    fc.property(
      plain,
      damage,
      fc.constantFrom(100, 262_143, 262_144, 8_388_608),
      (bytes, { kind, at }, max) => {
        let deflated = deflateSync(bytes)
        if (kind === 'cut') deflated = deflated.slice(0, at % (deflated.length + 1))
        if (kind === 'flip') {
          const index = at % deflated.length
          deflated[index] = (deflated[index] as number) ^ (1 << (at & 7))
        }
        if (kind === 'more') deflated = Buffer.concat([deflated, bytes.subarray(0, 50)])
        if (kind === 'noise') deflated = new Uint8Array(bytes.subarray(0, at))
        const expected = streamed(deflated)
        const actual = bounded(deflated, max)
        if (expected === undefined) expect(['UPDATE_INVALID', 'TOO_LARGE']).toContain(actual)
        else if (expected.byteLength > max) expect(actual).toBe('TOO_LARGE')
        else expect(typeof actual === 'string' ? actual : actual.equals(expected)).toBe(true)
      },
    ),
    { numRuns: 150 },
  )
})

it('[YJS5] a small bomb is refused, and leaves nothing for the next', () => {
  const bomb = deflateSync(new Uint8Array(8_000_000))
  expect(bomb.byteLength).toBeLessThan(8 * 1024)
  expect(bounded(bomb, 1_000_000)).toBe('TOO_LARGE')
  expect(bounded(deflateSync(Buffer.from('hello')), 1_000_000)).toEqual(Buffer.from('hello'))
})
