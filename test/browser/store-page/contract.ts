/** The contracts of stores, for a page; `vitest` is `page-vitest.ts` here. */
import { Q } from '@nozbe/watermelondb'
import { watermelonStore } from '@onyx-sync/client'
import { deleteBrowserDatabase, openBrowserDatabase, openBrowserStore } from '@onyx-sync/client/browser'
import { describe, expect, it } from 'vitest'
import { describeStoreContract, messageRow } from '../../contract/store-contract.js'
import { describeWatermelonContract } from '../../contract/watermelon-contract.js'

let count = 0

for (const storage of ['opfs', 'indexeddb'] as const) {
  describeStoreContract(storage, async () => {
    const name = `contract-${storage}-${++count}`
    let store = await openBrowserStore({ name, storage })
    return {
      store,
      async reopen() {
        await store.close()
        store = await openBrowserStore({ name, storage })
        return store
      },
      async cleanUp() {
        await store.close()
        await deleteBrowserDatabase(name)
      },
    }
  })

  describeWatermelonContract(storage, async () => {
    const name = `watermelon-${storage}-${++count}`
    const { database, close } = await openBrowserDatabase({ name, storage })
    return {
      database,
      store: watermelonStore(database),
      async cleanUp() {
        await close()
        await deleteBrowserDatabase(name)
      },
    }
  })
}

describe('the search index on opfs', () => {
  it('[STO47] is made by the first search, and kept by every commit', async () => {
    const { database, close } = await openBrowserDatabase({ name: 'index', storage: 'opfs' })
    const store = watermelonStore(database)
    const select = (sql: string) => database.get('messages').query(Q.unsafeSqlQuery(sql, [])).unsafeFetchRaw()
    const put = (id: string, content: string) =>
      store.commit({ rows: [{ table: 'messages', put: [messageRow(id, { content })], delete: [] }] })
    try {
      await put('a', 'before the index')
      expect(await select(`select name from sqlite_master where name = 'messages_fts'`)).toEqual([])
      expect(await store.searchRows('messages', 'before', { limit: 9 })).toHaveLength(1)
      await put('b', 'after')
      expect(await select('select content from messages_fts order by content')).toEqual([
        { content: 'after' },
        { content: 'before the index' },
      ])
    } finally {
      await close()
      await deleteBrowserDatabase('index')
    }
  })
})

describe('this page', () => {
  it('reports what fails', async () => {
    await expect(Promise.resolve({ code: 'A', list: [1] })).resolves.toMatchObject({ list: [2] })
  })
})
