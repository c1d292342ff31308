import type { JsonValue } from '../json.js'
import type { MessageRole, MessageStatus } from '../message.js'
import type { ToolCallInput } from '../tool-call.js'

/** A message from elsewhere. */
export interface ImportedMessage {
  /** The same for the same message, whenever and wherever it is imported. */
  readonly id: string
  readonly role: MessageRole
  readonly content: string
  /** Milliseconds since the Unix epoch; 0 if not known. */
  readonly createdAt: number
  readonly editedAt?: number
  readonly status?: MessageStatus
  readonly reasoning?: string
  readonly tools?: readonly ToolCallInput[]
  readonly finishReason?: string
  readonly usage?: JsonValue
  /** Everything else that it had. */
  readonly fields?: Readonly<Record<string, JsonValue>>
}

/** A chat from elsewhere. */
export interface ImportedChat {
  /** The same for the same chat, whenever and wherever it is imported. 1–128 characters. */
  readonly id: string
  readonly title?: string
  readonly titleSource?: 'user' | 'auto'
  readonly createdAt?: number
  readonly model?: string
  readonly archived?: boolean
  readonly messages: readonly ImportedMessage[]
}

/** What a file held. */
export interface ImportedData {
  /** What made it. */
  readonly source: ImportSource
  readonly chats: readonly ImportedChat[]
  /** What of it could not be read, in words for people; the rest is in `chats`. */
  readonly problems: readonly string[]
}

/** Programs whose files can be read. */
export type ImportSource = 'onyx' | 'chatgpt' | 'claude' | 'onyx-sync'
