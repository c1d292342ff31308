import { join } from 'node:path'
import { createSyncClient, type SyncClient, type SyncClientOptions, type SyncStore } from '@onyx-sync/client'
import { createNodeTransport, openNodeStore } from '@onyx-sync/client/node'
import { createSyncServer, type SyncServer } from '@onyx-sync/server'
import { type EventVerifier, pureVerifier } from '@onyx-sync/shared'
import { generateSecretKey } from 'nostr-tools/pure'
import { PlainKeySigner } from 'nostr-tools/signer'

/** A server on LevelDB in this process. `url` is the meter's, which the server must know as its own. */
export async function startServer(data: string, port = 0, url?: string): Promise<SyncServer> {
  const server = createSyncServer({ data, host: '127.0.0.1', port, ...(url === undefined ? {} : { url }) })
  await server.listen()
  return server
}

/** One account of a bench. */
export function createAccount(): PlainKeySigner {
  return new PlainKeySigner(generateSecretKey())
}

/** Counts the signatures that are checked. */
export function countingVerifier(): EventVerifier & { readonly count: number } {
  let count = 0
  return {
    name: 'counting',
    verify(event) {
      count++
      pureVerifier.verify(event)
    },
    get count() {
      return count
    },
  }
}

/** A device with a SQLite file. */
export async function openDevice(
  directory: string,
  name: string,
  options: Omit<SyncClientOptions, 'store'> & { readonly wrap?: (store: SyncStore) => SyncStore },
): Promise<SyncClient> {
  const { wrap = (store) => store, ...rest } = options
  const store = wrap(await openNodeStore({ file: join(directory, `${name}.db`) }))
  return createSyncClient({ transport: createNodeTransport(), ...rest, store })
}

/** Waits until everything is sent and received. */
export async function untilSynced(client: SyncClient): Promise<void> {
  if (!(await client.synced({ timeoutMs: 600_000 })))
    throw new Error(`not synced: ${JSON.stringify(client.status)}`)
}
