/**
 * What a client needs in a browser: a database in SQLite on OPFS, or in IndexedDB. Kept apart from the main entry, so that
 * neither Node nor a phone loads it. The transport is the platform's own.
 */
import type { AppSchema, Model, SchemaMigrations, Database as WatermelonDatabase } from '@nozbe/watermelondb'
import { SyncError, toSyncError } from '@onyx-sync/shared'
import {
  hasIndexedDb,
  inspectIndexedDb,
  makeIndexedDb,
  removeIndexedDb,
} from './adapters/browser/indexed-db.js'
import { openOpfs } from './adapters/browser/opfs-database.js'
import { hasOpfsDatabase, removeOpfsDatabase } from './adapters/browser/opfs-folder.js'
import { askToKeep } from './adapters/browser/persistence.js'
import { lockForThisPage } from './adapters/browser/tab-lock.js'
import { onyxModels } from './adapters/watermelon/models.js'
import { onyxMigrations, onyxSchema } from './adapters/watermelon/schema.js'
import { watermelonStore } from './adapters/watermelon/store.js'
import { Database } from './adapters/watermelon/watermelon.js'
import { type OpenSharedOptions, openInTabs } from './browser-tabs.js'
import type { SyncStore } from './ports/store.js'
import type { SharedClient } from './shared-client-api.js'

/**
 * Where a browser keeps a database. `opfs`: SQLite on files of the origin private file system, in a worker. `indexeddb`:
 * LokiJS, which has all of it in memory.
 */
export type BrowserStorage = 'opfs' | 'indexeddb'

/** What to open; an app with tables of its own gives its schema, which holds `onyxTables` as well. */
export interface BrowserDatabaseOptions {
  /** Name of the database in this origin; one for each account, see `accountDatabaseName`. */
  readonly name: string
  /** @default onyxSchema */
  readonly schema?: AppSchema
  /** From every older version of the schema that may be out there. @default onyxMigrations */
  readonly migrations?: SchemaMigrations
  /** @default onyxModels */
  readonly modelClasses?: readonly (typeof Model)[]
  /**
   * `auto` takes the one that this device has the database in; for a new one OPFS where the browser has it, else
   * IndexedDB. Any other opens the database there and nowhere else, whatever the other place has. @default 'auto'
   */
  readonly storage?: BrowserStorage | 'auto'
  /**
   * Whether to ask the browser not to drop the site's data when it is short of room. Firefox asks its user.
   * @default true
   */
  readonly persist?: boolean
  /**
   * Starts the worker that holds SQLite, for bundlers that don't see `new Worker(new URL(…, import.meta.url))` in a
   * package: its script is `@onyx-sync/client/sqlite-worker`.
   */
  readonly createWorker?: () => Worker
}

/** A database that is open. */
export interface BrowserDatabase {
  /** For `watermelonStore`, for `SyncProvider`, and for an app's own queries. */
  readonly database: WatermelonDatabase
  /** Where it is. */
  readonly kind: BrowserStorage
  /**
   * Whether the browser promises to keep the site's data until its user removes it. Without that it may drop all of it
   * when it is short of room, Safari also after seven days without a visit. May wait for the user; never rejects.
   */
  readonly persisted: Promise<boolean>
  /** Closes it and lets other pages have it. Idempotent. */
  close(): Promise<void>
}

/** A store in a browser; see {@link BrowserDatabase}. */
export interface BrowserStore extends SyncStore, Pick<BrowserDatabase, 'kind' | 'persisted'> {}

/**
 * Opens, or creates, a device's database. One page at a time; the lock goes with the page. Never wipes anything. Rejects
 * with `DATABASE_LOCKED`, `DATABASE_NEWER` or `DATABASE_UNREADABLE`.
 */
export async function openBrowserDatabase(options: BrowserDatabaseOptions): Promise<BrowserDatabase> {
  const unlock = await lockForThisPage(options.name)
  try {
    const opened = await openSomewhere(options)
    const persisted = askToKeep(options.persist ?? true)
    let closing: Promise<void> | undefined
    return {
      database: opened.database,
      kind: opened.kind,
      persisted,
      close() {
        closing ??= opened.close().finally(unlock)
        return closing
      },
    }
  } catch (error) {
    unlock()
    throw toSyncError(error, 'DATABASE_UNREADABLE', `${labelOf(options.name)} can't be opened`)
  }
}

/** A store on {@link openBrowserDatabase}. A commit resolves when it is on the disk. Closing it closes the database. */
export async function openBrowserStore(
  options: Pick<BrowserDatabaseOptions, 'name' | 'storage' | 'persist' | 'createWorker'>,
): Promise<BrowserStore> {
  const { database, kind, persisted, close } = await openBrowserDatabase(options)
  const store = watermelonStore(database)
  return {
    ...store,
    kind,
    persisted,
    async close() {
      await store.close()
      await close()
    },
  }
}

export type { SharedClient, TabRole } from './shared-client-api.js'

/** What each tab gives; `openStore` is for stores other than {@link openBrowserStore}. */
export interface SharedBrowserOptions
  extends Omit<OpenSharedOptions, 'openStore'>,
    Partial<Pick<OpenSharedOptions, 'openStore'>>,
    Pick<BrowserDatabaseOptions, 'storage' | 'persist' | 'createWorker'> {}

/**
 * Opens a device that all tabs of a browser share, each with the whole client: one of them has the database and the
 * connection, the others work through it, and when it goes, however it goes, another takes over. All tabs give the same
 * options. Rejects as {@link openBrowserDatabase} and `createSyncClient` do, and with `TAB_OUTDATED` where another tab has
 * another version of the app.
 */
export function openSharedClient(options: SharedBrowserOptions): Promise<SharedClient> {
  return openInTabs({ openStore: () => openBrowserStore(options), ...options })
}

/**
 * Removes a database from this device, wherever it is, as after a log-out: what was never sent is lost. Nothing happens
 * where there is none. One that was broken off is finished by the next opening. Rejects with `DATABASE_LOCKED` while a page
 * has it open, or `DATABASE_UNREADABLE`.
 */
export async function deleteBrowserDatabase(name: string): Promise<void> {
  const unlock = await lockForThisPage(name)
  try {
    // Where the browser gives no OPFS, and never did, there is nothing to remove from it.
    if ((await hasOpfsDatabase(name)) !== undefined || (await hasTrace(name))) await removeOpfsDatabase(name)
    if (globalThis.indexedDB === undefined) return
    await removeIndexedDb(name)
    await removeIndexedDb(traceOf(name))
  } catch (error) {
    throw toSyncError(error, 'DATABASE_UNREADABLE', `${labelOf(name)} can't be removed`)
  } finally {
    unlock()
  }
}

interface Opened extends Pick<BrowserDatabase, 'database' | 'kind'> {
  close(): Promise<void>
}

async function openSomewhere(options: BrowserDatabaseOptions): Promise<Opened> {
  const { name, storage = 'auto' } = options
  if (storage === 'indexeddb') return openInIndexedDb(options)
  const isInOpfs = await hasOpfsDatabase(name)
  const mustBeOpfs = storage === 'opfs' || isInOpfs === true
  if (!mustBeOpfs && (await isInIndexedDb(name))) return openInIndexedDb(options)
  const opened = await openInOpfs(options)
  if (typeof opened !== 'string') {
    if (isInOpfs !== true) await leaveTrace(name)
    return opened
  }
  // It would be a second database, without what the first one has still to send.
  if (mustBeOpfs || (isInOpfs === undefined && (await hasTrace(name)))) {
    const way =
      storage === 'opfs' ? 'open it with storage: "auto"' : 'allow the site to store data, and reload'
    throw new SyncError(
      'DATABASE_UNREADABLE',
      `${labelOf(name)} is to be in OPFS, ${REFUSED} (${opened}): ${way}`,
    )
  }
  try {
    return await openInIndexedDb(options)
  } catch (error) {
    if (!(error instanceof SyncError) || error.code !== 'DATABASE_UNREADABLE') throw error
    const message = `${error.message}; nor in OPFS, ${REFUSED} (${opened}): allow the site to store data (cookies), or leave the private window`
    throw new SyncError('DATABASE_UNREADABLE', message, { cause: error })
  }
}

const REFUSED = "which the browser doesn't give this page"

async function openInOpfs(options: BrowserDatabaseOptions): Promise<Opened | string> {
  const { name, schema = onyxSchema, migrations = onyxMigrations, modelClasses = onyxModels } = options
  const opened = await openOpfs({ name, schema, migrations, createWorker: options.createWorker })
  if (typeof opened === 'string') return opened
  const database = new Database({ adapter: opened.adapter, modelClasses: [...modelClasses] })
  return { database, kind: 'opfs', close: opened.close }
}

async function openInIndexedDb(options: BrowserDatabaseOptions): Promise<Opened> {
  const { name, schema = onyxSchema, migrations = onyxMigrations, modelClasses = onyxModels } = options
  // Loaded where it is needed: with OPFS there is no use for LokiJS.
  const { openLoki } = await import('./adapters/browser/loki-database.js')
  return { kind: 'indexeddb', ...(await openLoki({ name, schema, migrations, modelClasses })) }
}

/** Rejects where the browser doesn't let one look: a second database beside one that can't be seen would be worse. */
async function isInIndexedDb(name: string): Promise<boolean> {
  if (globalThis.indexedDB === undefined) return false
  const found = await inspectIndexedDb(name)
  return found !== undefined && found.tables.length > 0
}

/**
 * An empty database in IndexedDB, which says that there is one in OPFS. Should the browser refuse OPFS one day, nobody
 * takes this for a new device.
 */
const traceOf = (name: string) => `onyx-sync-opfs/${name}`
const leaveTrace = (name: string) => makeIndexedDb(traceOf(name)).catch(() => {})
const hasTrace = (name: string) => hasIndexedDb(traceOf(name)).catch(() => false)

const labelOf = (name: string) => `the database ${JSON.stringify(name)}`
