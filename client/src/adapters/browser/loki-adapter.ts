import type { AppSchema, SchemaMigrations } from '@nozbe/watermelondb'
import type LokiAdapter from '@nozbe/watermelondb/adapters/lokijs/index.js'
import * as namespace from '@nozbe/watermelondb/adapters/lokijs/index.js'
import { defaultOf } from '../watermelon/watermelon.js'

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
  const Adapter = defaultOf<Constructor>(namespace)
  return new Adapter({ ...options, useWebWorker: false, useIncrementalIndexedDB: true })
}
