/*
 * What a page and the worker that holds its database say to each other. The worker answers requests one by one, in the
 * order in which they came: WatermelonDB relies on it (what a write has changed is known before a later query answers).
 */

/** A row as the values of its columns; or only its id, where the page has the record already. */
export type WireRow = string | readonly unknown[]

/** Rows without the names of their columns in each of them, which would have to be copied too. */
export interface WireRows {
  readonly columns: readonly string[]
  readonly rows: readonly WireRow[]
}

/** One SQL statement with the values for each time that it is run; see `SqlOperation`. */
export type WireOperation = [cacheBehavior: number, table: string | null, sql: string, values: unknown[][]]

/** What a database file is before anything is done to it; `version` is SQLite's `user_version`. */
export interface FileState {
  readonly version: number
  readonly tables: readonly string[]
}

/** The worker's methods: what a page can ask, and what it gets. */
export interface WorkerMethods {
  /** Opens the file, or makes an empty one, and changes nothing in it. Fails as {@link WorkerFaultKind} says. */
  open(directory: readonly string[]): FileState
  /** Makes the database durable, and creates or migrates its tables where there is SQL for that. */
  setUp(sql: string | null, version: number): void
  find(table: string, id: string): WireRows
  query(table: string, sql: string, values: readonly unknown[]): WireRows
  queryIds(sql: string, values: readonly unknown[]): string[]
  unsafeQueryRaw(sql: string, values: readonly unknown[]): WireRows
  count(sql: string, values: readonly unknown[]): number
  /** All of it in one transaction, on the disk when it has been answered. */
  batch(operations: readonly WireOperation[]): void
  unsafeExecuteMultiple(sql: string): void
  unsafeResetDatabase(sql: string, version: number): void
  getLocal(key: string): string | null
  /** Closes the file and lets others have it. Nothing can be asked afterwards. */
  close(): void
}

export type WorkerMethod = keyof WorkerMethods

/**
 * Why a request failed. `unavailable`: the browser has no OPFS that a worker can write to. `locked`: somebody else holds
 * the files. `damaged`: they aren't what SQLite wrote. `failed`: anything else.
 */
export type WorkerFaultKind = 'unavailable' | 'locked' | 'damaged' | 'failed'

export interface WorkerRequest {
  readonly id: number
  readonly method: WorkerMethod
  readonly args: readonly unknown[]
}

export type WorkerAnswer =
  | { readonly id: number; readonly value: unknown }
  | { readonly id: number; readonly fault: { readonly kind: WorkerFaultKind; readonly message: string } }

/** What to do about a database that is damaged, wherever it shows. */
const WAY_OUT =
  '; to start anew, deleteBrowserDatabase() removes it: what the server has comes back with the next sync, what was never sent is lost'

/** A request that failed. The message of one for damage says what to do. */
export class WorkerFault extends Error {
  readonly kind: WorkerFaultKind

  constructor(kind: WorkerFaultKind, message: string, options?: { readonly cause?: unknown }) {
    super(kind === 'damaged' && !message.endsWith(WAY_OUT) ? message + WAY_OUT : message)
    if (options !== undefined) Object.defineProperty(this, 'cause', { value: options.cause })
    this.name = 'WorkerFault'
    this.kind = kind
  }
}

export function errorText(error: unknown): string {
  if (!(error instanceof Error || error instanceof DOMException)) return String(error)
  // A DOMException says with its name what happened.
  return error instanceof DOMException ? `${error.name}: ${error.message}` : error.message
}
