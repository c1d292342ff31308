import { SyncError } from '@onyx-sync/shared'
import { openSqlite, type SqliteFile, sqliteCode } from './better-sqlite.js'
import { createPrivateFile } from './sqlite-file.js'

/** A lock on a database file. The kernel lets go of it when the process ends, however it ends. */
export interface FileLock {
  /** Idempotent. `FILE.lock` stays: deleting it could pull it from under another process. */
  release(): void
}

/** Reading the holder's id takes microseconds; this is for a machine that hangs. */
const MAX_READER_WAIT_MS = 2_000

/**
 * Makes this process the only one to work with `file`. The lock is SQLite's RESERVED lock on a tiny database
 * `FILE.lock`: one holder at a time, in this process too, while others may still read from it who holds it.
 * Throws `DATABASE_LOCKED`, naming the file and the holder's process id where it is known.
 */
export function lockFile(file: string): FileLock {
  const path = `${file}.lock`
  createPrivateFile(path)
  let lock: SqliteFile | undefined
  try {
    lock = openSqlite(path, { timeout: 0 })
    lock.exec('BEGIN IMMEDIATE')
    // The holder's id goes into the header. COMMIT waits for others that are just reading it.
    lock.pragma(`user_version = ${process.pid}`)
    lock.pragma(`busy_timeout = ${MAX_READER_WAIT_MS}`)
    lock.exec('COMMIT')
    // Here another process may get in: then it is the one holder, and this one goes.
    lock.pragma('busy_timeout = 0')
    lock.exec('BEGIN IMMEDIATE')
  } catch (error) {
    const holder = lock === undefined ? 0 : readHolder(lock)
    lock?.close()
    throw toLockError(error, file, path, holder)
  }
  const held = lock
  return {
    release() {
      held.close()
    },
  }
}

function readHolder(lock: SqliteFile): number {
  try {
    return Number(lock.pragma('user_version', { simple: true }))
  } catch {
    return 0
  }
}

function toLockError(error: unknown, file: string, path: string, holder: number): SyncError {
  if (error instanceof SyncError) return error
  const code = sqliteCode(error)
  if (code.startsWith('SQLITE_BUSY') || code.startsWith('SQLITE_LOCKED')) {
    const who = holder === process.pid ? 'this process' : holder > 0 ? `process ${holder}` : 'another process'
    const message = `${file} is in use by ${who}; only one at a time may open it`
    return new SyncError('DATABASE_LOCKED', message, { cause: error })
  }
  const message = `can't lock ${file} through ${path}: ${(error as Error).message}`
  return new SyncError('DATABASE_UNREADABLE', message, { cause: error })
}
