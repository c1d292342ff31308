import { bytesToHex, isHex64, type Random, type Signer, SyncError } from '@onyx-sync/shared'
import { META_CURSOR } from './core/inbox.js'
import { META_PLAIN } from './core/plain-note.js'
import { META_ROWS_VERSION, ROWS_VERSION } from './core/rows-version.js'
import { META_SERVER_KEY } from './core/server-trust.js'
import type { SyncStore } from './ports/store.js'

const META_PUBKEY = 'pubkey'
const META_DEVICE = 'deviceId'
const META_INSTALL = 'installId'

/** What a database says of the device it belongs to. */
export interface OpenedAccount {
  readonly pubkey: string
  readonly deviceId: string
  readonly cursor: string
  readonly serverKey: string | undefined
  readonly plainNote: string | undefined
  readonly meta: Readonly<Record<string, string>>
}

/**
 * Reads whose database it is, and makes it this account's where it is new. Rejects with `IDENTITY_MISMATCH` if it belongs
 * to another account (trap C14), with `KEY_INVALID` or `STORE_FAILED`.
 */
export async function openAccount(
  store: SyncStore,
  signer: Signer,
  random: Random,
  installId: string | undefined,
): Promise<OpenedAccount> {
  const pubkey = await signer.getPublicKey()
  if (!isHex64(pubkey))
    throw new SyncError('KEY_INVALID', 'the signer gave no public key of 64 lower-case hex characters')
  const meta = await store.loadMeta()
  const owner = meta[META_PUBKEY]
  if (owner !== undefined && owner !== pubkey) {
    throw new SyncError(
      'IDENTITY_MISMATCH',
      `this database belongs to ${owner}, the signer to ${pubkey}: use a database of its own for each account`,
    )
  }
  let deviceId = meta[META_DEVICE]
  if (owner === undefined || deviceId === undefined) {
    deviceId = bytesToHex(random.bytes(8))
    await store.commit({
      meta: { [META_PUBKEY]: pubkey, [META_DEVICE]: deviceId, [META_ROWS_VERSION]: ROWS_VERSION },
    })
    return openAccount(store, signer, random, installId)
  }
  if (installId !== undefined && meta[META_INSTALL] !== installId) {
    // A copy of a database that another install has used: the two must not pass for one device (trap Y5). Under which
    // client ids it writes is new with each loading anyway.
    if (meta[META_INSTALL] !== undefined) deviceId = bytesToHex(random.bytes(8))
    await store.commit({ meta: { [META_INSTALL]: installId, [META_DEVICE]: deviceId } })
  }
  return {
    pubkey,
    deviceId,
    cursor: meta[META_CURSOR] ?? '',
    serverKey: meta[META_SERVER_KEY],
    plainNote: meta[META_PLAIN],
    meta,
  }
}
