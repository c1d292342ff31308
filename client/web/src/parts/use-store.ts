import { useCallback, useSyncExternalStore } from 'react'

/** Shows what a store says now. `read` gives the same value until it changes. */
export function useStore<T>(store: { subscribe(listener: () => void): () => void }, read: () => T): T {
  const subscribe = useCallback((listener: () => void) => store.subscribe(listener), [store])
  return useSyncExternalStore(subscribe, read)
}
