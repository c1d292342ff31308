import { mkdtemp, rm } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createMemoryStore } from '../../client/src/adapters/memory-store.js'
import { onyxModels } from '../../client/src/adapters/watermelon/models.js'
import { onyxMigrations, onyxSchema } from '../../client/src/adapters/watermelon/schema.js'
import { watermelonStore } from '../../client/src/adapters/watermelon/store.js'
import { Database } from '../../client/src/adapters/watermelon/watermelon.js'
import { openNodeDatabase } from '../../client/src/node-database.js'
import { describeStoreContract } from './store-contract.js'

const require = createRequire(import.meta.url)
const { default: LokiJSAdapter } = require('@nozbe/watermelondb/adapters/lokijs')
require('@nozbe/watermelondb/utils/common/logger').default.silence()

describeStoreContract('memory', async () => ({ store: createMemoryStore(), cleanUp: async () => {} }))

describeStoreContract('WatermelonDB on SQLite', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'onyx-store-'))
  const file = join(folder, 'device')
  let opened = await openNodeDatabase({ file })
  const store = watermelonStore(opened.database)
  return {
    store,
    async reopen() {
      await store.close()
      await opened.close()
      opened = await openNodeDatabase({ file })
      return watermelonStore(opened.database)
    },
    async cleanUp() {
      await opened.close()
      await rm(folder, { recursive: true })
    },
  }
})

describeStoreContract('WatermelonDB on LokiJS', async () => {
  const open = (persistence?: unknown) =>
    new LokiJSAdapter({
      dbName: 'test',
      schema: onyxSchema,
      migrations: onyxMigrations,
      useWebWorker: false,
      useIncrementalIndexedDB: false,
      extraLokiOptions: { autosave: false },
      _testLokiAdapter: persistence,
    })
  const toStore = (adapter: unknown) =>
    watermelonStore(new Database({ adapter: adapter as never, modelClasses: onyxModels }))
  const adapter = open()
  const store = toStore(adapter)
  return {
    store,
    async reopen() {
      await store.close()
      const { loki } = adapter._driver
      // The store leaves out saving to LokiJS's memory adapter.
      await new Promise((resolve) => loki.saveDatabase(resolve))
      return toStore(open(loki.persistenceAdapter))
    },
    cleanUp: async () => {},
  }
})
