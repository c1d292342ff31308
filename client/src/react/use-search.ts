import { useEffect, useMemo } from 'react'
import type { SyncClient } from '../client-api.js'
import type { SearchOptions, SearchResult } from '../model/chats-api.js'
import { useProvidedClient } from './provider.js'
import { failed, LOADING, type Progress } from './result.js'
import { createStillSource, type Source } from './source.js'
import { keyOf, useSource } from './use-source.js'

/** What was found. While a newer query is under way, what the one before found is still shown, as `loading`. */
export interface SearchState extends Progress, SearchResult {}

const BLANK: SearchState = { ...LOADING, chats: [], messages: [] }
const NOTHING: SearchState = { status: 'ready', error: undefined, chats: [], messages: [] }

/**
 * Searches titles and messages on this device; an empty query finds nothing. What is typed quickly is best given through
 * React's `useDeferredValue`. A hit's `position` is what `useMessages` takes as `around`.
 */
export function useSearch(query: string, { chat, limit }: SearchOptions = {}): SearchState {
  const { client, error } = useProvidedClient()
  const search = useMemo(() => (client === undefined ? undefined : createSearch(client)), [client])
  const still = useMemo(
    () => createStillSource(error === undefined ? BLANK : { ...BLANK, ...failed(error) }),
    [error],
  )
  useEffect(() => {
    search?.find(query, {
      ...(chat === undefined ? {} : { chat }),
      ...(limit === undefined ? {} : { limit }),
    })
  }, [search, query, chat, limit])
  return useSource(search ?? still, BLANK)
}

function createSearch(client: SyncClient): Source<SearchState> & {
  find(query: string, options: SearchOptions): void
} {
  const listeners = new Set<() => void>()
  let shown = BLANK
  let asked = ''

  function show(next: SearchState): void {
    shown = next
    for (const listener of [...listeners]) listener()
  }

  return {
    getSnapshot: () => shown,
    subscribe(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    find(query, options) {
      const key = keyOf(query, options)
      if (key === asked) return
      asked = key
      if (query.trim() === '') {
        show(NOTHING)
        return
      }
      if (shown.status !== 'loading') show({ ...shown, ...LOADING })
      client.chats.search(query, options).then(
        (found) => {
          if (key === asked) show({ status: 'ready', error: undefined, ...found })
        },
        (error) => {
          if (key !== asked) return
          // Asked for again, it is tried again.
          asked = ''
          show({ ...shown, ...failed(error) })
        },
      )
    },
  }
}
