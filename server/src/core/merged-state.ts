import { type DocumentSummary, type Logger, SyncError } from '@onyx-sync/shared'
import type { EventLog, KeptState } from '../ports/event-log.js'
import { type Clocks, type Comparison, type Merger, MergerLost } from '../ports/merger.js'
import { runWhileItLasts } from './lost-merger.js'
import { byteLengthOf } from './state-pieces.js'
import { loadInPages } from './stored-events.js'
import { estimateFits } from './wire-cost.js'

/** A document that holds every event of its log up to some position, while it is looked at. */
export interface MergedDocument {
  /** Undefined where something is pending, or where it takes more than `maxWireBytes` on the wire. */
  state(options?: {
    readonly from?: Clocks | undefined
    readonly maxWireBytes?: number
  }): Promise<readonly Uint8Array[] | undefined>
  summary(): Promise<DocumentSummary>
  /** Throws `UPDATE_INVALID` where they contradict each other. */
  compare(update: Uint8Array, earlier: readonly Uint8Array[]): Promise<Comparison>
}

/** Documents as their logs have them, merged. Derived: it can be thrown away at any time (SPEC MRG1). */
export interface MergedStates {
  /**
   * Shows a document that holds every event of its log up to the log's head at the time of the call, or later.
   * `look` may be called again where what merges had to begin anew. Throws `MERGE_FAILED` for a document whose
   * merging takes too long: it is not merged any more for a while (SPEC MRG4).
   */
  read<T>(address: string, look: (doc: MergedDocument, throughSeq: number) => Promise<T>): Promise<T>
  /**
   * The whole document as updates, with every event of its log up to the log's head at the time of the call, or later;
   * without loading or encoding it, where the state on disk is that new. Undefined where something is pending, or where it
   * takes more than `maxWireBytes` on the wire. Throws as {@link MergedStates.read} does.
   */
  whole(address: string, maxWireBytes: number): Promise<readonly Uint8Array[] | undefined>
  /** Lets go of a document that was deleted. */
  forget(address: string): void
  /** Estimated memory of the documents kept loaded, bytes. */
  readonly hotBytes: number
  /** Documents that are not merged now, because that took too long. */
  readonly unmerged: number
}

export interface MergedStatesOptions {
  readonly log: EventLog
  readonly logger: Logger
  readonly merger: Merger
  /** Monotonic time, milliseconds. @default the platform's */
  now?(): number
  /** Memory that loaded documents may take, by estimate, bytes. @default 67_108_864 */
  readonly maxHotBytes?: number
}

interface Hot {
  /** Its number with the merger, and the merger's generation in which it has it. */
  readonly doc: number
  readonly generation: number
  throughSeq: number
  bytes: number
  structs: number
  isPending: boolean
  /** What it was counted as when it was put into the cache. */
  heapBytes: number
  /** What came since the state was kept on disk. */
  unkeptEvents: number
  unkeptBytes: number
}

/** What a struct takes when it is loaded, with the shared type that it may begin: 430 to 620 bytes were measured. */
const HEAP_STRUCT = 512
/** And what is in it: text takes little more than it did encoded, lists of small values take seven times as much. */
const HEAP_FACTOR = 4
const HEAP_BASE = 8 * 1024
/** Events after which the state on disk is brought up to date: bounds what a cold start reads of one document. */
const KEEP_EVERY_EVENTS = 64
/** And this part of the state at least: keeping it costs its whole size. */
const KEEP_EVERY_PART = 1 / 8
/** Events after which a state is kept that was encoded for a reader anyway. Fewer are merged sooner than it is written. */
const KEEP_ENCODED_EVENTS = 16
/** These in any case. */
const KEEP_ALWAYS_EVENTS = 1_024
/**
 * The largest state that is kept on disk: it is read in one go, while everybody waits. A larger document is merged from
 * its log again, beside everybody.
 */
const MAX_KEPT_BYTES = 16 * 1024 * 1024
/** How often work on a document may end what merges, before the document is left alone. */
const MAX_CRASHES = 2
/** How often it is begun again because others' work ended what merges. */
const MAX_BYSTANDING = 8
/** How long a document is left alone. The machine may just have been busy. Milliseconds. */
const UNMERGED_MS = 10 * 60_000

export function createMergedStates(options: MergedStatesOptions): MergedStates {
  const { log, logger, merger, now = () => globalThis.performance.now(), maxHotBytes = 64 << 20 } = options
  /** Least recently used first. */
  const hot = new Map<string, Hot>()
  /** One reading of a document at a time: two would apply the same events twice, or leave some out. */
  const reading = new Map<string, Promise<unknown>>()
  /** Until when documents are not merged. */
  const unmerged = new Map<string, number>()
  let hotBytes = 0
  let docs = 0

  async function load(kept: KeptState | undefined): Promise<Hot> {
    const begun = {
      doc: ++docs,
      generation: merger.generation,
      heapBytes: 0,
      unkeptEvents: 0,
      unkeptBytes: 0,
    }
    if (kept !== undefined && kept.throughSeq <= log.head) {
      try {
        const size = await merger.run('load', begun.doc, kept.updates)
        return { ...begun, ...size, throughSeq: kept.throughSeq, bytes: byteLengthOf(kept.updates) }
      } catch (error) {
        if (error instanceof MergerLost) throw error
        logger.error('a merged state is unreadable; it is built again from the log', { error: String(error) })
      }
    }
    const size = await merger.run('load', begun.doc, undefined)
    return { ...begun, ...size, throughSeq: 0, bytes: 0 }
  }

  /** Whether nothing of a document came after a position. */
  async function isNewest(address: string, { throughSeq }: Pick<KeptState, 'throughSeq'>): Promise<boolean> {
    const { head } = log
    if (throughSeq > head) return false
    for await (const _ of log.documentLog(address, throughSeq, head)) return false
    return true
  }

  async function wholeNow(address: string, maxWireBytes: number): Promise<readonly Uint8Array[] | undefined> {
    const known = hot.get(address)
    // Of one that is loaded, reading what is on disk takes a tenth of encoding it again.
    const isAsKept = known === undefined || (known.unkeptEvents === 0 && (await isNewest(address, known)))
    const kept = isAsKept && !isUnmerged(address) ? await log.keptState(address) : undefined
    if (kept !== undefined && (await isNewest(address, kept))) {
      const { updates } = kept
      const fits =
        estimateFits(byteLengthOf(updates), maxWireBytes) ?? (await merger.run('fits', updates, maxWireBytes))
      return fits ? updates : undefined
    }
    const updates = await readAgain(address, (doc) => doc.state({ maxWireBytes }), kept)
    const entry = hot.get(address)
    // The encoding is done, whoever it was for. What comes after a restart then doesn't load the document.
    if (updates !== undefined && entry !== undefined && entry.unkeptEvents >= KEEP_ENCODED_EVENTS)
      keepEncoded(address, entry, updates)
    return updates
  }

  /** @param updates the state of the document as the entry has it */
  function keepEncoded(address: string, entry: Hot, updates: readonly Uint8Array[]): void {
    entry.unkeptEvents = 0
    entry.unkeptBytes = 0
    entry.bytes = byteLengthOf(updates)
    if (entry.bytes > MAX_KEPT_BYTES) return
    log.keepState(address, { throughSeq: entry.throughSeq, updates }).catch((error: unknown) => {
      // It is derived: the next reading builds it again.
      logger.warn('a merged state could not be kept', { error: String(error) })
    })
  }

  /** Applies what the log has beyond the document's position. */
  async function catchUp(address: string, entry: Hot): Promise<void> {
    const { head } = log
    if (entry.throughSeq >= head) return
    const run = runWhileItLasts(merger, entry.generation)
    const entries = log.documentLog(address, entry.throughSeq, head)
    for await (const places of loadInPages(log, entries)) {
      // A checkpoint may have taken the place of one since its position was read.
      const page = places.filter(({ json }) => json !== undefined)
      const texts = page.map(({ json }) => json as string)
      const { bytes, failed, ...size } = await run('apply', entry.doc, texts)
      for (const { index, error } of failed) {
        logger.error('a stored event can not be merged; it is left out', { seq: page[index]?.seq, error })
      }
      entry.bytes += bytes
      entry.unkeptEvents += page.length
      entry.unkeptBytes += bytes
      Object.assign(entry, size)
    }
    entry.throughSeq = head
  }

  /** Brings the state on disk up to date. */
  async function keep(address: string): Promise<void> {
    const entry = hot.get(address)
    if (entry === undefined || !isToBeKept(entry)) return
    takeOut(address, entry)
    try {
      const updates = await merger.run('state', entry.doc, {})
      if (updates !== undefined) keepEncoded(address, entry, updates)
    } catch (error) {
      logger.debug('a merged state could not be encoded', { error: String(error) })
    } finally {
      putIn(address, entry)
    }
  }

  function isToBeKept({ unkeptEvents, unkeptBytes, bytes, isPending, generation }: Hot): boolean {
    if (isPending || generation !== merger.generation || unkeptEvents < KEEP_EVERY_EVENTS) return false
    return unkeptEvents >= KEEP_ALWAYS_EVENTS || unkeptBytes >= bytes * KEEP_EVERY_PART
  }

  /** Into the cache, unless the merger has lost it. */
  function putIn(address: string, entry: Hot): void {
    if (entry.generation !== merger.generation) return
    hot.set(address, entry)
    entry.heapBytes = heapOf(entry)
    hotBytes += entry.heapBytes
    evict()
  }

  function evict(): void {
    for (const [address, entry] of hot) {
      if (hotBytes <= maxHotBytes) return
      // It goes once that is done.
      if (isToBeKept(entry)) continue
      takeOut(address, entry)
      letGo(entry)
    }
  }

  function takeOut(address: string, entry: Hot): void {
    hot.delete(address)
    hotBytes -= entry.heapBytes
  }

  function letGo({ doc, generation }: Hot): void {
    // One of an earlier generation is gone already.
    runWhileItLasts(merger, generation)('drop', doc).catch(() => {})
  }

  async function readNow<T>(
    address: string,
    look: (doc: MergedDocument, throughSeq: number) => Promise<T>,
    kept?: KeptState,
  ): Promise<T> {
    const known = hot.get(address)
    // Out of the cache while it changes or is looked at, so that its size is counted right and it isn't let go of.
    if (known !== undefined) takeOut(address, known)
    const entry =
      known?.generation === merger.generation ? known : await load(kept ?? (await log.keptState(address)))
    try {
      await catchUp(address, entry)
      return await look(documentOf(address, entry), entry.throughSeq)
    } finally {
      putIn(address, entry)
      // Nobody waits for it, but the next reading of this document.
      if (isToBeKept(entry)) void inTurn(address, () => keep(address))
    }
  }

  function documentOf(address: string, { doc, generation }: Hot): MergedDocument {
    const run = runWhileItLasts(merger, generation)
    return {
      state: ({ from, maxWireBytes } = {}) =>
        run('state', doc, {
          ...(from === undefined ? {} : { from }),
          ...(maxWireBytes === undefined ? {} : { maxWireBytes }),
        }),
      summary: () => run('summary', doc, address),
      compare: (update, earlier) => run('compare', doc, address, update, earlier),
    }
  }

  /**
   * Begins again where what merges was lost, unless it was by this document's doing.
   *
   * @param kept its state on disk, where that was read already
   */
  async function readAgain<T>(
    address: string,
    look: (doc: MergedDocument, throughSeq: number) => Promise<T>,
    kept?: KeptState,
  ): Promise<T> {
    let crashes = 0
    for (let attempts = 0; attempts < MAX_BYSTANDING && !isUnmerged(address); attempts++) {
      try {
        return await readNow(address, look, kept)
      } catch (error) {
        if (!(error instanceof MergerLost)) throw error
        if (error.reason === 'crash') crashes++
        if (error.reason === 'bystander' || (error.reason === 'crash' && crashes < MAX_CRASHES)) continue
        unmerged.set(address, now() + UNMERGED_MS)
        logger.warn('a document is served by its events only, because merging it failed', {
          address,
          reason: error.message,
        })
      }
    }
    throw new SyncError(
      'MERGE_FAILED',
      `merging ${address} takes too long for this server; its events are served`,
    )
  }

  function isUnmerged(address: string): boolean {
    const until = unmerged.get(address)
    if (until === undefined) return false
    if (now() < until) return true
    unmerged.delete(address)
    return false
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
    read: (address, look) => inTurn(address, () => readAgain(address, look)),
    whole: (address, maxWireBytes) => inTurn(address, () => wholeNow(address, maxWireBytes)),
    forget(address) {
      void inTurn(address, () => {
        unmerged.delete(address)
        const known = hot.get(address)
        if (known === undefined) return
        takeOut(address, known)
        letGo(known)
      })
    },
    get hotBytes() {
      return hotBytes
    },
    get unmerged() {
      for (const address of [...unmerged.keys()]) isUnmerged(address)
      return unmerged.size
    },
  }
}

function heapOf({ bytes, structs }: Hot): number {
  return HEAP_BASE + bytes * HEAP_FACTOR + structs * HEAP_STRUCT
}
