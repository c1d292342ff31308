import { createMemoryStore, createSyncClient, type SyncStore } from '@onyx-sync/client'
import {
  containsUpdate,
  DEFAULT_LIMITS,
  decodeUpdateEvent,
  formatAddress,
  hasSameState,
  type NostrEvent,
  pureVerifier,
} from '@onyx-sync/shared'
import { createSeededRandom, createWorld, type World, type WorldOptions } from '@onyx-sync/testing'
import { PlainKeySigner } from 'nostr-tools/signer'
import { describe, expect, it } from 'vitest'
import * as Y from 'yjs'
import { chatAddressText, chatEvent, noise, testKey } from '../support/events.js'
import { openScripted, type ScriptedLink } from '../support/scripted-server.js'
import {
  clientOf,
  deviceOf,
  during,
  SMALL_LOGS,
  serverDocument,
  serverEvents,
  startWorld,
  storedDocument,
  textsOf,
} from '../support/worlds.js'

const owner = testKey(1)

/** A server that keeps what it accepts, and brings it back as the sync extension does. */
function keeping() {
  const log: NostrEvent[] = []
  return {
    log,
    script: {
      onReq(link: ScriptedLink, id: string, [filter]: readonly Record<string, unknown>[]) {
        const from = Number(String(filter?.after ?? '').slice(1) || 0)
        if (id === 'sync')
          for (const [index, event] of log.entries())
            if (index >= from) link.send('EVENT', id, event, `c${index + 1}`)
        link.send('EOSE', id, ['finish', `cursor:c${log.length}`])
      },
      onEvent(link: ScriptedLink, event: NostrEvent) {
        if (log.some(({ id }) => id === event.id)) return link.send('OK', event.id, true, 'duplicate: known')
        log.push(event)
        link.send('OK', event.id, true, '')
        link.send('EVENT', 'sync', event, `c${log.length}`)
      },
    },
  }
}

function applied(events: readonly NostrEvent[], address: string): Y.Doc {
  const doc = new Y.Doc()
  for (const event of events) {
    const decoded = decodeUpdateEvent(event, DEFAULT_LIMITS)
    if (formatAddress(decoded.address) === address) Y.applyUpdate(doc, decoded.framed.update)
  }
  return doc
}

const addressIn = (world: World, name: string, id = 'oslo') => `30001:${deviceOf(world, name).pubkey}:${id}`

describe('an event', () => {
  it('[OUT1][C2] is signed and kept before it is sent; a resend is the same event', async () => {
    const store = createMemoryStore()
    const problems: string[] = []
    const { clock, client, server } = await openScripted(owner, { store })
    server.script.onEvent = (link, event) => {
      void store.loadOutbox().then((entries) => {
        const kept = entries.find(({ event: json }) => json.includes(event.id))
        if (kept?.state !== 'staged') problems.push(`sent before it was kept: ${event.id}`)
      })
      // The answer is lost with the connection.
      link.close(1006)
    }
    await client.chats.create({ id: 'chat' })
    client.connect()
    await clock.advance(20_000)
    const sent = server.events()
    expect(sent.length).toBeGreaterThan(3)
    expect(new Set(sent.map((event) => JSON.stringify(event))).size).toBe(1)
    pureVerifier.verify(sent[0] as NostrEvent)
    expect(problems).toEqual([])

    // The process ends; the next one sends the same event too.
    client.disconnect()
    const again = await openScripted(owner, { store, seed: 'again', script: keeping().script })
    again.client.connect()
    await again.clock.advance(5_000)
    expect(again.server.events().map(({ id }) => id)).toEqual([sent[0]?.id])
    expect(again.client.status.unsent).toBe(0)
  })

  it('[OUT1][C2] is not sent when it could not be kept', async () => {
    const store = createMemoryStore()
    let isFull = false
    const failing: SyncStore = {
      ...store,
      commit: (batch) => (isFull ? Promise.reject(new Error('disk full')) : store.commit(batch)),
    }
    const { clock, client, server } = await openScripted(owner, { store: failing })
    await client.chats.create({ id: 'chat' })
    server.script.onReq = (link, id) => {
      isFull = true
      link.send('EOSE', id, ['cursor:'])
    }
    client.connect()
    await clock.advance(30_000)
    expect(server.events()).toEqual([])
    expect(client.status).toMatchObject({ unsent: 1, problem: { code: 'STORE_FAILED' } })
    isFull = false
    server.script.onReq = (link, id) => link.send('EOSE', id, ['cursor:'])
    await clock.advance(120_000)
    expect(server.events()).toHaveLength(1)
    expect(client.status).toMatchObject({ unsent: 0, problem: undefined })
  })

  /** A device that made a chat. Its server put the event off first, and has it nevertheless, as it says when it comes again. */
  async function putOffButThere(store: SyncStore) {
    const scene = await openScripted(owner, { store })
    const { clock, client, server } = scene
    let isKnown = false
    server.script.onEvent = (link, event) => {
      link.send('OK', event.id, isKnown, isKnown ? 'duplicate: known' : 'error: send it again')
      isKnown = true
    }
    await client.chats.create({ id: 'chat' })
    client.connect()
    await clock.advance(10_000)
    expect(server.events()).toHaveLength(2)
    expect(client.status.unsent).toBe(0)
    return scene
  }
  const statesIn = async (store: SyncStore) => (await store.loadOutbox()).map(({ state }) => state)

  it('[OUT24][CAT11] that was put off, and known then, is kept until it has come back, for a server that is set back', async () => {
    const store = createMemoryStore()
    const { clock, server } = await putOffButThere(store)
    expect(await statesIn(store)).toEqual(['saved'])
    // The server was set back; the cursor is from before the event, so it doesn't tell.
    const { log, script } = keeping()
    Object.assign(server.script, script)
    server.link.close(1006)
    await clock.advance(10_000)
    expect(log.map(({ id }) => id)).toEqual([server.events()[0]?.id])
    expect(await statesIn(store)).toEqual([])
  })

  it('[OUT24] that was put off, and known then, goes when it comes back', async () => {
    const store = createMemoryStore()
    const { clock, server } = await putOffButThere(store)
    server.link.send('EVENT', 'sync', server.events()[0], 'c2')
    await clock.advance(1_000)
    expect([await statesIn(store), (await store.loadMeta()).cursor]).toEqual([[], 'c2'])
  })

  it('[OUT24] that the server hides is sent once more on the next connection, and then no more', async () => {
    const store = createMemoryStore()
    const { clock, server } = await putOffButThere(store)
    for (let connection = 0; connection < 3; connection++) {
      server.link.close(1006)
      await clock.advance(10_000)
    }
    expect(server.events()).toHaveLength(3)
    expect(await statesIn(store)).toEqual([])
  })

  for (const isRestarted of [false, true]) {
    it(`[OUT24] that comes back when its answer was lost is not sent again${isRestarted ? ', also after a restart' : ''}`, async () => {
      const store = createMemoryStore()
      const { log, script } = keeping()
      const { clock, client, server } = await openScripted(owner, {
        store,
        script: {
          ...script,
          onEvent(link, event) {
            log.push(event)
            link.close(1006)
          },
        },
      })
      await client.chats.create({ id: 'chat' })
      client.connect()
      if (!isRestarted) await clock.advance(10_000)
      else {
        while (server.events().length === 0) await clock.advance(1)
        client.disconnect()
        const again = await openScripted(owner, { store, seed: 'again', script })
        again.client.connect()
        await again.clock.advance(10_000)
        expect([again.server.events(), again.client.status.unsent]).toEqual([[], 0])
      }
      expect(server.events()).toHaveLength(1)
      expect(await statesIn(store)).toEqual([])
    })
  }

  it('[OUT2][Y2][C2] of one document waits for the answer to the one before it; edits meanwhile are merged', async () => {
    const { clock, client, server } = await openScripted(owner)
    const unanswered: (() => void)[] = []
    server.script.onEvent = (link, event) => void unanswered.push(() => link.send('OK', event.id, true, ''))
    client.connect()
    await clock.advance(500)
    for (const id of ['a', 'b']) await client.chats.create({ id })
    await clock.advance(500)
    for (let n = 0; n < 10; n++) await client.chats.send('a', `m${n}`)
    await clock.advance(60_000)
    // One of each document, and nothing more of `a` while the first is under way.
    const of = (id: string) => server.events().filter(({ tags }) => tags[0]?.[1] === id)
    expect([of('a').length, of('b').length]).toEqual([1, 1])
    expect(client.status.unsent).toBe(12)
    for (let round = 0; round < 5; round++) {
      for (const answer of unanswered.splice(0)) answer()
      await clock.advance(500)
    }
    expect(of('a')).toHaveLength(2)
    expect(client.status.unsent).toBe(0)
    expect(textsOf(applied(server.events(), chatAddressText(owner, 'a')))).toHaveLength(10)
  })

  it('[OUT2][Y2] never overtakes an earlier one of its document, whatever the server puts off', async () => {
    const { clock, client, server } = await openScripted(owner)
    const random = createSeededRandom('put off')
    const accepted: NostrEvent[] = []
    server.script.onEvent = (link, event) => {
      if (random.chance(0.5)) return link.send('OK', event.id, false, 'rate-limited: slow down')
      if (random.chance(0.1)) return link.close(1006)
      accepted.push(event)
      link.send('OK', event.id, true, '')
    }
    client.connect()
    await clock.advance(500)
    await client.chats.create({ id: 'chat' })
    for (let n = 0; n < 40; n++) {
      await client.chats.send('chat', `m${n}`)
      await clock.advance(random.below(3_000))
    }
    await clock.advance(1_200_000)
    expect(client.status.unsent).toBe(0)
    expect(accepted.length).toBeGreaterThan(5)
    const doc = new Y.Doc()
    for (const event of accepted) {
      Y.applyUpdate(doc, decodeUpdateEvent(event, DEFAULT_LIMITS).framed.update)
      expect(doc.store.pendingStructs).toBeNull()
    }
    expect(textsOf(doc)).toEqual(Array.from({ length: 40 }, (_, n) => `m${n}`))
  })

  it('[OUT3][Y1] carries an edit that only deletes, also one made while the wire was cut', async () => {
    const world = await startWorld('delete only', { alice: ['laptop', 'phone'] })
    const laptop = clientOf(world, 'laptop')
    await during(world, laptop.chats.create({ id: 'oslo' }))
    const { id } = await during(world, laptop.chats.send('oslo', 'regret'))
    await during(world, laptop.chats.send('oslo', 'fine'))
    await during(world, laptop.synced())
    await world.advance(5_000)
    world.network.setOnline('laptop', false)
    await during(world, laptop.chats.deleteMessage('oslo', id))
    expect(laptop.status.unsent).toBe(1)
    await world.advance(5_000)
    world.network.setOnline('laptop', true)
    laptop.wake()
    await world.advance(60_000)
    expect(laptop.status.unsent).toBe(0)
    const onServer = await serverDocument(world, addressIn(world, 'laptop'))
    const onPhone = await storedDocument(deviceOf(world, 'phone').disk.contents, addressIn(world, 'laptop'))
    expect(textsOf(onServer)).toEqual(['fine'])
    expect(hasSameState(onServer, onPhone)).toBe(true)
  })

  it('[OUT3][Y1] of a deletion cut off before its answer arrives all the same', async () => {
    for (let seed = 0; seed < 20; seed++) {
      const world = await startWorld(`delete and cut ${seed}`, { alice: ['laptop', 'phone'] })
      const laptop = clientOf(world, 'laptop')
      await during(world, laptop.chats.create({ id: 'oslo' }))
      const { id } = await during(world, laptop.chats.send('oslo', 'regret'))
      await during(world, laptop.synced())
      await during(world, laptop.chats.deleteMessage('oslo', id))
      await world.advance(seed * 10)
      world.network.cut('laptop')
      await world.advance(60_000)
      const { messages } = await during(world, clientOf(world, 'phone').chats.read('oslo'))
      expect(messages).toEqual([])
      expect(laptop.status.unsent).toBe(0)
    }
  })

  it('[OUT4][C13] signed 60 days ago is accepted, and so is an edit made then', async () => {
    const world = await startWorld('long offline', { alice: ['laptop', 'phone'] })
    const laptop = clientOf(world, 'laptop')
    await during(world, laptop.chats.create({ id: 'oslo' }))
    // Signed and kept, and the wire is cut before it gets out.
    await world.advance(8)
    world.network.setOnline('laptop', false)
    await during(world, laptop.chats.send('oslo', 'from the cabin'))
    const states = (await deviceOf(world, 'laptop').disk.contents.loadOutbox()).map(({ state }) => state)
    expect(states).toContain('staged')
    // Switched off, or this test would run through 60 days of pings.
    for (const device of world.devices) device.crash()
    await world.advance(60 * 86_400_000)
    const signedBefore = world.clock.now() / 1000 - 59 * 86_400
    world.network.setOnline('laptop', true)
    for (const device of world.devices) device.start()
    await world.advance(60_000)
    expect(clientOf(world, 'laptop').status).toMatchObject({ unsent: 0, refused: 0 })
    const { messages } = await during(world, clientOf(world, 'phone').chats.read('oslo'))
    expect(messages.map(({ content }) => content)).toEqual(['from the cabin'])
    const events = await serverEvents(world.serverDisk.contents)
    expect(Math.min(...events.map((event) => event.created_at))).toBeLessThan(signedBefore)
  })
})

describe('a refusal', () => {
  it('[OUT5][C4] holds up no other document, is listed with its reason, and can be tried again', async () => {
    const { clock, client, server } = await openScripted(owner)
    server.script.onEvent = (link, event) =>
      link.send('OK', event.id, event.tags[0]?.[1] !== 'bad', 'blocked: not this one')
    await client.chats.create({ id: 'bad' })
    await client.chats.create({ id: 'good' })
    await client.chats.send('bad', 'dear diary')
    client.connect()
    await clock.advance(5_000)
    expect(client.status).toMatchObject({ unsent: 0, refused: 2, problem: undefined })
    expect(client.refused()).toMatchObject([
      { lane: chatAddressText(owner, 'bad'), edits: 2, reason: 'blocked: not this one' },
    ])
    // It is not tried again by itself.
    const sent = server.events().length
    await clock.advance(600_000)
    expect(server.events()).toHaveLength(sent)
    server.script.onEvent = (link, event) => link.send('OK', event.id, true, '')
    client.retryRefused()
    await clock.advance(1_000)
    expect(client.status).toMatchObject({ unsent: 0, refused: 0 })
    expect(client.refused()).toEqual([])
    expect(textsOf(applied(server.events(), chatAddressText(owner, 'bad')))).toEqual(['dear diary'])
  })

  it('[OUT5][C4] is listed across a restart, and goes along with the next edit of its document', async () => {
    const store = createMemoryStore()
    const { clock, client } = await openScripted(owner, {
      store,
      script: { onEvent: (link, event) => link.send('OK', event.id, false, 'restricted: no') },
    })
    await client.chats.create({ id: 'chat' })
    client.connect()
    await clock.advance(5_000)
    client.disconnect()
    const server = keeping()
    const again = await openScripted(owner, { store, seed: 'again', script: server.script })
    expect(again.client.refused()).toMatchObject([{ edits: 1, reason: 'restricted: no' }])
    await again.client.chats.send('chat', 'later')
    again.client.connect()
    await again.clock.advance(5_000)
    expect(again.client.status).toMatchObject({ unsent: 0, refused: 0 })
    const doc = applied(server.log, chatAddressText(owner))
    expect([doc.getMap('metadata').has('createdAt'), textsOf(doc)]).toEqual([true, ['later']])
    expect(doc.store.pendingStructs).toBeNull()
  })

  it('[OUT6][S9] of a key that lost its rights is seen by its user, and heals when they come back', async () => {
    const world = await startWorld('rights', { alice: ['laptop'], bob: ['tablet'] })
    const laptop = clientOf(world, 'laptop')
    const tablet = clientOf(world, 'tablet')
    const chat = addressIn(world, 'laptop')
    await during(world, laptop.chats.create({ id: 'oslo' }))
    await during(world, laptop.chats.setMembers('oslo', [tablet.pubkey]))
    await world.advance(10_000)
    world.network.setOnline('tablet', false)
    await during(world, tablet.chats.send(chat, 'written in the tunnel'))
    await during(world, laptop.chats.setMembers('oslo', []))
    await world.advance(10_000)
    world.network.setOnline('tablet', true)
    await world.advance(60_000)
    expect(tablet.status).toMatchObject({ unsent: 0, refused: 1 })
    expect(tablet.refused()[0]).toMatchObject({ lane: chat, reason: expect.stringMatching(/^restricted:/) })
    expect(textsOf(await serverDocument(world, chat))).toEqual([])
    await during(world, laptop.chats.setMembers('oslo', [tablet.pubkey]))
    await world.advance(60_000)
    expect(tablet.status).toMatchObject({ unsent: 0, refused: 0 })
    expect(textsOf(await serverDocument(world, chat))).toEqual(['written in the tunnel'])
  })

  it('[OUT7] of an edit that can not be cut to fit is said at once, and does not keep the signer busy', async () => {
    const signer = new PlainKeySigner(owner.secretKey)
    let signatures = 0
    const store = createMemoryStore()
    let reads = 0
    const { clock, client, server } = await openScripted(owner, {
      limits: { ...DEFAULT_LIMITS, maxEventBytes: 4_000 },
      store: {
        ...store,
        loadUpdateRange(...range) {
          reads++
          return store.loadUpdateRange(...range)
        },
      },
      signer: {
        getPublicKey: () => signer.getPublicKey(),
        signEvent(event) {
          signatures++
          return signer.signEvent(event)
        },
      },
    })
    client.connect()
    await clock.advance(500)
    await client.chats.create({ id: 'chat' })
    await clock.advance(500)
    // One value, and not a text.
    await client.chats.rename('chat', noise(5_000))
    await clock.advance(500)
    expect(client.refused()).toMatchObject([
      {
        edits: 1,
        reason: expect.stringMatching(/^invalid: .* bytes as an event, 4000 are allowed: .*can't be cut/),
      },
    ])
    const before = { signatures, reads }
    await client.chats.send('chat', 'after it')
    await clock.advance(600_000)
    // Nor is it looked at again: it may be many megabytes.
    expect({ signatures, reads }).toEqual(before)
    expect(server.events()).toHaveLength(1)
    // It builds on what was refused: said to be saved it is not.
    expect(client.status.unsent + client.status.refused).toBe(2)
    expect(client.status.connection).toBe('live')
  })
})

describe('what fails for now', () => {
  it('[OUT8][C5] is sent again without another edit, with growing delays', async () => {
    const { clock, client, server } = await openScripted(owner)
    let failures = 6
    const triedAt: number[] = []
    server.script.onEvent = (link, event) => {
      triedAt.push(clock.now())
      if (failures-- > 0) link.send('OK', event.id, false, 'error: no space left')
      else link.send('OK', event.id, true, '')
    }
    await client.chats.create({ id: 'chat' })
    client.connect()
    await clock.advance(2)
    await clock.advance(300_000)
    expect(triedAt).toHaveLength(7)
    expect((triedAt[6] as number) - (triedAt[0] as number)).toBeLessThan(64_000)
    expect(new Set(server.events().map(({ id }) => id)).size).toBe(1)
    expect(client.status.unsent).toBe(0)
  })

  it('[OUT8][C5] says what is in the way while the signer fails, and goes on when it signs', async () => {
    const signer = new PlainKeySigner(owner.secretKey)
    let isBroken = false
    const { clock, client } = await openScripted(owner, {
      signer: {
        getPublicKey: () => signer.getPublicKey(),
        signEvent: (event) =>
          isBroken ? Promise.reject(new Error('the bunker is away')) : signer.signEvent(event),
      },
    })
    client.connect()
    await clock.advance(500)
    isBroken = true
    await client.chats.create({ id: 'chat' })
    await clock.advance(10_000)
    expect(client.status).toMatchObject({
      connection: 'live',
      unsent: 1,
      problem: { code: 'SIGNER_FAILED', message: expect.stringContaining('the bunker is away') },
    })
    isBroken = false
    await clock.advance(60_000)
    expect(client.status).toMatchObject({ unsent: 0, problem: undefined })
  })

  it('[OUT8][C14] is what a signer signs that is not what it was given', async () => {
    const signer = new PlainKeySigner(owner.secretKey)
    const stranger = new PlainKeySigner(testKey(2).secretKey)
    for (const signEvent of [
      (event: Parameters<typeof signer.signEvent>[0]) => signer.signEvent({ ...event, content: 'AAAA' }),
      (event: Parameters<typeof signer.signEvent>[0]) => signer.signEvent({ ...event, kind: 1 }),
      (event: Parameters<typeof signer.signEvent>[0]) => stranger.signEvent(event),
      async () => ({}) as NostrEvent,
    ]) {
      const { clock, client, server } = await openScripted(owner, {
        signer: {
          getPublicKey: () => signer.getPublicKey(),
          signEvent: (event) => (event.kind === 22242 ? signer.signEvent(event) : signEvent(event)),
        },
      })
      await client.chats.create({ id: 'chat' })
      client.connect()
      await clock.advance(30_000)
      expect(server.events()).toEqual([])
      expect(client.status).toMatchObject({ unsent: 1, problem: { code: 'SIGNER_FAILED' } })
    }
  })
})

describe('several devices', () => {
  it('[OUT9][C6] that come back at the same moment both send everything', async () => {
    for (let seed = 0; seed < 10; seed++) {
      const world = await startWorld(`both ${seed}`, { alice: ['laptop', 'phone'] })
      const names = ['laptop', 'phone']
      await during(world, clientOf(world, 'laptop').chats.create({ id: 'oslo' }))
      await world.advance(10_000)
      for (const name of names) world.network.setOnline(name, false)
      for (const name of names)
        for (let n = 0; n < 5; n++)
          await during(world, clientOf(world, name).chats.send('oslo', `${name} ${n}`))
      await world.advance(5_000)
      for (const name of names) {
        world.network.setOnline(name, true)
        clientOf(world, name).wake()
      }
      await world.advance(60_000)
      const onServer = await serverDocument(world, addressIn(world, 'laptop'))
      expect(new Set(textsOf(onServer)).size).toBe(10)
      expect(textsOf(onServer)).toHaveLength(10)
      for (const name of names) {
        expect(clientOf(world, name).status.unsent).toBe(0)
        const doc = await storedDocument(deviceOf(world, name).disk.contents, addressIn(world, 'laptop'))
        expect(hasSameState(doc, onServer)).toBe(true)
      }
    }
  })
})

describe('an edit on its way to the disk', () => {
  it('[OUT10][C1] is there with its outbox entry and its rows after a kill at any moment, or not at all', async () => {
    let kept = 0
    for (let seed = 0; seed < 60; seed++) {
      const world = await startWorld(`kill ${seed}`, { alice: ['laptop'] })
      const laptop = deviceOf(world, 'laptop')
      world.network.setOnline('laptop', false)
      await during(world, clientOf(world, 'laptop').chats.create({ id: 'oslo' }))
      void clientOf(world, 'laptop').chats.send('oslo', 'hello')
      await world.advance(seed % 15)
      laptop.crash()
      await world.advance(50)
      const { contents } = laptop.disk
      const inLog = textsOf(await storedDocument(contents, addressIn(world, 'laptop'))).length
      const inRows = (await contents.loadRows('messages')).length
      const [chat] = await contents.loadRows('chats')
      const inOutbox = (await contents.loadOutbox()).reduce((sum, { edits }) => sum + edits, 0) - 1
      expect([inLog, inRows, Number(chat?.message_count), inOutbox]).toEqual(Array(4).fill(inLog))
      kept += inLog
    }
    expect(kept).toBeGreaterThan(10)
    expect(kept).toBeLessThan(60)
  })

  it('[OUT11][C7] is kept when the app closes right behind it, also where its document is not loaded', async () => {
    const store = createMemoryStore()
    const signer = new PlainKeySigner(owner.secretKey)
    const slow: SyncStore = {
      ...store,
      async loadUpdates(address) {
        await new Promise((resolve) => setImmediate(resolve))
        return store.loadUpdates(address)
      },
      async close() {
        slow.commit = () => Promise.reject(new Error('closed'))
      },
    }
    const first = await createSyncClient({ store, signer })
    await first.chats.create({ id: 'chat' })
    const second = await createSyncClient({ store: slow, signer })
    const sending = second.chats.send('chat', 'one more thing')
    await second.close()
    await sending
    const third = await createSyncClient({ store, signer })
    expect((await third.chats.read('chat')).messages).toMatchObject([{ content: 'one more thing' }])
    expect(third.status.unsent).toBe(2)
  })

  it('[OUT11][C7] is kept when it is made on the Y.Doc itself, without waiting', async () => {
    const store = createMemoryStore()
    const signer = new PlainKeySigner(owner.secretKey)
    const client = await createSyncClient({ store, signer })
    await client.chats.create({ id: 'chat' })
    const { doc } = await client.chats.open('chat')
    doc.getMap('metadata').set('draft', 'half a sent')
    await client.flush()
    expect((await storedDocument(store, chatAddressText(owner))).getMap('metadata').get('draft')).toBe(
      'half a sent',
    )
  })
})

describe('another identity', () => {
  it('[OUT12][C14] on the same device sends nothing of the queue and shows nothing of the data', async () => {
    const store = createMemoryStore()
    const { client } = await openScripted(owner, { store })
    await client.chats.create({ id: 'chat', title: 'private' })
    const before = JSON.stringify([await store.loadMeta(), await store.loadOutbox()])
    await expect(openScripted(testKey(2), { store })).rejects.toMatchObject({ code: 'IDENTITY_MISMATCH' })
    expect(JSON.stringify([await store.loadMeta(), await store.loadOutbox()])).toBe(before)
  })
})

describe('training data', () => {
  it('[OUT13] is signed once, sent once, and sent again only if the server lost it', async () => {
    const store = createMemoryStore()
    const server = keeping()
    const { clock, client, server: wire } = await openScripted(owner, { store, script: server.script })
    await client.chats.create({ id: 'chat' })
    const { id } = await client.chats.send('chat', 'a good answer')
    await client.training.setConsent(true)
    await client.training.submit('chat', id, 4)
    client.connect()
    await clock.advance(5_000)
    const sent = wire.events().filter(({ kind }) => kind === 1)
    expect(sent).toMatchObject([{ content: 'a good answer' }])
    expect(client.status.unsent).toBe(0)
    wire.link.close(1006)
    await clock.advance(5_000)
    expect(wire.events().filter(({ kind }) => kind === 1)).toHaveLength(1)
    server.log.length = 0
    wire.script.onReq = (link, subscription, [filter]) =>
      link.send('EOSE', subscription, ['finish', 'cursor:d1', ...(filter?.after === '' ? [] : ['reset'])])
    wire.link.close(1006)
    await clock.advance(10_000)
    expect(wire.events().filter(({ kind }) => kind === 1)).toEqual([sent[0], sent[0]])
    expect(client.status.unsent).toBe(0)
  })
})

describe('the count of what is unsent', () => {
  /** What a device shows as saved must be on the server's disk, deletions included. */
  async function lostIfSaved(world: World, name: string): Promise<string[]> {
    const { client, disk } = deviceOf(world, name)
    if (client === undefined || client.status.unsent > 0) return []
    const problems: string[] = []
    for (const { address } of await disk.contents.loadDocuments()) {
      const onServer = await serverDocument(world, address)
      for (const { seq, update } of await disk.contents.loadUpdates(address))
        if (!containsUpdate(onServer, update))
          problems.push(`${name} says saved, and the server lacks ${seq} of ${address}`)
    }
    return problems
  }

  it('[STA11][C8] returns to 0 after any mix of losses, and never says saved early; deletes count too', async () => {
    let looked = 0
    for (let seed = 0; seed < 12; seed++) {
      const random = createSeededRandom(`unsent ${seed}`)
      const world = await startWorld(`unsent ${seed}`, { alice: ['laptop', 'phone'] })
      await during(world, clientOf(world, 'laptop').chats.create({ id: 'oslo' }))
      await world.advance(10_000)
      const ids: string[] = []
      for (let step = 0; step < 40; step++) {
        const name = random.pick(['laptop', 'phone'])
        const client = clientOf(world, name)
        const draw = random.below(6)
        if (draw < 3) {
          const call = client.chats.send('oslo', `m${step}`)
          ids.push((await during(world, call)).id)
        } else if (draw === 3 && ids.length > 0) {
          const [id] = ids.splice(random.below(ids.length), 1)
          const call = client.chats.deleteMessage('oslo', id as string)
          // The other device may not have it yet.
          await during(
            world,
            call.catch(() => {}),
          )
        } else if (draw === 4) world.network.cut(name)
        else world.network.setOnline(name, random.chance(0.6))
        for (let look = 0; look < 4; look++) {
          await world.advance(random.below(150))
          looked++
          expect(await lostIfSaved(world, name)).toEqual([])
        }
      }
      for (const { name } of world.devices) world.network.setOnline(name, true)
      await world.advance(120_000)
      for (const { name, client } of world.devices) {
        expect(client?.status, `${name} of seed ${seed}`).toMatchObject({ unsent: 0, refused: 0 })
        expect(await lostIfSaved(world, name)).toEqual([])
      }
    }
    expect(looked).toBeGreaterThan(1_000)
  })

  it('[STA12][C15] keeps an edit that the disk refused: the call says so, and nothing is reported as saved', async () => {
    const store = createMemoryStore()
    let isFull = false
    const failing: SyncStore = {
      ...store,
      commit: (batch) => (isFull ? Promise.reject(new Error('disk full')) : store.commit(batch)),
    }
    const { clock, client, server } = await openScripted(owner, { store: failing, script: keeping().script })
    await client.chats.create({ id: 'chat' })
    client.connect()
    await clock.advance(1_000)
    isFull = true
    await expect(client.chats.send('chat', 'one')).rejects.toThrow('disk full')
    expect(client.status).toMatchObject({ unsent: 1, problem: { code: 'STORE_FAILED' } })
    await clock.advance(30_000)
    expect(server.events()).toHaveLength(1)
    expect(await store.loadRows('messages')).toEqual([])
    expect(await during(clock, client.synced({ timeoutMs: 5_000 }))).toBe(false)
    isFull = false
    await client.chats.send('chat', 'two')
    await clock.advance(5_000)
    expect(client.status).toMatchObject({ unsent: 0, problem: undefined })
    expect(textsOf(applied(server.events(), chatAddressText(owner)))).toEqual(['one', 'two'])
    expect(textsOf(await storedDocument(store, chatAddressText(owner)))).toEqual(['one', 'two'])
  })

  it('[STA12][C15] says so when the database was closed underneath', async () => {
    const store = createMemoryStore()
    const { client } = await openScripted(owner, { store })
    await client.chats.create({ id: 'chat' })
    await store.close()
    await expect(client.chats.send('chat', 'x')).rejects.toMatchObject({ code: 'STORE_FAILED' })
    await expect(client.flush()).rejects.toMatchObject({ code: 'STORE_FAILED' })
    expect(client.status).toMatchObject({ unsent: 2, problem: { code: 'STORE_FAILED' } })
  })

  it('[STA13][C8] synced() waits for an edit that was begun before it', async () => {
    const store = createMemoryStore()
    const slow: SyncStore = {
      ...store,
      async loadUpdates(address) {
        await new Promise((resolve) => setImmediate(resolve))
        return store.loadUpdates(address)
      },
    }
    const { clock, client, server } = await openScripted(owner, { store: slow, script: keeping().script })
    client.connect()
    await clock.advance(1_000)
    expect(client.status).toMatchObject({ isCaughtUp: true, unsent: 0 })
    void client.settings.set('theme', 'dark')
    expect(await during(clock, client.synced())).toBe(true)
    expect(server.events()).toHaveLength(1)
  })

  it('[STA13] synced() ends with false when its time is over or the server can not be reached any more', async () => {
    const { clock, client, server } = await openScripted(owner, { script: { isUp: false } })
    client.connect()
    expect(await during(clock, client.synced({ timeoutMs: 10_000 }))).toBe(false)
    const waiting = client.synced()
    server.script.isUp = true
    server.script.onConnect = (link) => link.close(4403, 'no')
    client.wake()
    expect(await during(clock, waiting)).toBe(false)
  })
})

describe('what is signed', () => {
  /** A store that counts how often it is asked for some updates of a log. */
  function counting(store = createMemoryStore()) {
    let reads = 0
    const counted: SyncStore = {
      ...store,
      loadUpdateRange(address, from, through) {
        reads++
        return store.loadUpdateRange(address, from, through)
      },
      // It is opened again.
      close: async () => {},
    }
    return { store: counted, reads: () => reads }
  }

  it('[OUT22] is not read back where it was written a moment ago, and is after a restart', async () => {
    const { store, reads } = counting()
    const server = keeping()
    const { clock, client } = await openScripted(owner, { store, script: server.script })
    client.connect()
    await client.chats.create({ id: 'chat' })
    await clock.advance(5_000)
    for (let n = 0; n < 20; n++) {
      await client.chats.send('chat', `online ${n}`)
      await clock.advance(100)
    }
    await clock.advance(5_000)
    expect(server.log.length).toBeGreaterThan(3)
    expect(reads()).toBe(0)
    client.disconnect()
    for (let n = 0; n < 20; n++) await client.chats.send('chat', `offline ${n}`)
    await client.close()
    const later = await openScripted(owner, { store, script: server.script })
    for (let n = 0; n < 20; n++) await later.client.chats.send('chat', `later ${n}`)
    later.client.connect()
    await later.clock.advance(5_000)
    expect(reads()).toBeGreaterThan(0)
    expect(textsOf(applied(server.log, chatAddressText(owner, 'chat')))).toEqual(
      ['online', 'offline', 'later'].flatMap((when) => Array.from({ length: 20 }, (_, n) => `${when} ${n}`)),
    )
  })

  it('[OUT22] is read back where much was written since: memory is bounded', async () => {
    const { store, reads } = counting()
    const server = keeping()
    const { clock, client } = await openScripted(owner, { store, script: server.script })
    const texts = Array.from({ length: 12 }, () => noise(40_000))
    await client.chats.create({ id: 'chat' })
    for (const text of texts) await client.chats.send('chat', text)
    client.connect()
    await clock.advance(10_000)
    expect(reads()).toBeGreaterThan(0)
    expect(textsOf(applied(server.log, chatAddressText(owner, 'chat')))).toEqual(texts)
  })
})

describe('what was saved and did not come back', () => {
  const SIXTY = Array.from({ length: 60 }, (_, n) => `at home ${n}`)

  /** A laptop and a phone of one account. What is written on the phone while it is deaf is saved, and doesn't come back. */
  async function startDeaf(members: readonly string[] = [], texts = SIXTY, more: Partial<WorldOptions> = {}) {
    const sent: NostrEvent[] = []
    let isDeaf = false
    const world = await startWorld(
      'saved and not back',
      { alice: ['laptop', 'phone'] },
      {
        ...more,
        onSent(device, text) {
          const [type, event] = JSON.parse(text) as [string, NostrEvent]
          if (device.name === 'phone' && type === 'EVENT') sent.push(event)
        },
        fault: {
          name: 'deaf',
          summary: 'a device hears answers, and no events',
          wrapTransport: (transport, device) => ({
            ...transport,
            dial: (url, handlers) =>
              transport.dial(url, {
                ...handlers,
                onMessage(text) {
                  const isEvent = device.name === 'phone' && text.startsWith('["EVENT"')
                  if (!isEvent || !isDeaf) handlers.onMessage(text)
                },
              }),
          }),
        },
      },
    )
    const [laptop, phone] = [clientOf(world, 'laptop'), clientOf(world, 'phone')]
    await during(world, laptop.chats.create({ id: 'chat' }))
    await during(world, laptop.saved())
    await world.advance(5_000)
    isDeaf = true
    await during(world, phone.chats.send('chat', 'in the tunnel'))
    if (members.length > 0) await during(world, phone.chats.share('chat', members[0] as string))
    await during(world, phone.saved())
    phone.disconnect()
    isDeaf = false
    for (const text of texts) {
      await during(world, laptop.chats.send('chat', text))
      await world.advance(1_000)
    }
    return { world, phone, sent, store: deviceOf(world, 'phone').disk.contents }
  }

  /** With the next connection nothing that was saved counts as unsent, or goes again. */
  async function expectNoneUnsent({ world, phone, sent, store }: Awaited<ReturnType<typeof startDeaf>>) {
    expect((await store.loadOutbox()).map(({ state }) => state)).toEqual(['saved'])
    const before = sent.length
    const unsent = new Set<number>()
    phone.onStatus(({ unsent: count }) => unsent.add(count))
    phone.connect()
    await world.advance(10_000)
    expect(phone.status).toMatchObject({ isCaughtUp: true, unsent: 0 })
    expect([...unsent]).toEqual([0])
    expect(sent.slice(before)).toEqual([])
    expect(await store.loadOutbox()).toEqual([])
  }

  it('[OUT21][STA11] is known to be there from a merged state that holds it, and neither sent again nor unsent', async () => {
    await expectNoneUnsent(await startDeaf())
  })

  it('[OUT21][STA11] is known to be there from a checkpoint that stands for it, too', async () => {
    const { world, phone, sent, store } = await startDeaf([], [noise(3_000), noise(3_000), noise(3_000)], {
      settings: SMALL_LOGS,
    })
    const onServer = await serverEvents(world.serverDisk.contents)
    expect(onServer.map(({ id }) => id)).not.toContain(sent[sent.length - 1]?.id)
    await expectNoneUnsent({ world, phone, sent, store })
  })

  it('[OUT21][S9] is sent again where it decides about members, which no state says', async () => {
    const { world, phone, sent } = await startDeaf([testKey(7).publicKey])
    const before = sent.length
    phone.connect()
    await world.advance(10_000)
    expect(phone.status).toMatchObject({ isCaughtUp: true, unsent: 0 })
    expect(sent.slice(before).map(({ tags }) => tags.some(([name]) => name === 'p'))).toContain(true)
  })
})

describe('what came back as the connection went', () => {
  it('[OUT13][STA11] is known to be there where its cursor is kept, and neither sent again nor unsent', async () => {
    const memory = createMemoryStore()
    // While the disk is slow what comes meanwhile is applied together.
    let disk = () => Promise.resolve()
    const store: SyncStore = { ...memory, commit: (batch) => disk().then(() => memory.commit(batch)) }
    const others = ['before', 'after'].map((chatId) => chatEvent(owner, { chatId }))
    let leave = () => {}
    const { clock, client, server } = await openScripted(owner, {
      store,
      verifier: { name: 'leaving', verify: ({ id }) => id === others[1]?.id && leave() },
      script: {
        onEvent(link, event) {
          link.send('OK', event.id, true, '')
          for (const [index, came] of [others[0], event, others[1]].entries())
            link.send('EVENT', 'sync', came, `c${index + 2}`)
        },
        onReq: (link, id, [filter]) => link.send('EOSE', id, ['finish', `cursor:${filter?.after || 'c1'}`]),
      },
    })
    client.connect()
    await clock.advance(100)
    leave = () => client.disconnect()
    disk = () => new Promise((resolve) => clock.setTimeout(resolve, 20))
    const created = client.chats.create({ id: 'chat' })
    await clock.advance(500)
    await created
    expect(client.status).toMatchObject({ connection: 'offline', cursor: 'c4', unsent: 0 })
    const unsent = new Set<number>()
    client.onStatus(({ unsent: count }) => unsent.add(count))
    client.connect()
    await clock.advance(100)
    expect(client.status.connection).toBe('live')
    expect([...unsent]).toEqual([0])
    expect(server.events()).toHaveLength(1)
    expect(await store.loadOutbox()).toEqual([])
  })
})

describe('a server that was set back twice within a second', () => {
  it('[CAT10][C8] gets again what comes out as the very same event', async () => {
    const { clock, client, server } = await openScripted(owner, {
      script: { onReq: (link, id) => link.send('EOSE', id, ['finish', 'cursor:c1', 'reset']) },
    })
    await client.chats.create({ id: 'chat' })
    client.connect()
    await clock.advance(100)
    expect(client.status.unsent).toBe(0)
    server.link.close(1006)
    client.wake()
    await clock.advance(10)
    client.wake()
    await clock.advance(400)
    expect(server.links).toHaveLength(2)
    expect(new Set(server.events().map(({ id }) => id)).size).toBe(1)
    expect(client.status.unsent).toBe(0)
  })
})

describe('an edit that is too large', () => {
  it('[OUT7] and can not be cut is not sent by retryRefused() either, and stays listed', async () => {
    const frames: string[] = []
    const world = createWorld({ seed: 'too large', onSent: (_device, text) => frames.push(text) })
    const phone = world.addDevice('phone', 'ada')
    world.startServer()
    phone.start()
    await world.advance(3_000)
    const client = phone.client
    await Promise.all([client?.chats.create({ id: 'oslo' }), world.advance(3_000)])
    await Promise.all([client?.chats.rename('oslo', noise(1_200_000)), world.advance(3_000)])
    const sent = frames.length
    client?.retryRefused()
    await world.advance(3_000)
    expect(client?.status).toMatchObject({ connection: 'live', unsent: 0, refused: 1 })
    expect(client?.exportRefused()[0]?.reason).toMatch(/^invalid: the edit is \d+ bytes/)
    expect(frames.length).toBe(sent)
  })
})
