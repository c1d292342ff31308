import { type Model, Q, type Database as WatermelonDatabase } from '@nozbe/watermelondb'
import { hasUnsyncedChanges } from '@nozbe/watermelondb/sync/index.js'
import { afterEach, describe, expect, it } from 'vitest'
import type { SyncStore } from '../../client/src/ports/store.js'
import { chatRow, messageRow, outboxEntry } from './store-contract.js'

/** A device's database and the store on it. */
export interface WatermelonWorld {
  readonly database: WatermelonDatabase
  readonly store: SyncStore
  /** The ids that the adapter takes to be in the collection's cache, where one can look. */
  readonly adapterCache?: (table: string) => Set<string> | undefined
  readonly cleanUp: () => Promise<void>
}

const CHAT = `30001:${'a'.repeat(64)}:chat-1`

function cacheSize(database: WatermelonDatabase, table: string): number {
  return (database.get(table)._cache as unknown as { map: Map<string, Model> }).map.size
}

const putMessages = (...put: ReturnType<typeof messageRow>[]) => ({
  rows: [{ table: 'messages' as const, put, delete: [] }],
})

/** Adapters answer at once, or from a worker. */
async function until(holds: () => boolean): Promise<void> {
  for (let tries = 0; !holds() && tries < 1_000; tries++)
    await new Promise((resolve) => setTimeout(resolve, 2))
}

/** What `watermelonStore` does to a database that an app observes, on whatever adapter. It also runs in a browser. */
export function describeWatermelonContract(name: string, open: () => Promise<WatermelonWorld>): void {
  describe(`watermelonStore on ${name}`, () => {
    const cleanUps: (() => Promise<void> | void)[] = []
    async function start(): Promise<WatermelonWorld> {
      const world = await open()
      cleanUps.push(world.cleanUp)
      return world
    }
    afterEach(async () => {
      for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp()
    })

    /** Every emission of the messages of the chat, as `position content`. */
    function watchMessages(database: WatermelonDatabase): string[][] {
      const emissions: string[][] = []
      const query = database.get('messages').query(Q.where('address', CHAT))
      const subscription = query.observeWithColumns(['position', 'content']).subscribe((records) => {
        const texts = records.map((record) => `${record._getRaw('position')} ${record._getRaw('content')}`)
        emissions.push(texts.sort())
      })
      cleanUps.push(() => subscription.unsubscribe())
      return emissions
    }

    it('[STO17] observers hear of a commit once, with what it made of the rows', async () => {
      const { database, store } = await start()
      const chats: unknown[][] = []
      const subscription = database
        .get('chats')
        .query()
        .observeWithColumns(['title'])
        .subscribe((records) => chats.push(records.map((record) => record._getRaw('title'))))
      cleanUps.push(() => subscription.unsubscribe())
      const messages = watchMessages(database)
      await until(() => chats.length === 1 && messages.length === 1)
      await store.commit({
        outboxPut: [outboxEntry()],
        rows: [
          { table: 'chats', put: [chatRow(CHAT)], delete: [] },
          { table: 'messages', put: [messageRow('m1'), messageRow('m2', { position: 1 })], delete: [] },
        ],
      })
      await store.commit({
        rows: [
          { table: 'messages', put: [messageRow('m2', { position: 0 })], delete: [messageRow('m1').id] },
          { table: 'messages', put: [messageRow('m3', { position: 1, content: 'new' })], delete: [] },
          { table: 'chats', put: [chatRow(CHAT, { title: 'renamed' })], delete: [] },
        ],
      })
      await store.commit({ meta: { cursor: 'x' } })
      expect(chats).toEqual([[], ['A chat'], ['renamed']])
      expect(messages).toEqual([[], ['0 hello', '1 hello'], ['0 hello', '1 new']])
      let deletions = 0
      const [record] = await database.get('messages').query(Q.where('message_id', 'm3')).fetch()
      record?.observe().subscribe({ complete: () => deletions++ })
      await store.commit({
        rows: [{ table: 'messages', put: [], delete: [messageRow('m3').id, messageRow('m2').id] }],
      })
      expect(messages.at(-1)).toEqual([])
      expect(messages).toHaveLength(4)
      expect(deletions).toBe(1)
    })

    it('[STO17] counts are told too, and rows that come back after a deletion', async () => {
      const { database, store, adapterCache } = await start()
      const counts: number[] = []
      const subscription = database
        .get('messages')
        .query()
        .observeCount(false)
        .subscribe((count) => counts.push(count))
      await store.commit(putMessages(messageRow('m1')))
      expect(await database.get('messages').query().fetch()).toHaveLength(1)
      await store.commit({ rows: [{ table: 'messages', put: [], delete: [messageRow('m1').id] }] })
      await store.commit(putMessages(messageRow('m1', { content: 'again' })))
      const [record] = await database.get('messages').query().fetch()
      expect(record?._getRaw('content')).toBe('again')
      await until(() => counts.length === 4)
      expect(counts).toEqual([0, 1, 0, 1])
      subscription.unsubscribe()
      // What the adapter answers with a bare id is what the collection has, or queries would throw.
      watchMessages(database)
      await store.commit(putMessages(messageRow('m1'), messageRow('m2'), messageRow('m3')))
      await store.commit({ rows: [{ table: 'messages', put: [], delete: [messageRow('m2').id] }] })
      const kept = [messageRow('m1').id, messageRow('m3').id]
      if (adapterCache !== undefined) expect(adapterCache('messages')).toEqual(new Set(kept))
      expect(cacheSize(database, 'messages')).toBe(2)
      const found = await database.get('messages').query().fetch()
      expect(found.map(({ id }) => id).sort()).toEqual(kept)
    })

    it('[STO17] commits and queries that cross on their way give records as they are', async () => {
      const { database, store } = await start()
      watchMessages(database)
      const query = () => database.get('messages').query(Q.where('address', CHAT)).fetch()
      const work: Promise<unknown>[] = []
      const found: Promise<Model[]>[] = []
      for (let round = 0; round < 40; round++) {
        const id = `m${round % 5}`
        const remove = { rows: [{ table: 'messages' as const, put: [], delete: [messageRow(id).id] }] }
        const put = putMessages(messageRow(id, { content: String(round) }))
        work.push(store.commit(round % 3 === 2 ? remove : put))
        found.push(query())
        if (round % 4 === 0) await Promise.resolve()
      }
      await Promise.all([...work, ...found])
      const last = await query()
      // Round 35 to 39, of which 35 and 38 took theirs away.
      expect(last.map((record) => record._getRaw('content')).sort()).toEqual(['36', '37', '39'])
      expect(cacheSize(database, 'messages')).toBe(3)
    })

    it('[STO18] nothing of the log or the outbox stays in the record caches', async () => {
      const { database, store, adapterCache } = await start()
      for (let seq = 1; seq <= 20; seq++) {
        await store.commit({
          updates: [{ seq, address: CHAT, update: new Uint8Array(1_000) }],
          outboxPut: [outboxEntry({ id: `e${seq}`, seq, throughSeq: seq })],
          meta: { cursor: String(seq) },
        })
      }
      await Promise.all([
        store.loadUpdates(CHAT),
        store.loadOutbox(),
        store.loadMeta(),
        store.loadDocuments(),
      ])
      for (const table of ['sync_updates', 'sync_outbox', 'sync_documents', 'sync_meta']) {
        expect(cacheSize(database, table)).toBe(0)
        // LokiJS notes every id that it hands out, and only that.
        if (name === 'SQLite') expect([...(adapterCache?.(table) ?? [])]).toEqual([])
      }
    })

    it("[STO19] rows don't count as unsynced for WatermelonDB's own sync", async () => {
      const { database, store } = await start()
      await store.commit({ ...putMessages(messageRow('m1')), meta: { a: 'b' } })
      await store.commit(putMessages(messageRow('m1', { content: 'changed' })))
      expect(await hasUnsyncedChanges({ database })).toBe(false)
    })

    it('[STO60] what an app writes and reads by WatermelonDB itself works beside it', async () => {
      const { database, store } = await start()
      await database.localStorage.set('theme', { dark: true })
      expect(await database.localStorage.get('theme')).toEqual({ dark: true })
      await database.localStorage.remove('theme')
      expect(await database.localStorage.get('theme')).toBe(undefined)
      const settings = database.get('settings')
      const made = await database.write(() =>
        settings.create((record) => {
          record._setRaw('key', "it's")
        }),
      )
      expect((await settings.find(made.id))._getRaw('key')).toBe("it's")
      expect(await settings.query(Q.where('key', Q.like("%'s"))).fetchIds()).toEqual([made.id])
      await database.write(() => made.destroyPermanently())
      expect(await settings.query().fetchCount()).toBe(0)
      await expect(settings.find(made.id)).rejects.toMatchObject({ message: /not found/ })

      await store.commit(putMessages(messageRow('m1')))
      expect(await database.get('messages').query().fetchCount()).toBe(1)
      await database.write(() => database.unsafeResetDatabase())
      expect(await database.get('messages').query().fetchCount()).toBe(0)
      expect(await store.loadMeta()).toEqual({})
      await store.commit(putMessages(messageRow('m2')))
      expect(await store.loadRows('messages')).toEqual([messageRow('m2')])
    })
  })
}
