import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { NostrRelay } from '@nostr-relay/core'
import { EventRepositorySqlite } from '@nostr-relay/event-repository-sqlite'
import { Validator } from '@nostr-relay/validator'
import type { NostrEvent } from '@onyx-sync/shared'
import { type WebSocket, WebSocketServer } from 'ws'
import { openSqlite } from '../../client/src/adapters/node/better-sqlite.js'

/**
 * A relay that somebody else has made, from npm: of each address it keeps the newest event. It uses
 * `@noble/hashes` 1 without saying so, and finds it only while npm puts that beside it, which it does because
 * `@noble/curves` 2 is a dependency of the root.
 */
export interface RealRelay {
  readonly url: string
  readonly port: number
  /** Every event that was sent to it, refused or not. */
  readonly published: readonly NostrEvent[]
  /** Cuts all connections and closes the database. The file stays. */
  stop(): Promise<void>
}

export interface RealRelayOptions {
  /** Its SQLite database. */
  readonly file: string
  /** @default 0, a free one */
  readonly port?: number
  /** Logs clients in (NIP-42) under this host name. */
  readonly hostname?: string
  /** Events that one query brings. */
  readonly limit?: number
  /** The NIP-11 document; undefined: it has none. */
  readonly info?: unknown
}

export async function startRealRelay(options: RealRelayOptions): Promise<RealRelay> {
  // Opened by us: what the relay opens itself aborts Node 24 when it is collected.
  const database = openSqlite(options.file)
  database.pragma('journal_mode = WAL')
  const repository = new EventRepositorySqlite(database, { defaultLimit: options.limit ?? 100 })
  await repository.init()
  const relay = new NostrRelay(repository, {
    ...(options.hostname === undefined ? {} : { hostname: options.hostname }),
    logger: { setLogLevel() {}, debug() {}, info() {}, warn() {}, error() {}, log() {} } as never,
  })
  const validator = new Validator()
  const published: NostrEvent[] = []
  const http = createServer((_request, response) => {
    if (options.info === undefined) response.writeHead(426).end()
    else response.setHeader('content-type', 'application/nostr+json').end(JSON.stringify(options.info))
  })
  const sockets = new WebSocketServer({ server: http })
  const underWay = new Set<Promise<void>>()

  async function receive(socket: WebSocket, text: string): Promise<void> {
    try {
      const message = await validator.validateIncomingMessage(text)
      if (message[0] === 'EVENT') published.push(message[1] as NostrEvent)
      await relay.handleMessage(socket, message)
    } catch (error) {
      socket.send(JSON.stringify(['NOTICE', String(error)]))
    }
  }

  sockets.on('connection', (socket) => {
    relay.handleConnection(socket)
    socket.on('message', (data) => {
      const work = receive(socket, data.toString())
      underWay.add(work)
      void work.finally(() => underWay.delete(work))
    })
    socket.on('close', () => relay.handleDisconnect(socket))
  })
  await new Promise<void>((resolve) => http.listen(options.port ?? 0, '127.0.0.1', resolve))
  const { port } = http.address() as AddressInfo

  return {
    url: `ws://127.0.0.1:${port}/`,
    port,
    published,
    async stop() {
      for (const socket of sockets.clients) socket.terminate()
      http.closeAllConnections()
      await new Promise((resolve) => http.close(resolve))
      await Promise.all(underWay)
      await relay.destroy()
      await repository.destroy()
    },
  }
}
