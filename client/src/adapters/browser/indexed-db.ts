/** What a page can see and do about databases in IndexedDB without LokiJS, which wipes what it doesn't know. */
import type { FoundDatabase } from '../watermelon/found-database.js'

/** Where LokiJS's incremental adapter keeps everything, as JSON by key. */
const LOKI_STORE = 'LokiIncrementalData'
const VERSION_KEY = '_loki_schema_version'

/** What is in IndexedDB under this name; `undefined` for nothing. Rejects where the browser doesn't let one look. */
export async function inspectIndexedDb(name: string): Promise<FoundDatabase | undefined> {
  const database = await openIfThere(name)
  if (database === undefined) return undefined
  try {
    // Not LokiJS's: it would delete it.
    if (!database.objectStoreNames.contains(LOKI_STORE)) return { version: 0, tables: ['?'] }
    const store = database.transaction(LOKI_STORE, 'readonly').objectStore(LOKI_STORE)
    const [whole, settings] = await Promise.all([
      settled<{ value: string } | undefined>(store.get('loki')),
      settled<{ value: string }[]>(store.getAll(IDBKeyRange.bound('local_storage.', 'local_storage.~'))),
    ])
    if (whole === undefined) return undefined
    const { collections } = JSON.parse(whole.value) as { collections: { name: string }[] }
    const rows = settings.flatMap(({ value }) => JSON.parse(value) as unknown)
    const version = (rows as { key?: string; value?: string }[]).find(({ key }) => key === VERSION_KEY)
    return { version: Number(version?.value ?? 0), tables: collections.map((collection) => collection.name) }
  } finally {
    database.close()
  }
}

/** Whether IndexedDB has a database of this name. Rejects where the browser doesn't let one look. */
export async function hasIndexedDb(name: string): Promise<boolean> {
  const database = await openIfThere(name)
  database?.close()
  return database !== undefined
}

/** Makes a database of this name, empty, where there is none. */
export async function makeIndexedDb(name: string): Promise<void> {
  ;(await settled(indexedDB.open(name))).close()
}

/** Removes a database; nothing happens where there is none. Rejects while somebody has it open. */
export async function removeIndexedDb(name: string): Promise<void> {
  const request = indexedDB.deleteDatabase(name)
  await new Promise<void>((resolve, reject) => {
    request.onsuccess = () => resolve()
    request.onerror = () => reject(request.error)
    request.onblocked = () => reject(new Error(`IndexedDB ${JSON.stringify(name)} is open elsewhere`))
  })
}

/** Not every browser lists databases; so one is opened, and not made. */
function openIfThere(name: string): Promise<IDBDatabase | undefined> {
  const request = indexedDB.open(name)
  let isNew = false
  request.onupgradeneeded = ({ oldVersion }) => {
    if (oldVersion !== 0) return
    isNew = true
    request.transaction?.abort()
  }
  return settled(request).catch((error) => {
    if (!isNew) throw error
    return undefined
  })
}

function settled<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result)
    request.onerror = () => reject(request.error)
  })
}
