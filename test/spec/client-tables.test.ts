import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createMemoryStore, createSyncClient, type SyncStore } from '@onyx-sync/client'
import { openNodeStore } from '@onyx-sync/client/node'
import { formatAddress, settingsAddress } from '@onyx-sync/shared'
import { PlainKeySigner } from 'nostr-tools/signer'
import { afterEach, describe, expect, it } from 'vitest'
import * as Y from 'yjs'
import { openSqlite } from '../../client/src/adapters/node/better-sqlite.js'
import {
  ONYX_SCHEMA_VERSION,
  onyxMigrations,
  onyxSchema,
} from '../../client/src/adapters/watermelon/schema.js'
import { migrationsToSql, schemaToSql } from '../../client/src/adapters/watermelon/sqlite-encoders.js'
import { MAX_ROW_BYTES } from '../../client/src/model/message-row.js'
import { testKey } from '../support/events.js'
import { openOffline, shows } from '../support/offline.js'
import { clientOf, deviceOf, during, serverEvents, startWorld } from '../support/worlds.js'

const owner = testKey(1)
const TABLES = ['chats', 'messages', 'settings', 'training'] as const
const folders: string[] = []
afterEach(async () => {
  for (const folder of folders.splice(0)) await rm(folder, { recursive: true })
})

async function rowsOf(store: SyncStore) {
  const rows = await Promise.all(TABLES.map((table) => store.loadRows(table)))
  return rows.map((list) => list.sort((a, b) => (a.id < b.id ? -1 : 1)))
}

describe('rebuilding the query tables', () => {
  /** A device with something in each table. */
  async function filled() {
    const { client, store, clock } = await openOffline()
    await client.chats.create({ id: 'oslo', title: 'Oslo' })
    for (const text of ['a', 'b']) await client.chats.send('oslo', text, { id: text })
    await client.settings.set('theme', 'dark')
    await client.training.setConsent(true)
    await client.training.submit('oslo', 'a', 3)
    return { client, store, clock }
  }

  it('[QRY7] makes them anew, whatever they hold, and leaves alone what is right', async () => {
    const { client, store } = await filled()
    const before = await rowsOf(store)
    expect(before.map(({ length }) => length)).toEqual([1, 2, 2, 1])
    const chat = before[0]?.[0] as (typeof before)[0][0]
    const message = before[1]?.[0] as (typeof before)[0][0]
    const stray = { ...message, id: 'gone/x', address: 'gone' }
    await store.commit({
      rows: [
        {
          table: 'chats',
          put: [
            { ...chat, title: 'wrong' },
            { ...chat, id: 'gone', address: 'gone' },
          ],
          delete: [],
        },
        { table: 'messages', put: [stray, { ...message, position: 7 }], delete: [`${chat.id}/b`] },
        { table: 'settings', put: [], delete: (before[2] ?? []).map(({ id }) => id) },
        { table: 'training', put: [{ ...(before[3]?.[0] as typeof chat), id: 'training-99' }], delete: [] },
      ],
    })
    expect(await rowsOf(store)).not.toEqual(before)
    expect(await client.rebuild()).toBe(2)
    expect(await rowsOf(store)).toEqual(before)
    expect(await client.rebuild()).toBe(2)
    expect(await rowsOf(store)).toEqual(before)
    await client.chats.send('oslo', 'c')
    expect((await store.loadRows('messages')).length).toBe(3)
  })

  it('[QRY8] happens by itself when the rows are of another version', async () => {
    const { client, store } = await filled()
    const before = await rowsOf(store)
    await client.flush()
    const ids = before.map((rows) => rows.map(({ id }) => id))
    await store.commit({
      meta: { rowsVersion: '1' },
      rows: TABLES.map((table, index) => ({ table, put: [], delete: ids[index] ?? [] })),
    })
    await openOffline({ store, seed: 'again' })
    expect(await rowsOf(store)).toEqual(before)
    expect((await store.loadMeta()).rowsVersion).not.toBe('1')
  })

  it('[QRY8][STO37] a file of the first version is migrated, and its rows are made anew', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'onyx-tables-'))
    folders.push(folder)
    const open = async (file: string) => {
      const store = await openNodeStore({ file })
      const signer = new PlainKeySigner(owner.secretKey)
      return { store, client: await createSyncClient({ store, signer }) }
    }
    // A file as the first version made it: today's, without what came since.
    const file = join(folder, 'device.db')
    const first = await open(file)
    await first.client.chats.create({ id: 'oslo', title: 'Oslo' })
    await first.client.chats.send('oslo', 'hello', { tools: [{ id: 't', name: 'look', result: 'x' }] })
    const before = await rowsOf(first.store)
    await first.client.close()
    const sqlite = openSqlite(file)
    sqlite.exec('drop table training; alter table messages drop column partial; delete from messages')
    sqlite.exec(`delete from sync_meta where key = 'key:rowsVersion'`)
    sqlite.pragma('user_version = 1')
    sqlite.close()
    const second = await open(file)
    expect(await rowsOf(second.store)).toEqual(before)
    await second.client.close()
  })

  it('[STO48] migrations lead from the first version to the tables of today', () => {
    const sqlite = (sql: string) => {
      const db = openSqlite(':memory:')
      db.exec(sql)
      const columns = db
        .prepare(
          `select m.name as "table", p.name as "column" from sqlite_master m, pragma_table_info(m.name) p
           where m.type = 'table' order by 1, 2`,
        )
        .all()
      db.close()
      return columns
    }
    const today = schemaToSql(onyxSchema)
    const { training: _, ...others } = onyxSchema.tables
    const { partial: __, ...columns } = onyxSchema.tables.messages?.columns ?? {}
    const oldMessages = {
      ...others.messages,
      columns,
      columnArray: onyxSchema.tables.messages?.columnArray.filter(({ name }) => name !== 'partial'),
    }
    const first = schemaToSql({
      ...onyxSchema,
      version: 1,
      tables: { ...others, messages: oldMessages },
    } as unknown as typeof onyxSchema)
    expect(sqlite(first)).not.toEqual(sqlite(today))
    const steps = migrationsToSql(onyxMigrations, 1, ONYX_SCHEMA_VERSION)
    expect(sqlite(first + steps)).toEqual(sqlite(today))
  })
})

describe('rows of large messages', () => {
  it('[QRY9] leave out what makes them too large, and say so; the message has it', async () => {
    const { client, store } = await openOffline()
    await client.chats.create({ id: 'chat' })
    const result = 'r'.repeat(265_000)
    const tools = ['a', 'b'].map((id) => ({
      id,
      name: 'look',
      args: { id },
      result: id === 'a' ? `${result}!` : result,
    }))
    await client.chats.send('chat', 'one', { id: 'one', tools: tools.slice(0, 1) })
    await client.chats.send('chat', 'two', { id: 'two', tools, fields: { kept: true } })
    await client.chats.send('chat', '漢'.repeat(200_000), { id: 'long', tools })
    const rows = new Map((await store.loadRows('messages')).map((row) => [row.message_id, row]))
    expect(rows.get('one')).toMatchObject({ partial: false })
    const two = rows.get('two')
    expect(two).toMatchObject({ partial: true, content: 'two' })
    expect(JSON.parse(String(two?.data))).toEqual({
      kept: true,
      tools: [
        {
          id: 'a',
          name: 'look',
          state: 'result',
          status: 'completed',
          args: { id: 'a' },
          resultBytes: 265_003,
        },
        { id: 'b', name: 'look', state: 'result', status: 'completed', args: { id: 'b' }, result },
      ],
    })
    const long = rows.get('long')
    expect(long?.partial).toBe(true)
    expect(String(long?.content)).toMatch(/^漢+$/)
    for (const row of rows.values())
      expect(
        Buffer.byteLength(String(row.content)) + Buffer.byteLength(String(row.data)),
      ).toBeLessThanOrEqual(MAX_ROW_BYTES)
    expect((await client.chats.message('chat', 'two')).tools).toMatchObject(tools)
    expect((await client.chats.message('chat', 'long')).content).toHaveLength(200_000)
    const window = await shows(client.chats.messages('chat'))
    expect(window.messages.map(({ isPartial }) => isPartial)).toEqual([undefined, true, true])
  })
})

describe('settings', () => {
  it('[SET1][Y11] stay small, however often they are written', async () => {
    const world = await startWorld('budget', { ada: ['phone', 'laptop'] })
    const phone = clientOf(world, 'phone')
    const address = formatAddress(settingsAddress(phone.pubkey))
    let last: Promise<unknown> = Promise.resolve()
    for (let index = 0; index < 5_000; index++) {
      last = phone.settings.set('activeModel', `model ${index}`)
      void phone.settings.set('fontSize', index)
      if (index % 100 === 99) {
        await during(world, last)
        await world.advance(1_000)
      }
    }
    await world.advance(60_000)
    const store = deviceOf(world, 'phone').disk.contents
    const doc = new Y.Doc()
    for (const { update } of await store.loadUpdates(address)) Y.applyUpdate(doc, update)
    expect(await clientOf(world, 'laptop').settings.read()).toEqual({
      preferences: { activeModel: 'model 4999', fontSize: 4_999 },
      features: {},
    })
    // 10,000 writes, 37 bytes of live values.
    expect(Y.encodeStateAsUpdate(doc).byteLength).toBeLessThan(200)
    const rows = await store.loadUpdates(address)
    expect(rows.reduce((sum, { update }) => sum + update.byteLength, 0)).toBeLessThan(32_768)
  })

  it('[SET1][Y11] grow by a mark for each key and start only', async () => {
    const store = createMemoryStore()
    for (let start = 0; start < 20; start++) {
      const { client, clock } = await openOffline({ store, seed: `start ${start}` })
      // A log that is long, as nothing of it is signed, is loaded in several turns.
      const loading = client.settings.read()
      await clock.advance(10)
      await loading
      for (let index = 0; index < 50; index++) {
        await client.settings.set('a', start * 100 + index)
        await client.settings.setFeature('b', index % 2 === 0)
      }
      await client.flush()
    }
    const doc = new Y.Doc()
    const address = formatAddress(settingsAddress(owner.publicKey))
    for (const { update } of await store.loadUpdates(address)) Y.applyUpdate(doc, update)
    expect(Y.encodeStateAsUpdate(doc).byteLength).toBeLessThan(20 * 2 * 40)
  })

  it('[SET2] have the types of an app, and can be observed', async () => {
    interface Preferences {
      activeModel: string
      repos: { owner: string; name: string }[]
    }
    const { client } = await openOffline()
    const settings = client.settings.typed<Preferences>()
    const view = settings.watch()
    expect(await shows(view)).toEqual({ preferences: {}, features: {} })
    await settings.set('repos', [{ owner: 'a', name: 'b' }])
    await settings.set('activeModel', 'opus')
    await settings.setFeature('search', true)
    expect(await settings.get('activeModel')).toBe('opus')
    expect(await settings.get('repos')).toEqual([{ owner: 'a', name: 'b' }])
    const shown = await shows(view, ({ features }) => features.search === true)
    expect(shown).toEqual(await settings.read())
    await settings.remove('activeModel')
    expect(await settings.get('activeModel')).toBeUndefined()
    await expect(client.settings.set('x', (() => {}) as never)).rejects.toMatchObject({
      code: 'VALUE_INVALID',
    })
  })
})

describe('training data', () => {
  it('[TRN1] is not contributed before the user agreed, and not after they took it back', async () => {
    const { client, store } = await openOffline()
    await client.chats.create({ id: 'chat' })
    const { id } = await client.chats.send('chat', 'a good answer')
    await expect(client.training.submit('chat', id, 4)).rejects.toMatchObject({ code: 'CONSENT_MISSING' })
    expect(await client.training.consent()).toBe(false)
    await client.training.setConsent(true)
    await client.training.submit('chat', id, 4)
    expect(await store.loadRows('training')).toHaveLength(1)
    await client.training.setConsent(false)
    const [taken] = await client.training.list()
    expect(taken).toMatchObject({ messageId: id, state: 'withdrawn' })
    // The chat, its message, and the consent given and taken back.
    expect(client.status.unsent).toBe(4)
    const outbox = await store.loadOutbox()
    expect(outbox.filter(({ lane }) => lane === 'training')).toMatchObject([{ state: 'withdrawn' }])
    await client.training.revoke(taken?.id ?? '')
    expect(await client.training.list()).toEqual([])
    expect((await store.loadOutbox()).filter(({ lane }) => lane === 'training')).toEqual([])
    await expect(client.training.submit('chat', id, 4)).rejects.toMatchObject({ code: 'CONSENT_MISSING' })
  })

  it('[TRN1] what waits on another device is not sent when the consent is taken back on this one', async () => {
    const world = await startWorld('consent elsewhere', { ada: ['phone', 'laptop'] })
    const [phone, laptop] = [clientOf(world, 'phone'), clientOf(world, 'laptop')]
    await during(world, phone.chats.create({ id: 'chat' }))
    for (const id of ['a', 'b', 'c']) await during(world, phone.chats.send('chat', `answer ${id}`, { id }))
    await during(world, phone.training.setConsent(true))
    await world.advance(10_000)
    world.network.setOnline('laptop', false)
    await world.advance(1_000)
    for (const id of ['a', 'b']) await during(world, laptop.training.submit('chat', id, 4))
    expect(laptop.status.unsent).toBe(2)
    await during(world, phone.training.setConsent(false))
    await world.advance(10_000)
    const views: string[][] = []
    const view = laptop.training.watch()
    const end = view.subscribe(() => views.push(view.getSnapshot()?.map(({ state }) => state) ?? []))
    await world.advance(1_000)
    world.network.setOnline('laptop', true)
    await world.advance(60_000)
    const states = async () =>
      Object.fromEntries((await laptop.training.list()).map((one) => [one.messageId, one.state]))
    expect(await states()).toEqual({ a: 'withdrawn', b: 'withdrawn' })
    expect(views.at(-1)).toEqual(['withdrawn', 'withdrawn'])
    end()
    expect(laptop.status).toMatchObject({ unsent: 0, refused: 0, problem: undefined })
    expect(await during(world, laptop.saved())).toBe(true)
    // Consent that is given again is for what is contributed from then on.
    await during(world, phone.training.setConsent(true))
    await world.advance(10_000)
    await during(world, laptop.training.submit('chat', 'b', 5))
    await during(world, laptop.training.submit('chat', 'c', 1))
    await during(world, laptop.rebuild())
    await world.advance(60_000)
    expect(await states()).toEqual({ a: 'withdrawn', b: 'sent', c: 'sent' })
    const sent = (await serverEvents(world.serverDisk.contents)).filter(({ kind }) => kind === 1)
    expect(sent.map(({ content }) => content).sort()).toEqual(['answer b', 'answer c'])
  })

  it('[TRN1] what was signed, but may not have arrived, is deleted when the consent is taken back', async () => {
    const world = await startWorld('consent and signed', { ada: ['phone', 'laptop'] })
    const [phone, laptop] = [clientOf(world, 'phone'), clientOf(world, 'laptop')]
    await during(world, phone.chats.create({ id: 'chat' }))
    await during(world, phone.chats.send('chat', 'answer', { id: 'a' }))
    await during(world, phone.training.setConsent(true))
    await world.advance(10_000)
    await during(world, laptop.training.submit('chat', 'a', 4))
    // Cut off between signing and the server's answer.
    for (let step = 0; step < 1_000 && !(await laptop.training.list()).some((one) => one.eventId); step++)
      await world.advance(1)
    world.network.setOnline('laptop', false)
    expect(await laptop.training.list()).toMatchObject([{ state: 'sending' }])
    await world.advance(10_000)
    await during(world, phone.training.setConsent(false))
    await world.advance(10_000)
    world.network.setOnline('laptop', true)
    await world.advance(60_000)
    expect(await laptop.training.list()).toMatchObject([{ state: 'withdrawn' }])
    const stored = await serverEvents(world.serverDisk.contents)
    expect(stored.filter(({ kind }) => kind === 1)).toEqual([])
    expect(stored.filter(({ kind }) => kind === 5)).toMatchObject([
      { tags: expect.arrayContaining([['e', (await laptop.training.list())[0]?.eventId]]) },
    ])
    expect(laptop.status).toMatchObject({ unsent: 0, problem: undefined })
  })

  it('[TRN1] a device that ended between hearing of it and withdrawing sends nothing when it starts', async () => {
    const world = await startWorld('consent and crash', { ada: ['phone'] })
    const [phone, { disk }] = [clientOf(world, 'phone'), deviceOf(world, 'phone')]
    await during(world, phone.chats.create({ id: 'chat' }))
    await during(world, phone.chats.send('chat', 'answer', { id: 'a' }))
    await during(world, phone.training.setConsent(true))
    await world.advance(10_000)
    world.network.setOnline('phone', false)
    await world.advance(1_000)
    await during(world, phone.training.submit('chat', 'a', 4))
    const before = (await disk.contents.loadOutbox()).filter(({ lane }) => lane === 'training')
    await during(world, phone.training.setConsent(false))
    deviceOf(world, 'phone').crash()
    await disk.contents.commit({ outboxPut: before })
    deviceOf(world, 'phone').start()
    await world.advance(1_000)
    expect(clientOf(world, 'phone').status.unsent).toBe(2)
    world.network.setOnline('phone', true)
    await world.advance(60_000)
    expect(await clientOf(world, 'phone').training.list()).toMatchObject([
      { state: 'withdrawn', eventId: '', quality: 4 },
    ])
    expect((await serverEvents(world.serverDisk.contents)).filter(({ kind }) => kind === 1)).toEqual([])
    expect(clientOf(world, 'phone').status).toMatchObject({ unsent: 0, problem: undefined })
  })

  it('[TRN2] is listed with how far it is, and goes before it is sent if its user wants so', async () => {
    const world = await startWorld('training', { ada: ['phone'] })
    const phone = clientOf(world, 'phone')
    await during(world, phone.chats.create({ id: 'chat' }))
    for (const id of ['a', 'b']) await during(world, phone.chats.send('chat', `answer ${id}`, { id }))
    await during(world, phone.training.setConsent(true))
    await during(world, phone.training.rate('chat', 'a', 5))
    await world.advance(10_000)
    world.network.setOnline('phone', false)
    await world.advance(1_000)
    const first = await during(world, phone.training.submit('chat', 'a'))
    expect(first).toMatchObject({
      state: 'waiting',
      quality: 5,
      content: 'answer a',
      messageId: 'a',
      eventId: '',
    })
    const again = await during(world, phone.training.submit('chat', 'a', 4))
    const second = await during(world, phone.training.submit('chat', 'b', 1))
    expect((await phone.training.list()).map(({ id }) => id).sort()).toEqual([again.id, second.id].sort())
    await during(world, phone.training.revoke(second.id))
    await expect(phone.training.revoke(second.id)).rejects.toMatchObject({ code: 'VALUE_INVALID' })
    world.network.setOnline('phone', true)
    await world.advance(60_000)
    const sent = (await serverEvents(world.serverDisk.contents)).filter(({ kind }) => kind === 1)
    expect(sent).toMatchObject([{ content: 'answer a' }])
    expect(sent[0]?.tags).toContainEqual(['quality', '4'])
    expect(await phone.training.list()).toMatchObject([{ id: again.id, state: 'sent', eventId: sent[0]?.id }])
    await during(world, phone.rebuild())
    expect(await phone.training.list()).toMatchObject([{ id: again.id, state: 'sent' }])
    expect(phone.status.unsent).toBe(0)
    await during(world, phone.training.revoke(again.id))
    await world.advance(60_000)
    expect(await phone.training.list()).toEqual([])
    expect((await serverEvents(world.serverDisk.contents)).filter(({ kind }) => kind === 1)).toEqual([])
  })

  it('[TRN3][C18] what looks like a secret, is still being written, or has no rating is refused', async () => {
    const { client } = await openOffline()
    await client.chats.create({ id: 'chat' })
    await client.training.setConsent(true)
    await client.chats.send('chat', `my key is ghp_${'a1'.repeat(18)}`, { id: 'secret' })
    await client.chats.send('chat', 'plain', { id: 'plain' })
    const reply = await client.chats.stream('chat')
    for (const [id, quality] of [
      ['secret', 3],
      [reply.id, 3],
      ['plain', undefined],
      ['plain', 6],
    ] as const)
      await expect(client.training.submit('chat', id, quality)).rejects.toMatchObject({
        code: 'VALUE_INVALID',
      })
    await expect(client.training.submit('chat', 'none', 3)).rejects.toMatchObject({
      code: 'MESSAGE_NOT_FOUND',
    })
    await expect(client.training.rate('chat', 'plain', 0)).rejects.toMatchObject({ code: 'VALUE_INVALID' })
    expect(await client.training.list()).toEqual([])
  })

  it('[TRN2] one that is taken back while the signer fails is not sent', async () => {
    const world = await startWorld('broken signer', { ada: ['phone'] })
    const phone = clientOf(world, 'phone')
    await during(world, phone.chats.create({ id: 'chat' }))
    await during(world, phone.chats.send('chat', 'x', { id: 'x' }))
    await during(world, phone.training.setConsent(true))
    await world.advance(10_000)
    deviceOf(world, 'phone').isSignerBroken = true
    const { id } = await during(world, phone.training.submit('chat', 'x', 2))
    await world.advance(5_000)
    await during(world, phone.training.revoke(id))
    deviceOf(world, 'phone').isSignerBroken = false
    await world.advance(120_000)
    const sent = (await serverEvents(world.serverDisk.contents)).filter(({ kind }) => kind === 1)
    expect(sent).toEqual([])
    expect(phone.status).toMatchObject({ unsent: 0, problem: undefined })
  })
})
