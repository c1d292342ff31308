import type { Database } from '@nozbe/watermelondb'
import { QUERY_TABLES } from '../query-columns.js'
import type { RawChange, RawRow } from './rows.js'
import {
  type BatchOperation,
  findInLoki,
  isCached,
  isObserved,
  publish,
  runBatch,
  saveLoki,
} from './unsafe.js'

/**
 * Writes all changes and waits until they are saved. LokiJS has no transactions: when the batch or the save
 * fails (quota), the rows are put back as they were, observers see that too, and the error is thrown. An id
 * occurs once in the changes.
 */
export async function writeToLoki(database: Database, changes: readonly RawChange[]): Promise<void> {
  const before = await findInLoki(database, changes.map(keyOf))
  try {
    await applyChanges(database, changes, before)
    await saveLoki(database)
  } catch (error) {
    const undo = changes.map((change, index) => undoOf(change, before[index]))
    await applyChanges(database, undo, await findInLoki(database, undo.map(keyOf)))
    throw error
  }
}

async function applyChanges(
  database: Database,
  changes: readonly RawChange[],
  before: readonly (RawRow | undefined)[],
): Promise<void> {
  const operations: BatchOperation[] = []
  const created = new Set<RawChange>()
  for (const [index, change] of changes.entries()) {
    const { table } = change
    const existing = before[index]
    if (change.kind === 'delete') {
      if (existing !== undefined) operations.push(['destroyPermanently', table, change.id])
    } else if (existing === undefined) {
      operations.push(['create', table, { ...change.row }])
      // The adapter now takes it for cached, and answers queries with its bare id.
      created.add(change)
    } else if (change.kind === 'insert') {
      throw new Error(`row ${change.row.id} of ${table} is there already`)
    } else {
      operations.push(['update', table, { ...change.row }])
      const isShown = isQueryTable(table) && isObserved(database, table)
      if (isShown && !isCached(database, table, change.row.id)) await database.get(table).find(change.row.id)
    }
  }
  await runBatch(database, operations, () =>
    publish(
      database,
      changes.filter(({ table }) => isQueryTable(table)),
      (change) => created.has(change),
    ),
  )
}

function undoOf(change: RawChange, before: RawRow | undefined): RawChange {
  const { table, id } = keyOf(change)
  return before === undefined ? { kind: 'delete', table, id } : { kind: 'put', table, row: before }
}

function keyOf(change: RawChange): { table: string; id: string } {
  return { table: change.table, id: change.kind === 'delete' ? change.id : change.row.id }
}

function isQueryTable(table: string): boolean {
  return (QUERY_TABLES as readonly string[]).includes(table)
}
