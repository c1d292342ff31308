import { createSyncServer, type SyncServer, type SyncServerOptions } from '@onyx-sync/server'
import { afterThisTest } from './after-test.js'
import type { TestKey } from './events.js'
import { connectClient, type RelayClient } from './relay-client.js'
import { temporaryDirectory } from './temporary-directory.js'

/** A server in this process on 127.0.0.1, on a real LevelDB unless a log is given; closed after the test. */
export async function runServer(options: Partial<SyncServerOptions> = {}): Promise<SyncServer> {
  const storage =
    options.log === undefined && options.data === undefined ? { data: temporaryDirectory() } : {}
  const server = createSyncServer({ host: '127.0.0.1', port: 0, ...storage, ...options })
  afterThisTest(() => server.close())
  await server.listen()
  return server
}

/** A client, authenticated with the given keys; closed after the test. */
export async function connect(server: SyncServer, ...keys: readonly TestKey[]): Promise<RelayClient> {
  const client = await connectClient(server.url, ...keys)
  afterThisTest(() => client.socket.terminate())
  return client
}

/** The metrics of a server, as its operator reads them. @param url of the server, as devices dial it */
export async function metricsOf({ url }: { readonly url: string }): Promise<string> {
  return (await fetch(url.replace(/^ws/, 'http').replace('/sync', '/metrics'))).text()
}

/** The value of a metric without labels, by its name without `onyx_sync_`; NaN where there is none. */
export async function metricOf(server: { readonly url: string }, name: string): Promise<number> {
  return Number(new RegExp(`^onyx_sync_${name} (\\S+)$`, 'm').exec(await metricsOf(server))?.[1])
}
