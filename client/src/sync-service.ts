import { SyncError } from '@onyx-sync/shared'
import type { SyncClient, SyncStatus } from './client-api.js'
import type { Chat } from './model/chat.js'
import type { JsonValue } from './model/json.js'
import type { Message, MessageRole } from './model/message.js'

/** A message as plain data. Keys besides these are carried along. */
export interface PlainMessage {
  /** @default one that is made of the message's place and text, so that the same list gives the same messages */
  readonly id?: string
  readonly role?: string
  readonly content: string
  /** Milliseconds since the Unix epoch. @default now */
  readonly createdAt?: number
  readonly [key: string]: unknown
}

/** A chat as plain data. */
export interface PlainChat {
  readonly messages: readonly PlainMessage[]
  readonly metadata?: Readonly<Record<string, unknown>>
}

/** The chat after the merge: what this device had, what was given, and what came from others. */
export interface MergedChat {
  readonly messages: readonly Message[]
  readonly metadata: { readonly title: string; readonly model: string; readonly createdAt: number }
}

/**
 * Syncs chats that an app keeps itself, as plain `{ messages, metadata }`: a thin layer over {@link SyncClient}, for apps
 * that want to change nothing else.
 */
export interface SyncService {
  /** Begins to sync, and keeps at it. Resolves when this device has caught up; false if that took too long. */
  connect(options?: { readonly timeoutMs?: number }): Promise<boolean>
  disconnect(): void
  readonly status: SyncStatus
  /**
   * Merges a chat by the ids of its messages: those that are new are appended, texts that differ are replaced by what
   * differs, and nothing is deleted for not being in the list. Of `metadata` it takes `title` and `model`. Resolves with
   * the whole chat when it is durable on this device; it is sent when there is a network. `VALUE_INVALID` for what is no
   * chat.
   */
  syncChat(chatId: string, data: PlainChat): Promise<MergedChat>
}

const ROLES: readonly string[] = ['system', 'user', 'assistant', 'tool']

/** A {@link SyncService} on an open client. */
export function createSyncService(client: SyncClient): SyncService {
  const { chats } = client

  async function openOrCreate(chatId: string): Promise<Chat> {
    try {
      return await chats.open(chatId)
    } catch (error) {
      if (!(error instanceof SyncError) || error.code !== 'DOCUMENT_NOT_FOUND') throw error
      await chats.create({ id: chatId })
      return chats.open(chatId)
    }
  }

  return {
    async connect({ timeoutMs = 30_000 } = {}) {
      client.connect()
      return client.synced({ timeoutMs })
    },
    disconnect: () => client.disconnect(),
    get status() {
      return client.status
    },

    async syncChat(chatId, { messages, metadata = {} }) {
      if (!Array.isArray(messages)) throw new SyncError('VALUE_INVALID', 'a chat has a list of messages')
      const checked = messages.map(checkMessage)
      const chat = await openOrCreate(chatId)
      try {
        const known = new Map(chat.messages.map((message) => [message.id, message]))
        const work = checked.map(async ({ id, role, content, createdAt, fields }) => {
          const before = known.get(id)
          if (before === undefined)
            await chat.send(content, { id, role, fields, ...(createdAt === undefined ? {} : { createdAt }) })
          else if (before.content !== content) await chat.edit(id, content)
        })
        if (typeof metadata.title === 'string' && metadata.title !== chat.title)
          work.push(chat.rename(metadata.title))
        await Promise.all(work)
        if (typeof metadata.model === 'string') await chat.setModel(metadata.model)
        const { title, model, createdAt, messages: merged } = await chats.read(chatId)
        return { messages: merged, metadata: { title, model, createdAt } }
      } finally {
        chat.release()
      }
    },
  }
}

interface CheckedMessage {
  readonly id: string
  readonly role: MessageRole
  readonly content: string
  readonly createdAt: number | undefined
  readonly fields: Readonly<Record<string, JsonValue>>
}

function checkMessage(message: PlainMessage, index: number): CheckedMessage {
  const { id, role = 'user', content, createdAt, ...others } = message ?? {}
  if (typeof content !== 'string')
    throw new SyncError('VALUE_INVALID', `the content of message ${index} is no text`)
  const known = role === 'function' ? 'tool' : role
  if (!ROLES.includes(known))
    throw new SyncError('VALUE_INVALID', `the role of message ${index} is ${JSON.stringify(role)}`)
  const { status: _, tools: __, device: ___, editedAt: ____, ...fields } = others
  return {
    id: typeof id === 'string' && id !== '' ? id : `message-${index}`,
    role: known as MessageRole,
    content,
    createdAt: typeof createdAt === 'number' ? createdAt : undefined,
    fields: fields as Record<string, JsonValue>,
  }
}
