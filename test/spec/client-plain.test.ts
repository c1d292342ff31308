import { createMemoryStore, type SyncStore } from '@onyx-sync/client'
import {
  createUpdateTemplate,
  DEFAULT_LIMITS,
  decodeContent,
  EMPTY_ROSTER,
  hasSameBytes,
  KIND,
  type NostrEvent,
  parseEncodingTag,
  parsePlainState,
  settingsAddress,
  tagValues,
} from '@onyx-sync/shared'
import { createSeededRandom, createVirtualClock, type VirtualClock } from '@onyx-sync/testing'
import { PlainKeySigner } from 'nostr-tools/signer'
import { describe, expect, it } from 'vitest'
import * as Y from 'yjs'
import { createClientOf } from '../../client/src/client.js'
import { openDevice } from '../../client/src/device.js'
import { rareCode } from '../../client/src/rare-code.js'
import { chatAddressText, noise, sign, testKey } from '../support/events.js'
import { createPlainRelay, type PlainRelay } from '../support/plain-relay.js'
import { createScriptedServer, openScripted, type ScriptedWorld } from '../support/scripted-server.js'
import { during, storedDocument, textsOf } from '../support/worlds.js'

const owner = testKey(1)
const friend = testKey(2)
const oslo = chatAddressText(owner, 'oslo')

interface Device extends ScriptedWorld {
  readonly store: SyncStore
}

/** A store that can be opened again, as a file can. */
function lastingStore(): SyncStore {
  return { ...createMemoryStore(), close: async () => {} }
}

/** Devices on one plain relay and one clock. */
function plainWorld(relay: PlainRelay = createPlainRelay()) {
  const clock = createVirtualClock(Date.UTC(2026, 0, 1))
  let count = 0
  return {
    relay,
    clock,
    async device(
      options: Partial<Parameters<typeof openScripted>[1]> & { key?: typeof owner } = {},
    ): Promise<Device> {
      const { key = owner, ...rest } = options
      const store = rest.store ?? lastingStore()
      const world = await openScripted(key, {
        script: relay.script(),
        virtualClock: clock,
        seed: `plain-${++count}`,
        ...rest,
        store,
      })
      return { ...world, store }
    },
  }
}

/** Connects, and lets time pass until everything has gone both ways. */
async function sync(clock: VirtualClock, ...devices: readonly Device[]): Promise<void> {
  for (const { client } of devices) client.connect()
  await clock.advance(20_000)
  for (const { client } of devices)
    expect(client.status).toMatchObject({ connection: 'live', unsent: 0, problem: undefined })
}

async function send(clock: VirtualClock, { client }: Device, text: string, chat = 'oslo'): Promise<void> {
  await during(clock, client.chats.send(chat, text))
}

async function textsIn(device: Device, address = oslo): Promise<string[]> {
  return textsOf(await storedDocument(device.store, address))
}

async function expectSameBytes(address: string, ...devices: readonly Device[]): Promise<Y.Doc> {
  const [first, ...others] = await Promise.all(devices.map(({ store }) => storedDocument(store, address)))
  for (const other of others) expect(hasSameBytes(other, first as Y.Doc)).toBe(true)
  return first as Y.Doc
}

/** What no plain relay must ever get. */
function expectStatesOnly(events: readonly NostrEvent[]): void {
  for (const event of events) {
    if (event.kind === 1) continue
    expect(event.kind).toBe(30001)
    expect(decodeContent(event.content, parseEncodingTag(event), DEFAULT_LIMITS).checkpoint).toBe(true)
    parsePlainState(event, DEFAULT_LIMITS)
  }
}

describe('a state for a plain relay', () => {
  it('[PLN2][C2] holds nothing that is not on this device’s disk: what is edited while it is made waits for that', async () => {
    const memory = lastingStore()
    let isFull = false
    let onStored = () => {}
    const store: SyncStore = {
      ...memory,
      async commit(batch) {
        if (isFull) throw new Error('the disk is full')
        await memory.commit(batch)
        if ((batch.updates ?? []).length > 0) onStored()
      },
    }
    const { relay, clock, device } = plainWorld()
    const phone = await device({ store })
    await during(clock, phone.client.chats.create({ id: 'oslo' }))
    await sync(clock, phone)
    const chat = await during(clock, phone.client.chats.open('oslo'))
    onStored = () => {
      onStored = () => {}
      isFull = true
      chat.send('not on the disk').catch(() => {})
    }
    await during(clock, chat.send('on the disk'))
    await clock.advance(10_000)
    const published = () => {
      const doc = new Y.Doc()
      for (const event of relay.published) Y.applyUpdate(doc, parsePlainState(event, DEFAULT_LIMITS).update)
      return textsOf(doc)
    }
    expect(published()).not.toContain('not on the disk')
    expect(phone.client.status.problem?.code).toBe('STORE_FAILED')
    isFull = false
    await during(clock, phone.client.flush())
    await clock.advance(120_000)
    expect(published()).toEqual(['on the disk', 'not on the disk'])
    expect(phone.client.status).toMatchObject({ unsent: 0, problem: undefined })
  })
})

describe('the code for plain relays', () => {
  it('[PLN1] is loaded when one is met, and asked for again where it could not be', async () => {
    const { relay, clock, device } = plainWorld()
    const { transport } = createScriptedServer(clock, relay.script())
    let tries = 0
    const opened = await openDevice(
      {
        ...{ store: createMemoryStore(), signer: new PlainKeySigner(owner.secretKey), transport, clock },
        ...{ url: 'ws://scripted.test/sync', allowInsecure: true, random: createSeededRandom('late') },
      },
      {
        ...rareCode,
        createPlainMode(options) {
          if (++tries <= 2) return Promise.reject(new Error('no network'))
          return rareCode.createPlainMode(options)
        },
      },
    )
    const client = createClientOf(opened, rareCode.createImporter)
    await client.chats.create({ id: 'oslo' })
    await during(clock, client.chats.send('oslo', 'kept until then'))
    expect(tries).toBe(0)
    client.connect()
    await clock.advance(200)
    expect([tries, client.status.problem]).toEqual([
      1,
      { code: 'CONNECTION_FAILED', message: 'what syncs with a plain relay could not be loaded: no network' },
    ])
    expect(client.status).toMatchObject({ unsent: 2, mode: undefined })
    await clock.advance(20_000)
    expect(tries).toBe(3)
    expect(client.status).toMatchObject({ connection: 'live', mode: 'plain', unsent: 0 })
    const other = await device()
    await sync(clock, other)
    expect(await textsIn(other)).toEqual(['kept until then'])
  })
})

describe('what the server is', () => {
  it('[PLN1] is found out by its NIP-11 document, and told in the status', async () => {
    for (const info of [{}, undefined, null, { yjs_sync: true }, { yjs_sync: 2 }, []]) {
      const { clock, device } = plainWorld(createPlainRelay({ info }))
      const { client } = await device()
      expect(client.status.mode).toBeUndefined()
      client.connect()
      await clock.advance(5_000)
      expect(client.status).toMatchObject({ connection: 'live', mode: 'plain' })
    }
    const { clock, client } = await openScripted(owner)
    client.connect()
    await clock.advance(5_000)
    expect(client.status).toMatchObject({ connection: 'live', mode: 'sync' })
  })

  it('[PLN1] stays unknown while the document can not be fetched, and nothing is sent but a login', async () => {
    const { relay, clock, device } = plainWorld(createPlainRelay({ auth: 'challenges' }))
    const { client, server } = await device()
    server.script.info = () => Promise.reject(new Error('HTTP 503'))
    await during(clock, client.chats.create({ id: 'oslo' }))
    client.connect()
    await clock.advance(60_000)
    expect(client.status).toMatchObject({
      mode: undefined,
      unsent: 1,
      problem: { code: 'CONNECTION_FAILED' },
    })
    expect(server.received('REQ')).toEqual([])
    expect(relay.published).toEqual([])
    Object.assign(server.script, { info: relay.script().info })
    await clock.advance(60_000)
    expect(client.status).toMatchObject({ mode: 'plain', connection: 'live', unsent: 0 })
  })
})

describe('publishing', () => {
  it('[PLN2][PLN3] sends whole states under an address of the device, never an increment', async () => {
    const { relay, clock, device } = plainWorld()
    const phone = await device()
    await during(clock, phone.client.chats.create({ id: 'oslo', title: 'Trip' }))
    await during(clock, phone.client.settings.set('model', 'opus'))
    await sync(clock, phone)
    for (const text of ['one', 'two', 'three']) {
      await send(clock, phone, text)
      await clock.advance(5_000)
    }
    expectStatesOnly(relay.published)
    const { deviceId } = phone.client
    expect([...relay.kept.keys()].sort()).toEqual([
      `30001:${owner.publicKey}:oslo/${deviceId}`,
      `30001:${owner.publicKey}:settings/${deviceId}`,
    ])
    const state = relay.kept.get(`30001:${owner.publicKey}:oslo/${deviceId}`) as NostrEvent
    expect(tagValues(state, 'a')).toEqual([oslo])
    expect(tagValues(state, 't')).toEqual(['onyx-sync'])
    const doc = new Y.Doc()
    Y.applyUpdate(doc, parsePlainState(state, DEFAULT_LIMITS).update)
    expect(textsOf(doc)).toEqual(['one', 'two', 'three'])
    expect(phone.client.status.unsent).toBe(0)
  })

  it('[PLN2] leaves the pin list of the account alone, and sends no presence', async () => {
    const pins = sign(owner, { kind: 10001, created_at: 1, tags: [['e', 'f'.repeat(64)]], content: '' })
    const { relay, clock, device } = plainWorld()
    relay.put(pins)
    const phone = await device()
    await during(clock, phone.client.settings.set('model', 'opus'))
    const room = phone.client.presence(oslo)
    room.setLocal({ typing: true })
    await sync(clock, phone)
    await clock.advance(60_000)
    expect(relay.kept.get(`10001:${owner.publicKey}:`)).toEqual(pins)
    expectStatesOnly(relay.published)
  })

  it('[PLN2] sends nothing that was being signed for a sync server', async () => {
    const { relay, clock, device } = plainWorld()
    let release = () => {}
    const { PlainKeySigner } = await import('nostr-tools/signer')
    const real = new PlainKeySigner(owner.secretKey)
    let isHeld = true
    const phone = await device({
      script: {},
      signer: {
        getPublicKey: () => real.getPublicKey(),
        async signEvent(template) {
          if (template.kind === 30001 && isHeld) await new Promise<void>((resolve) => (release = resolve))
          return real.signEvent(template)
        },
      },
    })
    phone.client.connect()
    await clock.advance(1_000)
    void phone.client.chats.create({ id: 'oslo' })
    await clock.advance(1_000)
    phone.client.disconnect()
    // What answers under this address from now on is another server.
    isHeld = false
    Object.assign(phone.server.script, relay.script())
    const second = await device({ store: phone.store })
    second.client.connect()
    release()
    await clock.advance(20_000)
    expect(relay.published.length).toBeGreaterThan(0)
    expectStatesOnly(relay.published)
  })

  it('[PLN4] signs with a time above that of the state before, also where the clock was set back', async () => {
    const { relay, clock, device } = plainWorld()
    let offsetMs = 0
    const phone = await device({ clock: { ...clock, now: () => clock.now() + offsetMs } })
    await during(clock, phone.client.chats.create({ id: 'oslo' }))
    await sync(clock, phone)
    offsetMs = -365 * 86_400_000
    for (const text of ['one', 'two']) {
      await send(clock, phone, text)
      await clock.advance(5_000)
    }
    const times = relay.published.map(({ created_at }) => created_at)
    expect(times).toHaveLength(3)
    expect(times[1]).toBe((times[0] as number) + 1)
    expect(times[2]).toBe((times[0] as number) + 2)
    phone.client.disconnect()
    await send(clock, phone, 'three')
    await sync(clock, phone)
    expect(relay.published[3]?.created_at).toBe((times[0] as number) + 3)
  })

  for (const older of ['OK false replaced', 'OK true duplicate'] as const) {
    it(`[PLN4] merges and sends again where the relay has something newer and says ${older}`, async () => {
      const { relay, clock, device } = plainWorld(createPlainRelay({ older }))
      const phone = await device()
      await during(clock, phone.client.chats.create({ id: 'oslo' }))
      await sync(clock, phone)
      // A clone of the device writes under the same address. Its event is newer, and isn't seen live.
      const clone = await device({ store: await copyOf(phone.store), seed: 'clone' })
      phone.server.script.onMessage = () => {}
      clone.client.connect()
      await clock.advance(5_000)
      phone.client.disconnect()
      await send(clock, clone, 'from the clone')
      await clock.advance(100_000)
      phone.client.connect()
      phone.server.script.onReq = (link, id) => link.send('EOSE', id)
      await clock.advance(5_000)
      Object.assign(phone.server.script, { onReq: relay.script().onReq })
      const future = relay.kept.get(`30001:${owner.publicKey}:oslo/${phone.client.deviceId}`) as NostrEvent
      relay.kept.set(
        `30001:${owner.publicKey}:oslo/${phone.client.deviceId}`,
        sign(owner, { ...future, created_at: future.created_at + 1_000 }),
      )
      await send(clock, phone, 'from the phone')
      await clock.advance(60_000)
      expect(phone.client.status.unsent).toBe(0)
      expect((await textsIn(phone)).sort()).toEqual(['from the clone', 'from the phone'])
      await clock.advance(60_000)
      const kept = relay.kept.get(`30001:${owner.publicKey}:oslo/${phone.client.deviceId}`) as NostrEvent
      const doc = new Y.Doc()
      Y.applyUpdate(doc, parsePlainState(kept, DEFAULT_LIMITS).update)
      expect(textsOf(doc).sort()).toEqual(['from the clone', 'from the phone'])
    })
  }

  it('[PLN5] calls an edit saved when a state that holds it was taken, and not before', async () => {
    const { relay, clock, device } = plainWorld()
    const phone = await device()
    await during(clock, phone.client.chats.create({ id: 'oslo' }))
    await sync(clock, phone)
    const answers: (() => void)[] = []
    const { onEvent } = relay.script()
    phone.server.script.onEvent = (link, event) => answers.push(() => onEvent?.(link, event))
    await send(clock, phone, 'one')
    const one = phone.client.lastEdit(oslo)
    await clock.advance(5_000)
    await send(clock, phone, 'two')
    const two = phone.client.lastEdit(oslo)
    await clock.advance(5_000)
    expect(answers).toHaveLength(1)
    expect([phone.client.stateOf(one), phone.client.stateOf(two)]).toEqual(['local', 'local'])
    answers[0]?.()
    await clock.advance(5_000)
    expect([phone.client.stateOf(one), phone.client.stateOf(two)]).toEqual(['saved', 'local'])
    expect(phone.client.status.unsent).toBe(1)
    answers[1]?.()
    await clock.advance(5_000)
    expect(phone.client.stateOf(two)).toBe('saved')
    expect(await phone.store.loadOutbox()).toEqual([])
  })

  it('[PLN5] lists what the relay refuses with its reason, and tries it with the next edit or when asked', async () => {
    let refuses = true
    const judge = () => (refuses ? 'blocked: not on my relay' : undefined)
    const { relay, clock, device } = plainWorld(createPlainRelay({ judge }))
    const phone = await device()
    await during(clock, phone.client.chats.create({ id: 'oslo' }))
    phone.client.connect()
    await clock.advance(60_000)
    expect(relay.published).toHaveLength(1)
    expect(phone.client.status).toMatchObject({ unsent: 0, refused: 1 })
    expect(phone.client.refused()).toMatchObject([{ lane: oslo, reason: 'blocked: not on my relay' }])
    expect(phone.client.stateOf(oslo)).toBe('refused')
    expect(JSON.parse(phone.client.exportRefused()[0]?.event ?? '')).toEqual(relay.published[0])
    await send(clock, phone, 'one')
    await clock.advance(60_000)
    expect(relay.published).toHaveLength(2)
    expect(phone.client.status).toMatchObject({ unsent: 0, refused: 2 })
    refuses = false
    phone.client.retryRefused()
    await clock.advance(5_000)
    expect(phone.client.status).toMatchObject({ unsent: 0, refused: 0 })
    expect(phone.client.stateOf(oslo)).toBe('saved')
  })

  it('[PLN5] tries again by itself what the relay put off', async () => {
    let left = 3
    const judge = () => (left-- > 0 ? 'rate-limited: slow down' : undefined)
    const { clock, device } = plainWorld(createPlainRelay({ judge }))
    const phone = await device()
    await during(clock, phone.client.chats.create({ id: 'oslo' }))
    phone.client.connect()
    await clock.advance(60_000)
    expect(phone.client.status).toMatchObject({ unsent: 0, refused: 0, problem: undefined })
  })

  it('[PLN8] makes one state of the edits of two seconds, and keeps nobody waiting who asks', async () => {
    const { relay, clock, device } = plainWorld()
    const phone = await device()
    await during(clock, phone.client.chats.create({ id: 'oslo' }))
    await sync(clock, phone)
    for (let index = 0; index < 100; index++) await send(clock, phone, `${index}`)
    await clock.advance(5_000)
    expect(relay.published.length).toBeLessThanOrEqual(5)
    expect(phone.client.status.unsent).toBe(0)
    await send(clock, phone, 'first')
    await clock.advance(100)
    const before = clock.now()
    await send(clock, phone, 'urgent')
    expect(await during(clock, phone.client.saved())).toBe(true)
    expect(clock.now() - before).toBeLessThan(500)
  })

  it('[PLN9] refuses a state that is too large for the relay, with both sizes; the rest goes on', async () => {
    const info = { limitation: { max_message_length: 20_000 } }
    const { relay, clock, device } = plainWorld(createPlainRelay({ info }))
    const phone = await device()
    await during(clock, phone.client.chats.create({ id: 'oslo' }))
    await during(clock, phone.client.chats.create({ id: 'rome' }))
    await send(clock, phone, noise(30_000))
    await send(clock, phone, 'small', 'rome')
    phone.client.connect()
    await clock.advance(60_000)
    expect(phone.client.refused()).toMatchObject([
      {
        lane: oslo,
        reason: expect.stringMatching(/^invalid: the whole state is \d{5} bytes .* 19984 are allowed$/),
      },
    ])
    expect(phone.client.status).toMatchObject({ unsent: 0, refused: 2, connection: 'live' })
    expect(relay.published.map((event) => tagValues(event, 'a')[0])).toEqual([chatAddressText(owner, 'rome')])
  })

  it('[PLN9] learns the limit of a relay that says nothing and hangs up', async () => {
    const { relay, clock, device } = plainWorld(createPlainRelay({ info: undefined }))
    const phone = await device()
    const { onEvent } = relay.script()
    phone.server.script.onEvent = (link, event) => {
      if (JSON.stringify(event).length > 20_000) link.close(1009, 'too big')
      else onEvent?.(link, event)
    }
    await during(clock, phone.client.chats.create({ id: 'oslo' }))
    await during(clock, phone.client.chats.create({ id: 'rome' }))
    await send(clock, phone, noise(30_000))
    phone.client.connect()
    await clock.advance(60_000)
    expect(phone.client.refused()).toMatchObject([{ lane: oslo }])
    expect(phone.client.status).toMatchObject({ unsent: 0, connection: 'live' })
    expect(phone.server.dialledAt).toHaveLength(2)
  })
})

async function copyOf(store: SyncStore): Promise<SyncStore> {
  const copy = lastingStore()
  const documents = await store.loadDocuments()
  const updates = (await Promise.all(documents.map(({ address }) => store.loadUpdates(address)))).flat()
  await copy.commit({
    meta: await store.loadMeta(),
    documents,
    updates: updates.sort((a, b) => a.seq - b.seq),
    outboxPut: await store.loadOutbox(),
  })
  return copy
}

describe('reading', () => {
  it('[PLN6] brings everything to a new device, however little one query brings', async () => {
    for (const cap of [1, 2, 3, 500]) {
      const { clock, device } = plainWorld(createPlainRelay({ cap }))
      const phone = await device()
      for (let index = 0; index < 7; index++) {
        await during(clock, phone.client.chats.create({ id: `chat-${index}` }))
        await clock.advance(1_000)
        await sync(clock, phone)
      }
      const tablet = await device()
      await sync(clock, tablet)
      expect(tablet.client.status.documents).toBe(7)
      for (let index = 0; index < 7; index++)
        await expectSameBytes(chatAddressText(owner, `chat-${index}`), phone, tablet)
    }
  })

  it('[PLN6] gets all of many states that were published at once, below a cap of 20', async () => {
    const { relay, clock, device } = plainWorld(createPlainRelay({ cap: 20 }))
    const phone = await device()
    for (let index = 0; index < 60; index++)
      await during(clock, phone.client.chats.create({ id: `chat-${index}` }))
    await sync(clock, phone)
    expect(relay.kept.size).toBe(60)
    const tablet = await device()
    await sync(clock, tablet)
    expect(tablet.client.status.documents).toBe(60)
  })

  it('[PLN6] misses nothing on a relay that answers the same question from a cache', async () => {
    const info = { limitation: { max_limit: 20 } }
    const { clock, device } = plainWorld(createPlainRelay({ info, isCaching: true }))
    const phone = await device()
    const tablet = await device()
    await during(clock, phone.client.chats.create({ id: 'oslo' }))
    await sync(clock, phone, tablet)
    phone.client.disconnect()
    await send(clock, tablet, 'while the phone was away')
    await sync(clock, tablet)
    await sync(clock, phone)
    expect(await textsIn(phone)).toEqual(['while the phone was away'])
    await expectSameBytes(oslo, phone, tablet)
  })

  it('[PLN6][S3] misses nothing on a relay that joins the live feed after it has read', async () => {
    const relay = createPlainRelay()
    const { clock, device } = plainWorld(relay)
    const phone = await device()
    const tablet = await device()
    await sync(clock, phone)
    const { onReq } = relay.script()
    // Between the reading and the joining somebody else publishes.
    let asked = 0
    tablet.server.script.onReq = (link, id, filters) => {
      asked++
      void clock.setTimeout(() => onReq?.(link, id, filters), 5)
    }
    tablet.client.connect()
    for (let index = 0; index < 30; index++) {
      if (index === 0) await during(clock, phone.client.chats.create({ id: 'oslo' }))
      void phone.client.chats.send('oslo', `${index}`)
      void phone.client.saved()
      await clock.advance(3)
    }
    await clock.advance(20_000)
    expect(asked).toBeGreaterThan(3)
    await expectSameBytes(oslo, phone, tablet)
  })

  it('[PLN6] sets aside what no author signed, and ignores what is none of ours', async () => {
    const { relay, clock, device } = plainWorld()
    const phone = await device()
    await during(clock, phone.client.chats.create({ id: 'oslo' }))
    await sync(clock, phone)
    const state = [...relay.kept.values()][0] as NostrEvent
    const tablet = await device()
    const { onReq } = relay.script()
    tablet.server.script.onReq = (link, id, filters) => {
      // Its content is another one than what was signed.
      link.send('EVENT', id, { ...state, content: state.content.replace(/^..../, 'AQIA') })
      link.send(
        'EVENT',
        id,
        sign(owner, { kind: 30001, created_at: 5, tags: [['d', 'bookmarks']], content: 'x' }),
      )
      link.send('EVENT', id, 'nonsense')
      onReq?.(link, id, filters)
    }
    await sync(clock, tablet)
    expect(tablet.client.status.setAside).toBeGreaterThan(0)
    await expectSameBytes(oslo, phone, tablet)
  })

  it('[PLN7] logs in when it is challenged, and waits for nobody who does not ask', async () => {
    for (const auth of [undefined, 'challenges', 'requires'] as const) {
      const { clock, device } = plainWorld(createPlainRelay(auth === undefined ? {} : { auth }))
      const phone = await device()
      await during(clock, phone.client.chats.create({ id: 'oslo' }))
      phone.client.connect()
      await clock.advance(5_000)
      expect(phone.client.status).toMatchObject({ connection: 'live', unsent: 0 })
      expect(phone.server.received('AUTH')).toHaveLength(auth === undefined ? 0 : 1)
      expect(phone.server.dialledAt).toHaveLength(1)
    }
  })

  it('[PLN7] goes on where a login is refused and not needed, and stops where it is', async () => {
    for (const [auth, connection] of [
      ['challenges', 'live'],
      ['requires', 'stopped'],
    ] as const) {
      const { clock, device } = plainWorld(createPlainRelay({ auth }))
      const phone = await device()
      phone.server.script.onAuth = (link, event) => link.send('OK', event.id, false, 'restricted: not you')
      phone.client.connect()
      await clock.advance(60_000)
      expect(phone.client.status.connection).toBe(connection)
    }
  })
})

describe('several devices', () => {
  it('[PLN12][Y13] converge to the byte after offline edits on both, deletions and restarts', async () => {
    const { relay, clock, device } = plainWorld()
    const phone = await device()
    const tablet = await device()
    await during(clock, phone.client.chats.create({ id: 'oslo' }))
    await sync(clock, phone, tablet)
    for (const { client } of [phone, tablet]) client.disconnect()
    await send(clock, phone, 'phone 1')
    await send(clock, tablet, 'tablet 1')
    await during(clock, tablet.client.settings.set('model', 'opus'))
    await during(clock, phone.client.settings.set('theme', 'dark'))
    await during(clock, phone.client.close())
    const again = await device({ store: phone.store })
    await send(clock, again, 'phone 2')
    await sync(clock, again, tablet)
    await expectSameBytes(`10001:${owner.publicKey}:`, again, tablet)
    const doc = await expectSameBytes(oslo, again, tablet)
    expect(textsOf(doc).sort()).toEqual(['phone 1', 'phone 2', 'tablet 1'])
    expect(relay.kept.size).toBe(4)
    expectStatesOnly(relay.published)
  })

  it('[PLN12][Y1] get a deletion that nothing else comes with', async () => {
    const { clock, device } = plainWorld()
    const phone = await device()
    const tablet = await device()
    await during(clock, phone.client.chats.create({ id: 'oslo' }))
    await during(clock, phone.client.chats.send('oslo', 'gone soon', { id: 'm1' }))
    await sync(clock, phone, tablet)
    for (const { client } of [phone, tablet]) client.disconnect()
    await during(clock, tablet.client.chats.deleteMessage('oslo', 'm1'))
    expect(tablet.client.status.unsent).toBe(1)
    await sync(clock, phone, tablet)
    const doc = await expectSameBytes(oslo, phone, tablet)
    expect(textsOf(doc)).toEqual([])
  })

  it('[PLN12][Y12] publish nothing, and check no signature, when nothing has changed', async () => {
    const { relay, clock, device } = plainWorld()
    const phone = await device()
    let checks = 0
    const { pureVerifier } = await import('@onyx-sync/shared')
    const verifier = {
      name: 'counting',
      verify(event: NostrEvent) {
        checks++
        pureVerifier.verify(event)
      },
    }
    const tablet = await device({ verifier })
    await during(clock, phone.client.chats.create({ id: 'oslo' }))
    await sync(clock, phone, tablet)
    const published = relay.published.length
    expect(checks).toBeGreaterThan(0)
    checks = 0
    for (let round = 0; round < 3; round++) {
      tablet.client.disconnect()
      await sync(clock, tablet)
    }
    expect(relay.published).toHaveLength(published)
    expect(checks).toBe(0)
    expect(await tablet.store.lastSeq()).toBeLessThan(5)
  })

  it('[PLN12] bring back what the relay has lost', async () => {
    const { relay, clock, device } = plainWorld()
    const phone = await device()
    const tablet = await device()
    await during(clock, phone.client.chats.create({ id: 'oslo' }))
    await sync(clock, phone, tablet)
    phone.client.disconnect()
    tablet.client.disconnect()
    relay.kept.clear()
    tablet.client.connect()
    await sync(clock, tablet)
    expect(relay.kept.size).toBe(1)
    const fresh = await device()
    await sync(clock, fresh)
    await expectSameBytes(oslo, phone, tablet, fresh)
  })

  it('[PLN12][Y5] of one database, a clone and its original, both keep everything', async () => {
    const { relay, clock, device } = plainWorld()
    const phone = await device()
    await during(clock, phone.client.chats.create({ id: 'oslo' }))
    const clone = await device({ store: await copyOf(phone.store) })
    expect(clone.client.deviceId).toBe(phone.client.deviceId)
    await send(clock, phone, 'phone')
    await send(clock, clone, 'clone')
    await sync(clock, phone, clone)
    for (let round = 0; round < 3; round++) {
      await send(clock, phone, `phone ${round}`)
      await send(clock, clone, `clone ${round}`)
      await clock.advance(20_000)
    }
    await expectSameBytes(oslo, phone, clone)
    const fresh = await device()
    await sync(clock, fresh)
    expect(await textsIn(fresh)).toHaveLength(8)
    const settled = relay.published.length
    await clock.advance(600_000)
    expect(relay.published).toHaveLength(settled)
  })
})

describe('shared chats', () => {
  it('[PLN11] come to their members and back, also before and after each other', async () => {
    const { relay, clock, device } = plainWorld()
    const mine = await device()
    const theirs = await device({ key: friend })
    await sync(clock, theirs)
    await during(clock, mine.client.chats.create({ id: 'oslo' }))
    await send(clock, mine, 'hello')
    await sync(clock, mine)
    expect(await textsIn(theirs)).toEqual([])
    await during(clock, mine.client.chats.setMembers('oslo', [friend.publicKey]))
    await clock.advance(20_000)
    expect(await textsIn(theirs)).toEqual(['hello'])
    await send(clock, theirs, 'hi', oslo)
    await clock.advance(20_000)
    expect(await textsIn(mine)).toEqual(['hello', 'hi'])
    const another = await device({ key: friend })
    await sync(clock, another)
    await expectSameBytes(oslo, mine, theirs, another)
    expectStatesOnly(relay.published)
  })

  it('[PLN3] a state whose signature is wrong is set aside, and the next right one is taken', async () => {
    const { relay, clock, device } = plainWorld()
    const phone = await device()
    await during(clock, phone.client.chats.create({ id: 'oslo' }))
    await send(clock, phone, 'hello')
    await sync(clock, phone)
    for (const [name, state] of relay.kept)
      relay.kept.set(name, { ...state, sig: state.sig.replace(/^./, (first) => (first === '0' ? '1' : '0')) })
    const tablet = await device()
    await sync(clock, tablet)
    expect(await tablet.client.chats.list()).toEqual([])
    expect(tablet.client.status.setAside).toBeGreaterThan(0)
    await send(clock, phone, 'again')
    await clock.advance(20_000)
    expect(await textsIn(tablet)).toEqual(['hello', 'again'])
  })

  it('[PLN11] take nothing of who is not a member, and do not forget who is', async () => {
    const { relay, clock, device } = plainWorld()
    const mine = await device()
    const theirs = await device({ key: friend })
    await during(clock, mine.client.chats.create({ id: 'oslo' }))
    await during(clock, mine.client.chats.setMembers('oslo', [friend.publicKey]))
    await sync(clock, mine, theirs)
    await during(clock, mine.client.chats.setMembers('oslo', []))
    await clock.advance(20_000)
    await send(clock, theirs, 'still here?', oslo)
    await clock.advance(20_000)
    expect(theirs.client.status).toMatchObject({ unsent: 0, refused: 1 })
    expect(theirs.client.refused()).toMatchObject([{ reason: expect.stringContaining('restricted: ') }])
    // Another program of theirs doesn't mind.
    const state = [...relay.kept.values()].find(({ pubkey }) => pubkey === owner.publicKey) as NostrEvent
    const doc = new Y.Doc()
    doc.getArray('messages').push([new Y.Map([['content', 'spam']])])
    const { plainStateIdentifier, createPlainStateTemplate } = await import('@onyx-sync/shared')
    const { address } = parsePlainState(state, DEFAULT_LIMITS)
    for (const key of [friend, testKey(3)]) {
      const template = createPlainStateTemplate({
        address,
        author: key.publicKey,
        device: 'ab'.repeat(8),
        update: Y.encodeStateAsUpdate(doc),
        roster: undefined,
        createdAt: 2_000_000_000,
      })
      expect(plainStateIdentifier(address, 'ab'.repeat(8), key.publicKey)).toBe(tagValues(template, 'd')[0])
      relay.put(sign(key, template))
    }
    mine.client.disconnect()
    await sync(clock, mine)
    expect(await textsIn(mine)).toEqual([])
    // Made a member again, what was refused goes.
    await during(clock, mine.client.chats.setMembers('oslo', [friend.publicKey]))
    await clock.advance(60_000)
    theirs.client.retryRefused()
    await clock.advance(60_000)
    expect(theirs.client.status).toMatchObject({ unsent: 0, refused: 0 })
    expect(await textsIn(mine)).toContain('still here?')
  })

  it('[PLN11] stay shared when a device that did not know of it publishes later', async () => {
    const { clock, device } = plainWorld()
    const phone = await device()
    const tablet = await device()
    const theirs = await device({ key: friend })
    await during(clock, phone.client.chats.create({ id: 'oslo' }))
    await sync(clock, phone, tablet, theirs)
    tablet.client.disconnect()
    await send(clock, tablet, 'offline')
    await during(clock, phone.client.chats.setMembers('oslo', [friend.publicKey]))
    await clock.advance(20_000)
    await sync(clock, tablet)
    await clock.advance(20_000)
    await expectSameBytes(oslo, phone, tablet, theirs)
    expect(await textsIn(theirs)).toEqual(['offline'])
  })
})

describe('changing between servers', () => {
  /** A sync server that keeps what it gets and serves it by cursor. */
  function syncScript(log: NostrEvent[]) {
    return {
      info: async () => ({ yjs_sync: 1 }),
      onConnect: (link: { send(...message: readonly unknown[]): void }) => link.send('AUTH', 'challenge'),
      onReq(
        link: { send(...message: readonly unknown[]): void },
        id: string,
        [filter]: readonly Record<string, unknown>[],
      ) {
        const from = Number(String(filter?.after ?? '').slice(1) || 0)
        if (id === 'sync')
          for (const [index, event] of log.entries())
            if (index >= from) link.send('EVENT', id, event, `c${index + 1}`)
        link.send('EOSE', id, ['finish', `cursor:c${log.length}`])
      },
      onEvent(link: { send(...message: readonly unknown[]): void }, event: NostrEvent) {
        log.push(event)
        link.send('OK', event.id, true, '')
        link.send('EVENT', 'sync', event, `c${log.length}`)
      },
    }
  }

  it('[PLN10] loses nothing, whichever comes first', async () => {
    const log: NostrEvent[] = []
    const { relay, clock, device } = plainWorld()
    const phone = await device({ script: syncScript(log) })
    await during(clock, phone.client.chats.create({ id: 'oslo' }))
    await send(clock, phone, 'to the server')
    await sync(clock, phone)
    const { cursor } = phone.client.status
    await during(clock, phone.client.close())

    const atRelay = await device({ store: phone.store })
    await send(clock, atRelay, 'to the relay')
    await sync(clock, atRelay)
    expectStatesOnly(relay.published)
    const other = await device()
    await sync(clock, other)
    await send(clock, other, 'from another at the relay')
    await clock.advance(20_000)
    expect(await textsIn(atRelay)).toHaveLength(3)
    expect((await atRelay.store.loadMeta()).cursor).toBe(cursor)
    await send(clock, atRelay, 'unsent')
    await during(clock, atRelay.client.close())

    const before = log.length
    const back = await device({ store: phone.store, script: syncScript(log) })
    await sync(clock, back)
    expect(log.length).toBeGreaterThan(before)
    const fresh = await device({ script: syncScript(log) })
    await sync(clock, fresh)
    await expectSameBytes(oslo, back, fresh)
    expect(await textsIn(fresh)).toHaveLength(4)
    // Compared once: the next connection asks from the cursor.
    back.client.disconnect()
    await sync(clock, back)
    const asked = back.server.received('REQ').filter(([, id]) => id === 'sync')
    expect(asked.map(([, , filter]) => (filter as { after: string }).after !== '')).toEqual([false, true])
  })

  it('[PLN10] sends an edit that the relay refused to the sync server', async () => {
    const log: NostrEvent[] = []
    const { clock, device } = plainWorld(createPlainRelay({ judge: () => 'blocked: no' }))
    const phone = await device()
    await during(clock, phone.client.chats.create({ id: 'oslo' }))
    phone.client.connect()
    await clock.advance(5_000)
    expect(phone.client.status.refused).toBe(1)
    await during(clock, phone.client.close())
    const back = await device({ store: phone.store, script: syncScript(log) })
    expect(back.client.status).toMatchObject({ unsent: 1, refused: 0 })
    await sync(clock, back)
    expect(log).toHaveLength(1)
  })

  it('[PLN10][TRN2] brings the sync server a contribution that the relay took, though it took nothing else', async () => {
    const log: NostrEvent[] = []
    const isContribution = ({ kind }: NostrEvent) => kind === KIND.training
    const { relay, clock, device } = plainWorld(
      createPlainRelay({ judge: (event) => (isContribution(event) ? undefined : 'blocked: no') }),
    )
    const { onEvent, ...script } = syncScript(log)
    // Its answer to the contribution gets lost.
    const phone = await device({
      script: { ...script, onEvent: (link, event) => isContribution(event) || onEvent(link, event) },
    })
    await during(clock, phone.client.training.setConsent(true))
    await during(clock, phone.client.chats.create({ id: 'oslo' }))
    const { id } = await during(clock, phone.client.chats.send('oslo', 'What should I pack?'))
    await sync(clock, phone)
    await during(clock, phone.client.training.submit('oslo', id, 5))
    await clock.advance(5_000)
    await during(clock, phone.client.close())
    const atRelay = await device({ store: phone.store })
    atRelay.client.connect()
    await clock.advance(10_000)
    // On its next connection the relay says that it has it.
    atRelay.client.disconnect()
    atRelay.client.connect()
    await clock.advance(10_000)
    const [contribution] = relay.published.filter(isContribution)
    await during(clock, atRelay.client.close())

    const back = await device({ store: phone.store, script: syncScript(log) })
    await sync(clock, back)
    expect(log.filter(isContribution)).toEqual([contribution])
  })

  it('[PLN10] leaves what was signed for the sync server as it is until a state holds it', async () => {
    const { relay, clock, device } = plainWorld()
    const phone = await device({ script: { onEvent: () => {} } })
    await during(clock, phone.client.chats.create({ id: 'oslo' }))
    phone.client.connect()
    await clock.advance(5_000)
    expect(await phone.store.loadOutbox()).toMatchObject([{ state: 'staged' }])
    await during(clock, phone.client.close())
    const atRelay = await device({ store: phone.store })
    await sync(clock, atRelay)
    expectStatesOnly(relay.published)
    expect(await phone.store.loadOutbox()).toEqual([])
  })
})

describe('a state as an event', () => {
  it('[PLN3] has a name of its own for each document, device and owner', async () => {
    const { plainStateIdentifier, chatAddress } = await import('@onyx-sync/shared')
    const device = '0123456789abcdef'
    const me = owner.publicKey
    const names = [
      plainStateIdentifier(chatAddress(me, 'oslo'), device, me),
      plainStateIdentifier(chatAddress(friend.publicKey, 'oslo'), device, me),
      plainStateIdentifier(chatAddress(me, 'settings'), device, me),
      plainStateIdentifier(chatAddress(me, `oslo/${device}`), device, me),
      plainStateIdentifier(settingsAddress(me), device, me),
      plainStateIdentifier(settingsAddress(me), 'fedcba9876543210', me),
    ]
    expect(names[0]).toBe(`oslo/${device}`)
    expect(names[4]).toBe(`settings/${device}`)
    expect(new Set(names).size).toBe(names.length)
  })

  it('[PLN3] is refused if it is an increment, names another document than its d tag, or is somebody else’s', () => {
    const doc = new Y.Doc()
    doc.getMap('metadata').set('title', 'x')
    const { content, tags } = createUpdateTemplate({
      address: { kind: 30001, owner: owner.publicKey, identifier: 'oslo' },
      author: owner.publicKey,
      framed: { update: Y.encodeStateAsUpdate(doc), checkpoint: false },
      roster: EMPTY_ROSTER,
      createdAt: 1,
    })
    const encoding = tags.find(([name]) => name === 'encoding') as string[]
    const parse = (d: string, a: string, t = 'onyx-sync', kind = 30001) =>
      parsePlainState(
        sign(owner, { kind, created_at: 1, tags: [['d', d], ['a', a], ['t', t], encoding], content }),
        DEFAULT_LIMITS,
      )
    const d = 'oslo/0123456789abcdef'
    expect(() => parse(d, oslo)).toThrow('SyncStep2')
    expect(() => parse(d, chatAddressText(owner, 'rome'))).toThrow('d tag')
    expect(() => parse('oslo', oslo)).toThrow('d tag')
    expect(() => parse(d, 'nonsense')).toThrow('a tag')
    expect(() => parse(d, oslo, 'other')).toThrow('t tag')
    expect(() => parse(d, oslo, 'onyx-sync', 10001)).toThrow('kind')
    expect(() => parse('settings/0123456789abcdef', `10001:${friend.publicKey}:`)).toThrow(
      /d tag|one account/,
    )
  })
})
