import type { Chat } from './chat.js'
import type { MessageFields } from './chat-edits.js'
import type { ChatListOptions } from './chat-list-view.js'
import type { ChatSummary } from './chat-summary.js'
import type { ChatHistory } from './history.js'
import type { JsonValue } from './json.js'
import type { Message } from './message.js'
import type { MessagesOptions, MessagesView } from './message-window.js'
import type { Sharing } from './sharing.js'
import type { StreamedMessage, StreamOptions } from './streamed-message.js'
import type { ToolCallInput } from './tool-call.js'
import type { View } from './view.js'

/** A chat with its messages in document order. */
export interface ChatContent extends ChatSummary {
  readonly messages: readonly Message[]
}

/** What a chat begins with. */
export interface NewChat {
  /** @default random */
  readonly id?: string
  /** One that is given counts as the user's. @default empty, to be made up later */
  readonly title?: string
  readonly model?: string
}

/** A message that was found. */
export interface MessageHit {
  /** The chat's address. */
  readonly address: string
  readonly message: Message
  /** Place in the chat, from 0. */
  readonly position: number
}

/** What a search finds. */
export interface SearchResult {
  /** Chats whose titles match, by last activity. */
  readonly chats: readonly ChatSummary[]
  /** Messages, newest first. */
  readonly messages: readonly MessageHit[]
}

/** Where to search, and how much to find. */
export interface SearchOptions {
  /** Only in this chat. */
  readonly chat?: string
  /** Most messages to find. A whole number from 1. @default 50 */
  readonly limit?: number
}

/**
 * The account's chats. A chat is named by its id, or by its address where it is somebody else's. Every edit
 * resolves once it is durable on this device, and never waits for a network. Rejects with
 * `DOCUMENT_NOT_FOUND`, `MESSAGE_NOT_FOUND`, `VALUE_INVALID` or `STORE_FAILED`, and with `WRITE_RESTRICTED` where
 * this account is known to have the role `read`. A chat that is only listed is brought first, which needs a connection, or rejects with `DOCUMENT_NOT_HELD`.
 *
 * An edit here loads the chat for itself. A screen that shows one, or edits it often, opens it.
 */
export interface Chats extends Sharing {
  /** Makes a chat. `VALUE_INVALID` if there is one of that id. */
  create(options?: NewChat): Promise<ChatSummary>
  /** By last activity, newest first. Deleted ones only on demand. No document is loaded. */
  list(options?: ChatListOptions): Promise<ChatSummary[]>
  /** The same list, to be observed. */
  watch(options?: ChatListOptions): View<readonly ChatSummary[]>
  read(chat: string): Promise<ChatContent>
  /** The address of a chat, given its id or its address. Throws as the edits reject. */
  addressOf(chat: string): string
  /** The chat, kept loaded until released: to show all of it, and to edit it without waiting. */
  open(chat: string): Promise<Chat>
  /**
   * The newest messages of a chat, to be observed, without loading the chat. Shows nothing while the chat isn't on this
   * device: open it to bring it. Throws as the edits reject.
   */
  messages(chat: string, options?: MessagesOptions): MessagesView
  /** One message, with everything in it. */
  message(chat: string, messageId: string): Promise<Message>
  /**
   * Finds messages on this device that hold every word of the query, or begin with it; upper and lower case and accents
   * make no difference. In scripts without spaces between words it may stand anywhere.
   */
  search(query: string, options?: SearchOptions): Promise<SearchResult>
  /**
   * The same, to be observed: what comes or changes is found within a third of a second. What {@link Chats.search} rejects
   * with is its error.
   */
  watchSearch(query: string, options?: SearchOptions): View<SearchResult>

  /** Appends a message. @returns the message as stored: the one of that id, if there was one */
  send(chat: string, content: string, fields?: MessageFields): Promise<Message>
  /**
   * Appends a message that is still being written, such as a reply of a model, and resolves when it is there
   * with the status `streaming`. It stays in its chat, whatever else is opened, edited or deleted meanwhile.
   * `VALUE_INVALID` if the chat has a message of that id.
   */
  stream(chat: string, options?: StreamOptions): Promise<StreamedMessage>
  /** Replaces a message's text; what another device changes elsewhere in it is kept. */
  edit(chat: string, messageId: string, content: string): Promise<Message>
  /** See {@link Chat.update}. */
  update(chat: string, messageId: string, fields: Readonly<Record<string, JsonValue>>): Promise<Message>
  /** See {@link Chat.setTool}. */
  setTool(chat: string, messageId: string, call: ToolCallInput): Promise<Message>
  deleteMessage(chat: string, messageId: string): Promise<void>
  /** Deletes all messages that are there now. */
  clear(chat: string): Promise<void>

  /**
   * The key that wrote a message into the chat, 64 lower-case hex characters: of what its author's own event brought here,
   * as that was signed, and of what came as a merged state or with a checkpoint as the server says it. What is known is
   * kept. Undefined where nobody can tell. Needs a connection for what isn't known here: rejects as
   * {@link Chats.history}, and with `SERVER_KEY_CHANGED`.
   */
  authorOf(chat: string, messageId: string): Promise<string | undefined>
  /**
   * The keys that wrote messages into a chat, by message id, as far as this device knows them by itself: for many at once,
   * and without a connection. Those that aren't there are for {@link Chats.authorOf} to tell, which asks for the whole chat.
   */
  knownAuthors(chat: string, messageIds: readonly string[]): Promise<ReadonlyMap<string, string>>
  /**
   * Who changed what when, from the signed log that the server has: of what checkpoints have taken the place of, only the
   * outcome is left. Needs a connection: `CONNECTION_FAILED` without one, `RELAY_UNSUITABLE` at a plain relay.
   */
  history(chat: string): Promise<ChatHistory>
  /**
   * Puts a message back that was deleted, as a change of the chat's history has it, at its place. The same id is the same
   * message: one that is there already stays as it is.
   */
  restoreMessage(chat: string, message: Message, previousId?: string): Promise<Message>

  rename(chat: string, title: string): Promise<void>
  /** A title that a program made up: it never replaces one that the user gave. */
  suggestTitle(chat: string, title: string): Promise<void>
  /** Says which model the chat is held with. */
  setModel(chat: string, model: string): Promise<void>
  /** Marks a chat as deleted; {@link Chats.restore} undoes it. */
  delete(chat: string): Promise<void>
  restore(chat: string): Promise<void>
  /**
   * Deletes a chat of one's own for good, on the server and on every device (NIP-09): nothing brings it back. Resolves
   * once that is durable here; the server hears of it with the next connection. Edits that were not sent go, too.
   */
  deleteForever(chat: string): Promise<void>
  archive(chat: string, archived: boolean): Promise<void>

  /** Takes note that everything in the chat was read on this device. */
  markRead(chat: string): Promise<void>
  /** Keeps what is being written on this device, over restarts; it is never sent. */
  setDraft(chat: string, text: string): Promise<void>
  /**
   * Takes a chat's messages off this device; it stays in the list, and its messages come back when it is opened.
   * Rejects with `DOCUMENT_IN_USE` while it is open, or not all of it is on the server, and with `VALUE_INVALID`
   * on a device that holds everything.
   */
  evict(chat: string): Promise<void>
}
