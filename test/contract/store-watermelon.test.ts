import { mkdtemp, rm } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Model, Database as WatermelonDatabase } from '@nozbe/watermelondb'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { openSqlite } from '../../client/src/adapters/node/better-sqlite.js'
import { onyxModels } from '../../client/src/adapters/watermelon/models.js'
import {
  ONYX_SCHEMA_VERSION,
  onyxMigrations,
  onyxSchema,
  onyxTables,
} from '../../client/src/adapters/watermelon/schema.js'
import { watermelonStore } from '../../client/src/adapters/watermelon/store.js'
import { appSchema, Database, Q } from '../../client/src/adapters/watermelon/watermelon.js'
import { openNodeDatabase } from '../../client/src/node-database.js'
import type { SyncStore } from '../../client/src/ports/store.js'
import { messageRow, outboxEntry } from './store-contract.js'
import { describeWatermelonContract } from './watermelon-contract.js'

const require = createRequire(import.meta.url)
const { default: LokiJSAdapter } = require('@nozbe/watermelondb/adapters/lokijs')
const { default: bridge } = require('@nozbe/watermelondb/adapters/sqlite/sqlite-node/DatabaseBridge')
require('@nozbe/watermelondb/utils/common/logger').default.silence()

const CHAT = `30001:${'a'.repeat(64)}:chat-1`
const cleanUps: (() => Promise<unknown>)[] = []

interface Device {
  readonly database: WatermelonDatabase
  readonly store: SyncStore
  readonly file: string
  reopen(): Promise<Device>
}

async function openDevice(file?: string): Promise<Device> {
  if (file === undefined) {
    const folder = await mkdtemp(join(tmpdir(), 'onyx-store-'))
    cleanUps.push(() => rm(folder, { recursive: true }))
    return openDevice(join(folder, 'device'))
  }
  const { database, close } = await openNodeDatabase({ file })
  cleanUps.push(close)
  const reopen = () => close().then(() => openDevice(file))
  return { database, store: watermelonStore(database), file, reopen }
}

function openLoki(persistence?: object): { database: WatermelonDatabase; store: SyncStore } {
  const adapter = new LokiJSAdapter({
    dbName: 'test',
    schema: onyxSchema,
    migrations: onyxMigrations,
    useWebWorker: false,
    useIncrementalIndexedDB: false,
    extraLokiOptions: { autosave: false },
    _testLokiAdapter: persistence,
  })
  const database = new Database({ adapter, modelClasses: onyxModels })
  return { database, store: watermelonStore(database) }
}

/** WatermelonDB's driver on the device's connection, for looking at its state. */
function driverOf(database: WatermelonDatabase) {
  const { _tag } = (database.adapter as unknown as { underlyingAdapter: { _tag: number } }).underlyingAdapter
  return bridge.connections[_tag].driver
}

function cacheSize(database: WatermelonDatabase, table: string): number {
  return (database.get(table)._cache as unknown as { map: Map<string, Model> }).map.size
}

/** Every emission of the messages of the chat, as `position content`. */
function watchMessages(database: WatermelonDatabase, columns = ['position', 'content']): string[][] {
  const emissions: string[][] = []
  const query = database.get('messages').query(Q.where('address', CHAT))
  const subscription = query.observeWithColumns(columns).subscribe((records) => {
    const texts = records.map((record) => `${record._getRaw('position')} ${record._getRaw('content')}`)
    emissions.push(texts.sort())
  })
  cleanUps.push(async () => subscription.unsubscribe())
  return emissions
}

const putMessages = (...put: ReturnType<typeof messageRow>[]) => ({
  rows: [{ table: 'messages' as const, put, delete: [] }],
})

afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp()
})

describeWatermelonContract('SQLite', async () => {
  const { database, store } = await openDevice()
  return {
    database,
    store,
    adapterCache: (table) => driverOf(database).cachedRecords[table],
    cleanUp: async () => {},
  }
})

describeWatermelonContract('LokiJS', async () => {
  const { database, store } = openLoki()
  const adapter = database.adapter.underlyingAdapter as unknown as {
    _driver: { cachedRecords: Map<string, Set<string>> }
  }
  const adapterCache = (table: string) => adapter._driver.cachedRecords.get(table)
  return { database, store, adapterCache, cleanUp: async () => {} }
})

const DEVICES = [
  ['SQLite', () => openDevice()],
  ['LokiJS', async () => openLoki()],
] as const

describe('watermelonStore', () => {
  it.each(DEVICES)('[STO20] on %s an observer that throws takes nothing from the commit', async (_, open) => {
    const { database, store } = await open()
    const timers = vi.spyOn(globalThis, 'setTimeout')
    const stop = database.get('messages').experimentalSubscribe(() => {
      throw new Error('observer')
    })
    // Kept from going off, where it would end the test run as an uncaught error.
    timers.mockImplementation((() => 0) as never)
    await store.commit({ ...putMessages(messageRow('m1')), meta: { cursor: '1' } })
    const [thrower] = timers.mock.calls.map(([callback]) => callback as () => void)
    timers.mockRestore()
    stop()
    expect(thrower).toThrow('observer')
    expect(await store.loadMeta()).toEqual({ cursor: '1' })
    await store.commit({ meta: { cursor: '2' } })
  })
})

describe('watermelonStore on SQLite', () => {
  it('[STO21] rows no query has loaded are changed on disk, and made records only for observers', async () => {
    const first = await openDevice()
    await first.store.commit(putMessages(messageRow('m1'), messageRow('m2', { position: 1 })))
    expect(cacheSize(first.database, 'messages')).toBe(0)
    const second = await first.reopen()
    await second.store.commit({
      rows: [
        { table: 'messages', put: [messageRow('m1', { content: 'edited' })], delete: [messageRow('m2').id] },
      ],
    })
    expect(cacheSize(second.database, 'messages')).toBe(0)
    // Now with an observer whose list the row isn't in, and comes into.
    const emissions: string[][] = []
    const changes: string[] = []
    const query = second.database.get('messages').query(Q.where('content', 'wanted'))
    query.observe().subscribe((records) => emissions.push(records.map(({ id }) => id)))
    second.database.get('messages').changes.subscribe((set) => changes.push(...set.map(({ type }) => type)))
    await second.store.commit(putMessages(messageRow('m1', { content: 'wanted' }), messageRow('a\0b')))
    expect(emissions).toEqual([[], [messageRow('m1').id]])
    expect(changes.sort()).toEqual(['created', 'updated'])
    const rows = await second.database.get('messages').query(Q.sortBy('message_id')).fetch()
    expect(rows.map((row) => row._getRaw('content'))).toEqual(['hello', 'wanted'])
  })

  it('[STO22] [C1] [C15] a write that fails leaves disk, caches and observers as they were', async () => {
    const { database, store, file } = await openDevice()
    const messages = watchMessages(database)
    await store.commit({
      ...putMessages(messageRow('m1')),
      outboxPut: [outboxEntry()],
      meta: { cursor: '1' },
    })
    const raw = driverOf(database)
    const sqlite = openSqlite(file)
    sqlite.exec(`create trigger full before insert on messages when new.message_id = 'm3'
      begin select raise(abort, 'disk full'); end`)
    const failing = store.commit({
      updates: [{ seq: 9, address: CHAT, update: new Uint8Array(9) }],
      outboxDelete: ['entry-1'],
      meta: { cursor: '2' },
      rows: [
        {
          table: 'messages',
          put: [messageRow('m1', { content: 'lost' }), messageRow('m2'), messageRow('m3')],
          delete: [],
        },
      ],
    })
    const error = await failing.then(undefined, (reason) => reason)
    expect(error).toMatchObject({ code: 'STORE_FAILED', message: 'could not save: disk full' })
    expect(error.cause).toBeInstanceOf(Error)
    expect(messages).toEqual([[], ['0 hello']])
    const [record] = await database.get('messages').query().fetch()
    expect(record?._getRaw('content')).toBe('hello')
    expect(await store.loadUpdates(CHAT)).toEqual([])
    expect(await store.loadOutbox()).toHaveLength(1)
    expect(await store.loadMeta()).toEqual({ cursor: '1' })
    expect([...raw.cachedRecords.messages]).toEqual([messageRow('m1').id])

    sqlite.exec('drop trigger full')
    sqlite.close()
    await store.commit(putMessages(messageRow('m1', { content: 'kept' }), messageRow('m3', { position: 1 })))
    expect(messages.at(-1)).toEqual(['0 kept', '1 hello'])
    expect(await database.get('messages').query().fetch()).toHaveLength(2)
  })

  it('[STO23] [C15] a database closed underneath is reported, by commits and reads', async () => {
    const { store, database } = await openDevice()
    await store.commit({ meta: { cursor: '1' } })
    driverOf(database).database.instance.close()
    for (const promise of [
      store.commit({ meta: { cursor: '2' } }),
      store.loadMeta(),
      store.loadRows('chats'),
    ]) {
      await expect(promise).rejects.toMatchObject({ code: 'STORE_FAILED' })
    }
  })

  it('[STO24] no row of the log or the outbox is longer than 512 KB', async () => {
    const { store, file } = await openDevice()
    await store.commit({
      updates: [{ seq: 1, address: CHAT, update: new Uint8Array(1_500_000).fill(7) }],
      outboxPut: [outboxEntry({ event: '€'.repeat(700_000), reason: '€'.repeat(1_000) })],
    })
    const sqlite = openSqlite(file, { readonly: true })
    const longest = (table: string, column: string) =>
      sqlite.prepare(`select max(length(cast("${column}" as blob))) from "${table}"`).pluck().get()
    expect(longest('sync_updates', 'data')).toBeLessThan(512_000)
    expect(longest('sync_outbox', 'event')).toBeLessThan(512_000)
    sqlite.close()
  })

  it('[STO25] a schema or models without our tables are refused with CONFIG_INVALID', async () => {
    const adapter = (tables: typeof onyxTables) =>
      new LokiJSAdapter({
        dbName: 'test',
        schema: appSchema({ version: ONYX_SCHEMA_VERSION, tables: [...tables] }),
        migrations: onyxMigrations,
        useWebWorker: false,
        useIncrementalIndexedDB: false,
        extraLokiOptions: { autosave: false },
      })
    const open = (tables: typeof onyxTables, modelClasses = onyxModels) =>
      watermelonStore(new Database({ adapter: adapter(tables), modelClasses }))
    const code = 'CONFIG_INVALID'
    expect(() => open(onyxTables.slice(1), onyxModels.slice(1))).toThrow(expect.objectContaining({ code }))
    expect(() => open(onyxTables, onyxModels.slice(0, -1))).toThrow(expect.objectContaining({ code }))
  })
})

describe('watermelonStore on LokiJS that persists', () => {
  /** A disk that holds the last save, and can be made to hang or fail. */
  function createDisk() {
    const disk = { saved: '', fails: false, waiting: undefined as (() => void)[] | undefined }
    return Object.assign(disk, {
      loadDatabase: (_name: string, callback: (data: unknown) => void) => callback(disk.saved || null),
      saveDatabase(_name: string, data: string, callback: (error?: Error | null) => void) {
        const save = () => {
          if (disk.fails) return callback(new Error('QuotaExceededError'))
          disk.saved = data
          callback(null)
        }
        if (disk.waiting === undefined) save()
        else disk.waiting.push(save)
      },
      deleteDatabase: (_name: string, callback: (result: object) => void) => callback({ success: true }),
    })
  }

  it('[STO26] a commit resolves only when it has been saved', async () => {
    const disk = createDisk()
    const { store } = openLoki(disk)
    await store.commit({ meta: { cursor: '1' } })
    expect(disk.saved).toContain('key:cursor')
    disk.waiting = []
    let isDone = false
    const commit = store.commit({ meta: { cursor: '2' } }).then(() => {
      isDone = true
    })
    await vi.waitFor(() => expect(disk.waiting).toHaveLength(1))
    expect(isDone).toBe(false)
    disk.waiting[0]?.()
    await commit
    expect(await openLoki(createCopy(disk.saved)).store.loadMeta()).toEqual({ cursor: '2' })
  })

  function createCopy(saved: string) {
    return Object.assign(createDisk(), {
      loadDatabase: (_name: string, callback: (data: unknown) => void) => callback(saved),
    })
  }

  it('[STO27] [C15] a save that fails is reported, and the rows are as before, also for observers', async () => {
    const disk = createDisk()
    const { store, database } = openLoki(disk)
    const kept = [1, 2].map((seq) => ({ seq, address: CHAT, update: new Uint8Array(seq) }))
    await store.commit({
      ...putMessages(messageRow('m1')),
      updates: kept,
      outboxPut: [outboxEntry()],
      meta: { cursor: '1' },
    })
    const messages = watchMessages(database)
    disk.fails = true
    const failing = store.commit({
      updates: [{ seq: 3, address: CHAT, update: new Uint8Array(2) }],
      compactions: [{ address: CHAT, throughSeq: 2, update: new Uint8Array(9) }],
      outboxDelete: ['entry-1'],
      meta: { cursor: '2' },
      rows: [{ table: 'messages', put: [messageRow('m2', { position: 1 })], delete: [messageRow('m1').id] }],
    })
    await expect(failing).rejects.toMatchObject({ code: 'STORE_FAILED' })
    expect(await store.loadOutbox()).toEqual([outboxEntry()])
    expect(await store.loadMeta()).toEqual({ cursor: '1' })
    expect(await store.loadUpdates(CHAT)).toEqual(kept)
    expect(await store.lastSeq()).toBe(2)
    expect(messages.at(-1)).toEqual(['0 hello'])
    expect(await database.get('messages').query().fetch()).toHaveLength(1)
    disk.fails = false
    await store.commit(putMessages(messageRow('m2', { position: 1 })))
    expect(messages.at(-1)).toEqual(['0 hello', '1 hello'])
  })
})

describe('the search index on SQLite', () => {
  const find = async (store: SyncStore, query: string) =>
    (await store.searchRows('messages', query, { limit: 9 })).map((row) => row.message_id)

  it('[STO47] is made by the first search, kept by every commit, and outlives a restart and a reset', async () => {
    const first = await openDevice()
    const put = (id: string, content: string) =>
      first.store.commit({ rows: [{ table: 'messages', put: [messageRow(id, { content })], delete: [] }] })
    await put('a', 'before the index')
    const tables = () =>
      driverOf(first.database).database.queryRaw(`select name from sqlite_master where name = 'messages_fts'`)
    expect(tables()).toEqual([])
    expect(await find(first.store, 'before')).toEqual(['a'])
    expect(tables()).toHaveLength(1)
    await put('b', 'after')
    await put('a', 'changed')
    const indexed = driverOf(first.database).database.queryRaw(
      'select content from messages_fts order by content',
    )
    expect(indexed).toEqual([{ content: 'after' }, { content: 'changed' }])

    const second = await first.reopen()
    expect(await find(second.store, 'chang')).toEqual(['a'])
    await second.store.commit({ rows: [{ table: 'messages', put: [], delete: [messageRow('a').id] }] })
    expect(await find(second.store, 'chang')).toEqual([])
    await second.database.write(() => second.database.unsafeResetDatabase())
    expect(await find(second.store, 'after')).toEqual([])
    await second.store.commit({ rows: [{ table: 'messages', put: [messageRow('c')], delete: [] }] })
    expect(await find(second.store, 'hello')).toEqual(['c'])
  })

  it('[STO47] where SQLite has no FTS5 the rows are looked through', async () => {
    const { database, store } = await openDevice()
    const driver = driverOf(database).database
    const execute = driver.execute.bind(driver)
    driver.execute = (sql: string, args?: unknown[]) => {
      if (sql.includes('fts5')) throw new Error('no such module: fts5')
      return execute(sql, args)
    }
    await store.commit({ rows: [{ table: 'messages', put: [messageRow('a')], delete: [] }] })
    expect(await find(store, 'hel')).toEqual(['a'])
    await store.commit({ rows: [{ table: 'messages', put: [messageRow('b')], delete: [] }] })
    expect((await find(store, 'hel')).sort()).toEqual(['a', 'b'])
  })
})
