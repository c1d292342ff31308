import { type Clock, type Random, SyncError } from '@onyx-sync/shared'
import type * as Y from 'yjs'
import type { OpenDocument } from '../core/documents-api.js'
import {
  appendMessage,
  clearMessages,
  deleteMessage,
  editMessage,
  type MessageFields,
  renameChat,
  setMetadata,
  setToolCall,
  updateMessage,
} from './chat-edits.js'
import { createId } from './ids.js'
import type { JsonValue } from './json.js'
import { type Message, messageToJson } from './message.js'
import { createMessageList } from './message-list.js'
import type { StreamedMessage, StreamOptions } from './streamed-message.js'
import type { ToolCallInput } from './tool-call.js'
import { undoManagerOf } from './undo.js'

/**
 * A chat that is open: its document stays loaded until it is released. Edits are there when a call returns, and durable
 * on this device when its promise resolves; that never waits for a network. Rejects with `MESSAGE_NOT_FOUND`,
 * `VALUE_INVALID` or `STORE_FAILED`, and, changing nothing, with `WRITE_RESTRICTED` where this account is known to have
 * the role `read` by then.
 */
export interface Chat {
  readonly id: string
  readonly address: string
  /** Whose chat it is: 64 lower-case hex characters. */
  readonly owner: string
  /** For those who know Yjs. What is edited here is stored and sent like anything else. */
  readonly doc: Y.Doc
  /** All messages in the order of the chat, with edits that are not on disk yet; the same array until something changes. */
  readonly messages: readonly Message[]
  readonly title: string
  readonly isArchived: boolean
  readonly isDeleted: boolean
  /**
   * Whether its owner deleted it for good while it was open. Nothing brings it back then, and what is edited in it comes
   * to be refused: release it.
   */
  readonly isGone: boolean
  /** Calls back when messages, title, state or draft have changed, once per edit. @returns a function that ends it */
  subscribe(listener: () => void): () => void

  /** Appends a message. @returns the message as it is in the chat: the one of that id if there was one */
  send(content: string, fields?: MessageFields): Promise<Message>
  /**
   * Appends a message that is still being written. It is there at once, with the status `streaming`, and stays in this
   * chat whatever else is opened, edited or released meanwhile. Throws `VALUE_INVALID` for an id that the chat has, and
   * `WRITE_RESTRICTED` as the other edits reject.
   */
  stream(options?: StreamOptions): StreamedMessage
  /** Replaces a message's text by what differs, so that another device's change elsewhere in it survives. */
  edit(messageId: string, content: string): Promise<Message>
  /** Sets fields of the app's own, and `status`, `finishReason`, `usage`; `null` removes one. */
  update(messageId: string, fields: Readonly<Record<string, JsonValue>>): Promise<Message>
  /** Adds a tool call to a message, or says how far it is. */
  setTool(messageId: string, call: ToolCallInput): Promise<Message>
  /** Deletes a message. It stays deleted, also where another device edited it meanwhile. */
  deleteMessage(messageId: string): Promise<void>
  /** Deletes all messages that are there now; what another device appends meanwhile stays. */
  clear(): Promise<void>

  rename(title: string): Promise<void>
  /** A title that a program made up: it never replaces one that the user gave. */
  suggestTitle(title: string): Promise<void>
  /** Says which model the chat is held with. */
  setModel(model: string): Promise<void>
  archive(isArchived: boolean): Promise<void>
  /** Marks the chat as deleted. What is appended to it anyway is kept, and there when it is restored. */
  delete(): Promise<void>
  restore(): Promise<void>

  /**
   * Takes back what this device did to the chat last, since it was loaded; never what others did, nor what was
   * streamed. @returns whether there was something to take back
   */
  undo(): Promise<boolean>
  /** Does again what was taken back. */
  redo(): Promise<boolean>
  readonly canUndo: boolean
  readonly canRedo: boolean

  /** What was being written on this device, kept over restarts and never sent; empty where nothing was. */
  readonly draft: string
  setDraft(text: string): Promise<void>
  /** Takes note that everything in the chat was read on this device. */
  markRead(): Promise<void>
  /** Lets the document be unloaded again. Idempotent. Nothing may be edited through this handle after it. */
  release(): void
}

export interface ChatParts {
  readonly id: string
  readonly address: string
  readonly owner: string
  readonly opened: OpenDocument
  readonly deviceId: string
  readonly clock: Clock
  readonly random: Random
  readonly draft: () => string
  readonly isGone: () => boolean
  /** Throws `WRITE_RESTRICTED` where this account is known to have no right to write. */
  assertMayWrite(): void
  /** Calls back when the draft changed, or what is known of the chat besides its document. @returns a function that ends it */
  onOther(listener: () => void): () => void
  setDraft(text: string): Promise<void>
  /** Notes how many messages were read; written with the next batch. */
  noteRead(count: number): void
  flush(): Promise<void>
  startStream(options: StreamOptions | undefined): StreamedMessage
}

export function createChat(parts: ChatParts): Chat {
  const { opened, clock, random, deviceId } = parts
  const { doc } = opened
  // First: whoever hears of a change from the list asks what can be undone by then.
  const undoManager = undoManagerOf(doc)
  const list = createMessageList(doc)
  const metadata = doc.getMap<unknown>('metadata')

  let isReleased = false

  function requireEditable(): void {
    if (isReleased) throw new SyncError('VALUE_INVALID', 'this chat was released: open it again to change it')
    parts.assertMayWrite()
  }

  /** Async, so that what a change throws rejects; the change itself is made before anything waits. */
  async function edit<T>(change: (doc: Y.Doc) => T): Promise<T> {
    requireEditable()
    undoManager.stopCapturing()
    return opened.edit(change)
  }

  async function step(move: () => unknown): Promise<boolean> {
    requireEditable()
    const isMoved = move() !== null
    // What can be undone is less, also where nothing was left of it.
    if (!isMoved) list.tell()
    await parts.flush()
    return isMoved
  }

  return {
    id: parts.id,
    address: parts.address,
    owner: parts.owner,
    doc,
    get messages() {
      return list.messages
    },
    get title() {
      const title = metadata.get('title')
      return typeof title === 'string' ? title : ''
    },
    get isArchived() {
      return metadata.get('archived') === true
    },
    get isDeleted() {
      return typeof metadata.get('deletedAt') === 'number'
    },
    get isGone() {
      return parts.isGone()
    },
    subscribe(listener) {
      const endings = [list.subscribe(listener), parts.onOther(listener)]
      return () => {
        for (const end of endings) end()
      }
    },

    send: (content, fields = {}) =>
      edit((doc) => {
        const message = sendMessage(doc, content, fields, { deviceId, clock, random })
        if (message.role === 'user') parts.noteRead(doc.getArray('messages').length)
        return message
      }),
    stream(options) {
      requireEditable()
      return parts.startStream(options)
    },
    edit: (id, content) => edit((doc) => editMessage(doc, id, content, clock.now())),
    update: (id, fields) => edit((doc) => updateMessage(doc, id, fields)),
    setTool: (id, call) => edit((doc) => setToolCall(doc, id, call)),
    deleteMessage: (id) => edit((doc) => deleteMessage(doc, id)),
    clear: () => edit(clearMessages),

    rename: (title) => edit((doc) => renameChat(doc, title, 'user')),
    suggestTitle: (title) => edit((doc) => renameChat(doc, title, 'auto')),
    setModel: (model) => edit((doc) => setMetadata(doc, { model })),
    archive: (archived) => edit((doc) => setMetadata(doc, { archived })),
    delete: () => edit((doc) => setMetadata(doc, { deletedAt: clock.now() })),
    restore: () => edit((doc) => setMetadata(doc, { deletedAt: undefined })),

    undo: () => step(() => undoManager.undo()),
    redo: () => step(() => undoManager.redo()),
    get canUndo() {
      return undoManager.canUndo()
    },
    get canRedo() {
      return undoManager.canRedo()
    },

    get draft() {
      return parts.draft()
    },
    setDraft: parts.setDraft,
    markRead() {
      parts.noteRead(list.messages.length)
      return parts.flush()
    },
    release() {
      isReleased = true
      list.stop()
      opened.release()
    },
  }
}

/** Appends a message with what wasn't given decided here. */
export function sendMessage(
  doc: Y.Doc,
  content: string,
  fields: MessageFields,
  { deviceId, clock, random }: { deviceId: string; clock: Clock; random: Random },
): Message {
  const decided = {
    ...fields,
    id: fields.id ?? createId(random),
    role: fields.role ?? 'user',
    content,
    createdAt: fields.createdAt ?? clock.now(),
    device: deviceId,
  }
  return messageToJson(appendMessage(doc, decided, fields.id === undefined))
}
