import type { AppSchema, Model, SchemaMigrations, Database as WatermelonDatabase } from '@nozbe/watermelondb'
import { SyncError, toSyncError } from '@onyx-sync/shared'
import { checkFoundDatabase } from '../watermelon/found-database.js'
import { migrationsToSql } from '../watermelon/sqlite-encoders.js'
import { closeLoki, isInMemory } from '../watermelon/unsafe.js'
import { Database } from '../watermelon/watermelon.js'
import { inspectIndexedDb } from './indexed-db.js'
import { startNewIndexedDbLog } from './indexed-db-log.js'
import { createLokiAdapter } from './loki-adapter.js'

export interface LokiDatabaseOptions {
  readonly name: string
  readonly schema: AppSchema
  readonly migrations: SchemaMigrations
  readonly modelClasses: readonly (typeof Model)[]
}

export interface OpenedLoki {
  readonly database: WatermelonDatabase
  /** Saves what the app has written itself, and closes the database. */
  close(): Promise<void>
}

/**
 * Opens, or creates, a database in IndexedDB with LokiJS: all of it is in memory while it is open. Never wipes anything.
 * Rejects with `DATABASE_NEWER` or `DATABASE_UNREADABLE`.
 */
export async function openLoki({
  name,
  schema,
  migrations,
  modelClasses,
}: LokiDatabaseOptions): Promise<OpenedLoki> {
  const label = `the database ${JSON.stringify(name)}`
  try {
    await checkWhatIsThere(name, schema, migrations, label)
    // Before anything is written that must outlive a kill.
    await startNewIndexedDbLog()
    const database = await new Promise<WatermelonDatabase>((resolve, reject) => {
      const adapter = createLokiAdapter({ dbName: name, schema, migrations, onSetUpError: reject })
      const made = new Database({ adapter, modelClasses: [...modelClasses] })
      // Answered once it is set up.
      made.adapter.getLocal('onyx-sync').then(() => resolve(made), reject)
    })
    // What is "saved" must be there after a reload.
    if (await isInMemory(database)) throw new Error('the browser gives this page none')
    return { database, close: () => closeLoki(database) }
  } catch (cause) {
    throw toSyncError(cause, 'DATABASE_UNREADABLE', `${label} can't be opened in IndexedDB`)
  }
}

/** WatermelonDB would wipe a database that is newer or for which there is no migration, and LokiJS one of others. */
async function checkWhatIsThere(
  name: string,
  schema: AppSchema,
  migrations: SchemaMigrations,
  label: string,
): Promise<void> {
  if (globalThis.indexedDB === undefined) throw new Error('the browser gives this page none')
  const found = await inspectIndexedDb(name)
  if (found === undefined) return
  const version = checkFoundDatabase(found, schema, label)
  const isOlder = version > 0 && version < schema.version
  if (isOlder && migrationsToSql(migrations, version, schema.version) === undefined) {
    const message = `${label} has version ${version}, and there is no migration from that to ${schema.version}`
    throw new SyncError('DATABASE_UNREADABLE', message)
  }
}
