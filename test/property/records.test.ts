import { EMPTY_ROSTER, membersOf, type Roster } from '@onyx-sync/shared'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { decodeRecord, encodeRecord } from '../../server/src/adapters/level/records.js'
import type { DocumentRecord } from '../../server/src/ports/event-log.js'
import { flipBit } from '../support/flip-bit.js'

const hex = fc.uint8Array({ minLength: 32, maxLength: 32 }).map((bytes) => Buffer.from(bytes).toString('hex'))
const count = fc.nat({ max: Number.MAX_SAFE_INTEGER })
const role = fc.constantFrom('none', 'read', 'write')

const roster: fc.Arbitrary<Roster> = fc.oneof(
  fc.constant(EMPTY_ROSTER),
  fc.record({
    baseAt: count,
    entries: fc.array(fc.record({ pubkey: hex, role, at: count, relay: fc.string() }), { maxLength: 4 }),
  }),
)

const record: fc.Arbitrary<DocumentRecord> = fc
  .record({
    owner: hex,
    identifier: fc.string({ unit: 'grapheme' }),
    roster,
    rosterSeqs: fc.array(count, { maxLength: 5 }),
    counts: fc.record({
      rosterSeq: count,
      headSeq: count,
      contentSeq: count,
      eventCount: count,
      byteCount: count,
    }),
    deleted: fc.option(fc.record({ seq: count, id: hex, created_at: count })),
    forgotten: fc.boolean(),
  })
  .map(({ owner, identifier, counts, deleted, forgotten, ...rest }) => ({
    address: `30001:${owner}:${identifier}`,
    owner,
    ...rest,
    // Of a record that is damaged, they needn't follow from the roster.
    members: forgotten ? [] : membersOf(rest.roster),
    ...counts,
    ...(deleted === null ? {} : { deleted }),
  }))

/** Undefined where it is said to be damaged. */
function decodedOrNone(address: string, value: Uint8Array): DocumentRecord | undefined {
  try {
    return decodeRecord(address, value)
  } catch (error) {
    if (error instanceof SyntaxError) return undefined
    throw error
  }
}

describe('the record of a document', () => {
  it('[SRV4] comes out of its value as it went in, and as format 4 wrote it', () => {
    fc.assert(
      fc.property(record, (written) => {
        const value = encodeRecord(written)
        expect(decodeRecord(written.address, value)).toEqual(written)
        const older = Buffer.from(JSON.stringify(written))
        expect(decodeRecord(written.address, older)).toEqual(written)
        expect(value.byteLength).toBeLessThan(older.byteLength)
      }),
      { numRuns: 500, seed: 5 },
    )
  })

  it('[VFY3][VFY6] is a record, or said to be damaged, whichever bit of it is another', () => {
    const flips = fc.property(record, fc.boolean(), (written, isOlder) => {
      const value = isOlder ? Buffer.from(JSON.stringify(written)) : encodeRecord(written)
      let whole = 0
      for (let at = 0; at < value.byteLength * 8; at++) {
        const found = decodedOrNone(written.address, flipBit(value, at >> 3, at & 7))
        if (found === undefined) continue
        whole++
        // What serves a document, and what mends it, go by these.
        for (const { pubkey } of [...found.members, ...membersOf(found.roster)])
          expect(pubkey).toBeTypeOf('string')
        expect(() => encodeRecord(found)).not.toThrow()
      }
      // A digit that is another one leaves a record.
      expect(whole).toBeGreaterThan(0)
    })
    fc.assert(flips, { numRuns: 10 })
  })

  it('[VFY3] is no record where something of it is of another kind', () => {
    const whole = [1, 2, 3, 4, 5, [6]]
    const decode = (value: unknown) => decodeRecord('30001:a:b', Buffer.from(JSON.stringify(value)))
    expect(decode(whole)).toMatchObject({ rosterSeq: 1, rosterSeqs: [6] })
    for (let index = 0; index < whole.length; index++) {
      for (const wrong of ['1', null, 1.5, {}, ['1']])
        expect(() => decode(Object.assign([...whole], { [index]: wrong }))).toThrow(SyntaxError)
      expect(() => decode(whole.slice(0, index))).toThrow(SyntaxError)
    }
    for (const wrong of [
      null,
      7,
      'x',
      { roster: null },
      { roster: { baseAt: 0 } },
      { members: {} },
      { deleted: {} },
      { removed: 1 },
    ])
      expect(() => decode([...whole, wrong])).toThrow(SyntaxError)
    for (const wrong of [null, 7, 'x', {}, []]) expect(() => decode(wrong)).toThrow('30001:a:b is damaged')
  })
})
