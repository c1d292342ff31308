import {
  containsUpdate,
  hasPending,
  hasSameBytes,
  type Logger,
  type NostrEvent,
  parsePartTag,
  SyncError,
  utf8Length,
} from '@onyx-sync/shared'
import * as Y from 'yjs'
import type { DocumentRecord, EventLog, IndexEntry } from '../ports/event-log.js'
import type { CheckedEvent, DocumentContent } from './check-event.js'
import type { MergedStates } from './merged-state.js'
import { mergeInto } from './merging.js'
import { loadEvents, loadInPages, UNBOUNDED, updateOfStored } from './stored-events.js'

/** What an event that writes more than its author's own says about the document as it is. */
export interface Comparison {
  /** Whether the document lacks something of it, be it a struct or a deletion. */
  readonly bringsNews: boolean
  /** Client ids under which it has structs that the document lacks. */
  readonly newWriters: readonly number[]
}

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
  readonly logger: Logger
  /** Whether a document holds all of an update. For simulations that break it. @default vector and deletions */
  readonly contains?: (doc: Y.Doc, update: Uint8Array) => boolean
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

export function createCheckpoints({ log, states, logger, ...options }: CheckpointsOptions): Checkpoints {
  const contains = options.contains ?? containsUpdate

  return {
    async compare({ address, framed: { update } }, earlier) {
      const state = await states.read(address, (doc) => Y.encodeStateAsUpdate(doc))
      return refusing(() => {
        const before = new Y.Doc()
        mergeInto(before, [state, ...earlier])
        const bringsNews = !containsUpdate(before, update)
        const newWriters = writersBeyond(before, update)
        const reversed = new Y.Doc()
        mergeInto(reversed, [update, Y.encodeStateAsUpdate(before)])
        mergeInto(before, [update])
        if (!hasPending(before) && !hasSameBytes(before, reversed)) {
          throw new SyncError(
            'UPDATE_INVALID',
            `the update contradicts what ${address} holds under the same client ids and clocks: load the document anew`,
          )
        }
        return { bringsNews, newWriters }
      })
    },

    async superseded({ content }, record, keptSeqs) {
      if (content === undefined || !content.framed.checkpoint || record === undefined) return NOTHING
      const { address, framed } = content
      const doc = new Y.Doc()
      refusing(() => mergeInto(doc, [framed.update]))
      if (hasPending(doc)) return NOTHING
      const kept = new Set(keptSeqs.filter((seq) => seq > 0))
      const state = await states.read(address, (merged) =>
        hasPending(merged) ? undefined : Y.encodeStateAsUpdate(merged),
      )
      const isAll = state !== undefined && contains(doc, state)
      return (isAll ? await wholeLog(address, kept) : undefined) ?? (await containedIn(doc, address, kept))
    },
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
    for await (const entry of log.documentLog(address, 0, log.head)) {
      if (!keptSeqs.has(entry.seq)) events.push(entry)
    }
    return { events, bytes: kept.reduce((rest, { json }) => rest - utf8Length(json), record.byteCount) }
  }

  /** The events that a document contains, looked at one by one. */
  async function containedIn(doc: Y.Doc, address: string, keptSeqs: ReadonlySet<number>): Promise<Gone> {
    const gone: Candidate[] = []
    const entries = log.documentLog(address, 0, log.head)
    for await (const events of loadInPages(entries, (page) => loadEvents(log, logger, page))) {
      for (const { seq, id, created_at, json, event } of events) {
        if (keptSeqs.has(seq)) continue
        try {
          if (!contains(doc, updateOfStored(event))) continue
          gone.push({ entry: { seq, id, created_at }, bytes: utf8Length(json), ...groupOf(event) })
        } catch (error) {
          logger.error('a stored event can not be read; it stays', { seq, error: String(error) })
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

/**
 * What Yjs makes of an update that somebody sent. What it throws, such as at types nested without end, is the
 * update's fault and refuses it; taken for a failure of ours it would refuse all that others sent in the same batch.
 */
function refusing<T>(merge: () => T): T {
  try {
    return merge()
  } catch (cause) {
    if (cause instanceof SyncError) throw cause
    throw new SyncError('UPDATE_INVALID', 'the update can not be merged with its document', { cause })
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

/** Client ids under which an update goes beyond what a document has. */
function writersBeyond(doc: Y.Doc, update: Uint8Array): number[] {
  const found = new Set<number>()
  for (const struct of Y.decodeUpdate(update).structs) {
    if (struct instanceof Y.Skip) continue
    const { client, clock } = struct.id
    if (clock + struct.length > Y.getState(doc.store, client)) found.add(client)
  }
  return [...found]
}
