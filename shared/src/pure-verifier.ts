import { getEventHash, verifyEvent } from 'nostr-tools/pure'
import { SyncError } from './errors.js'
import type { NostrEvent } from './event.js'
import type { EventVerifier } from './ports.js'

/** Whether an event's id is the SHA-256 of it (NIP-01). Says nothing of who signed it. */
export function hasRightId({ id, pubkey, created_at, kind, tags, content }: NostrEvent): boolean {
  return getEventHash({ pubkey, created_at, kind, tags, content }) === id
}

/** What is thrown for an id that isn't the event's. */
export function idMismatch(): SyncError {
  return new SyncError('EVENT_ID_MISMATCH', 'id is not the SHA-256 of the event as NIP-01 serialises it')
}

/** What is thrown for a signature that doesn't hold. */
export function signatureInvalid(): SyncError {
  return new SyncError('EVENT_SIGNATURE_INVALID', 'sig is not a signature of id by pubkey')
}

/** The verifier that runs everywhere: noble's BIP-340 in JavaScript, through nostr-tools. */
export const pureVerifier: EventVerifier = {
  name: 'noble',
  verify(event) {
    // A copy, because verifyEvent trusts a marker that it may have left on the object before.
    const { id, pubkey, created_at, kind, tags, content, sig } = event
    if (!hasRightId(event)) {
      throw idMismatch()
    }
    if (!verifyEvent({ id, pubkey, created_at, kind, tags, content, sig })) {
      throw signatureInvalid()
    }
  },
}
