/*
 * Puts a SQLite connection of ours under WatermelonDB's SQLiteAdapter, past its public API, written against
 * the pinned version 0.28.0. Left to itself the adapter appends ".db" to file names, deletes a file whose
 * version it doesn't expect, sets no pragmas, can't be closed, and prepares every statement anew.
 */
import type { AppSchema } from '@nozbe/watermelondb'
import type { DatabaseAdapter } from '@nozbe/watermelondb/adapters/type.js'
import * as logger from '@nozbe/watermelondb/utils/common/logger/index.js'
import { defaultOf } from '../watermelon/watermelon.js'
import type { SqliteFile } from './better-sqlite.js'

/** An adapter on an open connection. */
export interface ConnectedAdapter {
  readonly adapter: DatabaseAdapter
  /** Cuts the adapter off; whatever is asked of it from then on fails. The connection itself stays open. */
  disconnect(): void
}

interface UnsafeDriver {
  database: unknown
}
interface UnsafeBridge {
  connections: Record<number, unknown>
  connected(tag: number, driver: UnsafeDriver): void
}
type UnsafeAdapterClass = new (options: {
  schema: AppSchema
  dbName: string
}) => DatabaseAdapter & {
  _tag: number
}

/** Statements kept prepared. Queries carry their values in the SQL, so there is no end of different ones. */
const MAX_PREPARED = 128

/** Turns off WatermelonDB's console output, for the whole process: it reports every set-up there. */
export function silenceWatermelon(): void {
  defaultOf<{ silence(): void }>(logger).silence()
}

/**
 * An adapter on a connection whose tables are those of the schema already. What it is made of requires better-sqlite3 when it
 * is loaded, so it isn't before there is a connection.
 */
export async function connectAdapter(
  sqlite: SqliteFile,
  file: string,
  schema: AppSchema,
): Promise<ConnectedAdapter> {
  const SQLiteAdapter: UnsafeAdapterClass = defaultOf(
    await import('@nozbe/watermelondb/adapters/sqlite/index.js'),
  )
  // @ts-expect-error: it has no types.
  const bridgeModule = await import('@nozbe/watermelondb/adapters/sqlite/sqlite-node/DatabaseBridge.js')
  // @ts-expect-error: it has no types.
  const driverModule = await import('@nozbe/watermelondb/adapters/sqlite/sqlite-node/DatabaseDriver.js')
  const bridge: UnsafeBridge = defaultOf(bridgeModule)
  const Driver: new () => UnsafeDriver = defaultOf(driverModule)

  class ConnectedSqliteAdapter extends SQLiteAdapter {
    /** Called by the constructor; would open, and maybe wipe, the file. */
    _init(callback: (result: { value: undefined }) => void): void {
      const driver: UnsafeDriver = new Driver()
      driver.database = createDriverDatabase(sqlite)
      bridge.connected(this._tag, driver)
      callback({ value: undefined })
    }
  }

  const adapter = new ConnectedSqliteAdapter({ schema, dbName: file })
  return {
    adapter,
    disconnect() {
      delete bridge.connections[adapter._tag]
    },
  }
}

/** What WatermelonDB's driver asks of a database, on a connection that stays the one it was given. */
function createDriverDatabase(sqlite: SqliteFile) {
  const prepared = new Map<string, ReturnType<SqliteFile['prepare']>>()

  function prepare(sql: string) {
    let statement = prepared.get(sql)
    if (statement === undefined) {
      statement = sqlite.prepare(sql)
      if (prepared.size >= MAX_PREPARED) prepared.clear()
      prepared.set(sql, statement)
    }
    return statement
  }

  return {
    /** Where WatermelonDB's own database has it: for whoever needs the raw connection. */
    instance: sqlite,
    inTransaction: (work: () => void) => sqlite.transaction(work).immediate(),
    execute: (sql: string, args: unknown[] = []) => prepare(sql).run(args),
    executeStatements: (sql: string) => sqlite.exec(sql),
    queryRaw: (sql: string, args: unknown[] = []) => prepare(sql).all(args),
    count(sql: string, args: unknown[] = []) {
      const row = prepare(sql).get(args) as { count: number | string }
      return Number(row.count)
    },
    get userVersion() {
      return sqlite.pragma('user_version', { simple: true }) as number
    },
    set userVersion(version: number) {
      sqlite.pragma(`user_version = ${version}`)
    },
    isInMemoryDatabase: () => false,
    /** For `database.unsafeResetDatabase()`: empties the file in place, since lock and connection hang on it. */
    unsafeDestroyEverything() {
      const select = `select name from sqlite_master where type = 'table' and name not like 'sqlite_%'`
      const dropAll = (condition: string) => {
        for (const name of sqlite
          .prepare(select + condition)
          .pluck()
          .all())
          sqlite.exec(`drop table "${name}"`)
      }
      sqlite.transaction(() => {
        // The tables that a virtual one is made of go with it, and not otherwise.
        dropAll(` and sql like 'create virtual table%'`)
        dropAll('')
        sqlite.pragma('user_version = 0')
      })()
    },
  }
}
