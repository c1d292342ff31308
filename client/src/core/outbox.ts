import {
  type Clock,
  createUpdateTemplate,
  decodeUpdateEvent,
  type EventTemplate,
  encodeClient,
  getOrCreate,
  type Limits,
  type Logger,
  mergeUpdates,
  type NostrEvent,
  parseAddress,
  parseEvent,
  type Random,
  type Signer,
  SyncError,
  stringifyEvent,
  toSyncError,
} from '@onyx-sync/shared'
import type { OutboxEntry, SyncStore } from '../ports/store.js'
import { createBackoff } from './backoff.js'
import type { Documents } from './documents.js'
import type { JournalChange } from './journal.js'

/** The lane of training data, which belongs to no document. */
export const TRAINING_LANE = 'training'

/** How much is not on the server yet. */
export interface OutboxCounts {
  /** Edits that are on this device only, signed or not. */
  readonly unsent: number
  /** Edits that the server refused. */
  readonly refused: number
}

/** An edit, or several merged ones, that the server refused. */
export interface RefusedEntry {
  readonly id: string
  /** The document's address, or `training`. */
  readonly lane: string
  readonly edits: number
  /** The server's words, with their NIP-01 prefix. */
  readonly reason: string
}

/**
 * What is still to be sent. Per document first in, first out, with one event under way: a second one could
 * arrive without the first, and every later edit of this device would hang on it (trap Y2). While an event is
 * under way, edits gather and are merged into the next.
 */
export interface Outbox {
  counts(): OutboxCounts
  refused(): RefusedEntry[]
  /** Entries that were on the server when it last spoke of them. */
  savedEntries(): readonly OutboxEntry[]
  /**
   * Takes note that events came back from the server, and says what to write about it: together with the
   * cursor that covers them.
   */
  confirm(eventIds: readonly string[]): Pick<JournalChange, 'outboxPut' | 'outboxDelete'>
  /** Takes note of entries that are now durable on this device, and sends them if it can. */
  added(entries: readonly OutboxEntry[]): void
  /**
   * A connection is ready for events, and everything up to its EOSE was received. What was saved before and
   * has not come back by now is not on the server any more: it was set back to a backup. It is sent again.
   */
  start(send: (text: string) => void): void
  /** The connection is gone: what was under way will be sent again, as the very same events (trap C2). */
  stop(): void
  /** The server's answer to an event. Unknown ids are ignored. */
  answered(eventId: string, accepted: boolean, reason: string): void
  /** Tries again what was refused, in one lane or in all. */
  retryRefused(lane?: string): void
  /** Forgets pending entries of a document whose content was queued anew as a whole. */
  dropPending(lane: string): void
  /** Sends an event of no document again that the server turns out to lack. */
  restage(entry: OutboxEntry): void
}

export interface OutboxOptions {
  readonly pubkey: string
  readonly signer: Signer
  readonly store: SyncStore
  readonly documents: Documents
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  readonly limits: Limits
  /** Entries as they are on disk. */
  readonly entries: readonly OutboxEntry[]
  onChange(): void
  /** Something that keeps the queue from moving, for the app to show. */
  onProblem(error: SyncError): void
}

interface Lane {
  entries: OutboxEntry[]
  /** `staging` outlives a connection: signing goes on, and must not begin twice for the same edits. */
  state: 'idle' | 'staging' | 'sent' | 'waiting'
}

/** Updates merged into one event: leaves room for base64 and tags below the event limit. */
const MAX_MERGED_FRACTION = 0.5

export function createOutbox(options: OutboxOptions): Outbox {
  const { pubkey, signer, store, documents, clock, logger, limits } = options
  const lanes = new Map<string, Lane>()
  const laneOfEvent = new Map<string, string>()
  const laneOfSaved = new Map<string, string>()
  const backoff = createBackoff(options.random, { baseMs: 1_000, capMs: 60_000 })
  let send: ((text: string) => void) | undefined
  /** Tells answers and continuations of an earlier connection from those of this one. */
  let epoch = 0

  for (const entry of options.entries) {
    laneFor(entry.lane).entries.push(entry)
    if (entry.state === 'saved') laneOfSaved.set(eventIdOf(entry), entry.lane)
  }

  function laneFor(name: string): Lane {
    return getOrCreate(lanes, name, () => ({ entries: [], state: 'idle' }))
  }

  function put(entry: OutboxEntry): void {
    const { entries } = laneFor(entry.lane)
    const index = entries.findIndex((other) => other.id === entry.id)
    if (index >= 0) entries[index] = entry
    else {
      entries.push(entry)
      entries.sort((a, b) => a.seq - b.seq)
    }
  }

  function remove(lane: Lane, ids: readonly string[]): void {
    lane.entries = lane.entries.filter((entry) => !ids.includes(entry.id))
  }

  function restage(entry: OutboxEntry): void {
    const staged: OutboxEntry = { ...entry, state: 'staged', reason: '' }
    documents.journal.add({ outboxPut: [staged] })
    put(staged)
  }

  function pump(name: string): void {
    const lane = laneFor(name)
    if (send === undefined || lane.state !== 'idle') return
    const staged = lane.entries.find((entry) => entry.state === 'staged')
    if (staged !== undefined) {
      stagingThen(name, documents.journal.flush(), () => transmit(name, staged))
      return
    }
    const pending = lane.entries.find((entry) => entry.state === 'pending')
    if (pending === undefined) return
    const staging = name === TRAINING_LANE ? stageTemplate(lane, pending) : stageUpdates(name, lane)
    stagingThen(name, staging, () => pump(name))
  }

  function stagingThen(name: string, work: Promise<unknown>, next: () => void): void {
    const lane = laneFor(name)
    lane.state = 'staging'
    work.then(
      () => {
        lane.state = 'idle'
        next()
        options.onChange()
      },
      (error: unknown) => {
        const problem = toSyncError(error, 'SIGNER_FAILED')
        logger.warn('an edit could not be staged', {
          lane: name,
          code: problem.code,
          reason: problem.message,
        })
        options.onProblem(problem)
        retryLater(name)
      },
    )
  }

  function transmit(name: string, entry: OutboxEntry): void {
    if (send === undefined) return
    const event = JSON.parse(entry.event) as NostrEvent
    laneFor(name).state = 'sent'
    laneOfEvent.set(event.id, name)
    send(encodeClient.event(event))
  }

  /** Without another edit having to come along (trap C5). */
  function retryLater(name: string): void {
    const lane = laneFor(name)
    lane.state = 'waiting'
    const startedIn = epoch
    clock.setTimeout(() => {
      if (startedIn !== epoch || lane.state !== 'waiting') return
      lane.state = 'idle'
      pump(name)
    }, backoff.next())
  }

  function settleLanes(): void {
    epoch++
    laneOfEvent.clear()
    for (const lane of lanes.values()) if (lane.state !== 'staging') lane.state = 'idle'
  }

  /**
   * Signs what is waiting in a document's lane as one event and keeps it before it is sent. Content that was
   * refused goes along: an event without it would leave a gap, and if it is the server that changed its mind,
   * the refusal heals (traps C4, Y2).
   */
  async function stageUpdates(name: string, lane: Lane): Promise<void> {
    const address = parseAddress(name)
    if (address === undefined) throw new SyncError('INTERNAL', `${name} is not a document's address`)
    const candidates = lane.entries.filter((entry) => entry.state === 'pending' || entry.state === 'refused')
    const { taken, updates } = await collectUpdates(name, candidates)
    const info = documents.info(name)
    const template = createUpdateTemplate({
      address,
      author: pubkey,
      framed: { update: mergeUpdates(updates), checkpoint: false },
      members: info?.members ?? [],
      // The owner's newest event decides who the members are: never sign one that looks older than the last.
      createdAt: Math.max(Math.floor(clock.now() / 1000), info?.membersStatedAt ?? 0),
    })
    await stage(lane, taken, template)
  }

  async function collectUpdates(
    name: string,
    candidates: readonly OutboxEntry[],
  ): Promise<{ taken: OutboxEntry[]; updates: Uint8Array[] }> {
    const first = candidates[0] as OutboxEntry
    const last = candidates[candidates.length - 1] as OutboxEntry
    const bySeq = new Map<number, Uint8Array>()
    for (const { seq, update } of await store.loadUpdateRange(name, first.seq, last.throughSeq))
      bySeq.set(seq, update)
    const taken: OutboxEntry[] = []
    const updates: Uint8Array[] = []
    let bytes = 0
    for (const entry of candidates) {
      const update =
        entry.state === 'refused'
          ? decodeUpdateEvent(JSON.parse(entry.event) as NostrEvent, limits).framed.update
          : bySeq.get(entry.seq)
      if (update === undefined) {
        throw new SyncError('DATABASE_UNREADABLE', `the log of ${name} lacks position ${entry.seq}`)
      }
      bytes += update.byteLength
      if (taken.length > 0 && bytes > limits.maxEventBytes * MAX_MERGED_FRACTION) break
      taken.push(entry)
      updates.push(update)
    }
    return { taken, updates }
  }

  function stageTemplate(lane: Lane, entry: OutboxEntry): Promise<void> {
    return stage(lane, [entry], JSON.parse(entry.event) as EventTemplate)
  }

  async function stage(lane: Lane, taken: readonly OutboxEntry[], template: EventTemplate): Promise<void> {
    const first = taken[0] as OutboxEntry
    const last = taken[taken.length - 1] as OutboxEntry
    const event = await sign(template)
    const json = stringifyEvent(event)
    const isTooLarge = json.length > limits.maxEventBytes
    const staged: OutboxEntry = {
      id: `event-${event.id}`,
      lane: first.lane,
      seq: first.seq,
      throughSeq: last.throughSeq,
      edits: taken.reduce((sum, entry) => sum + entry.edits, 0),
      state: isTooLarge ? 'refused' : 'staged',
      event: json,
      reason: isTooLarge
        ? `invalid: the edit is ${json.length} bytes as an event, ${limits.maxEventBytes} are allowed`
        : '',
    }
    // Kept before it is sent, so that every resend is the same event (trap C2).
    const outboxDelete = taken.map((entry) => entry.id)
    documents.journal.add({ outboxPut: [staged], outboxDelete })
    remove(lane, outboxDelete)
    put(staged)
    await documents.journal.flush()
  }

  async function sign(template: EventTemplate): Promise<NostrEvent> {
    let signed: NostrEvent
    try {
      signed = parseEvent(await signer.signEvent(template), limits)
    } catch (error) {
      throw toSyncError(error, 'SIGNER_FAILED', 'the signer did not sign')
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

  return {
    counts() {
      let unsent = 0
      let refused = 0
      for (const { entries } of lanes.values()) {
        for (const { state, edits } of entries) {
          if (state === 'pending' || state === 'staged') unsent += edits
          else if (state === 'refused') refused += edits
        }
      }
      return { unsent, refused }
    },

    refused() {
      const list: RefusedEntry[] = []
      for (const { entries } of lanes.values()) {
        for (const { id, lane, edits, reason, state } of entries) {
          if (state === 'refused') list.push({ id, lane, edits, reason })
        }
      }
      return list
    },

    savedEntries: () =>
      [...lanes.values()].flatMap(({ entries }) => entries.filter(({ state }) => isOnServer(state))),

    confirm(eventIds) {
      const outboxPut: OutboxEntry[] = []
      const outboxDelete: string[] = []
      for (const eventId of eventIds) {
        const name = laneOfSaved.get(eventId)
        if (name === undefined) continue
        laneOfSaved.delete(eventId)
        const lane = laneFor(name)
        const entry = lane.entries.find((other) => other.id === `event-${eventId}` && other.state === 'saved')
        if (entry === undefined) continue
        if (name === TRAINING_LANE) outboxPut.push({ ...entry, state: 'confirmed' })
        else outboxDelete.push(entry.id)
        remove(lane, [entry.id])
      }
      for (const entry of outboxPut) put(entry)
      return { outboxPut, outboxDelete }
    },

    added(entries) {
      for (const entry of entries) {
        // Staged entries are put where they are staged; a commit that was put off must not bring them back.
        if (entry.state === 'pending') put(entry)
      }
      for (const name of new Set(entries.map((entry) => entry.lane))) pump(name)
      options.onChange()
    },

    start(sendText) {
      settleLanes()
      send = sendText
      backoff.reset()
      for (const [name, lane] of lanes) {
        for (const entry of lane.entries) if (entry.state === 'saved') restage(entry)
        pump(name)
      }
    },

    stop() {
      settleLanes()
      send = undefined
      options.onChange()
    },

    answered(eventId, accepted, reason) {
      const name = laneOfEvent.get(eventId)
      if (name === undefined) return
      laneOfEvent.delete(eventId)
      const lane = laneFor(name)
      const entry = lane.entries.find((other) => other.id === `event-${eventId}`)
      if (entry === undefined) return
      if (!accepted && isRetryable(reason)) {
        logger.warn('the server put off an event', { lane: name, reason })
        options.onProblem(new SyncError('STORE_FAILED', `the server put off an edit: ${reason}`))
        retryLater(name)
        return
      }
      lane.state = 'idle'
      const isKnown = accepted && reason.startsWith('duplicate:')
      if (isKnown && name !== TRAINING_LANE) {
        // The server had it before: whether it came back or is hidden from this key, there is nothing to await.
        documents.journal.add({ outboxDelete: [entry.id] })
        remove(lane, [entry.id])
      } else {
        const state = !accepted ? 'refused' : isKnown ? 'confirmed' : 'saved'
        const settled: OutboxEntry = { ...entry, state, reason: accepted ? '' : reason }
        documents.journal.add({ outboxPut: [settled] })
        put(settled)
        if (state === 'saved') laneOfSaved.set(eventId, name)
      }
      // If this isn't written, a restart sends the same event again and hears that it is a duplicate.
      documents.journal.flush().catch(() => {})
      pump(name)
      options.onChange()
    },

    retryRefused(only) {
      for (const [name, lane] of lanes) {
        if (only !== undefined && only !== name) continue
        for (const entry of lane.entries) if (entry.state === 'refused') restage(entry)
        pump(name)
      }
      documents.journal.flush().catch(() => {})
      options.onChange()
    },

    dropPending(name) {
      const lane = laneFor(name)
      const ids = lane.entries.filter((entry) => entry.state === 'pending').map((entry) => entry.id)
      documents.journal.add({ outboxDelete: ids })
      remove(lane, ids)
    },

    restage,
  }
}

function eventIdOf(entry: OutboxEntry): string {
  return (JSON.parse(entry.event) as NostrEvent).id
}

function isOnServer(state: OutboxEntry['state']): boolean {
  return state === 'saved' || state === 'confirmed'
}

/** Whether a refusal may heal without the event being changed (NIP-01 and NIP-42 prefixes). */
function isRetryable(reason: string): boolean {
  return /^(rate-limited|error|auth-required):/.test(reason)
}
