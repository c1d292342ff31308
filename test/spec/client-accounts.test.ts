import { cp, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  accountDatabaseName,
  createMemoryStore,
  createSyncClient,
  createSyncService,
  moveAccount,
  type SyncStore,
  secretKeyFromMnemonic,
} from '@onyx-sync/client'
import { openNodeStore } from '@onyx-sync/client/node'
import { createSeededRandom } from '@onyx-sync/testing'
import { getPublicKey } from 'nostr-tools/pure'
import { PlainKeySigner } from 'nostr-tools/signer'
import { describe, expect, it } from 'vitest'
import { testKey } from '../support/events.js'
import { openOffline, textsIn } from '../support/offline.js'
import { clientOf, during, startWorld } from '../support/worlds.js'

const words = 'leader monkey parrot ring guide accident before fence cannon height naive bean'

describe('keys', () => {
  it('[DEV2] come from a mnemonic by NIP-06, or as Onyx derives them', () => {
    expect(getPublicKey(secretKeyFromMnemonic(words, 'nip06'))).toMatch(/^17162c92.*5cd917$/)
    expect(getPublicKey(secretKeyFromMnemonic(` ${words}\n`, 'onyx'))).toMatch(/^202f43d5.*bda3183$/)
    for (const wrong of ['', 'leader monkey', `${words} bean`])
      expect(() => secretKeyFromMnemonic(wrong, 'onyx')).toThrow(
        expect.objectContaining({ code: 'KEY_INVALID', message: expect.not.stringContaining('monkey') }),
      )
  })

  it('[DEV3][C14] several accounts on one device have a database each, and see nothing of each other', async () => {
    const [a, b] = [testKey(1), testKey(2)]
    expect(accountDatabaseName(a.publicKey)).toBe(`onyx-sync-${a.publicKey.slice(0, 16)}`)
    expect(() => accountDatabaseName('A')).toThrow(expect.objectContaining({ code: 'KEY_INVALID' }))
    const databases = new Map<string, SyncStore>()
    const open = (key: typeof a) => {
      const name = accountDatabaseName(key.publicKey)
      const store = databases.get(name) ?? createMemoryStore()
      databases.set(name, store)
      return openOffline({ store, secretKey: key.secretKey })
    }
    const first = await open(a)
    await first.client.chats.create({ id: 'secret', title: 'of a' })
    await first.client.chats.setDraft('secret', 'half')
    const second = await open(b)
    expect(await second.client.chats.list()).toEqual([])
    expect((await second.client.chats.search('of a')).chats).toEqual([])
    expect((await open(a)).client.status.unsent).toBe(1)
    const stores = [...databases.values()] as [SyncStore, SyncStore]
    await expect(openOffline({ store: stores[0], secretKey: b.secretKey })).rejects.toMatchObject({
      code: 'IDENTITY_MISMATCH',
    })
  })
})

describe('moving to another key', () => {
  it('[DEV4] takes everything that the account owns along, once, also when it was used on', async () => {
    const world = await startWorld('move', { old: ['phone'], real: ['new', 'laptop'], ben: ['desk'] })
    const [old, own] = [clientOf(world, 'phone'), clientOf(world, 'new')]
    const ben = clientOf(world, 'desk')
    await during(world, ben.chats.create({ id: 'bens' }))
    await during(world, ben.chats.setMembers('bens', [old.pubkey]))
    await during(world, old.chats.create({ id: 'oslo', title: 'Oslo' }))
    await during(world, old.chats.send('oslo', 'hello', { id: 'm' }))
    await during(world, old.chats.create({ id: 'gone' }))
    await during(world, old.chats.delete('gone'))
    await during(world, old.chats.setDraft('oslo', 'half'))
    await during(world, old.settings.set('theme', 'dark'))
    await world.advance(20_000)
    const report = await during(world, moveAccount(old, own))
    expect(report).toMatchObject({ chats: 2, left: [expect.stringContaining(':bens')] })
    await during(world, old.chats.send('oslo', 'more'))
    await during(world, own.chats.edit('oslo', 'm', 'hello!'))
    await during(world, moveAccount(old, own))
    const unsent = own.status.unsent
    await during(world, moveAccount(old, own))
    expect(own.status.unsent).toBeLessThanOrEqual(unsent)
    await world.advance(30_000)
    const laptop = clientOf(world, 'laptop')
    expect(await textsIn(laptop, 'oslo')).toEqual(['hello!', 'more'])
    expect(await laptop.chats.list({ includeDeleted: true })).toHaveLength(2)
    expect(await own.chats.list()).toMatchObject([{ id: 'oslo', draft: 'half', owner: own.pubkey }])
    expect((await laptop.settings.read()).preferences).toEqual({ theme: 'dark' })
    expect(own.status).toMatchObject({ unsent: 0, refused: 0 })
    expect(await textsIn(old, 'oslo')).toEqual(['hello', 'more'])
    await expect(moveAccount(own, own)).rejects.toMatchObject({ code: 'VALUE_INVALID' })
    await expect(own.openDocument('nowhere')).rejects.toMatchObject({ code: 'VALUE_INVALID' })
  })
})

describe('a copy of a database', () => {
  const signer = new PlainKeySigner(testKey(1).secretKey)

  it('[DEV5][Y5] gets a device id of its own where the install is known to be another', async () => {
    const store = createMemoryStore()
    const open = (installId?: string) =>
      createSyncClient({
        store,
        signer,
        random: createSeededRandom(`install ${installId}`),
        ...(installId === undefined ? {} : { installId }),
      })
    const first = await open('phone')
    await first.chats.create({ id: 'chat' })
    await first.flush()
    expect((await open('phone')).deviceId).toBe(first.deviceId)
    expect((await open()).deviceId).toBe(first.deviceId)
    const copy = await open('tablet')
    expect(copy.deviceId).not.toBe(first.deviceId)
    expect((await open('tablet')).deviceId).toBe(copy.deviceId)
    expect(await copy.chats.list()).toMatchObject([{ id: 'chat' }])
  })

  it('[DEV5][Y5] on Node a copied file is known by itself', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'onyx-copy-'))
    try {
      const deviceIds: string[] = []
      const open = async (name: string) => {
        const client = await createSyncClient({
          store: await openNodeStore({ file: join(folder, name) }),
          signer,
        })
        deviceIds.push(client.deviceId)
        await client.close()
      }
      await open('a.db')
      await cp(join(folder, 'a.db'), join(folder, 'b.db'))
      for (const name of ['a.db', 'b.db', 'b.db', 'a.db']) await open(name)
      const [first, again, copy, copyAgain, last] = deviceIds
      expect([again, last]).toEqual([first, first])
      expect(copy).not.toBe(first)
      expect(copyAgain).toBe(copy)
    } finally {
      await rm(folder, { recursive: true })
    }
  })
})

describe('logging out', () => {
  it('[DEV6] is refused while something is on this device only, unless it may be lost', async () => {
    const { client } = await openOffline()
    await client.chats.create({ id: 'chat' })
    const reply = await client.chats.stream('chat')
    reply.push('not written yet')
    await expect(client.logOut()).rejects.toMatchObject({
      code: 'UNSAVED_EDITS',
      message: expect.stringContaining('3 edits not saved yet'),
    })
    await client.chats.send('chat', 'still open')
    await client.logOut({ discard: true })
    expect(() => client.connect()).toThrow(expect.objectContaining({ code: 'CLIENT_CLOSED' }))
    const { client: nothing } = await openOffline()
    await nothing.logOut()
  })
})

describe('the plain shape of a chat', () => {
  it('[SVC1] merges by the ids of messages, and brings what others wrote', async () => {
    const world = await startWorld('service', { ada: ['phone', 'laptop'] })
    const phone = createSyncService(clientOf(world, 'phone'))
    const laptop = createSyncService(clientOf(world, 'laptop'))
    expect(await during(world, phone.connect())).toBe(true)
    const data = {
      metadata: { title: 'Oslo', model: 'opus', other: 1 },
      messages: [
        { id: 'a', role: 'user', content: 'one', createdAt: 5 },
        { id: 'b', role: 'function', content: 'two', mood: 'good' },
        { content: 'three' },
      ],
    }
    const merged = await during(world, phone.syncChat('oslo', data))
    expect(merged).toMatchObject({
      metadata: { title: 'Oslo', model: 'opus' },
      messages: [
        { id: 'a', role: 'user', content: 'one', createdAt: 5 },
        { id: 'b', role: 'tool', content: 'two', mood: 'good' },
        { id: 'message-2', content: 'three' },
      ],
    })
    await world.advance(10_000)
    expect(phone.status.unsent).toBe(0)
    const edits = clientOf(world, 'phone').lastEdit(`30001:${clientOf(world, 'phone').pubkey}:oslo`)
    expect(await during(world, phone.syncChat('oslo', data))).toEqual(merged)
    expect(clientOf(world, 'phone').lastEdit(edits.address)).toEqual(edits)
    const there = await during(
      world,
      laptop.syncChat('oslo', {
        messages: [
          { id: 'a', content: 'one!' },
          { id: 'c', content: 'four' },
        ],
      }),
    )
    expect(there.messages.map(({ content }) => content)).toEqual(['one!', 'two', 'three', 'four'])
    await world.advance(10_000)
    expect((await during(world, phone.syncChat('oslo', { messages: [] }))).messages).toEqual(there.messages)
    phone.disconnect()
    expect(phone.status.connection).toBe('offline')
  })

  it('[SVC1] what is no chat is refused, and makes none', async () => {
    const { client } = await openOffline()
    const service = createSyncService(client)
    for (const messages of [undefined, [{ content: 7 }], [{ content: 'x', role: 'robot' }]])
      await expect(service.syncChat('x', { messages } as never)).rejects.toMatchObject({
        code: 'VALUE_INVALID',
      })
    await expect(service.syncChat('', { messages: [] })).rejects.toBeDefined()
    expect(await client.chats.list()).toEqual([])
  })
})
