import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { type IncomingMessage, request } from 'node:http'
import { join } from 'node:path'
import { brotliCompressSync, brotliDecompressSync, gunzipSync, gzipSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { testKey } from '../support/events.js'
import { connect, runServer } from '../support/servers.js'
import { temporaryDirectory } from '../support/temporary-directory.js'

const SCRIPT = `export const words = '${'kept '.repeat(200)}'\n`
const HASHED = '/assets/index-DvQvUcbR.js'

/** A small build: a page, a second one, a script in three encodings, and what must never be served. */
function buildDirectory(): string {
  const directory = temporaryDirectory()
  const files: Record<string, string | Buffer> = {
    'index.html': '<!doctype html><title>chats</title>',
    'two.html': '<!doctype html><title>two</title>',
    'sw.js': 'self.x = 1\n',
    'site.webmanifest': '{}',
    'icon.svg': '<svg/>',
    'sqlite.wasm': Buffer.from([0, 97, 115, 109]),
    metrics: 'not the metrics',
    '.secret': 'secret',
    [HASHED.slice(1)]: SCRIPT,
    [`${HASHED.slice(1)}.br`]: brotliCompressSync(SCRIPT),
    [`${HASHED.slice(1)}.gz`]: gzipSync(SCRIPT),
  }
  mkdirSync(join(directory, 'assets'))
  for (const [name, content] of Object.entries(files)) writeFileSync(join(directory, name), content)
  symlinkSync('/etc/hostname', join(directory, 'link.txt'))
  return directory
}

interface Answer {
  readonly status: number
  readonly headers: IncomingMessage['headers']
  readonly body: Buffer
}

/** A request whose path is sent as it stands: `fetch` would tidy it up. */
function get(
  server: { readonly url: string },
  path: string,
  headers: Record<string, string> = {},
  method = 'GET',
): Promise<Answer> {
  const { hostname, port } = new URL(server.url)
  return new Promise((resolve, reject) => {
    const sent = request({ hostname, port, path, headers, method }, (response) => {
      const chunks: Buffer[] = []
      response.on('data', (chunk: Buffer) => chunks.push(chunk))
      response.on('end', () =>
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers,
          body: Buffer.concat(chunks),
        }),
      )
    })
    sent.on('error', reject)
    sent.end()
  })
}

describe('the web client', () => {
  it('[WEB1] is served from its directory, and nothing beside it', async () => {
    const directory = buildDirectory()
    const server = await runServer({ web: { directory } })
    for (const path of ['/', '/index.html', '/?device=left']) {
      expect((await get(server, path)).body.toString()).toContain('chats')
    }
    for (const path of ['/two', '/two.html', '/two/']) {
      expect((await get(server, path)).body.toString()).toContain('two')
    }
    const outside = ['/../package.json', '/%2e%2e/package.json', '/assets/../../x', '/..%2fx', '//etc/passwd']
    const hidden = ['/.secret', '/link.txt', '/assets', `${HASHED}.br`, '/constructor', '/INDEX.HTML']
    for (const path of [...outside, ...hidden]) expect((await get(server, path)).status, path).toBe(404)
    expect((await get(server, HASHED, {}, 'POST')).status).toBe(404)
    // One build, whatever is written into its directory meanwhile.
    writeFileSync(join(directory, 'index.html'), 'the next build')
    writeFileSync(join(directory, 'new.js'), '')
    expect((await get(server, '/')).body.toString()).toContain('chats')
    expect((await get(server, '/new.js')).status).toBe(404)
  })

  it('[WEB1] is off unless it is asked for, and a directory that is none is refused', async () => {
    const server = await runServer()
    expect((await get(server, '/')).body.toString()).toContain(server.url)
    expect((await get(server, '/two')).status).toBe(404)
    const empty = temporaryDirectory()
    await expect(runServer({ web: { directory: empty } })).rejects.toThrow(/has no index\.html.*build:web/)
    const missing = join(empty, 'nothing')
    await expect(runServer({ web: { directory: missing } })).rejects.toMatchObject({ code: 'CONFIG_INVALID' })
    for (const source of ["'unsafe-inline'", '*', 'https://a.example; script-src *', 'data:', 'a b']) {
      await expect(runServer({ web: { directory: buildDirectory(), connect: [source] } })).rejects.toThrow(
        /must be an origin/,
      )
    }
  })

  it('[WEB2] has types, encodings made by the build, and tags by which nothing is sent twice', async () => {
    const server = await runServer({ web: { directory: buildDirectory() } })
    const types = {
      '/': 'text/html; charset=utf-8',
      '/sw.js': 'text/javascript; charset=utf-8',
      '/site.webmanifest': 'application/manifest+json; charset=utf-8',
      '/icon.svg': 'image/svg+xml; charset=utf-8',
      '/sqlite.wasm': 'application/wasm',
    }
    for (const [path, type] of Object.entries(types)) {
      const { headers, body } = await get(server, path)
      expect(headers['content-type']).toBe(type)
      expect(headers['content-length']).toBe(String(body.byteLength))
      expect(headers['cache-control']).toBe('no-cache')
      const known = await get(server, path, { 'If-None-Match': `"other", W/${headers.etag}` })
      expect([known.status, known.body.byteLength, known.headers.etag]).toEqual([304, 0, headers.etag])
    }
    const plain = await get(server, HASHED, { 'Accept-Encoding': 'deflate, br;q=0' })
    expect(plain.headers['cache-control']).toBe('public, max-age=31536000, immutable')
    expect(plain.headers['content-encoding']).toBeUndefined()
    expect(plain.body.toString()).toBe(SCRIPT)
    const small = await get(server, HASHED, { 'Accept-Encoding': 'gzip, deflate, br' })
    expect(small.headers['content-encoding']).toBe('br')
    expect(brotliDecompressSync(small.body).toString()).toBe(SCRIPT)
    const zipped = await get(server, HASHED, { 'Accept-Encoding': 'gzip;q=1.0' })
    expect(zipped.headers['content-encoding']).toBe('gzip')
    expect(gunzipSync(zipped.body).toString()).toBe(SCRIPT)
    expect(new Set([plain, small, zipped].map(({ headers }) => headers.etag)).size).toBe(3)
    const head = await get(server, HASHED, { 'Accept-Encoding': 'br' }, 'HEAD')
    expect([head.body.byteLength, head.headers['content-length']]).toEqual([0, String(small.body.byteLength)])
  })

  it('[WEB3] leaves the endpoint and the other paths as they are, and describes the server at / too', async () => {
    const server = await runServer({ name: 'try', web: { directory: buildDirectory() } })
    for (const path of ['/', '/sync']) {
      const { headers, body } = await get(server, path, { Accept: 'application/nostr+json' })
      expect(headers['content-type']).toBe('application/nostr+json')
      expect(headers['access-control-allow-origin']).toBe('*')
      expect(JSON.parse(body.toString())).toMatchObject({ name: 'try', yjs_sync: 1 })
    }
    expect((await get(server, '/')).headers.vary).toContain('Accept')
    expect((await get(server, '/sync')).status).toBe(426)
    expect((await get(server, '/healthz')).body.toString()).toBe('ok\n')
    expect((await get(server, '/metrics')).body.toString()).toContain('onyx_sync_connections')
    expect((await connect(server, testKey(1))).challenge).toBeTruthy()
  })

  it('[WEB4] may load and reach its own server only, and what the operator names', async () => {
    const directory = buildDirectory()
    const strict = await runServer({ web: { directory } })
    const { host } = new URL(strict.url)
    for (const path of ['/', HASHED, '/sw.js']) {
      const { headers } = await get(strict, path)
      const policy = String(headers['content-security-policy']).split('; ')
      expect(policy).toEqual([
        "default-src 'none'",
        "script-src 'self' 'wasm-unsafe-eval'",
        "style-src 'self'",
        "img-src 'self' data: blob:",
        "manifest-src 'self'",
        "worker-src 'self'",
        `connect-src 'self' ws://${host} wss://${host}`,
        "frame-src 'self'",
        "frame-ancestors 'self'",
        "base-uri 'none'",
        "form-action 'none'",
      ])
      expect(headers).toMatchObject({
        'x-content-type-options': 'nosniff',
        'referrer-policy': 'no-referrer',
        'cross-origin-opener-policy': 'same-origin',
        'cross-origin-resource-policy': 'same-origin',
      })
      // Other sites have no business with it.
      expect(headers['access-control-allow-origin']).toBeUndefined()
    }
    const connectOf = ({ headers }: Answer) =>
      /connect-src [^;]*/.exec(String(headers['content-security-policy']))?.[0]
    const hostile = await get(strict, '/', { Host: "a; script-src 'unsafe-inline'" })
    expect(connectOf(hostile)).toBe("connect-src 'self'")
    expect(String(hostile.headers['content-security-policy'])).not.toContain('unsafe-inline')
    const named = ['https://api.example.com', 'http://127.0.0.1:*']
    const open = await runServer({ web: { directory, connect: named } })
    const { host: other } = new URL(open.url)
    expect(connectOf(await get(open, '/'))).toBe(
      `connect-src 'self' ws://${other} wss://${other} https://api.example.com http://127.0.0.1:*`,
    )
  })
})
