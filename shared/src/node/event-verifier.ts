import type { NostrEvent } from '../event.js'
import { isHex64, isHex128 } from '../hex.js'
import type { EventVerifier } from '../ports.js'
import { idMismatch, signatureInvalid } from '../pure-verifier.js'
import { eventId } from './event-id.js'
import type { Schnorr } from './schnorr.js'

const SIGNATURE_BYTES = 64
const HASH_BYTES = 32

/**
 * Checks events with one implementation of BIP-340. The id is hashed once, by Node's OpenSSL. Lengths, lower
 * case and whole numbers are looked at first, whoever calls: libraries differ in what they make of the rest.
 */
export function createEventVerifier(schnorr: Schnorr): ChosenVerifier {
  const bytes = Buffer.alloc(CHECK_BYTES)
  return {
    name: schnorr.name,
    schnorr,
    verify(event) {
      writeCheck(event, bytes, 0)
      if (!isSigned(schnorr, bytes, 0)) throw signatureInvalid()
    },
  }
}

/** An event verifier, with what it computes with. */
export interface ChosenVerifier extends EventVerifier {
  readonly schnorr: Schnorr
}

/** Bytes of what one check is about: signature, id and public key. */
export const CHECK_BYTES = SIGNATURE_BYTES + 2 * HASH_BYTES

/** Looks at everything of an event but its signature, and writes what that is checked with. Throws as `verify` does. */
export function writeCheck(event: NostrEvent, bytes: Buffer, offset: number): void {
  if (!isHex64(event.id) || eventId(event) !== event.id) {
    throw idMismatch()
  }
  if (!isHex128(event.sig) || !isHex64(event.pubkey)) throw signatureInvalid()
  bytes.write(event.sig, offset, 'hex')
  bytes.write(event.id, offset + SIGNATURE_BYTES, 'hex')
  bytes.write(event.pubkey, offset + SIGNATURE_BYTES + HASH_BYTES, 'hex')
}

/** Whether the signature holds that {@link writeCheck} wrote. */
export function isSigned(schnorr: Schnorr, bytes: Uint8Array, offset: number): boolean {
  const idAt = offset + SIGNATURE_BYTES
  const keyAt = idAt + HASH_BYTES
  return schnorr.verify(
    bytes.subarray(offset, idAt),
    bytes.subarray(idAt, keyAt),
    bytes.subarray(keyAt, offset + CHECK_BYTES),
  )
}
