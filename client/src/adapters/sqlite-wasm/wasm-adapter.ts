import type { AppSchema, SchemaMigrations } from '@nozbe/watermelondb'
import type {
  BatchOperation,
  CachedFindResult,
  CachedQueryResult,
  DatabaseAdapter,
  UnsafeExecuteOperations,
} from '@nozbe/watermelondb/adapters/type.js'
import type { SerializedQuery } from '@nozbe/watermelondb/Query/index.js'
import {
  encodeBatch,
  encodeQuery,
  sanitizeFindResult,
  sanitizeQueryResult,
  schemaToSql,
  validateTable,
} from '../watermelon/sqlite-encoders.js'
import type { WireRows, WorkerMethod, WorkerMethods } from './protocol.js'
import type { WorkerLink, WorkerResult } from './worker-link.js'

type Result<T> = { readonly value: T } | { readonly error: Error }
type Callback<T> = (result: Result<T>) => void

/**
 * WatermelonDB's adapter for SQLite in a worker, whose tables are those of the schema already. It does what
 * WatermelonDB's own SQLiteAdapter does on a phone, and is taken for one by `watermelonStore`.
 */
export class SqliteWasmAdapter implements DatabaseAdapter {
  static readonly adapterType = 'sqlite'

  readonly schema: AppSchema
  readonly migrations: SchemaMigrations
  readonly dbName: string
  /** By the name under which WatermelonDB's adapter has it: `watermelonStore` hands in its own batches. */
  readonly _dispatcher: WorkerLink

  constructor(options: {
    readonly link: WorkerLink
    readonly dbName: string
    readonly schema: AppSchema
    readonly migrations: SchemaMigrations
  }) {
    this._dispatcher = options.link
    this.dbName = options.dbName
    this.schema = options.schema
    this.migrations = options.migrations
  }

  find(table: string, id: string, callback: Callback<CachedFindResult>): void {
    validateTable(table, this.schema)
    this.#call('find', [table, id], callback, (rows) => {
      const [found] = toRows(rows)
      return sanitizeFindResult(found, this.#table(table))
    })
  }

  query(query: SerializedQuery, callback: Callback<CachedQueryResult>): void {
    const { table } = query
    validateTable(table, this.schema)
    this.#call('query', [table, ...encodeQuery(query)], callback, (rows) =>
      sanitizeQueryResult(toRows(rows), this.#table(table)),
    )
  }

  queryIds(query: SerializedQuery, callback: Callback<string[]>): void {
    validateTable(query.table, this.schema)
    this.#call('queryIds', encodeQuery(query), callback)
  }

  // biome-ignore lint/suspicious/noExplicitAny: WatermelonDB's type
  unsafeQueryRaw(query: SerializedQuery, callback: Callback<any[]>): void {
    validateTable(query.table, this.schema)
    this.#call('unsafeQueryRaw', encodeQuery(query), callback, toRows)
  }

  count(query: SerializedQuery, callback: Callback<number>): void {
    validateTable(query.table, this.schema)
    this.#call('count', encodeQuery(query, true), callback)
  }

  batch(operations: BatchOperation[], callback: Callback<void>): void {
    this.#call('batch', [encodeBatch(operations, this.schema)], callback)
  }

  getDeletedRecords(table: string, callback: Callback<string[]>): void {
    validateTable(table, this.schema)
    this.#call('queryIds', [`select "id" from "${table}" where "_status" = 'deleted'`, []], callback)
  }

  destroyDeletedRecords(table: string, recordIds: string[], callback: Callback<void>): void {
    validateTable(table, this.schema)
    const lists = recordIds.map((id) => [id])
    this.#call('batch', [[[0, null, `delete from "${table}" where "id" == ?`, lists]]], callback)
  }

  // biome-ignore lint/suspicious/noExplicitAny: WatermelonDB's type
  unsafeLoadFromSync(_jsonId: number, callback: Callback<any>): void {
    callback({ error: new Error('unsafeLoadFromSync is for JSI only') })
  }

  provideSyncJson(_id: number, _json: string, callback: Callback<void>): void {
    callback({ error: new Error('provideSyncJson is for JSI only') })
  }

  unsafeResetDatabase(callback: Callback<void>): void {
    this.#call('unsafeResetDatabase', [schemaToSql(this.schema), this.schema.version], callback)
  }

  unsafeExecute(work: UnsafeExecuteOperations, callback: Callback<void>): void {
    if ('sqls' in work) {
      const operations = work.sqls.map(([sql, values]): [number, null, string, unknown[][]] => [
        0,
        null,
        sql,
        [values],
      ])
      this.#call('batch', [operations], callback)
    } else if ('sqlString' in work) {
      this.#call('unsafeExecuteMultiple', [work.sqlString], callback)
    } else {
      callback({ error: new Error('unsafeExecute takes { sqls } or { sqlString } on SQLite') })
    }
  }

  getLocal(key: string, callback: Callback<string | undefined>): void {
    this.#call('getLocal', [key], callback, (value) => value ?? undefined)
  }

  setLocal(key: string, value: string, callback: Callback<void>): void {
    const sql = 'insert or replace into "local_storage" ("key", "value") values (?, ?)'
    this.#call('batch', [[[0, null, sql, [[key, value]]]]], callback)
  }

  removeLocal(key: string, callback: Callback<void>): void {
    this.#call('batch', [[[0, null, 'delete from "local_storage" where "key" == ?', [[key]]]]], callback)
  }

  #table(name: string) {
    return this.schema.tables[name] as AppSchema['tables'][string]
  }

  /** `toValue` runs in the very task of the answer, and so before anything that was asked later is answered. */
  #call<M extends WorkerMethod, T>(
    method: M,
    args: Parameters<WorkerMethods[M]>,
    callback: Callback<T>,
    toValue?: (value: ReturnType<WorkerMethods[M]>) => T,
  ): void {
    this._dispatcher.call(method, args, (result: WorkerResult<M>) => {
      if (result.error !== undefined) callback({ error: result.error })
      else callback({ value: toValue === undefined ? (result.value as T) : toValue(result.value) })
    })
  }
}

/** Rows as objects, as SQLite gave them; a record that WatermelonDB has already stays an id. */
function toRows({ columns, rows }: WireRows): (string | Record<string, unknown>)[] {
  return rows.map((row) => {
    if (typeof row === 'string') return row
    const named: Record<string, unknown> = {}
    for (let index = 0; index < columns.length; index++) named[columns[index] as string] = row[index]
    return named
  })
}
