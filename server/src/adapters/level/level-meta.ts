import { randomBytes, randomUUID } from 'node:crypto'
import { SyncError } from '@onyx-sync/shared'
import type { Level } from 'level'
import { decodeSeq, encodeSeq, keyOf } from './keys.js'

/** Version of the layout that this code reads and writes. Version 1 was never released. */
export const LEVEL_FORMAT_VERSION = 2

type Database = Level<Uint8Array, Uint8Array>

/** What a database says of itself. */
export interface Meta {
  readonly databaseId: string
  readonly serverSecretKey: Uint8Array
}

/**
 * Reads it, or makes it for a new database. Throws `DATA_FORMAT` for the data of another version, and
 * `STORE_FAILED` where there is none though it must exist.
 */
export async function readMeta(db: Database, directory: string, mustExist: boolean): Promise<Meta> {
  const [format, id, secretKey] = await db.getMany(['format', 'database-id', 'server-key'].map(keyOf.meta))
  if (format === undefined || id === undefined || secretKey === undefined) {
    if (mustExist) throw new SyncError('STORE_FAILED', `the database in ${directory} lacks its own identity`)
    const meta = { databaseId: randomUUID(), serverSecretKey: new Uint8Array(randomBytes(32)) }
    await db.batch(
      [
        { type: 'put', key: keyOf.meta('format'), value: encodeSeq(LEVEL_FORMAT_VERSION) },
        { type: 'put', key: keyOf.meta('database-id'), value: Buffer.from(meta.databaseId, 'utf8') },
        { type: 'put', key: keyOf.meta('server-key'), value: meta.serverSecretKey },
      ],
      { sync: true },
    )
    return meta
  }
  const version = decodeSeq(format)
  if (version > LEVEL_FORMAT_VERSION) {
    throw new SyncError(
      'DATA_FORMAT',
      `${directory} was written by a newer version (format ${version}, this one knows ${LEVEL_FORMAT_VERSION}): update onyx-sync`,
    )
  }
  if (version < LEVEL_FORMAT_VERSION) {
    throw new SyncError(
      'DATA_FORMAT',
      `${directory} was written before the first release (format ${version}): use another data directory, and devices bring their data again`,
    )
  }
  return { databaseId: Buffer.from(id).toString('utf8'), serverSecretKey: new Uint8Array(secretKey) }
}
