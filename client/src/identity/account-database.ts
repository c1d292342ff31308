import { isHex64, SyncError } from '@onyx-sync/shared'

/**
 * A name for the database of an account, so that several accounts on one device never meet: `onyx-sync-` and the first 16
 * characters of the public key. Throws `KEY_INVALID` for what is no public key.
 */
export function accountDatabaseName(pubkey: string): string {
  if (!isHex64(pubkey)) throw new SyncError('KEY_INVALID', 'a public key is 64 lower-case hex characters')
  return `onyx-sync-${pubkey.slice(0, 16)}`
}
