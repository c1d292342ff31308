import type { SyncClient } from '../client-api.js'
import { BLANK_CHAT, type ChatResult, createChatParts } from './chat-parts.js'
import { type Source, sharedSource } from './source.js'
import { keyOf, useShared } from './use-source.js'

/**
 * A chat, by its id or address, open for as long as a component shows it: all of them share one. One that isn't on this
 * device yet is `failed` (`DOCUMENT_NOT_FOUND`, `DOCUMENT_NOT_HELD`), and opened once it has come or there is a
 * connection. What streams into it renders nothing here. Undefined opens nothing.
 */
export function useChat(chat: string | undefined): ChatResult {
  return useShared(chat === undefined ? undefined : keyOf('chat', chat), BLANK_CHAT, (client) =>
    createChatParts(client, chat as string),
  )
}

/** The same outside of a component. */
export function chatSource(client: SyncClient, chat: string): Source<ChatResult> {
  return sharedSource(client, keyOf('chat', chat), BLANK_CHAT, () => createChatParts(client, chat))
}
