import type { TableSchema } from '@nozbe/watermelondb'
import { QUERY_COLUMNS } from '../query-columns.js'
import { addColumns, appSchema, createTable, schemaMigrations, tableSchema } from './watermelon.js'

/** Adds an index to the SQL of a table; LokiJS has no composite ones and goes without. */
function withIndex(columns: readonly string[]): (sql: string) => string {
  return (sql) => {
    const table = tableOf(sql)
    const list = columns.map((column) => `"${column}"`).join(', ')
    return `${sql}create index if not exists "${table}_${columns.join('_')}" on "${table}" (${list});`
  }
}

/**
 * For internal tables: WatermelonDB's own indexes (`_status`, and those for LokiJS) are left away, since
 * nothing reads by them and every edit would pay for each; one unique index serves all lookups.
 */
function withUniqueIndexOnly(columns: readonly string[]): (sql: string) => string {
  return (sql) => {
    const table = tableOf(sql)
    const createTable = sql.slice(0, sql.indexOf(';') + 1)
    const list = columns.map((column) => `"${column}"`).join(', ')
    return `${createTable}create unique index if not exists "${table}_order" on "${table}" (${list});`
  }
}

function tableOf(sql: string): string {
  return /^create table "([^"]+)"/.exec(sql)?.[1] ?? ''
}

/** The tables an app queries and observes. Only onyx-sync writes to them. */
const queryTables: readonly TableSchema[] = [
  tableSchema({ name: 'chats', columns: [...QUERY_COLUMNS.chats] }),
  tableSchema({
    name: 'messages',
    columns: [...QUERY_COLUMNS.messages],
    unsafeSql: withIndex(['address', 'position']),
  }),
  tableSchema({ name: 'settings', columns: [...QUERY_COLUMNS.settings] }),
  tableSchema({ name: 'training', columns: [...QUERY_COLUMNS.training] }),
]

/**
 * The log, the outbox and the rest of what a device must remember. Bytes are base64 (WatermelonDB has no
 * blobs), and what is long lies over `parts` rows, numbered by `part` from 0 (rows.ts).
 */
const internalTables: readonly TableSchema[] = [
  tableSchema({
    name: 'sync_updates',
    columns: [
      { name: 'seq', type: 'number' },
      { name: 'address', type: 'string', isIndexed: true },
      { name: 'part', type: 'number' },
      { name: 'parts', type: 'number' },
      { name: 'data', type: 'string' },
      // Yjs applies many a flipped bit without an error, so what comes from the disk is checked (trap Y9).
      { name: 'crc', type: 'number' },
    ],
    unsafeSql: withUniqueIndexOnly(['address', 'seq', 'part']),
  }),
  tableSchema({
    name: 'sync_outbox',
    columns: [
      { name: 'entry_id', type: 'string', isIndexed: true },
      { name: 'lane', type: 'string' },
      { name: 'seq', type: 'number' },
      { name: 'through_seq', type: 'number' },
      { name: 'edits', type: 'number' },
      { name: 'state', type: 'string' },
      { name: 'reason', type: 'string' },
      { name: 'part', type: 'number' },
      { name: 'parts', type: 'number' },
      { name: 'event', type: 'string' },
    ],
    unsafeSql: withUniqueIndexOnly(['entry_id', 'part']),
  }),
  tableSchema({
    name: 'sync_documents',
    columns: [
      { name: 'address', type: 'string' },
      { name: 'members', type: 'string' },
      { name: 'members_stated_at', type: 'number' },
      { name: 'own_writers', type: 'string' },
      { name: 'log_bytes', type: 'number' },
      { name: 'checkpoint_bytes', type: 'number' },
      { name: 'body', type: 'string' },
    ],
    unsafeSql: withUniqueIndexOnly(['address']),
  }),
  tableSchema({
    name: 'sync_meta',
    columns: [
      { name: 'key', type: 'string' },
      { name: 'value', type: 'string' },
    ],
    unsafeSql: withUniqueIndexOnly(['key']),
  }),
]

/** Version of {@link onyxSchema}; SQLite keeps it as `user_version`. */
export const ONYX_SCHEMA_VERSION = 2

/**
 * Every table `watermelonStore` needs. An app with tables of its own puts these into its `appSchema` as they
 * are, and adds no columns to them: rows are replaced as wholes.
 */
export const onyxTables: readonly TableSchema[] = [...queryTables, ...internalTables]

/** The schema of a database that holds nothing but onyx-sync. */
export const onyxSchema = appSchema({ version: ONYX_SCHEMA_VERSION, tables: [...onyxTables] })

/**
 * The ways from older versions of {@link onyxSchema}. Give them to the adapter: without a migration
 * WatermelonDB wipes an older database.
 */
export const onyxMigrations = schemaMigrations({
  migrations: [
    {
      toVersion: 2,
      steps: [
        // The rows of the log that these were derived from are all there: the client rebuilds what the columns hold.
        addColumns({ table: 'messages', columns: [{ name: 'partial', type: 'boolean' }] }),
        createTable({ name: 'training', columns: [...QUERY_COLUMNS.training] }),
      ],
    },
  ],
})
