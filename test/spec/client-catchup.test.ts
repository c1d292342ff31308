import { createMemoryStore, type StoreBatch, type SyncStore } from '@onyx-sync/client'
import { hasSameState, type Logger, type NostrEvent, silentLogger } from '@onyx-sync/shared'
import { createSeededRandom } from '@onyx-sync/testing'
import { describe, expect, it } from 'vitest'
import * as Y from 'yjs'
import { chatAddressText, chatEvent, membersOf, sign, testKey } from '../support/events.js'
import { openScripted, type ScriptedLink } from '../support/scripted-server.js'
import {
  clientOf,
  deviceOf,
  during,
  serverDocument,
  serverEvents,
  startWorld,
  storedDocument,
  textsOf,
} from '../support/worlds.js'

const owner = testKey(1)
const stranger = testKey(2)
const address = chatAddressText(owner)

/** The updates of one document, one per message, as a device makes them. */
function messageUpdates(texts: readonly string[], clientId = 77): Uint8Array[] {
  const doc = new Y.Doc()
  doc.clientID = clientId
  const updates: Uint8Array[] = []
  doc.on('update', (update: Uint8Array) => updates.push(update))
  for (const text of texts) {
    const map = new Y.Map<unknown>(Object.entries({ id: `id-${text}`, content: new Y.Text(text) }))
    doc.getArray('messages').push([map])
  }
  return updates
}

function eventsOf(updates: readonly Uint8Array[]): NostrEvent[] {
  return updates.map((update) => chatEvent(owner, { update }))
}

/** A server that brings these events to the subscription, each with its cursor, then its EOSE. */
function brings(events: readonly NostrEvent[], log: readonly NostrEvent[] = events) {
  return {
    onReq(link: ScriptedLink, id: string, [filter]: readonly Record<string, unknown>[]) {
      if (id === 'ping') return link.send('EOSE', id, [])
      if (id === 'log') {
        for (const event of [...log].reverse()) link.send('EVENT', id, event)
        return link.send('EOSE', id, ['finish'])
      }
      const from = Number(String(filter?.after).slice(1) || 0)
      for (const [index, event] of events.entries())
        if (index >= from) link.send('EVENT', id, event, `c${index + 1}`)
      link.send('EOSE', id, ['finish', `cursor:c${events.length}`])
    },
  }
}

const messagesIn = async (store: SyncStore) =>
  (await store.loadRows('messages'))
    .sort((a, b) => Number(a.position) - Number(b.position))
    .map((row) => row.content)

describe('the cursor', () => {
  it('[CAT1][C3] is stored in the same batch as what it covers, or later', async () => {
    const events = eventsOf(messageUpdates(Array.from({ length: 300 }, (_, n) => `m${n}`)))
    const store = createMemoryStore()
    const seen: number[] = []
    const watched: SyncStore = {
      ...store,
      async commit(batch: StoreBatch) {
        await store.commit(batch)
        const cursor = batch.meta?.cursor
        if (cursor === undefined) return
        const covered = Number(cursor.slice(1))
        seen.push(covered)
        expect(textsOf(await storedDocument(store, address)).length).toBeGreaterThanOrEqual(covered)
      },
    }
    const { clock, client } = await openScripted(owner, { store: watched, script: brings(events) })
    client.connect()
    await clock.advance(5_000)
    expect(seen.length).toBeGreaterThan(1)
    expect(client.status).toMatchObject({ cursor: 'c300', isCaughtUp: true })
  })

  it('[CAT1][C3][C15] on disk stays where it was while what came can not be stored; nothing is live meanwhile', async () => {
    const events = eventsOf(messageUpdates(['a', 'b']))
    const store = createMemoryStore()
    let isFull = false
    const failing: SyncStore = {
      ...store,
      commit: (batch) => (isFull ? Promise.reject(new Error('disk full')) : store.commit(batch)),
    }
    const { clock, client } = await openScripted(owner, { store: failing, script: brings(events) })
    isFull = true
    client.connect()
    for (let minute = 0; minute < 3; minute++) {
      await clock.advance(minute === 0 ? 1_000 : 60_000)
      expect(client.status).toMatchObject({ isCaughtUp: false, problem: { code: 'STORE_FAILED' } })
      expect([(await store.loadMeta()).cursor, await store.loadUpdates(address)]).toEqual([undefined, []])
    }
    isFull = false
    await clock.advance(60_000)
    expect(client.status).toMatchObject({ cursor: 'c2', isCaughtUp: true, problem: undefined })
    expect((await store.loadMeta()).cursor).toBe('c2')
    expect(await messagesIn(store)).toEqual(['a', 'b'])
    expect(await store.loadUpdates(address)).toHaveLength(2)
  })

  it('[CAT1][C3] covers nothing that is missing after a crash at any moment of catching up', async () => {
    for (let seed = 0; seed < 25; seed++) {
      const world = await startWorld(`cursor ${seed}`, { alice: ['laptop', 'phone'] })
      const laptop = clientOf(world, 'laptop')
      world.network.setOnline('phone', false)
      await during(world, laptop.chats.create({ id: 'oslo' }))
      for (let n = 0; n < 12; n++) await during(world, laptop.chats.send('oslo', `m${n}`))
      await during(world, laptop.synced())
      world.network.setOnline('phone', true)
      clientOf(world, 'phone').wake()
      await world.advance(40 + seed * 15)
      deviceOf(world, 'phone').crash()
      await world.advance(100)
      deviceOf(world, 'phone').start()
      await world.advance(60_000)
      const chat = chatOf(world, 'laptop')
      expect(textsOf(await storedDocument(deviceOf(world, 'phone').disk.contents, chat))).toHaveLength(12)
    }
  })
})

const chatOf = (world: Awaited<ReturnType<typeof startWorld>>, name: string, id = 'oslo') =>
  `30001:${deviceOf(world, name).pubkey}:${id}`

describe('what arrives out of order', () => {
  const [first, second, third] = eventsOf(messageUpdates(['one', 'two', 'three'])) as [
    NostrEvent,
    NostrEvent,
    NostrEvent,
  ]

  it('[CAT2][Y3] keeps an update that only waits, as it was received, across a restart', async () => {
    const store = createMemoryStore()
    const { clock, client } = await openScripted(owner, { store, script: brings([second], []) })
    client.connect()
    await clock.advance(1_000)
    expect(client.status).toMatchObject({ isCaughtUp: true, setAside: 0 })
    expect(await store.loadUpdates(address)).toHaveLength(1)

    const again = await openScripted(owner, { store, script: brings([second, first]), seed: 'again' })
    again.client.connect()
    await again.clock.advance(1_000)
    expect(textsOf(await storedDocument(store, address))).toEqual(['one', 'two'])
    expect(await messagesIn(store)).toEqual(['one', 'two'])
  })

  it('[CAT3][Y4] leaves the query tables alone while something is missing', async () => {
    const store = createMemoryStore()
    const { clock, client, server } = await openScripted(owner, { store, script: brings([first], []) })
    client.connect()
    await clock.advance(1_000)
    const before = [await store.loadRows('chats'), await store.loadRows('messages')]
    server.link.send('EVENT', 'sync', third, 'c3')
    await clock.advance(1_000)
    expect((await store.loadMeta()).cursor).toBe('c3')
    expect([await store.loadRows('chats'), await store.loadRows('messages')]).toEqual(before)
    server.link.send('EVENT', 'sync', second, 'c4')
    await clock.advance(1_000)
    expect(await messagesIn(store)).toEqual(['one', 'two', 'three'])
  })

  it('[CAT3][Y4] keeps showing what a deletion that came too early has taken from the document', async () => {
    const doc = new Y.Doc()
    const updates: Uint8Array[] = []
    doc.on('update', (update: Uint8Array) => updates.push(update))
    const metadata = doc.getMap('metadata')
    metadata.set('title', 'first')
    metadata.set('model', 'opus')
    metadata.set('title', 'second')
    const [a, b, c] = eventsOf(updates) as [NostrEvent, NostrEvent, NostrEvent]
    const store = createMemoryStore()
    const { clock, client, server } = await openScripted(owner, { store, script: brings([a], []) })
    client.connect()
    await clock.advance(1_000)
    server.link.send('EVENT', 'sync', c, 'c2')
    await clock.advance(1_000)
    // Yjs has deleted the first title already, and the second still waits for the model.
    expect((await storedDocument(store, address)).getMap('metadata').has('title')).toBe(false)
    const title = async () => (await client.chats.list())[0]?.title
    expect(await title()).toBe('first')
    server.link.send('EVENT', 'sync', b, 'c3')
    await clock.advance(1_000)
    expect(await title()).toBe('second')
  })

  it('[CAT4][Y2] notices a gap, and fills it from the log of that document', async () => {
    const store = createMemoryStore()
    const { clock, client, server } = await openScripted(owner, {
      store,
      script: brings([first, third], [first, second, third]),
    })
    client.connect()
    await clock.advance(1_000)
    expect(await messagesIn(store)).toEqual(['one', 'two', 'three'])
    const asked = server.received('REQ').filter(([, id]) => id === 'log')
    expect(asked).toEqual([
      [
        'REQ',
        'log',
        { kinds: [30001], authors: [owner.publicKey], '#d': ['chat'] },
        { kinds: [30001], '#a': [address] },
      ],
    ])
    // Part of one log says nothing of the rest: the cursor is the subscription's.
    expect(client.status.cursor).toBe('c2')
    // What waited already is not kept a second time.
    expect(await store.loadUpdates(address)).toHaveLength(3)
  })

  it('[CAT4][Y2] asks once per connection for a gap that nobody can fill, and its log does not grow', async () => {
    const store = createMemoryStore()
    const { clock, client, server } = await openScripted(owner, {
      store,
      script: brings([first, third], [first, third]),
    })
    client.connect()
    await clock.advance(200_000)
    const asked = () => server.received('REQ').filter(([, id]) => id === 'log').length
    expect(asked()).toBe(1)
    for (let n = 0; n < 3; n++) {
      server.link.close(1006)
      await clock.advance(60_000)
    }
    expect(client.status.isCaughtUp).toBe(true)
    expect(asked()).toBe(4)
    expect(await store.loadUpdates(address)).toHaveLength(2)
  })

  it('[CAT4][Y2] asks for one document after another, and a refused question holds up nothing', async () => {
    const updates = messageUpdates(['one', 'two', 'three'])
    const gapIn = (chatId: string) =>
      [updates[0], updates[2]].map((update) => chatEvent(owner, { chatId, update: update as Uint8Array }))
    const fill = chatEvent(owner, { chatId: 'b', update: updates[1] as Uint8Array })
    const plain = brings([...gapIn('a'), ...gapIn('b')])
    const { clock, client, server } = await openScripted(owner, {
      script: {
        onReq(link, id, filters) {
          if (id !== 'log') return plain.onReq(link, id, filters)
          if ((filters[0] as { '#d': string[] })['#d'][0] === 'a')
            return link.send('CLOSED', id, 'error: not now')
          link.send('EVENT', id, fill)
          link.send('EOSE', id, ['finish'])
        },
      },
    })
    client.connect()
    await clock.advance(2_000)
    expect((await client.chats.read('b')).messages.map(({ content }) => content)).toEqual([
      'one',
      'two',
      'three',
    ])
    expect(server.received('REQ').filter(([, id]) => id === 'log')).toHaveLength(2)
    expect(client.status.connection).toBe('live')
  })
})

describe('what is not what its author signed', () => {
  it('[CAT5][Y9] sets aside events with a flipped bit, and applies the rest', async () => {
    const [good, other] = eventsOf(messageUpdates(['good', 'other'])) as [NostrEvent, NostrEvent]
    const random = createSeededRandom('flips')
    const content = Buffer.from(good.content, 'base64')
    const damaged = Array.from({ length: 200 }, () => {
      const copy = Buffer.from(content)
      const at = random.below(copy.length)
      copy[at] = (copy[at] as number) ^ (1 << random.below(8))
      return { ...good, content: copy.toString('base64') }
    })
    const store = createMemoryStore()
    const { clock, client } = await openScripted(owner, {
      store,
      script: brings([...damaged, good, other]),
    })
    client.connect()
    await clock.advance(2_000)
    expect(client.status).toMatchObject({ setAside: 200, isCaughtUp: true })
    expect(await messagesIn(store)).toEqual(['good', 'other'])
    expect(await store.loadUpdates(address)).toHaveLength(2)
  })

  it('[CAT5][Y9] sets aside what another key signed in the name of the author', async () => {
    const template = chatEvent(owner)
    const forged = { ...template, sig: sign(stranger, template).sig }
    const { clock, client } = await openScripted(owner, { script: brings([forged]) })
    client.connect()
    await clock.advance(1_000)
    expect(client.status).toMatchObject({ setAside: 1, documents: 0, isCaughtUp: true })
  })

  it('[CAT5] believes a statement of members only when it is signed', async () => {
    const stated = chatEvent(owner, { members: membersOf(stranger) })
    const { clock, client } = await openScripted(owner, {
      script: brings([chatEvent(owner), { ...stated, sig: '0'.repeat(128) }]),
    })
    client.connect()
    await clock.advance(1_000)
    const server = client.status
    expect(server.setAside).toBe(1)
  })
})

describe('a bad row on the device’s disk', () => {
  const updates = messageUpdates(['one', 'two', 'three'])

  async function damagedStore(log: readonly NostrEvent[], badSeq = 2) {
    const store = createMemoryStore()
    const first = await openScripted(owner, { store, script: brings(log) })
    first.client.connect()
    await first.clock.advance(1_000)
    await first.client.disconnect()
    const damaged: SyncStore = {
      ...store,
      async loadUpdates(of) {
        const rows = await store.loadUpdates(of)
        return rows.map((row) => (row.seq === badSeq ? { ...row, update: row.update.subarray(0, 9) } : row))
      },
    }
    const errors: string[] = []
    const logger: Logger = { ...silentLogger, error: (message) => errors.push(message) }
    return { store: damaged, errors, logger }
  }

  it('[CAT6][Y9] is set aside and reported, and the rest is served', async () => {
    const { store, errors, logger } = await damagedStore(eventsOf(updates))
    const { client } = await openScripted(owner, { store, logger, seed: 'again' })
    expect((await client.chats.read('chat')).messages.map(({ content }) => content)).toEqual(['one'])
    expect(errors).toEqual(['a stored update can not be applied'])
    await client.chats.create({ id: 'other' })
    expect((await client.chats.list()).map(({ id }) => id)).toContain('other')
  })

  it('[CAT6][Y9] is mended from the server’s log, query tables included', async () => {
    // With a later row that waits for it, and without.
    for (const [badSeq, left] of [
      [2, 1],
      [3, 2],
    ] as const) {
      const log = eventsOf(updates)
      const { store, logger } = await damagedStore(log, badSeq)
      const { client, clock } = await openScripted(owner, {
        store,
        logger,
        script: brings(log),
        seed: 'again',
      })
      expect((await client.chats.read('chat')).messages).toHaveLength(left)
      client.connect()
      await clock.advance(1_000)
      const texts = (await client.chats.read('chat')).messages.map(({ content }) => content)
      expect(texts).toEqual(['one', 'two', 'three'])
      expect(await messagesIn(store)).toEqual(['one', 'two', 'three'])
    }
  })
})

describe('a reconnect', () => {
  async function costOfReconnect(edits: number) {
    const toServer: string[] = []
    const toDevice: string[] = []
    const world = await startWorld(
      'reconnect',
      { alice: ['laptop'] },
      {
        onDelivered: (_device, text) => void toDevice.push(text),
        fault: {
          name: 'none',
          summary: 'only listens',
          wrapTransport: (transport) => ({
            ...transport,
            dial(url, handlers) {
              const connection = transport.dial(url, handlers)
              return {
                ...connection,
                send(text) {
                  toServer.push(text)
                  connection.send(text)
                },
              }
            },
          }),
        },
      },
    )
    const client = clientOf(world, 'laptop')
    await during(world, client.chats.create({ id: 'oslo' }))
    for (let n = 0; n < edits; n++) {
      const { id } = await during(world, client.chats.send('oslo', `message ${n}`))
      if (n % 3 === 0) await during(world, client.chats.deleteMessage('oslo', id))
    }
    await during(world, client.synced())
    await world.advance(5_000)
    client.disconnect()
    await world.advance(2_000)
    toServer.length = 0
    toDevice.length = 0
    client.connect()
    await world.advance(5_000)
    expect(client.status.isCaughtUp).toBe(true)
    const types = (texts: readonly string[]) => texts.map((text) => (JSON.parse(text) as string[])[0])
    const bytes = [...toServer, ...toDevice].reduce((sum, text) => sum + text.length, 0)
    return { sent: types(toServer), received: types(toDevice), bytes }
  }

  it('[CAT7][Y12] costs the same five messages whether there is little or much, when nothing changed', async () => {
    const little = await costOfReconnect(3)
    const much = await costOfReconnect(60)
    expect(much.sent).toEqual(['AUTH', 'REQ'])
    expect(much.received).toEqual(['AUTH', 'OK', 'EOSE'])
    expect(much.bytes).toBeLessThan(1_300)
    expect(Math.abs(much.bytes - little.bytes)).toBeLessThan(16)
  })
})

describe('copies and meetings', () => {
  it('[CAT8][Y5] lets two devices grow from one backup and meet again', async () => {
    const world = await startWorld('clone', { alice: ['laptop', 'phone'] })
    const laptop = deviceOf(world, 'laptop')
    await during(world, clientOf(world, 'laptop').chats.create({ id: 'oslo' }))
    await during(world, clientOf(world, 'laptop').chats.send('oslo', 'before', { id: 'm' }))
    await during(world, clientOf(world, 'laptop').synced())
    const backup = laptop.disk.contents
    const updates = await backup.loadUpdates(chatOf(world, 'laptop'))
    // A second process on the same data, as a cloned database is: it must not write under the same Yjs id.
    const clone = world.addDevice('clone', 'alice')
    await clone.disk.contents.commit({
      updates,
      documents: await backup.loadDocuments(),
      meta: await backup.loadMeta(),
    })
    clone.start()
    await world.advance(5_000)
    for (const name of ['laptop', 'clone']) world.network.setOnline(name, false)
    for (const name of ['laptop', 'clone']) {
      await during(world, clientOf(world, name).chats.edit('oslo', 'm', `before, and ${name}`))
      await during(world, clientOf(world, name).chats.send('oslo', `by ${name}`))
    }
    for (const name of ['laptop', 'clone']) world.network.setOnline(name, true)
    await world.advance(60_000)
    const chat = chatOf(world, 'laptop')
    const onServer = await serverDocument(world, chat)
    expect(textsOf(onServer).slice(1).sort()).toEqual(['by clone', 'by laptop'])
    for (const { disk } of world.devices) {
      const doc = await storedDocument(disk.contents, chat)
      expect(hasSameState(doc, onServer)).toBe(true)
      expect(textsOf(doc)).toEqual(textsOf(onServer))
    }
  })

  it('[CAT9][Y7] merges a chat that two devices made offline under one id', async () => {
    const world = await startWorld('twice', { alice: ['laptop', 'phone'] })
    for (const name of ['laptop', 'phone']) {
      world.network.setOnline(name, false)
      await during(world, clientOf(world, name).chats.create({ id: 'oslo', title: `by ${name}` }))
      await during(world, clientOf(world, name).chats.send('oslo', `from ${name}`))
    }
    for (const name of ['laptop', 'phone']) world.network.setOnline(name, true)
    await world.advance(60_000)
    const onServer = await serverDocument(world, chatOf(world, 'laptop'))
    expect(textsOf(onServer).sort()).toEqual(['from laptop', 'from phone'])
    const titles = new Set<string>()
    for (const name of ['laptop', 'phone']) {
      const chat = await during(world, clientOf(world, name).chats.read('oslo'))
      expect(chat.messages).toHaveLength(2)
      titles.add(chat.title)
    }
    expect(titles.size).toBe(1)
  })
})

describe('a server that was set back', () => {
  it('[CAT10] gets what it lacks, nothing is doubled, and nothing on the device is lost', async () => {
    const world = await startWorld('reset', { alice: ['laptop'], bob: ['tablet'] })
    const client = clientOf(world, 'laptop')
    await during(world, client.chats.create({ id: 'oslo', title: 'Trip' }))
    await during(world, client.chats.setMembers('oslo', [deviceOf(world, 'tablet').pubkey]))
    const { id } = await during(world, client.chats.send('oslo', 'gone'))
    await during(world, client.chats.send('oslo', 'kept'))
    await during(world, client.chats.deleteMessage('oslo', id))
    await during(world, client.settings.set('theme', 'dark'))
    await during(world, client.synced())
    await world.advance(5_000)
    world.crashServer()
    world.serverDisk.replace()
    world.startServer()
    await world.advance(90_000)
    const chat = chatOf(world, 'laptop')
    expect(textsOf(await serverDocument(world, chat))).toEqual(['kept'])
    const events = await serverEvents(world.serverDisk.contents)
    expect(events.filter(({ pubkey }) => pubkey === client.pubkey)).toHaveLength(2)
    expect(client.status).toMatchObject({ unsent: 0, refused: 0, isCaughtUp: true })
    // The statement of members went up again with it.
    const tablet = clientOf(world, 'tablet')
    expect((await during(world, tablet.chats.read(chat))).messages.map(({ content }) => content)).toEqual([
      'kept',
    ])
    const settings = await during(world, client.settings.read())
    expect(settings.preferences).toEqual({ theme: 'dark' })
  })

  it('[CAT10] is noticed again after a crash in the midst of sending up', async () => {
    for (let seed = 0; seed < 40; seed++) {
      const world = await startWorld(`reset and crash ${seed}`, { alice: ['laptop'] })
      const client = clientOf(world, 'laptop')
      await during(world, client.chats.create({ id: 'oslo' }))
      for (let n = 0; n < 4; n++) await during(world, client.chats.send('oslo', `m${n}`))
      await during(world, client.synced())
      await world.advance(2_000)
      world.crashServer()
      if (seed % 2 === 0) world.serverDisk.replace()
      else await world.serverDisk.restore(2)
      world.startServer()
      client.wake()
      await world.advance(seed * 30)
      deviceOf(world, 'laptop').crash()
      await world.advance(50)
      deviceOf(world, 'laptop').start()
      await world.advance(60_000)
      expect(textsOf(await serverDocument(world, chatOf(world, 'laptop')))).toEqual(['m0', 'm1', 'm2', 'm3'])
      expect(clientOf(world, 'laptop').status).toMatchObject({ unsent: 0, isCaughtUp: true })
    }
  })

  it('[CAT10][C3] keeps the old cursor until what it lacks is queued', async () => {
    const store = createMemoryStore()
    const [first, second] = eventsOf(messageUpdates(['one', 'two'])) as [NostrEvent, NostrEvent]
    const before = await openScripted(owner, { store, script: brings([first, second]) })
    before.client.connect()
    await before.clock.advance(1_000)
    before.client.disconnect()
    const { clock, client, server } = await openScripted(owner, {
      store,
      seed: 'again',
      script: {
        onReq(link, id, [filter]) {
          if (filter?.after !== '') link.send('EOSE', id, ['finish', 'cursor:new2', 'reset'])
          else link.send('EVENT', id, first, 'new1')
        },
      },
    })
    client.connect()
    await clock.advance(5_000)
    expect([(await store.loadMeta()).cursor, await store.loadOutbox()]).toEqual(['c2', []])
    server.link.send('EOSE', 'sync', ['finish', 'cursor:new2'])
    await clock.advance(1_000)
    expect((await store.loadMeta()).cursor).toBe('new2')
    expect(server.events()).toHaveLength(1)
    expect(client.status.unsent).toBe(0)
  })

  it('[CAT11] sends again what it had confirmed and did not bring back', async () => {
    const { clock, client, server } = await openScripted(owner, {})
    client.connect()
    await clock.advance(100)
    await client.chats.create({ id: 'chat' })
    await clock.advance(1_000)
    expect(client.status.unsent).toBe(0)
    server.link.close(1006)
    await clock.advance(5_000)
    const [sent, resent] = server.events()
    expect(resent).toEqual(sent)
  })
})
