/** The contract of stores, with the one that needs no database. */
import { createMemoryStore } from '@onyx-sync/client'
import { describeStoreContract } from '../contract/store-contract.js'

describeStoreContract('memory', async () => ({ store: createMemoryStore(), cleanUp: async () => {} }))
