import { createSchnorrVerifier, type EventVerifier, type NostrEvent, SyncError } from '@onyx-sync/shared'
import { createEventVerifier } from '@onyx-sync/shared/node'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { sign, testKey } from '../support/events.js'
import { BIP340_VECTORS, SCHNORRS } from '../support/verifiers.js'

const alice = testKey(1)

/** With each implementation the server's way of checking an event, and a device's. */
const VERIFIERS: readonly EventVerifier[] = Object.values(SCHNORRS).flatMap((schnorr) => [
  createEventVerifier(schnorr),
  createSchnorrVerifier(schnorr.name, schnorr.verify),
])

/** What each says of an event: `ok`, or the code of the error. */
function sayings(event: NostrEvent): string[] {
  return VERIFIERS.map((verifier) => {
    try {
      verifier.verify(event)
      return 'ok'
    } catch (error) {
      return error instanceof SyncError ? error.code : String(error)
    }
  })
}

const template = fc.record({
  kind: fc.integer({ min: 0, max: 65_535 }),
  created_at: fc.integer({ min: 0, max: 2 ** 40 }),
  tags: fc.array(fc.array(fc.string({ unit: 'binary' }), { minLength: 1, maxLength: 3 }), { maxLength: 3 }),
  content: fc.string({ unit: 'binary', maxLength: 200 }),
})

/** Fields of which one digit or character is another. */
const mutation = fc.record({
  field: fc.constantFrom('id', 'pubkey', 'sig', 'content', 'created_at', 'kind', 'none'),
  at: fc.nat(127),
  digit: fc.constantFrom(...'0123456789abcdefF '),
})

it('[SIG1] all say the same of any event, and of one with any character changed', () => {
  fc.assert(
    fc.property(template, mutation, (fields, { field, at, digit }) => {
      const event = sign(alice, fields)
      expect(new Set(sayings(event))).toEqual(new Set(['ok']))
      if (field === 'none') return
      const before = event[field]
      const after =
        typeof before === 'number'
          ? before + 1
          : before.slice(0, at % (before.length + 1)) + digit + before.slice((at % (before.length + 1)) + 1)
      const isSame = after === before
      const said = new Set(sayings({ ...event, [field]: after }))
      expect(said.size).toBe(1)
      expect(said.has('ok')).toBe(isSame)
    }),
    { numRuns: 40 },
  )
})

it('[SIG1] all say the same of any bytes, also of those near what BIP-340 warns of', () => {
  const vector = fc.constantFrom(...BIP340_VECTORS)
  const flip = fc.record({ part: fc.constantFrom('signature', 'message', 'publicKey'), bit: fc.nat(511) })
  fc.assert(
    fc.property(vector, fc.array(flip, { maxLength: 2 }), (known, flips) => {
      const bytes = {
        signature: Buffer.from(known.signature),
        message: Buffer.from(known.message),
        publicKey: Buffer.from(known.publicKey),
      }
      for (const { part, bit } of flips) {
        const target = bytes[part as keyof typeof bytes]
        const index = (bit >> 3) % target.byteLength
        target[index] = (target[index] as number) ^ (1 << (bit & 7))
      }
      const answers = Object.values(SCHNORRS).map(({ verify }) =>
        verify(bytes.signature, bytes.message, bytes.publicKey),
      )
      expect(new Set(answers).size).toBe(1)
    }),
    { numRuns: 200 },
  )
})
