import { accountDatabaseName, type SyncError, type Transport, wakeOnPlatformEvents } from '@onyx-sync/client'
import { deleteBrowserDatabase, openSharedClient, type SharedClient } from '@onyx-sync/client/browser'
import { createApiKeys } from '../answers/model-choice.js'
import { fastVerifier } from './fast-verifier.js'
import { createKeeping, type Keeping } from './keeping.js'
import type { Account, Keychain } from './keychain.js'
import { createMarks, type Marks } from './marks.js'
import { createNetworkSwitch, type NetworkSwitch } from './network-switch.js'
import type { Slot } from './slot.js'

/** A device that is open: one account in one database. */
export interface Device {
  readonly slot: Slot
  readonly account: Account
  readonly client: SharedClient
  readonly network: NetworkSwitch
  readonly marks: Marks
  readonly keeping: Keeping
  /** The server's address, which is that of the page. */
  readonly url: string
}

export interface DeviceOptions {
  /** @default the platform's */
  readonly transport?: Transport | undefined
  /** Hears while another tab has the database and doesn't answer. */
  readonly onWaiting?: ((problem: SyncError | undefined) => void) | undefined
}

/** The server that the page came from. In development Vite serves the page, and the server is where `npm start` has it. */
export function syncUrl(): string {
  if (import.meta.env.DEV) return 'ws://127.0.0.1:7447/sync'
  return `${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}/sync`
}

function databaseName({ pubkey }: Account, slot: Slot): string {
  return accountDatabaseName(pubkey) + slot.suffix
}

/**
 * Opens the device, which all tabs of the browser share, and connects unless its user has switched the network off. This is
 * the one place that knows what the database is. Rejects with `DATABASE_LOCKED` where tabs can't share it and another has
 * it, `DATABASE_UNREADABLE` where the browser gives none, `TAB_OUTDATED`, `KEY_INVALID` and `STORE_FAILED`.
 */
export async function openDevice(
  account: Account,
  keychain: Keychain,
  slot: Slot,
  { transport, onWaiting }: DeviceOptions = {},
): Promise<Device> {
  const url = syncUrl()
  const client = await openSharedClient({
    name: databaseName(account, slot),
    signer: await keychain.signer(account),
    url,
    verifier: fastVerifier,
    ...(transport && { transport }),
    ...(onWaiting && { onWaiting }),
    // A page that came without encryption has shown that its network is trusted as it is.
    allowInsecure: location.protocol !== 'https:',
  })
  const network = createNetworkSwitch(client, slot)
  wakeOnPlatformEvents(() => network.isOn && client.wake())
  const marks = createMarks(client, slot)
  return { slot, account, client, network, marks, keeping: createKeeping(client), url }
}

/**
 * Leaves an account: closes its database in all tabs, forgets its key, and deletes what is here. Rejects with
 * `UNSAVED_EDITS`, and changes nothing, while something is on this device only, unless `discard` says that it may be lost.
 */
export async function leaveDevice(device: Device, keychain: Keychain, discard: boolean): Promise<void> {
  await device.client.logOut({ discard })
  device.keeping.forget()
  device.marks.forget()
  device.network.forget()
  await createApiKeys(device.slot).forget()
  await keychain.forget()
  await deleteDatabase(device.account, device.slot)
}

/** Takes a device's database away. It must not be open. Rejects as `deleteBrowserDatabase` does. */
export function deleteDatabase(account: Account, slot: Slot): Promise<void> {
  return deleteBrowserDatabase(databaseName(account, slot))
}
