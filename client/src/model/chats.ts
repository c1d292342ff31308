import {
  type Clock,
  chatAddress,
  type DocumentAddress,
  formatAddress,
  KIND,
  parseAddress,
  type Random,
  SyncError,
} from '@onyx-sync/shared'
import * as Y from 'yjs'
import { isDeleted } from '../core/deletions.js'
import type { LoggedEdit } from '../core/document-log.js'
import type { ModelDocuments } from '../core/model-documents.js'
import type { RowReader } from '../ports/store.js'
import { createChat, sendMessage } from './chat.js'
import {
  clearMessages,
  deleteMessage,
  editMessage,
  renameChat,
  requireMessage,
  restoreMessage,
  setMetadata,
  setToolCall,
  updateMessage,
} from './chat-edits.js'
import { createChatListView } from './chat-list-view.js'
import { type ChatSummary, emptySummary, rowToSummary } from './chat-summary.js'
import type { Chats, SearchOptions } from './chats-api.js'
import type { ChatHistory, HistoryParts } from './history.js'
import { createId } from './ids.js'
import type { LocalState } from './local-state.js'
import { clientIdsOf, messageToJson, readMessages } from './message.js'
import { createMessagesView } from './message-window.js'
import type { RowFeed } from './row-feed.js'
import { createSearchView } from './search.js'
import { createSharing } from './sharing.js'
import type { Streams } from './stream.js'

const SCHEMA_VERSION = 1

export interface ChatsOptions {
  readonly pubkey: string
  readonly deviceId: string
  readonly documents: ModelDocuments
  readonly streams: Streams
  readonly store: RowReader
  readonly feed: RowFeed
  readonly local: LocalState
  readonly clock: Clock
  readonly random: Random
  evict(address: string): Promise<void>
  /** The signed log of a document, from the server. */
  loadLog(address: DocumentAddress): Promise<readonly LoggedEdit[]>
  createHistory(parts: HistoryParts): Promise<ChatHistory>
  deleteForever(address: string): Promise<void>
  /** The keys that wrote under Yjs client ids, see `Authorship.find`. */
  authorsOf(
    address: string,
    clientIds: readonly number[],
    mayAsk?: boolean,
  ): Promise<ReadonlyMap<number, string>>
}

export function createChats(options: ChatsOptions): Chats {
  const { pubkey, deviceId, documents, streams, store, local, clock, random } = options
  const { sharing, assertMayWrite } = createSharing({ pubkey, documents, resolve })

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

  const addressOf = (chat: string): string => formatAddress(resolve(chat))

  /** The address of a chat that this account may write to. Throws `DOCUMENT_NOT_FOUND`, `WRITE_RESTRICTED`. */
  function editable(chat: string): string {
    const address = resolve(chat)
    assertMayWrite(address)
    return formatAddress(address)
  }

  /** Async, so that a chat that isn't there rejects. */
  async function edit<T>(chat: string, change: (doc: Y.Doc) => T): Promise<T> {
    return documents.edit(editable(chat), change)
  }

  async function summary(address: string): Promise<ChatSummary> {
    const [row] = await store.loadRows('chats', { column: 'address', equals: address })
    return row === undefined ? emptySummary(address) : rowToSummary(row, local)
  }

  const isGone = (address: string): boolean => isDeleted(documents.info(address)?.body)

  async function keep(note: () => void): Promise<void> {
    note()
    await documents.journal.flush()
  }

  /** A message's own device has read it, and what is above it. */
  function noteSent(address: string, doc: Y.Doc): void {
    local.setReadCount(address, doc.getArray('messages').length)
  }

  const search = (query: string, { chat, limit }: SearchOptions = {}) =>
    createSearchView(options, {
      query,
      limit,
      address: () => (chat === undefined ? undefined : addressOf(chat)),
    })

  return {
    async create({ id = `chat_${createId(random)}`, title = '', model } = {}) {
      const address = formatAddress(chatAddress(pubkey, id))
      if (documents.info(address) !== undefined) {
        throw new SyncError('VALUE_INVALID', `there is a chat ${JSON.stringify(id)} already`)
      }
      await documents.edit(address, (doc) =>
        setMetadata(doc, {
          createdAt: clock.now(),
          schemaVersion: SCHEMA_VERSION,
          title,
          titleSource: title === '' ? 'auto' : 'user',
          model,
        }),
      )
      return summary(address)
    },

    list: async (listOptions) => [...(await createChatListView(options, listOptions).load())],
    watch: (listOptions) => createChatListView(options, listOptions),

    async read(chat) {
      const address = addressOf(chat)
      const messages = await documents.read(address, (doc) =>
        [...readMessages(doc.getArray('messages')).values()].map(messageToJson),
      )
      return { ...(await summary(address)), messages }
    },

    async open(chat) {
      const parsed = resolve(chat)
      const address = formatAddress(parsed)
      const opened = await documents.open(address)
      return createChat({
        ...{ id: parsed.identifier, owner: parsed.owner, address, opened, deviceId, clock, random },
        draft: () => local.draft(address),
        isGone: () => isGone(address),
        assertMayWrite: () => assertMayWrite(parsed),
        onOther(listener) {
          let draft = local.draft(address)
          const endings = [
            local.onChange((changed) => {
              if (changed !== address || local.draft(address) === draft) return
              draft = local.draft(address)
              listener()
            }),
            options.feed.onRows('chats', (rows) => rows.has(address) && isGone(address) && listener()),
            options.feed.onReset(listener),
          ]
          return () => {
            for (const end of endings) end()
          }
        },
        setDraft: (text) => keep(() => local.setDraft(address, text)),
        noteRead: (count) => local.setReadCount(address, count),
        flush: () => documents.journal.flush(),
        startStream: (streamOptions) => streams.startIn(opened, address, streamOptions),
      })
    },

    messages: (chat, windowOptions) => createMessagesView(options, addressOf(chat), windowOptions),
    message: async (chat, messageId) =>
      documents.read(addressOf(chat), (doc) => messageToJson(requireMessage(doc, messageId))),
    search: (query, searchOptions) => search(query, searchOptions).load(),
    watchSearch: search,

    async send(chat, content, fields = {}) {
      const address = editable(chat)
      return documents.edit(address, (doc) => {
        const message = sendMessage(doc, content, fields, { deviceId, clock, random })
        if (message.role === 'user') noteSent(address, doc)
        return message
      })
    },

    stream: async (chat, streamOptions) => streams.start(editable(chat), streamOptions),
    edit: (chat, messageId, content) =>
      edit(chat, (doc) => editMessage(doc, messageId, content, clock.now())),
    update: (chat, messageId, fields) => edit(chat, (doc) => updateMessage(doc, messageId, fields)),
    setTool: (chat, messageId, call) => edit(chat, (doc) => setToolCall(doc, messageId, call)),
    deleteMessage: (chat, messageId) => edit(chat, (doc) => deleteMessage(doc, messageId)),
    clear: (chat) => edit(chat, clearMessages),
    async authorOf(chat, messageId) {
      const address = addressOf(chat)
      const clientId = await documents.read(address, (doc) => requireMessage(doc, messageId)._item?.id.client)
      if (clientId === undefined) return undefined
      return (await options.authorsOf(address, [clientId])).get(clientId)
    },
    async knownAuthors(chat, messageIds) {
      const address = addressOf(chat)
      const clients = await documents.read(address, (doc) =>
        clientIdsOf(doc.getArray('messages'), messageIds),
      )
      const authors = await options.authorsOf(address, [...clients.values()], false)
      return new Map(
        [...clients].flatMap(([id, client]) => {
          const author = authors.get(client)
          return author === undefined ? [] : [[id, author] as const]
        }),
      )
    },
    async history(chat) {
      const address = resolve(chat)
      const edits = await options.loadLog(address)
      const { state, clientIds } = await documents.read(formatAddress(address), (doc) => {
        return { state: Y.encodeStateAsUpdate(doc), clientIds: [...doc.store.clients.keys()] }
      })
      const authors = edits.some(({ isCheckpoint }) => isCheckpoint)
        ? // What the log says is worth showing without.
          await options.authorsOf(formatAddress(address), clientIds).catch(() => new Map<number, string>())
        : new Map<number, string>()
      return options.createHistory({ edits, state, pubkey, now: clock.now(), authors })
    },
    restoreMessage: (chat, message, previousId) =>
      edit(chat, (doc) => restoreMessage(doc, message, previousId)),
    rename: (chat, title) => edit(chat, (doc) => renameChat(doc, title, 'user')),
    suggestTitle: (chat, title) => edit(chat, (doc) => renameChat(doc, title, 'auto')),
    setModel: (chat, model) => edit(chat, (doc) => setMetadata(doc, { model })),
    delete: (chat) => edit(chat, (doc) => setMetadata(doc, { deletedAt: clock.now() })),
    restore: (chat) => edit(chat, (doc) => setMetadata(doc, { deletedAt: undefined })),
    archive: (chat, archived) => edit(chat, (doc) => setMetadata(doc, { archived })),

    ...sharing,

    async markRead(chat) {
      const address = addressOf(chat)
      const { messageCount } = await summary(address)
      await keep(() => local.setReadCount(address, messageCount))
    },
    setDraft: async (chat, text) => {
      const address = addressOf(chat)
      await keep(() => local.setDraft(address, text))
    },
    evict: async (chat) => options.evict(addressOf(chat)),
    addressOf,
    async deleteForever(chat) {
      const address = addressOf(chat)
      await options.deleteForever(address)
      await keep(() => local.setDraft(address, ''))
    },
  }
}
