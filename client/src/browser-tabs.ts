import { webTabs } from './adapters/browser/web-tabs.js'
import { createClientOf } from './client.js'
import { openDevice } from './device.js'
import type { SyncStore } from './ports/store.js'
import { laterRareCode } from './rare-code-later.js'
import { createSharedClient, withRole } from './shared-client.js'
import type { SharedClient, SharedClientOptions } from './shared-client-api.js'

/** What to open in every tab. */
export interface OpenSharedOptions extends Omit<SharedClientOptions, 'tabs' | 'openStore'> {
  /** Name of the database, one for each account, see `accountDatabaseName`: tabs that give the same share it. */
  readonly name: string
  /** Opens the database, in the tab that leads. Closing the store must let another tab open it. */
  openStore(): Promise<SyncStore>
}

/**
 * Opens a device that all tabs of a browser share, see {@link SharedClient}. Where the browser has no Web Locks or no
 * BroadcastChannel, as on a page without TLS, it is open in one tab at a time: the second is told `DATABASE_LOCKED`, if the
 * browser can tell. Rejects as `createSharedClient` does.
 */
export async function openInTabs({ name, ...options }: OpenSharedOptions): Promise<SharedClient> {
  const tabs = webTabs(name)
  if (tabs !== undefined) return createSharedClient({ ...options, tabs })
  const store = await options.openStore()
  try {
    const device = await openDevice({ ...options, store }, laterRareCode)
    return withRole(createClientOf(device, laterRareCode.createImporter), () => 'leader', new Set())
  } catch (error) {
    await store.close()
    throw error
  }
}
