import { closeSync, mkdirSync, openSync, statSync } from 'node:fs'
import { dirname } from 'node:path'
import type { AppSchema } from '@nozbe/watermelondb'
import { SyncError } from '@onyx-sync/shared'
import { checkFoundDatabase, type FoundDatabase } from '../watermelon/found-database.js'
import { openSqlite, type SqliteFile, sqliteCode } from './better-sqlite.js'

/** The smallest page, and so the smallest database, that SQLite makes. */
const MIN_FILE_BYTES = 512

/**
 * Creates the file, empty, and the folders above it, for nobody else to read (0600 and 0700). What is there
 * stays as it is. Throws `DATABASE_UNREADABLE`.
 */
export function createPrivateFile(file: string): void {
  try {
    mkdirSync(dirname(file), { recursive: true, mode: 0o700 })
    // Only if it isn't there: closing another handle on a file drops all locks this process has on it (POSIX).
    closeSync(openSync(file, 'wx', 0o600))
  } catch (cause) {
    const isThere = (cause as { code?: string }).code === 'EEXIST'
    if (isThere && !isDirectory(file)) return
    const message = isThere
      ? `${file} is a directory: name a file in it`
      : `can't create ${file}: ${(cause as Error).message}`
    throw new SyncError('DATABASE_UNREADABLE', message, { cause })
  }
}

/** A link to a file that is gone is none, and neither is what lies below a file. */
function isDirectory(path: string): boolean {
  try {
    return statSync(path).isDirectory()
  } catch {
    return false
  }
}

/**
 * Looks whether the file is one to open with this schema, and returns its version; 0 stands for an empty file,
 * which is what a crash before or during the first creation leaves. Changes nothing in the file.
 * Throws `DATABASE_NEWER` or `DATABASE_UNREADABLE`; WatermelonDB would wipe such a file.
 */
export function checkSqliteFile(file: string, schema: AppSchema): number {
  const sizeBytes = statSync(file).size
  if (sizeBytes > 0 && sizeBytes < MIN_FILE_BYTES) {
    // SQLite takes such a file for an empty one, and would write over it.
    throw new SyncError('DATABASE_UNREADABLE', `can't read ${file}: it is not a SQLite database`)
  }
  return checkFoundDatabase(readState(file), schema, file)
}

function readState(file: string): FoundDatabase {
  try {
    try {
      return readStateWith(openSqlite(file, { readonly: true, fileMustExist: true }))
    } catch (error) {
      // A crash may have left a journal that SQLite has to roll back first, which takes write access.
      if (!sqliteCode(error).startsWith('SQLITE_READONLY')) throw error
      return readStateWith(openSqlite(file, { fileMustExist: true }))
    }
  } catch (cause) {
    if (cause instanceof SyncError) throw cause
    const isDatabase = !/^SQLITE_(NOTADB|CORRUPT)/.test(sqliteCode(cause))
    const what = isDatabase ? (cause as Error).message : 'it is not a SQLite database, or a damaged one'
    throw new SyncError('DATABASE_UNREADABLE', `can't read ${file}: ${what}`, { cause })
  }
}

function readStateWith(sqlite: SqliteFile): FoundDatabase {
  try {
    const version = Number(sqlite.pragma('user_version', { simple: true }))
    const tables = sqlite.prepare(`select name from sqlite_master where type = 'table'`).pluck().all()
    return { version, tables: tables as string[] }
  } finally {
    sqlite.close()
  }
}

/**
 * Opens the file for reading and writing, so that what is committed survives a power cut: WAL, synchronous
 * FULL, and on macOS a real flush of the drive.
 */
export function openDurable(file: string): SqliteFile {
  const sqlite = openSqlite(file, { fileMustExist: true })
  try {
    const mode = sqlite.pragma('journal_mode = WAL', { simple: true })
    if (mode !== 'wal') throw new Error(`the file system can't do write-ahead logging (got "${mode}")`)
    sqlite.pragma('synchronous = FULL')
    sqlite.pragma('fullfsync = ON')
    sqlite.pragma('checkpoint_fullfsync = ON')
    return sqlite
  } catch (cause) {
    sqlite.close()
    throw new SyncError('DATABASE_UNREADABLE', `can't open ${file}: ${(cause as Error).message}`, { cause })
  }
}

/** Creates or migrates tables and sets the version, as one transaction: after a crash all of it or nothing. */
export function applySchema(sqlite: SqliteFile, sql: string, version: number): void {
  sqlite.transaction(() => {
    sqlite.exec(sql)
    sqlite.pragma(`user_version = ${version}`)
  })()
}
