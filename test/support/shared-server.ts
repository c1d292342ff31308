import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { getPublicKey } from 'nostr-tools/pure'
import { afterAll, afterEach, beforeAll } from 'vitest'
import type { TestKey } from './events.js'
import { launchServer, type ServerProcess } from './processes.js'
import { connectClient, type RelayClient } from './relay-client.js'

/** One built server, a process of its own on a real disk and a real socket, for all tests of a file. */
export interface SharedServer {
  /** Known once the tests run. */
  readonly url: string
  /** A client, authenticated with the given keys; closed after the test. */
  connect(...keys: readonly TestKey[]): Promise<RelayClient>
}

/** Starts it before the first test of the file, and ends it after the last. */
export function sharedServer(extra: readonly string[] = []): SharedServer {
  const data = mkdtempSync(join(tmpdir(), 'onyx-sync-shared-'))
  const clients: RelayClient[] = []
  let server: ServerProcess | undefined

  beforeAll(async () => {
    server = await launchServer(data, 0, extra)
  })
  afterEach(() => {
    for (const client of clients.splice(0)) client.socket.terminate()
  })
  afterAll(async () => {
    await server?.stop('SIGTERM')
    rmSync(data, { recursive: true, force: true })
  })

  return {
    get url() {
      if (server === undefined) throw new Error('the server is there once tests run')
      return server.url
    },
    async connect(...keys) {
      const client = await connectClient(this.url, ...keys)
      clients.push(client)
      return client
    },
  }
}

/** A key that nobody has used: what tests that share a server tell each other's events by. */
export function freshKey(): TestKey {
  const secretKey = Uint8Array.from(randomBytes(32))
  return { secretKey, publicKey: getPublicKey(secretKey) }
}
