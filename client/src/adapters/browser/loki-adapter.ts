import type { AppSchema, SchemaMigrations } from '@nozbe/watermelondb'
import type LokiAdapter from '@nozbe/watermelondb/adapters/lokijs/index.js'
import * as namespace from '@nozbe/watermelondb/adapters/lokijs/index.js'

/** What to keep in IndexedDB, and whom to tell that it can't be. */
export interface LokiOptions {
  readonly dbName: string
  readonly schema: AppSchema
  readonly migrations: SchemaMigrations
  onSetUpError(error: Error): void
}

type Constructor = typeof LokiAdapter.default

/** WatermelonDB's adapter for browsers, in the page itself: a worker couldn't tell when something has been saved. */
export function createLokiAdapter(options: LokiOptions): InstanceType<Constructor> {
  const Adapter = constructorOf(namespace.default)
  return new Adapter({ ...options, useWebWorker: false, useIncrementalIndexedDB: true })
}

/** Bundlers give a CommonJS default export as such or as the default of a default, depending on the importing package. */
function constructorOf(given: unknown): Constructor {
  return typeof given === 'function'
    ? (given as Constructor)
    : (given as { readonly default: Constructor }).default
}
