import {
  type Clock,
  createSummaryTemplate,
  type DocumentSummary,
  type EventTemplate,
  type Limits,
  type Logger,
  type NostrEvent,
  SyncError,
  stringifyEvent,
  utf8Length,
} from '@onyx-sync/shared'
import type { DocumentRecord, EventLog, KeptSummary } from '../ports/event-log.js'
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

/** Of a document that is not merged (SPEC MRG4). */
const EMPTY_SUMMARY = {
  title: '',
  createdAt: 0,
  lastActivity: 0,
  messages: 0,
  archived: false,
  deleted: false,
} as const

export function createSummaries({
  log,
  states,
  signEvent,
  clock,
  logger,
  limits,
}: SummariesOptions): Summaries {
  async function make({ address, byteCount }: DocumentRecord): Promise<DocumentSummary> {
    let made: KeptSummary
    try {
      made = await states.read(address, async (doc, throughSeq) => ({
        throughSeq,
        summary: await doc.summary(),
      }))
    } catch (error) {
      if (!(error instanceof SyncError) || error.code !== 'MERGE_FAILED') throw error
      // What is known without looking into it.
      return { ...EMPTY_SUMMARY, address, bytes: byteCount }
    }
    const { summary, throughSeq } = made
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
