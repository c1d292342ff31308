import { SyncError, type Transport } from '@onyx-sync/client'
import { showTheme } from '../settings/theme.js'
import { keptValues } from './kept-values.js'
import { type Account, createKeychain, type Keychain } from './keychain.js'
import { type Device, leaveDevice, openDevice, removeLeft } from './open-device.js'
import type { Slot } from './slot.js'

/** What the page shows: nobody yet, a device that opens, one that is open, or why none is. */
export type SessionState =
  | { readonly phase: 'welcome' }
  | { readonly phase: 'opening'; readonly problem?: SyncError | undefined }
  | { readonly phase: 'open'; readonly device: Device }
  | { readonly phase: 'failed'; readonly error: SyncError }

/** Opens one device for the page, whatever React renders twice. */
export interface Session {
  readonly keychain: Keychain
  getSnapshot(): SessionState
  subscribe(listener: () => void): () => void
  /** Opens the account that is here, if there is one. */
  begin(): void
  /** Chooses an account for this device, and opens it. Rejects as choosing does. */
  choose(choosing: Promise<Account>): Promise<void>
  /** Leaves the account, as `leaveDevice` does. */
  leave(discard: boolean): Promise<void>
}

/** `transport`: the platform's where none is given. */
export function createSession(slot: Slot, transport?: Transport): Session {
  const keychain = createKeychain(slot)
  const listeners = new Set<() => void>()
  let state: SessionState = { phase: 'opening' }

  function show(next: SessionState): void {
    state = next
    for (const listener of [...listeners]) listener()
  }

  async function open(account: Account): Promise<void> {
    show({ phase: 'opening' })
    try {
      const onWaiting = (problem: SyncError | undefined) => show({ phase: 'opening', problem })
      show({ phase: 'open', device: await openDevice(account, keychain, slot, { transport, onWaiting }) })
    } catch (error) {
      fail(error)
    }
  }

  async function beginWithAccount(): Promise<void> {
    await keptValues.mend()
    showTheme()
    const account = keychain.account()
    if (account !== undefined) return open(account)
    show({ phase: 'welcome' })
    // What can't be taken away now is the next time.
    await removeLeft(slot).catch(() => {})
  }

  // Another tab has left the account, or begun with one: what this page shows is no more.
  addEventListener('storage', ({ key }) => key === keychain.accountName && location.reload())

  function fail(error: unknown): void {
    const known = error instanceof SyncError
    show({ phase: 'failed', error: known ? error : new SyncError('INTERNAL', String(error)) })
  }

  return {
    keychain,
    getSnapshot: () => state,
    subscribe(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    begin() {
      void beginWithAccount().catch(fail)
    },
    async choose(choosing) {
      await open(await choosing)
    },
    async leave(discard) {
      if (state.phase !== 'open') return
      await leaveDevice(state.device, keychain, discard)
      // Everything that was loaded for the account goes with the page.
      location.hash = ''
      location.reload()
    },
  }
}
