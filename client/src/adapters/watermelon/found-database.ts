import type { AppSchema } from '@nozbe/watermelondb'
import { SyncError } from '@onyx-sync/shared'

/** What a SQLite database is before anything is done to it. `version` is its `user_version`. */
export interface FoundDatabase {
  readonly version: number
  readonly tables: readonly string[]
}

/** Tables that every version of a device's database has. */
const ALWAYS_THERE: readonly string[] = ['sync_updates', 'sync_outbox', 'sync_documents', 'sync_meta']

/**
 * Looks whether a database is one to open with this schema. `label` names it in errors. Throws `DATABASE_NEWER` or
 * `DATABASE_UNREADABLE`; WatermelonDB would wipe such a database. @returns its version; 0 stands for an empty one, which
 * is what a crash before or during the first creation leaves
 */
export function checkFoundDatabase(
  { version, tables }: FoundDatabase,
  schema: AppSchema,
  label: string,
): number {
  if (version === 0 && tables.length === 0) return 0
  // Every WatermelonDB database has `local_storage`, and every version of ours the log; which other tables older
  // versions had, migrations know.
  const expected = [
    'local_storage',
    ...(version === schema.version ? Object.keys(schema.tables) : ALWAYS_THERE),
  ]
  const isOurs = version > 0 && expected.every((table) => tables.includes(table))
  if (version > schema.version && (isOurs || tables.length === 0)) {
    throw new SyncError(
      'DATABASE_NEWER',
      `${label} has version ${version}, this program knows versions up to ${schema.version}: use a newer one`,
    )
  }
  if (!isOurs) throw new SyncError('DATABASE_UNREADABLE', `${label} is a database of some other program`)
  return version
}
