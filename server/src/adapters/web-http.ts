import type { IncomingMessage, ServerResponse } from 'node:http'
import type { WebEncoding, WebFile, WebFiles } from './web-files.js'

/** A host as it may stand in a policy: nothing of a header that could end a directive and begin another. */
const HOST = /^([a-z\d.-]+|\[[a-f\d:.]+\])(:\d{1,5})?$/i

/** Headers that every file of the web client has, whatever it is. */
const FIXED_HEADERS = {
  'X-Content-Type-Options': 'nosniff',
  'Referrer-Policy': 'no-referrer',
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Permissions-Policy': 'camera=(), geolocation=(), microphone=()',
}

/**
 * Answers a GET or HEAD with a file of the web client. `connect` are further sources that its scripts may reach.
 * @returns whether there is one. Source: SPEC WEB1–WEB4.
 */
export function createWebHandler(files: WebFiles, connect: readonly string[]) {
  return (path: string, request: IncomingMessage, response: ServerResponse): boolean => {
    const file = files.get(path)
    if (file === undefined) return false
    const encoding = encodingFor(file, request.headers['accept-encoding'])
    const body = encoding === undefined ? file.body : (file.encoded.get(encoding) as Buffer)
    const tag = `"${file.tag}${encoding === undefined ? '' : `-${encoding}`}"`
    const headers = {
      ...FIXED_HEADERS,
      'Content-Security-Policy': contentPolicy(request.headers.host, connect),
      'Cache-Control': file.isImmutable ? 'public, max-age=31536000, immutable' : 'no-cache',
      ETag: tag,
      // `/` also answers with the NIP-11 document.
      Vary: 'Accept, Accept-Encoding',
    }
    if (isKnown(request.headers['if-none-match'], tag)) {
      response.writeHead(304, headers).end()
      return true
    }
    response.writeHead(200, {
      ...headers,
      'Content-Type': file.type,
      'Content-Length': body.byteLength,
      ...(encoding === undefined ? {} : { 'Content-Encoding': encoding }),
    })
    // Node leaves the body out by itself where the request was a HEAD.
    response.end(body)
    return true
  }
}

/**
 * What a page of the web client may load and reach: itself, and nothing else. `'wasm-unsafe-eval'` is for SQLite, whose
 * code is WebAssembly; it lets no script be made of a text. Frames of its own pages are for the view of two devices. Where
 * models are to be asked besides, an operator names their origins in `web.connect`: a page that could reach any place
 * would be one through which a fault of ours could carry a key away.
 */
function contentPolicy(host: string | undefined, connect: readonly string[]): string {
  // `'self'` covers WebSockets of the same host in most browsers, not in all.
  const sockets = host !== undefined && HOST.test(host) ? [`ws://${host}`, `wss://${host}`] : []
  return [
    "default-src 'none'",
    "script-src 'self' 'wasm-unsafe-eval'",
    "style-src 'self'",
    "img-src 'self' data: blob:",
    "manifest-src 'self'",
    "worker-src 'self'",
    `connect-src ${["'self'", ...sockets, ...connect].join(' ')}`,
    "frame-src 'self'",
    "frame-ancestors 'self'",
    "base-uri 'none'",
    "form-action 'none'",
  ].join('; ')
}

/** The first encoding of a file that a request accepts. `identity` is always accepted. */
function encodingFor(file: WebFile, accepted: string | undefined): WebEncoding | undefined {
  const names = new Set(
    (accepted ?? '')
      .split(',')
      .map((item) =>
        item
          .trim()
          .toLowerCase()
          .split(/\s*;\s*/),
      )
      .filter(([, weight]) => weight === undefined || !/^q=0(\.0*)?$/.test(weight))
      .map(([name]) => name),
  )
  return [...file.encoded.keys()].find((name) => names.has(name))
}

/** Whether a client has this content already, by what it says in `If-None-Match`. */
function isKnown(given: string | undefined, tag: string): boolean {
  return (given ?? '').split(',').some((item) => ['*', tag].includes(item.trim().replace(/^W\//, '')))
}
