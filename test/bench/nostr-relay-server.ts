/** The relay of the `@nostr-relay` packages as a process: `node nostr-relay-server.js <file>`, on SQLite. */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { NostrRelay } from '@nostr-relay/core'
import { EventRepositorySqlite } from '@nostr-relay/event-repository-sqlite'
import { Validator } from '@nostr-relay/validator'
import Database from 'better-sqlite3'
import { type WebSocket, WebSocketServer } from 'ws'

const silent = { setLogLevel() {}, debug() {}, info() {}, warn() {}, error() {}, log() {} }

async function run(file: string): Promise<void> {
  const database = new Database(file)
  // As its packages set it up by default: in the journal, and without an fsync before each answer.
  database.pragma('journal_mode = WAL')
  const repository = new EventRepositorySqlite(database)
  await repository.init()
  const relay = new NostrRelay(repository, { hostname: '127.0.0.1', logger: silent as never })
  const validator = new Validator()

  async function receive(socket: WebSocket, text: string): Promise<void> {
    try {
      await relay.handleMessage(socket, await validator.validateIncomingMessage(text))
    } catch (error) {
      socket.send(JSON.stringify(['NOTICE', String(error)]))
    }
  }

  const server = createServer()
  new WebSocketServer({ server }).on('connection', (socket) => {
    relay.handleConnection(socket)
    socket.on('message', (data) => void receive(socket, data.toString()))
    socket.on('close', () => relay.handleDisconnect(socket))
  })
  server.listen(0, '127.0.0.1', () => {
    process.stdout.write(`listening on ws://127.0.0.1:${(server.address() as AddressInfo).port}\n`)
  })
  process.once('SIGTERM', () => process.exit(0))
}

await run(process.argv[2] as string)
