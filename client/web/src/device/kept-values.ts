import { SyncError } from '@onyx-sync/client'
import { type Change, durableValues } from './durable-values.js'

/** Counts the changes that local storage has heard of. */
const COUNT = 'onyx-sync.changes'

/**
 * What belongs to this device and to nobody else, as texts by name: its key, its API keys, whether it is off the network, how
 * it looks. It is read from local storage, which is there at once and for all tabs, and kept in IndexedDB too, where it is on
 * the disk before a browser that is killed could lose it. Nothing of it is ever synced.
 */
export const keptValues = {
  /** Throws `STORE_FAILED` where the browser gives no storage. */
  get: (name: string): string | undefined => storage().getItem(name) ?? undefined,

  /** In force at once, for all tabs; on the disk when it resolves. Rejects with `STORE_FAILED`. */
  async set(...changes: readonly Change[]): Promise<void> {
    const count = noted() + 1
    put(changes, count)
    await durableValues.keep(changes, count)
  },

  /** As `set`, but in force only once it is on the disk. */
  async setOnceKept(...changes: readonly Change[]): Promise<void> {
    const count = noted() + 1
    await durableValues.keep(changes, count)
    put(changes, count)
  },

  /** All names that have a value. */
  names: (): readonly string[] => Object.keys(storage()),

  /** Brings back what local storage has lost with a browser that was killed. To be called before anything is read. */
  async mend(): Promise<void> {
    const durable = await durableValues.all()
    if (durable === undefined || durable.count <= noted()) return
    put(durable.changes, durable.count)
  },
}

function storage(): Storage {
  try {
    return localStorage
  } catch (cause) {
    throw new SyncError('STORE_FAILED', 'this browser lets the page keep nothing', { cause })
  }
}

function noted(): number {
  return Number(storage().getItem(COUNT) ?? 0)
}

function put(changes: readonly Change[], count: number): void {
  const values = storage()
  for (const [name, value] of changes) {
    // Other tabs hear of it, and take it for news.
    if (value === (values.getItem(name) ?? undefined)) continue
    if (value === undefined) values.removeItem(name)
    else values.setItem(name, value)
  }
  // Last: a browser that is killed keeps what came before something that it has kept.
  values.setItem(COUNT, `${Math.max(count, noted())}`)
}
