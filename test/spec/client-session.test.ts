import { type AddressInfo, createServer } from 'node:net'
import {
  type Connection,
  createMemoryStore,
  createSyncClient,
  type SyncStatus,
  type Transport,
} from '@onyx-sync/client'
import { createNodeTransport } from '@onyx-sync/client/node'
import {
  bytesToHex,
  DEFAULT_LIMITS,
  decodeContent,
  isDocumentKind,
  type Logger,
  type NostrEvent,
  parseEncodingTag,
} from '@onyx-sync/shared'
import { nsecEncode } from 'nostr-tools/nip19'
import { PlainKeySigner } from 'nostr-tools/signer'
import { describe, expect, it, vi } from 'vitest'
import { createBackoff } from '../../client/src/core/backoff.js'
import { afterThisTest } from '../support/after-test.js'
import { testKey } from '../support/events.js'
import { openScripted } from '../support/scripted-server.js'
import { runServer } from '../support/servers.js'
import {
  clientOf,
  deviceOf,
  during,
  serverDocument,
  serverEvents,
  startWorld,
  textsOf,
} from '../support/worlds.js'

const owner = testKey(1)
const stranger = testKey(2)

/** Distinct connection states in the order in which the app was told. */
function statesOf(client: { onStatus(listener: (status: SyncStatus) => void): unknown }): string[] {
  const states: string[] = []
  client.onStatus(({ connection }) => {
    if (states[states.length - 1] !== connection) states.push(connection)
  })
  return states
}

describe('connecting', () => {
  it('[SES1] tells where it stands, and asks with one subscription for everything', async () => {
    const { clock, client, server } = await openScripted(owner)
    const states = statesOf(client)
    client.connect()
    await clock.advance(1_000)
    expect(states).toEqual(['connecting', 'authenticating', 'catching-up', 'live'])
    expect(server.received('REQ')).toEqual([
      ['REQ', 'sync', { kinds: [30001, 10001, 1, 5, 20001], after: '' }],
    ])
    client.disconnect()
    await clock.advance(100_000)
    expect(client.status).toMatchObject({ connection: 'offline', isCaughtUp: false })
    expect(server.dialledAt).toHaveLength(1)
  })

  it('[SES1] sends no event before it is logged in, knows the server and has caught up', async () => {
    const { clock, client, server } = await openScripted(owner, {
      script: { onReq: (link, id) => clock.setTimeout(() => link.send('EOSE', id, ['cursor:c1']), 5_000) },
    })
    await client.chats.create({ id: 'oslo' })
    client.connect()
    await clock.advance(4_000)
    expect(server.events()).toEqual([])
    await clock.advance(2_000)
    expect(server.link.received.map(([type]) => type)).toEqual(['AUTH', 'REQ', 'EVENT'])
  })

  it('[SES2] ignores what it does not understand', async () => {
    const { clock, client, server } = await openScripted(owner, {
      script: {
        onConnect(link) {
          for (const text of ['', 'x', '{}', '[]', '[1]', '["OK"]', '["EVENT"]', '["HELLO", 1]', 'null'])
            link.sendText(text)
          link.send('NOTICE', 'maintenance at noon')
          link.send('EVENT', 'somebody-elses', {})
          link.send('EOSE', 'somebody-elses')
          link.send('OK', 'f'.repeat(64), false, 'blocked: unknown')
          link.send('AUTH', 'challenge')
        },
      },
    })
    client.connect()
    await clock.advance(1_000)
    expect(client.status).toMatchObject({ connection: 'live', setAside: 0 })
    expect(server.dialledAt).toHaveLength(1)
  })

  it('[SES2] sets aside what is no event, and goes on', async () => {
    const { clock, client } = await openScripted(owner, {
      script: {
        onReq(link, id) {
          for (const value of [null, 1, 'x', [], {}, { kind: 30001 }, { id: 'x', tags: [[[]]] }])
            link.send('EVENT', id, value, 'c1')
          link.send('EOSE', id, ['cursor:c1'])
        },
      },
    })
    client.connect()
    await clock.advance(1_000)
    expect(client.status).toMatchObject({ connection: 'live', setAside: 7 })
  })
})

describe('a connection that breaks', () => {
  it('[SES3][C11] is made again after a random delay that doubles up to a cap', () => {
    const bounds = [500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000]
    const almostOne = createBackoff({ next: () => 0.999999, bytes: (n) => new Uint8Array(n) })
    expect(bounds.map(() => almostOne.next())).toEqual(bounds.map((bound) => bound - 1))
    const zero = createBackoff({ next: () => 0, bytes: (n) => new Uint8Array(n) })
    expect(bounds.map(() => zero.next())).toEqual(bounds.map(() => 0))
    for (let attempt = 0; attempt < 2_000; attempt++) expect(almostOne.next()).toBe(29_999)
    almostOne.reset()
    expect(almostOne.next()).toBe(499)
  })

  it('[SES3][C11] spreads a crowd over the whole delay', async () => {
    const secondDials: number[] = []
    for (let n = 0; n < 40; n++) {
      const { clock, client, server } = await openScripted(owner, {
        seed: `crowd ${n}`,
        script: { isUp: false },
      })
      client.connect()
      await clock.advance(700)
      const [first, second] = server.dialledAt as [number, number]
      secondDials.push(second - first)
    }
    expect(Math.min(...secondDials)).toBeLessThan(120)
    expect(Math.max(...secondDials)).toBeGreaterThan(380)
    expect(new Set(secondDials).size).toBeGreaterThan(30)
  })

  it('[SES3][C11] is tried for hours at the capped pace, and says when next', async () => {
    const { clock, client, server } = await openScripted(owner, { script: { isUp: false } })
    client.connect()
    await clock.advance(3 * 3_600_000)
    const attempts = server.dialledAt.length
    expect(attempts).toBeGreaterThan((3 * 3_600) / 30)
    expect(attempts).toBeLessThan((3 * 3_600) / 8)
    const { retryAtMs, problem, connection } = client.status
    expect(connection).toBe('waiting')
    expect(problem?.code).toBe('CONNECTION_FAILED')
    expect((retryAtMs as number) - clock.now()).toBeLessThanOrEqual(30_000)
  })

  it('[SES4][C11] counts as stable only after a while: a server that drops everybody is not hammered', async () => {
    const { clock, client, server } = await openScripted(owner, {
      script: {
        onReq(link, id) {
          link.send('EOSE', id, ['cursor:c1'])
          link.close(1011, 'broken')
        },
      },
    })
    client.connect()
    await clock.advance(3_600_000)
    expect(server.dialledAt.length).toBeLessThan(3_600 / 8)
    // Stable for long enough: the next delay is short again.
    server.script.onReq = (link, id) => link.send('EOSE', id, ['cursor:c1'])
    client.wake()
    await clock.advance(60_000)
    expect(client.status.connection).toBe('live')
    const before = server.dialledAt.length
    const cutAtMs = clock.now()
    server.link.close(1006)
    await clock.advance(600)
    expect(server.dialledAt.length).toBe(before + 1)
    expect((server.dialledAt[before] as number) - cutAtMs).toBeLessThan(510)
  })

  it('[SES5][C11] is not made again where the server says not to come back, 4400 to 4499', async () => {
    for (const code of [4400, 4403, 4499]) {
      const { clock, client, server } = await openScripted(owner, {
        script: { onAuth: (link) => link.close(code, 'go away') },
      })
      client.connect()
      await clock.advance(3_600_000)
      expect(server.dialledAt).toHaveLength(1)
      expect(client.status).toMatchObject({
        connection: 'stopped',
        problem: { code: 'CONNECTION_FAILED', message: expect.stringContaining('go away') },
      })
      expect(await during(clock, client.synced())).toBe(false)
      // The app may decide otherwise.
      server.script.onAuth = (link, event) => link.send('OK', event.id, true, '')
      client.connect()
      await clock.advance(1_000)
      expect(client.status.connection).toBe('live')
    }
  })

  it('[SES5][C11] is made again after every other code', async () => {
    for (const code of [1000, 1001, 1006, 1008, 1011, 1012, 1013, 3000, 4000, 4399, 4500]) {
      const { clock, client, server } = await openScripted(owner)
      client.connect()
      await clock.advance(500)
      server.link.close(code)
      await clock.advance(2_000)
      expect(client.status.connection, `after ${code}`).toBe('live')
    }
  })

  it('[SES6][C11] stops at a login that is wrong, and tries again where it may heal', async () => {
    const { clock, client, server } = await openScripted(owner, {
      script: { onAuth: (link, event) => link.send('OK', event.id, false, 'error: the disk is full') },
    })
    client.connect()
    await clock.advance(10_000)
    expect(server.dialledAt.length).toBeGreaterThan(2)
    expect(client.status).toMatchObject({ connection: 'waiting', problem: { code: 'CONNECTION_FAILED' } })
    server.script.onAuth = (link, event) => link.send('OK', event.id, false, 'restricted: not on the list')
    await clock.advance(60_000)
    const attempts = server.dialledAt.length
    expect(client.status).toMatchObject({
      connection: 'stopped',
      problem: { code: 'AUTH_INVALID', message: expect.stringContaining('not on the list') },
    })
    await clock.advance(3_600_000)
    expect(server.dialledAt).toHaveLength(attempts)
  })
})

describe('a server that does not fit', () => {
  it('[SES7][PLN1] gets nothing where plain relays are refused: a relay without yjs_sync would keep only the newest update', async () => {
    for (const info of [{}, null, { yjs_sync: true }, { yjs_sync: 2 }, []]) {
      const { clock, client, server } = await openScripted(owner, {
        script: { info: async () => info },
        plainRelays: 'refuse',
      })
      await client.chats.create({ id: 'oslo' })
      client.connect()
      await clock.advance(60_000)
      expect(client.status).toMatchObject({
        connection: 'stopped',
        unsent: 1,
        problem: { code: 'RELAY_UNSUITABLE' },
      })
      expect(server.received('REQ')).toEqual([])
      expect(server.events()).toEqual([])
    }
  })

  it('[SES7] is asked again when the app connects again', async () => {
    const { clock, client, server } = await openScripted(owner, {
      script: { info: async () => ({}) },
      plainRelays: 'refuse',
    })
    client.connect()
    await clock.advance(1_000)
    expect(client.status.connection).toBe('stopped')
    server.script.info = async () => ({ yjs_sync: 1 })
    client.connect()
    await clock.advance(1_000)
    expect(client.status).toMatchObject({ connection: 'live', problem: undefined })
  })

  it('[SES7] that can not be asked for now is asked with each attempt, also where it never answered', async () => {
    const { clock, client, server } = await openScripted(owner, {
      script: { info: () => new Promise(() => {}) },
    })
    client.connect()
    await clock.advance(60_000)
    expect(client.status.problem?.code).toBe('CONNECTION_FAILED')
    server.script.info = () => Promise.reject(new Error('HTTP 502'))
    await clock.advance(60_000)
    expect(client.status.connection).not.toBe('stopped')
    server.script.info = async () => ({ yjs_sync: 1 })
    await clock.advance(60_000)
    expect(client.status.connection).toBe('live')
  })
})

describe('a server that does not say what it is', () => {
  it('[SES14] is not waited for once the attempt is over', async () => {
    const signals: (AbortSignal | undefined)[] = []
    const { clock, client } = await openScripted(owner, {
      script: {
        info(signal) {
          signals.push(signal)
          return new Promise(() => {})
        },
      },
    })
    client.connect()
    await clock.advance(30_000)
    const isOver = signals.map((signal) => signal?.aborted)
    expect(isOver.length).toBeGreaterThan(1)
    expect(isOver).toEqual([...isOver.slice(1).map(() => true), false])
    await client.close()
    expect(signals.at(-1)?.aborted).toBe(true)
  })

  // Longer than the transport itself would wait is too long.
  it('[SES14] is let go of by the transport, too', { timeout: 10_000 }, async () => {
    const silent = createServer(() => {})
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve))
    const { port } = silent.address() as AddressInfo
    const abort = new AbortController()
    const arrived = new Promise((resolve) => silent.once('connection', resolve))
    const url = `ws://127.0.0.1:${port}/sync`
    const asking = createNodeTransport().fetchInfo(url, abort.signal)
    await Promise.all([
      expect(asking).rejects.toMatchObject({ code: 'CONNECTION_FAILED' }),
      arrived.then(() => abort.abort()),
    ])
    await expect(createNodeTransport().fetchInfo(url, abort.signal)).rejects.toThrow()
    await new Promise((resolve) => silent.close(resolve))
  })
})

describe('the login', () => {
  it('[SES8][C14] is never sent in another name: the session stops', async () => {
    const signer = new PlainKeySigner(owner.secretKey)
    const other = new PlainKeySigner(stranger.secretKey)
    const { clock, client, server } = await openScripted(owner, {
      signer: { getPublicKey: () => signer.getPublicKey(), signEvent: (event) => other.signEvent(event) },
    })
    await client.chats.create({ id: 'oslo' })
    client.connect()
    await clock.advance(60_000)
    expect(client.status).toMatchObject({ connection: 'stopped', problem: { code: 'IDENTITY_MISMATCH' } })
    expect(server.links.flatMap((link) => link.received)).toEqual([])
  })

  it('[SES8][C5] is tried again when the signer fails once', async () => {
    const signer = new PlainKeySigner(owner.secretKey)
    let failures = 1
    const { clock, client } = await openScripted(owner, {
      signer: {
        getPublicKey: () => signer.getPublicKey(),
        signEvent: (event) =>
          failures-- > 0 ? Promise.reject(new Error('declined')) : signer.signEvent(event),
      },
    })
    client.connect()
    await clock.advance(10)
    expect(client.status).toMatchObject({ connection: 'waiting', problem: { code: 'SIGNER_FAILED' } })
    await clock.advance(2_000)
    expect(client.status).toMatchObject({ connection: 'live', problem: undefined })
  })

  it('[SES8] may take as long as a person takes to confirm', async () => {
    const signer = new PlainKeySigner(owner.secretKey)
    const { clock, client, server } = await openScripted(owner, {
      signer: {
        getPublicKey: () => signer.getPublicKey(),
        async signEvent(event) {
          await new Promise<void>((resolve) => clock.setTimeout(resolve, 90_000))
          return signer.signEvent(event)
        },
      },
    })
    client.connect()
    await clock.advance(91_000)
    expect(client.status.connection).toBe('live')
    expect(server.dialledAt).toHaveLength(1)
  })

  it('[SES9][C12] names the server’s time where the device’s clock is wrong; edits sync once it is right', async () => {
    for (const skewMs of [-365 * 86_400_000, 3_600_000]) {
      const world = await startWorld(`skew ${skewMs}`, { alice: ['laptop', 'phone'] })
      const laptop = deviceOf(world, 'laptop')
      world.network.setOnline('laptop', false)
      laptop.skewMs = skewMs
      await during(world, clientOf(world, 'laptop').chats.create({ id: 'oslo' }))
      await during(world, clientOf(world, 'laptop').chats.send('oslo', 'at the wrong time'))
      world.network.setOnline('laptop', true)
      await world.advance(60_000)
      const { connection, problem, unsent } = clientOf(world, 'laptop').status
      expect([connection === 'live', problem?.code, unsent]).toEqual([false, 'AUTH_CLOCK_SKEW', 2])
      expect(problem?.message).toContain(new Date(world.clock.now()).toISOString().slice(0, 13))
      laptop.skewMs = 0
      await world.advance(60_000)
      expect(clientOf(world, 'laptop').status).toMatchObject({ unsent: 0, problem: undefined })
      const chat = await during(world, clientOf(world, 'phone').chats.read('oslo'))
      expect(chat.messages.map(({ content }) => content)).toEqual(['at the wrong time'])
    }
  })

  it('[SES9][C12] does not matter once logged in: a clock that jumps keeps syncing', async () => {
    for (const skewMs of [-365 * 86_400_000, 3_600_000]) {
      const world = await startWorld(`jump ${skewMs}`, { alice: ['laptop', 'phone'] })
      deviceOf(world, 'laptop').skewMs = skewMs
      const laptop = clientOf(world, 'laptop')
      await during(world, laptop.chats.create({ id: 'oslo' }))
      const { id } = await during(world, laptop.chats.send('oslo', 'first'))
      await world.advance(20_000)
      await during(world, clientOf(world, 'phone').chats.edit('oslo', id, 'second'))
      await world.advance(20_000)
      await during(world, laptop.chats.edit('oslo', id, 'third'))
      await world.advance(20_000)
      expect(textsOf(await serverDocument(world, `30001:${laptop.pubkey}:oslo`))).toEqual(['third'])
      const chat = await during(world, clientOf(world, 'phone').chats.read('oslo'))
      expect(chat.messages.map(({ content }) => content)).toEqual(['third'])
    }
  })
})

describe('a socket that looks open and is dead', () => {
  it('[SES10][C9] is found out by a ping and replaced', async () => {
    const world = await startWorld('half open', { alice: ['laptop', 'phone'] })
    await during(world, clientOf(world, 'laptop').chats.create({ id: 'oslo' }))
    await world.advance(5_000)
    world.network.halfOpen('laptop')
    await during(world, clientOf(world, 'phone').chats.send('oslo', 'are you there?'))
    await during(world, clientOf(world, 'laptop').chats.send('oslo', 'I am'))
    await world.advance(20_000)
    expect(clientOf(world, 'laptop').status.unsent).toBe(1)
    await world.advance(25_000)
    expect(clientOf(world, 'laptop').status).toMatchObject({ unsent: 0, connection: 'live' })
    const { messages } = await during(world, clientOf(world, 'laptop').chats.read('oslo'))
    expect(messages.map(({ content }) => content).sort()).toEqual(['I am', 'are you there?'])
  })

  it('[SES10][C9] is found out within the deadline of a ping after wake()', async () => {
    const { clock, client, server } = await openScripted(owner)
    client.connect()
    await clock.advance(1_000)
    server.script.onReq = () => {}
    client.wake()
    await clock.advance(9_900)
    expect(server.dialledAt).toHaveLength(1)
    server.script.onReq = (link, id) => link.send('EOSE', id, ['cursor:c1'])
    await clock.advance(1_000)
    expect(server.dialledAt).toHaveLength(2)
    expect(client.status.connection).toBe('live')
  })

  it('[SES10][C9] is not suspected while it answers', async () => {
    const { clock, client, server } = await openScripted(owner)
    client.connect()
    await clock.advance(3_600_000)
    expect(server.dialledAt).toHaveLength(1)
    const pings = server.received('REQ').filter(([, id]) => id === 'ping')
    expect(pings.length).toBeGreaterThan(100)
    expect(pings[0]).toEqual(['REQ', 'ping', { kinds: [10001], limit: 0 }])
    expect(server.received('CLOSE')).toHaveLength(pings.length)
  })

  it('[SES10][C9] gets the time to answer: what asks for a sign of life is closed with the answer, not before', async () => {
    const { clock, client, server } = await openScripted(owner)
    client.connect()
    await clock.advance(1_000)
    server.script.onReq = (link, id) => {
      clock.setTimeout(() => {
        const isClosed = link.received.some(([type, of]) => type === 'CLOSE' && of === id)
        if (!isClosed) link.send('EOSE', id, [])
      }, 20)
    }
    await clock.advance(26_000)
    expect(server.received('CLOSE')).toEqual([['CLOSE', 'ping']])
    server.script.onReq = (link, id) => link.send('CLOSED', id, 'error: too many')
    await clock.advance(26_000)
    expect(server.received('CLOSE')).toHaveLength(1)
    expect(server.dialledAt).toHaveLength(1)
  })

  it('[SES10][C9] to a real server is answered, however often it asks', async () => {
    const server = await runServer()
    const transport = createNodeTransport()
    let dials = 0
    let answers = 0
    const client = await createSyncClient({
      store: createMemoryStore(),
      signer: new PlainKeySigner(owner.secretKey),
      url: server.url,
      transport: {
        ...transport,
        dial(url, handlers) {
          dials++
          const onMessage = (text: string) => {
            if (text.startsWith('["EOSE","ping"')) answers++
            handlers.onMessage(text)
          }
          return transport.dial(url, { ...handlers, onMessage })
        },
      },
      heartbeat: { afterMs: 10, timeoutMs: 25_000 },
    })
    afterThisTest(() => client.close())
    client.connect()
    // So that there is something to read before it answers.
    await client.settings.set('activeModel', 'opus')
    await vi.waitFor(() => expect(answers).toBeGreaterThan(20), { timeout: 20_000 })
    expect([dials, client.status.connection]).toEqual([1, 'live'])
  })

  it('[SES10][C9] is given up when the server goes silent at any step', async () => {
    const silent = () => {}
    for (const script of [{ onConnect: silent }, { onAuth: silent }, { onReq: silent }]) {
      const { clock, client, server } = await openScripted(owner, { script })
      client.connect()
      await clock.advance(22_000)
      expect(server.dialledAt.length).toBeGreaterThan(1)
      expect(client.status.problem).toMatchObject({
        code: 'CONNECTION_FAILED',
        message: expect.stringContaining('did not answer within 20 s'),
      })
    }
  })

  it('[SES11][C9] wake() tries at once where it was waiting, and begins the delays anew', async () => {
    const { clock, client, server } = await openScripted(owner, { script: { isUp: false } })
    client.connect()
    await clock.advance(600_000)
    const attempts = server.dialledAt.length
    client.wake()
    await clock.advance(5)
    expect(server.dialledAt).toHaveLength(attempts + 1)
    const { retryAtMs } = client.status
    expect((retryAtMs as number) - clock.now()).toBeLessThanOrEqual(500)
    server.script.isUp = true
    client.wake()
    await clock.advance(100)
    expect(client.status.connection).toBe('live')
  })
})

describe('the subscription', () => {
  it('[SES12] that the server ends is asked for again', async () => {
    const { clock, client, server } = await openScripted(owner)
    client.connect()
    await clock.advance(500)
    server.link.send('CLOSED', 'sync', 'error: the log can not be read')
    await clock.advance(50)
    await clock.advance(2_000)
    expect(client.status.connection).toBe('live')
    expect(server.dialledAt).toHaveLength(2)
  })

  it('[SES12] starts over where the server can not read the cursor', async () => {
    const store = createMemoryStore()
    const signer = new PlainKeySigner(owner.secretKey)
    await createSyncClient({ store, signer })
    await store.commit({ meta: { cursor: 'of another time' } })
    const { clock, client, server } = await openScripted(owner, {
      store,
      script: {
        onReq(link, id, [filter]) {
          if (filter?.after === 'of another time') link.send('CLOSED', id, 'invalid: not a cursor of mine')
          else link.send('EOSE', id, ['finish', 'cursor:c1'])
        },
      },
    })
    client.connect()
    await clock.advance(2_000)
    expect(client.status).toMatchObject({ connection: 'live', cursor: 'c1' })
    expect(server.dialledAt).toHaveLength(1)
  })
})

describe('secrets', () => {
  it('[SES13][C18] appear in no frame, event, stored row or log line', async () => {
    const lines: string[] = []
    const note = (message: string, fields?: Record<string, unknown>) =>
      void lines.push(`${message} ${JSON.stringify(fields)}`)
    const logger: Logger = { debug: note, info: note, warn: note, error: note }
    const server = await runServer({ logger })
    const frames: string[] = []
    const recording = (transport: Transport): Transport => ({
      fetchInfo: (url) => transport.fetchInfo(url),
      dial(url, handlers): Connection {
        const connection = transport.dial(url, {
          ...handlers,
          onOpen: () => handlers.onOpen(),
          onClose: (code, reason) => handlers.onClose(code, reason),
          onMessage(text) {
            frames.push(text)
            handlers.onMessage(text)
          },
        })
        return {
          close: (code, reason) => connection.close(code, reason),
          send(text) {
            frames.push(text)
            connection.send(text)
          },
        }
      },
    })
    const store = createMemoryStore()
    const client = await createSyncClient({
      store,
      logger,
      url: server.url,
      signer: new PlainKeySigner(owner.secretKey),
      transport: recording(createNodeTransport()),
    })
    afterThisTest(() => client.close())
    await client.chats.create({ id: 'oslo', title: 'Trip' })
    const { id } = await client.chats.send('oslo', 'hello')
    await client.training.setConsent(true)
    await client.training.submit('oslo', id, 5)
    await client.settings.set('theme', 'dark')
    await client.chats.setMembers('oslo', [stranger.publicKey])
    await expect(client.settings.set('note', nsecEncode(owner.secretKey))).rejects.toMatchObject({
      code: 'VALUE_INVALID',
    })
    client.connect()
    expect(await client.synced({ timeoutMs: 20_000 })).toBe(true)
    const kept = [
      await store.loadMeta(),
      await store.loadDocuments(),
      await store.loadOutbox(),
      ...(await Promise.all(
        (['chats', 'messages', 'settings'] as const).map((table) => store.loadRows(table)),
      )),
      client.status,
    ]
    const decoder = new TextDecoder('latin1')
    const documents = await store.loadDocuments()
    const updates = await Promise.all(documents.map(({ address }) => store.loadUpdates(address)))
    const texts = [
      ...frames,
      // What is base64 in a frame.
      ...frames.map(carriedText),
      ...kept.map((value) => JSON.stringify(value)),
      ...updates.flat().map(({ update }) => decoder.decode(update)),
      ...lines,
    ]
    const everything = texts.join('\n')
    // It would be seen: the public key and the text are.
    expect(everything).toContain(owner.publicKey)
    expect(everything).toContain('hello')
    expect(frames.length).toBeGreaterThan(8)
    for (const secret of [
      bytesToHex(owner.secretKey),
      nsecEncode(owner.secretKey),
      'nsec1',
      Buffer.from(owner.secretKey).toString('base64'),
      decoder.decode(owner.secretKey),
    ])
      expect(everything.toLowerCase()).not.toContain(secret.toLowerCase())
  })
})

/** The Yjs update that a frame carries, as text; empty for a frame that carries none. */
function carriedText(frame: string): string {
  const event = (JSON.parse(frame) as unknown[]).find((item) => isDocumentKind(Object(item).kind))
  if (event === undefined) return ''
  const { content, tags } = event as NostrEvent
  const { update } = decodeContent(content, parseEncodingTag({ tags }), DEFAULT_LIMITS)
  return Buffer.from(update).toString('latin1')
}

describe('what a status promises', () => {
  it('[STA14] nothing is live or caught up before everything received is stored', async () => {
    const world = await startWorld('caught up', { alice: ['laptop', 'phone'] })
    world.network.setOnline('phone', false)
    const laptop = clientOf(world, 'laptop')
    await during(world, laptop.chats.create({ id: 'oslo' }))
    for (let n = 0; n < 10; n++) await during(world, laptop.chats.send('oslo', `m${n}`))
    await during(world, laptop.synced())
    const head = (await serverEvents(world.serverDisk.contents)).length
    expect(head).toBeGreaterThan(0)
    const phone = deviceOf(world, 'phone')
    const early: string[] = []
    const { disk, client } = phone
    client?.onStatus((status) => {
      if (!status.isCaughtUp) return
      void disk.contents.loadRows('messages').then((rows) => {
        if (rows.length !== 10) early.push(`${rows.length} of 10`)
      })
    })
    world.network.setOnline('phone', true)
    client?.wake()
    await world.advance(60_000)
    expect(client?.status.isCaughtUp).toBe(true)
    expect(early).toEqual([])
  })
})
