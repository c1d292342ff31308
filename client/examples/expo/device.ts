import { Database } from '@nozbe/watermelondb'
import SQLiteAdapter from '@nozbe/watermelondb/adapters/sqlite'
import {
  createSyncClient,
  onyxMigrations,
  onyxModels,
  onyxSchema,
  openStoredKeySigner,
  type SyncClient,
  wakeOnPlatformEvents,
  watermelonStore,
} from '@onyx-sync/client'
import * as SecureStore from 'expo-secure-store'
import { AppState } from 'react-native'

/** Where the server is; a phone reaches the computer that it is developed on by that one's own address. */
const URL_OF_SERVER = process.env.EXPO_PUBLIC_SYNC_URL ?? 'wss://sync.example.com/sync'

/** This phone: its key in secure storage, its chats in SQLite. */
export async function openDevice(): Promise<SyncClient> {
  const signer = await openStoredKeySigner({ storage: SecureStore })
  const database = new Database({
    adapter: new SQLiteAdapter({
      dbName: 'onyx-sync',
      schema: onyxSchema,
      migrations: onyxMigrations,
      jsi: true,
    }),
    modelClasses: [...onyxModels],
  })
  const client = await createSyncClient({
    store: watermelonStore(database),
    signer,
    url: URL_OF_SERVER,
    // A computer on the same network has no certificate.
    allowInsecure: __DEV__,
  })
  client.connect()
  wakeOnPlatformEvents(() => client.wake(), { appState: AppState })
  return client
}
