import { SyncError } from '@onyx-sync/client'
import { decode, npubEncode, nsecEncode } from 'nostr-tools/nip19'
import { getPublicKey } from 'nostr-tools/pure'
import { hexToBytes } from 'nostr-tools/utils'

const HEX = /^[0-9a-f]{64}$/

/** A secret key of 64 hex characters as its user takes it elsewhere: `nsec1…`. */
export function secretKeyText(hex: string): string {
  return nsecEncode(hexToBytes(hex))
}

/**
 * Reads a secret key as people paste it: `nsec1…`, also inside a link, or 64 hex characters. Throws `KEY_INVALID`,
 * without what was given.
 */
export function readSecretKey(text: string): Uint8Array {
  const trimmed = text.trim()
  const nsec = /nsec1[a-z0-9]+/i.exec(trimmed)?.[0].toLowerCase()
  try {
    const key = nsec === undefined ? hexToBytes(trimmed.toLowerCase()) : (decode(nsec).data as Uint8Array)
    if (key.length !== 32 || getPublicKey(key) === '') throw new Error('no key')
    return key
  } catch {
    throw new SyncError(
      'KEY_INVALID',
      'that is no secret key: it begins with nsec1, or has 64 hex characters',
    )
  }
}

/** Whether two keys are one account. */
export function isKeyOf(secretKey: Uint8Array, pubkey: string): boolean {
  return getPublicKey(secretKey) === pubkey
}

/** A public key of 64 hex characters as people see it: `npub1…`. Anything else is none: empty. */
export function publicKeyText(hex: string): string {
  return HEX.test(hex) ? npubEncode(hex) : ''
}

/** A public key as people paste it: `npub1…` or 64 hex characters. Undefined for anything else. */
export function readPublicKey(text: string): string | undefined {
  const trimmed = text.trim().toLowerCase()
  if (HEX.test(trimmed)) return trimmed
  try {
    const { type, data } = decode(trimmed.replace(/^nostr:/, ''))
    return type === 'npub' ? data : undefined
  } catch {
    return undefined
  }
}
