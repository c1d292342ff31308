import { randomBytes, randomUUID } from 'node:crypto'
import { SyncError } from '@onyx-sync/shared'
import type { Level } from 'level'
import { decodeSeq, encodeSeq } from './codecs.js'
import { keyOf } from './keys.js'
import { indexDeletedNames, indexTraining } from './level-upgrade.js'

/**
 * Version of the layout that this code reads and writes. Version 1 was never released. Version 2 had no index of the
 * training data of all authors, and version 3 none of deleted names, nor of events of further kinds; what is missing
 * is made when such a database is opened. Version 4 had longer records of documents, which are read as they are.
 */
export const LEVEL_FORMAT_VERSION = 5
const WITHOUT_TRAINING_INDEX = 2
const WITHOUT_DELETED_NAMES = 3

/** Name of the mark of a restore that is not finished; its value is how far it has come. */
export const RESTORING = 'restoring'

type Database = Level<Uint8Array, Uint8Array>

/** What a database says of itself. */
export interface Meta {
  readonly databaseId: string
  readonly serverSecretKey: Uint8Array
}

/**
 * Reads it, or makes it for a new database; brings a database of the version before up to this one. Throws
 * `DATA_FORMAT` for the data of another version, and `STORE_FAILED` where there is none though it must exist.
 */
export async function readMeta(db: Database, directory: string, mustExist: boolean): Promise<Meta> {
  const names = ['format', 'database-id', 'server-key', RESTORING]
  const [format, id, secretKey, restoring] = await db.getMany(names.map(keyOf.meta))
  if (restoring !== undefined) {
    throw new SyncError(
      'DATA_FORMAT',
      `${directory} holds a restore that is not finished: run onyx-sync-server restore again, which goes on with it, or remove the directory`,
    )
  }
  if (format === undefined || id === undefined || secretKey === undefined) {
    if (mustExist) throw new SyncError('STORE_FAILED', `the database in ${directory} lacks its own identity`)
    const meta = { databaseId: randomUUID(), serverSecretKey: new Uint8Array(randomBytes(32)) }
    await writeMeta(db, meta)
    return meta
  }
  const version = decodeSeq(format)
  if (version > LEVEL_FORMAT_VERSION) {
    throw new SyncError(
      'DATA_FORMAT',
      `${directory} was written by a newer version (format ${version}, this one knows ${LEVEL_FORMAT_VERSION}): update onyx-sync`,
    )
  }
  if (version < WITHOUT_TRAINING_INDEX) {
    throw new SyncError(
      'DATA_FORMAT',
      `${directory} was written before the first release (format ${version}): use another data directory, and devices bring their data again`,
    )
  }
  if (version <= WITHOUT_TRAINING_INDEX) await indexTraining(db)
  if (version <= WITHOUT_DELETED_NAMES) await indexDeletedNames(db)
  // Before anything is written that an older version couldn't read.
  if (version < LEVEL_FORMAT_VERSION)
    await db.put(keyOf.meta('format'), encodeSeq(LEVEL_FORMAT_VERSION), { sync: true })
  return { databaseId: Buffer.from(id).toString('utf8'), serverSecretKey: new Uint8Array(secretKey) }
}

/**
 * Gives a database that may have lost events another id, with its own key where that is there still. Under the old
 * id, devices would take for stored what is lost. Throws `DATA_FORMAT` as reading does.
 */
export async function renewMeta(db: Database, directory: string): Promise<Meta> {
  const { serverSecretKey } = await readMeta(db, directory, false)
  const meta = { databaseId: randomUUID(), serverSecretKey }
  await writeMeta(db, meta)
  return meta
}

/** Gives a database its identity, and whatever else belongs to it. Durable. */
export async function writeMeta(
  db: Database,
  { databaseId, serverSecretKey }: Meta,
  more: readonly (readonly [key: Uint8Array, value: Uint8Array])[] = [],
): Promise<void> {
  const entries: typeof more = [
    [keyOf.meta('format'), encodeSeq(LEVEL_FORMAT_VERSION)],
    [keyOf.meta('database-id'), Buffer.from(databaseId, 'utf8')],
    [keyOf.meta('server-key'), serverSecretKey],
    ...more,
  ]
  await db.batch(
    entries.map(([key, value]) => ({ type: 'put', key, value })),
    { sync: true },
  )
}
