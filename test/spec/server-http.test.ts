import { createServer, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createMemoryLog, createSyncServer } from '@onyx-sync/server'
import { DEFAULT_LIMITS } from '@onyx-sync/shared'
import { describe, expect, it, vi } from 'vitest'
import { WebSocket, WebSocketServer } from 'ws'
import { afterThisTest } from '../support/after-test.js'
import { authEvent, chatEvent, testKey, trainingEvent } from '../support/events.js'
import { connect, runServer } from '../support/servers.js'

const alice = testKey(1)
const NIP_11 = { headers: { Accept: 'application/nostr+json' } }

function httpUrl(server: { readonly url: string }, path: string): string {
  return new URL(path, server.url.replace(/^ws/, 'http')).href
}

/** How an upgrade is answered that is not taken. */
function upgradeStatus(url: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(url)
    socket.on('unexpected-response', (_, response) => {
      resolve(response.statusCode ?? 0)
      response.destroy()
    })
    socket.on('open', () => reject(new Error('the upgrade was taken')))
    socket.on('error', reject)
  })
}

describe('HTTP', () => {
  it('[INFO1] the endpoint describes itself with true limits, its own key, and CORS (NIP-11)', async () => {
    const log = createMemoryLog()
    const server = await runServer({
      log,
      name: 'try',
      limits: { maxSubscriptions: 5, maxEventBytes: 9_999 },
    })
    const response = await fetch(httpUrl(server, '/sync'), NIP_11)
    expect(response.status).toBe(200)
    expect(response.headers.get('content-type')).toBe('application/nostr+json')
    expect(response.headers.get('access-control-allow-origin')).toBe('*')
    const info = (await response.json()) as Record<string, unknown>
    expect(info).toMatchObject({
      name: 'try',
      version: expect.stringMatching(/^\d+\.\d+\.\d+/),
      self: expect.stringMatching(/^[0-9a-f]{64}$/),
      yjs_sync: 1,
      limitation: {
        auth_required: true,
        restricted_writes: true,
        payment_required: false,
        max_message_length: DEFAULT_LIMITS.maxMessageBytes,
        max_subscriptions: 5,
        max_subid_length: 64,
        max_event_tags: DEFAULT_LIMITS.maxTags,
      },
    })
    const preflight = await fetch(httpUrl(server, '/sync'), { method: 'OPTIONS' })
    expect(preflight.status).toBe(204)
    for (const name of ['origin', 'headers', 'methods']) {
      expect(preflight.headers.get(`access-control-allow-${name}`)).toBeTruthy()
    }
  })

  it('[INFO2] WebSockets are taken on /sync only', async () => {
    const server = await runServer()
    for (const path of ['/', '/other', '/sync//', '/sync/more', '/sync2', '/Sync', '/metrics']) {
      expect(await upgradeStatus(new URL(path, server.url).href)).toBe(404)
    }
    for (const rest of ['?x=1', '/', '/?x=1']) {
      expect((await connect({ ...server, url: `${server.url}${rest}` }, alice)).challenge).toBeTruthy()
    }
  })

  it('[INFO3] other paths: a page, health, readiness and metrics; else 404, 405 or 426 with a text', async () => {
    const server = await runServer()
    const client = await connect(server, alice)
    await client.publish(chatEvent(alice))
    await client.publish({})
    const get = async (path: string, init?: RequestInit) => {
      const response = await fetch(httpUrl(server, path), init)
      return {
        status: response.status,
        type: response.headers.get('content-type'),
        text: await response.text(),
      }
    }
    expect(await get('/')).toMatchObject({ status: 200, type: 'text/html; charset=utf-8' })
    expect((await get('/')).text).toContain(server.url)
    expect(await get('/healthz')).toMatchObject({ status: 200, text: 'ok\n' })
    expect(await get('/readyz')).toMatchObject({ status: 200, text: 'ready\n' })
    const metrics = await get('/metrics')
    expect(metrics.type).toContain('version=0.0.4')
    for (const line of [
      'onyx_sync_connections 1',
      'onyx_sync_log_head 1',
      'onyx_sync_events_stored_total 1',
      'onyx_sync_events_refused_total 1',
    ]) {
      expect(metrics.text.split('\n')).toContain(line)
    }
    expect(await get('/sync')).toMatchObject({ status: 426, text: expect.stringContaining('WebSocket') })
    expect((await get('/nothing')).status).toBe(404)
    expect((await get('/constructor')).status).toBe(404)
    expect((await get('/healthz', { method: 'POST' })).status).toBe(405)
    expect(await get('/healthz', { method: 'HEAD' })).toMatchObject({ status: 200, text: '' })
  })

  it('[INFO4][ATK7] a message over the limit closes its connection with 1009; others go on', async () => {
    const server = await runServer({ limits: { maxMessageBytes: 2_000 } })
    const [big, other] = [await connect(server, alice), await connect(server, alice)]
    big.sendText('x'.repeat(3_000))
    expect((await big.closed).code).toBe(1009)
    expect((await other.request('s', {})).hints).toEqual(['finish'])
  })
})

describe('compressed messages', () => {
  const long = 'onyx '.repeat(10_000)

  it('[INFO5] go to clients that offer it, where they are large, and where the server wants it', async () => {
    for (const [compression, offer, ratio] of [
      ['large', true, 0.7],
      ['large', false, 1.1],
      ['off', true, 1.1],
    ] as const) {
      const server = await runServer({ compression })
      const socket = new WebSocket(server.url, { perMessageDeflate: offer })
      const messages: string[] = []
      socket.on('message', (data) => messages.push(String(data)))
      await vi.waitFor(() => expect(messages).toHaveLength(1))
      const { _socket: raw } = socket as unknown as { _socket: { bytesRead: number } }
      const before = raw.bytesRead
      // Anything wrong comes back in a NOTICE or an OK with the id; here a subscription's id.
      const events = [trainingEvent(alice, long)]
      const writer = await connect(server, alice)
      for (const event of events) expect((await writer.publish(event)).accepted).toBe(true)
      const challenge = (JSON.parse(messages[0] as string) as string[])[1] as string
      socket.send(JSON.stringify(['AUTH', authEvent(alice, server.url, challenge)]))
      socket.send(JSON.stringify(['REQ', 's', { kinds: [1] }]))
      await vi.waitFor(() => expect(messages.some((text) => text.startsWith('["EOSE"'))).toBe(true))
      const event = messages.find((text) => text.startsWith('["EVENT"')) as string
      expect(event).toContain(long)
      const received = raw.bytesRead - before
      expect(received / event.length).toBeLessThan(ratio)
      if (ratio > 1) expect(received).toBeGreaterThan(event.length)
      socket.terminate()
    }
  })

  it('[INFO5][INFO4][ATK8] that unfold to more than the limit close their connection with 1009', async () => {
    const server = await runServer({ limits: { maxMessageBytes: 50_000 } })
    const other = await connect(server, alice)
    const socket = new WebSocket(server.url, { perMessageDeflate: { threshold: 0 } })
    await new Promise((resolve) => socket.once('open', resolve))
    expect(socket.extensions).toContain('permessage-deflate')
    const closed = new Promise<number>((resolve) => socket.once('close', resolve))
    socket.send('x'.repeat(5_000_000))
    expect(await closed).toBe(1009)
    expect((await other.request('s', {})).hints).toEqual(['finish'])
  })
})

describe('attached to an HTTP server', () => {
  it('[SRV2] only /sync is ours: its requests and upgrades; all else stays with the host', async () => {
    const host = createServer((request, response) => response.end(`host ${request.url}`))
    const foreign = new WebSocketServer({ noServer: true })
    host.on('upgrade', (request, socket, head) => {
      if (request.url !== '/other') return
      foreign.handleUpgrade(request, socket, head, (webSocket) => webSocket.send('from the host'))
    })
    await new Promise<void>((resolve) => host.listen(0, '127.0.0.1', resolve))
    afterThisTest(() => {
      host.closeAllConnections()
      host.close()
    })
    const { port } = host.address() as AddressInfo
    const server = createSyncServer({ server: host, log: createMemoryLog() })
    await server.listen()
    expect(server.url).toBe(`ws://127.0.0.1:${port}/sync`)
    const text = async (path: string, init?: RequestInit) =>
      (await fetch(`http://127.0.0.1:${port}${path}`, init)).text()
    expect(await text('/')).toBe('host /')
    expect(await text('/metrics')).toBe('host /metrics')
    expect(JSON.parse(await text('/sync', NIP_11))).toMatchObject({ yjs_sync: 1 })
    const client = await connect(server, alice)
    expect((await client.publish(chatEvent(alice))).accepted).toBe(true)
    const other = new WebSocket(`ws://127.0.0.1:${port}/other`)
    const [greeting] = await new Promise<unknown[]>((resolve) =>
      other.once('message', (...data) => resolve(data)),
    )
    expect(String(greeting)).toBe('from the host')
    other.terminate()
    await server.close()
    expect((await client.closed).code).toBe(1012)
    expect(await text('/sync', NIP_11)).toBe('host /sync')
    expect(host.listening).toBe(true)
  })

  it('[SRV2] alone on an HTTP server, upgrades of other paths are answered 404', async () => {
    const host = createServer()
    await new Promise<void>((resolve) => host.listen(0, '127.0.0.1', resolve))
    afterThisTest(() => host.close())
    const server = await runServer({ server: host, log: createMemoryLog(), data: undefined as never })
    expect(await upgradeStatus(server.url.replace('/sync', '/x'))).toBe(404)
    const status = await new Promise<number>((resolve) => {
      request(httpUrl(server, '/sync'), (response) => {
        response.resume()
        resolve(response.statusCode ?? 0)
      }).end()
    })
    expect(status).toBe(426)
  })
})
