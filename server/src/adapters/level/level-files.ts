import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { SyncError, toSyncError } from '@onyx-sync/shared'
import { damagedRecord } from './log-file-check.js'

const WAY_OUT =
  'nothing was changed. Restore a backup into a new directory (onyx-sync-server restore), or save what can be read into a new one (onyx-sync-server repair)'

/** The files of a database are not what LevelDB has written. */
export function damaged(directory: string, what: string, cause?: unknown): SyncError {
  return new SyncError('DATA_DAMAGED', `the database in ${directory} is damaged: ${what}; ${WAY_OUT}`, {
    cause,
  })
}

/**
 * Looks at the files of a database before LevelDB does, which takes a directory without `CURRENT` for a new
 * database, and removes the data that it finds there; and which drops damaged records of its journal. Throws
 * `DATA_DAMAGED`, or `CONFIG_INVALID` where the directory is a file.
 */
export function checkFiles(directory: string): void {
  const location = join(directory, 'log')
  for (const path of [directory, location]) {
    if (statSync(path, { throwIfNoEntry: false })?.isDirectory() === false) {
      throw new SyncError('CONFIG_INVALID', `${path} is a file: name a directory for the data`)
    }
  }
  if (!existsSync(location)) return
  const names = readdirSync(location)
  if (!names.includes('CURRENT')) {
    if (!names.some((name) => /\.(ldb|sst|log)$|^MANIFEST-/.test(name))) return
    throw damaged(directory, 'the file log/CURRENT is missing')
  }
  const manifest = readFileSync(join(location, 'CURRENT'), 'utf8').trim()
  if (!names.includes(manifest)) {
    throw damaged(directory, `log/CURRENT names ${JSON.stringify(manifest.slice(0, 40))}, which is missing`)
  }
  for (const name of names.filter((one) => one.endsWith('.log'))) {
    const offset = damagedRecord(join(location, name))
    if (offset !== undefined) throw damaged(directory, `log/${name} is damaged at byte ${offset}`)
  }
}

/** What an error of the file system or of LevelDB means to somebody who starts a server. */
export function openingError(error: unknown, directory: string): SyncError {
  if (error instanceof SyncError) return error
  const cause = (error as { cause?: unknown }).cause ?? error
  const { code, message } = cause as { code?: string; message?: string }
  const fail = (kind: 'DATA_LOCKED' | 'CONFIG_INVALID' | 'STORE_FAILED', text: string) =>
    new SyncError(kind, text, { cause: error })
  switch (code) {
    case 'LEVEL_LOCKED':
      return fail(
        'DATA_LOCKED',
        `${directory} is in use by another process: stop it, or choose another data directory`,
      )
    case 'EACCES':
    case 'EPERM':
    case 'EROFS':
      return fail(
        'CONFIG_INVALID',
        `${directory} can't be written: let the user that runs this own it, or choose another data directory`,
      )
    case 'ENOTDIR':
    case 'EEXIST':
      return fail('CONFIG_INVALID', `${directory} lies below a file: choose another data directory`)
    case 'ENOSPC':
      return fail('STORE_FAILED', `${directory} is on a full disk: make room, and start again`)
  }
  const text = message ?? String(cause)
  if (/permission denied/i.test(text)) return openingError({ code: 'EACCES' }, directory)
  if (
    code === 'LEVEL_CORRUPTION' ||
    /corruption|not an sstable|bad block|does not exist|missing files/i.test(text)
  ) {
    return damaged(directory, text, error)
  }
  return toSyncError(cause, 'STORE_FAILED', `cannot open ${directory}`)
}
