/**
 * What a client needs in a browser: a database in IndexedDB. Kept apart from the main entry, so that neither Node nor a
 * phone loads it. The transport is the platform's own.
 */
import type { AppSchema, Model, SchemaMigrations, Database as WatermelonDatabase } from '@nozbe/watermelondb'
import { SyncError } from '@onyx-sync/shared'
import { createLokiAdapter } from './adapters/browser/loki-adapter.js'
import { lockForThisPage } from './adapters/browser/tab-lock.js'
import { onyxModels } from './adapters/watermelon/models.js'
import { onyxMigrations, onyxSchema } from './adapters/watermelon/schema.js'
import { watermelonStore } from './adapters/watermelon/store.js'
import { isInMemory } from './adapters/watermelon/unsafe.js'
import { Database } from './adapters/watermelon/watermelon.js'
import type { SyncStore } from './ports/store.js'

/** What to open; an app with tables of its own gives its schema, which holds `onyxTables` as well. */
export interface BrowserDatabaseOptions {
  /** Name of the database in IndexedDB; one for each account, see `accountDatabaseName`. */
  readonly name: string
  /** @default onyxSchema */
  readonly schema?: AppSchema
  /** From every older version of the schema that may be out there. @default onyxMigrations */
  readonly migrations?: SchemaMigrations
  /** @default onyxModels */
  readonly modelClasses?: readonly (typeof Model)[]
}

/** A database that is open. */
export interface BrowserDatabase {
  /** For `watermelonStore`, for `SyncProvider`, and for an app's own queries. */
  readonly database: WatermelonDatabase
  /** Lets other pages have it. Idempotent. */
  close(): void
}

/**
 * Opens, or creates, a device's database in IndexedDB, with LokiJS: all of it is in memory while it is open. One page at a
 * time; the lock goes with the page. Rejects with `DATABASE_LOCKED`, or `DATABASE_UNREADABLE` where the browser doesn't
 * let it be opened.
 */
export async function openBrowserDatabase({
  name,
  schema = onyxSchema,
  migrations = onyxMigrations,
  modelClasses = onyxModels,
}: BrowserDatabaseOptions): Promise<BrowserDatabase> {
  const close = await lockForThisPage(name)
  try {
    const database = await new Promise<WatermelonDatabase>((resolve, reject) => {
      const adapter = createLokiAdapter({ dbName: name, schema, migrations, onSetUpError: reject })
      const made = new Database({ adapter, modelClasses: [...modelClasses] })
      // Answered once it is set up.
      made.adapter.getLocal('onyx-sync').then(() => resolve(made), reject)
    })
    // What is "saved" must be there after a reload.
    if (await isInMemory(database))
      throw new Error('the browser gives this page none, perhaps in a private window')
    return { database, close }
  } catch (cause) {
    close()
    const why = cause instanceof Error ? cause.message : String(cause)
    const message = `the database ${JSON.stringify(name)} can't be opened in IndexedDB: ${why}`
    throw new SyncError('DATABASE_UNREADABLE', message, { cause })
  }
}

/**
 * A store in IndexedDB: a commit resolves when IndexedDB has it. Closing it lets other pages have it. Rejects as
 * {@link openBrowserDatabase} does.
 */
export async function openBrowserStore(options: { readonly name: string }): Promise<SyncStore> {
  const { database, close } = await openBrowserDatabase(options)
  const store = watermelonStore(database)
  return {
    ...store,
    async close() {
      await store.close()
      close()
    },
  }
}
