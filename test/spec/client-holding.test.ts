import { createMemoryStore, createSyncClient, type HoldChoice } from '@onyx-sync/client'
import type { World } from '@onyx-sync/testing'
import { PlainKeySigner } from 'nostr-tools/signer'
import { describe, expect, it } from 'vitest'
import { testKey } from '../support/events.js'
import {
  clientOf,
  deviceOf,
  during,
  serverDocument,
  startWorld,
  storedDocument,
  textsOf,
} from '../support/worlds.js'

/** A world in which the phone has made chats `c0`, `c1` …, each a minute later, and the tablet comes new. */
async function withChats(
  seed: string,
  hold: HoldChoice,
  count = 5,
  options: Parameters<typeof startWorld>[2] = {},
): Promise<World> {
  const world = await startWorld(seed, { ada: ['phone'] }, { holds: { tablet: hold }, ...options })
  const { chats } = clientOf(world, 'phone')
  for (let n = 0; n < count; n++) {
    await during(world, chats.create({ id: `c${n}`, title: `Chat ${n}` }))
    for (const text of ['one', 'two', 'three']) await during(world, chats.send(`c${n}`, `${text} in ${n}`))
    await world.advance(60_000)
  }
  await during(world, clientOf(world, 'phone').settings.set('theme', 'dark'))
  await world.advance(5_000)
  world.addDevice('tablet', 'ada').start()
  await world.advance(15_000)
  return world
}

const addressOf = (world: World, id: string) => `30001:${deviceOf(world, 'phone').pubkey}:${id}`

/** What of each chat the tablet's disk has, by id. */
async function bodiesOn(world: World, name = 'tablet'): Promise<Record<string, string>> {
  const { contents } = deviceOf(world, name).disk
  const documents = await contents.loadDocuments()
  return Object.fromEntries(
    documents
      .filter(({ address }) => address.startsWith('30001:'))
      .map(({ address, body }) => [address.slice(address.lastIndexOf(':') + 1), body] as const)
      .sort(([a], [b]) => (a < b ? -1 : 1)),
  )
}

async function heldOn(world: World): Promise<string[]> {
  return Object.entries(await bodiesOn(world)).flatMap(([id, body]) => (body === 'held' ? [id] : []))
}

/** Whether what the tablet holds is what the server has, and of the rest nothing is there. */
async function expectExact(world: World): Promise<void> {
  const { contents } = deviceOf(world, 'tablet').disk
  for (const [id, body] of Object.entries(await bodiesOn(world))) {
    const address = addressOf(world, id)
    const texts = textsOf(await storedDocument(contents, address))
    const onServer = textsOf(await serverDocument(world, address))
    expect([id, texts]).toEqual([id, body === 'held' ? onServer : []])
    const rows = await contents.loadRows('messages', { column: 'address', equals: address })
    expect([id, rows.length]).toEqual([id, texts.length])
    const [row] = await contents.loadRows('chats', { column: 'address', equals: address })
    expect([id, row?.held, row?.message_count]).toEqual([id, body === 'held', onServer.length])
  }
}

const codeOf = (call: Promise<unknown>) =>
  call.then(
    () => 'no error',
    (error: { code?: string }) => error.code,
  )

describe('what a device holds', () => {
  it('[HLD1] a choice is checked, kept, and holds until another is made', async () => {
    const store = createMemoryStore()
    const signer = new PlainKeySigner(testKey(1).secretKey)
    const wrong: unknown[] = [
      null,
      'some',
      { recent: -1 },
      { recent: 1.5 },
      { activeWithinDays: 0 },
      { ids: 'chat' },
      { ids: [5] },
      { kinds: [1] },
      { newest: 5 },
    ]
    for (const hold of wrong as HoldChoice[]) {
      expect(await codeOf(createSyncClient({ store: createMemoryStore(), signer, hold }))).toBe(
        'VALUE_INVALID',
      )
    }
    const first = await createSyncClient({ store, signer, hold: { recent: 3, ids: ['a'] } })
    for (const hold of wrong as HoldChoice[]) expect(await codeOf(first.hold(hold))).toBe('VALUE_INVALID')
    await first.flush()
    expect(JSON.parse((await store.loadMeta()).hold ?? '')).toEqual({ recent: 3, ids: ['a'] })
    await createSyncClient({ store, signer })
    expect(JSON.parse((await store.loadMeta()).hold ?? '')).toEqual({ recent: 3, ids: ['a'] })
    await first.hold({ activeWithinDays: 7 })
    expect(JSON.parse((await store.loadMeta()).hold ?? '')).toEqual({ activeWithinDays: 7 })
  })

  const choices: readonly (readonly [string, HoldChoice, readonly string[]])[] = [
    ['recent', { recent: 2 }, ['c3', 'c4']],
    ['ids', { ids: ['c1', 'c3', 'unknown'] }, ['c1', 'c3']],
    ['activeWithinDays', { activeWithinDays: 200 / 86_400 }, ['c2', 'c3', 'c4']],
    ['kinds', { kinds: [30001] }, ['c0', 'c1', 'c2', 'c3', 'c4']],
    ['nothing', {}, []],
    ['kinds', { kinds: [10001] }, []],
    ['several', { recent: 1, ids: ['c0'] }, ['c0', 'c4']],
  ]
  for (const [name, hold, held] of choices) {
    it(`[HLD1][HLD2] by ${name}: ${JSON.stringify(hold)}; the others are listed, settings are held`, async () => {
      const world = await withChats(`choice ${name} ${held.length}`, hold)
      expect(await heldOn(world)).toEqual(held)
      await expectExact(world)
      const tablet = clientOf(world, 'tablet')
      expect(tablet.status).toMatchObject({ isCaughtUp: true, unsent: 0, problem: undefined })
      expect((await tablet.settings.read()).preferences).toEqual({ theme: 'dark' })
      const list = await tablet.chats.list()
      const onPhone = await clientOf(world, 'phone').chats.list()
      const shown = ({ id, title, createdAt, lastActivityAt, messageCount }: (typeof list)[number]) => ({
        ...{ id, title, createdAt, lastActivityAt, messageCount },
      })
      expect(list.map(shown)).toEqual(onPhone.map(shown))
      expect(list.map(({ id, isHeld }) => [id, isHeld])).toEqual(
        list.map(({ id }) => [id, held.includes(id)]),
      )
      for (const { isHeld, bytes } of list)
        expect(isHeld ? bytes === undefined : (bytes ?? 0) > 100).toBe(true)
    })
  }

  it('[HLD2] the list follows what others do, and costs no bodies', async () => {
    const texts: string[] = []
    const world = await withChats('follows', {}, 2, {
      onDelivered: (device, text) => {
        if (device.name === 'tablet') texts.push(text)
      },
    })
    const phone = clientOf(world, 'phone').chats
    await during(world, phone.rename('c0', 'Renamed'))
    await during(world, phone.archive('c0', true))
    await during(world, phone.delete('c1'))
    await during(world, phone.create({ id: 'new', title: 'New' }))
    await world.advance(5_000)
    const list = await clientOf(world, 'tablet').chats.list({ includeDeleted: true })
    const byId = new Map(list.map((chat) => [chat.id, chat]))
    expect(byId.get('c0')).toMatchObject({ title: 'Renamed', archived: true, isHeld: false })
    expect(byId.get('c1')?.deletedAt).toBeDefined()
    expect(byId.get('new')).toMatchObject({ title: 'New', isHeld: false })
    expect((await clientOf(world, 'tablet').chats.list()).map(({ id }) => id)).toEqual(['new', 'c0'])
    expect(texts.join('')).not.toContain('"kind":30001')
    expect(texts.join('')).not.toContain('"kind":20002')
  })

  it('[HLD3] a new device that holds everything has the list before the bodies', async () => {
    const world = await startWorld('list first', { ada: ['phone'] })
    for (let n = 0; n < 4; n++) {
      await during(world, clientOf(world, 'phone').chats.create({ id: `c${n}`, title: `Chat ${n}` }))
    }
    await world.advance(5_000)
    const tablet = world.addDevice('tablet', 'ada')
    const seen: string[] = []
    tablet.start()
    for (let step = 0; step < 800; step++) {
      await world.advance(10)
      const rows = await tablet.disk.contents.loadRows('chats')
      const held = rows.filter((row) => row.held === true).length
      const state = `${rows.length} listed, ${held} held`
      if (seen[seen.length - 1] !== state) seen.push(state)
    }
    expect(seen).toContain('4 listed, 0 held')
    expect(seen[seen.length - 1]).toBe('4 listed, 4 held')
    await expectExact(world)
  })

  it('[HLD4][HLD5] a chat is held as a whole or not at all, wherever it is cut or crashes', async () => {
    for (let seed = 0; seed < 12; seed++) {
      const world = await withChats(`crash ${seed}`, {}, 3)
      const tablet = deviceOf(world, 'tablet')
      // Before it is kept, a crash may forget the choice.
      await during(world, clientOf(world, 'tablet').hold({ recent: 2 }))
      const phone = clientOf(world, 'phone').chats
      for (let step = 0; step < 6; step++) {
        await world.advance(world.random.below(60))
        void phone.send(`c${world.random.below(3)}`, `meanwhile ${step}`)
        if (step === 2) world.network.cut('tablet')
        if (step === 4) {
          tablet.crash()
          const { contents } = tablet.disk
          for (const { address, body } of await contents.loadDocuments()) {
            const texts = textsOf(await storedDocument(contents, address))
            if (address.startsWith('30001:')) expect(texts.length > 0).toBe(body === 'held')
          }
          tablet.start()
        }
      }
      await world.advance(90_000)
      expect(await heldOn(world)).toHaveLength(2)
      await expectExact(world)
    }
  })

  it('[HLD5] what happens in held chats while another is brought is not missed', async () => {
    const world = await withChats('meanwhile', { recent: 1 })
    const phone = clientOf(world, 'phone').chats
    for (let n = 0; n < 5; n++) {
      void clientOf(world, 'tablet')
        .chats.read(`c${n}`)
        .catch(() => {})
      for (let step = 0; step < 5; step++) {
        void phone.send('c4', `${n} ${step}`)
        void phone.send(`c${n}`, `also ${step}`)
        await world.advance(15)
      }
    }
    await world.advance(30_000)
    await expectExact(world)
    expect(await heldOn(world)).toEqual(['c4'])
  })

  it('[HLD6] a chat that is listed is brought when it is opened, read or changed', async () => {
    const world = await withChats('opened', { ids: [] })
    const { chats } = clientOf(world, 'tablet')
    expect((await during(world, chats.read('c0'))).messages.map(({ content }) => content)).toEqual(
      ['one', 'two', 'three'].map((text) => `${text} in 0`),
    )
    const opened = await during(world, chats.open('c1'))
    expect(textsOf(opened.doc)).toHaveLength(3)
    opened.release()
    await during(world, chats.send('c2', 'from the tablet'))
    await during(world, chats.rename('c3', 'Renamed'))
    await world.advance(10_000)
    expect(await heldOn(world)).toEqual(['c0', 'c1', 'c2', 'c3'])
    await expectExact(world)
    expect(textsOf(await serverDocument(world, addressOf(world, 'c2')))).toHaveLength(4)
    expect((await clientOf(world, 'phone').chats.read('c3')).title).toBe('Renamed')
  })

  it('[HLD6] without a connection it is refused, says what to do, and changes nothing', async () => {
    const world = await withChats('offline', { recent: 1 })
    const client = clientOf(world, 'tablet')
    world.network.setOnline('tablet', false)
    world.network.cut('tablet')
    await world.advance(3_000)
    for (const call of [
      () => client.chats.read('c0'),
      () => client.chats.open('c0'),
      () => client.chats.send('c0', 'lost?'),
      () => client.chats.setMembers('c0', []),
    ]) {
      expect(await during(world, codeOf(call()))).toBe('DOCUMENT_NOT_HELD')
    }
    expect(client.status.unsent).toBe(0)
    await during(world, client.chats.send('c4', 'is here'))
    client.disconnect()
    await expect(client.chats.read('c0')).rejects.toThrow(/no connection: connect/)
  })

  it('[HLD6] a wait for a body ends with the connection', async () => {
    const world = await withChats('cut', {})
    const call = codeOf(clientOf(world, 'tablet').chats.read('c0'))
    world.crashServer()
    expect(await during(world, call)).toBe('DOCUMENT_NOT_HELD')
    world.startServer()
    await world.advance(60_000)
    expect((await during(world, clientOf(world, 'tablet').chats.read('c0'))).messages).toHaveLength(3)
  })

  it('[HLD7] a body goes when all of it is saved, in one batch; the chat stays in the list', async () => {
    const world = await withChats('evicted', { kinds: [30001] })
    const { chats } = clientOf(world, 'tablet')
    const before = (await chats.list()).find(({ id }) => id === 'c1')
    await during(world, chats.evict('c1'))
    await expectExact(world)
    expect((await bodiesOn(world)).c1).toBe('evicted')
    const after = (await chats.list()).find(({ id }) => id === 'c1')
    expect(after).toEqual({ ...before, isHeld: false, bytes: after?.bytes })
    expect(after?.bytes).toBeGreaterThan(100)
    await chats.evict('c1')
    const opened = await during(world, chats.open('c2'))
    expect(await during(world, codeOf(chats.evict('c2')))).toBe('DOCUMENT_IN_USE')
    opened.release()
    await during(world, chats.evict('c2'))
    expect((await bodiesOn(world)).c2).toBe('evicted')
    expect((await during(world, chats.read('c1'))).messages).toHaveLength(3)
    await world.advance(5_000)
    await expectExact(world)
  })

  it('[HLD7] a body with anything that is not saved stays', async () => {
    const world = await withChats('unsaved', { kinds: [30001] })
    const { chats } = clientOf(world, 'tablet')
    world.network.setOnline('tablet', false)
    world.network.cut('tablet')
    await world.advance(2_000)
    await during(world, chats.send('c1', 'only here'))
    expect(await during(world, codeOf(chats.evict('c1')))).toBe('DOCUMENT_IN_USE')
    await during(world, clientOf(world, 'tablet').hold({}))
    world.network.setOnline('tablet', true)
    clientOf(world, 'tablet').wake()
    await world.advance(60_000)
    expect(await heldOn(world)).toEqual([])
    expect(textsOf(await serverDocument(world, addressOf(world, 'c1')))).toContain('only here')
    await expectExact(world)
  })

  it('[HLD7][STR7] a body stays while this device writes a message in it, which comes to its end', async () => {
    const world = await withChats('streamed into', { kinds: [30001] })
    const { chats, hold } = clientOf(world, 'tablet')
    const reply = await during(world, chats.stream('c1', { id: 'reply' }))
    await during(world, hold({}))
    await world.advance(60_000)
    expect(await heldOn(world)).toEqual(['c1'])
    expect(await during(world, codeOf(chats.evict('c1')))).toBe('DOCUMENT_IN_USE')
    await during(world, reply.complete())
    await world.advance(60_000)
    expect(await heldOn(world)).toEqual([])
    // One whose process ends with it is marked when the device is opened, and may go then.
    await during(world, chats.stream('c2', { id: 'cut off' }))
    await world.advance(60_000)
    deviceOf(world, 'tablet').crash()
    deviceOf(world, 'tablet').start()
    await world.advance(60_000)
    await during(world, clientOf(world, 'tablet').chats.evict('c2'))
    const [cutOff] = (await during(world, clientOf(world, 'phone').chats.read('c2'))).messages.slice(-1)
    expect(cutOff).toMatchObject({ id: 'cut off', status: 'aborted' })
  })

  it('[HLD8][HLD10] what a server that was set back has lost is held once somebody has brought it there', async () => {
    const world = await withChats('brought back', {}, 2)
    const isOf = (address: string) =>
      world.serverDisk.commits.findIndex(({ documents }) =>
        documents.some((document) => document.address === address),
      )
    world.network.setOnline('phone', false)
    await world.advance(5_000)
    world.crashServer()
    await world.serverDisk.restore(isOf(addressOf(world, 'c1')))
    world.startServer()
    await world.advance(60_000)
    const tablet = clientOf(world, 'tablet')
    await during(world, tablet.hold({ kinds: [30001] }))
    await world.advance(20_000)
    expect(await bodiesOn(world)).toEqual({ c0: 'held', c1: 'listed' })
    world.network.setOnline('phone', true)
    clientOf(world, 'phone').wake()
    await world.advance(60_000)
    expect(await bodiesOn(world)).toEqual({ c0: 'held', c1: 'held' })
    await expectExact(world)
  })

  it('[HLD11] a device that held some goes on with those where another server has taken the place of its own', async () => {
    const world = await withChats('another server', { recent: 2 })
    const tablet = clientOf(world, 'tablet')
    world.crashServer()
    world.serverDisk.replace()
    world.startServer()
    // Whose word about what else there is isn't taken: it has no list to hold all by.
    await during(world, tablet.hold('all'))
    await world.advance(60_000)
    await during(world, tablet.chats.send('c4', 'after it'))
    await world.advance(60_000)
    expect(tablet.status).toMatchObject({
      connection: 'live',
      isCaughtUp: true,
      unsent: 0,
      problem: { code: 'SERVER_KEY_CHANGED' },
    })
    expect(textsOf(await serverDocument(world, addressOf(world, 'c4')))).toContain('after it')
    expect(await heldOn(world)).toEqual(expect.arrayContaining(['c3', 'c4']))
  })

  it('[HLD7] on a device that holds everything nothing is evicted, and settings never', async () => {
    const world = await withChats('all', 'all', 1)
    const { chats } = clientOf(world, 'tablet')
    expect(await codeOf(chats.evict('c0'))).toBe('VALUE_INVALID')
    expect(await codeOf(chats.evict('unknown'))).toBe('DOCUMENT_NOT_FOUND')
  })

  it('[HLD7][HLD10] a body that is let go of while everything is being chosen is here in the end', async () => {
    const world = await withChats('evicted late', { kinds: [30001] }, 2)
    const { hold, chats } = clientOf(world, 'tablet')
    for (let delayMs = 0; delayMs <= 400; delayMs += 10) {
      await during(world, hold({ kinds: [30001] }))
      await world.advance(5_000)
      const held = hold('all')
      await world.advance(delayMs)
      const evicted = codeOf(chats.evict('c1'))
      await world.advance(5_000)
      await held
      expect(['no error', 'DOCUMENT_IN_USE', 'VALUE_INVALID']).toContain(await evicted)
      expect([delayMs, await bodiesOn(world)]).toEqual([delayMs, { c0: 'held', c1: 'held' }])
    }
    await expectExact(world)
  })

  it('[HLD8][CAT10] after a server was set back, what is not here is left alone, and what is here goes again', async () => {
    const world = await withChats('set back', { ids: ['c0', 'c4'] })
    await during(world, clientOf(world, 'tablet').chats.read('c1'))
    await during(world, clientOf(world, 'tablet').chats.evict('c1'))
    deviceOf(world, 'phone').crash()
    world.crashServer()
    world.serverDisk.replace()
    world.startServer()
    await world.advance(60_000)
    const ids = new Set<string>()
    for await (const page of world.serverDisk.contents.allDocuments()) {
      for (const address of page)
        if (address.startsWith('30001:')) ids.add(address.slice(address.lastIndexOf(':') + 1))
    }
    expect([...ids].sort()).toEqual(['c0', 'c4'])
    expect(await bodiesOn(world)).toMatchObject({ c0: 'held', c1: 'evicted', c2: 'listed', c4: 'held' })
    expect(await clientOf(world, 'tablet').chats.list()).toHaveLength(5)
    expect(await during(world, codeOf(clientOf(world, 'tablet').chats.read('c2')))).toBe('DOCUMENT_NOT_HELD')
    deviceOf(world, 'phone').start()
    await world.advance(60_000)
    expect((await during(world, clientOf(world, 'tablet').chats.read('c2'))).messages).toHaveLength(3)
    await expectExact(world)
  })

  it('[HLD9] the most recent move by themselves; what was opened goes when it is closed', async () => {
    const world = await withChats('moves', { recent: 2 })
    const tablet = clientOf(world, 'tablet').chats
    await during(world, clientOf(world, 'phone').chats.send('c0', 'awake again'))
    await world.advance(10_000)
    expect(await heldOn(world)).toEqual(['c0', 'c4'])
    const opened = await during(world, tablet.open('c2'))
    await world.advance(10_000)
    expect(await heldOn(world)).toEqual(['c0', 'c2', 'c4'])
    opened.release()
    await world.advance(10_000)
    expect(await heldOn(world)).toEqual(['c0', 'c4'])
    await during(world, tablet.evict('c4'))
    await world.advance(10_000)
    expect(await heldOn(world)).toEqual(['c0'])
    await during(world, clientOf(world, 'phone').chats.send('c4', 'news'))
    await world.advance(10_000)
    expect(await heldOn(world)).toEqual(['c0', 'c4'])
    await expectExact(world)
  })

  it('[HLD10] changing the choice, to everything and back, is complete and exact, also after a restart', async () => {
    const world = await withChats('changes', { recent: 1 })
    const phone = clientOf(world, 'phone').chats
    for (const [hold, held] of [
      ['all', ['c0', 'c1', 'c2', 'c3', 'c4']],
      [{ ids: ['c1'] }, ['c1']],
      [{ recent: 2 }, ['c3', 'c4']],
      ['all', ['c0', 'c1', 'c2', 'c3', 'c4']],
    ] as readonly (readonly [HoldChoice, readonly string[]])[]) {
      await during(world, clientOf(world, 'tablet').hold(hold))
      await during(world, phone.rename('c1', `while ${JSON.stringify(hold)}`))
      await world.advance(20_000)
      expect(await heldOn(world)).toEqual(held)
      await expectExact(world)
      deviceOf(world, 'tablet').crash()
      deviceOf(world, 'tablet').start()
      await world.advance(20_000)
      expect(await heldOn(world)).toEqual(held)
      await expectExact(world)
    }
    await during(world, phone.create({ id: 'later', title: 'Later' }))
    await world.advance(5_000)
    expect(await heldOn(world)).toContain('later')
  })

  it('[HLD10] an older device that held everything begins to hold less', async () => {
    const world = await withChats('less', 'all')
    expect(await heldOn(world)).toHaveLength(5)
    await during(world, clientOf(world, 'tablet').hold({ recent: 1 }))
    await world.advance(20_000)
    expect(await heldOn(world)).toEqual(['c4'])
    await during(world, clientOf(world, 'phone').chats.create({ id: 'older', title: 'No messages yet' }))
    await world.advance(10_000)
    expect(await heldOn(world)).toEqual(['older'])
    await expectExact(world)
  })

  it('[HLD11] with a server that tells nothing of documents, everything is held, without a problem', async () => {
    const world = await withChats('plain server', { recent: 1 }, 3, { offersSummaries: false })
    expect(await heldOn(world)).toEqual(['c0', 'c1', 'c2'])
    expect(clientOf(world, 'tablet').status).toMatchObject({ isCaughtUp: true, problem: undefined })
    await expectExact(world)
  })

  it('[HLD12] a chat of another owner with the same id is another chat', async () => {
    const world = await startWorld(
      'same id',
      { ben: ['desk'], ada: ['phone'] },
      { holds: { tablet: { recent: 1 } } },
    )
    const { pubkey } = deviceOf(world, 'phone')
    const desk = clientOf(world, 'desk').chats
    await during(world, desk.create({ id: 'plan', title: 'of ben' }))
    await during(world, desk.setMembers('plan', [pubkey]))
    await world.advance(60_000)
    await during(world, clientOf(world, 'phone').chats.create({ id: 'plan', title: 'of ada' }))
    await world.advance(5_000)
    world.addDevice('tablet', 'ada').start()
    await world.advance(15_000)
    await during(world, desk.send('plan', 'not for the tablet'))
    await world.advance(1)
    const bens = `30001:${deviceOf(world, 'desk').pubkey}:plan`
    const { contents } = deviceOf(world, 'tablet').disk
    await during(world, clientOf(world, 'tablet').hold({ ids: [addressOf(world, 'plan')] }))
    await during(world, desk.send('plan', 'nor this'))
    await world.advance(15_000)
    const bodies = new Map((await contents.loadDocuments()).map(({ address, body }) => [address, body]))
    expect(bodies.get(addressOf(world, 'plan'))).toBe('held')
    expect(bodies.get(bens)).toBe('listed')
    expect(await contents.loadUpdates(bens)).toEqual([])
    const read = await during(world, clientOf(world, 'tablet').chats.read(bens))
    expect(read.messages.map(({ content }) => content)).toEqual(['not for the tablet', 'nor this'])
  })

  it('[HLD13][CAT9] a chat that is made here is held, with what the server has of it', async () => {
    const world = await withChats('made here', {}, 1)
    world.network.setOnline('tablet', false)
    world.network.cut('tablet')
    await world.advance(2_000)
    const tablet = clientOf(world, 'tablet').chats
    await during(world, tablet.create({ id: 'twice', title: 'by the tablet' }))
    await during(world, tablet.send('twice', 'from the tablet'))
    const phone = clientOf(world, 'phone').chats
    await during(world, phone.create({ id: 'twice', title: 'by the phone' }))
    await during(world, phone.send('twice', 'from the phone'))
    await world.advance(5_000)
    expect((await bodiesOn(world)).twice).toBe('local')
    world.network.setOnline('tablet', true)
    clientOf(world, 'tablet').wake()
    await world.advance(30_000)
    const texts = (await tablet.read('twice')).messages.map(({ content }) => content)
    expect(texts.sort()).toEqual(['from the phone', 'from the tablet'])
    await during(world, tablet.create({ id: 'live' }))
    await world.advance(15_000)
    await during(world, phone.send('live', 'answered'))
    await world.advance(5_000)
    expect(await heldOn(world)).toEqual(['live', 'twice'])
    await expectExact(world)
    await during(world, tablet.evict('live'))
    await during(world, tablet.evict('twice'))
    expect(await heldOn(world)).toEqual([])
  })
})
