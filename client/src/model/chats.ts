import {
  type Clock,
  chatAddress,
  type DocumentAddress,
  formatAddress,
  isHex64,
  KIND,
  type Member,
  parseAddress,
  type Random,
  SyncError,
} from '@onyx-sync/shared'
import * as Y from 'yjs'
import type { Documents } from '../core/documents.js'
import type { QueryRow, SyncStore } from '../ports/store.js'
import { createId } from './ids.js'
import {
  checkRole,
  createMessageMap,
  findMessage,
  messageId as itemId,
  type Message,
  type MessageRole,
  messageToJson,
  readMessages,
  replaceText,
} from './message.js'
import type { StreamedMessage, StreamOptions, Streams } from './stream.js'

/** A chat as a list shows it; read from the query table, no document is loaded. */
export interface ChatSummary {
  readonly address: string
  readonly id: string
  /** Whose chat it is: 64 lower-case hex characters. */
  readonly owner: string
  readonly title: string
  /** Milliseconds since the Unix epoch. */
  readonly createdAt: number
  /** Time of the newest message, else of the chat. Milliseconds; a rename doesn't move it. */
  readonly lastActivityAt: number
  readonly messageCount: number
  readonly archived: boolean
  /** When it was deleted; undefined while it isn't. */
  readonly deletedAt: number | undefined
  /** Whether its messages are on this device; else they come when they are asked for. */
  readonly isHeld: boolean
  /** Size of what isn't on this device; undefined where everything is. */
  readonly bytes: number | undefined
}

/** A chat with its messages in document order. */
export interface ChatContent extends ChatSummary {
  readonly messages: readonly Message[]
}

/**
 * The account's chats. A chat is named by its id, or by its address where it is somebody else's. Every edit
 * resolves once it is durable on this device, and never waits for a network. Rejects with
 * `DOCUMENT_NOT_FOUND`, `MESSAGE_NOT_FOUND`, `VALUE_INVALID` or `STORE_FAILED`. A chat that is only listed is
 * brought first, which needs a connection, or rejects with `DOCUMENT_NOT_HELD`.
 */
export interface Chats {
  /** Makes a chat; `id` is random unless given. `VALUE_INVALID` if there is one of that id. */
  create(options?: {
    readonly id?: string
    readonly title?: string
    readonly model?: string
  }): Promise<ChatSummary>
  /** By last activity, newest first. Deleted ones only on demand. */
  list(options?: { readonly includeDeleted?: boolean }): Promise<ChatSummary[]>
  read(chat: string): Promise<ChatContent>
  /** Appends a message. @returns the message as stored */
  send(
    chat: string,
    content: string,
    options?: { readonly role?: MessageRole; readonly id?: string },
  ): Promise<Message>
  /**
   * Appends a message that is still being written, such as a reply of a model, and resolves when it is there
   * with the status `streaming`. It stays in its chat, whatever else is opened, edited or deleted meanwhile.
   * `VALUE_INVALID` if the chat has a message of that id.
   */
  stream(chat: string, options?: StreamOptions): Promise<StreamedMessage>
  /** Replaces a message's text; what another device changes elsewhere in it is kept. */
  edit(chat: string, messageId: string, content: string): Promise<Message>
  deleteMessage(chat: string, messageId: string): Promise<void>
  rename(chat: string, title: string): Promise<void>
  /** Marks a chat as deleted; {@link Chats.restore} undoes it. */
  delete(chat: string): Promise<void>
  restore(chat: string): Promise<void>
  archive(chat: string, archived: boolean): Promise<void>
  /** States who else may read and write a chat of one's own, by public key. */
  setMembers(chat: string, pubkeys: readonly string[]): Promise<void>
  /** The chat's `Y.Doc`, kept loaded until released. Its edits are stored and sent like any other. */
  open(chat: string): Promise<{ readonly doc: Y.Doc; release(): void }>
  /**
   * Takes a chat's messages off this device; it stays in the list, and its messages come back when it is opened.
   * Rejects with `DOCUMENT_IN_USE` while it is open, or not all of it is on the server, and with `VALUE_INVALID`
   * on a device that holds everything.
   */
  evict(chat: string): Promise<void>
}

const SCHEMA_VERSION = 1

export interface ChatsOptions {
  readonly pubkey: string
  readonly deviceId: string
  readonly documents: Documents
  readonly streams: Streams
  readonly store: SyncStore
  readonly clock: Clock
  readonly random: Random
  evict(address: string): Promise<void>
}

export function createChats(options: ChatsOptions): Chats {
  const { pubkey, deviceId, documents, streams, store, clock, random } = options

  function resolve(chat: string): DocumentAddress {
    const address = findAddress(chat)
    if (address === undefined || documents.info(formatAddress(address)) === undefined) {
      throw new SyncError(
        'DOCUMENT_NOT_FOUND',
        `there is no chat ${JSON.stringify(chat)} on this device: create it, or sync first`,
      )
    }
    return address
  }

  function findAddress(chat: string): DocumentAddress | undefined {
    const named = parseAddress(chat)
    if (named !== undefined) return named.kind === KIND.chat ? named : undefined
    const own = chatAddress(pubkey, chat)
    if (documents.info(formatAddress(own)) !== undefined) return own
    const shared = documents
      .list()
      .map((info) => parseAddress(info.address) as DocumentAddress)
      .filter((address) => address.kind === KIND.chat && address.identifier === chat)
    return shared.length === 1 ? shared[0] : undefined
  }

  async function editChat<T>(chat: string, change: (doc: Y.Doc) => T): Promise<T> {
    return documents.edit(formatAddress(resolve(chat)), change)
  }

  async function summaries(): Promise<ChatSummary[]> {
    return (await store.loadRows('chats')).map(rowToSummary)
  }

  async function summary(address: string): Promise<ChatSummary> {
    const rows = await store.loadRows('chats', { column: 'address', equals: address })
    if (rows[0] !== undefined) return rowToSummary(rows[0])
    // Received, but waiting for an update that is missing: there is no row yet (trap Y4).
    const { identifier = '', owner = '' } = parseAddress(address) ?? {}
    return {
      address,
      id: identifier,
      owner,
      title: '',
      createdAt: 0,
      lastActivityAt: 0,
      messageCount: 0,
      archived: false,
      deletedAt: undefined,
      isHeld: true,
      bytes: undefined,
    }
  }

  return {
    async create({ id = `chat_${createId(random)}`, title = '', model } = {}) {
      const address = formatAddress(chatAddress(pubkey, id))
      if (documents.info(address) !== undefined) {
        throw new SyncError('VALUE_INVALID', `there is a chat ${JSON.stringify(id)} already`)
      }
      await documents.edit(address, (doc) => {
        const metadata = doc.getMap<unknown>('metadata')
        metadata.set('createdAt', clock.now())
        metadata.set('schemaVersion', SCHEMA_VERSION)
        metadata.set('title', title)
        metadata.set('titleSource', title === '' ? 'auto' : 'user')
        if (model !== undefined) metadata.set('model', model)
      })
      return summary(address)
    },

    async list({ includeDeleted = false } = {}) {
      const list = (await summaries()).filter((chat) => includeDeleted || chat.deletedAt === undefined)
      return list.sort((a, b) => b.lastActivityAt - a.lastActivityAt || (a.address < b.address ? -1 : 1))
    },

    async read(chat) {
      const address = formatAddress(resolve(chat))
      const messages = await documents.read(address, (doc) =>
        [...readMessages(doc.getArray('messages')).values()].map(messageToJson),
      )
      return { ...(await summary(address)), messages }
    },

    async send(chat, content, { role = 'user', id: givenId } = {}) {
      checkRole(role)
      return editChat(chat, (doc) => {
        const messages = doc.getArray<unknown>('messages')
        // The same id again is the same message: a repeated import doesn't double it (trap Y8).
        const existing = givenId === undefined ? undefined : findMessage(messages, givenId)
        if (existing !== undefined) return messageToJson(existing)
        const id = givenId ?? createId(random)
        const map = createMessageMap({ id, role, content, createdAt: clock.now(), device: deviceId })
        messages.push([map])
        return messageToJson(map)
      })
    },

    stream: async (chat, streamOptions) => streams.start(formatAddress(resolve(chat)), streamOptions),

    async edit(chat, messageId, content) {
      return editChat(chat, (doc) => {
        const map = requireMessage(doc, messageId)
        const text = map.get('content')
        if (text instanceof Y.Text) replaceText(text, content)
        else map.set('content', new Y.Text(content))
        map.set('editedAt', clock.now())
        return messageToJson(map)
      })
    },

    async deleteMessage(chat, messageId) {
      await editChat(chat, (doc) => {
        requireMessage(doc, messageId)
        const messages = doc.getArray<unknown>('messages')
        // Every item of that id: the copy of a twofold import must not come up behind the first (trap Y8).
        const items = messages.toArray()
        for (let index = items.length - 1; index >= 0; index--) {
          if (itemId(items[index]) === messageId) messages.delete(index)
        }
      })
    },

    async rename(chat, title) {
      await editChat(chat, (doc) => {
        doc.getMap('metadata').set('title', title)
        doc.getMap('metadata').set('titleSource', 'user')
      })
    },

    async delete(chat) {
      await editChat(chat, (doc) => {
        doc.getMap('metadata').set('deletedAt', clock.now())
      })
    },

    async restore(chat) {
      await editChat(chat, (doc) => doc.getMap('metadata').delete('deletedAt'))
    },

    async archive(chat, archived) {
      await editChat(chat, (doc) => {
        doc.getMap('metadata').set('archived', archived)
      })
    },

    async setMembers(chat, pubkeys) {
      const address = resolve(chat)
      if (address.owner !== pubkey)
        throw new SyncError('VALUE_INVALID', 'only the owner of a chat says who its members are')
      const wrong = pubkeys.find((key) => !isHex64(key))
      if (wrong !== undefined)
        throw new SyncError('VALUE_INVALID', `${JSON.stringify(wrong)} is not 64 lower-case hex characters`)
      const members = [...new Set(pubkeys)]
        .filter((key) => key !== pubkey)
        .map((key): Member => ({ pubkey: key, extra: [] }))
      await documents.setMembers(formatAddress(address), members)
    },

    open: async (chat) => documents.open(formatAddress(resolve(chat))),
    evict: async (chat) => options.evict(formatAddress(resolve(chat))),
  }
}

function requireMessage(doc: Y.Doc, id: string): Y.Map<unknown> {
  const map = findMessage(doc.getArray('messages'), id)
  if (map === undefined)
    throw new SyncError('MESSAGE_NOT_FOUND', `there is no message ${JSON.stringify(id)} in this chat`)
  return map
}

function rowToSummary(row: QueryRow): ChatSummary {
  return {
    address: row.id,
    id: String(row.chat_id),
    owner: String(row.owner),
    title: String(row.title),
    createdAt: Number(row.created_at),
    lastActivityAt: Number(row.last_activity_at),
    messageCount: Number(row.message_count),
    archived: row.archived === true || row.archived === 1,
    deletedAt: row.deleted_at === null || row.deleted_at === undefined ? undefined : Number(row.deleted_at),
    isHeld: row.held === true || row.held === 1,
    bytes: row.bytes === null || row.bytes === undefined ? undefined : Number(row.bytes),
  }
}
