import { createMemoryStore, createSyncClient, type DocumentPresence } from '@onyx-sync/client'
import {
  chatAddress,
  createPresenceTemplate,
  DEFAULT_LIMITS,
  type NostrEvent,
  type PresenceEntry,
  parsePresence,
} from '@onyx-sync/shared'
import { createSeededRandom, type World } from '@onyx-sync/testing'
import { PlainKeySigner } from 'nostr-tools/signer'
import { describe, expect, it } from 'vitest'
import { client as awareness, chatAddressText, presenceEvent, testKey } from '../support/events.js'
import { openScripted, type ScriptedLink, type ScriptedServer } from '../support/scripted-server.js'
import { clientOf, deviceOf, during, serverDocument, serverEvents, startWorld } from '../support/worlds.js'

const owner = testKey(1)
const friend = testKey(2)
const stranger = testKey(3)
const serverKey = testKey(9)
const ADDRESS = chatAddressText(owner)
const typing = { typing: true }

/** A world with a chat of alice's that bob shares. carol is somebody else. */
async function sharedWorld(seed: string, onSent: (device: string, event: NostrEvent) => void = () => {}) {
  const world = await startWorld(
    seed,
    { alice: ['laptop', 'phone'], bob: ['desk'], carol: ['tablet'] },
    {
      onSent(device, text) {
        const [type, event] = JSON.parse(text) as [string, NostrEvent]
        if (type === 'EVENT' && event.kind === 20001) onSent(device.name, event)
      },
    },
  )
  const laptop = clientOf(world, 'laptop')
  const { address } = await during(world, laptop.chats.create({ id: 'oslo' }))
  await during(world, laptop.chats.setMembers('oslo', [deviceOf(world, 'desk').pubkey]))
  await during(world, laptop.synced())
  await world.advance(2_000)
  return { world, address, enter: (name: string) => clientOf(world, name).presence(address) }
}

/** A device that has reached a scripted server which names its key. */
async function live(script: Parameters<typeof openScripted>[1] = {}) {
  const opened = await openScripted(owner, {
    ...script,
    script: { info: async () => ({ yjs_sync: 1, self: serverKey.publicKey }), ...script.script },
  })
  opened.client.connect()
  await opened.clock.advance(100)
  const say = async (...events: unknown[]) => {
    for (const event of events) opened.server.link.send('EVENT', 'sync', event)
    await opened.clock.advance(10)
  }
  return { ...opened, say, presence: opened.client.presence(ADDRESS) }
}

const byFriend = (...list: PresenceEntry[]) => presenceEvent(friend, list, { owner })

/** Client id and state of the others. */
const others = (presence: DocumentPresence) =>
  presence.states().flatMap(({ isLocal, clientId, state }) => (isLocal ? [] : [[clientId, state]]))

/** What a device said: clocks and states, oldest first. */
const saidTo = (server: ScriptedServer) =>
  server
    .events()
    .filter(({ kind }) => kind === 20001)
    .map((event) => parsePresence(event, DEFAULT_LIMITS).entries[0] as PresenceEntry)

describe('who is there', () => {
  it('[PRS20] is seen by all devices that may read the document, and by nobody else', async () => {
    const { world, address, enter } = await sharedWorld('who is there')
    const [laptop, phone, desk, tablet] = ['laptop', 'phone', 'desk', 'tablet'].map(
      enter,
    ) as DocumentPresence[]
    laptop?.setLocal({ typing: true, name: 'Ada' })
    desk?.setLocal({ typing: false })
    tablet?.setLocal({ spying: true })
    await world.advance(5_000)
    const [alice, bob] = [deviceOf(world, 'laptop').pubkey, deviceOf(world, 'desk').pubkey]
    const ofLaptop = { clientId: laptop?.clientId, pubkey: alice, state: { typing: true, name: 'Ada' } }
    const ofDesk = { clientId: desk?.clientId, pubkey: bob, state: { typing: false } }
    expect(laptop?.states()).toEqual([
      { ...ofLaptop, isLocal: true },
      { ...ofDesk, isLocal: false },
    ])
    expect(desk?.states()).toEqual([
      { ...ofDesk, isLocal: true },
      { ...ofLaptop, isLocal: false },
    ])
    expect(phone?.states()).toHaveLength(2)
    expect(phone?.states()).toEqual(
      expect.arrayContaining([ofLaptop, ofDesk].map((of) => ({ ...of, isLocal: false }))),
    )
    // A stranger sees only what it says itself.
    expect(tablet?.states().map(({ isLocal }) => isLocal)).toEqual([true])
    // Nothing of it is in the log, in the document, or waits to be sent.
    expect((await serverEvents(world.serverDisk.contents)).map(({ kind }) => kind)).not.toContain(20001)
    const writers = [...(await serverDocument(world, address)).store.clients.keys()]
    for (const presence of [laptop, desk]) expect(writers).not.toContain(presence?.clientId)
    for (const name of ['laptop', 'desk', 'tablet'])
      expect(clientOf(world, name).status).toMatchObject({ unsent: 0, refused: 0, setAside: 0 })
  })

  it('[PRS20] tells of changes, once per tick, until it is left', async () => {
    const { clock, presence, say } = await live()
    const told: unknown[] = []
    const off = presence.onChange((states) => told.push(states.map(({ state }) => state)))
    const failing = presence.onChange(() => {
      throw new Error('a listener of the app fails')
    })
    await say(byFriend(awareness(1, 1)))
    await say(byFriend(awareness(1, 2)))
    await say(byFriend(awareness(1, 3, { typing: false })))
    presence.setLocal(typing)
    presence.setLocal({ name: 'Ada' })
    await clock.advance(1)
    expect(told).toEqual([[typing], [{ typing: false }], [{ name: 'Ada' }, { typing: false }]])
    off()
    failing()
    const again: unknown[] = []
    presence.onChange(() => again.push('told'))
    presence.leave()
    presence.leave()
    presence.setLocal(typing)
    await say(byFriend(awareness(1, 4, typing)))
    expect(told).toHaveLength(3)
    expect(again).toEqual([])
    expect(presence.states()).toEqual([])
    expect(presence.onChange(() => again.push('told'))).toBeTypeOf('function')
  })

  it('[PRS20] is one state per device, however often it is open; the last one out takes it along', async () => {
    const { clock, client, server, presence } = await live()
    const other = client.presence(ADDRESS)
    other.setLocal(typing)
    expect(presence.states()).toEqual(other.states())
    expect(presence.clientId).toBe(other.clientId)
    await clock.advance(100)
    other.leave()
    await clock.advance(100)
    expect(presence.states()).toHaveLength(1)
    presence.leave()
    await clock.advance(100)
    expect(saidTo(server).map(({ state }) => state)).toEqual([typing, null])
    const { clientId } = client.presence(ADDRESS)
    expect(clientId).toBe(presence.clientId)
    expect(client.presence(chatAddressText(owner, 'other')).clientId).not.toBe(clientId)
  })

  it('[PRS20] refuses what is no state, and what is no document', async () => {
    const { client, presence, server, clock } = await live()
    const cycle: Record<string, unknown> = {}
    cycle.self = cycle
    for (const state of [[], 1, 'x', undefined, cycle, { text: 'x'.repeat(4_096) }, { toJSON: () => [] }]) {
      expect(() => presence.setLocal(state as never)).toThrow(
        expect.objectContaining({ code: 'VALUE_INVALID' }),
      )
    }
    for (const address of ['', 'oslo', '1:x:y', `30001:${owner.publicKey}:`])
      expect(() => client.presence(address)).toThrow(expect.objectContaining({ code: 'VALUE_INVALID' }))
    await clock.advance(5_000)
    expect(saidTo(server)).toEqual([])
    // What is set is what it was then.
    const state = { typing: true }
    presence.setLocal(state)
    state.typing = false
    expect(presence.states()[0]?.state).toEqual({ typing: true })
    await client.close()
    expect(() => client.presence(ADDRESS)).toThrow(expect.objectContaining({ code: 'CLIENT_CLOSED' }))
  })
})

describe('what a device says', () => {
  it('[PRS21] is sent at most once a second, the newest then; a removal at once', async () => {
    const { clock, server, presence } = await live()
    for (let n = 0; n <= 30; n++) {
      presence.setLocal({ n })
      await clock.advance(100)
    }
    expect(saidTo(server).map(({ state }) => state)).toEqual([{ n: 0 }, { n: 9 }, { n: 19 }, { n: 29 }])
    presence.setLocal({ n: 31 })
    presence.setLocal(null)
    await clock.advance(10)
    expect(
      saidTo(server)
        .slice(4)
        .map(({ state }) => state),
    ).toEqual([null])
    // Said already, or never.
    presence.setLocal(null)
    await clock.advance(60_000)
    const clocks = saidTo(server).map((entry) => entry.clock)
    expect(clocks).toEqual([...clocks].sort((a, b) => a - b))
    expect(new Set(clocks).size).toBe(5)
  })

  it('[PRS21] is renewed every 15 s while it holds; the same again sends nothing', async () => {
    const { clock, server, presence } = await live()
    presence.setLocal(typing)
    for (let n = 0; n < 44; n++) {
      await clock.advance(1_000)
      presence.setLocal({ typing: true })
    }
    expect(saidTo(server).map(({ state }) => state)).toEqual([typing, typing, typing])
    presence.setLocal(null)
    await clock.advance(60_000)
    expect(saidTo(server)).toHaveLength(4)
  })

  it('[PRS21] waits for a connection, and is said again on the next, with a higher clock', async () => {
    const { clock, client, server, presence } = await live()
    client.disconnect()
    presence.setLocal({ n: 1 })
    await clock.advance(60_000)
    presence.setLocal({ n: 2 })
    expect(saidTo(server)).toEqual([])
    client.connect()
    await clock.advance(100)
    expect(saidTo(server).map(({ state }) => state)).toEqual([{ n: 2 }])
    server.link.close(1006)
    await clock.advance(10_000)
    const [first, second] = saidTo(server) as [PresenceEntry, PresenceEntry]
    expect(second).toMatchObject({ clientId: first.clientId, state: { n: 2 } })
    // The server has taken it back with the clock in between.
    expect(second.clock).toBeGreaterThan(first.clock + 1)
    client.disconnect()
    presence.setLocal(null)
    client.connect()
    await clock.advance(20_000)
    expect(saidTo(server)).toHaveLength(2)
  })

  it('[PRS21] waits for a slow signer, and outlives one that fails or signs as somebody else', async () => {
    const real = new PlainKeySigner(owner.secretKey)
    const wrong = new PlainKeySigner(stranger.secretKey)
    let signPresence: (template: Parameters<typeof real.signEvent>[0]) => Promise<NostrEvent> = async () => {
      throw new Error('declined')
    }
    const { clock, server, presence } = await live({
      signer: {
        getPublicKey: () => real.getPublicKey(),
        signEvent: (template) =>
          template.kind === 20001 ? signPresence(template) : real.signEvent(template),
      },
    })
    presence.setLocal(typing)
    await clock.advance(14_000)
    signPresence = (template) => wrong.signEvent(template)
    await clock.advance(15_000)
    expect(saidTo(server)).toEqual([])
    signPresence = async (template) => {
      await new Promise<void>((resolve) => clock.setTimeout(resolve, 5_000))
      return real.signEvent(template)
    }
    await clock.advance(3_000)
    // Three are set while the first is being signed.
    for (let n = 0; n < 3; n++) presence.setLocal({ n })
    await clock.advance(12_000)
    expect(saidTo(server).map(({ state }) => state)).toEqual([typing, { n: 2 }])
    // What is signed only when the connection has gone is not sent on the next one; what holds then is.
    presence.setLocal({ n: 4 })
    await clock.advance(1_000)
    server.link.close(1006)
    await clock.advance(20_000)
    expect(server.links).toHaveLength(2)
    expect(saidTo(server).map(({ state }) => state)).toEqual([typing, { n: 2 }, { n: 4 }])
  })
})

describe('what a device believes', () => {
  it('[PRS22] is what was signed: forged presence is not shown', async () => {
    const { presence, client, say } = await live()
    const good = byFriend(awareness(1, 1))
    const forged = [
      { ...good, sig: 'f'.repeat(128) },
      { ...good, id: 'f'.repeat(64) },
      { ...good, pubkey: stranger.publicKey },
      { ...good, content: byFriend(awareness(2, 1)).content },
    ]
    await say(...forged)
    expect(others(presence)).toEqual([])
    await say(good)
    expect(others(presence)).toEqual([[1, typing]])
    expect(presence.states()[0]?.pubkey).toBe(friend.publicKey)
    expect(client.status).toMatchObject({ connection: 'live', setAside: 0 })
  })

  it('[PRS22] of one client, is what the key says that was seen first, until it is gone', async () => {
    const { presence, say } = await live()
    const byStranger = (...list: PresenceEntry[]) => presenceEvent(stranger, list, { owner })
    await say(
      byFriend(awareness(1, 5)),
      byStranger(awareness(1, 9, { forged: true })),
      byStranger(awareness(1, 9, null)),
    )
    expect(presence.states()).toEqual([
      { clientId: 1, pubkey: friend.publicKey, state: typing, isLocal: false },
    ])
    await say(
      byFriend(awareness(1, 4, { old: true })),
      byFriend(awareness(1, 5, { old: true })),
      byFriend(awareness(1, 4, null)),
    )
    expect(others(presence)).toEqual([[1, typing]])
    await say(byFriend(awareness(1, 6, null)), byFriend(awareness(1, 6, { old: true })))
    expect(others(presence)).toEqual([])
    await say(byStranger(awareness(1, 1, { mine: true })), byFriend(awareness(1, 7)))
    expect(presence.states().map(({ pubkey, state }) => [pubkey, state])).toEqual([
      [stranger.publicKey, { mine: true }],
    ])
    // Nobody speaks for this device.
    presence.setLocal({ me: true })
    await say(
      byFriend(awareness(presence.clientId, 99, { forged: true })),
      byFriend(awareness(presence.clientId, 99, null)),
    )
    expect(presence.states()).toContainEqual(expect.objectContaining({ isLocal: true, state: { me: true } }))
    expect(presence.states()).toHaveLength(2)
  })

  it('[PRS22] the server is believed where it says that somebody is gone, and in nothing else', async () => {
    const { presence, say } = await live()
    const byServer = (...list: PresenceEntry[]) => presenceEvent(serverKey, list, { owner })
    await say(byFriend(awareness(1, 5), awareness(2, 5)))
    await say(
      byServer(awareness(1, 6, { made: 'up' })),
      byServer(awareness(3, 1)),
      byServer(awareness(1, 4, null)),
    )
    expect(others(presence)).toEqual([
      [1, typing],
      [2, typing],
    ])
    await say(byServer(awareness(1, 6, null)))
    expect(others(presence)).toEqual([[2, typing]])
    // It comes back as it was before, with a clock beyond the removal.
    await say(byFriend(awareness(1, 6)), byFriend(awareness(1, 7)))
    expect(others(presence)).toEqual([
      [1, typing],
      [2, typing],
    ])
    // A server that doesn't name its key can't say it.
    const silent = await live({ script: { info: async () => ({ yjs_sync: 1 }) } })
    await silent.say(byFriend(awareness(1, 5)), byServer(awareness(1, 6, null)))
    expect(others(silent.presence)).toEqual([[1, typing]])
  })

  it('[PRS22] for 30 s: what is not renewed is gone', async () => {
    const { clock, presence, say } = await live()
    await say(byFriend(awareness(1, 1)), byFriend(awareness(2, 1)))
    await clock.advance(20_000)
    await say(byFriend(awareness(2, 2)), byFriend(awareness(1, 1)))
    await clock.advance(9_900)
    expect(others(presence)).toHaveLength(2)
    let changes = 0
    presence.onChange(() => changes++)
    await clock.advance(200)
    expect(others(presence)).toEqual([[2, typing]])
    expect(changes).toBe(1)
    await clock.advance(20_000)
    expect(others(presence)).toEqual([])
  })

  it('[PRS22] is there at once for who enters later, if it is not too old', async () => {
    const { clock, client, presence, say, server } = await live()
    presence.leave()
    await say(byFriend(awareness(1, 1)), byFriend(awareness(2, 1)), byFriend(awareness(3, 1)))
    await clock.advance(20_000)
    await say(byFriend(awareness(2, 2)), byFriend(awareness(3, 2, null)), byFriend(awareness(4, 1)))
    await say({ ...byFriend(awareness(5, 1)), sig: 'f'.repeat(128) })
    await clock.advance(15_000)
    const entered = client.presence(ADDRESS)
    expect(others(entered)).toEqual([
      [2, typing],
      [4, typing],
    ])
    expect(others(client.presence(chatAddressText(owner, 'other')))).toEqual([])
    // Counted from when it came, not from when it was looked at.
    await clock.advance(15_000)
    expect(others(entered)).toEqual([])
    // Who went while there was no connection is not heard of: nothing from before it counts.
    entered.leave()
    await say(byFriend(awareness(6, 1)))
    server.link.close(1006)
    await clock.advance(2_000)
    expect(others(client.presence(ADDRESS))).toEqual([])
  })

  it('[PRS22] keeps to a bound, whatever a server makes up', async () => {
    const { clock, client, presence, say } = await live({ verifier: { name: 'none', verify() {} } })
    const sample = byFriend(awareness(1, 1))
    const many = (chatId: string, count: number) =>
      Array.from({ length: count }, (_, n) => {
        const entries = [awareness(n + 10, 1)]
        const address = chatAddress(owner.publicKey, chatId)
        return { ...sample, ...createPresenceTemplate({ address, entries, createdAt: 0 }) }
      })
    await say(...many('chat', 1_100))
    expect(others(presence)).toHaveLength(1_024)
    const later = many('later', 513)
    const renewed = presenceEvent(friend, awareness(10, 2), { owner, chatId: 'later' })
    await say(...later.slice(0, 512), renewed, later[512])
    const kept = others(client.presence(chatAddressText(owner, 'later'))).map(([clientId]) => clientId)
    expect(kept).toHaveLength(512)
    // What was heard of last stays.
    expect(kept).toEqual(expect.arrayContaining([10, 12, 522]))
    expect(kept).not.toContain(11)
    await clock.advance(1)
  })
})

describe('what is left', () => {
  it('[PRS20] no timer goes on in a device that was closed', async () => {
    const { clock, client, presence, say } = await live()
    presence.setLocal(typing)
    await say(byFriend(awareness(1, 1)))
    await client.close()
    const { fired } = clock
    await clock.advance(100_000)
    expect(clock.fired).toBe(fired)
  })
})

describe('what goes wrong', () => {
  const refusing = (reason: string) => ({
    onEvent(link: ScriptedLink, event: NostrEvent) {
      link.send('OK', event.id, event.kind !== 20001, event.kind === 20001 ? reason : '')
    },
  })

  it('[PRS23] a refusal is logged, and touches no edit', async () => {
    const lines: string[] = []
    const note = (message: string) => void lines.push(message)
    const { clock, client, server, presence } = await live({
      logger: { debug: note, info: note, warn: note, error: note },
      script: refusing('rate-limited: too much'),
    })
    presence.setLocal(typing)
    await client.chats.create({ id: 'oslo' })
    await clock.advance(14_000)
    expect(lines).toContain('presence was refused')
    expect(saidTo(server)).toHaveLength(1)
    expect(client.status).toMatchObject({ connection: 'live', unsent: 0, refused: 0, problem: undefined })
    // It is tried again when it would be renewed.
    await clock.advance(2_000)
    expect(saidTo(server)).toHaveLength(2)
  })

  it('[PRS23] where its client id is taken it goes on under another one, once per connection', async () => {
    const { clock, client, server, presence, say } = await live({ script: refusing('restricted: not yours') })
    const taken = presence.clientId
    presence.setLocal(typing)
    await clock.advance(10_000)
    expect(saidTo(server).map(({ clientId }) => clientId)).toEqual([taken, presence.clientId])
    expect(presence.clientId).not.toBe(taken)
    // What is still seen of the old one is this device itself.
    await say(presenceEvent(owner, awareness(taken, 50)))
    expect(presence.states().map(({ clientId }) => clientId)).toEqual([presence.clientId])
    Object.assign(server.script, refusing(''), {
      onEvent: (link: ScriptedLink, event: NostrEvent) => link.send('OK', event.id, true, ''),
    })
    await clock.advance(10_000)
    expect(saidTo(server)).toHaveLength(3)
    expect(client.status).toMatchObject({ refused: 0, connection: 'live' })
  })

  it('[PRS25] what is malformed harms nothing', async () => {
    const { presence, client, say, clock } = await live()
    const good = byFriend(awareness(1, 1))
    await say(
      { kind: 20001 },
      { ...good, tags: 5 },
      { ...good, tags: [] },
      { ...good, content: 'x' },
      { ...good, content: 'A'.repeat(100_000) },
      {
        ...good,
        tags: [
          ['a', ADDRESS],
          ['a', ADDRESS],
        ],
      },
    )
    await say(good)
    expect(others(presence)).toEqual([[1, typing]])
    await client.chats.create({ id: 'oslo' })
    await clock.advance(1_000)
    expect(client.status).toMatchObject({ connection: 'live', unsent: 0, setAside: 0 })
  })

  it('[PRS25] without a server it is this device alone', async () => {
    const client = await createSyncClient({
      store: createMemoryStore(),
      signer: new PlainKeySigner(owner.secretKey),
      random: createSeededRandom('alone'),
    })
    const presence = client.presence(ADDRESS)
    presence.setLocal(typing)
    expect(presence.states()).toMatchObject([{ pubkey: owner.publicKey, state: typing, isLocal: true }])
    await client.close()
  })
})

describe('when it ends', () => {
  /** How long it takes, at most, until somebody has gone from a device's view. */
  async function goneWithin(world: World, presence: DocumentPresence, ms: number): Promise<boolean> {
    for (let passed = 0; passed < ms; passed += 100) {
      if (others(presence).length === 0) return true
      await world.advance(100)
    }
    return others(presence).length === 0
  }

  const endings: [string, (world: World) => void, number][] = [
    ['the app disconnects', (world) => clientOf(world, 'laptop').disconnect(), 3_000],
    ['the app closes', (world) => void clientOf(world, 'laptop').close(), 3_000],
    ['the network goes', (world) => world.network.setOnline('laptop', false), 3_000],
    ['nothing passes any more, unnoticed', (world) => world.network.halfOpen('laptop'), 30_000],
  ]
  it.each(endings)('[PRS24] others see it: %s', async (name, end, withinMs) => {
    const { world, enter } = await sharedWorld(`gone: ${name}`)
    const desk = enter('desk')
    enter('laptop').setLocal(typing)
    await world.advance(40_000)
    expect(others(desk)).toHaveLength(1)
    end(world)
    expect(await goneWithin(world, desk, withinMs)).toBe(true)
  })

  it('[PRS24] a device that is killed is gone within 30 s, however late the server hears of it', async () => {
    for (let n = 0; n < 12; n++) {
      const { world, enter } = await sharedWorld(`killed ${n}`)
      const desk = enter('desk')
      enter('laptop').setLocal(typing)
      await world.advance(40_000)
      deviceOf(world, 'laptop').crash()
      expect(await goneWithin(world, desk, 30_000)).toBe(true)
    }
  })

  it('[PRS24] a device that comes back before its dead connection is noticed is seen, and once by itself', async () => {
    const { world, enter } = await sharedWorld('half-open')
    const [desk, laptop] = [enter('desk'), enter('laptop')]
    laptop.setLocal(typing)
    await world.advance(5_000)
    const before = laptop.clientId
    world.network.halfOpen('laptop')
    clientOf(world, 'laptop').wake()
    // Ten seconds until it gives the old connection up; the server holds on to it for a minute.
    await world.advance(20_000)
    expect(clientOf(world, 'laptop').status.connection).toBe('live')
    expect(laptop.clientId).not.toBe(before)
    expect(others(desk)).toContainEqual([laptop.clientId, typing])
    expect(laptop.states()).toHaveLength(1)
    await world.advance(60_000)
    expect(others(desk)).toEqual([[laptop.clientId, typing]])
    expect(laptop.states()).toHaveLength(1)
  })

  it('[PRS24] a device whose connection breaks for a moment keeps its client id', async () => {
    const clocks: number[] = []
    const { world, enter } = await sharedWorld('reconnect', (device, event) => {
      if (device === 'laptop') clocks.push(parsePresence(event, DEFAULT_LIMITS).entries[0]?.clock as number)
    })
    const [desk, laptop] = [enter('desk'), enter('laptop')]
    laptop.setLocal(typing)
    await world.advance(5_000)
    const before = laptop.clientId
    world.network.cut('laptop')
    await world.advance(10_000)
    expect(laptop.clientId).toBe(before)
    expect(others(desk)).toEqual([[before, typing]])
    expect(clocks).toEqual([...clocks].sort((a, b) => a - b))
    // And the server, which forgets everything when it goes.
    world.crashServer()
    await world.advance(5_000)
    world.startServer()
    await world.advance(60_000)
    expect(others(desk)).toEqual([[before, typing]])
  })

  it('[PRS24][S9] a member who is removed is gone for the others, and sees them no more', async () => {
    const { world, enter } = await sharedWorld('removed')
    const [desk, laptop] = [enter('desk'), enter('laptop')]
    desk.setLocal(typing)
    laptop.setLocal({ n: 0 })
    await world.advance(5_000)
    expect([others(desk), others(laptop)].map(({ length }) => length)).toEqual([1, 1])
    await during(world, clientOf(world, 'laptop').chats.setMembers('oslo', []))
    await world.advance(5_000)
    expect(others(laptop)).toEqual([])
    laptop.setLocal({ n: 1 })
    await world.advance(30_000)
    expect(others(desk)).toEqual([])
    desk.setLocal({ still: true })
    await world.advance(30_000)
    expect(others(laptop)).toEqual([])
  })
})
