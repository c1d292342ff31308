import { type Logger, type NostrEvent, parsePartTag, SyncError, utf8Length } from '@onyx-sync/shared'
import type { DocumentContent } from '../ports/document-content.js'
import type { DocumentRecord, EventLog, IndexEntry } from '../ports/event-log.js'
import { type Comparison, type Merger, MergerLost } from '../ports/merger.js'
import type { CheckedEvent } from './check-event.js'
import { runWhileItLasts } from './lost-merger.js'
import type { MergedStates } from './merged-state.js'
import { loadEvents, loadInPages, parseEvents, UNBOUNDED } from './stored-events.js'

/** Events that leave the log. */
export interface Gone {
  readonly events: readonly IndexEntry[]
  /** Bytes of their JSON. */
  readonly bytes: number
}

const NOTHING: Gone = { events: [], bytes: 0 }

export interface CheckpointsOptions {
  readonly log: EventLog
  readonly states: MergedStates
  readonly merger: Merger
  readonly logger: Logger
}

/** Decides what an event with the whole state of a document may say, and which events it stands for. */
export interface Checkpoints {
  /**
   * Compares an event with its document, the log's and what `earlier` events of the same batch add. Throws
   * `UPDATE_INVALID` when the two contradict each other: one place in the document, two contents. Whoever
   * applied them in another order would end up with another document. Source: SPEC CHK2.
   */
  compare(content: DocumentContent, earlier: readonly Uint8Array[]): Promise<Comparison>
  /**
   * Events of the log that a checkpoint contains wholly, structs and deletions. Not those at `keptSeqs`, which say
   * who the members are where the checkpoint doesn't say it itself. None where it hangs on something missing.
   * Source: SPEC CHK1.
   */
  superseded(
    checked: CheckedEvent,
    record: DocumentRecord | undefined,
    keptSeqs: readonly number[],
  ): Promise<Gone>
}

export function createCheckpoints({ log, states, merger, logger }: CheckpointsOptions): Checkpoints {
  /** Numbers of documents that are made here, apart from those of merged states. */
  let docs = 0

  return {
    compare: ({ address, framed: { update } }, earlier) =>
      states.read(address, (doc) => doc.compare(update, earlier)),

    async superseded({ content }, record, keptSeqs) {
      if (content === undefined || !content.framed.checkpoint || record === undefined) return NOTHING
      const doc = --docs
      const run = runWhileItLasts(merger)
      try {
        return await supersededBy(run, doc, content, new Set(keptSeqs.filter((seq) => seq > 0)))
      } catch (error) {
        const isUnmerged = error instanceof SyncError && error.code === 'MERGE_FAILED'
        if (!isUnmerged && !(error instanceof MergerLost)) throw error
        // It is stored beside what it stands for: a later one may take their place.
        logger.warn('a checkpoint takes the place of nothing, because merging failed', {
          address: content.address,
        })
        return NOTHING
      } finally {
        run('drop', doc).catch(() => {})
      }
    },
  }

  async function supersededBy(
    run: Merger['run'],
    doc: number,
    { address, framed }: DocumentContent,
    keptSeqs: ReadonlySet<number>,
  ): Promise<Gone> {
    const { isPending } = await run('load', doc, [framed.update])
    if (isPending) return NOTHING
    const state = await states.read(address, (merged) => merged.state())
    const isAll = state !== undefined && (await run('contains', doc, state))
    return (
      (isAll ? await wholeLog(address, keptSeqs) : undefined) ??
      (await containedIn(run, doc, address, keptSeqs))
    )
  }

  /** All events but some; undefined where one of these is a part, with which others would have to stay. */
  async function wholeLog(address: string, keptSeqs: ReadonlySet<number>): Promise<Gone | undefined> {
    const [record] = await log.documents([address])
    if (record === undefined) return NOTHING
    const kept = await loadEvents(
      log,
      logger,
      [...keptSeqs].map((seq) => ({ seq })),
    )
    if (kept.some(({ event }) => groupOf(event).group !== undefined)) return undefined
    const events: IndexEntry[] = []
    for await (const page of log.documentLog(address, 0, log.head)) {
      events.push(...page.filter(({ seq }) => !keptSeqs.has(seq)))
    }
    return { events, bytes: kept.reduce((rest, { json }) => rest - utf8Length(json), record.byteCount) }
  }

  /** The events that a document contains, looked at one by one. */
  async function containedIn(
    run: Merger['run'],
    doc: number,
    address: string,
    keptSeqs: ReadonlySet<number>,
  ): Promise<Gone> {
    const gone: Candidate[] = []
    const entries = log.documentLog(address, 0, log.head)
    for await (const page of loadInPages(log, entries)) {
      const events = parseEvents(logger, page).filter(({ seq }) => !keptSeqs.has(seq))
      const texts = events.map(({ json }) => json)
      for (const [index, isContained] of (await run('containsEach', doc, texts)).entries()) {
        const { seq, id, created_at, json, event } = events[index] as (typeof events)[number]
        if (isContained === true) {
          gone.push({ entry: { seq, id, created_at }, bytes: utf8Length(json), ...groupOf(event) })
        } else if (isContained !== false) {
          logger.error('a stored event can not be read; it stays', { seq, error: isContained })
        }
      }
    }
    const whole = withoutHalves(gone)
    return {
      events: whole.map(({ entry }) => entry),
      bytes: whole.reduce((sum, { bytes }) => sum + bytes, 0),
    }
  }
}

/** Which edit in parts an event belongs to. */
interface Grouped {
  readonly group: string | undefined
  readonly count: number
}

interface Candidate extends Grouped {
  readonly entry: IndexEntry
  readonly bytes: number
}

/** An edit in parts goes as a whole or stays as a whole: what is left of one could never be applied. */
function withoutHalves(gone: readonly Candidate[]): Candidate[] {
  const found = new Map<string, number>()
  for (const { group } of gone) if (group !== undefined) found.set(group, (found.get(group) ?? 0) + 1)
  return gone.filter(({ group, count }) => group === undefined || found.get(group) === count)
}

function groupOf(event: NostrEvent): Grouped {
  const part = parsePartTag(event, UNBOUNDED)
  return part === undefined
    ? { group: undefined, count: 1 }
    : { group: `${event.pubkey} ${part.group}`, count: part.count }
}
