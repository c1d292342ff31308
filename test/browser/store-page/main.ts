/** What tests of stores have a page do; see `StorePage`. */
import { appSchema, tableSchema } from '@nozbe/watermelondb'
import { addColumns, createTable, schemaMigrations } from '@nozbe/watermelondb/Schema/migrations/index.js'
import { onyxMigrations, onyxSchema, onyxTables, type SyncStore, watermelonStore } from '@onyx-sync/client'
import {
  type BrowserDatabase,
  type BrowserStorage,
  deleteBrowserDatabase,
  openBrowserDatabase,
} from '@onyx-sync/client/browser'
import { cases, runCase } from '../../support/page-vitest.js'
import './contract.js'
import * as files from './files.js'

/** A failure as what crosses to Node. */
export interface Failure {
  readonly code: string
  readonly message: string
}

const WORKERS = {
  faulty: () => new Worker(new URL('./faulty-worker.ts', import.meta.url), { type: 'module' }),
  noOpfs: () => new Worker(new URL('./no-opfs-worker.ts', import.meta.url), { type: 'module' }),
  listening: () => new Worker(new URL('./listening-worker.ts', import.meta.url), { type: 'module' }),
  missing: () => new Worker('/assets/there-is-none.js', { type: 'module' }),
}

/** The app's next version, with a table of its own. */
const nextTable = tableSchema({ name: 'notes', columns: [{ name: 'text', type: 'string' }] })
const nextVersion = onyxSchema.version + 1
const nextSchema = appSchema({ version: nextVersion, tables: [...onyxTables, nextTable] })
const nextMigrations = schemaMigrations({
  migrations: [
    ...onyxMigrations.sortedMigrations,
    {
      toVersion: nextVersion,
      steps: [createTable({ name: 'notes', columns: [{ name: 'text', type: 'string' }] })],
    },
  ],
})
/** Says nothing about the way from today's version. */
const noMigrations = schemaMigrations({
  migrations: [
    {
      toVersion: nextVersion + 1,
      steps: [addColumns({ table: 'notes', columns: [{ name: 'x', type: 'string' }] })],
    },
  ],
})
const APPS = {
  next: { schema: nextSchema, migrations: nextMigrations },
  nextWithoutMigration: {
    schema: appSchema({ version: nextVersion + 1, tables: [...onyxTables, nextTable] }),
    migrations: noMigrations,
  },
}

interface OpenOptions {
  readonly storage?: BrowserStorage
  readonly worker?: keyof typeof WORKERS
  readonly app?: keyof typeof APPS
}

let opened: BrowserDatabase | undefined
let store: SyncStore | undefined
let holder: Worker | undefined

async function attempt<T>(work: () => Promise<T>): Promise<T | Failure> {
  try {
    return await work()
  } catch (error) {
    const { code, message } = error as Failure
    return { code, message }
  }
}

/** What the page offers as `stores`. What rejects here gives a {@link Failure}. */
const page = {
  cases: () => cases.map(({ suite, name }) => ({ suite, name })),
  runCase,
  open: (name: string, { storage, worker, app }: OpenOptions = {}) =>
    attempt(async () => {
      opened = await openBrowserDatabase({
        name,
        ...(storage && { storage }),
        ...(worker && { createWorker: WORKERS[worker] }),
        ...(app && APPS[app]),
      })
      store = watermelonStore(opened.database)
      return opened.kind
    }),
  persisted: () => opened?.persisted,
  /** Adds an update of this many bytes, and a key that says so, in one batch. */
  commit: (seq: number, bytes = 100) =>
    attempt(async () => {
      // Nothing that could be compressed.
      const update = new Uint8Array(bytes)
      for (let at = 0; at < bytes; at += 65_536) crypto.getRandomValues(update.subarray(at, at + 65_536))
      update[0] = seq % 256
      await store?.commit({ updates: [{ seq, address: 'a', update }], meta: { cursor: String(seq) } })
      return 'saved'
    }),
  /** Commits on and on, without waiting between them, and says on the console what is saved. */
  commitFor(ms: number): void {
    const until = performance.now() + ms
    const next = (seq: number): void => {
      if (performance.now() > until) return
      void page.commit(seq, 20_000).then(() => console.log(`saved ${seq}`))
      setTimeout(() => next(seq + 1))
    }
    next(1)
  },
  /** Opens, commits and closes on and on, from this `seq`, and says on the console what is saved. */
  async cycle(name: string, first: number): Promise<void> {
    for (let seq = first; ; seq++) {
      await page.open(name)
      if ((await page.commit(seq, 20_000)) === 'saved') console.log(`saved ${seq}`)
      await page.close()
    }
  },
  /** Adds an update of a megabyte after the other, from this one on, until one is refused. */
  async fill(first: number): Promise<{ readonly saved: number[]; readonly refused?: Failure }> {
    const saved: number[] = []
    for (let seq = first; seq < first + 200; seq++) {
      const result = await page.commit(seq, 1_000_000)
      if (result !== 'saved') return { saved, refused: result as Failure }
      saved.push(seq)
    }
    return { saved }
  },
  read: () =>
    attempt(async () => ({
      seqs: (await store?.loadUpdates('a'))?.map(({ seq, update }) => (update[0] === seq % 256 ? seq : -seq)),
      cursor: (await store?.loadMeta())?.cursor,
    })),
  close: () => attempt(async () => opened?.close()),
  remove: (name: string) => attempt(() => deleteBrowserDatabase(name)),
  /** Holds the files of a database that isn't open. */
  hold: (name: string) =>
    new Promise<number>((resolve) => {
      holder = new Worker(new URL('./holding-worker.ts', import.meta.url), { type: 'module' })
      holder.onmessage = ({ data }) => resolve(data)
      holder.postMessage(files.poolOf(name))
    }),
  /** What the worker `listening` has done to files since the last call. */
  fileCalls: () =>
    new Promise<string[]>((resolve) => {
      const channel = new BroadcastChannel('file calls')
      channel.onmessage = ({ data }) => {
        channel.close()
        resolve(data)
      }
      channel.postMessage('which?')
    }),
  letGo: () => holder?.terminate(),
  ...files,
}
export type StorePage = typeof page
Object.assign(globalThis, { stores: page })
