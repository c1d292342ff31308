import type { SyncClient } from '@onyx-sync/client'
import { download } from '../parts/download.js'

/** Gives everything that the server refused to the browser's downloads. */
export function saveRefused(client: Pick<SyncClient, 'exportRefused'>): void {
  download('refused.json', JSON.stringify(client.exportRefused(), undefined, 2), 'application/json')
}
