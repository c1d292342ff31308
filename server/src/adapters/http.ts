import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Metric } from '../ports/metrics.js'
import { isManagementRequest } from './management-http.js'
import { formatMetrics } from './metrics-text.js'

/** The one path on which WebSockets are accepted and the NIP-11 document is served. */
export const SYNC_PATH = '/sync'

/** What the HTTP side tells about the server. */
export interface HttpHandlerOptions {
  /** The NIP-11 document. */
  info(): Record<string, unknown>
  metrics(): Promise<readonly Metric[]>
  /** Whether events can be taken now. */
  isReady(): boolean
  /** Answers calls of the management API; undefined where there are no operators. */
  manage?: ((request: IncomingMessage, response: ServerResponse) => Promise<void>) | undefined
  /** Shown on the plain page. */
  publicUrl(): string
  /** Answers with a file of the web client; false where it has none of that path. Undefined without one. */
  web?: ((path: string, request: IncomingMessage, response: ServerResponse) => boolean) | undefined
}

type Handler = (request: IncomingMessage, response: ServerResponse) => void

const CORS_HEADERS = {
  'Access-Control-Allow-Origin': '*',
  'Access-Control-Allow-Headers': '*',
  'Access-Control-Allow-Methods': 'GET, HEAD, POST, OPTIONS',
}
const NIP_11_TYPE = 'application/nostr+json'

/** The path of a request, without query. A trailing slash makes no other path: NDK puts one behind every URL. */
export function requestPath(request: IncomingMessage): string {
  const url = request.url ?? '/'
  const end = url.search(/[?#]/)
  const path = end < 0 ? url : url.slice(0, end)
  return path.length > 1 && path.endsWith('/') ? path.slice(0, -1) : path
}

/** Answers plain HTTP on every path of a port of our own. Source: NIP-11, SPEC INFO1–INFO4, WEB3. */
export function createHttpHandler(options: HttpHandlerOptions): Handler {
  const handlers: Record<string, Handler> = {
    [SYNC_PATH]: (request, response) => serveSync(request, response, options),
    '/': (request, response) => serveFront(request, response, options),
    '/healthz': (_, response) => sendText(response, 200, 'ok\n'),
    '/readyz': (_, response) =>
      options.isReady() ? sendText(response, 200, 'ready\n') : sendText(response, 503, 'not ready\n'),
    '/metrics': (_, response) => serveMetrics(response, options),
  }
  return (request, response) => {
    const path = requestPath(request)
    const handler = Object.hasOwn(handlers, path) ? handlers[path] : undefined
    const isRead = request.method === 'GET' || request.method === 'HEAD'
    if (handler === undefined) {
      if (isRead && options.web?.(path, request, response) === true) return
      sendText(response, 404, `nothing here; the sync endpoint is ${SYNC_PATH}\n`)
    } else if (request.method === 'OPTIONS') {
      response.writeHead(204, CORS_HEADERS).end()
    } else if (path === SYNC_PATH && options.manage !== undefined && isManagementRequest(request)) {
      void options.manage(request, response)
    } else if (!isRead) {
      response.setHeader('Allow', 'GET, HEAD, OPTIONS')
      sendText(response, 405, 'only GET, HEAD and OPTIONS are answered here\n')
    } else {
      handler(request, response)
    }
  }
}

function serveMetrics(response: ServerResponse, options: HttpHandlerOptions): void {
  options.metrics().then(
    (metrics) => sendText(response, 200, formatMetrics(metrics), 'text/plain; version=0.0.4'),
    () => sendText(response, 500, 'the metrics could not be read\n'),
  )
}

/** The web client, else a plain page; and the description of the server, for those who look for it here. */
function serveFront(request: IncomingMessage, response: ServerResponse, options: HttpHandlerOptions): void {
  if (serveInfo(request, response, options) || options.web?.('/', request, response) === true) return
  sendText(response, 200, plainPage(options.publicUrl()), 'text/html')
}

/** @returns whether the request asked for the NIP-11 document */
function serveInfo(request: IncomingMessage, response: ServerResponse, options: HttpHandlerOptions): boolean {
  // One URL, two answers: a cache must not give one for the other.
  response.setHeader('Vary', 'Accept')
  if (request.headers.accept?.includes(NIP_11_TYPE) !== true) return false
  sendText(response, 200, JSON.stringify(options.info()), NIP_11_TYPE)
  return true
}

function serveSync(request: IncomingMessage, response: ServerResponse, options: HttpHandlerOptions): void {
  if (serveInfo(request, response, options)) return
  response.setHeader('Upgrade', 'websocket')
  sendText(
    response,
    426,
    `this is a WebSocket endpoint (Nostr with sync); ask with "Accept: ${NIP_11_TYPE}" for its description\n`,
  )
}

function sendText(response: ServerResponse, status: number, text: string, type = 'text/plain'): void {
  const charset = type === NIP_11_TYPE ? '' : '; charset=utf-8'
  response.writeHead(status, {
    ...CORS_HEADERS,
    'Content-Type': `${type}${charset}`,
    'Content-Length': Buffer.byteLength(text),
    'X-Content-Type-Options': 'nosniff',
  })
  // Node leaves the body out by itself where the request was a HEAD.
  response.end(text)
}

function plainPage(publicUrl: string): string {
  const escaped = publicUrl.replace(/[&<>"]/g, (character) => `&#${character.charCodeAt(0)};`)
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>onyx-sync</title>
<style>body { font: 1rem/1.5 system-ui, sans-serif; max-width: 40rem; margin: 3rem auto; padding: 0 1rem; color-scheme: light dark }</style>
<h1>onyx-sync</h1>
<p>This server keeps the chats and settings of offline-first apps: Yjs documents that travel as signed Nostr events.</p>
<p>Devices connect to <code>${escaped}</code>. See also <a href="/healthz">health</a>, <a href="/readyz">readiness</a> and <a href="/metrics">metrics</a>.</p>
</html>
`
}
