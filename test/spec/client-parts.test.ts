import { createMemoryStore, type SyncStore } from '@onyx-sync/client'
import {
  DEFAULT_LIMITS,
  decodeUpdateEvent,
  type Limits,
  type NostrEvent,
  parsePartTag,
  stringifyEvent,
} from '@onyx-sync/shared'
import { PlainKeySigner } from 'nostr-tools/signer'
import { describe, expect, it } from 'vitest'
import * as Y from 'yjs'
import { chatAddressText, noise, testKey } from '../support/events.js'
import { openScripted, type ScriptedLink, type ScriptedWorld } from '../support/scripted-server.js'
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
const MAX_EVENT_BYTES = 4_000
const limits: Limits = { ...DEFAULT_LIMITS, maxEventBytes: MAX_EVENT_BYTES }
const LONG_TEXT = noise(12_000, 'a long message')

const partOf = (event: NostrEvent) => parsePartTag(event, DEFAULT_LIMITS)
const partsIn = (events: readonly NostrEvent[]) => events.filter((event) => partOf(event) !== undefined)
const idsOf = (events: readonly NostrEvent[]) => events.map(({ id }) => id)

function textIn(events: readonly NostrEvent[]): string[] {
  const doc = new Y.Doc()
  for (const event of events) Y.applyUpdate(doc, decodeUpdateEvent(event, DEFAULT_LIMITS).framed.update)
  expect(doc.store.pendingStructs).toBeNull()
  return textsOf(doc)
}

/** A device that is live and has the chat `chat`, which the server has sent back to it. */
async function openLive(options: Parameters<typeof openScripted>[1] = {}): Promise<ScriptedWorld> {
  const world = await openScripted(owner, { limits, ...options })
  const { onEvent } = world.server.script
  world.server.script.onEvent = (link, event) => {
    link.send('OK', event.id, true, '')
    link.send('EVENT', 'sync', event, 'c1')
  }
  world.client.connect()
  await world.clock.advance(1_000)
  await world.client.chats.create({ id: 'chat' })
  await world.clock.advance(10_000)
  world.server.script.onEvent = onEvent
  return world
}

/** Answers that wait until the test gives them, by the index of the part. */
function holdAnswers({ server }: ScriptedWorld) {
  const held: { readonly link: ScriptedLink; readonly event: NostrEvent }[] = []
  server.script.onEvent = (link, event) => void held.push({ link, event })
  return {
    held,
    answer(index: number, accepted = true, reason = '') {
      const found = held.find(({ event }) => partOf(event)?.index === index)
      found?.link.send('OK', found.event.id, accepted, reason)
    },
  }
}

describe('an edit that is too large for one event', () => {
  it('[OUT17] goes in parts that fit, and that give the same text', async () => {
    const world = await openLive()
    const before = world.server.events().length
    await world.client.chats.send('chat', LONG_TEXT)
    await world.clock.advance(1_000)
    const events = world.server.events().slice(before)
    const count = events.length
    expect(count).toBeGreaterThan(3)
    expect(events.map(partOf)).toEqual(
      events.map((_, index) => ({ group: partOf(events[0] as NostrEvent)?.group, index, count })),
    )
    for (const event of events)
      expect(Buffer.byteLength(stringifyEvent(event))).toBeLessThanOrEqual(MAX_EVENT_BYTES)
    expect(textIn(world.server.events())).toEqual([LONG_TEXT])
    expect(world.client.status).toMatchObject({ unsent: 0, refused: 0 })

    // Another one makes another group.
    await world.client.chats.send('chat', LONG_TEXT)
    await world.clock.advance(1_000)
    expect(new Set(partsIn(world.server.events()).map((event) => partOf(event)?.group)).size).toBe(2)
  })

  it('[OUT17] is measured as the server does, by what it says it takes', async () => {
    const world = await openLive({
      limits: DEFAULT_LIMITS,
      script: { info: async () => ({ yjs_sync: 1, limitation: { max_content_length: MAX_EVENT_BYTES } }) },
    })
    await world.client.chats.send('chat', LONG_TEXT)
    await world.clock.advance(1_000)
    expect(partsIn(world.server.events()).length).toBeGreaterThan(3)
  })

  it('[OUT17] stays one event where it fits once it is deflated', async () => {
    const world = await openLive()
    await world.client.chats.send('chat', 'the same words again and again, '.repeat(2_000))
    await world.clock.advance(1_000)
    expect(world.server.events()).toHaveLength(2)
    expect(partsIn(world.server.events())).toEqual([])
  })

  it('[OUT17] has few parts where they deflate well', async () => {
    const world = await openLive()
    // Deflates to about a third, so that parts hold three times what they may be.
    const text = Array.from({ length: 4_000 }, (_, n) => `line ${noise(2, String(n))};`).join('\n')
    await world.client.chats.send('chat', text)
    await world.clock.advance(5_000)
    const parts = partsIn(world.server.events())
    expect(textIn(world.server.events())).toEqual([text])
    const content = parts.reduce((sum, event) => sum + event.content.length, 0)
    expect(content / parts.length).toBeGreaterThan(0.6 * (MAX_EVENT_BYTES - 500))
  })

  it('[OUT17] is cut also where it has more structs than a server takes in one update', async () => {
    const world = await openLive({ limits: { ...DEFAULT_LIMITS, maxUpdateStructs: 100 } })
    const { doc } = await world.client.chats.open('chat')
    doc.transact(() => {
      for (let n = 0; n < 500; n++) doc.getMap('metadata').set(`key${n}`, n)
    })
    await world.clock.advance(1_000)
    const parts = partsIn(world.server.events())
    expect(parts.length).toBeGreaterThan(4)
    for (const event of parts) {
      const { structs } = Y.decodeUpdate(decodeUpdateEvent(event, DEFAULT_LIMITS).framed.update)
      expect(structs.length).toBeLessThanOrEqual(100)
    }
  })

  it('[OUT17][C2] is signed and kept with all its parts before the first is sent; a resend is the same', async () => {
    const store = createMemoryStore()
    const world = await openLive({ store })
    const problems: string[] = []
    world.server.script.onEvent = (link, event) => {
      void store.loadOutbox().then((entries) => {
        const count = partOf(event)?.count ?? 1
        const kept = entries.find((entry) => entry.event.includes(event.id))
        if (kept?.state !== 'staged' || (JSON.parse(kept.event) as NostrEvent[]).length !== count)
          problems.push(`sent before it was kept: ${event.id}`)
      })
      // Some of the answers are lost with the connection.
      if (partOf(event)?.index === 2) link.close(1006)
      else link.send('OK', event.id, true, '')
    }
    await world.client.chats.send('chat', LONG_TEXT)
    await world.clock.advance(10_000)
    const sent = partsIn(world.server.events())
    const count = partOf(sent[0] as NostrEvent)?.count as number
    expect(world.server.links.length).toBeGreaterThan(2)
    expect(new Set(idsOf(sent)).size).toBe(count)
    expect(problems).toEqual([])
    expect(world.client.status.unsent).toBe(1)

    // The process ends; the next one sends the same parts, all of them.
    world.client.disconnect()
    const again = await openScripted(owner, { store, limits, seed: 'again' })
    again.client.connect()
    await again.clock.advance(2_000)
    expect(idsOf(partsIn(again.server.events()))).toEqual([...new Set(idsOf(sent))].slice(0, count))
    expect(again.client.status.unsent).toBe(0)
  })

  it('[OUT17][C5] is not sent in halves when the signer fails in the middle of it', async () => {
    const signer = new PlainKeySigner(owner.secretKey)
    let signatures = 0
    const world = await openLive({
      signer: {
        getPublicKey: () => signer.getPublicKey(),
        signEvent: (template) =>
          ++signatures === 5 ? Promise.reject(new Error('went to lunch')) : signer.signEvent(template),
      },
    })
    expect(signatures).toBe(2)
    await world.client.chats.send('chat', LONG_TEXT)
    await world.clock.advance(1)
    expect(world.client.status.problem).toMatchObject({ code: 'SIGNER_FAILED' })
    await world.clock.advance(10_000)
    expect(world.client.status).toMatchObject({ unsent: 0, problem: undefined })
    expect(new Set(partsIn(world.server.events()).map((event) => partOf(event)?.group)).size).toBe(1)
    expect(textIn(world.server.events())).toEqual([LONG_TEXT])
  })

  it('[OUT17] arrives whole on another device, also one that is killed and cut off meanwhile', async () => {
    for (let seed = 0; seed < 10; seed++) {
      const world = await startWorld(`parts ${seed}`, { alice: ['laptop', 'phone'] }, { limits })
      await during(world, clientOf(world, 'laptop').chats.create({ id: 'oslo' }))
      await during(world, clientOf(world, 'laptop').chats.send('oslo', LONG_TEXT))
      await world.advance(seed * 12)
      if (seed % 2 === 0) deviceOf(world, 'laptop').crash()
      else world.network.cut('laptop')
      await world.advance(100)
      deviceOf(world, 'laptop').start()
      await world.advance(30_000)
      expect(clientOf(world, 'laptop').status).toMatchObject({ unsent: 0, refused: 0 })
      expect(textsOf(await serverDocument(world, `30001:${deviceOf(world, 'laptop').pubkey}:oslo`))).toEqual([
        LONG_TEXT,
      ])
      const { messages } = await during(world, clientOf(world, 'phone').chats.read('oslo'))
      expect(messages).toMatchObject([{ content: LONG_TEXT }])
    }
  })

  it('[OUT17][CAT10] brings a long chat back to a server that lost it', async () => {
    const world = await startWorld('lost', { alice: ['laptop'] }, { limits })
    const laptop = clientOf(world, 'laptop')
    await during(world, laptop.chats.create({ id: 'oslo' }))
    for (let n = 0; n < 10; n++) await during(world, laptop.chats.send('oslo', noise(1_500, `m${n}`)))
    await during(world, laptop.synced())
    world.crashServer()
    world.serverDisk.replace()
    world.startServer()
    await world.advance(120_000)
    expect(laptop.status).toMatchObject({ unsent: 0, refused: 0, isCaughtUp: true })
    const onServer = await serverDocument(world, `30001:${laptop.pubkey}:oslo`)
    expect(textsOf(onServer)).toEqual(Array.from({ length: 10 }, (_, n) => noise(1_500, `m${n}`)))
    expect(partsIn(await serverEvents(world.serverDisk.contents)).length).toBeGreaterThan(3)
  })
})

describe('the parts of an edit', () => {
  it('[OUT18] make it saved when all of them are, whether they were known or not, and no later edit overtakes them', async () => {
    const world = await openLive()
    const { held, answer } = holdAnswers(world)
    await world.client.chats.send('chat', LONG_TEXT)
    await world.clock.advance(100)
    const count = held.length
    await world.client.chats.send('chat', 'after it')
    const edit = world.client.lastEdit(chatAddressText(owner))
    for (let index = count - 1; index > 0; index--)
      answer(index, true, index % 2 === 0 ? 'duplicate: known' : '')
    await world.clock.advance(5_000)
    expect(world.client.status.unsent).toBe(2)
    expect([world.client.stateOf({ ...edit, seq: edit.seq - 1 }), world.client.stateOf(edit)]).toEqual([
      'sent',
      'local',
    ])
    expect(held).toHaveLength(count)
    answer(0)
    await world.clock.advance(100)
    expect(world.client.stateOf({ ...edit, seq: edit.seq - 1 })).toBe('saved')
    expect(held).toHaveLength(count + 1)
  })

  it('[OUT18][C4] make it refused when one of them is, and it is listed, exported and sent again as a whole', async () => {
    const store = createMemoryStore()
    const world = await openLive({ store })
    const { held, answer } = holdAnswers(world)
    await world.client.chats.send('chat', LONG_TEXT)
    await world.clock.advance(100)
    const count = held.length
    const parts = held.map(({ event }) => event)
    answer(0)
    answer(1, false, 'blocked: not this one')
    answer(2)
    await world.clock.advance(100)
    expect(world.client.status).toMatchObject({ unsent: 0, refused: 1 })
    expect(world.client.refused()).toMatchObject([{ edits: 1, reason: 'blocked: not this one' }])
    const [exported, ...others] = world.client.exportRefused()
    expect(others).toEqual([])
    expect(JSON.parse(exported?.event ?? '')).toEqual(parts)
    // What is said of the others changes nothing any more.
    for (let index = 3; index < count; index++) answer(index)
    await world.clock.advance(60_000)
    expect(world.client.status).toMatchObject({ unsent: 0, refused: 1 })
    expect(held).toHaveLength(count)

    world.client.disconnect()
    const again = await openScripted(owner, { store, limits, seed: 'again' })
    expect(again.client.exportRefused()).toEqual([exported])
    again.client.retryRefused()
    again.client.connect()
    await again.clock.advance(2_000)
    expect(partsIn(again.server.events())).toEqual(parts)
    expect(again.client.status).toMatchObject({ unsent: 0, refused: 0 })
  })

  it('[OUT18][C5] that were put off are sent again by themselves', async () => {
    const world = await openLive()
    const putOff = new Set([1, 3])
    world.server.script.onEvent = (link, event) => {
      const index = partOf(event)?.index ?? -1
      if (putOff.delete(index)) link.send('OK', event.id, false, 'rate-limited: slow down')
      else link.send('OK', event.id, true, '')
    }
    await world.client.chats.send('chat', LONG_TEXT)
    await world.clock.advance(20_000)
    const indices = partsIn(world.server.events()).map((event) => partOf(event)?.index)
    const count = partOf(partsIn(world.server.events())[0] as NostrEvent)?.count as number
    expect(indices).toEqual([...Array(count).keys(), 1, 3])
    expect(world.client.status).toMatchObject({ unsent: 0, refused: 0, problem: undefined })
  })

  it('[OUT19] are kept until the last of them has come back, and go with its cursor', async () => {
    const store = createMemoryStore()
    const batches: string[] = []
    const noting: SyncStore = {
      ...store,
      commit(batch) {
        const { outboxDelete = [], meta = {} } = batch
        if (outboxDelete.length > 0) batches.push(String(meta.cursor))
        return store.commit(batch)
      },
    }
    const world = await openLive({ store: noting })
    const { held } = holdAnswers(world)
    await world.client.chats.send('chat', LONG_TEXT)
    await world.clock.advance(100)
    const last = held.length - 1
    batches.length = 0
    const sendBack = (index: number) =>
      held[index]?.link.send('EVENT', 'sync', held[index]?.event, `part${index}`)
    // One comes back before the server has said OK.
    sendBack(0)
    for (const { link, event } of held) link.send('OK', event.id, true, '')
    for (let index = 1; index < last; index++) sendBack(index)
    await world.clock.advance(1_000)
    expect(world.client.status.unsent).toBe(0)
    expect((await store.loadOutbox()).map(({ state }) => state)).toEqual(['saved'])
    sendBack(last)
    await world.clock.advance(1_000)
    expect(await store.loadOutbox()).toEqual([])
    expect(batches).toEqual([`part${last}`])
  })

  it('[OUT19] are finished by the last answer where all of them have come back before it', async () => {
    const store = createMemoryStore()
    const world = await openLive({ store })
    const { held } = holdAnswers(world)
    await world.client.chats.send('chat', LONG_TEXT)
    await world.clock.advance(100)
    for (const { link, event } of held) link.send('EVENT', 'sync', event, 'c2')
    await world.clock.advance(100)
    expect(world.client.status.unsent).toBe(1)
    for (const { link, event } of held) link.send('OK', event.id, true, '')
    await world.clock.advance(100)
    expect(world.client.status.unsent).toBe(0)
    expect(await store.loadOutbox()).toEqual([])
  })

  it('[OUT19] are all sent again on the next connection when one of them has not come back', async () => {
    const store = createMemoryStore()
    const world = await openLive({ store })
    const { held } = holdAnswers(world)
    await world.client.chats.send('chat', LONG_TEXT)
    await world.clock.advance(100)
    const parts = held.map(({ event }) => event)
    for (const { link, event } of held) link.send('OK', event.id, true, '')
    for (const { link, event } of held.slice(1)) link.send('EVENT', 'sync', event, 'c2')
    await world.clock.advance(1_000)
    world.server.script.onEvent = (link, event) => link.send('OK', event.id, true, 'duplicate: known')
    world.server.link.close(1006)
    await world.clock.advance(5_000)
    expect(partsIn(world.server.events())).toEqual([...parts, ...parts])
    expect(await store.loadOutbox()).toEqual([])
  })
})

describe('what came back before a server was set back', () => {
  it('[OUT19][CAT11] does not count as having come back again', async () => {
    const store = createMemoryStore()
    const world = await openLive({ store })
    const { held } = holdAnswers(world)
    await world.client.chats.send('chat', LONG_TEXT)
    await world.clock.advance(100)
    for (const { link, event } of held) link.send('EVENT', 'sync', event, 'c2')
    await world.clock.advance(100)
    // The answers never came, and the next time the server has none of it.
    world.server.script.onEvent = (link, event) => link.send('OK', event.id, true, '')
    world.server.link.close(1006)
    await world.clock.advance(5_000)
    expect(world.client.status.unsent).toBe(0)
    expect((await store.loadOutbox()).map(({ state }) => state)).toEqual(['saved'])
  })
})

describe('what was refused', () => {
  it('[OUT20] goes with the next edit also where both make more than one event', async () => {
    const world = await openLive()
    let isClosed = true
    const accepted: NostrEvent[] = []
    world.server.script.onEvent = (link, event) => {
      if (!isClosed) accepted.push(event)
      link.send('OK', event.id, !isClosed, isClosed ? 'restricted: no' : '')
    }
    for (let n = 0; n < 3; n++) {
      await world.client.chats.send('chat', `${n}${LONG_TEXT}`)
      await world.clock.advance(1_000)
    }
    expect(world.client.refused()).toMatchObject([{ edits: 3 }])
    isClosed = false
    await world.client.chats.send('chat', 'and this')
    await world.clock.advance(5_000)
    expect(world.client.status).toMatchObject({ unsent: 0, refused: 0 })
    expect(partsIn(accepted)).toHaveLength(accepted.length)
    expect(textIn([...world.server.events().slice(0, 1), ...accepted])).toEqual([
      `0${LONG_TEXT}`,
      `1${LONG_TEXT}`,
      `2${LONG_TEXT}`,
      'and this',
    ])
  })

  it('[OUT7] is what would make too many parts, or too many bytes in all of them', async () => {
    const few = { ...limits, maxParts: 3 }
    const small = { ...limits, maxUpdateBytes: 10_000 }
    for (const [tried, reason] of [
      [few, /^invalid: .*4000 are allowed: it makes \d+ parts, and 3 are allowed/],
      [small, /^invalid: .*4000 are allowed: it is 12\d\d\d bytes, and 10000 are allowed/],
    ] as const) {
      const store = createMemoryStore()
      const world = await openLive({ limits: tried, store })
      const before = world.server.events().length
      await world.client.chats.send('chat', LONG_TEXT)
      await world.clock.advance(5_000)
      expect(world.client.refused()).toMatchObject([{ edits: 1, reason: expect.stringMatching(reason) }])
      expect(
        textIn([...world.server.events(), JSON.parse(world.client.exportRefused()[0]?.event ?? '')]),
      ).toEqual([LONG_TEXT])
      world.client.retryRefused()
      await world.client.chats.send('chat', 'after it')
      await world.clock.advance(60_000)
      expect(world.server.events()).toHaveLength(before)
      expect(world.client.status).toMatchObject({ connection: 'live', problem: undefined })

      // Nor is it in the way of itself after a restart.
      world.client.disconnect()
      const again = await openScripted(owner, { store, limits: tried, seed: 'again' })
      again.client.connect()
      await again.clock.advance(60_000)
      expect(again.client.status).toMatchObject({ refused: 1, unsent: 1, problem: undefined })
      expect(again.client.status.connection).toBe('live')
    }
  })
})

describe('a long time without a network', () => {
  it('[OUT2][OUT14] makes events that are full, one after the other, which pacing does not hold back', async () => {
    const world = await openLive()
    world.client.disconnect()
    const texts = Array.from({ length: 40 }, (_, n) => noise(1_000, `m${n}`))
    for (const text of texts) await world.client.chats.send('chat', text)
    const before = world.server.events().length
    world.client.connect()
    await world.clock.advance(1_000)
    const events = world.server.events().slice(before)
    expect(events.length).toBeGreaterThan(10)
    expect(partsIn(events)).toEqual([])
    expect(world.client.status.unsent).toBe(0)
    expect(textIn(world.server.events())).toEqual(texts)
  })
})
