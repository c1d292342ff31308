import { getEventHash, verifyEvent } from 'nostr-tools/pure'
import { SyncError } from './errors.js'
import type { NostrEvent } from './event.js'
import type { EventVerifier } from './ports.js'

/** Whether an event's id is the SHA-256 of it (NIP-01). Says nothing of who signed it. */
export function hasRightId({ id, pubkey, created_at, kind, tags, content }: NostrEvent): boolean {
  return getEventHash({ pubkey, created_at, kind, tags, content }) === id
}

/** The verifier that runs everywhere: noble's BIP-340 in JavaScript, through nostr-tools. */
export const pureVerifier: EventVerifier = {
  name: 'noble',
  verify(event) {
    // A copy, because verifyEvent trusts a marker that it may have left on the object before.
    const { id, pubkey, created_at, kind, tags, content, sig } = event
    if (!hasRightId(event)) {
      throw new SyncError('EVENT_ID_MISMATCH', 'id is not the SHA-256 of the event as NIP-01 serialises it')
    }
    if (!verifyEvent({ id, pubkey, created_at, kind, tags, content, sig })) {
      throw new SyncError('EVENT_SIGNATURE_INVALID', 'sig is not a signature of id by pubkey')
    }
  },
}
