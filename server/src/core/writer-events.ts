import {
  type Clock,
  createWritersTemplate,
  type DocumentWriters,
  type EventTemplate,
  type Filter,
  getOrCreate,
  KIND,
  matchFilter,
  type NostrEvent,
  stringifyEvent,
} from '@onyx-sync/shared'
import type { EventLog } from '../ports/event-log.js'

/** Tells whose the client ids of documents are: kind 20004, signed with the server's own key. Source: SPEC ATT2. */
export interface WriterEvents {
  /** Documents whose writers some filters ask for. */
  asked(filters: readonly Filter[]): readonly string[]
  /** Whose the client ids of some documents are, in batches for one event each; nothing of a document without any. */
  read(addresses: readonly string[]): AsyncIterable<readonly DocumentWriters[]>
  /** JSON of the event that says it; undefined where no filter wants it. */
  sign(documents: readonly DocumentWriters[], filters: readonly Filter[]): string | undefined
}

export interface WriterEventsOptions {
  readonly log: EventLog
  readonly clock: Clock
  /** Signs with the server's key. */
  readonly signEvent: (template: EventTemplate) => NostrEvent
}

/** Client ids, and documents, of one event: it stays below 128 KB. */
const MAX_IDS = 8_192
const MAX_DOCUMENTS = 200

export function createWriterEvents({ log, clock, signEvent }: WriterEventsOptions): WriterEvents {
  return {
    asked: (filters) => [
      ...new Set(
        filters.flatMap(({ kinds, tags, after }) =>
          kinds?.includes(KIND.writers) === true && after === undefined ? [...(tags.get('a') ?? [])] : [],
        ),
      ),
    ],
    async *read(addresses) {
      let gathered = new Map<string, Map<string, number[]>>()
      let ids = 0
      const take = (): DocumentWriters[] => {
        const documents = [...gathered].map(([address, writers]) => {
          return { address, writers: Object.fromEntries(writers) }
        })
        gathered = new Map()
        ids = 0
        return documents
      }
      for (const address of addresses) {
        for await (const page of log.writersOf(address)) {
          for (const { clientId, pubkey } of page) {
            const writers = getOrCreate(gathered, address, () => new Map<string, number[]>())
            getOrCreate(writers, pubkey, () => []).push(clientId)
            if (++ids >= MAX_IDS) yield take()
          }
        }
        if (gathered.size >= MAX_DOCUMENTS) yield take()
      }
      if (ids > 0) yield take()
    },
    sign(documents, filters) {
      const createdAt = Math.floor(clock.now() / 1000)
      const event = signEvent(createWritersTemplate({ documents, createdAt }))
      return filters.some((filter) => matchFilter(filter, event)) ? stringifyEvent(event) : undefined
    },
  }
}
