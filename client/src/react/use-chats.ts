import type { ChatListOptions } from '../model/chat-list-view.js'
import type { ChatSummary } from '../model/chat-summary.js'
import { LOADING, type Progress, progressOf } from './result.js'
import { viewParts } from './source.js'
import { keyOf, useShared } from './use-source.js'

export interface ChatsResult extends Progress {
  /** By last activity, newest first; empty while loading. A chat that stays as it was stays the same object. */
  readonly chats: readonly ChatSummary[]
}

const BLANK: ChatsResult = { ...LOADING, chats: [] }

/** The list of chats, as it changes. No document is loaded. */
export function useChats({
  includeDeleted = false,
  includeArchived = true,
}: ChatListOptions = {}): ChatsResult {
  return useShared(keyOf('chats', includeDeleted, includeArchived), BLANK, ({ chats }) =>
    viewParts(chats.watch({ includeDeleted, includeArchived }), (value, error) =>
      value === undefined && error === undefined
        ? BLANK
        : { ...progressOf(value, error), chats: value ?? BLANK.chats },
    ),
  )
}
