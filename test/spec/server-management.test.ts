import { createHash } from 'node:crypto'
import type { SyncServer } from '@onyx-sync/server'
import { getToken } from 'nostr-tools/nip98'
import { describe, expect, it } from 'vitest'
import { normalizeIp } from '../../server/src/adapters/ip-address.js'
import { chatEvent, sign, type TestKey, testKey, trainingEvent } from '../support/events.js'
import { connectClient } from '../support/relay-client.js'
import { connect, runServer } from '../support/servers.js'
import { temporaryDirectory } from '../support/temporary-directory.js'

const operator = testKey(9)
const alice = testKey(1)
const bob = testKey(2)
const TYPE = 'application/nostr+json+rpc'
const operators = [operator.publicKey]

function httpUrl(server: SyncServer): string {
  return server.url.replace(/^ws/, 'http')
}

interface Authorized {
  readonly key?: TestKey
  readonly u?: string
  readonly httpMethod?: string
  readonly payload?: string
  readonly agoSeconds?: number
  readonly kind?: number
}

/** A header as NIP-98 has it, right or wrong in one thing. */
function headerFor(url: string, body: string, wrong: Authorized = {}): string {
  const event = sign(wrong.key ?? operator, {
    kind: wrong.kind ?? 27_235,
    created_at: Math.floor(Date.now() / 1000) - (wrong.agoSeconds ?? 0),
    tags: [
      ['u', wrong.u ?? url],
      ['method', wrong.httpMethod ?? 'POST'],
      ['payload', wrong.payload ?? createHash('sha256').update(body).digest('hex')],
    ],
    content: '',
  })
  return `Nostr ${Buffer.from(JSON.stringify(event)).toString('base64')}`
}

async function post(url: string, body: string, authorization?: string) {
  const headers = { 'Content-Type': TYPE, ...(authorization === undefined ? {} : { authorization }) }
  const response = await fetch(url, { method: 'POST', headers, body })
  return { status: response.status, ...((await response.json()) as { result: unknown; error?: string }) }
}

async function call(server: SyncServer, method: string, ...params: unknown[]) {
  const url = httpUrl(server)
  const request = { method, params }
  // As a client library does it.
  const token = await getToken(url, 'post', (event) => sign(operator, event), true, request)
  return post(url, JSON.stringify(request), token)
}

describe('proof of key for a call (NIP-98)', () => {
  it('[MAN1] takes calls from operators only, each authorized for this very request', async () => {
    const server = await runServer({ operators })
    const url = httpUrl(server)
    const body = JSON.stringify({ method: 'listbannedpubkeys', params: [] })
    const good = headerFor(url, body)
    expect(await post(url, body, good)).toEqual({ status: 200, result: [] })
    const wrong: readonly (readonly [string | undefined, RegExp])[] = [
      [good, /used before/],
      [undefined, /Authorization/],
      ['Bearer x', /Authorization/],
      ['Nostr e30=', /no event/],
      [headerFor(url, body, { key: alice }), /no operator/],
      [headerFor(url, body, { u: 'https://example.com/sync' }), /u tag/],
      [headerFor(url, body, { u: `${url}/other` }), /u tag/],
      [headerFor(url, body, { httpMethod: 'GET' }), /method tag/],
      [headerFor(url, `${body} `), /payload tag/],
      [headerFor(url, body, { payload: '' }), /payload tag/],
      [headerFor(url, body, { agoSeconds: 70 }), /60 s/],
      [headerFor(url, body, { agoSeconds: -70 }), /60 s/],
      [headerFor(url, body, { kind: 1 }), /27235/],
    ]
    for (const [header, reason] of wrong)
      expect(await post(url, body, header)).toEqual({
        status: 401,
        result: null,
        error: expect.stringMatching(reason),
      })
    const forged = JSON.parse(Buffer.from(headerFor(url, body).slice(6), 'base64').toString()) as object
    const header = `Nostr ${Buffer.from(JSON.stringify({ ...forged, sig: 'f'.repeat(128) })).toString('base64')}`
    expect((await post(url, body, header)).status).toBe(401)
  })
})

describe('managing a running server (NIP-86)', () => {
  it('[MAN1] a body that is too large or no call is refused; without operators there is nothing to call', async () => {
    const server = await runServer({ operators })
    const url = httpUrl(server)
    const large = JSON.stringify({ method: 'x', params: ['y'.repeat(70_000)] })
    expect(await post(url, large, headerFor(url, large))).toMatchObject({ status: 413 })
    for (const body of ['', '[]', 'null', '{', '5'])
      expect(await post(url, body, headerFor(url, body))).toMatchObject({ status: 400 })
    for (const body of ['{"params":[]}', '{"method":"constructor"}', '{"method":"stats","params":{}}'])
      expect(await post(url, body, headerFor(url, body))).toMatchObject({
        status: 200,
        error: expect.any(String),
      })
    const open = httpUrl(await runServer())
    const response = await fetch(open, { method: 'POST', headers: { 'Content-Type': TYPE }, body: '{}' })
    expect(response.status).toBe(405)
  })

  it('[MAN2] a banned key is cut off at once, refused from then on, also after a restart, and let in again', async () => {
    const data = temporaryDirectory()
    const server = await runServer({ operators, data })
    const [a, b, both] = [
      await connect(server, alice),
      await connect(server, bob),
      await connect(server, alice, bob),
    ]
    await b.request('live', { after: '' })
    expect(await call(server, 'banpubkey', bob.publicKey, 'spam')).toEqual({ status: 200, result: true })
    expect(await b.closed).toEqual({ code: 4403, reason: 'this key is banned here: spam' })
    // The other key may come back.
    expect((await both.closed).code).toBe(1008)
    expect((await a.publish(chatEvent(alice))).accepted).toBe(true)
    const again = await connectClient(server.url)
    expect((await again.auth(bob)).slice(2)).toEqual([false, 'blocked: this key is banned here: spam'])
    expect(await call(server, 'listbannedpubkeys')).toMatchObject({
      result: [{ pubkey: bob.publicKey, reason: 'spam' }],
    })
    expect((await call(server, 'banpubkey', operator.publicKey)).error).toMatch(/operator/)
    expect((await call(server, 'banpubkey', 'x')).error).toMatch(/public key/)
    again.socket.terminate()
    await server.close()
    const restarted = await runServer({ operators, data })
    const client = await connectClient(restarted.url)
    expect((await client.auth(bob))[2]).toBe(false)
    client.socket.terminate()
    expect(await call(restarted, 'unbanpubkey', bob.publicKey)).toMatchObject({ result: true })
    await connect(restarted, bob)
  })

  it('[MAN2] what a banned key had queued is not stored', async () => {
    const { createIngest } = await import('../../server/src/core/ingest.js')
    const { createLocalMerger } = await import('../../server/src/core/local-merger.js')
    const { createMemoryLog } = await import('@onyx-sync/server')
    const { checkEvent } = await import('../../server/src/core/check-event.js')
    const { createReplacements } = await import('../../server/src/core/replacements.js')
    const { createCounters } = await import('../../server/src/core/counters.js')
    const { DEFAULT_LIMITS, pureVerifier, silentLogger, SyncError } = await import('@onyx-sync/shared')
    const log = createMemoryLog()
    let isBanned = false
    const ingest = createIngest({
      log,
      checkpoints: {
        compare: () => Promise.reject(new Error()),
        superseded: () => Promise.reject(new Error()),
      },
      replacements: createReplacements(),
      merger: createLocalMerger(),
      quotas: { check: async () => undefined, changed: () => {} },
      limits: DEFAULT_LIMITS,
      logger: silentLogger,
      counters: createCounters(),
      epochId: '0'.repeat(16),
      whyNot: () => (isBanned ? new SyncError('KEY_BLOCKED', 'banned') : undefined),
      publish: () => {},
      onUntold: () => {},
    })
    const keys = new Set([bob.publicKey])
    const checked = checkEvent(trainingEvent(bob), { keys, verifier: pureVerifier, limits: DEFAULT_LIMITS })
    const outcome = new Promise((resolve) => ingest.submit(checked, resolve))
    isBanned = true
    expect(await outcome).toMatchObject({ code: 'KEY_BLOCKED' })
    expect(log.head).toBe(0)
  })

  it('[MAN3] with the list only, keys on it and operators are served, nobody else', async () => {
    const server = await runServer({ operators })
    const [a, b] = [await connect(server, alice), await connect(server, bob)]
    expect(await call(server, 'allowpubkey', alice.publicKey, 'a friend')).toMatchObject({ result: true })
    expect(await call(server, 'setallowlistonly', true)).toMatchObject({ result: true })
    expect((await b.closed).code).toBe(4403)
    expect((await a.publish(chatEvent(alice))).accepted).toBe(true)
    const stranger = await connectClient(server.url)
    expect((await stranger.auth(bob))[3]).toMatch(/^blocked: only keys on/)
    expect((await stranger.auth(operator))[2]).toBe(true)
    stranger.socket.terminate()
    expect(await call(server, 'listallowedpubkeys')).toMatchObject({
      result: [{ pubkey: alice.publicKey, reason: 'a friend' }],
    })
    // Banning takes a key off the list, and the other way round.
    await call(server, 'banpubkey', alice.publicKey)
    expect((await a.closed).code).toBe(4403)
    expect(await call(server, 'listallowedpubkeys', 'again')).toMatchObject({ result: [] })
    await call(server, 'allowpubkey', alice.publicKey)
    expect(await call(server, 'listbannedpubkeys')).toMatchObject({ result: [] })
    await call(server, 'unallowpubkey', alice.publicKey)
    const client = await connectClient(server.url)
    expect((await client.auth(alice))[2]).toBe(false)
    client.socket.terminate()
    await call(server, 'setallowlistonly', false)
    await connect(server, alice)
  })

  it('[MAN4] a blocked address is cut off at once and gets no connection, in whatever form it is written', async () => {
    const server = await runServer({ operators })
    const a = await connect(server, alice)
    expect(await call(server, 'blockip', '::ffff:127.0.0.1', 'attack')).toMatchObject({ result: true })
    expect((await a.closed).code).toBe(1006)
    await expect(connectClient(server.url)).rejects.toThrow(/403/)
    expect(await call(server, 'listblockedips')).toMatchObject({
      result: [{ ip: '127.0.0.1', reason: 'attack' }],
    })
    expect((await call(server, 'blockip', 'example.com')).error).toMatch(/IP address/)
    await call(server, 'unblockip', '127.0.0.1')
    await connect(server, alice)
    expect(normalizeIp('2001:DB8:0:0::1')).toBe(normalizeIp('2001:db8::1%eth0'))
    expect(normalizeIp('300.1.1.1')).toBeUndefined()
  })

  it('[MAN5] the NIP-11 document has the name and description that were given, and says what is there', async () => {
    const data = temporaryDirectory()
    const server = await runServer({ operators, data })
    const info = async (of: SyncServer) =>
      (await fetch(httpUrl(of), { headers: { Accept: 'application/nostr+json' } })).json()
    await call(server, 'changerelayname', 'Ada’s server')
    await call(server, 'changerelaydescription', 'for friends')
    expect(await info(server)).toMatchObject({
      name: 'Ada’s server',
      description: 'for friends',
      supported_nips: expect.arrayContaining([86, 98]),
    })
    expect((await call(server, 'changerelayname', 5)).error).toMatch(/text/)
    expect((await call(server, 'changerelayname', 'x'.repeat(1_001))).error).toMatch(/1000/)
    await server.close()
    const restarted = await runServer({ operators, data })
    expect(await info(restarted)).toMatchObject({ name: 'Ada’s server' })
    expect(((await info(await runServer())) as { supported_nips: number[] }).supported_nips).not.toContain(86)
  })

  it('[MAN5] lists its methods, and tells numbers and limits', async () => {
    const server = await runServer({ operators, limits: { maxFilters: 3 } })
    const a = await connect(server, alice)
    await a.publish(chatEvent(alice))
    const { result: methods } = await call(server, 'supportedmethods')
    for (const method of methods as string[]) {
      const { error } = await call(server, method, 'with a parameter')
      expect(error ?? '').not.toMatch(/no such method/)
    }
    expect(methods).toContain('banpubkey')
    expect((await call(server, 'banevent', 'ab'.repeat(32))).error).toMatch(/no such method/)
    expect(await call(server, 'stats')).toMatchObject({
      result: { connections: 1, log_head: 1, events_stored: 1, banned_pubkeys: 0, allow_list_only: false },
    })
    expect(await call(server, 'limits')).toMatchObject({ result: { maxFilters: 3 } })
  })

  it('[MAN5] stats follow what happens: connections, logins, what was stored, repeated, refused and sent, and the disk', async () => {
    const server = await runServer({ operators })
    const stats = async (time: string) => (await call(server, 'stats', time)).result as Record<string, number>
    const [before, a] = [await stats('before'), await connect(server, alice)]
    const event = chatEvent(alice)
    await a.publish(event)
    await a.publish(event)
    expect((await a.publish({ ...event, content: '' })).accepted).toBe(false)
    const after = await stats('after')
    const change = Object.fromEntries(
      Object.keys(after).map((name) => [name, (after[name] as number) - (before[name] as number)]),
    )
    expect(change).toMatchObject({
      connections: 1,
      subscriptions: 0,
      logins: 1,
      log_head: 1,
      events_stored: 1,
      events_duplicate: 1,
      events_refused: 1,
      events_queued: 0,
      slow_readers_dropped: 0,
      // A challenge, and an answer to the login and to each event.
      messages_sent: 5,
    })
    expect(change.characters_sent).toBeGreaterThan(5 * 64)
    expect(change.disk_bytes).toBeGreaterThan(JSON.stringify(event).length)
    expect(after.resident_memory_bytes).toBeGreaterThan(1_000_000)
  })

  it('[MAN5] what changes the server is logged, who only watches is not in the way of that', async () => {
    const lines: string[] = []
    const level = (name: string) => (message: string, fields?: Record<string, unknown>) =>
      lines.push(`${name} ${message} ${fields?.method ?? ''}`)
    const logger = { debug: level('debug'), info: level('info'), warn: level('warn'), error: level('error') }
    const server = await runServer({ operators, logger })
    for (const method of ['stats', 'limits', 'listblockedips']) await call(server, method)
    await call(server, 'changerelayname', 'Ada’s server')
    const told = lines.filter((line) => line.includes('operator'))
    expect(told.map((line) => line.split(' ')[0])).toEqual(['debug', 'debug', 'debug', 'info'])
    expect(told[3]).toMatch(/changerelayname$/)
  })
})
