import { SyncError } from '@onyx-sync/shared'
import type { QueryRow, QueryTable } from '../ports/store.js'

/** A column of a query table, in the words of WatermelonDB. */
export interface QueryColumn {
  readonly name: string
  readonly type: 'string' | 'number' | 'boolean'
  /** May be `null`; a row that leaves it out has `null`. Every other column has to be given. */
  readonly isOptional?: boolean
  readonly isIndexed?: boolean
}

/**
 * Columns of the tables an app may query and observe, in order (docs/SPEC.md "Query tables"). `id` comes on
 * top: the address for chats, `<address>/<messageId>`, `<address>/<section>/<key>`, `training-<seq>`. Times are in milliseconds
 * since the Unix epoch; `data` and `value` are JSON.
 */
export const QUERY_COLUMNS: Readonly<Record<QueryTable, readonly QueryColumn[]>> = {
  chats: [
    { name: 'address', type: 'string' },
    { name: 'chat_id', type: 'string', isIndexed: true },
    { name: 'owner', type: 'string' },
    { name: 'title', type: 'string' },
    { name: 'title_source', type: 'string' },
    { name: 'model', type: 'string' },
    { name: 'created_at', type: 'number' },
    { name: 'last_activity_at', type: 'number', isIndexed: true },
    { name: 'message_count', type: 'number' },
    { name: 'archived', type: 'boolean' },
    { name: 'deleted_at', type: 'number', isOptional: true },
    { name: 'bytes', type: 'number', isOptional: true },
    { name: 'held', type: 'boolean' },
  ],
  messages: [
    { name: 'address', type: 'string', isIndexed: true },
    { name: 'message_id', type: 'string' },
    { name: 'position', type: 'number' },
    { name: 'role', type: 'string' },
    { name: 'content', type: 'string' },
    // For what a device left half written; see model/stream.ts.
    { name: 'status', type: 'string', isIndexed: true },
    { name: 'created_at', type: 'number' },
    { name: 'edited_at', type: 'number', isOptional: true },
    { name: 'device', type: 'string' },
    { name: 'data', type: 'string' },
    { name: 'partial', type: 'boolean' },
  ],
  settings: [
    { name: 'address', type: 'string', isIndexed: true },
    { name: 'section', type: 'string' },
    { name: 'key', type: 'string' },
    { name: 'value', type: 'string' },
  ],
  training: [
    { name: 'address', type: 'string', isIndexed: true },
    { name: 'message_id', type: 'string' },
    { name: 'quality', type: 'number' },
    { name: 'state', type: 'string' },
    { name: 'content', type: 'string' },
    { name: 'created_at', type: 'number' },
    { name: 'event_id', type: 'string' },
    { name: 'reason', type: 'string' },
  ],
}

/** The names of the query tables. */
export const QUERY_TABLES = Object.keys(QUERY_COLUMNS) as readonly QueryTable[]

/**
 * The row as every adapter keeps it: all columns present, in order, strings well-formed UTF-16.
 * A value of another type than its column becomes `null`, or else `''`, 0 or `false`, as WatermelonDB has it,
 * and so does a number that isn't finite: documents of others may hold anything, and a strange value in a
 * derived row must not keep the log itself from being written.
 * Throws `VALUE_INVALID` for a column that doesn't exist or is missing: that is a mistake in a program.
 */
export function normalizeRow(table: QueryTable, row: QueryRow): QueryRow {
  const columns = QUERY_COLUMNS[table]
  if (columns === undefined) throw new SyncError('VALUE_INVALID', `there is no query table "${table}"`)
  if (typeof row.id !== 'string') throw new SyncError('VALUE_INVALID', `a row of ${table} has no id`)
  const normalized: Record<string, string | number | boolean | null> = {}
  let given = 0
  for (const column of columns) {
    const { name, isOptional } = column
    if (Object.hasOwn(row, name)) given++
    else if (isOptional !== true) {
      throw new SyncError('VALUE_INVALID', `column ${table}.${name} is missing`)
    }
    normalized[name] = toColumnValue(column, row[name])
  }
  normalized.id = wellFormed(row.id)
  if (given + 1 !== Object.keys(row).length) {
    const unknown = Object.keys(row).find((key) => key !== 'id' && columns.every(({ name }) => name !== key))
    throw new SyncError('VALUE_INVALID', `there is no column ${table}.${unknown}`)
  }
  return normalized as QueryRow
}

function toColumnValue({ type, isOptional }: QueryColumn, value: unknown): string | number | boolean | null {
  if (typeof value === type) {
    if (typeof value === 'string') return wellFormed(value)
    if (typeof value === 'boolean') return value
    // `|| 0` also turns -0 into 0, which SQLite can't tell apart.
    if (Number.isFinite(value)) return (value as number) || 0
  }
  if (isOptional === true) return null
  return type === 'string' ? '' : type === 'number' ? 0 : false
}

/** Throws `VALUE_INVALID` unless rows of the table can be looked up by this column: `id` or a string. */
export function checkLookupColumn(table: QueryTable, column: string): void {
  const columns = QUERY_COLUMNS[table]
  if (columns === undefined) throw new SyncError('VALUE_INVALID', `there is no query table "${table}"`)
  if (column === 'id' || columns.some(({ name, type }) => name === column && type === 'string')) return
  throw new SyncError('VALUE_INVALID', `rows of ${table} can't be looked up by "${column}"`)
}

/** SQLite keeps UTF-8, where a lone surrogate can't be: it is replaced before caches and disk can differ. */
function wellFormed(text: string): string {
  const { toWellFormed } = text as { toWellFormed?: () => string }
  return toWellFormed === undefined ? text : toWellFormed.call(text)
}
