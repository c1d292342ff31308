import { type Clock, type Random, SyncError, type TimerHandle } from '@onyx-sync/shared'
import * as Y from 'yjs'
import type { Documents } from '../core/documents.js'
import type { SyncStore } from '../ports/store.js'
import { createId } from './ids.js'
import {
  checkRole,
  createMessageMap,
  findMessage,
  isHighSurrogate,
  type Message,
  type MessageRole,
  type MessageStatus,
  messageToJson,
} from './message.js'
import { looksSecret } from './secrets.js'
import { createStreamPlace, type StreamPlace } from './stream-place.js'

/** What a message that is written bit by bit begins with. */
export interface StreamOptions {
  /** @default assistant */
  readonly role?: MessageRole
  /** @default random */
  readonly id?: string
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
  /** Everything that was pushed, whether it is in the document yet or not. */
  readonly text: string
  /** Adds to the text. Cheap. Never throws: not when the message is gone, nor after the end, when it does nothing. */
  push(text: string): void
  /**
   * Writes what is left and marks the message as `complete`. Resolves with it when that is durable on this
   * device. Rejects with `MESSAGE_NOT_FOUND`, and changes nothing, when the message or its chat was deleted; it
   * may be called again when the chat was restored. Rejects with `STORE_FAILED` when the disk refuses it: it is
   * then kept in memory and goes with the next write.
   */
  complete(): Promise<Message>
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

/** The messages that this device is writing. */
export interface Streams {
  /** Rejects with `VALUE_INVALID` or `STORE_FAILED`. */
  start(address: string, options?: StreamOptions): Promise<StreamedMessage>
  /** Begins to put everything that was pushed into the documents; `Documents.flush` waits for that. */
  write(): void
  /**
   * Marks as `aborted` what this device was writing when its process ended. To be called before anything is
   * streamed. Only chats that have such messages, by their query rows, are loaded. Rejects with `STORE_FAILED`.
   */
  markInterrupted(): Promise<void>
}

export interface StreamsOptions {
  readonly deviceId: string
  readonly documents: Documents
  readonly store: SyncStore
  readonly clock: Clock
  readonly random: Random
}

/** How often what was pushed goes into the document: often enough to read along, seldom enough for a disk. */
const WRITE_EVERY_MS = 75
const MAX_REASON_LENGTH = 1_024

export function createStreams(options: StreamsOptions): Streams {
  const { deviceId, documents, store, clock, random } = options
  /** Streams that were not ended: each begins to write what it has. */
  const live = new Set<() => void>()

  return {
    async start(address, { role = 'assistant', id = createId(random) } = {}) {
      checkRole(role)
      const place = await documents.edit(address, (doc) => {
        const messages = doc.getArray<unknown>('messages')
        if (findMessage(messages, id) !== undefined)
          throw new SyncError('VALUE_INVALID', `this chat has a message ${JSON.stringify(id)} already`)
        const begun = { id, role, content: '', createdAt: clock.now(), device: deviceId } as const
        const map = createMessageMap({ ...begun, status: 'streaming' })
        messages.push([map])
        return createStreamPlace(id, map.get('content') as Y.Text)
      })
      return createStream({ id, address, place, documents, clock, live })
    },

    write() {
      for (const write of live) write()
    },

    async markInterrupted() {
      const rows = await store.loadRows('messages', { column: 'status', equals: 'streaming' })
      const own = rows.filter((row) => row.device === deviceId)
      const addresses = new Set(own.map((row) => String(row.address)))
      await Promise.all([...addresses].map((address) => documents.edit(address, markAborted)))
    },
  }

  function markAborted(doc: Y.Doc): void {
    for (const item of doc.getArray<unknown>('messages').toArray()) {
      if (!(item instanceof Y.Map) || item.get('device') !== deviceId) continue
      if (item.get('status') === 'streaming') item.set('status', 'aborted')
    }
  }
}

interface StreamParts {
  readonly id: string
  readonly address: string
  readonly place: StreamPlace
  readonly documents: Documents
  readonly clock: Clock
  readonly live: Set<() => void>
}

function createStream({ id, address, place, documents, clock, live }: StreamParts): StreamedMessage {
  let text = ''
  /** What was pushed and is not in the document yet. */
  let unwritten = ''
  let timer: TimerHandle | undefined
  let writesUnderWay = 0
  let lastWriteMs = Number.NEGATIVE_INFINITY
  let isEnding = false
  let hasEnded = false

  /** Puts what is unwritten into the document. @returns the message; undefined when it is gone */
  function append(doc: Y.Doc, isLast: boolean): Y.Map<unknown> | undefined {
    // Half of a surrogate pair waits for the other one: alone it could not be encoded.
    const keep = !isLast && isHighSurrogate(unwritten, unwritten.length - 1) ? 1 : 0
    const map = place.append(doc, unwritten.slice(0, unwritten.length - keep))
    if (map !== undefined) unwritten = unwritten.slice(unwritten.length - keep)
    return map
  }

  function write(): void {
    clock.clearTimeout(timer)
    timer = undefined
    if (unwritten === '' || isEnding) return
    lastWriteMs = clock.now()
    writesUnderWay++
    // In a chat that was deleted nothing is written; what was pushed is kept, in case it is restored.
    const work = documents.edit(address, (doc) => !isDeleted(doc) && append(doc, false) !== undefined)
    work.then(
      (isWritten) => {
        writesUnderWay--
        if (isWritten && unwritten !== '') schedule()
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
  async function end(status: MessageStatus, reason = ''): Promise<Message | undefined> {
    isEnding = true
    clock.clearTimeout(timer)
    return documents.edit(address, (doc) => {
      if (status === 'complete' && isDeleted(doc)) return undefined
      const map = append(doc, true)
      if (map !== undefined && !hasEnded) {
        map.set('status', status)
        if (reason !== '') map.set('error', reason)
      }
      if (map !== undefined || status !== 'complete') {
        hasEnded = true
        live.delete(write)
      }
      return map && messageToJson(map)
    })
  }

  live.add(write)
  return {
    id,
    address,
    get text() {
      return text
    },
    push(more) {
      if (isEnding || more === '') return
      text += more
      unwritten += more
      schedule()
    },
    async complete() {
      const message = await end('complete')
      if (message !== undefined) return message
      throw new SyncError('MESSAGE_NOT_FOUND', `the message ${JSON.stringify(id)}, or its chat, was deleted`)
    },
    async fail(error) {
      await end('error', reasonOf(error))
    },
    async abort() {
      await end('aborted')
    },
  }
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
