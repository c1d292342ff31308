import { useCallback, useEffect, useMemo } from 'react'
import type { SyncClient, SyncStatus } from '../client-api.js'
import { useProvidedClient } from './provider.js'
import { createStillSource, keepSame, type Source, type SourceParts, sharedSource } from './source.js'
import { keyOf, useSource } from './use-source.js'

/** A device that isn't open yet. */
const NOT_OPEN: SyncStatus = {
  connection: 'offline',
  unsent: 0,
  refused: 0,
  isCaughtUp: false,
  problem: undefined,
  retryAtMs: undefined,
  mode: undefined,
  cursor: '',
  documents: 0,
  progress: undefined,
  setAside: 0,
}

function statusParts(client: SyncClient): SourceParts<SyncStatus> {
  let status = client.status
  return {
    read: () => status,
    start(tell) {
      const note = (next: SyncStatus) => {
        if (next === status) return
        status = next
        tell()
      }
      const end = client.onStatus(note)
      note(client.status)
      return end
    },
  }
}

function statusSource(client: SyncClient): Source<SyncStatus> {
  return sharedSource(client, keyOf('status'), client.status, () => statusParts(client))
}

/**
 * How the device stands. With `select` the component is rendered only when what it selects differs:
 * `useSyncStatus((status) => status.connection)`. A client that can't be opened shows as the status' `problem`.
 */
export function useSyncStatus(): SyncStatus
export function useSyncStatus<T>(select: (status: SyncStatus) => T): T
export function useSyncStatus<T>(select?: (status: SyncStatus) => T): T | SyncStatus {
  const { client, error } = useProvidedClient()
  const source = useMemo(() => {
    if (client !== undefined) return statusSource(client)
    if (error === undefined) return createStillSource(NOT_OPEN)
    return createStillSource({ ...NOT_OPEN, problem: { code: error.code, message: error.message } })
  }, [client, error])
  const selected = useMemo(() => selecting(source, select), [source, select])
  const blank = useMemo(() => (select === undefined ? NOT_OPEN : select(NOT_OPEN)), [select])
  return useSource(selected, blank)
}

/** What is selected of a source, once for each of its snapshots: `select` may make a new object each time. */
function selecting<S, T>(source: Source<S>, select: ((value: S) => T) | undefined): Source<T | S> {
  if (select === undefined) return source
  let last: { readonly from: S; readonly value: T } | undefined
  return {
    subscribe: source.subscribe,
    getSnapshot() {
      const from = source.getSnapshot()
      if (last === undefined || last.from !== from) last = { from, value: select(from) }
      return last.value
    },
  }
}

/** What is on this device only. */
export interface Unsaved {
  readonly edits: number
  /** Addresses of the documents. */
  readonly documents: readonly string[]
  /** For people: "3 edits not saved yet". */
  readonly message: string
}

const NOTHING = { unsaved: undefined } as { readonly unsaved: Unsaved | undefined }

/**
 * What would be left behind if the app were closed or the account logged out now; undefined when nothing would. With
 * `warnOnClose` a browser asks before it closes the page meanwhile.
 */
export function useUnsaved({
  warnOnClose = false,
}: {
  readonly warnOnClose?: boolean
} = {}): Unsaved | undefined {
  const { client } = useProvidedClient()
  const source = useMemo(
    () =>
      client === undefined
        ? createStillSource(NOTHING)
        : sharedSource(client, keyOf('unsaved'), NOTHING, () => unsavedParts(client)),
    [client],
  )
  const { unsaved } = useSource(source, NOTHING)
  const mustAsk = warnOnClose && unsaved !== undefined
  const ask = useCallback((event: Event) => event.preventDefault(), [])
  useEffect(() => {
    const page = globalThis as Partial<EventTarget>
    if (!mustAsk || page.addEventListener === undefined) return undefined
    page.addEventListener('beforeunload', ask)
    return () => page.removeEventListener?.('beforeunload', ask)
  }, [mustAsk, ask])
  return unsaved
}

function unsavedParts(client: SyncClient): SourceParts<typeof NOTHING> {
  let shown = NOTHING
  return {
    read: () => shown,
    start(tell) {
      const look = () => {
        const now = client.unsaved()
        const { unsaved: before } = shown
        const documents =
          before?.documents.join() === now?.documents.join() ? before?.documents : now?.documents
        const after = now && { ...now, documents: documents ?? [] }
        const unsaved = before && after ? keepSame<Unsaved>(before, after) : after
        if (unsaved === before) return
        shown = { unsaved }
        tell()
      }
      const end = client.onStatus(look)
      look()
      return end
    },
  }
}
