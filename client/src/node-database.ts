import { realpathSync } from 'node:fs'
import { resolve } from 'node:path'
import type { AppSchema, Model, SchemaMigrations, Database as WatermelonDatabase } from '@nozbe/watermelondb'
import { SyncError, toSyncError } from '@onyx-sync/shared'
import type { SqliteFile } from './adapters/node/better-sqlite.js'
import { lockFile } from './adapters/node/file-lock.js'
import { applySchema, checkSqliteFile, createPrivateFile, openDurable } from './adapters/node/sqlite-file.js'
import { connectAdapter, silenceWatermelon } from './adapters/node/watermelon-connection.js'
import { onyxModels } from './adapters/watermelon/models.js'
import { onyxMigrations, onyxSchema } from './adapters/watermelon/schema.js'
import { migrationsToSql, schemaToSql } from './adapters/watermelon/sqlite-encoders.js'
import { Database } from './adapters/watermelon/watermelon.js'

/** What to open; an app with tables of its own gives its schema, which holds `onyxTables` as well. */
export interface NodeDatabaseOptions {
  /** Path of the file, used exactly as given. `FILE-wal`, `FILE-shm` and `FILE.lock` come to lie beside it. */
  readonly file: string
  /** @default onyxSchema */
  readonly schema?: AppSchema
  /** From every older version of the schema that may be out there. @default onyxMigrations */
  readonly migrations?: SchemaMigrations
  /** @default onyxModels */
  readonly modelClasses?: readonly (typeof Model)[]
}

/** A database that is open. */
export interface NodeDatabase {
  /** For `watermelonStore`, and for an app's own queries. */
  readonly database: WatermelonDatabase
  /** Writes everything into the file, closes it and lets other processes have it. Idempotent. */
  close(): Promise<void>
}

/**
 * Opens, or creates, a device's database in a SQLite file (Node only; needs better-sqlite3). What is committed
 * survives a power cut (WAL, synchronous FULL). One process at a time; the lock goes with the process.
 * Never wipes anything. Rejects with `DATABASE_LOCKED`, `DATABASE_NEWER`, `DATABASE_UNREADABLE` or, when
 * better-sqlite3 is missing, `CONFIG_INVALID`. Silences WatermelonDB's console output.
 */
export async function openNodeDatabase({
  file,
  schema = onyxSchema,
  migrations = onyxMigrations,
  modelClasses = onyxModels,
}: NodeDatabaseOptions): Promise<NodeDatabase> {
  const path = resolve(file)
  if (path !== path.trim()) {
    // better-sqlite3 would trim it, and open another file.
    throw new SyncError('DATABASE_UNREADABLE', `"${path}": a file name can't end with white space`)
  }
  silenceWatermelon()
  createPrivateFile(path)
  // By its real path, so that two links to one file are one lock.
  const lock = lockFile(toRealPath(path))
  let sqlite: SqliteFile | undefined
  try {
    const version = checkSqliteFile(path, schema)
    sqlite = openDurable(path)
    if (version < schema.version) upgrade(sqlite, path, version, schema, migrations)
    const { adapter, disconnect } = await connectAdapter(sqlite, path, schema)
    const database = new Database({ adapter, modelClasses: [...modelClasses] })
    const opened = sqlite
    let isOpen = true
    return {
      database,
      async close() {
        if (!isOpen) return
        isOpen = false
        disconnect()
        try {
          // As the last connection it also moves the log (WAL) into the file and removes it.
          opened.close()
        } finally {
          lock.release()
        }
      },
    }
  } catch (error) {
    sqlite?.close()
    lock.release()
    throw toSyncError(error, 'DATABASE_UNREADABLE', `can't open ${path}`)
  }
}

function toRealPath(path: string): string {
  try {
    return realpathSync(path)
  } catch (error) {
    throw toSyncError(error, 'DATABASE_UNREADABLE', `can't open ${path}`)
  }
}

function upgrade(
  sqlite: SqliteFile,
  path: string,
  version: number,
  schema: AppSchema,
  migrations: SchemaMigrations,
): void {
  const sql = version === 0 ? schemaToSql(schema) : migrationsToSql(migrations, version, schema.version)
  if (sql === undefined) {
    const message = `${path} has version ${version}, and there is no migration from that to ${schema.version}`
    throw new SyncError('DATABASE_UNREADABLE', message)
  }
  applySchema(sqlite, sql, schema.version)
}
