/*
 * Everything that reaches into WatermelonDB past its public API, written against the pinned version 0.28.0.
 * Why at all: `database.batch()` wants a Model for every row, keeps each in the collection's cache for good
 * (big base64 included), and clears a record's pending state before it knows whether the write succeeded, so
 * that a full disk leaves memory and disk apart. Here the write comes first, and the caches follow it in the
 * same tick. With another version of WatermelonDB, check every declaration of this file.
 */
import type { Database } from '@nozbe/watermelondb'
import { SyncError } from '@onyx-sync/shared'
import type { RawChange, RawRow } from './rows.js'

type Result<T> = { readonly value: T; readonly error?: undefined } | { readonly error: unknown }
type Callback<T> = (result: Result<T>) => void

/** Whether the adapter notes the id in `args[0]` as "cached by the collection", forgets it, or neither. */
export type CacheBehavior = -1 | 0 | 1
/** What SQLite adapters (Node, iOS, Android, JSI) run in one transaction; see `encodeBatch` there. */
export type SqlOperation = [CacheBehavior, table: string | null, sql: string, argumentLists: unknown[][]]
/** What any adapter runs in one batch. */
export type BatchOperation = ['create' | 'update', string, RawRow] | ['destroyPermanently', string, string]

interface Loki {
  readonly persistenceAdapter: { idb?: IDBDatabase | null } | null
  getCollection(table: string): { by(field: 'id', id: string): (RawRow & { $loki?: number }) | undefined }
  saveDatabase(callback: (error?: unknown) => void): void
  autosaveDisable(): void
}

interface UnsafeAdapter {
  readonly constructor: { readonly adapterType?: string }
  readonly _dispatcher: {
    readonly _worker?: object
    call(method: 'batch', args: [SqlOperation[]], callback: Callback<unknown>): void
  }
  batch(operations: readonly BatchOperation[], callback: Callback<unknown>): void
  unsafeExecute(work: { loki: (loki: Loki) => void }, callback: Callback<unknown>): void
}

interface UnsafeRecord {
  _raw: RawRow
}
type Change = { readonly record: UnsafeRecord; readonly type: 'created' | 'updated' | 'destroyed' }

interface UnsafeCollection {
  readonly _subscribers: readonly unknown[]
  readonly changes: { readonly observed: boolean }
  readonly _cache: {
    get(id: string): UnsafeRecord | undefined
    delete(record: { id: string }): void
    recordFromQueryResult(raw: RawRow): UnsafeRecord
  }
}

function adapterOf(database: Database): UnsafeAdapter {
  return (database.adapter as unknown as { underlyingAdapter: UnsafeAdapter }).underlyingAdapter
}

function collectionOf(database: Database, table: string): UnsafeCollection {
  return database.get(table) as unknown as UnsafeCollection
}

/** Which of the two ways to write a database has. Throws `CONFIG_INVALID` for an adapter with neither. */
export function adapterType(database: Database): 'sqlite' | 'loki' {
  const adapter = adapterOf(database)
  const type = adapter.constructor.adapterType
  if (type === 'loki') {
    // In a worker the database is out of reach, and nothing can tell when it has been saved.
    if ('_bridge' in (adapter._dispatcher._worker ?? {})) return 'loki'
    throw new SyncError('CONFIG_INVALID', 'LokiJSAdapter has to be opened with useWebWorker: false')
  }
  if (type === 'sqlite') return 'sqlite'
  throw new SyncError(
    'CONFIG_INVALID',
    'watermelonStore needs WatermelonDB on SQLiteAdapter or LokiJSAdapter',
  )
}

/** Whether anybody is told of single changes in the table, so that changed rows have to become records. */
export function isObserved(database: Database, table: string): boolean {
  const { _subscribers, changes } = collectionOf(database, table)
  return _subscribers.length > 0 || changes.observed
}

export function isCached(database: Database, table: string, id: string): boolean {
  return collectionOf(database, table)._cache.get(id) !== undefined
}

/**
 * Runs the operations in one transaction. `onWritten` is called in the very tick of success: as soon as
 * anybody else can query, the adapter answers with bare ids for what it takes to be cached.
 */
export function runSql(database: Database, operations: SqlOperation[], onWritten: () => void): Promise<void> {
  return settle(
    (callback) => adapterOf(database)._dispatcher.call('batch', [operations], callback),
    onWritten,
  )
}

/** As {@link runSql}, in the operations that LokiJS knows. Not atomic in itself; see loki-writer.ts. */
export function runBatch(
  database: Database,
  operations: readonly BatchOperation[],
  onWritten: () => void,
): Promise<void> {
  return settle((callback) => adapterOf(database).batch(operations, callback), onWritten)
}

/** The rows as LokiJS holds them, in the order of `keys`; copies. */
export async function findInLoki(
  database: Database,
  keys: readonly { readonly table: string; readonly id: string }[],
): Promise<(RawRow | undefined)[]> {
  const found: (RawRow | undefined)[] = []
  const work = (loki: Loki) => {
    for (const { table, id } of keys) {
      const document = loki.getCollection(table).by('id', id)
      if (document === undefined) {
        found.push(undefined)
      } else {
        const { $loki: _, meta: __, ...row } = document
        found.push(row as RawRow)
      }
    }
  }
  await settle((callback) => adapterOf(database).unsafeExecute({ loki: work }, callback))
  return found
}

/**
 * Resolves when LokiJS has put everything into IndexedDB. WatermelonDB leaves that to a timer: without this,
 * what was "written" up to 500 ms before a crash is lost. Resolves at once when LokiJS only keeps memory.
 */
export async function saveLoki(database: Database): Promise<void> {
  let saved: Promise<void> = Promise.resolve()
  const work = (loki: Loki) => {
    // Its memory adapter would copy the whole database each time, for nobody.
    if (hasOnlyMemory(loki)) return
    saved = new Promise((resolve, reject) => {
      loki.saveDatabase((error) => (error ? reject(toError(error)) : resolve()))
    })
  }
  await settle((callback) => adapterOf(database).unsafeExecute({ loki: work }, callback))
  await saved
}

/** LokiJS hands on what IndexedDB gave it: an event whose target, a request or a transaction, says why. */
function toError(failure: unknown): unknown {
  const reason = (failure as { target?: { error?: DOMException | null } }).target?.error
  return reason ? new Error(`${reason.name}: ${reason.message}`) : failure
}

/**
 * Saves once more, for what the app has written by itself, and closes the database in IndexedDB; LokiJS would save on by
 * its timer, over what another page has written since.
 */
export async function closeLoki(database: Database): Promise<void> {
  const work = (loki: Loki) => {
    loki.autosaveDisable()
    loki.persistenceAdapter?.idb?.close()
    if (loki.persistenceAdapter?.idb) loki.persistenceAdapter.idb = null
  }
  try {
    await saveLoki(database)
  } finally {
    await settle((callback) => adapterOf(database).unsafeExecute({ loki: work }, callback))
  }
}

function hasOnlyMemory({ persistenceAdapter }: Loki): boolean {
  return persistenceAdapter === null || 'hashStore' in persistenceAdapter
}

/** Whether LokiJS keeps memory only, as it does without a word where a browser gives it no IndexedDB. */
export async function isInMemory(database: Database): Promise<boolean> {
  let isSo = false
  const work = (loki: Loki) => {
    isSo = hasOnlyMemory(loki)
  }
  await settle((callback) => adapterOf(database).unsafeExecute({ loki: work }, callback))
  return isSo
}

/**
 * Brings the collections' caches up to what was just written, and tells observers once per table. Records
 * that are in a cache change in place. Others are only made where `mustCache` says so, or when somebody is
 * watching. Never throws: what is written is written, whatever an observer makes of it.
 */
export function publish(
  database: Database,
  changes: readonly RawChange[],
  mustCache: (change: RawChange) => boolean,
): void {
  const changesByTable = new Map<string, Change[]>()
  for (const change of changes) {
    const { table } = change
    const { _cache: cache } = collectionOf(database, table)
    const changeSet = changesByTable.get(table) ?? []
    // A table with no change sets is announced too: queries that count or join are run again.
    changesByTable.set(table, changeSet)
    if (change.kind === 'delete') {
      const record = cache.get(change.id)
      if (record === undefined) continue
      record._raw = { ...record._raw, _status: 'deleted' }
      cache.delete({ id: change.id })
      changeSet.push({ record, type: 'destroyed' })
      continue
    }
    const cached = cache.get(change.row.id)
    if (cached !== undefined) {
      cached._raw = { ...change.row }
      changeSet.push({ record: cached, type: 'updated' })
    } else if (mustCache(change) || isObserved(database, table)) {
      changeSet.push({ record: cache.recordFromQueryResult({ ...change.row }), type: 'created' })
    }
  }
  if (changesByTable.size === 0) return
  try {
    ;(database as unknown as { _notify(changes: [string, Change[]][]): void })._notify([...changesByTable])
  } catch (error) {
    // Like RxJS: the observer's fault surfaces as an uncaught error, not as a failed write.
    setTimeout(() => {
      throw error
    }, 0)
  }
}

/** `onSuccess` runs inside the callback, before anybody else gets a turn, and must not throw. */
function settle(start: (callback: Callback<unknown>) => void, onSuccess?: () => void): Promise<void> {
  return new Promise((resolve, reject) => {
    start((result) => {
      if (result.error !== undefined) return reject(result.error)
      onSuccess?.()
      resolve()
    })
  })
}
