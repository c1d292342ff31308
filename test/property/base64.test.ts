import { decodeBase64, encodeBase64 } from '@onyx-sync/shared'
import fc from 'fast-check'
import { expect, it } from 'vitest'

const STANDARD_PADDED = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/

/** Characters that are in base64, nearly in it, or only look so once they are cut to a byte. */
const character = fc.oneof(
  { weight: 8, arbitrary: fc.constantFrom(...'ABCXYZabcxyz0189+/') },
  { weight: 1, arbitrary: fc.constantFrom(...'=-_ \n\r\t\0.,!', 'é', 'Ł', '漢', '\ud83d', '\ude42') },
)
const text = fc.array(character, { maxLength: 40 }).map((list) => list.join(''))

it('[EVT2] takes standard padded base64, and nothing else', () => {
  fc.assert(
    fc.property(
      fc.oneof(
        text,
        text.map((some) => `${some.slice(0, some.length & ~3)}`),
        text.map((some) => `${some}==`),
      ),
      (given) => {
        if (STANDARD_PADDED.test(given)) {
          const bytes = decodeBase64(given)
          expect(bytes.byteLength).toBe((given.length / 4) * 3 - (given.match(/=/g)?.length ?? 0))
          expect(bytes.constructor).toBe(Uint8Array)
        } else expect(() => decodeBase64(given)).toThrow()
      },
    ),
    { numRuns: 20_000 },
  )
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
      expect(decodeBase64(encodeBase64(bytes))).toEqual(bytes)
    }),
  )
})
