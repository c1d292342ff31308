import type { AppSchema, SchemaMigrations } from '@nozbe/watermelondb'
import type { DatabaseAdapter } from '@nozbe/watermelondb/adapters/type.js'
import { SyncError } from '@onyx-sync/shared'
import { WorkerFault, type WorkerFaultKind } from '../sqlite-wasm/protocol.js'
import { SqliteWasmAdapter } from '../sqlite-wasm/wasm-adapter.js'
import { createSqliteWorker, createWorkerLink, type WorkerLink } from '../sqlite-wasm/worker-link.js'
import { checkFoundDatabase } from '../watermelon/found-database.js'
import { migrationsToSql, schemaToSql } from '../watermelon/sqlite-encoders.js'
import { opfsPath } from './opfs-folder.js'

export interface OpfsOptions {
  readonly name: string
  readonly schema: AppSchema
  readonly migrations: SchemaMigrations
  readonly createWorker?: (() => Worker) | undefined
}

export interface OpenedOpfs {
  readonly adapter: DatabaseAdapter
  /** Moves the log into the file and lets go of it. */
  close(): Promise<void>
}

/**
 * Opens, or creates, a SQLite database in OPFS, in a worker of its own. What is committed survives a power cut (WAL,
 * synchronous FULL). Never wipes anything. @returns why the browser has no OPFS for it, as a text. Rejects with
 * `DATABASE_LOCKED`, `DATABASE_NEWER` or `DATABASE_UNREADABLE`
 */
export async function openOpfs({
  name,
  schema,
  migrations,
  createWorker = createSqliteWorker,
}: OpfsOptions): Promise<OpenedOpfs | string> {
  const label = `the database ${JSON.stringify(name)}`
  let link: WorkerLink | undefined
  try {
    link = createWorkerLink(createWorker())
    const found = await link.ask('open', opfsPath(name))
    const version = checkFoundDatabase(found, schema, label)
    await link.ask('setUp', sqlFor(version, schema, migrations, label), schema.version)
    return {
      adapter: new SqliteWasmAdapter({ link, dbName: name, schema, migrations }),
      close: () => closeLink(link as WorkerLink),
    }
  } catch (error) {
    // The worker lets go of the files when it ends, which takes a moment; so it is asked to first.
    if (link !== undefined) await closeLink(link).catch(() => {})
    if (error instanceof SyncError) throw error
    const fault = error instanceof WorkerFault ? error : new WorkerFault('failed', String(error))
    if (fault.kind === 'unavailable') return fault.message
    throw toSyncError(fault, label)
  }
}

async function closeLink(link: WorkerLink): Promise<void> {
  try {
    await link.ask('close')
  } finally {
    link.end()
  }
}

function sqlFor(
  version: number,
  schema: AppSchema,
  migrations: SchemaMigrations,
  label: string,
): string | null {
  if (version === schema.version) return null
  const sql = version === 0 ? schemaToSql(schema) : migrationsToSql(migrations, version, schema.version)
  if (sql !== undefined) return sql
  const message = `${label} has version ${version}, and there is no migration from that to ${schema.version}`
  throw new SyncError('DATABASE_UNREADABLE', message)
}

const WAYS_OUT: Readonly<Record<WorkerFaultKind, string>> = {
  unavailable: '',
  locked: '; go on in the page or tab that has it open, or close that one',
  damaged: '',
  failed: '; it is left as it is, reload the page to try again',
}

function toSyncError(fault: WorkerFault, label: string): SyncError {
  const code = fault.kind === 'locked' ? 'DATABASE_LOCKED' : 'DATABASE_UNREADABLE'
  const message = `${label} can't be opened in OPFS: ${fault.message}${WAYS_OUT[fault.kind]}`
  return new SyncError(code, message, { cause: fault })
}
