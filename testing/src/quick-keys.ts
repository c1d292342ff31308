import { createHash } from 'node:crypto'
import {
  type EventTemplate,
  type EventVerifier,
  type NostrEvent,
  type Signer,
  SyncError,
} from '@onyx-sync/shared'

/**
 * Keys for simulated worlds: a "signature" is a hash under the key, which costs a thousandth of a real one.
 * Ids are real. That real signatures are made and checked is for other tests; here it matters who signed what,
 * and that nothing unsigned is applied.
 */
export interface QuickKey {
  /** 64 lower-case hex characters. */
  readonly pubkey: string
  readonly signer: Signer
  /** Signs at once, as a server does. */
  sign(template: EventTemplate): NostrEvent
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}

function signatureOf(id: string, pubkey: string): string {
  return sha256(`${id}/${pubkey}/1`) + sha256(`${id}/${pubkey}/2`)
}

function idOf(event: Omit<NostrEvent, 'id' | 'sig'>): string {
  return sha256(JSON.stringify([0, event.pubkey, event.created_at, event.kind, event.tags, event.content]))
}

/** A key that is named; the same name is the same key. `beforeSigning` may throw, as a real signer may fail. */
export function createQuickKey(name: string, beforeSigning: () => void = () => {}): QuickKey {
  const pubkey = sha256(`key/${name}`)
  const sign = ({ kind, created_at, tags, content }: EventTemplate): NostrEvent => {
    beforeSigning()
    const id = idOf({ kind, created_at, tags, content, pubkey })
    return { kind, created_at, tags, content, pubkey, id, sig: signatureOf(id, pubkey) }
  }
  return {
    pubkey,
    sign,
    signer: { getPublicKey: async () => pubkey, signEvent: async (template) => sign(template) },
  }
}

/** Checks what {@link createQuickKey} signs, as strictly as a real verifier. */
export const quickVerifier: EventVerifier = {
  name: 'quick',
  verify(event) {
    if (idOf(event) !== event.id) throw new SyncError('EVENT_ID_MISMATCH', 'id is not the hash of the event')
    if (event.sig !== signatureOf(event.id, event.pubkey)) {
      throw new SyncError('EVENT_SIGNATURE_INVALID', 'sig is not a signature of id by pubkey')
    }
  },
}
