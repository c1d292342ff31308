import fc from 'fast-check'
import { inflateSync } from 'fflate'
import { expect, it } from 'vitest'
import { nativeDeflate, nativeInflate } from '../../server/src/adapters/native-deflate.js'
import { deflateIfSmaller, inflateBounded } from '../../shared/src/deflate.js'

const plain = fc
  .record({
    word: fc.uint8Array({ minLength: 1, maxLength: 40 }),
    times: fc.constantFrom(1, 30, 3_000, 30_000),
  })
  .map(({ word, times }) => Buffer.concat(Array.from({ length: times }, () => word)))

it('[YJS4] what the server deflates, devices inflate, and the other way round', () => {
  fc.assert(
    fc.property(plain, fc.uint8Array({ maxLength: 5_000 }), (begin, end) => {
      const bytes = Buffer.concat([begin, end])
      expect(Buffer.from(inflateBounded(nativeDeflate(bytes), bytes.length)).equals(bytes)).toBe(true)
      const deflated = deflateIfSmaller(bytes)
      if (deflated === undefined) return
      expect(Buffer.from(nativeInflate(deflated, bytes.length)).equals(bytes)).toBe(true)
      expect(Buffer.from(inflateSync(nativeDeflate(bytes))).equals(bytes)).toBe(true)
    }),
    { numRuns: 60 },
  )
})

it('[YJS5] what unfolds to more than is allowed is refused by both ways', () => {
  const bomb = nativeDeflate(new Uint8Array(4_000_000))
  expect(() => nativeInflate(bomb, 1_000_000)).toThrow()
  expect(() => inflateBounded(bomb, 1_000_000)).toThrow()
})
