import type { QueryRow, RowReader } from '../ports/store.js'
import { byActivity, type ChatSummary, rowToSummary, withLocal } from './chat-summary.js'
import type { LocalState } from './local-state.js'
import type { RowFeed } from './row-feed.js'
import { createView, type View } from './view.js'

/** Which chats a list shows. */
export interface ChatListOptions {
  /** @default false */
  readonly includeDeleted?: boolean
  /** @default true */
  readonly includeArchived?: boolean
}

export interface ChatListParts {
  readonly store: RowReader
  readonly feed: RowFeed
  readonly local: LocalState
}

/** The chats by last activity, newest first, from the query table: no document is loaded. */
export function createChatListView(
  { store, feed, local }: ChatListParts,
  options: ChatListOptions = {},
): View<readonly ChatSummary[]> {
  const isShown = (chat: ChatSummary) =>
    (options.includeDeleted === true || chat.deletedAt === undefined) &&
    (options.includeArchived !== false || !chat.archived)

  /** The list with other rows; chats that stay as they were stay the same objects. */
  function replace(
    before: readonly ChatSummary[],
    rows: ReadonlyMap<string, QueryRow | null>,
  ): readonly ChatSummary[] {
    const kept = before.filter(({ address }) => !rows.has(address))
    const added = [...rows.values()]
      .filter((row) => row !== null)
      .map((row) => rowToSummary(row, local))
      .filter(isShown)
    return kept.length === before.length && added.length === 0 ? before : [...kept, ...added].sort(byActivity)
  }

  return createView<readonly ChatSummary[]>({
    read: async () =>
      (await store.loadRows('chats'))
        .map((row) => rowToSummary(row, local))
        .filter(isShown)
        .sort(byActivity),
    listen(refresh, set) {
      const endings = [
        feed.onReset(refresh),
        feed.onRows('chats', (rows) => set((before) => replace(before, rows))),
        local.onChange((address) =>
          set((before) => before.map((chat) => (chat.address === address ? withLocal(chat, local) : chat))),
        ),
      ]
      return () => {
        for (const end of endings) end()
      }
    },
  })
}
