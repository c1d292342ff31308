import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import { constants } from 'node:zlib'
import type { Clock, Limits, Logger, SyncError, TimerHandle } from '@onyx-sync/shared'
import { type PerMessageDeflateOptions, type RawData, type WebSocket, WebSocketServer } from 'ws'
import type { Peer } from '../ports/peer.js'
import { createTurns, type Lane } from './turns.js'

/** What a connection is handed to: the part of a session that a socket needs. */
export interface SocketHandler {
  /** Whom what it does counts for; undefined before a login. */
  account(): string | undefined
  /** @param bytes size of the message */
  receive(text: string, bytes: number): void
  notice(text: string): void
  end(): void
}

/** Turns HTTP upgrades into connections. Knows nothing of what is said on them. */
export interface WebSocketListener {
  /** Answers an upgrade that is for this server. @param address where it comes from, as limits count it */
  handleUpgrade(request: IncomingMessage, socket: Duplex, head: Buffer, address: string): void
  /** Cuts the connections whose addresses are blocked now. */
  enforce(): void
  /** Closes all connections with a code that means "come back later", and waits until they are gone. */
  close(): Promise<void>
}

export interface WebSocketListenerOptions {
  readonly limits: Limits
  readonly clock: Clock
  readonly logger: Logger
  /** @default 'large' */
  readonly compression?: Compression | undefined
  /** Called when a peer is cut off because it reads too slowly. */
  onSlowReader?(): void
  /** Whether an address may make one more connection; if not, why. */
  admit(address: string): SyncError | undefined
  /** Whether connections from an address are refused. @default none is */
  isBlocked?(ip: string): boolean
  /** Called for every new connection. */
  accept(peer: Peer): SocketHandler
}

/** Which messages a server compresses (RFC 7692) for clients that offer it. */
export type Compression = 'large' | 'off'

/**
 * What is large on this wire is base64 of bytes that are deflated already. Huffman codes alone take back what
 * base64 adds, at a fraction of the cost, and need no window. Small messages go as they are: they would take
 * 155–200 µs each. Nothing is kept between messages, so an idle connection costs nothing more.
 */
const LARGE_MESSAGES: PerMessageDeflateOptions = {
  threshold: 16 * 1024,
  serverNoContextTakeover: true,
  clientNoContextTakeover: true,
  serverMaxWindowBits: 9,
  zlibDeflateOptions: { strategy: constants.Z_HUFFMAN_ONLY, level: 1, memLevel: 6 },
}

/** RFC 6455 and its registry: the server restarts; the other end should try again later. */
const CLOSE_SERVICE_RESTART = 1012
const CLOSE_TRY_AGAIN_LATER = 1013
const CLOSE_INTERNAL_ERROR = 1011
/** Below this a socket counts as drained. */
const LOW_WATER_BYTES = 64 * 1024
/** How often a silent peer is pinged; one that missed the whole interval is gone. Milliseconds. */
const PING_INTERVAL_MS = 30_000
/** How long a peer may take to read and answer a close before its socket is cut. Milliseconds. */
const CLOSE_GRACE_MS = 2_000

/** All messages are, also those that come as bytes. */
const TEXT = { binary: false }
/** What a refused client is told to wait. Seconds. */
const RETRY_AFTER_SECONDS = 10

interface Connection {
  readonly socket: WebSocket
  readonly ip: string
  isAlive: boolean
}

export function createWebSocketListener(options: WebSocketListenerOptions): WebSocketListener {
  const { limits, clock, logger } = options
  const server = new WebSocketServer({
    noServer: true,
    maxPayload: limits.maxMessageBytes,
    perMessageDeflate: options.compression === 'off' ? false : LARGE_MESSAGES,
    clientTracking: false,
  })
  const turns = createTurns({ now: () => performance.now(), defer: setImmediate })
  const turn = createTurnCounter()
  const connections = new Set<Connection>()
  let opened = 0
  let isClosing = false
  let pingTimer: TimerHandle = clock.setTimeout(pingAll, PING_INTERVAL_MS)

  function pingAll(): void {
    for (const connection of connections) {
      // One that isn't read can't answer.
      if (!connection.isAlive && !connection.socket.isPaused) {
        connection.socket.terminate()
        continue
      }
      connection.isAlive = false
      connection.socket.ping()
    }
    pingTimer = clock.setTimeout(pingAll, PING_INTERVAL_MS)
  }

  function connect(socket: WebSocket, stream: Duplex, address: string): void {
    const connection: Connection = { socket, ip: address, isAlive: true }
    connections.add(connection)
    // Before the session says anything: an error event without a listener would end the process.
    socket.on('error', (error) => logger.debug('a connection failed', { error: String(error) }))
    const stranger = `connection ${++opened}`
    const lane = turns.open({
      handle(data) {
        try {
          handler.receive(data.toString(), data.byteLength)
        } catch (error) {
          logger.error('a connection is closed because its handler failed', { error: String(error) })
          socket.close(CLOSE_INTERNAL_ERROR, 'internal error')
        }
      },
      account: () => handler.account() ?? stranger,
      setReading: (isReading) => (isReading ? socket.resume() : socket.pause()),
    })
    const handler: SocketHandler = options.accept(
      createPeer({
        ...{ socket, stream, address, lane, limits, clock, turn },
        onSlowReader: () => options.onSlowReader?.(),
      }),
    )
    socket.on('message', (data: RawData, isBinary: boolean) => {
      connection.isAlive = true
      if (isBinary) handler.notice('invalid: messages are text, not binary')
      else lane.push(data as Buffer)
    })
    socket.on('pong', () => {
      connection.isAlive = true
    })
    socket.on('close', () => {
      connections.delete(connection)
      lane.end(() => handler.end())
    })
  }

  return {
    handleUpgrade(request, socket, head, address) {
      if (isClosing) {
        refuseUpgrade(socket, '503 Service Unavailable', 'the server is going down')
        return
      }
      if (options.isBlocked?.(address) === true) {
        refuseUpgrade(socket, '403 Forbidden', 'this address is blocked')
        return
      }
      const refusal = options.admit(address)
      if (refusal !== undefined) {
        logger.debug('a connection is refused', { address, reason: refusal.message })
        refuseUpgrade(socket, '429 Too Many Requests', refusal.reason, RETRY_AFTER_SECONDS)
        return
      }
      server.handleUpgrade(request, socket, head, (accepted) => connect(accepted, socket, address))
    },

    enforce() {
      for (const { socket, ip } of connections) if (options.isBlocked?.(ip) === true) socket.terminate()
    },

    async close() {
      isClosing = true
      clock.clearTimeout(pingTimer)
      const sockets = [...connections].map(({ socket }) => socket)
      const gone = sockets.map(
        (socket) => new Promise<void>((resolve) => socket.once('close', () => resolve())),
      )
      for (const socket of sockets) socket.close(CLOSE_SERVICE_RESTART, 'the server restarts')
      // Real time, not the injected clock: a process that ends must not wait for a virtual one.
      const grace = setTimeout(() => {
        for (const socket of sockets) socket.terminate()
      }, CLOSE_GRACE_MS)
      await Promise.all(gone)
      clearTimeout(grace)
    },
  }
}

/**
 * Answers an upgrade that is not taken, with a plain HTTP response. `status` such as `404 Not Found`;
 * `retryAfterSeconds` where it may be taken later.
 */
export function refuseUpgrade(
  socket: Duplex,
  status: string,
  text: string,
  retryAfterSeconds?: number,
): void {
  socket.on('error', () => {})
  const retryAfter = retryAfterSeconds === undefined ? '' : `Retry-After: ${retryAfterSeconds}\r\n`
  socket.end(
    `HTTP/1.1 ${status}\r\nConnection: close\r\n${retryAfter}Content-Type: text/plain; charset=utf-8\r\n` +
      `Content-Length: ${Buffer.byteLength(text)}\r\n\r\n${text}`,
  )
}

interface PeerOptions {
  readonly socket: WebSocket
  /** What the WebSocket writes to. */
  readonly stream: Duplex
  readonly address: string
  readonly lane: Lane
  readonly limits: Limits
  readonly clock: Clock
  /** Counts how often the event loop has gone round. */
  readonly turn: () => number
  onSlowReader(): void
}

/** Counts how often the event loop went round while somebody asked. */
function createTurnCounter(): () => number {
  let turn = 0
  let isCounting = false
  return () => {
    if (!isCounting) {
      isCounting = true
      setImmediate(() => {
        isCounting = false
        turn++
      })
    }
    return turn
  }
}

function createPeer({ socket, stream, address, lane, limits, clock, turn, onSlowReader }: PeerOptions): Peer {
  const waiting: (() => void)[] = []
  /** What was given to the socket since the event loop last went round, characters or bytes; and the turn that was in. */
  let sent = 0
  let sentIn = -1
  let isGathering = false
  let isWaking = false

  /** What one tick says, such as the answers to all events of one commit, goes out in one write. */
  function gather(): void {
    if (isGathering) return
    isGathering = true
    stream.cork()
    process.nextTick(() => {
      isGathering = false
      stream.uncork()
    })
  }

  const isOpen = (): boolean => socket.readyState === socket.OPEN
  const sentInTurn = (): number => (sentIn === turn() ? sent : 0)

  /** One after another, as long as there is room: all of them at once would each send what was room for. */
  function wake(): void {
    if (isWaking || (isOpen() && socket.bufferedAmount > LOW_WATER_BYTES)) return
    waiting.shift()?.()
    if (waiting.length === 0) return
    isWaking = true
    setImmediate(() => {
      isWaking = false
      wake()
    })
  }

  socket.on('close', wake)
  return {
    address,
    pause: lane.pause,
    resume: lane.resume,
    send(message) {
      if (!isOpen()) return
      gather()
      sent = sentInTurn() + message.length
      sentIn = turn()
      socket.send(message, TEXT, wake)
      if (socket.bufferedAmount <= limits.maxQueuedBytes) return
      onSlowReader()
      socket.close(CLOSE_TRY_AGAIN_LATER, 'too slow; come back with your cursor')
      // The close frame waits behind all that is queued; a peer that reads nothing would never get there.
      const cut = clock.setTimeout(() => socket.terminate(), CLOSE_GRACE_MS)
      socket.once('close', () => clock.clearTimeout(cut))
    },
    queuedBytes() {
      return Math.max(socket.bufferedAmount, sentInTurn())
    },
    drained() {
      if (!isOpen() || Math.max(socket.bufferedAmount, sentInTurn()) <= LOW_WATER_BYTES)
        return Promise.resolve()
      return new Promise((resolve) => {
        waiting.push(resolve)
        // Where the network took everything at once, nothing else wakes it.
        setImmediate(wake)
      })
    },
    close(code, reason) {
      socket.close(code, reason)
    },
  }
}
