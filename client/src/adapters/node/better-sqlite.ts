import { createRequire } from 'node:module'
import { SyncError } from '@onyx-sync/shared'
import type BetterSqlite from 'better-sqlite3'

/** An open SQLite file. */
export type SqliteFile = BetterSqlite.Database

const require = createRequire(import.meta.url)

/**
 * Opens a SQLite file with better-sqlite3, an optional peer dependency that only Node devices need. Throws
 * `CONFIG_INVALID` when it isn't installed or built for another Node, else SQLite's own error.
 */
export function openSqlite(file: string, options?: BetterSqlite.Options): SqliteFile {
  let Sqlite: typeof BetterSqlite
  try {
    Sqlite = require('better-sqlite3')
  } catch (cause) {
    if ((cause as { code?: string }).code !== 'MODULE_NOT_FOUND') throw cause
    const message = 'better-sqlite3 is not installed; run: npm install better-sqlite3@12'
    throw new SyncError('CONFIG_INVALID', message, { cause })
  }
  try {
    return keepForEver(new Sqlite(file, options))
  } catch (cause) {
    // `bindings` finds no build at all, or Node refuses to load the one there is.
    const isUnbuilt = /Could not locate the bindings file/.test(String(cause))
    if (!isUnbuilt && (cause as { code?: string }).code !== 'ERR_DLOPEN_FAILED') throw cause
    const message = `better-sqlite3 is not built for Node ${process.version}; run: npm rebuild better-sqlite3`
    throw new SyncError('CONFIG_INVALID', message, { cause })
  }
}

const kept: unknown[] = []

/**
 * Keeps a connection and all its statements from the garbage collector for the life of the process. On Node 24
 * the destructors of better-sqlite3 12 abort the process when it collects them (WiseLibs/better-sqlite3#1515).
 * What is closed has given its memory back to SQLite; what stays is a few hundred bytes each.
 */
function keepForEver(sqlite: SqliteFile): SqliteFile {
  const prepare = sqlite.prepare.bind(sqlite) as (sql: string) => BetterSqlite.Statement
  const keep = <T>(thing: T): T => {
    kept.push(thing)
    return thing
  }
  const prepareAndKeep = (sql: string) => keep(prepare(sql))
  sqlite.prepare = prepareAndKeep as SqliteFile['prepare']
  // The library's own makes a statement that nobody could keep.
  sqlite.pragma = (source, pragmaOptions) => {
    const statement = prepareAndKeep(`PRAGMA ${source}`)
    if (!statement.reader) return statement.run()
    return pragmaOptions?.simple === true ? statement.pluck().get() : statement.all()
  }
  return keep(sqlite)
}

/** SQLite's extended result code, such as `SQLITE_BUSY`; empty for any other error. */
export function sqliteCode(error: unknown): string {
  const code = (error as { code?: unknown }).code
  return typeof code === 'string' && code.startsWith('SQLITE_') ? code : ''
}
