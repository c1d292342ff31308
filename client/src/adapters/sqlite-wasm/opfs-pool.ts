/*
 * The files of a database in the origin private file system (OPFS), as SQLite's VFS opfs-sahpool keeps them: in a folder
 * of its own a few files with names that mean nothing, each with a header of 4096 bytes that says which of SQLite's files
 * it is, and a sum of that. Runs in the worker. Written against @sqlite.org/sqlite-wasm 3.53.4: with another version, look
 * at what its OpfsSAHPool does.
 */
import type { SAHPoolUtil, Sqlite3Static } from '@sqlite.org/sqlite-wasm'
import { errorText, WorkerFault } from './protocol.js'

/** The name of the database among the files of the pool. */
export const DATABASE_PATH = '/database'
/** What exists in the database's folder once its tables have been committed; a page looks for it. */
export const READY = 'ready'
const POOL = 'pool'
/** Given by the VFS. */
const OPAQUE = '.opaque'
/** The database, its write-ahead log, the journal of the time before that, and one to spare. */
const CAPACITY = 4

/** A page that goes away lets go of its files a moment after its lock. */
const LOCKED_FOR_MS = 5_000
const RETRY_MS = 50

/** Header of a file of the pool: path, flags, sum; content begins at {@link CONTENT_AT}. */
const PATH_BYTES = 512
const CORPUS_BYTES = PATH_BYTES + 4
const HEADER_BYTES = CORPUS_BYTES + 8
const CONTENT_AT = 4_096
/** `SQLITE_OPEN_MEMORY`, by which the VFS marks headers with a sum. */
const HAS_SUM = 0x80

/** What lib.dom of TypeScript has for workers only. */
interface SyncAccessHandle {
  read(buffer: Uint8Array, options: { readonly at: number }): number
  getSize(): number
  close(): void
}
type WorkerFileHandle = FileSystemFileHandle & { createSyncAccessHandle(): Promise<SyncAccessHandle> }
type Entries = AsyncIterable<[string, FileSystemHandle]>

/** A database's folder. */
export interface OpfsFolder {
  /** Whether its tables have been committed once. */
  readonly isReady: boolean
  markReady(): Promise<void>
  /** Makes the database's files those of a VFS of `sqlite3`. */
  installPool(sqlite3: Sqlite3Static): Promise<SAHPoolUtil>
}

/**
 * Opens a database's folder, or creates it. Waits a while for files that somebody else holds. Fails with `unavailable`,
 * `locked` or `damaged`; then nothing has been changed.
 */
export async function openOpfsFolder(path: readonly string[]): Promise<OpfsFolder> {
  const folder = await testOpfs(path)
  const isReady = await exists(folder, READY)
  const opaque = await folder
    .getDirectoryHandle(POOL)
    .then((pool) => pool.getDirectoryHandle(OPAQUE))
    .catch(ifMissing)
  const files = opaque === undefined ? [] : await inspect(opaque)
  // The VFS would empty such a file, and SQLite would begin a new database.
  const isBroken = files.some((file) => file.path !== '' && !file.isSound && file.contentBytes > 0)
  const isThere = files.some((file) => file.path === DATABASE_PATH && file.isSound)
  if (isBroken || (isReady && !isThere)) {
    throw new WorkerFault('damaged', 'its file is damaged, or has been removed')
  }
  return {
    isReady,
    async markReady() {
      await folder.getFileHandle(READY, { create: true })
    },
    async installPool(sqlite3) {
      forbidRemoval()
      const pool = await sqlite3.installOpfsSAHPoolVfs({
        name: 'onyx-sync',
        directory: [...path, POOL].join('/'),
        initialCapacity: CAPACITY,
      })
      // A crash while the pool was made may have left fewer.
      await pool.reserveMinimumCapacity(CAPACITY)
      return pool
    },
  }
}

/** Whether the browser has the API at all, which doesn't mean that it works. */
export function hasSyncFiles(): boolean {
  return 'createSyncAccessHandle' in (globalThis.FileSystemFileHandle?.prototype ?? {})
}

/** Does what the VFS will have to do: a browser may have all of the API and still refuse. @returns the folder */
async function testOpfs(path: readonly string[]): Promise<FileSystemDirectoryHandle> {
  try {
    let folder = await navigator.storage.getDirectory()
    for (const name of path) folder = await folder.getDirectoryHandle(name, { create: true })
    const name = `test-${Math.random().toString(36).slice(2)}`
    const file = (await folder.getFileHandle(name, { create: true })) as WorkerFileHandle
    const handle = await file.createSyncAccessHandle()
    // Older browsers have a promise here: they can't work synchronously, as SQLite must.
    const closed: unknown = handle.close()
    await closed
    await folder.removeEntry(name)
    if (closed !== undefined) throw new Error('its file handles are asynchronous')
    return folder
  } catch (cause) {
    // No room now is no reason to keep the database elsewhere for ever.
    const isFull = (cause as { name?: string }).name === 'QuotaExceededError'
    throw new WorkerFault(isFull ? 'failed' : 'unavailable', errorText(cause), { cause })
  }
}

async function exists(folder: FileSystemDirectoryHandle, name: string): Promise<boolean> {
  return (await folder.getFileHandle(name).catch(ifMissing)) !== undefined
}

function ifMissing(error: unknown): undefined {
  if ((error as { name?: string }).name !== 'NotFoundError') throw error
}

interface PoolFile {
  /** Which of SQLite's files it is; empty for one that isn't used. */
  readonly path: string
  /** Whether the sum of its header is right. */
  readonly isSound: boolean
  readonly contentBytes: number
}

/** Looks at the headers, by opening each file as the VFS will: who else holds one can't be missed. */
async function inspect(opaque: FileSystemDirectoryHandle): Promise<PoolFile[]> {
  const files: PoolFile[] = []
  for await (const [, entry] of opaque as unknown as Entries) {
    if (entry.kind !== 'file') continue
    const handle = await acquire(entry as WorkerFileHandle)
    try {
      files.push(readHeader(handle))
    } finally {
      handle.close()
    }
  }
  return files
}

async function acquire(file: WorkerFileHandle): Promise<SyncAccessHandle> {
  for (const until = performance.now() + LOCKED_FOR_MS; ; ) {
    try {
      return await file.createSyncAccessHandle()
    } catch (cause) {
      const isHeld = (cause as { name?: string }).name === 'NoModificationAllowedError'
      if (!isHeld) throw new WorkerFault('failed', errorText(cause), { cause })
      if (performance.now() > until) throw new WorkerFault('locked', errorText(cause), { cause })
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS))
    }
  }
}

function readHeader(handle: SyncAccessHandle): PoolFile {
  const header = new Uint8Array(HEADER_BYTES)
  handle.read(header, { at: 0 })
  const view = new DataView(header.buffer)
  const hasSum = (view.getUint32(PATH_BYTES) & HAS_SUM) !== 0
  const [first, second] = hasSum ? sumOf(header.subarray(0, CORPUS_BYTES)) : [0, 0]
  const end = header.indexOf(0)
  return {
    path: new TextDecoder().decode(header.subarray(0, end < 0 ? PATH_BYTES : Math.min(end, PATH_BYTES))),
    isSound:
      view.getUint32(CORPUS_BYTES, true) === first && view.getUint32(CORPUS_BYTES + 4, true) === second,
    contentBytes: Math.max(0, handle.getSize() - CONTENT_AT),
  }
}

/** The sum that opfs-sahpool keeps of a header. */
function sumOf(corpus: Uint8Array): [number, number] {
  let first = 0xdeadbeef
  let second = 0x41c6ce57
  for (const byte of corpus) {
    first = Math.imul(first ^ byte, 2_654_435_761)
    second = Math.imul(second ^ byte, 104_729)
  }
  return [first >>> 0, second >>> 0]
}

/**
 * Keeps the VFS from removing a folder with all it holds, as it does when it can't open one of the files, for whatever
 * reason: the database would be gone because of a fault that goes by. Nothing else in this worker removes folders.
 */
function forbidRemoval(): void {
  const { prototype } = FileSystemDirectoryHandle
  const { removeEntry } = prototype
  prototype.removeEntry = async function (this: FileSystemDirectoryHandle, name, options) {
    if (options?.recursive === true) throw new DOMException('a database is kept', 'NotAllowedError')
    return removeEntry.call(this, name, options)
  }
}
