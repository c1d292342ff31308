/*
 * What changes a chat, on its `Y.Doc`. Each is called inside a transaction, checks what it is given before it changes
 * anything, and throws `VALUE_INVALID` or `MESSAGE_NOT_FOUND`. Two devices' edits of one moment come to one outcome,
 * which is written down in SPEC "Editing at the same time".
 */
import { SyncError } from '@onyx-sync/shared'
import * as Y from 'yjs'
import { isSameJson, type JsonValue, toJsonValue } from './json.js'
import {
  checkRole,
  findMessage,
  messageId as itemId,
  type Message,
  type MessageRole,
  type MessageStatus,
  messageToJson,
  replaceText,
} from './message.js'
import { redactSecrets } from './secrets.js'
import { type ToolCallInput, writeToolCall } from './tool-call.js'

/** What a new message holds besides its text. */
export interface MessageFields {
  /** @default user */
  readonly role?: MessageRole
  /** A message of that id that is there already is returned, unchanged. @default random */
  readonly id?: string
  /** For messages from elsewhere. Milliseconds since the Unix epoch. @default now */
  readonly createdAt?: number
  /** @default complete */
  readonly status?: MessageStatus
  readonly reasoning?: string
  readonly tools?: readonly ToolCallInput[]
  readonly finishReason?: string
  readonly usage?: JsonValue
  /** Fields of the app's own, carried along untouched. */
  readonly fields?: Readonly<Record<string, JsonValue>>
}

/** A message as it is appended: everything that may be left out is decided. */
export interface NewMessage extends MessageFields {
  readonly id: string
  readonly role: MessageRole
  readonly content: string
  readonly createdAt: number
  /** The device that writes it; empty for one from elsewhere. */
  readonly device: string
}

/** Keys of a message that have calls of their own, or must not change. */
const KEPT_KEYS: readonly string[] = [
  'id',
  'role',
  'content',
  'createdAt',
  'device',
  'editedAt',
  'reasoning',
  'tools',
]

/** A message for a chat's `messages` array. */
export function createMessageMap(input: NewMessage): Y.Map<unknown> {
  checkRole(input.role)
  const fields = checkFields({
    ...input.fields,
    ...(input.finishReason === undefined ? {} : { finishReason: input.finishReason }),
    ...(input.usage === undefined ? {} : { usage: input.usage }),
  })
  const map = new Y.Map<unknown>()
  map.set('id', input.id)
  map.set('role', input.role)
  map.set('content', new Y.Text(input.content))
  map.set('createdAt', input.createdAt)
  map.set('status', input.status ?? 'complete')
  if (input.device !== '') map.set('device', input.device)
  if (input.reasoning !== undefined) map.set('reasoning', new Y.Text(input.reasoning))
  for (const [key, value] of Object.entries(fields)) map.set(key, value)
  return map
}

/** Appends a message; the one of that id, where there is one already (trap Y8). @returns what is in the chat now */
export function appendMessage(doc: Y.Doc, input: NewMessage, isNewId: boolean): Y.Map<unknown> {
  const messages = doc.getArray<unknown>('messages')
  const existing = isNewId ? undefined : findMessage(messages, input.id)
  if (existing !== undefined) return existing
  const map = createMessageMap(input)
  messages.push([map])
  // A map answers only once it is in a document.
  for (const call of input.tools ?? []) writeToolCall(map, call)
  return map
}

/**
 * Puts a message back that was deleted, behind the one that stood before it, or at the end where that is gone too. One of
 * that id that is there stays as it is.
 */
export function restoreMessage(doc: Y.Doc, message: Message, previousId: string | undefined): Message {
  const messages = doc.getArray<unknown>('messages')
  const existing = findMessage(messages, message.id)
  if (existing !== undefined) return messageToJson(existing)
  const {
    id,
    role,
    content,
    createdAt,
    status,
    device,
    editedAt,
    reasoning,
    tools,
    isPartial: _,
    ...fields
  } = message
  const map = createMessageMap({
    ...{ id, role, content, createdAt, device: device ?? '' },
    status: status === 'streaming' ? 'aborted' : status,
    ...(reasoning === undefined ? {} : { reasoning }),
    fields: fields as Record<string, JsonValue>,
  })
  if (editedAt !== undefined) map.set('editedAt', editedAt)
  const previous = messages.toArray().findIndex((item) => itemId(item) === previousId)
  messages.insert(previousId === undefined ? 0 : previous < 0 ? messages.length : previous + 1, [map])
  for (const call of tools ?? []) writeToolCall(map, call)
  return messageToJson(map)
}

/** Replaces a message's text by what differs. */
export function editMessage(doc: Y.Doc, id: string, content: string, now: number): Message {
  const map = requireMessage(doc, id)
  const text = map.get('content')
  if (text instanceof Y.Text) replaceText(text, content)
  else map.set('content', new Y.Text(content))
  map.set('editedAt', now)
  return messageToJson(map)
}

/** Sets fields of a message; `null` removes one. What is the same already is not written. */
export function updateMessage(doc: Y.Doc, id: string, fields: Readonly<Record<string, JsonValue>>): Message {
  const map = requireMessage(doc, id)
  for (const [key, value] of Object.entries(checkFields(fields))) {
    if (value === null) map.delete(key)
    else if (!isSameJson(map.get(key), value)) map.set(key, value)
  }
  return messageToJson(map)
}

/** Adds a tool call to a message, or says how far it is. */
export function setToolCall(doc: Y.Doc, id: string, call: ToolCallInput): Message {
  const map = requireMessage(doc, id)
  writeToolCall(map, call)
  return messageToJson(map)
}

/** Removes a message: every item of that id, or the copy of a twofold import would come up behind the first (trap Y8). */
export function deleteMessage(doc: Y.Doc, id: string): void {
  requireMessage(doc, id)
  const messages = doc.getArray<unknown>('messages')
  const items = messages.toArray()
  for (let index = items.length - 1; index >= 0; index--) {
    if (itemId(items[index]) === id) messages.delete(index)
  }
}

/** Removes all messages that are there now. */
export function clearMessages(doc: Y.Doc): void {
  const messages = doc.getArray<unknown>('messages')
  if (messages.length > 0) messages.delete(0, messages.length)
}

/** Gives a chat its title. One that a program made up never replaces one of the user's. */
export function renameChat(doc: Y.Doc, title: string, source: 'user' | 'auto'): void {
  const metadata = doc.getMap<unknown>('metadata')
  if (source === 'auto' && metadata.get('titleSource') === 'user' && metadata.get('title') !== '') return
  setMetadata(doc, { title, titleSource: source })
}

/** Sets entries of a chat's metadata; undefined removes one. What is the same already is not written. */
export function setMetadata(doc: Y.Doc, entries: Readonly<Record<string, JsonValue | undefined>>): void {
  const metadata = doc.getMap<unknown>('metadata')
  for (const [key, value] of Object.entries(entries)) {
    if (value === undefined) metadata.delete(key)
    else if (!isSameJson(metadata.get(key), value)) metadata.set(key, value)
  }
}

/** The message of that id. Throws `MESSAGE_NOT_FOUND`. */
export function requireMessage(doc: Y.Doc, id: string): Y.Map<unknown> {
  const map = findMessage(doc.getArray('messages'), id)
  if (map === undefined)
    throw new SyncError('MESSAGE_NOT_FOUND', `there is no message ${JSON.stringify(id)} in this chat`)
  return map
}

/** Fields as JSON, without secrets. Throws `VALUE_INVALID` for keys that have calls of their own. */
export function checkFields(fields: Readonly<Record<string, JsonValue>>): Record<string, JsonValue> {
  for (const key of Object.keys(fields)) {
    if (!KEPT_KEYS.includes(key) && !/^tool(-args|-result)?:/.test(key)) continue
    throw new SyncError(
      'VALUE_INVALID',
      `${JSON.stringify(key)} is not a field to set: there is a call of its own for it`,
    )
  }
  return redactSecrets(toJsonValue(fields, 'the fields of a message')) as Record<string, JsonValue>
}
