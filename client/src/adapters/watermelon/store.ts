import type { Database } from '@nozbe/watermelondb'
import { SyncError, systemClock, toSyncError } from '@onyx-sync/shared'
import type { LogCompaction, QueryRow, RowSearch, StoreBatch, SyncStore } from '../../ports/store.js'
import { type CheckedBatch, checkBatch } from '../check-batch.js'
import { byOutboxOrder, byPosition, compactedRow } from '../memory-store.js'
import { hasTerms, isSearched, searchPlainly, toSearchTerms } from '../plain-search.js'
import { platformTurns } from '../platform-turns.js'
import { checkLookupColumn } from '../query-columns.js'
import { writeToLoki } from './loki-writer.js'
import {
  documentToRow,
  LAST_SEQ_ID,
  lastSeqToRow,
  metaToRow,
  outboxToRows,
  queryRowToRaw,
  type RawChange,
  type RawRow,
  rawToQueryRow,
  rowsToMeta,
  rowsToOutbox,
  rowsToUpdates,
  rowToDocument,
  updateToRows,
} from './rows.js'
import { onyxTables } from './schema.js'
import { createSearchIndex, searchSql } from './search-index.js'
import { MAX_SQL_PARAMETERS, writeToSqlite } from './sqlite-writer.js'
import { adapterType } from './unsafe.js'
import { Q } from './watermelon.js'

/** Characters of the log that are read in one go; a longer row is read alone. */
const READ_LENGTH = 500_000
/** Rows that a search looks at in one go. */
const SEARCH_PAGE = 500

type Condition =
  | { readonly column: string; readonly oneOf: readonly string[] }
  | { readonly column: string; readonly from: number; readonly through: number }

/**
 * A {@link SyncStore} in a WatermelonDB database whose schema has `onyxTables` and whose models include
 * `onyxModels`. On SQLite a commit is one transaction, as durable as the connection is set to be; on LokiJS
 * it resolves when IndexedDB has it. Queries on `chats`, `messages` and `settings` are told once per commit.
 *
 * Commits are WatermelonDB writers: awaiting one inside `database.write()` waits for itself, for ever.
 * `close` leaves the database open, since the store didn't open it. Throws `CONFIG_INVALID` when tables,
 * models or the adapter don't fit.
 */
export function watermelonStore(database: Database): SyncStore {
  assertFits(database)
  const isSqlite = adapterType(database) === 'sqlite'
  const turns = platformTurns(systemClock)
  let tail: Promise<unknown> = Promise.resolve()
  let isClosed = false
  /** The highest position that is on the disk; undefined until somebody has to know. */
  let lastSeq: number | undefined

  /** One at a time, in the order of the calls: a read sees every commit that was called before it. */
  function inOrder<T>(purpose: string, work: () => Promise<T>): Promise<T> {
    if (isClosed) return Promise.reject(new SyncError('STORE_FAILED', 'the store is closed'))
    const result = tail.then(work).catch((error) => {
      throw toSyncError(error, 'STORE_FAILED', `could not ${purpose}`)
    })
    tail = result.catch(() => {})
    return result
  }

  /** `columns`, where only some are needed, is honoured by SQLite: LokiJS has all rows in memory anyway. */
  async function readRows(
    table: string,
    conditions: readonly Condition[] = [],
    columns = '*',
  ): Promise<RawRow[]> {
    const collection = database.get(table)
    if (!isSqlite) return collection.query(...conditions.map(conditionToClause)).unsafeFetchRaw()
    const { where, values } = conditionsToSql(conditions)
    const sql = `select ${columns} from "${table}"${where}`
    return collection.query(Q.unsafeSqlQuery(sql, values)).unsafeFetchRaw()
  }

  /** The rows of a log. Much of it comes bit by bit: a message from the worker that has the database is read in one go. */
  async function readLog(conditions: readonly Condition[]): Promise<RawRow[]> {
    const table = 'sync_updates'
    if (!isSqlite) return readRows(table, conditions)
    const sizes = await readRows(table, conditions, '"id", length("data") as "size"')
    const groups: string[][] = []
    let room = 0
    for (const { id, size } of sizes) {
      const last = groups[groups.length - 1]
      if (last === undefined || room < Number(size) || last.length >= MAX_SQL_PARAMETERS) {
        groups.push([id])
        room = READ_LENGTH
      } else last.push(id)
      room -= Number(size)
    }
    if (groups.length <= 1) return readRows(table, conditions)
    const rows: RawRow[] = []
    for (const ids of groups) rows.push(...(await readRows(table, [{ column: 'id', oneOf: ids }])))
    return rows
  }

  async function readLastSeq(): Promise<number> {
    const [row] = await readRows('sync_meta', [{ column: 'key', oneOf: [LAST_SEQ_ID] }])
    return row === undefined ? 0 : Number(row.value)
  }

  /** Changes that take away what the entries have in the outbox now, part by part. */
  async function outboxRemovals(entryIds: readonly string[]): Promise<RawChange[]> {
    const removals: RawChange[] = []
    for (let start = 0; start < entryIds.length; start += MAX_SQL_PARAMETERS) {
      const oneOf = entryIds.slice(start, start + MAX_SQL_PARAMETERS)
      for (const { id } of await readRows('sync_outbox', [{ column: 'entry_id', oneOf }])) {
        removals.push({ kind: 'delete', table: 'sync_outbox', id })
      }
    }
    return removals
  }

  /** Changes that take away the bodies of documents. What the same batch puts comes later, and wins. */
  async function bodyRemovals(addresses: readonly string[]): Promise<RawChange[]> {
    const removals: RawChange[] = []
    for (const address of addresses) {
      for (const table of ['sync_updates', 'messages']) {
        const rows = await readRows(table, [{ column: 'address', oneOf: [address] }], '"id"')
        for (const { id } of rows) removals.push({ kind: 'delete', table, id })
      }
    }
    return removals
  }

  /** Changes that put one row in the place of all up to it; or several, where it is long. */
  async function compact(compaction: LogCompaction): Promise<RawChange[]> {
    const table = 'sync_updates'
    const { address, throughSeq } = compaction
    const conditions = [
      { column: 'address', oneOf: [address] },
      { column: 'seq', from: 0, through: throughSeq },
    ]
    const ids = new Set((await readRows(table, conditions, '"id"')).map(({ id }) => id))
    const removals = [...ids].map((id): RawChange => ({ kind: 'delete', table, id }))
    // A row of this position that isn't the document's own makes the batch fail, as with any other update.
    const rows = updateToRows(compactedRow(compaction)).map(
      (row): RawChange => ({ kind: ids.has(row.id) ? 'put' : 'insert', table, row }),
    )
    return [...removals, ...rows]
  }

  async function writePlan({ changes, compactions, outboxIds, evicted, topSeq }: Plan): Promise<void> {
    // SQLite finds these by itself: each question is a message to another thread, and back, before the commit.
    const removals = isSqlite ? [] : await outboxRemovals(outboxIds)
    const all = [...(await bodyRemovals(evicted)), ...removals, ...changes]
    for (const compaction of compactions) all.push(...(await compact(compaction)))
    if (topSeq > 0) {
      lastSeq ??= await readLastSeq()
      if (topSeq > lastSeq) all.push({ kind: 'put', table: 'sync_meta', row: lastSeqToRow(topSeq) })
    }
    const distinct = lastOfEach(all)
    if (distinct.length + outboxIds.length === 0) return
    if (isSqlite) await writeToSqlite(database, distinct, outboxIds)
    else await writeToLoki(database, distinct)
    if (lastSeq !== undefined) lastSeq = Math.max(lastSeq, topSeq)
  }

  /** Undefined until somebody searches. */
  let isIndexed: boolean | undefined

  /** Whether there is a full-text index: it is made with the first search, where SQLite has FTS5. */
  async function hasSearchIndex(): Promise<boolean> {
    if (!isSqlite) return false
    const select = `select "name" as "id" from "sqlite_master" where "name" = 'messages_fts'`
    const found = await database.get('messages').query(Q.unsafeSqlQuery(select, [])).unsafeFetchRaw()
    // It is gone once the app has reset the database.
    if (found.length > 0) return true
    if (isIndexed === undefined || isIndexed) {
      isIndexed = await database
        .write(() => createSearchIndex(database), 'onyx-sync search index')
        .then(
          () => true,
          () => false,
        )
    }
    return isIndexed
  }

  async function searchIndexed(query: string, options: RowSearch): Promise<QueryRow[]> {
    const terms = toSearchTerms(query)
    const hits: QueryRow[] = []
    if (terms.length === 0) return hits
    for (let offset = 0; ; offset += SEARCH_PAGE) {
      const { sql, values } = searchSql(terms, options.address, { limit: SEARCH_PAGE, offset })
      const rows: RawRow[] = await database
        .get('messages')
        .query(Q.unsafeSqlQuery(sql, values))
        .unsafeFetchRaw()
      for (const raw of rows) {
        const row = rawToQueryRow('messages', raw)
        if (isSearched(row, options) && hasTerms(String(row.content), terms)) hits.push(row)
        if (hits.length >= options.limit) return hits
      }
      if (rows.length < SEARCH_PAGE) return hits
    }
  }

  function loadUpdatesWhere(conditions: readonly Condition[]) {
    return inOrder('read the log', async () => rowsToUpdates(await readLog(conditions), turns))
  }

  return {
    loadMeta: () => inOrder('read the settings', async () => rowsToMeta(await readRows('sync_meta'))),
    lastSeq: () => inOrder('read the log', readLastSeq),
    loadDocuments: () =>
      inOrder('read the documents', async () => (await readRows('sync_documents')).map(rowToDocument)),
    loadUpdates: (address) => loadUpdatesWhere([{ column: 'address', oneOf: [address] }]),
    loadUpdateRange: (address, from, through) =>
      loadUpdatesWhere([
        { column: 'address', oneOf: [address] },
        { column: 'seq', from, through },
      ]),
    loadOutbox: () =>
      inOrder('read the outbox', async () => rowsToOutbox(await readRows('sync_outbox')).sort(byOutboxOrder)),
    loadRows: (table, where) =>
      inOrder(`read ${table}`, async () => {
        if (where !== undefined) checkLookupColumn(table, where.column)
        const conditions = where === undefined ? [] : [{ column: where.column, oneOf: [where.equals] }]
        return (await readRows(table, conditions)).map((row) => rawToQueryRow(table, row))
      }),
    loadMessages: (address, { from, through }) =>
      inOrder('read messages', async () => {
        const conditions = [
          { column: 'address', oneOf: [address] },
          { column: 'position', from, through },
        ]
        const rows = await readRows('messages', conditions)
        return rows.map((row) => rawToQueryRow('messages', row)).sort(byPosition)
      }),
    searchRows: (table, query, options) =>
      inOrder('search', async () => {
        if (table === 'messages' && (await hasSearchIndex())) return searchIndexed(query, options)
        const rows = await readRows(table)
        return searchPlainly(
          table,
          rows.map((row) => rawToQueryRow(table, row)),
          query,
          options,
        )
      }),
    async commit(batch) {
      if (isClosed) throw new SyncError('STORE_FAILED', 'the store is closed')
      const plan = planBatch(batch, checkBatch(batch))
      await inOrder('save', () => database.write(() => writePlan(plan), 'onyx-sync commit'))
    },
    async close() {
      isClosed = true
      await tail
    },
  }
}

/** A batch as rows. It shares nothing with what the caller gave. */
interface Plan {
  readonly changes: readonly RawChange[]
  readonly compactions: readonly LogCompaction[]
  /** Entries whose rows have to go first, those to be replaced included: they may have had more parts. */
  readonly outboxIds: readonly string[]
  /** Documents whose bodies have to go first. */
  readonly evicted: readonly string[]
  readonly topSeq: number
}

function planBatch(batch: StoreBatch, checked: CheckedBatch): Plan {
  const changes: RawChange[] = []
  const put = (table: string, row: RawRow) => changes.push({ kind: 'put', table, row })
  for (const update of checked.updates) {
    for (const row of updateToRows(update)) changes.push({ kind: 'insert', table: 'sync_updates', row })
  }
  const outboxPut = new Map((batch.outboxPut ?? []).map((entry) => [entry.id, entry]))
  for (const entry of outboxPut.values()) for (const row of outboxToRows(entry)) put('sync_outbox', row)
  for (const document of batch.documents ?? []) put('sync_documents', documentToRow(document))
  for (const [key, value] of Object.entries(batch.meta ?? {})) put('sync_meta', metaToRow(key, value))
  for (const [table, rowsAfter] of checked.rowsByTable) {
    for (const [id, row] of rowsAfter) {
      if (row === null) changes.push({ kind: 'delete', table, id })
      else put(table, queryRowToRaw(row))
    }
  }
  return {
    changes,
    compactions: checked.compactions.map((compaction) => ({
      ...compaction,
      update: compaction.update.slice(),
    })),
    evicted: [...new Set(batch.evict)],
    outboxIds: [...new Set([...(batch.outboxDelete ?? []), ...outboxPut.keys()])],
    topSeq: checked.topSeq,
  }
}

/** The last change of each row: what comes later wins, and adapters may order writes as they like. */
function lastOfEach(changes: readonly RawChange[]): RawChange[] {
  const byRow = new Map<string, RawChange>()
  for (const change of changes) {
    byRow.set(`${change.table}/${change.kind === 'delete' ? change.id : change.row.id}`, change)
  }
  return [...byRow.values()]
}

function conditionToClause(condition: Condition) {
  const { column } = condition
  if ('from' in condition) return Q.where(column, Q.between(condition.from, condition.through))
  // A single value, unlike a list, is found by LokiJS's index.
  if (condition.oneOf.length === 1) return Q.where(column, condition.oneOf[0] as string)
  return Q.where(column, Q.oneOf([...condition.oneOf]))
}

/** Values are bound: written into the SQL, one with a NUL in it would end the statement. */
function conditionsToSql(conditions: readonly Condition[]): { where: string; values: (string | number)[] } {
  const values: (string | number)[] = []
  const parts = conditions.map((condition) => {
    if ('from' in condition) {
      values.push(condition.from, condition.through)
      return `"${condition.column}" between ? and ?`
    }
    values.push(...condition.oneOf)
    return `"${condition.column}" in (${condition.oneOf.map(() => '?').join(', ')})`
  })
  return { where: parts.length === 0 ? '' : ` where ${parts.join(' and ')}`, values }
}

function assertFits(database: Database): void {
  for (const { name, columnArray } of onyxTables) {
    const table = database.schema.tables[name]
    if (table === undefined) {
      throw new SyncError('CONFIG_INVALID', `the schema has no table ${name}: add onyxTables to it`)
    }
    const columns = (list: typeof columnArray) =>
      list
        .map((column) => column.name)
        .sort()
        .join(', ')
    if (columns(table.columnArray) !== columns(columnArray)) {
      throw new SyncError(
        'CONFIG_INVALID',
        `table ${name} has other columns than onyx-sync's: take it from onyxTables, and keep columns of your own in a table of your own`,
      )
    }
    if (!database.collections.get(name)) {
      throw new SyncError('CONFIG_INVALID', `there is no model for table ${name}: add onyxModels`)
    }
  }
}
