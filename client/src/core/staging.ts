import {
  bytesToHex,
  type Clock,
  decodeContent,
  EMPTY_ROSTER,
  type EventTemplate,
  type Limits,
  mergeUpdates,
  type NostrEvent,
  parseAddress,
  parseEncodingTag,
  parseEvent,
  type Random,
  type Signer,
  SyncError,
  toSyncError,
} from '@onyx-sync/shared'
import { type OutboxEntry, RESTORE, type SyncStore } from '../ports/store.js'
import { cutEdit } from './cut-edit.js'
import type { Documents } from './documents-api.js'
import { entryIdOf, eventsOf, eventsToJson, whyTooLarge } from './outbox-events.js'
import { isEventLane } from './outbox-lanes.js'

/** Edits turned into one signed event, or into the signed parts of one edit. */
export interface Staged {
  /** The entry that takes the place of the others: `staged`, or `refused` when it is too large and can't be cut. */
  readonly entry: OutboxEntry
  /** The entries it stands for. */
  readonly taken: readonly OutboxEntry[]
}

export interface StagingOptions {
  readonly pubkey: string
  readonly signer: Signer
  readonly store: SyncStore
  readonly documents: Documents
  readonly clock: Clock
  readonly random: Random
  readonly limits: Limits
  /** Largest event that the server takes, bytes of JSON. */
  maxEventBytes(): number
  /** Called with what each signature took, milliseconds. */
  onSigned(durationMs: number): void
}

/** What entries hold. */
interface Content {
  readonly updates: readonly Uint8Array[]
  /** Whether it is to be framed as a whole state. */
  readonly isCheckpoint: boolean
}

interface Collected extends Content {
  readonly taken: readonly OutboxEntry[]
}

/**
 * Signs waiting entries of one lane, given oldest first. Resolves with undefined when nothing can be staged:
 * what was refused can not be sent with what came after it, and must not be left behind. Rejects
 * with `SIGNER_FAILED` or `STORE_FAILED`. Nothing is stored here.
 */
export type Stage = (lane: string, entries: readonly OutboxEntry[]) => Promise<Staged | undefined>

/** What is merged into one event: leaves room for base64 and tags below the event limit. */
const MAX_MERGED_FRACTION = 0.5
const GROUP_BYTES = 16

export function createStaging(options: StagingOptions): Stage {
  const { pubkey, signer, store, documents, clock, random, limits } = options
  /**
   * What was refused and can't go with what comes after it, by id, with the largest event for which that was
   * found: it isn't looked at again with each edit, since it may be many megabytes.
   */
  const hopeless = new Map<string, number>()

  /** Edits by position, ascending: from memory where all of them are there. */
  async function readUpdates(
    lane: string,
    seqs: readonly number[],
  ): Promise<ReadonlyMap<number, Uint8Array>> {
    const recent = new Map<number, Uint8Array>()
    for (const seq of seqs) {
      const update = documents.recentEdit(seq)
      if (update === undefined) break
      recent.set(seq, update)
    }
    const [first, last] = [seqs[0], seqs[seqs.length - 1]]
    if (recent.size === seqs.length || first === undefined || last === undefined) return recent
    const stored = await store.loadUpdateRange(lane, first, last)
    return new Map(stored.map(({ seq, update }) => [seq, update]))
  }

  async function collectUpdates(lane: string, candidates: readonly OutboxEntry[]): Promise<Collected> {
    const bySeq = await readUpdates(
      lane,
      candidates.flatMap(({ state, seq }) => (state === 'pending' ? [seq] : [])),
    )
    const taken: OutboxEntry[] = []
    const updates: Uint8Array[] = []
    let isCheckpoint = false
    let bytes = 0
    for (const entry of candidates) {
      const content = entry.state === 'refused' ? refusedContent(entry) : pendingContent(entry, bySeq)
      bytes += content.updates.reduce((sum, update) => sum + update.byteLength, 0)
      if (taken.length > 0 && bytes > maxMergedBytes(taken[0] as OutboxEntry)) break
      taken.push(entry)
      updates.push(...content.updates)
      isCheckpoint ||= content.isCheckpoint
    }
    return { taken, updates, isCheckpoint }
  }

  /**
   * Edits make one event after another: each is safe on the server by itself, and the next connection goes on
   * from there. What was refused must not be left behind, so it takes along whatever an edit in parts may hold.
   */
  function maxMergedBytes(first: OutboxEntry): number {
    const fraction = options.maxEventBytes() * MAX_MERGED_FRACTION
    return first.state === 'refused' ? Math.min(limits.maxUpdateBytes, fraction * limits.maxParts) : fraction
  }

  function refusedContent(entry: OutboxEntry): Content {
    // This account signed it. Whatever its size, it must be read, or it would be in the way for ever.
    const anySize = { maxUpdateBytes: Number.MAX_SAFE_INTEGER }
    const framed = eventsOf(entry).map((event) =>
      decodeContent(event.content, parseEncodingTag(event), anySize),
    )
    return {
      updates: framed.map(({ update }) => update),
      isCheckpoint: framed.some(({ checkpoint }) => checkpoint),
    }
  }

  async function stageUpdates(lane: string, entries: readonly OutboxEntry[]): Promise<Staged | undefined> {
    const address = parseAddress(lane)
    if (address === undefined) throw new SyncError('INTERNAL', `${lane} is not a document's address`)
    const maxEventBytes = options.maxEventBytes()
    const first = entries[0] as OutboxEntry
    if ((hopeless.get(first.id) ?? -1) >= maxEventBytes) return undefined
    const { taken, updates, isCheckpoint } = await collectUpdates(lane, entries)
    if (taken.every((entry) => entry.state === 'refused')) {
      hopeless.set(first.id, maxEventBytes)
      return undefined
    }
    const info = documents.info(lane)
    const { templates, reason } = cutEdit(
      {
        address,
        author: pubkey,
        // Only as a whole state may an owner bring back what others have written (SPEC YID3).
        framed: { update: mergeUpdates(updates), checkpoint: isCheckpoint },
        roster: info?.roster ?? EMPTY_ROSTER,
        createdAt: Math.floor(clock.now() / 1000),
      },
      () => bytesToHex(random.bytes(GROUP_BYTES)),
      { ...limits, maxEventBytes },
    )
    const isRefusedAgain = reason !== '' && taken.some((entry) => entry.state === 'refused')
    if (isRefusedAgain) {
      hopeless.set(first.id, maxEventBytes)
      return undefined
    }
    const entry = await sign(taken, templates, reason)
    if (reason !== '') hopeless.set(entry.id, maxEventBytes)
    return { taken, entry }
  }

  /** All parts are signed before any is kept: half an edit must never be sent. */
  async function sign(
    taken: readonly OutboxEntry[],
    templates: readonly EventTemplate[],
    reason = '',
  ): Promise<OutboxEntry> {
    const first = taken[0] as OutboxEntry
    const last = taken[taken.length - 1] as OutboxEntry
    const events: NostrEvent[] = []
    for (const template of templates) events.push(await askSigner(template))
    const sizes = events.map((event) => whyTooLarge(event, options.maxEventBytes()))
    const problems = [sizes.find((problem) => problem !== '') ?? '', reason].filter((text) => text !== '')
    return {
      id: entryIdOf(events[0] as NostrEvent),
      lane: first.lane,
      seq: first.seq,
      throughSeq: last.throughSeq,
      edits: taken.reduce((sum, entry) => sum + entry.edits, 0),
      state: problems.length === 0 ? 'staged' : 'refused',
      event: eventsToJson(events),
      reason: problems.join(': '),
    }
  }

  async function askSigner(template: EventTemplate): Promise<NostrEvent> {
    let signed: NostrEvent
    const startedMs = clock.now()
    try {
      const answer = await signer.signEvent(template)
      options.onSigned(clock.now() - startedMs)
      signed = parseEvent(answer, limits)
    } catch (error) {
      throw new SyncError('SIGNER_FAILED', `the signer did not sign: ${toSyncError(error).message}`, {
        cause: error,
      })
    }
    if (signed.pubkey !== pubkey) {
      throw new SyncError(
        'SIGNER_FAILED',
        `the signer signed as ${signed.pubkey}, this device belongs to ${pubkey}`,
      )
    }
    if (signed.content !== template.content || signed.kind !== template.kind) {
      throw new SyncError('SIGNER_FAILED', 'the signer signed something else than it was given')
    }
    return signed
  }

  return async (lane, entries) => {
    if (!isEventLane(lane)) return stageUpdates(lane, entries)
    const taken = entries.filter((entry) => entry.state === 'pending').slice(0, 1)
    const first = taken[0]
    if (first === undefined) return undefined
    return { taken, entry: await sign(taken, [JSON.parse(first.event) as EventTemplate]) }
  }
}

function pendingContent({ lane, seq, event }: OutboxEntry, bySeq: ReadonlyMap<number, Uint8Array>): Content {
  const update = bySeq.get(seq)
  if (update === undefined)
    throw new SyncError('DATABASE_UNREADABLE', `the log of ${lane} lacks position ${seq}`)
  return { updates: [update], isCheckpoint: event === RESTORE }
}
