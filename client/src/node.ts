/**
 * What a client needs on Node: a SQLite file for WatermelonDB, a transport over `ws`, and signatures by the fastest
 * implementation that is there. Kept apart from the main entry, so that no Node built-in reaches a phone or a browser.
 */
import { statSync } from 'node:fs'
import { WebSocket } from 'ws'
import { watermelonStore } from './adapters/watermelon/store.js'
import { createWebSocketTransport, type WebSocketConstructor } from './adapters/websocket-transport.js'
import { openNodeDatabase } from './node-database.js'
import type { SyncStore } from './ports/store.js'
import type { Transport } from './ports/transport.js'

export type { SchnorrChoice } from '@onyx-sync/shared/node'
export {
  createNodeSigner,
  createNodeVerifier,
  type NodeSignatureOptions,
  type NodeSigner,
} from './adapters/node/signatures.js'
export { openNodeDatabase } from './node-database.js'

/** A transport over the `ws` package, for Node versions without a WebSocket of their own. */
export function createNodeTransport(): Transport {
  return createWebSocketTransport(WebSocket as unknown as WebSocketConstructor)
}

/**
 * A store in a SQLite file: WAL, synchronous FULL, one process at a time. Closing it closes the file.
 * Rejects as {@link openNodeDatabase} does.
 */
export async function openNodeStore(options: { readonly file: string }): Promise<SyncStore> {
  const { database, close } = await openNodeDatabase(options)
  const store = watermelonStore(database)
  // A copy is another file, and so is one that was restored from a backup; one that was moved stays the same.
  const { dev, ino } = statSync(options.file)
  return {
    ...store,
    installId: `${dev}/${ino}`,
    async close() {
      await store.close()
      await close()
    },
  }
}
