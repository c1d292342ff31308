import { type Clock, type Random, SyncError } from '@onyx-sync/shared'
import * as Y from 'yjs'
import type { OpenDocument } from '../core/documents-api.js'
import type { ModelDocuments } from '../core/model-documents.js'
import type { RowReader } from '../ports/store.js'
import { createMessageMap } from './chat-edits.js'
import { createId } from './ids.js'
import { createLiveStreams, type LiveStreams } from './live-streams.js'
import { checkRole, findMessage, type MessageRole } from './message.js'
import { createStreamPlace, type StreamPlace } from './stream-place.js'
import { createStream, STREAMED, type StreamedMessage, type StreamOptions } from './streamed-message.js'

/** The messages that this device is writing. */
export interface Streams {
  /** Resolves once the message is durable. Rejects with `VALUE_INVALID` or `STORE_FAILED`. */
  start(address: string, options?: StreamOptions): Promise<StreamedMessage>
  /** As {@link Streams.start}, in a document that is open: the message is there at once. Throws `VALUE_INVALID`. */
  startIn(opened: OpenDocument, address: string, options?: StreamOptions): StreamedMessage
  /** Begins to put everything that was pushed into the documents; `Documents.flush` waits for that. */
  write(): void
  /**
   * Marks as `aborted` what this device was writing when its process ended: everything but what `isLive` says is being
   * written still, by the id of its row. Only chats that have such messages, by their query rows, are loaded. Rejects
   * with `STORE_FAILED`. @default nothing is: to be called before anything is streamed
   */
  markInterrupted(isLive?: (rowId: string) => boolean): Promise<void>
}

export interface StreamsOptions {
  readonly deviceId: string
  readonly documents: ModelDocuments
  readonly store: RowReader
  readonly clock: Clock
  readonly random: Random
  /** @default of their own */
  readonly live?: LiveStreams
}

export function createStreams(options: StreamsOptions): Streams {
  const { deviceId, documents, store, clock, random, live = createLiveStreams() } = options

  /** Begins the message in a transaction. @returns where to write */
  function begin(doc: Y.Doc, id: string, role: MessageRole, isNewId: boolean): StreamPlace {
    const messages = doc.getArray<unknown>('messages')
    // The look through all messages is only for ids that somebody chose.
    if (!isNewId && findMessage(messages, id) !== undefined)
      throw new SyncError('VALUE_INVALID', `this chat has a message ${JSON.stringify(id)} already`)
    const begun = { id, role, content: '', createdAt: clock.now(), device: deviceId } as const
    const map = createMessageMap({ ...begun, status: 'streaming' })
    messages.push([map])
    return createStreamPlace(id, map.get('content') as Y.Text)
  }

  return {
    async start(address, { role = 'assistant', id } = {}) {
      checkRole(role)
      const chosen = id ?? createId(random)
      const rowId = `${address}/${chosen}`
      // Before it is in the document: nobody must take it for one whose writer has gone.
      const isAnother = live.has(rowId)
      if (!isAnother) live.set(rowId, () => {})
      const edit = (doc: Y.Doc) => begin(doc, chosen, role, id === undefined)
      const place = await documents.edit(address, edit, STREAMED).catch((error) => {
        if (!isAnother) live.delete(rowId)
        throw error
      })
      return createStream({ id: chosen, address, place, started: Promise.resolve(), documents, clock, live })
    },

    startIn(opened, address, { role = 'assistant', id } = {}) {
      checkRole(role)
      const chosen = id ?? createId(random)
      let place: StreamPlace | undefined
      const started = opened.edit((doc) => {
        place = begin(doc, chosen, role, id === undefined)
      }, STREAMED)
      // Who doesn't look at it hears of a disk that fails from the status, and from the ending.
      started.catch(() => {})
      return createStream({
        id: chosen,
        address,
        place: place as unknown as StreamPlace,
        started,
        documents,
        clock,
        live,
      })
    },

    write: live.write,

    async markInterrupted(isLive = () => false) {
      const rows = await store.loadRows('messages', { column: 'status', equals: 'streaming' })
      const own = rows.filter((row) => row.device === deviceId && !isLive(row.id))
      const addresses = new Set(own.map((row) => String(row.address)))
      await Promise.all(
        [...addresses].map((address) =>
          documents.edit(address, (doc) => markAborted(doc, address, isLive), STREAMED),
        ),
      )
    },
  }

  function markAborted(doc: Y.Doc, address: string, isLive: (rowId: string) => boolean): void {
    for (const item of doc.getArray<unknown>('messages').toArray()) {
      if (!(item instanceof Y.Map) || item.get('device') !== deviceId) continue
      if (isLive(`${address}/${item.get('id')}`)) continue
      if (item.get('status') === 'streaming') item.set('status', 'aborted')
    }
  }
}
