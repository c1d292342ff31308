import { chmodSync, existsSync, rmSync } from 'node:fs'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { join } from 'node:path'
import { ERROR_CODES, type Logger, SyncError, type SyncErrorCode, toSyncError } from '@onyx-sync/shared'
import { linesOf } from './lines.js'

/** Lets commands on this machine ask a running server, which has the database for itself. */
export interface ControlSocket {
  /** Cuts requests under way, and removes the socket. */
  close(): Promise<void>
}

/** Answers one request with lines of JSON. */
export type ControlHandler = (request: unknown) => AsyncIterable<string>

/** A line that ends an answer: all of it was said, or why not. */
type LastLine =
  | { readonly end: true }
  | { readonly failed: { readonly code: string; readonly message: string } }

const END: LastLine = { end: true }
/** A request is one short line. */
const MAX_REQUEST_LENGTH = 16 * 1024
/** What the kernel takes as the path of a socket, on Linux and macOS. */
const MAX_PATH_BYTES = 103

/** Where the socket of a data directory is. */
export function controlPath(data: string): string {
  return join(data, 'control.sock')
}

/**
 * Listens in the data directory, for its owner only (mode 600): who may connect may read everything, as who
 * may read the directory. The database must be open, and so locked: a socket that is there was left behind.
 * Where a socket can't be made, that is logged, and the server does without.
 *
 * A request is one line of JSON; the answer is lines, of which the last is `{"end":true}` or `{"failed":…}`.
 */
export async function createControlSocket(
  data: string,
  handle: ControlHandler,
  logger: Logger,
): Promise<ControlSocket> {
  const path = controlPath(data)
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', (error) => logger.debug('a control connection failed', { error: String(error) }))
    socket.on('close', () => sockets.delete(socket))
    answer(socket, handle).catch((error: unknown) => {
      logger.debug('a control request ended early', { error: String(error) })
      socket.destroy()
    })
  })
  try {
    await listen(server, path)
  } catch (error) {
    logger.warn('commands such as backup need this server to be stopped: there is no control socket', {
      path,
      error: (error as Error).message,
    })
    return { close: async () => {} }
  }
  return {
    async close() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()))
      for (const socket of sockets) socket.destroy()
      await closed
      rmSync(path, { force: true })
    },
  }
}

async function listen(server: Server, path: string): Promise<void> {
  if (process.platform === 'win32') throw new Error('there are none on this platform')
  if (Buffer.byteLength(path) > MAX_PATH_BYTES) {
    throw new Error(`the path is longer than ${MAX_PATH_BYTES} bytes`)
  }
  rmSync(path, { force: true })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(path, () => {
      server.off('error', reject)
      server.on('error', () => {})
      resolve()
    })
  })
  // The directory is its owner's only; this holds where somebody has opened it.
  chmodSync(path, 0o600)
}

async function answer(socket: Socket, handle: ControlHandler): Promise<void> {
  let last: LastLine = END
  try {
    for await (const line of handle(JSON.parse(await readRequest(socket)))) {
      if (!socket.write(`${line}\n`)) await drained(socket)
      if (socket.destroyed) return
    }
  } catch (error) {
    const { code, message } = toSyncError(error, 'STORE_FAILED')
    last = { failed: { code, message } }
  }
  socket.end(`${JSON.stringify(last)}\n`)
}

function readRequest(socket: Socket): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = ''
    socket.setEncoding('utf8')
    socket.on('data', (chunk) => {
      text += chunk
      const end = text.indexOf('\n')
      if (end >= 0) resolve(text.slice(0, end))
      else if (text.length > MAX_REQUEST_LENGTH)
        reject(new SyncError('MESSAGE_MALFORMED', 'too long a request'))
    })
    socket.once('close', () => reject(new SyncError('MESSAGE_MALFORMED', 'no request')))
  })
}

function drained(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      socket.off('drain', done)
      socket.off('close', done)
      resolve()
    }
    socket.on('drain', done)
    socket.on('close', done)
    if (socket.destroyed || !socket.writableNeedDrain) done()
  })
}

/** Connects to the server that has a data directory; undefined where none runs. */
export async function connectControl(data: string): Promise<Socket | undefined> {
  const path = controlPath(data)
  if (process.platform === 'win32' || Buffer.byteLength(path) > MAX_PATH_BYTES || !existsSync(path)) {
    return undefined
  }
  return new Promise((resolve, reject) => {
    const socket = connect(path)
    socket.once('connect', () => resolve(socket))
    socket.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'ECONNREFUSED' || error.code === 'ENOENT') resolve(undefined)
      else if (error.code === 'EACCES') {
        reject(
          new SyncError('CONFIG_INVALID', `${path} is not yours: run this as the user that runs the server`),
        )
      } else reject(toSyncError(error, 'STORE_FAILED', `the server on ${data} can't be asked`))
    })
  })
}

/** Asks, and yields the lines of the answer. Throws what the server says, and `STORE_FAILED` when it is cut. */
export async function* askControl(socket: Socket, request: object): AsyncGenerator<string> {
  socket.write(`${JSON.stringify(request)}\n`)
  let held: string | undefined
  try {
    // Every line but the last one is part of the answer.
    for await (const line of linesOf(socket)) {
      if (held !== undefined) yield held
      held = line
    }
  } catch (error) {
    throw cut(error)
  } finally {
    socket.destroy()
  }
  endsWell(held)
}

function cut(cause?: unknown): SyncError {
  const message = 'the server stopped in the middle of its answer; run this again'
  return new SyncError('STORE_FAILED', message, { cause })
}

function endsWell(line: string | undefined): void {
  const last = parseLast(line)
  if (last !== undefined && 'end' in last) return
  if (last === undefined) throw cut()
  const { code, message } = last.failed
  throw new SyncError(Object.hasOwn(ERROR_CODES, code) ? (code as SyncErrorCode) : 'INTERNAL', message)
}

function parseLast(line: string | undefined): LastLine | undefined {
  try {
    const last = JSON.parse(line ?? '') as LastLine
    return 'end' in last || 'failed' in last ? last : undefined
  } catch {
    return undefined
  }
}
