import { SyncError } from '@onyx-sync/shared'
import * as Y from 'yjs'
import { readToolCalls, type ToolCall } from './tool-call.js'

/** Who speaks. Onyx's older `function` is `tool`. */
export type MessageRole = 'system' | 'user' | 'assistant' | 'tool'

const ROLES: readonly string[] = ['system', 'user', 'assistant', 'tool']

/** Throws `VALUE_INVALID` unless it is a {@link MessageRole}. */
export function checkRole(role: string): void {
  if (ROLES.includes(role)) return
  throw new SyncError('VALUE_INVALID', `a role is one of ${ROLES.join(', ')}, not ${JSON.stringify(role)}`)
}

/**
 * How far a message is. `streaming`: a device is writing it. `aborted`: it was stopped, or its device was
 * switched off in the middle of it.
 */
export type MessageStatus = 'streaming' | 'complete' | 'error' | 'aborted'

/** A message as plain JSON. Keys that this version doesn't know are carried along untouched. */
export interface Message {
  readonly id: string
  readonly role: MessageRole
  readonly content: string
  /** Milliseconds since the Unix epoch, by the clock of the device that wrote it. */
  readonly createdAt: number
  readonly editedAt?: number
  readonly status: MessageStatus
  /** The device that wrote it: the random id of an install. */
  readonly device?: string
  /** Why writing it failed, in words for people; only with the status `error`, and not always then. */
  readonly error?: string
  /** What the model thought before it answered. */
  readonly reasoning?: string
  /** Calls of tools inside the message, in the order in which they were made. */
  readonly tools?: readonly ToolCall[]
  /** Why the model stopped, in its own words: `stop`, `length`, `tool-calls`. */
  readonly finishReason?: string
  /** In a window of messages: it was too large for a row, and `chats.message` has all of it. */
  readonly isPartial?: boolean
  /** What the reply cost, as the model's maker counts it. */
  readonly usage?: unknown
  readonly [key: string]: unknown
}

/** The id of an item of the `messages` array; undefined where it isn't a message (foreign or broken data). */
export function messageId(item: unknown): string | undefined {
  const id = item instanceof Y.Map ? item.get('id') : undefined
  return typeof id === 'string' && id !== '' ? id : undefined
}

/** A message as plain JSON. Missing fields get neutral values, so that foreign data can be shown. */
export function messageToJson(map: Y.Map<unknown>): Message {
  const { id, role, content, createdAt, status, ...others } = map.toJSON()
  const { rest, tools } = readToolCalls(others)
  return {
    id: String(id),
    role: role === 'function' ? 'tool' : ((role ?? 'user') as MessageRole),
    content: typeof content === 'string' ? content : '',
    createdAt: typeof createdAt === 'number' ? createdAt : 0,
    status: (status ?? 'complete') as MessageStatus,
    ...rest,
    ...(tools.length === 0 ? {} : { tools }),
  }
}

/** The messages of a chat in document order. Of several items with one id the first counts (trap Y8). */
export function readMessages(messages: Y.Array<unknown>): Map<string, Y.Map<unknown>> {
  const byId = new Map<string, Y.Map<unknown>>()
  for (const item of messages.toArray()) {
    const id = messageId(item)
    if (id !== undefined && !byId.has(id)) byId.set(id, item as Y.Map<unknown>)
  }
  return byId
}

/** The Yjs client ids that these messages were put in under, by message id; none for those that aren't there. */
export function clientIdsOf(
  messages: Y.Array<unknown>,
  messageIds: readonly string[],
): ReadonlyMap<string, number> {
  const byId = readMessages(messages)
  return new Map(
    messageIds.flatMap((id) => {
      const clientId = byId.get(id)?._item?.id.client
      return clientId === undefined ? [] : [[id, clientId] as const]
    }),
  )
}

/** The first message with an id, as {@link readMessages} counts; undefined when there is none. */
export function findMessage(messages: Y.Array<unknown>, id: string): Y.Map<unknown> | undefined {
  return messages.toArray().find((item) => messageId(item) === id) as Y.Map<unknown> | undefined
}

/**
 * Changes a text by replacing only what differs, so that another device's edit elsewhere in it survives.
 * Never cuts a surrogate pair.
 */
export function replaceText(text: Y.Text, next: string): void {
  const before = text.toString()
  const shorter = Math.min(before.length, next.length)
  let start = 0
  while (start < shorter && before[start] === next[start]) start++
  if (start > 0 && isHighSurrogate(before, start - 1)) start--
  let end = 0
  while (end < shorter - start && before[before.length - 1 - end] === next[next.length - 1 - end]) end++
  if (end > 0 && isHighSurrogate(before, before.length - end - 1)) end--
  if (before.length - end > start) text.delete(start, before.length - end - start)
  if (next.length - end > start) text.insert(start, next.slice(start, next.length - end))
}

/** Whether the code unit at an index is the first half of a surrogate pair; false outside the text. */
export function isHighSurrogate(text: string, index: number): boolean {
  const unit = text.charCodeAt(index)
  return unit >= 0xd800 && unit <= 0xdbff
}
