import type { SyncError } from '@onyx-sync/shared'
import type { SyncClient, SyncClientOptions } from './client-api.js'
import type { SyncStore } from './ports/store.js'
import type { TabPorts } from './ports/tabs.js'

/** Whether this tab has the database and the connection, or works through the one that has. */
export type TabRole = 'leader' | 'follower'

/** What all tabs of an account open together. Which of them leads may change: each has to give everything. */
export interface SharedClientOptions extends Omit<SyncClientOptions, 'store' | 'checking'> {
  /** What the tabs find each other by. */
  readonly tabs: TabPorts
  /** Opens the database; called in the tab that leads, which closes it. */
  openStore(): Promise<SyncStore>
  /**
   * Hears while this tab can't be opened because another one has the database and doesn't answer (`TAB_SILENT`), and with
   * undefined when it does again. Opening goes on by itself once that tab answers or is gone.
   */
  onWaiting?(problem: SyncError | undefined): void
}

/**
 * A device that all tabs share. Everything of {@link SyncClient} does in each tab what it does in one: edits are durable,
 * or saved, when a call says so, whichever tab has the database. What one tab changes others see once it is durable.
 * Undo is of this tab. `connect()` and `disconnect()` are for the device, and so is `logOut()`, which closes all tabs.
 */
export interface SharedClient extends SyncClient {
  readonly role: TabRole
  /** Calls back when {@link SharedClient.role} has changed. @returns a function that ends it */
  onRole(listener: (role: TabRole) => void): () => void
  /** What this tab has becomes durable, then it goes; where it leads, another tab takes over. Others stay open. */
  close(): Promise<void>
}
