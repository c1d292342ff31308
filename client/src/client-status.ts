import type { Clock } from '@onyx-sync/shared'
import type { SyncStatus } from './client-api.js'

/** How a device stands, and who wants to know. */
export interface StatusBoard {
  /** The same object until something differs: whoever renders by it asks often. */
  read(): SyncStatus
  /** Something may have changed. Listeners hear of it once per tick at most: a burst of changes is one change. */
  changed(): void
  /** @returns a function that ends it */
  listen(listener: (status: SyncStatus) => void): () => void
  /**
   * Looks at every change until `look` decides; false when `timeoutMs` is over first. Looks again when `ready` has
   * settled; a boolean that it gives decides.
   */
  until(
    look: (status: SyncStatus) => boolean | undefined,
    timeoutMs: number | undefined,
    ready: Promise<boolean | undefined>,
  ): Promise<boolean>
}

export function createStatusBoard(clock: Clock, compose: () => SyncStatus): StatusBoard {
  const listeners = new Set<(status: SyncStatus) => void>()
  let last: SyncStatus | undefined
  let isNotifying = false

  function read(): SyncStatus {
    const now = compose()
    if (last === undefined || JSON.stringify(last) !== JSON.stringify(now)) last = now
    return last
  }

  function listen(listener: (status: SyncStatus) => void): () => void {
    listeners.add(listener)
    return () => listeners.delete(listener)
  }

  return {
    read,
    listen,
    changed() {
      if (isNotifying || listeners.size === 0) return
      isNotifying = true
      queueMicrotask(() => {
        isNotifying = false
        const status = read()
        for (const listener of listeners) listener(status)
      })
    },
    until: (look, timeoutMs, ready) =>
      new Promise((resolve) => {
        const settle = (result: boolean) => {
          stopListening()
          clock.clearTimeout(timer)
          resolve(result)
        }
        const check = (status: SyncStatus) => {
          const result = look(status)
          if (result !== undefined) settle(result)
        }
        const timer = timeoutMs === undefined ? undefined : clock.setTimeout(() => settle(false), timeoutMs)
        const stopListening = listen(check)
        void ready.then((result) => (typeof result === 'boolean' ? settle(result) : check(read())))
      }),
  }
}

/** Tells whether a promise has settled, however it did. */
export function settled(work: Promise<unknown>): {
  readonly isSettled: boolean
  readonly promise: Promise<undefined>
} {
  const state = { isSettled: false, promise: Promise.resolve(undefined) }
  const note = () => {
    state.isSettled = true
    return undefined
  }
  state.promise = work.then(note, note)
  return state
}
