import { useEffect, useMemo, useRef } from 'react'
import type { SearchOptions, SearchResult } from '../model/chats-api.js'
import { useProvidedClient } from './provider.js'
import { LOADING, type Progress, progressOf } from './result.js'
import { viewParts } from './source.js'
import { keyOf, useShared } from './use-source.js'

/** What was found. While a newer query is under way, what the one before found is still shown, as `loading`. */
export interface SearchState extends Progress, SearchResult {}

interface Found extends Progress {
  readonly found: SearchResult | undefined
}

const BLANK: Found = { ...LOADING, found: undefined }
const NOTHING: SearchResult = { chats: [], messages: [] }
const NOTHING_ASKED: Found = { status: 'ready', error: undefined, found: NOTHING }

/**
 * Searches titles and messages on this device, and follows what comes; an empty query finds nothing. What is typed quickly is
 * best given through React's `useDeferredValue`. A hit's `position` is what `useMessages` takes as `around`.
 */
export function useSearch(query: string, options: SearchOptions = {}): SearchState {
  const { client } = useProvidedClient()
  const key = keyOf('search', query, options.chat, options.limit)
  const { status, error, found } = useShared(key, BLANK, ({ chats }) =>
    query.trim() === ''
      ? { read: () => NOTHING_ASKED, start: () => () => {} }
      : viewParts(chats.watchSearch(query, options), (value, failure) =>
          value === undefined && failure === undefined
            ? BLANK
            : { ...progressOf(value, failure), found: value },
        ),
  )
  // Not what another account's chats were.
  const last = useRef({ client, found: NOTHING })
  useEffect(() => {
    if (found !== undefined) last.current = { client, found }
  }, [client, found])
  return useMemo(() => {
    const before = last.current.client === client ? last.current.found : NOTHING
    return { status, error, ...(found ?? before) }
  }, [client, status, error, found])
}
