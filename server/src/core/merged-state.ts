import { hasPending, type Logger } from '@onyx-sync/shared'
import * as Y from 'yjs'
import type { EventLog } from '../ports/event-log.js'
import { mergeInto, mergeTogether } from './merging.js'
import { loadEvents, loadInPages, updateOfStored } from './stored-events.js'

/** Documents as their logs have them, merged. Derived: it can be thrown away at any time (SPEC MRG1). */
export interface MergedStates {
  /**
   * Shows a document that holds every event of its log up to the log's head at the time of the call, or later.
   * `look` must neither change it nor keep it.
   */
  read<T>(address: string, look: (doc: Y.Doc, throughSeq: number) => T): Promise<T>
  /** Lets go of a document that was deleted. */
  forget(address: string): void
  /** Estimated memory of the documents kept loaded, bytes. */
  readonly hotBytes: number
}

export interface MergedStatesOptions {
  readonly log: EventLog
  readonly logger: Logger
  /** Memory that loaded documents may take, by estimate, bytes. @default 67_108_864 */
  readonly maxHotBytes?: number
}

interface Hot {
  readonly doc: Y.Doc
  throughSeq: number
  bytes: number
  /** What it was counted as when it was put into the cache. */
  heapBytes: number
  /** What came since the state was kept on disk. */
  unkeptEvents: number
}

/** A loaded document takes many times its encoded size: 3.3 KB for a message of some 200 bytes. */
const HEAP_FACTOR = 14
/** What one struct takes at least, however few bytes it was sent in: a hostile one has three. */
const HEAP_STRUCT = 256
const HEAP_BASE = 8 * 1024
/** Events after which the state on disk is brought up to date: bounds what a cold start reads of one document. */
const KEEP_EVERY_EVENTS = 64

export function createMergedStates({
  log,
  logger,
  maxHotBytes = 64 << 20,
}: MergedStatesOptions): MergedStates {
  /** Least recently used first. */
  const hot = new Map<string, Hot>()
  /** One reading of a document at a time: two would apply the same events twice, or leave some out. */
  const reading = new Map<string, Promise<unknown>>()
  let hotBytes = 0

  async function load(address: string): Promise<Hot> {
    const doc = new Y.Doc()
    const entry: Hot = { doc, throughSeq: 0, bytes: 0, heapBytes: 0, unkeptEvents: 0 }
    const kept = await log.keptState(address)
    if (kept === undefined || kept.throughSeq > log.head) return entry
    try {
      mergeInto(doc, [kept.update])
      entry.throughSeq = kept.throughSeq
      entry.bytes = kept.update.byteLength
      return entry
    } catch (error) {
      logger.error('a merged state is unreadable; it is built again from the log', { error: String(error) })
      return { ...entry, doc: new Y.Doc() }
    }
  }

  /** Applies what the log has beyond the document's position. */
  async function catchUp(address: string, entry: Hot): Promise<void> {
    const { head } = log
    if (entry.throughSeq >= head) return
    const entries = log.documentLog(address, entry.throughSeq, head)
    for await (const events of loadInPages(entries, (page) => loadEvents(log, logger, page))) {
      mergeTogether(entry.doc, () => {
        for (const { event, seq } of events) {
          try {
            const update = updateOfStored(event)
            // Counted as it is unfolded: what was sent may have been a thousandth of it.
            entry.bytes += update.byteLength
            Y.applyUpdate(entry.doc, update)
          } catch (error) {
            logger.error('a stored event can not be merged; it is left out', { seq, error: String(error) })
          }
          entry.unkeptEvents++
        }
      })
    }
    entry.throughSeq = head
  }

  function keep(address: string, entry: Hot): void {
    if (entry.unkeptEvents < KEEP_EVERY_EVENTS || hasPending(entry.doc)) return
    const update = Y.encodeStateAsUpdate(entry.doc)
    entry.unkeptEvents = 0
    entry.bytes = update.byteLength
    log.keepState(address, { throughSeq: entry.throughSeq, update }).catch((error: unknown) => {
      // It is derived: the next reading builds it again.
      logger.warn('a merged state could not be kept', { error: String(error) })
    })
  }

  function evict(): void {
    for (const [address, entry] of hot) {
      if (hotBytes <= maxHotBytes) return
      forget(address, entry)
      entry.doc.destroy()
    }
  }

  function forget(address: string, entry: Hot): void {
    hot.delete(address)
    hotBytes -= entry.heapBytes
  }

  async function readNow<T>(address: string, look: (doc: Y.Doc, throughSeq: number) => T): Promise<T> {
    const known = hot.get(address)
    // Out of the cache while it changes, so that its size is counted right.
    if (known !== undefined) forget(address, known)
    const entry = known ?? (await load(address))
    await catchUp(address, entry)
    keep(address, entry)
    hot.set(address, entry)
    entry.heapBytes = heapOf(entry)
    hotBytes += entry.heapBytes
    try {
      return look(entry.doc, entry.throughSeq)
    } finally {
      evict()
    }
  }

  /** Does something with a document after everything that was begun before. */
  function inTurn<T>(address: string, work: () => T | Promise<T>): Promise<T> {
    const before = reading.get(address) ?? Promise.resolve()
    const now = before.then(work, work)
    reading.set(address, now)
    const ended = () => {
      if (reading.get(address) === now) reading.delete(address)
    }
    now.then(ended, ended)
    return now
  }

  return {
    read: (address, look) => inTurn(address, () => readNow(address, look)),
    forget(address) {
      void inTurn(address, () => {
        const known = hot.get(address)
        if (known === undefined) return
        forget(address, known)
        known.doc.destroy()
      })
    },
    get hotBytes() {
      return hotBytes
    },
  }
}

function heapOf({ doc, bytes }: Hot): number {
  let structs = 0
  for (const list of doc.store.clients.values()) structs += list.length
  return HEAP_BASE + Math.max(bytes * HEAP_FACTOR, structs * HEAP_STRUCT)
}
