import { SyncError, toSyncError } from '@onyx-sync/shared'
import type { Transport } from '../ports/transport.js'

/** The part of the browsers' `WebSocket` that is used; `ws` and React Native have it too. */
export interface WebSocketLike {
  onopen: ((event: never) => void) | null
  onmessage: ((event: { data: unknown }) => void) | null
  onclose: ((event: { code: number; reason: string }) => void) | null
  onerror: ((event: { message?: unknown }) => void) | null
  send(text: string): void
  close(code?: number, reason?: string): void
}

/** A constructor of the browsers' kind. */
export type WebSocketConstructor = new (url: string) => WebSocketLike

/** How long the NIP-11 document may take. Milliseconds. */
const INFO_TIMEOUT_MS = 15_000
/**
 * What a relay without a NIP-11 document answers. Other failures, 401, 429 or 503 for instance, can be anybody's on
 * the way, and say nothing of the relay.
 */
const NO_INFO_STATUSES: ReadonlySet<number> = new Set([400, 404, 405, 406, 410, 426, 501])

/**
 * A transport over the platform's WebSocket and fetch. Throws `VALUE_INVALID` where there is no WebSocket
 * (Node 20): use the transport of `@onyx-sync/client/node` there.
 */
export function createWebSocketTransport(
  WebSocketClass = (globalThis as { WebSocket?: WebSocketConstructor }).WebSocket,
): Transport {
  if (WebSocketClass === undefined) {
    throw new SyncError(
      'VALUE_INVALID',
      'no WebSocket on this platform: pass createNodeTransport() of @onyx-sync/client/node',
    )
  }
  return {
    dial(url, handlers) {
      const socket = new WebSocketClass(url)
      let isClosed = false
      let failure = ''
      socket.onopen = () => handlers.onOpen()
      socket.onmessage = ({ data }) => {
        if (typeof data === 'string') handlers.onMessage(data)
      }
      // The close event that follows doesn't say why; `ws` and React Native do here, browsers never.
      socket.onerror = ({ message }) => {
        if (typeof message === 'string') failure = message
      }
      socket.onclose = ({ code, reason }) => {
        if (isClosed) return
        isClosed = true
        handlers.onClose(code, reason === '' ? failure : reason)
      }
      return {
        send(text) {
          try {
            socket.send(text)
          } catch {
            // Not open any more: its close event is on the way, and with it a new attempt.
          }
        },
        close(code, reason) {
          isClosed = true
          socket.close(code, reason)
        },
      }
    },

    async fetchInfo(url, signal) {
      const abort = new AbortController()
      const timer = setTimeout(() => abort.abort(), INFO_TIMEOUT_MS)
      // Not `AbortSignal.any`: React Native lacks it.
      const letGo = () => abort.abort()
      signal?.addEventListener('abort', letGo)
      if (signal?.aborted === true) letGo()
      try {
        const response = await fetch(url.replace(/^ws/, 'http'), {
          headers: { Accept: 'application/nostr+json' },
          signal: abort.signal,
        })
        if (NO_INFO_STATUSES.has(response.status)) return undefined
        if (!response.ok) throw new Error(`HTTP ${response.status}`)
        return parseInfo(await response.text())
      } catch (error) {
        throw toSyncError(causeOf(error), 'CONNECTION_FAILED', `${url} did not say what it is`)
      } finally {
        clearTimeout(timer)
        signal?.removeEventListener('abort', letGo)
      }
    },
  }
}

/** The JSON object in an answer; undefined for anything else, such as a page for people. */
function parseInfo(text: string): unknown {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? value : undefined
  } catch {
    return undefined
  }
}

/** Node's fetch hides the reason ("connect ECONNREFUSED …") behind "fetch failed". */
function causeOf(error: unknown): unknown {
  const cause = (error as { cause?: unknown } | undefined)?.cause
  return cause instanceof Error && cause.message !== '' ? cause : error
}
