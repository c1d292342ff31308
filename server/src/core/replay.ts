import {
  decidedAt,
  type Filter,
  type Logger,
  parseAddress,
  type StateDocument,
  SyncError,
} from '@onyx-sync/shared'
import type { DocumentRecord, EventLog } from '../ports/event-log.js'
import { type Clocks, type Merger, MergerLost } from '../ports/merger.js'
import type { MergedStates } from './merged-state.js'
import { onePage } from './pages.js'
import { byteLengthOf } from './state-pieces.js'
import { loadInPages, readableAmong } from './stored-events.js'

/** What a reader that catches up is to be brought. */
export interface ReplayScope {
  readonly log: EventLog
  readonly states: MergedStates
  readonly merger: Merger
  readonly logger: Logger
  /** Events of one document from which on its state is an alternative. */
  readonly minEvents: number
  readonly keys: readonly string[]
  readonly filters: readonly Filter[]
  /** The reader has everything up to this position. */
  readonly after: number
  /** And shall have everything up to this one. */
  readonly through: number
  /** Documents that became readable in between, with the position at which they did. */
  readonly granted: ReadonlyMap<string, number>
}

/** A document's state, and the events that it makes superfluous. */
export type ReplayedState = Omit<StateDocument, 'update'> & {
  /** Together they are the state, or what the reader lacks of it. */
  readonly updates: readonly Uint8Array[]
  readonly stoodFor: readonly number[]
}

/** Documents for one state event. */
export interface StateBatch {
  readonly documents: readonly ReplayedState[]
  /** Documents that this and earlier batches brought. */
  readonly done: number
  /** Documents that changed, whether they come as states or as events. */
  readonly total: number
}

/** A document with fewer events than this is sent as events: what its authors signed is worth a few bytes. */
export const MIN_STATE_EVENTS = 8
/** But no more than these: the sum of its events, in bytes. */
const LARGE_BYTES = 8 * 1024
/** Unless there are more events than this in all documents together. */
const MANY_EVENTS = 64
/**
 * What checking a signature is worth to a reader, in bytes: a phone's JavaScript engine checks 19 a second, and
 * in the 53 ms of one even a poor network, 0.6 Mbit/s, brings this much.
 */
const SIGNATURE_COST_BYTES = 4096
/** Bytes of Yjs updates in one state event: few enough to show progress and to be let go of soon. */
const BATCH_BYTES = 512 * 1024
/** Documents in one state event. */
const BATCH_DOCUMENTS = 200

/**
 * The changes of a reader's documents as merged states, wherever that is cheaper for the reader than the
 * events. Puts the positions that it makes superfluous into `skipped`; everything else has to be sent as
 * events. States may hold more than what is asked for, never less. Source: SPEC RPL1–RPL4.
 */
export async function* replayStates(scope: ReplayScope, skipped: Set<number>): AsyncGenerator<StateBatch> {
  const changed = await changedRecords(scope)
  const minEvents = (await hasManyEvents(scope, changed)) ? 1 : scope.minEvents
  let documents: ReplayedState[] = []
  let bytes = 0
  for (const [index, record] of changed.entries()) {
    const state = await stateFor(scope, record, minEvents, skipped)
    if (state === undefined) continue
    documents.push(state)
    bytes += byteLengthOf(state.updates)
    if (bytes < BATCH_BYTES && documents.length < BATCH_DOCUMENTS) continue
    yield { documents, done: index + 1, total: changed.length }
    documents = []
    bytes = 0
  }
  if (documents.length > 0) yield { documents, done: changed.length, total: changed.length }
}

/** Records of the documents that the filters want whole, oldest change first. */
async function changedRecords({ log, keys, filters, after }: ReplayScope): Promise<DocumentRecord[]> {
  const addresses = new Set<string>()
  for (const key of keys) {
    for await (const page of log.changedDocuments(key, after)) {
      for (const { address } of page)
        if (filters.some((filter) => wantsWhole(filter, address))) addresses.add(address)
    }
  }
  const readable = await readableAmong(log, new Set(keys), addresses)
  const records = await log.documents([...readable])
  return records.filter((record) => record !== undefined).sort((a, b) => a.headSeq - b.headSeq)
}

/** Whether a reader would get more events than it is to check one by one. */
async function hasManyEvents(scope: ReplayScope, changed: readonly DocumentRecord[]): Promise<boolean> {
  const { log, after, through, granted } = scope
  let total = 0
  for (const { address, eventCount } of changed) {
    if (after === 0 || granted.has(address)) total += eventCount
    else {
      for await (const { length } of log.documentLog(address, after, through)) {
        total += length
        if (total > MANY_EVENTS) break
      }
    }
    if (total > MANY_EVENTS) return true
  }
  return false
}

/** Whether every event of a document is in a filter's set, and merged states are welcome in their place. */
function wantsWhole({ ids, authors, kinds, tags, states }: Filter, address: string): boolean {
  if (states === false || ids !== undefined || authors !== undefined) return false
  const { kind, identifier } = parseAddress(address) ?? {}
  if (kind === undefined || (kinds !== undefined && !kinds.includes(kind))) return false
  // Settings carry another identifier in their events than in their address.
  return [...tags].every(
    ([letter, values]) => letter === 'd' && identifier !== '' && values.includes(identifier ?? ''),
  )
}

/** A document's state where it is the cheaper way; undefined where the events are. */
async function stateFor(
  scope: ReplayScope,
  record: DocumentRecord,
  minEvents: number,
  skipped: Set<number>,
): Promise<ReplayedState | undefined> {
  const { log, through } = scope
  const { address } = record
  const from = scope.granted.has(address) ? 0 : scope.after
  const seqs: number[] = []
  for await (const page of log.documentLog(address, from, through)) seqs.push(...page.map(({ seq }) => seq))
  if (record.contentSeq <= from) {
    // A checkpoint came, and repeats what the reader has.
    for (const seq of seqs) skipped.add(seq)
    return undefined
  }
  const averageBytes = record.byteCount / Math.max(1, record.eventCount)
  const isLarge = seqs.length > 1 && seqs.length * averageBytes > LARGE_BYTES
  if (seqs.length < minEvents && !isLarge) return undefined
  const maxWireBytes = seqs.length * (averageBytes + SIGNATURE_COST_BYTES)
  const updates = await stateWithin(scope, address, from === 0 ? undefined : seqs, maxWireBytes)
  if (updates === undefined) return undefined
  // Who the members are is what the owner signed, not what a server says.
  const stoodFor = seqs.filter((seq) => !record.rosterSeqs.includes(seq) || record.rosterSeq <= from)
  for (const seq of stoodFor) skipped.add(seq)
  return { address, updates, stoodFor, log: { bytes: record.byteCount, statedAt: decidedAt(record.roster) } }
}

/**
 * A document's state, without what a reader had before some events; undefined where it can't be told, or takes more
 * bytes on the wire than the events.
 */
async function stateWithin(
  scope: ReplayScope,
  address: string,
  since: readonly number[] | undefined,
  maxWireBytes: number,
): Promise<readonly Uint8Array[] | undefined> {
  try {
    if (since === undefined) return await scope.states.whole(address, maxWireBytes)
    const few = await loadFew(scope, since)
    if (few !== undefined) {
      const union = await scope.merger.run('union', few, maxWireBytes)
      return union === undefined ? undefined : [union]
    }
    const from = await clocksBefore(scope, since)
    return await scope.states.read(address, (doc) => doc.state({ from, maxWireBytes }))
  } catch (error) {
    // The events are there in any case.
    if (error instanceof MergerLost || (error instanceof SyncError && error.code === 'MERGE_FAILED'))
      return undefined
    throw error
  }
}

/**
 * Events that are few enough to be merged by themselves: loading a long chat, to tell what a hundred events of it bring,
 * takes longer than all the rest. Undefined where they aren't.
 */
async function loadFew({ log }: ReplayScope, seqs: readonly number[]): Promise<string[] | undefined> {
  if (seqs.length > FEW_EVENTS) return undefined
  const texts: string[] = []
  let length = 0
  // No more than one page is read of events that turn out to be large.
  for await (const page of loadInPages(log, onePage(seqs.map(placeAt)))) {
    for (const { json } of page) {
      if (json === undefined) continue
      texts.push(json)
      length += json.length
    }
    if (length > FEW_EVENTS_LENGTH) return undefined
  }
  return texts
}

/** The lowest clock under which each client id writes in some events: before that the reader has everything. */
async function clocksBefore({ log, merger }: ReplayScope, seqs: readonly number[]): Promise<Clocks> {
  const lowest = new Map<number, number>()
  for await (const page of loadInPages(log, onePage(seqs.map(placeAt)))) {
    const present = page.flatMap(({ json }) => json ?? [])
    for (const [client, clock] of await merger.run('lowestClocks', present)) {
      lowest.set(client, Math.min(clock, lowest.get(client) ?? clock))
    }
  }
  return [...lowest]
}

const placeAt = (seq: number) => ({ seq })

/** Merging them takes some 20 ms. */
const FEW_EVENTS = 256
/** Of their JSON, in characters. */
const FEW_EVENTS_LENGTH = 512 * 1024
