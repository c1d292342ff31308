import type { SyncClient } from '../client-api.js'
import { hasSameFields, type View } from '../model/view.js'

/** What a hook shows, as React's `useSyncExternalStore` takes it. */
export interface Source<T> {
  /** The same object until it changes. */
  getSnapshot(): T
  subscribe(listener: () => void): () => void
}

/** What a source is made of. */
export interface SourceParts<T> {
  /** What is shown now: the same object until it changes. Also asked while nothing is open. */
  read(): T
  /** Opens what it takes, and calls `tell` after each change. @returns a function that closes it */
  start(tell: () => void): () => void
}

/**
 * A source that is open from its first listener on until a microtask after the last one has gone. Strict mode, and a
 * screen that replaces another, unsubscribe and subscribe in one go: nothing is closed and opened again for that.
 */
export function createSource<T>({ read, start }: SourceParts<T>, onRest = () => {}): Source<T> {
  const listeners = new Set<() => void>()
  let stop: (() => void) | undefined

  function rest(): void {
    if (listeners.size > 0 || stop === undefined) return
    stop()
    stop = undefined
    onRest()
  }

  return {
    getSnapshot: read,
    subscribe(listener) {
      const entry = () => listener()
      listeners.add(entry)
      stop ??= start(() => {
        for (const tell of [...listeners]) tell()
      })
      return () => {
        listeners.delete(entry)
        queueMicrotask(rest)
      }
    },
  }
}

/** A source that is always the same. */
export function createStillSource<T>(value: T): Source<T> {
  return { getSnapshot: () => value, subscribe: () => () => {} }
}

/** Sources that are open, by client and key: everybody who shows the same shows it from one, at the same moment. */
const open = new WeakMap<
  SyncClient,
  Map<string, { readonly source: Source<unknown>; readonly parts: object }>
>()

/**
 * A source that all who ask with the same key share while one of them listens. Nothing is made before: a render that
 * React throws away leaves nothing behind. `blank` is shown until then.
 */
export function sharedSource<T, P extends SourceParts<T>>(
  client: SyncClient,
  key: string,
  blank: T,
  make: () => P,
): Source<T> {
  return {
    getSnapshot: () => {
      const shared = open.get(client)?.get(key)
      return shared === undefined ? blank : (shared.source as Source<T>).getSnapshot()
    },
    subscribe(listener) {
      const sources = open.get(client) ?? new Map()
      open.set(client, sources)
      let shared = sources.get(key)
      if (shared === undefined) {
        const parts = make()
        shared = { parts, source: createSource(parts, () => sources.delete(key)) }
        sources.set(key, shared)
      }
      return (shared.source as Source<T>).subscribe(listener)
    },
  }
}

/** The parts of a shared source while somebody listens to it. */
export function openParts<P>(client: SyncClient, key: string): P | undefined {
  return open.get(client)?.get(key)?.parts as P | undefined
}

/** Shows a view of the model: the same result as long as the view shows the same. */
export function viewParts<T, R>(
  view: View<T>,
  toResult: (value: T | undefined, error: ReturnType<View<T>['getError']>) => R,
): SourceParts<R> {
  let value = view.getSnapshot()
  let error = view.getError()
  let result = toResult(value, error)
  return {
    read() {
      if (view.getSnapshot() === value && view.getError() === error) return result
      value = view.getSnapshot()
      error = view.getError()
      result = toResult(value, error)
      return result
    },
    start: view.subscribe,
  }
}

/** The object before, where the one after says the same in each of its fields. */
export function keepSame<T extends object>(before: T, after: T): T {
  return hasSameFields(before, after) ? before : after
}
