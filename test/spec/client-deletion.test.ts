import { createMemoryStore, createSyncClient, type SyncStore } from '@onyx-sync/client'
import { KIND, type NostrEvent, parseAddress } from '@onyx-sync/shared'
import type { World } from '@onyx-sync/testing'
import { describe, expect, it } from 'vitest'
import { chatAddressText, chatEvent, deletionEvent, messageUpdate, testKey } from '../support/events.js'
import { openScripted } from '../support/scripted-server.js'
import { clientOf, deviceOf, during, serverEvents, startWorld } from '../support/worlds.js'

const kindsOnServer = async (world: World) =>
  (await serverEvents(world.serverDisk.contents)).map(({ kind }) => kind)

/** What of a chat is on a device's disk. */
async function leftOf(world: World, name: string, address: string) {
  const store = deviceOf(world, name).disk.contents
  const where = { column: 'address', equals: address }
  const [row] = await store.loadRows('chats', where)
  return {
    updates: (await store.loadUpdates(address)).length,
    messages: (await store.loadRows('messages', where)).length,
    isDeleted: row !== undefined && row.deleted_at !== null,
    body: (await store.loadDocuments()).find((document) => document.address === address)?.body,
  }
}

/** Whether an event of a lane is signed and not answered yet. */
async function isStaged(world: World, name: string, lane: string): Promise<boolean> {
  const entries = await deviceOf(world, name).disk.contents.loadOutbox()
  return entries.some((entry) => entry.lane === lane && entry.state === 'staged')
}

const GONE = { updates: 0, messages: 0, isDeleted: true, body: 'deleted' }

async function sharedChat(seed: string) {
  const world = await startWorld(seed, { alice: ['phone', 'tablet'], bob: ['laptop'] })
  const phone = clientOf(world, 'phone')
  const { address } = await during(world, phone.chats.create({ id: 'oslo', title: 'Oslo' }))
  await during(world, phone.chats.setMembers('oslo', [clientOf(world, 'laptop').pubkey]))
  await during(world, phone.chats.send('oslo', 'What should I pack?'))
  await world.advance(20_000)
  return { world, phone, address }
}

describe('deleting a chat for good', () => {
  it('[DLD1][DLD2] takes it off this device, the server, and every other device', async () => {
    const { world, phone, address } = await sharedChat('delete')
    await during(world, phone.chats.deleteForever('oslo'))
    expect(await leftOf(world, 'phone', address)).toEqual(GONE)
    expect(await phone.chats.list()).toEqual([])
    await world.advance(20_000)
    expect(await kindsOnServer(world)).toEqual([5])
    for (const name of ['tablet', 'laptop']) {
      expect(await leftOf(world, name, address)).toEqual(GONE)
      const client = clientOf(world, name)
      expect(client.status).toMatchObject({ unsent: 0, refused: 0, isCaughtUp: true })
      for (const call of [
        () => client.chats.read(address),
        () => client.chats.send(address, 'still there?'),
        () => client.chats.open(address),
        () => client.chats.restore(address),
      ])
        await expect(during<unknown>(world, call())).rejects.toMatchObject({ code: 'DELETED' })
    }
    // It stays so.
    for (const name of ['phone', 'laptop']) {
      deviceOf(world, name).crash()
      deviceOf(world, name).start()
    }
    await world.advance(20_000)
    for (const name of ['phone', 'tablet', 'laptop']) expect(await leftOf(world, name, address)).toEqual(GONE)
    expect(clientOf(world, 'phone').status).toMatchObject({ unsent: 0, isCaughtUp: true })
  })

  it('[DLD1] is for its owner, and twice is once', async () => {
    const { world, phone } = await sharedChat('owner')
    await expect(during(world, clientOf(world, 'laptop').chats.deleteForever('oslo'))).rejects.toMatchObject({
      code: 'VALUE_INVALID',
    })
    await during(world, phone.chats.deleteForever('oslo'))
    await during(world, phone.chats.deleteForever('oslo'))
    await world.advance(20_000)
    expect(await kindsOnServer(world)).toEqual([5])
    await expect(phone.chats.deleteForever('bergen')).rejects.toMatchObject({ code: 'DOCUMENT_NOT_FOUND' })
  })

  it('[DLD1] offline, of a chat that nobody has seen, sends nothing but the request', async () => {
    const world = await startWorld('unsent', { alice: ['phone'] })
    const phone = clientOf(world, 'phone')
    phone.disconnect()
    const { address } = await during(world, phone.chats.create({ id: 'draft' }))
    await during(world, phone.chats.send('draft', 'never mind'))
    await during(world, phone.chats.deleteForever('draft'))
    expect(phone.status.unsent).toBe(1)
    deviceOf(world, 'phone').crash()
    deviceOf(world, 'phone').start()
    await world.advance(20_000)
    expect(await kindsOnServer(world)).toEqual([5])
    expect(await leftOf(world, 'phone', address)).toEqual(GONE)
    expect(clientOf(world, 'phone').status.unsent).toBe(0)
  })

  it('[DLD3] gives edits that were not sent back as refused, also of who was away for months', async () => {
    const { world, phone, address } = await sharedChat('away')
    const laptop = clientOf(world, 'laptop')
    laptop.disconnect()
    await during(world, laptop.chats.send(address, 'Take a coat.'))
    await during(world, phone.chats.deleteForever('oslo'))
    await world.advance(20_000)
    for (const name of ['phone', 'tablet']) clientOf(world, name).disconnect()
    await world.advance(90 * 86_400_000)
    laptop.connect()
    await world.advance(30_000)
    expect(laptop.status).toMatchObject({ unsent: 0, refused: 1, isCaughtUp: true })
    const [refused] = laptop.exportRefused()
    expect(refused).toMatchObject({ lane: address, reason: expect.stringMatching(/^blocked: .*deleted/) })
    expect((JSON.parse(refused?.event ?? '') as NostrEvent).kind).toBe(30001)
    expect(await leftOf(world, 'laptop', address)).toEqual(GONE)
    laptop.retryRefused()
    await world.advance(30_000)
    expect(laptop.status).toMatchObject({ unsent: 0, refused: 1 })
    expect(await kindsOnServer(world)).toEqual([5])
  })

  it('[DLD4] leaves a chat that is open to who has it open, until it is let go of', async () => {
    const { world, phone, address } = await sharedChat('open')
    const opened = await during(world, clientOf(world, 'tablet').chats.open('oslo'))
    await during(world, phone.chats.deleteForever('oslo'))
    await world.advance(20_000)
    expect(await leftOf(world, 'tablet', address)).toMatchObject({
      messages: 0,
      isDeleted: true,
      body: 'deleting',
    })
    opened.doc.getMap('metadata').set('title', 'too late')
    await world.advance(20_000)
    expect(clientOf(world, 'tablet').status).toMatchObject({ unsent: 0, refused: 1 })
    opened.release()
    await world.advance(5_000)
    expect(await leftOf(world, 'tablet', address)).toEqual(GONE)
  })

  it('[DLD4] also where an edit was under way: what is edited later is refused, too', async () => {
    const { world, phone, address } = await sharedChat('under way')
    const opened = await during(world, phone.chats.open('oslo'))
    const edited = phone.chats.send('oslo', 'A coat?')
    // It is on its way to the server, which hasn't answered.
    while (phone.status.unsent === 0 || !(await isStaged(world, 'phone', address))) await world.advance(1)
    await edited
    await during(world, phone.chats.deleteForever('oslo'))
    opened.doc.getMap('metadata').set('title', 'too late')
    await world.advance(20_000)
    expect(phone.status).toMatchObject({ unsent: 0, refused: 1, connection: 'live' })
    opened.release()
    await world.advance(5_000)
    expect(await leftOf(world, 'phone', address)).toEqual(GONE)
  })

  it('[DLD4] and what hangs on edits that went with the chat is sent after the request', async () => {
    const { clock, client, server } = await openScripted(testKey(1), {
      script: {
        onEvent(link, { id, kind }) {
          const refusal = kind === KIND.deletion ? '' : 'blocked: its owner deleted it'
          clock.setTimeout(() => link.send('OK', id, refusal === '', refusal), 1_000)
        },
      },
    })
    const { address } = await client.chats.create({ id: 'oslo' })
    const opened = await client.chats.open('oslo')
    await opened.send('A coat?', { id: 'coat' })
    await client.chats.deleteForever('oslo')
    client.connect()
    await clock.advance(500)
    expect(server.events().map(({ kind }) => kind)).toEqual([KIND.deletion])
    await opened.edit('coat', 'A warm coat?')
    await clock.advance(500)
    // Before that it would be stored, and others would wait for what it hangs on.
    expect(server.events().map(({ kind }) => kind)).toEqual([KIND.deletion])
    await clock.advance(5_000)
    expect(server.events().map(({ kind }) => kind)).toEqual([KIND.deletion, KIND.chat])
    expect(client.stateOf(address)).toBe('refused')
    await client.close()
  })

  it('[DLD1] also for a call that is still loading the chat when it is deleted', async () => {
    const key = testKey(1)
    const memory = createMemoryStore()
    let gate: Promise<void> | undefined
    let open = () => {}
    const store: SyncStore = {
      ...memory,
      async loadUpdates(address) {
        await gate
        return memory.loadUpdates(address)
      },
      close: async () => {},
    }
    const first = await openScripted(key, { store })
    const { address } = await first.client.chats.create({ id: 'oslo' })
    await first.client.chats.send('oslo', 'What should I pack?')
    await first.client.close()
    const { client, clock } = await openScripted(key, { store, seed: 'again' })
    const before = (await memory.loadUpdates(address)).length
    gate = new Promise((resolve) => {
      open = resolve
    })
    const deleted = client.chats.deleteForever('oslo')
    const calls = [client.chats.send('oslo', 'too late'), client.chats.open('oslo')].map((call) =>
      call.then(
        () => 'no error',
        ({ code }) => code,
      ),
    )
    await clock.settle()
    await deleted
    open()
    expect(await Promise.all(calls)).toEqual(['DELETED', 'DELETED'])
    expect((await memory.loadUpdates(address)).length).toBeLessThanOrEqual(before)
    // Nothing but the request is to be sent.
    expect((await memory.loadOutbox()).map(({ lane }) => lane)).toEqual(['deletions'])
    await client.close()
  })

  it('[DLD5][S6] holds on a server that was set back: any device of the account brings the request again', async () => {
    const { world, phone, address } = await sharedChat('set back')
    const before = world.serverDisk.commits.length
    await during(world, phone.chats.deleteForever('oslo'))
    await world.advance(20_000)
    deviceOf(world, 'phone').crash()
    world.crashServer()
    await world.serverDisk.restore(before)
    world.startServer()
    await world.advance(60_000)
    expect(await kindsOnServer(world)).toEqual([5])
    for (const name of ['tablet', 'laptop']) expect(await leftOf(world, name, address)).toEqual(GONE)
  })

  it('[DLD2] believes the owner only, and nobody who signed nothing', async () => {
    const owner = testKey(1)
    const address = chatAddressText(owner)
    const update = messageUpdate('hello')
    const forged = { ...deletionEvent(owner, { addresses: [address] }), content: 'changed' }
    const { clock, client, server } = await openScripted(owner, {
      script: {
        onReq(link, id) {
          link.send('EVENT', id, chatEvent(owner, { update }), 'c1')
          link.send('EVENT', id, forged, 'c2')
          link.send('EVENT', id, { ...deletionEvent(testKey(2), {}), tags: [['a', address]] }, 'c3')
          link.send('EOSE', id, ['finish', 'cursor:c3'])
        },
      },
    })
    client.connect()
    await clock.advance(5_000)
    expect(client.status).toMatchObject({ setAside: 2, isCaughtUp: true })
    expect(await client.chats.list()).toHaveLength(1)
    server.link.send('EVENT', 'sync', chatEvent(owner, { chatId: 'brief', update }), 'c4')
    server.link.send(
      'EVENT',
      'sync',
      deletionEvent(owner, { addresses: [chatAddressText(owner, 'brief')] }),
      'c5',
    )
    server.link.send(
      'EVENT',
      'sync',
      deletionEvent(owner, { addresses: [address, chatAddressText(owner, 'other')] }),
      'c6',
    )
    await clock.advance(5_000)
    expect(await client.chats.list()).toEqual([])
    expect(parseAddress(address)).toBeDefined()
  })
})

describe('a request for a chat that is not here', () => {
  it('[DLD2] keeps an own one away for good, from whatever server it may come later', async () => {
    const [owner, friend] = [testKey(1), testKey(2)]
    const [own, foreign] = [chatAddressText(owner), chatAddressText(friend)]
    const update = messageUpdate('hello')
    const store = createMemoryStore()
    const { clock, client, server } = await openScripted(owner, {
      store,
      script: {
        onReq(link, id) {
          link.send('EVENT', id, deletionEvent(owner, { addresses: [own] }), 'c1')
          link.send('EVENT', id, deletionEvent(friend, { addresses: [foreign] }), 'c2')
          link.send('EOSE', id, ['finish', 'cursor:c2'])
        },
      },
    })
    client.connect()
    await clock.advance(5_000)
    // Whoever shares a chat could name any number of theirs.
    expect((await store.loadDocuments()).map(({ address, body }) => [address, body])).toEqual([
      [own, 'deleted'],
    ])
    expect(client.status).toMatchObject({ documents: 0, unsent: 0, isCaughtUp: true })
    server.link.send('EVENT', 'sync', chatEvent(owner, { update }), 'c3')
    await clock.advance(5_000)
    expect(await client.chats.list()).toEqual([])
    await expect(client.chats.open(own)).rejects.toMatchObject({ code: 'DELETED' })
  })
})

describe('taking a contribution back', () => {
  it('[DLD6] that was not sent means that it never is', async () => {
    const world = await startWorld('training', { alice: ['phone'] })
    const phone = clientOf(world, 'phone')
    phone.disconnect()
    await during(world, phone.training.setConsent(true))
    await during(world, phone.chats.create({ id: 'oslo' }))
    const { id } = await during(world, phone.chats.send('oslo', 'mine'))
    const mine = await during(world, phone.training.submit('oslo', id, 5))
    await during(world, phone.training.revoke(mine.id))
    phone.connect()
    await world.advance(20_000)
    const kinds = await kindsOnServer(world)
    expect([kinds.includes(1), kinds.includes(5)]).toEqual([false, false])
  })

  it('[DLD6] that is on its way holds up nothing that is contributed later', async () => {
    const world = await startWorld('on its way', { alice: ['phone'] })
    const phone = clientOf(world, 'phone')
    await during(world, phone.training.setConsent(true))
    await during(world, phone.chats.create({ id: 'oslo' }))
    const first = await during(world, phone.chats.send('oslo', 'mine'))
    const second = await during(world, phone.chats.send('oslo', 'ours'))
    await world.advance(20_000)
    const submitted = phone.training.submit('oslo', first.id, 5)
    while (!(await isStaged(world, 'phone', 'training'))) await world.advance(1)
    const mine = await submitted
    const ours = phone.training.submit('oslo', second.id, 5)
    const revoked = phone.training.revoke(mine.id)
    await during(world, ours)
    await during(world, revoked)
    await world.advance(20_000)
    expect(phone.status).toMatchObject({ unsent: 0, refused: 0, connection: 'live' })
    const contributed = (await serverEvents(world.serverDisk.contents)).filter(({ kind }) => kind === 1)
    expect(contributed.map(({ content }) => content)).toEqual([expect.stringContaining('ours')])
  })

  it('[DLD6] that was sent deletes it on the server, and a server that was set back gets it no more', async () => {
    const world = await startWorld('revoke', { alice: ['phone'] })
    const phone = clientOf(world, 'phone')
    await during(world, phone.training.setConsent(true))
    await during(world, phone.chats.create({ id: 'oslo' }))
    const { id } = await during(world, phone.chats.send('oslo', 'mine'))
    await world.advance(20_000)
    const start = world.serverDisk.commits.length
    const mine = await during(world, phone.training.submit('oslo', id, 5))
    await world.advance(20_000)
    expect(await kindsOnServer(world)).toContain(1)
    await during(world, phone.training.revoke(mine.id))
    expect(await phone.training.list()).toEqual([])
    await world.advance(20_000)
    expect(await kindsOnServer(world)).not.toContain(1)
    expect(phone.status.unsent).toBe(0)
    world.crashServer()
    await world.serverDisk.restore(start)
    world.startServer()
    await world.advance(60_000)
    const kinds = await kindsOnServer(world)
    expect([kinds.includes(1), kinds.includes(5)]).toEqual([false, true])
  })
})

describe('without a server', () => {
  it('[DLD1] a chat is deleted for good, too', async () => {
    const { PlainKeySigner } = await import('nostr-tools/signer')
    const client = await createSyncClient({
      store: createMemoryStore(),
      signer: new PlainKeySigner(testKey(1).secretKey),
    })
    await client.chats.create({ id: 'oslo' })
    await client.chats.deleteForever('oslo')
    expect(await client.chats.list()).toEqual([])
    await expect(client.chats.create({ id: 'oslo' })).rejects.toMatchObject({ code: 'VALUE_INVALID' })
    await client.close()
  })
})
