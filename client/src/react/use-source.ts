import { useCallback, useMemo, useSyncExternalStore } from 'react'
import type { SyncClient } from '../client-api.js'
import { useProvidedClient } from './provider.js'
import { failed, type Progress } from './result.js'
import { createStillSource, type Source, type SourceParts, sharedSource } from './source.js'

/** Shows a source. On a server, and while its page is taken over, it is `blank`. */
export function useSource<T>(source: Source<T>, blank: T): T {
  const getBlank = useCallback(() => blank, [blank])
  return useSyncExternalStore(source.subscribe, source.getSnapshot, getBlank)
}

/**
 * Shows what all who ask with the same key share. `make` depends on nothing but the client and the key. `blank` is shown
 * until there is something, with the provider's error where there is no client; and without a key.
 */
export function useShared<T extends Progress>(
  key: string | undefined,
  blank: T,
  make: (client: SyncClient) => SourceParts<T>,
): T {
  const { client, error } = useProvidedClient()
  // biome-ignore lint/correctness/useExhaustiveDependencies: what `make` needs besides the client is in the key
  const source = useMemo(() => {
    if (client === undefined)
      return createStillSource(error === undefined ? blank : { ...blank, ...failed(error) })
    return key === undefined ? createStillSource(blank) : sharedSource(client, key, blank, () => make(client))
  }, [client, error, key, blank])
  return useSource(source, blank)
}

/** A key for what hooks share. */
export function keyOf(...parts: readonly unknown[]): string {
  return JSON.stringify(parts)
}
