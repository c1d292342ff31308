import type { SyncClient } from '../client-api.js'
import type { ChatHistory } from '../model/history.js'
import { failed, LOADING, type Progress } from './result.js'
import type { SourceParts } from './source.js'
import { keyOf, useShared } from './use-source.js'
import { createRetry } from './when-there.js'

export interface HistoryResult extends Progress {
  /** Who changed what when, oldest first; empty while loading. */
  readonly entries: ChatHistory
  /** Asks the server for it again; what is there is shown meanwhile. */
  readonly reload: () => void
}

const BLANK: HistoryResult = { ...LOADING, entries: [], reload: () => {} }

/**
 * A chat's history from the signed log that the server has, as it was when the component was mounted. It takes a
 * connection: without one it is `failed` (`CONNECTION_FAILED`), and asked for again once there is one.
 */
export function useHistory(chat: string | undefined): HistoryResult {
  return useShared(chat === undefined ? undefined : keyOf('history', chat), BLANK, (client) =>
    createHistoryParts(client, chat as string),
  )
}

function createHistoryParts(client: SyncClient, chat: string): SourceParts<HistoryResult> {
  let reloadNow = () => {}
  const reload = () => reloadNow()
  let result: HistoryResult = { ...BLANK, reload }

  function start(tell: () => void): () => void {
    const mayRetry = createRetry(client, chat)
    let isOver = false
    let isLoading = false

    function show(next: HistoryResult): void {
      if (isOver) return
      result = next
      tell()
    }

    async function load(): Promise<void> {
      if (isLoading) return
      isLoading = true
      try {
        const entries = await client.chats.history(chat)
        show({ status: 'ready', error: undefined, entries, reload })
      } catch (error) {
        show({ ...result, ...failed(error) })
      } finally {
        isLoading = false
      }
    }

    reloadNow = () => void load()
    const endStatus = client.onStatus(() => {
      if (!isLoading && result.error !== undefined && mayRetry(result.error)) void load()
    })
    void load()
    return () => {
      isOver = true
      reloadNow = () => {}
      endStatus()
    }
  }

  return { read: () => result, start }
}
