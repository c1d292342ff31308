import { closeSync, openSync, readSync } from 'node:fs'
import { SyncError } from '@onyx-sync/shared'
import { openSqlite } from './better-sqlite.js'

/** A row of Onyx's table of chats. */
export interface OnyxFileRow {
  readonly id: string
  readonly messages: string
}

/** The chats of Onyx's database file; undefined where it is no SQLite file. The file is only read. Throws `IMPORT_INVALID`. */
export function readOnyxFile(file: string): OnyxFileRow[] | undefined {
  if (!isSqliteFile(file)) return undefined
  try {
    const sqlite = openSqlite(file, { readonly: true, fileMustExist: true })
    try {
      return sqlite.prepare('SELECT id, messages FROM chats').all() as OnyxFileRow[]
    } finally {
      sqlite.close()
    }
  } catch (cause) {
    if (cause instanceof SyncError) throw cause
    throw new SyncError('IMPORT_INVALID', `${file} is no database of Onyx: ${(cause as Error).message}`, {
      cause,
    })
  }
}

function isSqliteFile(file: string): boolean {
  const head = Buffer.alloc(16)
  let handle: number
  try {
    handle = openSync(file, 'r')
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException
    throw new SyncError('IMPORT_INVALID', `${file} can't be read (${code})`, { cause })
  }
  try {
    return readSync(handle, head, 0, 16, 0) === 16 && head.toString('latin1') === 'SQLite format 3\0'
  } finally {
    closeSync(handle)
  }
}
