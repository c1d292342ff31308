import {
  type Clock,
  createSummaryTemplate,
  type DocumentSummary,
  type EventTemplate,
  type Limits,
  type Logger,
  MAX_SUMMARY_TITLE_LENGTH,
  type NostrEvent,
  stringifyEvent,
  utf8Length,
} from '@onyx-sync/shared'
import * as Y from 'yjs'
import type { DocumentRecord, EventLog } from '../ports/event-log.js'
import type { MergedStates } from './merged-state.js'

/** What documents look like in a list. Derived from their logs, and kept beside them (SPEC SUM3). */
export interface Summaries {
  /** Summaries of documents as their logs have them now, or later; in the order asked for. */
  read(records: readonly DocumentRecord[]): Promise<DocumentSummary[]>
  /** JSON of the events that carry summaries, each within `maxEventBytes` and `maxSummaryDocuments`. */
  sign(documents: readonly DocumentSummary[]): string[]
}

export interface SummariesOptions {
  readonly log: EventLog
  readonly states: MergedStates
  /** Signs with the server's key. */
  readonly signEvent: (template: EventTemplate) => NostrEvent
  readonly clock: Clock
  readonly logger: Logger
  readonly limits: Pick<Limits, 'maxEventBytes' | 'maxSummaryDocuments'>
}

export function createSummaries({
  log,
  states,
  signEvent,
  clock,
  logger,
  limits,
}: SummariesOptions): Summaries {
  async function make({ address }: DocumentRecord): Promise<DocumentSummary> {
    const { summary, throughSeq } = await states.read(address, (doc, seq) => ({
      summary: summarize(address, doc),
      throughSeq: seq,
    }))
    log.keepSummary({ throughSeq, summary }).catch((error: unknown) => {
      // It is derived: whoever asks next has it made again.
      logger.warn('a summary could not be kept', { address, error: String(error) })
    })
    return summary
  }

  function sign(documents: readonly DocumentSummary[]): string[] {
    if (documents.length === 0) return []
    if (documents.length <= limits.maxSummaryDocuments) {
      const createdAt = Math.floor(clock.now() / 1000)
      const json = stringifyEvent(signEvent(createSummaryTemplate({ documents, createdAt })))
      if (utf8Length(json) <= limits.maxEventBytes || documents.length === 1) return [json]
    }
    const middle = Math.min(limits.maxSummaryDocuments, (documents.length + 1) >> 1)
    return [...sign(documents.slice(0, middle)), ...sign(documents.slice(middle))]
  }

  return {
    async read(records) {
      const kept = await log.keptSummaries(records.map(({ address }) => address))
      const summaries: DocumentSummary[] = []
      for (const [index, record] of records.entries()) {
        const known = kept[index]
        const isCurrent =
          known !== undefined && known.throughSeq >= record.contentSeq && known.throughSeq <= log.head
        summaries.push(isCurrent ? known.summary : await make(record))
      }
      return summaries
    },
    sign,
  }
}

/** Reads as little of a document as a list shows, and trusts nothing in it: anybody may have written it. */
function summarize(address: string, doc: Y.Doc): DocumentSummary {
  const metadata = doc.getMap<unknown>('metadata')
  const title = metadata.get('title')
  const createdAt = timeOf(metadata.get('createdAt'))
  const ids = new Set<string>()
  let lastActivity = createdAt
  for (const item of doc.getArray<unknown>('messages')) {
    const id = item instanceof Y.Map ? item.get('id') : undefined
    // As devices show it: of several items with one id the first counts, and what has no id is no message.
    if (typeof id !== 'string' || id === '' || ids.has(id)) continue
    ids.add(id)
    lastActivity = Math.max(lastActivity, timeOf((item as Y.Map<unknown>).get('createdAt')))
  }
  return {
    address,
    title: typeof title === 'string' ? cut(title) : '',
    createdAt,
    lastActivity,
    messages: ids.size,
    bytes: Y.encodeStateAsUpdate(doc).byteLength,
    archived: metadata.get('archived') === true,
    deleted: Number.isFinite(metadata.get('deletedAt')),
  }
}

function timeOf(value: unknown): number {
  return typeof value === 'number' && Number.isFinite(value) ? value : 0
}

/** Not between the halves of a surrogate pair. */
function cut(title: string): string {
  if (title.length <= MAX_SUMMARY_TITLE_LENGTH) return title
  const last = title.charCodeAt(MAX_SUMMARY_TITLE_LENGTH - 1)
  const isHigh = last >= 0xd800 && last <= 0xdbff
  return title.slice(0, isHigh ? MAX_SUMMARY_TITLE_LENGTH - 1 : MAX_SUMMARY_TITLE_LENGTH)
}
