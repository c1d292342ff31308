import { type SyncError, toSyncError } from '@onyx-sync/shared'

/**
 * Something to show that changes: made for React's `useSyncExternalStore`, and usable by anybody. It reads and listens
 * while somebody is subscribed, and rests otherwise.
 */
export interface View<T> {
  /** As it is now: the same object until it changes. Undefined until it has been read for the first time. */
  getSnapshot(): T | undefined
  /** Why it could not be read the last time, `STORE_FAILED`; undefined where it could. The next change reads it again. */
  getError(): SyncError | undefined
  /** Calls back after each change, of an error too. @returns a function that ends it */
  subscribe(listener: () => void): () => void
  /** Reads it now. Rejects with `STORE_FAILED`. */
  load(): Promise<T>
}

/** What a view is made of. */
export interface ViewParts<T> {
  /** Reads everything. */
  read(): Promise<T>
  /**
   * Calls `refresh` when it has to be read again; or `set` with what is to be shown now. @returns a function that ends it
   */
  listen(refresh: () => void, set: (update: (before: T) => T) => void): () => void
}

/** A view over what is read asynchronously. Changes while it is being read make it be read again. */
export function createView<T>({ read, listen }: ViewParts<T>): View<T> {
  const listeners = new Set<() => void>()
  let snapshot: T | undefined
  let failure: SyncError | undefined
  let stop: (() => void) | undefined
  /** Reads that are under way or begun since; the last one counts. */
  let reads = 0
  let isReading = false
  let isStale = false
  let lastReading: Promise<unknown> = Promise.resolve()

  /** One reading after another: some go by what was read last. */
  function readNext(): Promise<T> {
    const reading = lastReading.then(read)
    lastReading = reading.catch(() => {})
    return reading
  }

  function show(next: T): void {
    if (next === snapshot && failure === undefined) return
    snapshot = next
    failure = undefined
    tell()
  }

  function fail(error: unknown): void {
    failure = toSyncError(error, 'STORE_FAILED')
    tell()
  }

  function tell(): void {
    for (const listener of [...listeners]) listener()
  }

  async function refresh(): Promise<void> {
    isStale = true
    if (isReading) return
    isReading = true
    try {
      while (isStale && stop !== undefined) {
        isStale = false
        const startedIn = reads
        const result = await settled(readNext())
        // What changed meanwhile is read next. Until then this is newer than what is shown, and changes may never pause.
        if (startedIn === reads && stop !== undefined) result.show()
      }
    } finally {
      isReading = false
    }
  }

  /** How a reading ended, to be shown if it is still wanted. */
  async function settled(reading: Promise<T>): Promise<{ show(): void }> {
    try {
      const next = await reading
      return { show: () => show(next) }
    } catch (error) {
      return { show: () => fail(error) }
    }
  }

  function begin(): void {
    stop = listen(
      () => void refresh(),
      (update) => {
        // While it is being read it isn't known which of the two is newer.
        if (snapshot === undefined || isReading || failure !== undefined) void refresh()
        else show(update(snapshot))
      },
    )
    void refresh()
  }

  return {
    getSnapshot: () => snapshot,
    getError: () => failure,
    subscribe(listener) {
      // A function of its own for each, so that one listener may subscribe twice.
      const entry = () => listener()
      listeners.add(entry)
      if (stop === undefined) begin()
      return () => {
        listeners.delete(entry)
        if (listeners.size > 0 || stop === undefined) return
        stop()
        stop = undefined
        reads++
      }
    },
    load: readNext,
  }
}

/** Whether two objects say the same in each of their fields. */
export function hasSameFields<T extends object>(a: T, b: T): boolean {
  const keys = Object.keys(b) as (keyof T)[]
  return keys.length === Object.keys(a).length && keys.every((key) => Object.is(a[key], b[key]))
}

/** @returns a function that ends everything that the given ones end */
export function endAll(...endings: readonly (() => void)[]): () => void {
  return () => {
    for (const end of endings) end()
  }
}
