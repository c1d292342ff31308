import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { SyncError, toSyncError } from '@onyx-sync/shared'
import { damagedRecord } from './journal-file.js'
import { liveTables } from './manifest-file.js'
import { type Block, damagedBlocks } from './table-file.js'

/** Older versions of LevelDB named tables `.sst`. */
const TABLE_NAME = /^\d+\.(ldb|sst)$/

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
    const offset = damagedRecord(readFileSync(join(location, name)))
    if (offset !== undefined) throw damaged(directory, `log/${name} is damaged at byte ${offset}`)
  }
}

/** Size of the journals of a database, which are read when it is opened. Bytes. */
export async function journalBytes(location: string): Promise<number> {
  const names = (await readdir(location)).filter((name) => name.endsWith('.log'))
  // LevelDB may just be done with one of them.
  const sizeOf = (name: string) =>
    stat(join(location, name)).then(
      ({ size }) => size,
      () => 0,
    )
  return (await Promise.all(names.map(sizeOf))).reduce((sum, size) => sum + size, 0)
}

/**
 * Checks all tables of a database that no process has open, which takes as long as reading them. To be done before
 * LevelDB opens it: that gives damaged entries new checksums when it rewrites them, and some damage ends the
 * process. Throws `DATA_DAMAGED`.
 */
export function assertTablesSound(directory: string): void {
  const location = join(directory, 'log')
  for (const { name, blocks } of damagedTables(location)) {
    throw damaged(directory, `log/${name} is damaged at byte ${blocks[0]?.offset}`)
  }
}

/** Tables of the database in a directory with damaged blocks. */
export function* damagedTables(
  location: string,
): Generator<{ name: string; bytes: Buffer; blocks: Block[] }> {
  for (const name of tableNames(location)) {
    const bytes = readIfThere(join(location, name))
    const blocks = bytes === undefined ? [] : damagedBlocks(bytes)
    if (bytes !== undefined && blocks.length > 0) yield { name, bytes, blocks }
  }
}

/** Names of the tables that the database is made of; of all table files where its manifest can't say. */
function tableNames(location: string): string[] {
  const all = readdirSync(location).filter((name) => TABLE_NAME.test(name))
  const current = readIfThere(join(location, 'CURRENT'))?.toString('utf8').trim() ?? ''
  const manifest = /^MANIFEST-\d+$/.test(current) ? readIfThere(join(location, current)) : undefined
  if (manifest === undefined) return all
  try {
    const live = liveTables(manifest)
    return all.filter((name) => live.has(Number.parseInt(name, 10)))
  } catch (error) {
    if (error instanceof RangeError) return all
    throw error
  }
}

/** LevelDB may have removed a file meanwhile, where another process has the database. */
function readIfThere(path: string): Buffer | undefined {
  try {
    return readFileSync(path)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
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
