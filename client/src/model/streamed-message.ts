import { type Clock, SyncError, type TimerHandle } from '@onyx-sync/shared'
import * as Y from 'yjs'
import type { ModelDocuments } from '../core/model-documents.js'
import { checkFields } from './chat-edits.js'
import type { JsonValue } from './json.js'
import type { LiveStreams } from './live-streams.js'
import {
  isHighSurrogate,
  type Message,
  type MessageRole,
  type MessageStatus,
  messageToJson,
} from './message.js'
import { looksSecret } from './secrets.js'
import type { StreamPlace } from './stream-place.js'
import { checkToolCall, type ToolCallInput, writeToolCall } from './tool-call.js'

/** What a message that is written bit by bit begins with. */
export interface StreamOptions {
  /** @default assistant */
  readonly role?: MessageRole
  /** @default random */
  readonly id?: string
}

/** What is known of a reply only when it ends. */
export interface StreamEnding {
  readonly finishReason?: string
  readonly usage?: JsonValue
  /** Fields of the app's own. */
  readonly fields?: Readonly<Record<string, JsonValue>>
}

/**
 * A message that is being written. What is pushed gathers, and goes into the document and to the device's disk
 * every 75 ms at most; the option `batching` says how it is sent. It follows what this stream wrote last,
 * wherever others change the message meanwhile.
 *
 * The first ending that succeeds counts; further ones change nothing. A message that was never ended, because
 * its process was, is marked as `aborted` when the database is opened the next time.
 */
export interface StreamedMessage {
  readonly id: string
  /** The chat's address. */
  readonly address: string
  /** Resolves when the message, still empty, is durable on this device. Rejects with `STORE_FAILED`. */
  readonly started: Promise<void>
  /** Everything that was pushed, whether it is in the document yet or not. */
  readonly text: string
  /** Adds to the text. Cheap. Never throws: not when the message is gone, nor after the end, when it does nothing. */
  push(text: string): void
  /** Adds to what the model thinks before it answers. As {@link StreamedMessage.push}. */
  pushReasoning(text: string): void
  /**
   * Tells of a tool call inside the message, or how far it is; may be called for every piece of its arguments. Throws
   * `VALUE_INVALID` for what is no tool call or has a result above 512 KiB.
   */
  tool(call: ToolCallInput): void
  /**
   * Writes what is left and marks the message as `complete`. Resolves with it when that is durable on this
   * device. Rejects with `MESSAGE_NOT_FOUND`, and changes nothing, when the message or its chat was deleted; it
   * may be called again when the chat was restored. Rejects with `STORE_FAILED` when the disk refuses it: it is
   * then kept in memory and goes with the next write.
   */
  complete(ending?: StreamEnding): Promise<Message>
  /**
   * Writes what is left and marks the message as `error`, with the words of the error, or a text for people to
   * read. They are sent to the server with the message: they are cut to 1,024 characters, and left out where
   * they look as if they held a key or a token. Resolves when durable, also when the message is gone. Rejects
   * with `STORE_FAILED` as above.
   */
  fail(error?: unknown): Promise<void>
  /** Writes what is left and marks the message as `aborted`. Settles as {@link StreamedMessage.fail} does. */
  abort(): Promise<void>
}

/** Origin of what streams write: a person who undoes means what they did themselves. */
export const STREAMED = Symbol('streamed')

/** How often what was pushed goes into the document: often enough to read along, seldom enough for a disk. */
const WRITE_EVERY_MS = 75
const MAX_REASON_LENGTH = 1_024

export interface StreamParts {
  readonly id: string
  readonly address: string
  readonly place: StreamPlace
  readonly started: Promise<void>
  readonly documents: ModelDocuments
  readonly clock: Clock
  readonly live: LiveStreams
}

/** A message that was begun, at its place. */
export function createStream(parts: StreamParts): StreamedMessage {
  const { id, address, place, started, documents, clock, live } = parts
  const rowId = `${address}/${id}`
  let text = ''
  /** What was pushed and is not in the document yet. */
  const unwritten = { content: '', reasoning: '' }
  const calls = new Map<string, ToolCallInput>()
  const knownCalls = new Set<string>()
  let timer: TimerHandle | undefined
  let writesUnderWay = 0
  let lastWriteMs = Number.NEGATIVE_INFINITY
  let isEnding = false
  let hasEnded = false

  const isAllWritten = (): boolean =>
    unwritten.content === '' && unwritten.reasoning === '' && calls.size === 0

  /** Puts what is unwritten into the document. @returns the message; undefined when it is gone */
  function append(doc: Y.Doc, isLast: boolean): Y.Map<unknown> | undefined {
    const [content, keptContent] = cutPair(unwritten.content, isLast)
    const map = place.append(doc, content)
    if (map === undefined) return undefined
    unwritten.content = keptContent
    const [reasoning, keptReasoning] = cutPair(unwritten.reasoning, isLast)
    appendReasoning(map, reasoning)
    unwritten.reasoning = keptReasoning
    for (const call of calls.values()) writeToolCall(map, call)
    calls.clear()
    return map
  }

  function write(): void {
    clock.clearTimeout(timer)
    timer = undefined
    if (isAllWritten() || isEnding) return
    lastWriteMs = clock.now()
    writesUnderWay++
    // In a chat that was deleted nothing is written; what was pushed is kept, in case it is restored.
    const change = (doc: Y.Doc) => !isDeleted(doc) && append(doc, false) !== undefined
    documents.edit(address, change, STREAMED).then(
      (isWritten) => {
        writesUnderWay--
        if (isWritten && !isAllWritten()) schedule()
      },
      // The status tells of a disk that fails. What is still unwritten goes with the next push, or at the end.
      () => {
        writesUnderWay--
      },
    )
  }

  function schedule(): void {
    if (timer !== undefined || writesUnderWay > 0 || isEnding) return
    const waitedMs = clock.now() - lastWriteMs
    // A clock that was set back must not hold up what is read along.
    const delayMs = waitedMs < 0 ? WRITE_EVERY_MS : Math.max(0, WRITE_EVERY_MS - waitedMs)
    timer = clock.setTimeout(write, delayMs)
  }

  /** @returns the message as it is then; undefined when it is gone */
  async function end(
    status: MessageStatus,
    fields: Readonly<Record<string, JsonValue>>,
  ): Promise<Message | undefined> {
    isEnding = true
    clock.clearTimeout(timer)
    const change = (doc: Y.Doc) => {
      if (status === 'complete' && isDeleted(doc)) return undefined
      const map = append(doc, true)
      if (map !== undefined && !hasEnded) {
        map.set('status', status)
        for (const [key, value] of Object.entries(fields)) map.set(key, value)
      }
      if (map !== undefined || status !== 'complete') hasEnded = true
      return map && messageToJson(map)
    }
    try {
      return await documents.edit(address, change, STREAMED)
    } finally {
      // Not before its ending is where it is kept: until then it is one that is being written.
      if (hasEnded) live.delete(rowId)
    }
  }

  live.set(rowId, write)
  return {
    id,
    address,
    started,
    get text() {
      return text
    },
    push(more) {
      if (isEnding || more === '') return
      text += more
      unwritten.content += more
      schedule()
    },
    pushReasoning(more) {
      if (isEnding || more === '') return
      unwritten.reasoning += more
      schedule()
    },
    tool(call) {
      const checked = checkToolCall(call, knownCalls.has(call.id))
      if (isEnding) return
      knownCalls.add(call.id)
      calls.set(call.id, { ...calls.get(call.id), ...checked })
      schedule()
    },
    async complete({ finishReason, usage, fields } = {}) {
      const message = await end(
        'complete',
        checkFields({
          ...fields,
          ...(finishReason === undefined ? {} : { finishReason }),
          ...(usage === undefined ? {} : { usage }),
        }),
      )
      if (message !== undefined) return message
      throw new SyncError('MESSAGE_NOT_FOUND', `the message ${JSON.stringify(id)}, or its chat, was deleted`)
    },
    async fail(error) {
      const reason = reasonOf(error)
      await end('error', reason === '' ? {} : { error: reason })
    },
    async abort() {
      await end('aborted', {})
    },
  }
}

/** What may be written now, and what has to wait: half of a surrogate pair could not be encoded alone. */
function cutPair(text: string, isLast: boolean): [string, string] {
  const keep = !isLast && isHighSurrogate(text, text.length - 1) ? 1 : 0
  return [text.slice(0, text.length - keep), text.slice(text.length - keep)]
}

/** Nobody else begins the reasoning of a message, so the nested type can't be created twice (trap Y7). */
function appendReasoning(map: Y.Map<unknown>, more: string): void {
  if (more === '') return
  const before = map.get('reasoning')
  if (before instanceof Y.Text) before.insert(before.length, more)
  else map.set('reasoning', new Y.Text((typeof before === 'string' ? before : '') + more))
}

function isDeleted(doc: Y.Doc): boolean {
  return typeof doc.getMap('metadata').get('deletedAt') === 'number'
}

function reasonOf(error: unknown): string {
  const text = error instanceof Error ? error.message : typeof error === 'string' ? error : ''
  if (looksSecret(text)) return ''
  const cut = text.slice(0, MAX_REASON_LENGTH)
  return isHighSurrogate(cut, cut.length - 1) ? cut.slice(0, -1) : cut
}
