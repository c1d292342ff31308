import { existsSync, mkdirSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { SyncError, silentLogger, toSyncError } from '@onyx-sync/shared'
import { Level } from 'level'
import type { LogEntry } from '../../ports/inspectable-log.js'
import type { RestoreProgress, RestoreTarget } from '../../ports/operable-log.js'
import { keyOf } from './keys.js'
import { encodeEntry } from './level-entries.js'
import { checkFiles, openingError } from './level-files.js'
import { createLevelLog } from './level-log.js'
import { type Meta, RESTORING, writeMeta } from './level-meta.js'
import { readPlace } from './level-snapshot.js'

type Database = Level<Uint8Array, Uint8Array>

/**
 * A new log in `<directory>/log`, or one that an earlier restore has begun there. Throws `CONFIG_INVALID` where
 * anything else is in the directory, `DATA_LOCKED` when another process has it open, and `STORE_FAILED`.
 */
export async function openRestoreTarget(directory: string): Promise<RestoreTarget> {
  const db = await openDatabase(directory)
  try {
    const progress = await readProgress(db)
    if (progress === undefined) await assertEmpty(db, directory)
    return createTarget(db, progress)
  } catch (error) {
    await db.close()
    throw toSyncError(error, 'STORE_FAILED', `cannot restore into ${directory}`)
  }
}

async function openDatabase(directory: string): Promise<Database> {
  const location = join(directory, 'log')
  const found = statSync(directory, { throwIfNoEntry: false })?.isDirectory() ? readdirSync(directory) : []
  // What operators decided lies beside the log, where an earlier run has brought it in.
  const isForeign = found.some((name) => name !== 'log' && name !== 'moderation')
  if (found.length > 0 && (isForeign || !existsSync(join(location, 'CURRENT')))) {
    throw notEmpty(directory)
  }
  checkFiles(directory)
  const db: Database = new Level(location, { keyEncoding: 'view', valueEncoding: 'view' })
  try {
    mkdirSync(directory, { recursive: true, mode: 0o700 })
    await db.open()
    return db
  } catch (error) {
    throw openingError(error, directory)
  }
}

async function readProgress(db: Database): Promise<RestoreProgress | undefined> {
  const value = await db.get(keyOf.meta(RESTORING))
  return value === undefined
    ? undefined
    : (JSON.parse(Buffer.from(value).toString('utf8')) as RestoreProgress)
}

async function assertEmpty(db: Database, directory: string): Promise<void> {
  const [first] = await db.keys({ limit: 1 }).all()
  if (first !== undefined) throw notEmpty(directory)
}

function notEmpty(directory: string): SyncError {
  return new SyncError(
    'CONFIG_INVALID',
    `${directory} is not empty: a backup is restored into a new directory, so that nothing is lost`,
  )
}

function createTarget(db: Database, progress: RestoreProgress | undefined): RestoreTarget {
  return {
    progress,
    async write(entries, progressNow) {
      const batch = db.batch()
      try {
        for (const entry of entries) put(entry)
        batch.put(keyOf.meta(RESTORING), Buffer.from(JSON.stringify(progressNow), 'utf8'))
      } catch (error) {
        await batch.close()
        throw error
      }
      await batch.write({ sync: true })

      function put(entry: LogEntry): void {
        const { key, value } = encodeEntry(entry)
        const bytes = entry.index === 'event' ? Buffer.from(entry.json, 'utf8') : value
        if (bytes === undefined)
          throw new SyncError('BACKUP_INVALID', `no value for an entry of ${entry.index}`)
        batch.put(key, bytes)
      }
    },
    async open({ databaseId, serverSecretKey, epochs }) {
      const meta: Meta = { databaseId, serverSecretKey }
      await writeMeta(
        db,
        meta,
        epochs.map(({ id, fromSeq }) => [keyOf.epoch(fromSeq), Buffer.from(id, 'hex')]),
      )
      return createLevelLog(db, meta, await readPlace(db), silentLogger)
    },
    finish: () => db.batch([{ type: 'del', key: keyOf.meta(RESTORING) }], { sync: true }),
    close: () => db.close(),
  }
}
