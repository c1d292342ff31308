import { SyncError } from '@onyx-sync/shared'

/** A page that is reloaded lets go of its lock while the next one is there already. */
const WAIT_MS = 2_000

/**
 * Makes this page the only one to work with a database: LokiJS keeps all of it in memory, so two pages would overwrite
 * each other. The browser lets go of the lock when the page goes, however it goes. Rejects with `DATABASE_LOCKED`. Where a
 * browser has no Web Locks, or the page isn't from a secure origin, nothing is locked. @returns a function that lets go
 */
export function lockForThisPage(name: string): Promise<() => void> {
  const { locks } = globalThis.navigator ?? {}
  if (locks === undefined) return Promise.resolve(() => {})
  return new Promise((resolve, reject) => {
    const waiting = new AbortController()
    const timer = setTimeout(() => waiting.abort(), WAIT_MS)
    locks
      .request(`onyx-sync/${name}`, { signal: waiting.signal }, () => {
        clearTimeout(timer)
        return new Promise<void>((letGo) => resolve(() => letGo()))
      })
      .catch((cause) => {
        const message = `the database ${JSON.stringify(name)} is open already, in this page or another tab: go on there, or close that one`
        reject(new SyncError('DATABASE_LOCKED', message, { cause }))
      })
  })
}
