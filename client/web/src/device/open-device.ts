import { accountDatabaseName, type SyncError, type Transport, wakeOnPlatformEvents } from '@onyx-sync/client'
import { deleteBrowserDatabase, openSharedClient, type SharedClient } from '@onyx-sync/client/browser'
import { createApiKeys } from '../answers/model-choice.js'
import type { Change } from './durable-values.js'
import { fastVerifier } from './fast-verifier.js'
import { createKeeping, type Keeping } from './keeping.js'
import { keptValues } from './kept-values.js'
import type { Account, Keychain } from './keychain.js'
import { createMarks, type Marks, removeMarks } from './marks.js'
import { createNetworkSwitch, forgetNetworkSwitch, type NetworkSwitch } from './network-switch.js'
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
  const name = databaseName(account, slot)
  // Who comes back keeps what is there from now on.
  if (keptValues.get(leftName(slot)) === name) await keptValues.set([leftName(slot), undefined])
  const client = await openSharedClient({
    name,
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

/** Under which name it is kept that a database is to be taken away. */
function leftName({ suffix }: Slot): string {
  return `onyx-sync.left${suffix}`
}

/**
 * Leaves an account: closes its database in all tabs, forgets its key, and deletes what is here. Rejects with
 * `UNSAVED_EDITS`, and changes nothing, while something is on this device only, unless `discard` says that it may be lost.
 */
export async function leaveDevice(device: Device, keychain: Keychain, discard: boolean): Promise<void> {
  await device.client.logOut({ discard })
  device.keeping.forget()
  device.marks.forget()
  await forgetAccount(device.slot, keychain)
}

/**
 * Forgets the account of a device, if there is one, and all that is here of it; the device must be open nowhere. Rejects as
 * `deleteBrowserDatabase` does; its database is taken away by {@link removeLeft} then.
 */
export async function forgetAccount(slot: Slot, keychain: Keychain): Promise<void> {
  const account = keychain.account()
  await forgetNetworkSwitch(slot)
  await createApiKeys(slot).forget()
  const left: Change[] = account === undefined ? [] : [[leftName(slot), databaseName(account, slot)]]
  await keychain.forget(...left)
  await removeLeft(slot)
}

/**
 * Takes away what is still here of an account that was left: local storage has it again, or its database is still there, when
 * a browser is killed meanwhile. Rejects as `deleteBrowserDatabase` does; then it is to be called again.
 */
export async function removeLeft(slot: Slot): Promise<void> {
  removeMarks(slot)
  const name = keptValues.get(leftName(slot))
  if (name === undefined) return
  await deleteBrowserDatabase(name)
  await keptValues.set([leftName(slot), undefined])
}
