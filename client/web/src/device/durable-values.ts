import { SyncError } from '@onyx-sync/client'

/** A text, or that there is none any more. */
export type Change = readonly [name: string, value: string | undefined]

/** What is on the disk. */
export interface Durable {
  /** How many changes were made so far. */
  readonly count: number
  readonly changes: readonly Change[]
}

/** A few texts by name that are on the disk when a call returns. */
export interface DurableValues {
  /** Everything that was ever changed; undefined where the browser gives no IndexedDB. */
  all(): Promise<Durable | undefined>
  /**
   * Keeps changes, all of them or none. `count` is how many there were, these included; the highest that was given stays.
   * Rejects with `STORE_FAILED` where the browser refuses it. Without IndexedDB nothing is kept.
   */
  keep(changes: readonly Change[], count: number): Promise<void>
}

const DATABASE = 'onyx-sync-web'
const VALUES = 'values'
const COUNT = 'count'

/**
 * Keeps them in IndexedDB: local storage is written to the disk seconds later, or a minute, and lost with a browser that
 * is killed before.
 */
export const durableValues: DurableValues = {
  async all() {
    const database = await open()
    if (database === undefined) return undefined
    return within(database, 'readonly', async (values) => {
      const [names, found] = await Promise.all([done(values.getAllKeys()), done(values.getAll())])
      const all = new Map(names.map((name, at) => [String(name), found[at] as unknown]))
      const count = Number(all.get(COUNT) ?? 0)
      all.delete(COUNT)
      return {
        count,
        changes: [...all].map(
          ([name, value]): Change => [name, typeof value === 'string' ? value : undefined],
        ),
      }
    })
  },

  async keep(changes, count) {
    const database = await open()
    if (database === undefined) return
    await within(database, 'readwrite', async (values) => {
      // What is gone is named as well: local storage may still have it.
      for (const [name, value] of changes) values.put(value ?? null, name)
      const before = Number((await done(values.get(COUNT))) ?? 0)
      if (count > before) values.put(count, COUNT)
    })
  },
}

/** Does something in one transaction. `work` waits for nothing but requests of it. */
async function within<T>(
  database: IDBDatabase,
  mode: IDBTransactionMode,
  work: (values: IDBObjectStore) => Promise<T>,
): Promise<T> {
  try {
    // Strict: with the disk, not only with the operating system.
    const transaction = database.transaction(VALUES, mode, { durability: 'strict' })
    const ended = new Promise<void>((resolve, reject) => {
      transaction.oncomplete = () => resolve()
      transaction.onabort = () => reject(transaction.error)
    })
    const [result] = await Promise.all([work(transaction.objectStore(VALUES)), ended])
    return result
  } catch (cause) {
    throw new SyncError('STORE_FAILED', 'this browser refuses to keep what belongs to this device', { cause })
  } finally {
    database.close()
  }
}

function done<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result)
    request.onerror = () => reject(request.error)
  })
}

function open(): Promise<IDBDatabase | undefined> {
  return new Promise((resolve) => {
    try {
      const request = indexedDB.open(DATABASE, 1)
      request.onupgradeneeded = () => request.result.createObjectStore(VALUES)
      request.onsuccess = () => resolve(request.result)
      request.onerror = () => resolve(undefined)
    } catch {
      resolve(undefined)
    }
  })
}
