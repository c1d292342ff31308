import { bytesToHex } from '@noble/hashes/utils.js'
import { compareNewestFirst } from '@onyx-sync/shared'
import fc from 'fast-check'
import { nip77 } from 'nostr-tools'
import { describe, expect, it } from 'vitest'
import { answerNegentropy } from '../../server/src/core/negentropy-answer.js'
import { createMessageReader, createMessageWriter } from '../../server/src/core/negentropy-codec.js'
import { createRecordCollector, type RecordSet } from '../../server/src/core/negentropy-records.js'

const { Negentropy, NegentropyStorageVector } = nip77

interface Item {
  readonly created_at: number
  readonly id: string
}

const toBytes = (hex: string): Uint8Array => Uint8Array.from(Buffer.from(hex, 'hex'))

function recordsOf(items: readonly Item[]): RecordSet {
  const collector = createRecordCollector()
  for (const { created_at, id } of [...items].sort(compareNewestFirst)) collector.add(created_at, id)
  return collector.finish()
}

/** Runs the other end, nostr-tools' engine, against our answers until it is satisfied. */
function reconcile(ours: readonly Item[], theirs: readonly Item[], frames: { ours: number; theirs: number }) {
  const storage = new NegentropyStorageVector()
  for (const { created_at, id } of theirs) storage.insert(created_at, id)
  storage.seal()
  const client = new Negentropy(storage, frames.theirs)
  const records = recordsOf(ours)
  const found = { have: new Set<string>(), need: new Set<string>(), rounds: 0, largest: 0 }
  let message: string | null = client.initiate()
  while (message !== null) {
    const answer = answerNegentropy(records, toBytes(message), frames.ours)
    found.largest = Math.max(found.largest, answer.length)
    if (++found.rounds > 2_000) throw new Error('it comes to no end')
    message = client.reconcile(
      bytesToHex(answer),
      (id) => found.have.add(id),
      (id) => found.need.add(id),
    )
  }
  return found
}

/** Ids of which many share their first bytes, and few times. */
const itemArbitrary = fc.record({
  created_at: fc.integer({ min: 0, max: 5 }),
  id: fc
    .tuple(
      fc.constantFrom('00', 'ab', 'ff'),
      fc.constantFrom('00', '01'),
      fc.uint8Array({ minLength: 30, maxLength: 30 }).map(bytesToHex),
    )
    .map((parts) => parts.join('')),
})

describe('negentropy', () => {
  it('[NEG1] tells nostr-tools’ engine exactly what either end lacks, whatever the sets and frames', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(itemArbitrary, fc.constantFrom('ours', 'theirs', 'both', 'both', 'both')), {
          maxLength: 400,
        }),
        fc.constantFrom(4_096, 60_000),
        fc.constantFrom(4_096, 60_000),
        (placed, oursMax, theirsMax) => {
          const unique = [...new Map(placed.map((entry) => [entry[0].id, entry])).values()]
          const ours = unique.filter(([, place]) => place !== 'theirs').map(([item]) => item)
          const theirs = unique.filter(([, place]) => place !== 'ours').map(([item]) => item)
          const found = reconcile(ours, theirs, { ours: oursMax, theirs: theirsMax })
          const only = (place: string) =>
            unique.filter((entry) => entry[1] === place).map(([item]) => item.id)
          expect([...found.need].sort()).toEqual(only('ours').sort())
          expect([...found.have].sort()).toEqual(only('theirs').sort())
          expect(found.largest).toBeLessThanOrEqual(oursMax)
        },
      ),
      { numRuns: 60, seed: 20_261_128 },
    )
  })

  it('[NEG1] thousands of scattered differences come to an end, within frames', () => {
    const item = (index: number): Item => ({
      created_at: 1_700_000_000 + Math.floor(index / 3),
      id: ((index * 2_654_435_761) % 2 ** 32).toString(16).padStart(8, '0').repeat(8),
    })
    const all = Array.from({ length: 6_000 }, (_, index) => item(index))
    const found = reconcile(
      all.filter((_, index) => index % 10 !== 3),
      all.filter((_, index) => index % 10 !== 7),
      { ours: 60_000, theirs: 1_000_000 },
    )
    expect([...found.need].sort()).toEqual(
      all
        .filter((_, index) => index % 10 === 7)
        .map(({ id }) => id)
        .sort(),
    )
    expect([...found.have].sort()).toEqual(
      all
        .filter((_, index) => index % 10 === 3)
        .map(({ id }) => id)
        .sort(),
    )
  })

  it('[NEG3] looks at a bounded number of ranges in one go and puts the rest off', () => {
    const ours = Array.from({ length: 100 }, (_, index) => ({
      created_at: index,
      id: index.toString(16).padStart(64, '0'),
    }))
    const writer = createMessageWriter()
    writer.bytes(Uint8Array.of(0x61))
    for (let range = 0; range < 100_000; range++) {
      writer.bound({ timestamp: Math.floor(range / 50_000), idPrefix: new Uint8Array() })
      writer.varint(0)
    }
    const answer = createMessageReader(answerNegentropy(recordsOf(ours), writer.finish(), 60_000))
    expect(answer.byte()).toBe(0x61)
    // A skip over what was looked at, and one fingerprint of all the rest.
    expect([answer.bound().timestamp, answer.varint()]).toEqual([0, 0])
    expect([answer.bound().timestamp, answer.varint()]).toEqual([Number.POSITIVE_INFINITY, 1])
    answer.bytes(16)
    expect(answer.isAtEnd).toBe(true)
  })

  it('[NEG4] any bytes are answered or refused with a code, never otherwise', () => {
    const records = recordsOf([{ created_at: 5, id: 'ab'.repeat(32) }])
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), fc.boolean(), (bytes, begins) => {
        try {
          answerNegentropy(records, begins ? Uint8Array.of(0x61, ...bytes) : bytes, 4_096)
        } catch (error) {
          expect(error).toMatchObject({ code: 'MESSAGE_MALFORMED' })
        }
      }),
      { numRuns: 2_000, seed: 7 },
    )
  })

  it('[NEG4] numbers and bounds come back as they were written, up to 2⁵³', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.maxSafeNat(), fc.uint8Array({ maxLength: 32 })), { maxLength: 10 }),
        (bounds) => {
          const sorted = bounds.sort((a, b) => a[0] - b[0])
          const writer = createMessageWriter()
          for (const [timestamp, idPrefix] of sorted) writer.bound({ timestamp, idPrefix })
          const reader = createMessageReader(writer.finish())
          for (const [timestamp, idPrefix] of sorted) expect(reader.bound()).toEqual({ timestamp, idPrefix })
          expect(reader.isAtEnd).toBe(true)
        },
      ),
      { numRuns: 300, seed: 11 },
    )
  })
})
