import { SyncError } from '@onyx-sync/shared'
import type { RowReader } from '../ports/store.js'
import { byActivity, rowToSummary } from './chat-summary.js'
import type { SearchResult } from './chats-api.js'
import type { LocalState } from './local-state.js'
import { rowToMessage } from './message-window.js'

/** Searches titles and messages on this device, from the query tables: no document is loaded. */
export function createSearch({ store, local }: { readonly store: RowReader; readonly local: LocalState }) {
  return async (query: string, limit = 50, address?: string): Promise<SearchResult> => {
    if (!Number.isSafeInteger(limit) || limit < 1)
      throw new SyncError(
        'VALUE_INVALID',
        `the most messages to find is a whole number from 1 on, not ${limit}`,
      )
    const chats = (await store.searchRows('chats', query, { limit: Number.MAX_SAFE_INTEGER }))
      .map((row) => rowToSummary(row, local))
      .filter((chat) => chat.deletedAt === undefined && (address === undefined || chat.address === address))
      .sort(byActivity)
    const deleted = (await store.loadRows('chats')).filter((row) => row.deleted_at !== null)
    const rows = await store.searchRows('messages', query, {
      limit,
      exclude: new Set(deleted.map(({ id }) => id)),
      ...(address === undefined ? {} : { address }),
    })
    return {
      chats,
      messages: rows.map((row) => ({
        address: String(row.address),
        message: rowToMessage(row),
        position: Number(row.position),
      })),
    }
  }
}
