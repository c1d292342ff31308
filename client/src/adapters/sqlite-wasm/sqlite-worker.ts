/*
 * The worker that holds a database: SQLite as WebAssembly on files in OPFS, which only a worker can write to as SQLite
 * has to. A module of its own, which the page loads with `new Worker`; `sqlite3.wasm` is loaded beside it.
 */
import sqlite3InitModule, { type SAHPoolUtil, type Sqlite3Static } from '@sqlite.org/sqlite-wasm'
import { type Connection, createConnection } from './connection.js'
import { createDriver, type Driver } from './driver.js'
import { DATABASE_PATH, hasSyncFiles, type OpfsFolder, openOpfsFolder } from './opfs-pool.js'
import {
  errorText,
  type FileState,
  WorkerFault,
  type WorkerFaultKind,
  type WorkerMethod,
  type WorkerRequest,
} from './protocol.js'

interface Opened {
  readonly sqlite3: Sqlite3Static
  readonly folder: OpfsFolder
  readonly pool: SAHPoolUtil
  readonly connection: Connection
  readonly driver: Driver
}

let opened: Opened | undefined
/** Why the VFS failed since the request came. */
let reason: unknown

/** SQLite says what failed, and its VFS why; the VFS only tells its log. */
const sqliteConfig = {
  // Each would start a worker or take over storage of the page.
  disable: { vfs: { kvvfs: true, opfs: true, 'opfs-vfs': true, 'opfs-wl': true } },
  debug() {},
  log() {},
  warn() {},
  error: (...reported: readonly unknown[]) => {
    // The first is the reason of those that follow.
    reason ??= reported.find((part) => part instanceof Error || part instanceof DOMException)
  },
}

async function open(directory: readonly string[]): Promise<FileState> {
  Object.assign(globalThis, { sqlite3ApiConfig: sqliteConfig })
  // Loaded meanwhile, unless it is of no use.
  const loading = hasSyncFiles() ? sqlite3InitModule() : undefined
  loading?.catch(() => {})
  const folder = await openOpfsFolder(directory)
  const sqlite3 = await (loading ?? sqlite3InitModule())
  const pool = await folder.installPool(sqlite3)
  const connection = createConnection(sqlite3, new pool.OpfsSAHPoolDb(DATABASE_PATH))
  opened = { sqlite3, folder, pool, connection, driver: createDriver(connection) }
  return connection.readState()
}

async function setUp(sql: string | null, version: number): Promise<void> {
  const { connection, folder } = current()
  connection.makeDurable()
  if (sql !== null) {
    connection.inTransaction(() => connection.runAll(`${sql}; pragma user_version = ${version}`))
  }
  if (!folder.isReady) await folder.markReady()
}

function close(): void {
  const { connection, pool } = current()
  opened = undefined
  connection.close()
  pool.pauseVfs()
}

function current(): Opened {
  if (opened === undefined) throw new Error('the database is not open')
  return opened
}

function run(method: WorkerMethod, args: readonly unknown[]): unknown {
  if (method === 'open') return open(...(args as [readonly string[]]))
  if (method === 'setUp') return setUp(...(args as [string | null, number]))
  if (method === 'close') return close()
  return (current().driver[method] as (...given: readonly unknown[]) => unknown)(...args)
}

/** What SQLite calls a file that isn't what it wrote: `SQLITE_CORRUPT`, `SQLITE_NOTADB`. */
const DAMAGED: readonly number[] = [11, 26]

function toFault(error: unknown): { readonly kind: WorkerFaultKind; readonly message: string } {
  if (error instanceof WorkerFault) return { kind: error.kind, message: error.message }
  // The lower byte of an extended code is the code that it is one of.
  const code = Number((error as { resultCode?: number }).resultCode) & 0xff
  const why = reason === undefined || reason === error ? '' : ` (${whyText(reason)})`
  return { kind: DAMAGED.includes(code) ? 'damaged' : 'failed', message: errorText(error) + why }
}

/** The VFS has no words for a file that takes less than it was given; a browser does that when it has no room. */
function whyText(error: unknown): string {
  const text = errorText(error)
  return /unknown write/i.test(text)
    ? 'a file took only a part of what was written: there is no room left'
    : text
}

async function answer({ id, method, args }: WorkerRequest): Promise<void> {
  reason = undefined
  try {
    postMessage({ id, value: await run(method, args) })
  } catch (error) {
    postMessage({ id, fault: toFault(error) })
  }
}

// One by one, in their order, also while one takes its time.
let tail = Promise.resolve()
addEventListener('message', ({ data }: MessageEvent<WorkerRequest>) => {
  tail = tail.then(() => answer(data))
})
