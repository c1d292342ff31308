import { type Clock, hasPending, type TimerHandle } from '@onyx-sync/shared'
import * as Y from 'yjs'
import type { StoredUpdate } from '../ports/store.js'
import type { Journal } from './journal.js'

/** When the rows of a document's log give way to one. */
export interface CompactionOptions {
  /** What the rows must weigh, a row's own cost included, before anything is done. Bytes. @default 16_384 */
  readonly minBytes?: number
  /** How much must have come since, as a multiple of the document's state. Above 0. @default 1 */
  readonly ratio?: number
}

/**
 * Keeps the device's log in proportion to the documents: a document's rows are replaced by one with its state.
 * That is made by its `Y.Doc`, which has dropped the content of what was deleted; merged updates keep it (trap
 * Y10). Source: SPEC CMP1–CMP5.
 *
 * Encoding a document costs as much as it is large, so that is done when as much has come since the last time.
 * What is edited costs a constant factor more by it.
 */
export interface Compaction {
  /** The document was read from these rows; those at `badSeqs` could not be applied. */
  loaded(address: string, rows: readonly StoredUpdate[], badSeqs: readonly number[]): void
  unloaded(address: string): void
  /** The document's rows leave the device, bad ones too. */
  forget(address: string): void
  /** A row was handed to the journal. */
  added(address: string, seq: number, bytes: number): void
  /** A batch was written: the time to look whether there is something to do. It is done in a later tick. */
  committed(): void
  /** The whole log of a document came from the server and is applied: what a bad row held is there again. */
  refetched(address: string): void
  /** Documents with a bad row, of which the log has not come from the server yet. */
  damaged(): readonly string[]
  /** Does nothing from now on. */
  stop(): void
}

export interface CompactionParts extends CompactionOptions {
  readonly journal: Journal
  readonly clock: Clock
  /** The document, if it is loaded. */
  find(address: string): Y.Doc | undefined
  /** Whether much of it is coming just now: it isn't the moment. */
  isReceiving(address: string): boolean
  /** Position of the document's oldest edit that isn't signed: its row, and those after it, stay. */
  firstUnsigned(address: string): number | undefined
  /** Whether something in the document is not checked: a state would hold it, wherever its own row is. */
  isUnchecked(address: string): boolean
}

/** What is known of the rows of a loaded document. */
interface Tally {
  /** By ascending position, with their weight. */
  rows: { readonly seq: number; readonly weight: number }[]
  /** Weight of the state when it was last encoded; undefined if it wasn't since the document was loaded. */
  stateWeight: number | undefined
  /** Until that is known, how much it weighs at least. */
  leastWeight?: number
  /** Weight that has come since. */
  since: number
}

/** What a row costs in SQLite besides its data: its other columns, and its entries in two indexes. Bytes. */
const ROW_BYTES = 200
/** What begins it, and one number. */
const LEAST_STRUCT_BYTES = 2
/** Replacing rows by one that is hardly smaller gains nothing. */
const WORTHWHILE = 0.9

export function createCompaction(parts: CompactionParts): Compaction {
  const { journal, clock, find } = parts
  const minBytes = parts.minBytes ?? 16_384
  const ratio = parts.ratio ?? 1
  const tallies = new Map<string, Tally>()
  /** Positions of bad rows, by document. */
  const badRows = new Map<string, readonly number[]>()
  const refetched = new Set<string>()
  /** Documents to look at. */
  const touched = new Set<string>()
  let timer: TimerHandle
  let isScheduled = false
  let isStopped = false

  /** How many rows, from the first one on, nothing refers to any more. */
  function countReplaceable(address: string, { rows }: Tally): number {
    const first = parts.firstUnsigned(address)
    if (first === undefined) return rows.length
    // From the front, because that is short while much is unsigned.
    const index = rows.findIndex(({ seq }) => seq >= first)
    return index < 0 ? rows.length : index
  }

  /** Whether there is a reason to compact, be it possible now or not. */
  function isWanted(address: string, { since, leastWeight = 0, stateWeight = leastWeight }: Tally): boolean {
    // Without what a bad row holds the document is not what is to be kept.
    if (badRows.has(address)) return refetched.has(address)
    return since >= Math.max(minBytes, ratio * stateWeight)
  }

  function isPossible(address: string, doc: Y.Doc, tally: Tally): boolean {
    if (hasPending(doc) || parts.isUnchecked(address)) return false
    const rows = tally.rows.slice(0, countReplaceable(address, tally))
    const bad = badRows.get(address)
    if (bad !== undefined) return (rows[rows.length - 1]?.seq ?? 0) >= Math.max(...bad)
    return rows.length > 1 && weightOf(rows) * WORTHWHILE >= (tally.stateWeight ?? 0)
  }

  /** The next document that can be compacted; what is kept from it by something stays among the touched. */
  function findDue(): { address: string; doc: Y.Doc; tally: Tally } | undefined {
    for (const address of touched) {
      if (parts.isReceiving(address)) continue
      const tally = tallies.get(address)
      const doc = find(address)
      if (tally === undefined || doc === undefined || !isWanted(address, tally)) touched.delete(address)
      else if (isPossible(address, doc, tally)) return { address, doc, tally }
    }
    return undefined
  }

  /** After loading, without encoding it: of a large document that takes long, and most have just been compacted. */
  function isClearlyPointless(address: string, doc: Y.Doc, tally: Tally): boolean {
    if (tally.stateWeight !== undefined || badRows.has(address)) return false
    const atLeast = leastStateBytes(doc) + ROW_BYTES
    if (weightOf(tally.rows) >= (1 + ratio) * atLeast) return false
    tally.since = Math.max(0, weightOf(tally.rows) - atLeast)
    tally.leastWeight = atLeast
    return true
  }

  function compact(address: string, doc: Y.Doc, tally: Tally): void {
    if (isClearlyPointless(address, doc, tally)) return
    const update = Y.encodeStateAsUpdate(doc)
    const count = countReplaceable(address, tally)
    const weight = weightOf(tally.rows.slice(0, count))
    const stateWeight = update.byteLength + ROW_BYTES
    // After loading it isn't known how much is new: a document that is loaded often must not be written often.
    const isWorthwhile =
      tally.stateWeight === undefined
        ? weight >= (1 + ratio) * stateWeight
        : weight * WORTHWHILE >= stateWeight
    if (!isWorthwhile && !badRows.has(address)) {
      // What an unsigned edit keeps from being replaced still counts once that is signed.
      tally.since = Math.max(0, weightOf(tally.rows) - stateWeight)
      tally.stateWeight = stateWeight
      return
    }
    const { seq: throughSeq } = tally.rows[count - 1] as Tally['rows'][0]
    const kept = tally.rows.slice(count)
    tally.rows = [{ seq: throughSeq, weight: stateWeight }, ...kept]
    tally.since = weightOf(kept)
    tally.stateWeight = stateWeight
    badRows.delete(address)
    refetched.delete(address)
    journal.add({ compaction: { address, throughSeq, update } })
    // What can't be written stays in the journal and goes with the next batch.
    journal.flush().catch(() => {})
  }

  /** One document at a time, so that the app gets a turn between two. */
  function run(): void {
    isScheduled = false
    const due = findDue()
    if (due === undefined) return
    compact(due.address, due.doc, due.tally)
    scheduleIfDue()
  }

  function scheduleIfDue(): void {
    if (isScheduled || isStopped || findDue() === undefined) return
    isScheduled = true
    timer = clock.setTimeout(run, 0)
  }

  return {
    loaded(address, rows, badSeqs) {
      const tally = rows.map(({ seq, update }) => ({ seq, weight: update.byteLength + ROW_BYTES }))
      tallies.set(address, { rows: tally, stateWeight: undefined, since: weightOf(tally) })
      const known = badRows.get(address) ?? []
      if (badSeqs.some((seq) => !known.includes(seq))) refetched.delete(address)
      if (badSeqs.length > 0) badRows.set(address, badSeqs)
      else badRows.delete(address)
      touched.add(address)
      scheduleIfDue()
    },
    unloaded(address) {
      tallies.delete(address)
    },
    forget(address) {
      tallies.delete(address)
      badRows.delete(address)
      refetched.delete(address)
    },
    added(address, seq, bytes) {
      const tally = tallies.get(address)
      if (tally === undefined) return
      tally.rows.push({ seq, weight: bytes + ROW_BYTES })
      tally.since += bytes + ROW_BYTES
      touched.add(address)
    },
    committed: scheduleIfDue,
    refetched(address) {
      if (!badRows.has(address)) return
      refetched.add(address)
      touched.add(address)
      scheduleIfDue()
    },
    damaged: () => [...badRows.keys()].filter((address) => !refetched.has(address)),
    stop() {
      isStopped = true
      clock.clearTimeout(timer)
    },
  }
}

/** Bytes that a document's state takes at least: texts, and what every struct has. */
function leastStateBytes({ store }: Y.Doc): number {
  let bytes = 0
  for (const structs of store.clients.values()) {
    for (const struct of structs) {
      bytes += LEAST_STRUCT_BYTES
      if (!(struct instanceof Y.Item)) continue
      const { content } = struct
      if (content instanceof Y.ContentString) bytes += content.str.length
      else if (content instanceof Y.ContentAny)
        for (const value of content.arr) if (typeof value === 'string') bytes += value.length
    }
  }
  return bytes
}

function weightOf(rows: Tally['rows']): number {
  return rows.reduce((sum, { weight }) => sum + weight, 0)
}
