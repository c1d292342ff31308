import { readFileSync } from 'node:fs'
import { createServer as createHttpServer, type Server as HttpServer, type ServerOptions } from 'node:http'
import { createServer as createHttpsServer, Server as HttpsServer } from 'node:https'
import { createSecureContext } from 'node:tls'
import { SyncError } from '@onyx-sync/shared'

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
