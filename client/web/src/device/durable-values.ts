import { SyncError } from '@onyx-sync/client'

/** A few texts by name that are on the disk when a call returns. */
export interface DurableValues {
  get(name: string): Promise<string | undefined>
  /** Rejects with `STORE_FAILED` where the browser refuses it. */
  set(name: string, value: string): Promise<void>
  delete(name: string): Promise<void>
}

const DATABASE = 'onyx-sync-web'
const VALUES = 'values'

/**
 * Keeps them in IndexedDB: local storage is written to the disk seconds later, or a minute, and lost with a browser that
 * is killed before. Where the browser gives no IndexedDB, nothing is kept here.
 */
export const durableValues: DurableValues = {
  get: async (name) => {
    const value = await within('readonly', (values) => values.get(name))
    return typeof value === 'string' ? value : undefined
  },
  set: async (name, value) => {
    await within('readwrite', (values) => values.put(value, name))
  },
  delete: async (name) => {
    await within('readwrite', (values) => values.delete(name))
  },
}

async function within<T>(
  mode: IDBTransactionMode,
  work: (values: IDBObjectStore) => IDBRequest<T>,
): Promise<T | undefined> {
  const database = await open()
  if (database === undefined) return undefined
  try {
    return await new Promise((resolve, reject) => {
      // Strict: with the disk, not only with the operating system.
      const transaction = database.transaction(VALUES, mode, { durability: 'strict' })
      const request = work(transaction.objectStore(VALUES))
      transaction.oncomplete = () => resolve(request.result)
      transaction.onabort = () => reject(transaction.error)
    })
  } catch (cause) {
    throw new SyncError('STORE_FAILED', 'this browser refuses to keep the key', { cause })
  } finally {
    database.close()
  }
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
