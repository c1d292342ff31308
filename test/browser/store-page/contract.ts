/** The store contract, for a page; `vitest` is `page-vitest.ts` here. */
import { deleteBrowserDatabase, openBrowserStore } from '@onyx-sync/client/browser'
import { describe, expect, it } from 'vitest'
import { describeStoreContract } from '../../contract/store-contract.js'

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
}

describe('this page', () => {
  it('reports what fails', async () => {
    await expect(Promise.resolve({ code: 'A', list: [1] })).resolves.toMatchObject({ list: [2] })
  })
})
