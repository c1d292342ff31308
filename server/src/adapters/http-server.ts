import { readFileSync } from 'node:fs'
import { createServer as createHttpServer, type Server as HttpServer, type ServerOptions } from 'node:http'
import { createServer as createHttpsServer, Server as HttpsServer } from 'node:https'
import { createSecureContext } from 'node:tls'
import { type Logger, SyncError } from '@onyx-sync/shared'

/** Paths of PEM files. */
export interface TlsFiles {
  /** The certificate, with the chain behind it. */
  readonly cert: string
  readonly key: string
}

/** What a stranger may cost before it has said what it wants. Source: SPEC NET1. */
function guards(handshakeMs: number): ServerOptions {
  return {
    /** Bytes of a request's head; one of ours takes some hundred. */
    maxHeaderSize: 16 * 1024,
    headersTimeout: handshakeMs,
    /** None has a body that is read. */
    requestTimeout: handshakeMs,
    /** How long a connection may stay without a request after one. Milliseconds. */
    keepAliveTimeout: 5_000,
    connectionsCheckingInterval: Math.min(2_000, handshakeMs),
  }
}

/**
 * An HTTP server of our own, with TLS if files are given. Throws `CONFIG_INVALID` where they can't be used.
 * `handshakeSeconds` is how long a request may take to arrive, and a TLS handshake before it.
 */
export function createOwnServer(tls: TlsFiles | undefined, handshakeSeconds: number): HttpServer {
  const handshakeMs = Math.ceil(handshakeSeconds * 1000)
  if (tls === undefined) return createHttpServer(guards(handshakeMs))
  return createHttpsServer({ ...guards(handshakeMs), ...readTls(tls), handshakeTimeout: handshakeMs })
}

/** Reads the files again; connections from now on get them. Throws as {@link createOwnServer}. */
export function reloadTls(server: HttpServer, tls: TlsFiles): void {
  if (server instanceof HttpsServer) server.setSecureContext(readTls(tls))
}

function readTls({ cert, key }: TlsFiles): { cert: Buffer; key: Buffer } {
  const files = { cert: read('tls.cert', cert), key: read('tls.key', key) }
  try {
    createSecureContext(files)
  } catch (cause) {
    throw new SyncError(
      'CONFIG_INVALID',
      `${cert} and ${key} are no certificate and its key in PEM form: ${(cause as Error).message}`,
      { cause },
    )
  }
  return files
}

function read(option: string, path: string): Buffer {
  try {
    return readFileSync(path)
  } catch (cause) {
    throw new SyncError('CONFIG_INVALID', `${option} can't be read: ${(cause as Error).message}`, { cause })
  }
}

/** Listens. Throws `CONFIG_INVALID` where that can't be done. What fails later is logged, and the server goes on. */
export function listenOn(server: HttpServer, host: string, port: number, logger: Logger): Promise<void> {
  return new Promise((resolve, reject) => {
    const fail = (cause: NodeJS.ErrnoException): void => {
      const reason =
        cause.code === 'EADDRINUSE'
          ? 'is in use by another program: stop it, or choose another port'
          : `can't be used: ${cause.message}`
      reject(new SyncError('CONFIG_INVALID', `port ${port} on ${host} ${reason}`, { cause }))
    }
    server.once('error', fail)
    server.listen(port, host, () => {
      server.off('error', fail)
      // Such as too many open files when a connection is taken: that connection is lost, the server goes on.
      server.on('error', (error) => logger.error('the HTTP server reports', { error: String(error) }))
      resolve()
    })
  })
}

/** Takes no more connections, and resolves when those that are there have ended. */
export function closeHttpServer(server: HttpServer): Promise<void> {
  // "Not running" is what was wanted.
  return new Promise((resolve) => server.close(() => resolve()))
}
