import { hash } from 'node:crypto'
import { type EventVerifier, isHex64, isHex128, type NostrEvent, SyncError } from '@onyx-sync/shared'
import type { Schnorr } from './schnorr.js'

const SIGNATURE_BYTES = 64
const HASH_BYTES = 32

/**
 * Checks events with one implementation of BIP-340. The id is hashed once, by Node's OpenSSL. Lengths, lower
 * case and whole numbers are looked at first, whoever calls: libraries differ in what they make of the rest.
 */
export function createEventVerifier(schnorr: Schnorr): EventVerifier {
  const bytes = Buffer.alloc(SIGNATURE_BYTES + 2 * HASH_BYTES)
  const signature = bytes.subarray(0, SIGNATURE_BYTES)
  const id = bytes.subarray(SIGNATURE_BYTES, SIGNATURE_BYTES + HASH_BYTES)
  const publicKey = bytes.subarray(SIGNATURE_BYTES + HASH_BYTES)
  return {
    name: schnorr.name,
    verify(event) {
      if (!isHex64(event.id) || eventId(event) !== event.id) {
        throw new SyncError('EVENT_ID_MISMATCH', 'id is not the SHA-256 of the event as NIP-01 serialises it')
      }
      if (isHex128(event.sig) && isHex64(event.pubkey)) {
        signature.write(event.sig, 'hex')
        id.write(event.id, 'hex')
        publicKey.write(event.pubkey, 'hex')
        if (schnorr.verify(signature, id, publicKey)) return
      }
      throw new SyncError('EVENT_SIGNATURE_INVALID', 'sig is not a signature of id by pubkey')
    },
  }
}

/** The id that NIP-01 gives an event; undefined where a number is none that it could write. */
export function eventId({
  pubkey,
  created_at,
  kind,
  tags,
  content,
}: Omit<NostrEvent, 'id' | 'sig'>): string | undefined {
  if (!Number.isSafeInteger(created_at) || !Number.isSafeInteger(kind)) return undefined
  return hash('sha256', JSON.stringify([0, pubkey, created_at, kind, tags, content]), 'hex')
}
