import { type Clock, SyncError, type TimerHandle } from '@onyx-sync/shared'
import type { QueryRow, RowReader } from '../ports/store.js'
import { byActivity, type ChatSummary, rowToSummary } from './chat-summary.js'
import type { SearchResult } from './chats-api.js'
import type { LocalState } from './local-state.js'
import { rowToMessage } from './message-window.js'
import type { RowFeed } from './row-feed.js'
import { createView, endAll, hasSameFields, type View } from './view.js'

/** So long after a commit it is searched again, and what others commit meanwhile is found with it. Milliseconds. */
const SEARCH_AGAIN_MS = 300

export interface SearchParts {
  readonly store: RowReader
  readonly feed: RowFeed
  readonly local: LocalState
  readonly clock: Clock
}

/** What to search for, and where. */
export interface Search {
  readonly query: string
  /** Most messages to find. */
  readonly limit?: number | undefined
  /** Of the chat to search, if it is one; may throw. */
  address(): string | undefined
}

/** Searches titles and messages on this device, from the query tables: no document is loaded. */
export function createSearchView(
  { store, feed, local, clock }: SearchParts,
  { query, limit = 50, address: resolve }: Search,
): View<SearchResult> {
  /** What was found last, and the rows of its messages. */
  let found: SearchResult = { chats: [], messages: [] }
  let shown: readonly QueryRow[] = []

  async function read(): Promise<SearchResult> {
    if (!Number.isSafeInteger(limit) || limit < 1)
      throw new SyncError(
        'VALUE_INVALID',
        `the most messages to find is a whole number from 1 on, not ${limit}`,
      )
    const address = resolve()
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
    if (areSame(found.chats, chats) && areSame(shown, rows)) return found
    shown = rows
    found = { chats, messages: rows.map(toHit) }
    return found
  }

  return createView<SearchResult>({
    read,
    listen(refresh) {
      let timer: TimerHandle | undefined
      const soon = () => {
        timer ??= clock.setTimeout(() => {
          timer = undefined
          refresh()
        }, SEARCH_AGAIN_MS)
      }
      return endAll(
        feed.onReset(refresh),
        feed.onCommit(({ tables, evicted }) => {
          if (evicted.size > 0 || tables.has('chats') || tables.has('messages')) soon()
        }),
        () => {
          if (timer !== undefined) clock.clearTimeout(timer)
        },
      )
    },
  })
}

function toHit(row: QueryRow) {
  return { address: String(row.address), message: rowToMessage(row), position: Number(row.position) }
}

function areSame<T extends ChatSummary | QueryRow>(before: readonly T[], now: readonly T[]): boolean {
  return before.length === now.length && now.every((each, index) => hasSameFields(before[index] as T, each))
}
