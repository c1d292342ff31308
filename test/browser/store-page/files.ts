/** What a page can do to the files of a database in OPFS behind its back. */

type File = FileSystemFileHandle
type Folder = FileSystemDirectoryHandle
const entriesOf = (folder: Folder) => folder as unknown as AsyncIterable<[string, File | Folder]>

export const poolOf = (name: string) => ['onyx-sync', `${name}.sqlite`, 'pool', '.opaque']

async function open(path: readonly string[]): Promise<Folder> {
  let folder = await navigator.storage.getDirectory()
  for (const part of path) folder = await folder.getDirectoryHandle(part)
  return folder
}

/** Sizes and checksums of all files, by their names. */
export async function listFiles(name: string): Promise<Record<string, string>> {
  const list: Record<string, string> = {}
  for await (const [file, handle] of entriesOf(await open(poolOf(name)))) {
    const bytes = await (await (handle as File).getFile()).arrayBuffer()
    const sum = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes))
    list[file] = `${bytes.byteLength} ${[...sum].join('.')}`
  }
  return list
}

/** Overwrites part of the database's file, which is the largest. */
export async function damageFile(name: string, position: number, bytes: number): Promise<void> {
  let largest: { readonly handle: File; readonly size: number } | undefined
  for await (const [, handle] of entriesOf(await open(poolOf(name)))) {
    const { size } = await (handle as File).getFile()
    if (size > (largest?.size ?? 0)) largest = { handle: handle as File, size }
  }
  if (largest === undefined) throw new Error(`${name} has no files`)
  const writable = await largest.handle.createWritable({ keepExistingData: true })
  await writable.write({ type: 'write', position, data: new Uint8Array(bytes).fill(0xa5) })
  await writable.close()
}

export async function removeFiles(name: string): Promise<void> {
  const folder = await open(['onyx-sync', `${name}.sqlite`])
  await folder.removeEntry('pool', { recursive: true })
}

/** What a removal that was broken off leaves at its beginning. */
export async function beginRemoval(name: string): Promise<void> {
  await (await open(['onyx-sync', `${name}.sqlite`])).getFileHandle('removing', { create: true })
}

export async function hasFolder(name: string): Promise<boolean> {
  return open(['onyx-sync', `${name}.sqlite`]).then(
    () => true,
    () => false,
  )
}

/** Puts nonsense into the place of what LokiJS keeps in IndexedDB; or makes a database of some other program. */
export async function damageIndexedDb(name: string, storeName = 'LokiIncrementalData'): Promise<void> {
  const request = indexedDB.open(name)
  request.onupgradeneeded = () => request.result.createObjectStore(storeName, { keyPath: 'key' })
  const database = await new Promise<IDBDatabase>((resolve) => {
    request.onsuccess = () => resolve(request.result)
  })
  const transaction = database.transaction(storeName, 'readwrite')
  transaction.objectStore(storeName).put({ key: 'loki', value: '{"collections' })
  await new Promise((resolve) => {
    transaction.oncomplete = resolve
  })
  database.close()
}

/** How many entries a store of IndexedDB has. */
export async function countIndexedDb(name: string, storeName: string): Promise<number> {
  const request = indexedDB.open(name)
  const database = await new Promise<IDBDatabase>((resolve) => {
    request.onsuccess = () => resolve(request.result)
  })
  const counted = database.transaction(storeName).objectStore(storeName).count()
  await new Promise((resolve) => {
    counted.onsuccess = resolve
  })
  database.close()
  return counted.result
}
