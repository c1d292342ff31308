import fc from 'fast-check'
import { expect, it } from 'vitest'
import { createSealedPlaces } from '../../server/src/adapters/sealed-places.js'

const place = fc.record({
  seq: fc.integer({ min: 1, max: 2 ** 48 }),
  epochId: fc.stringMatching(/^[0-9a-f]{16}$/),
})
const garbage = fc.stringMatching(/^[0-9A-Za-z_-]{20,23}$/)

it('[REP1] a sealed place is read back whatever was written and read before it, also by a server that was started anew', () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ minLength: 32, maxLength: 32 }),
      fc.array(fc.oneof(place, garbage), { maxLength: 30 }),
      (key, given) => {
        const places = createSealedPlaces(key)
        for (const one of given) {
          if (typeof one === 'string') {
            places.read(one)
            continue
          }
          const text = places.write(one)
          expect(places.read(text)).toEqual(one)
          expect(createSealedPlaces(key).read(text)).toEqual(one)
          expect(createSealedPlaces(key).write(one)).toBe(text)
        }
      },
    ),
  )
})
