import type { Database } from '@nozbe/watermelondb'
import { QUERY_TABLES } from '../query-columns.js'
import type { RawChange } from './rows.js'
import { type CacheBehavior, isCached, isObserved, publish, runSql, type SqlOperation } from './unsafe.js'
import { Q } from './watermelon.js'

const REMOVE_ENTRY = 'delete from "sync_outbox" where "entry_id" == ?'

/** SQLite on old Androids takes no more than 999 parameters in one statement. */
export const MAX_SQL_PARAMETERS = 500

/**
 * Writes all changes in one transaction, after it has removed all rows of the given entries of the outbox. The order of the
 * changes doesn't matter: an id occurs once.
 */
export async function writeToSqlite(
  database: Database,
  changes: readonly RawChange[],
  removedEntries: readonly string[],
): Promise<void> {
  const queryChanges = changes.filter(({ table }) => isQueryTable(table))
  await cacheExisting(database, queryChanges)
  const created = new Set<RawChange>()
  for (const change of queryChanges) {
    if (change.kind === 'delete' || !isObserved(database, change.table)) continue
    if (!isCached(database, change.table, change.row.id)) created.add(change)
  }
  const removal: SqlOperation[] =
    removedEntries.length === 0 ? [] : [[0, null, REMOVE_ENTRY, removedEntries.map((id) => [id])]]
  await runSql(database, [...removal, ...encodeChanges(database, changes, created)], () =>
    publish(database, queryChanges, (change) => created.has(change)),
  )
}

/**
 * Loads rows that are about to be replaced into the caches of observed tables, so that observers are told
 * "updated", not "created". The parameters are bound, not written into the SQL: ids come from other devices,
 * and one with a NUL in it would end the statement.
 */
async function cacheExisting(database: Database, changes: readonly RawChange[]): Promise<void> {
  for (const table of QUERY_TABLES) {
    if (!isObserved(database, table)) continue
    const ids = changes.flatMap((change) =>
      change.kind !== 'delete' && change.table === table && !isCached(database, table, change.row.id)
        ? [change.row.id]
        : [],
    )
    for (let start = 0; start < ids.length; start += MAX_SQL_PARAMETERS) {
      const chunk = ids.slice(start, start + MAX_SQL_PARAMETERS)
      const sql = `select * from "${table}" where "id" in (${chunk.map(() => '?').join(', ')})`
      await database.get(table).query(Q.unsafeSqlQuery(sql, chunk)).fetch()
    }
  }
}

/** One statement per table and kind. Table and column names are the schema's, so they need no quoting rules. */
function encodeChanges(
  database: Database,
  changes: readonly RawChange[],
  created: ReadonlySet<RawChange>,
): SqlOperation[] {
  const operations = new Map<string, SqlOperation>()
  function add(behavior: CacheBehavior, table: string, sql: string, args: unknown[]): void {
    const key = `${behavior} ${sql}`
    const operation = operations.get(key)
    if (operation === undefined) operations.set(key, [behavior, behavior === 0 ? null : table, sql, [args]])
    else operation[3].push(args)
  }

  for (const change of changes) {
    const { table } = change
    if (change.kind === 'delete') {
      const behavior = isQueryTable(table) ? -1 : 0
      add(behavior, table, `delete from "${table}" where "id" == ?`, [change.id])
      continue
    }
    const columns = ['id', '_status', '_changed', ...columnsOf(database, table)]
    const verb = change.kind === 'put' ? 'insert or replace' : 'insert'
    const names = columns.map((column) => `"${column}"`).join(', ')
    const sql = `${verb} into "${table}" (${names}) values (${columns.map(() => '?').join(', ')})`
    add(
      created.has(change) ? 1 : 0,
      table,
      sql,
      columns.map((column) => change.row[column] ?? null),
    )
  }
  return [...operations.values()]
}

function columnsOf(database: Database, table: string): string[] {
  return (database.schema.tables[table]?.columnArray ?? []).map(({ name }) => name)
}

function isQueryTable(table: string): boolean {
  return (QUERY_TABLES as readonly string[]).includes(table)
}
