import {
  type Clock,
  encodeClient,
  getOrCreate,
  type Logger,
  type NostrEvent,
  type Random,
  SyncError,
  toSyncError,
} from '@onyx-sync/shared'
import type { OutboxEntry } from '../ports/store.js'
import { createBackoff } from './backoff.js'
import type { Journal, JournalChange } from './journal.js'
import { type Stage, TRAINING_LANE, whyTooLarge } from './staging.js'

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
 * How far an edit, or everything of a document, is. `local`: on this device's disk. `sent`: under way to the
 * server. `saved`: on the server's disk. `refused`: the server said no, see {@link Outbox.refused}.
 */
export type EditState = 'local' | 'sent' | 'saved' | 'refused'

/** What a refused edit holds, for the user to keep elsewhere. */
export interface RefusedExport {
  readonly lane: string
  readonly reason: string
  /** The signed event as it was sent, JSON. */
  readonly event: string
}

/**
 * What is still to be sent. Per document first in, first out, with one event under way: a second one could
 * arrive without the first, and every later edit of this device would hang on it (trap Y2). While an event is
 * under way, edits gather and are merged into the next.
 */
export interface Outbox {
  counts(): OutboxCounts
  /**
   * How far the edit at a position of a lane is, or with no position everything of the lane: the state of
   * whatever is furthest behind, `refused` before all.
   */
  stateOf(lane: string, seq?: number): EditState
  /** As {@link Outbox.stateOf}, for everything of a lane up to and including a position. */
  stateUpTo(lane: string, seq: number): EditState
  /** Position of the newest edit that is not saved yet, per lane. */
  unsavedPositions(): ReadonlyMap<string, number>
  /** Position of the newest edit of a lane that this device made since its start or has not saved; 0 if none. */
  lastEdit(lane: string): number
  exportRefused(): RefusedExport[]
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
  readonly journal: Journal
  readonly stage: Stage
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  /** Largest event that the server takes, bytes of JSON: one that is larger would cost the connection. */
  maxEventBytes(): number
  /** Entries as they are on disk. */
  readonly entries: readonly OutboxEntry[]
  /**
   * Events of one document under way at a time. More than one loses their order when one is put off: it is
   * here to prove that the tests see that.
   * @default 1
   */
  readonly inFlightPerLane?: number
  onChange(): void
  /** What keeps the queue from moving, for the app to show; undefined once it moves. */
  onProblem(error: SyncError | undefined): void
}

interface Lane {
  entries: OutboxEntry[]
  /**
   * `staging` outlives a connection: signing goes on, and must not begin twice for the same edits. `waiting`:
   * until the next try.
   */
  state: 'idle' | 'staging' | 'waiting'
  /** Entries that were sent on this connection and not answered yet. */
  readonly inFlight: Set<string>
}

export function createOutbox(options: OutboxOptions): Outbox {
  const { journal, stage, clock, logger } = options
  const inFlightPerLane = options.inFlightPerLane ?? 1
  const lanes = new Map<string, Lane>()
  const laneOfEvent = new Map<string, string>()
  const laneOfSaved = new Map<string, string>()
  const lastEdits = new Map<string, number>()
  const backoff = createBackoff(options.random, { baseMs: 1_000, capMs: 60_000 })
  let send: ((text: string) => void) | undefined
  /** Tells answers and continuations of an earlier connection from those of this one. */
  let epoch = 0

  for (const entry of options.entries) {
    put(entry)
    if (entry.state === 'saved') laneOfSaved.set(eventIdOf(entry), entry.lane)
  }

  function laneFor(name: string): Lane {
    return getOrCreate(lanes, name, () => ({ entries: [], state: 'idle', inFlight: new Set() }))
  }

  function put(entry: OutboxEntry): void {
    lastEdits.set(entry.lane, Math.max(lastEdits.get(entry.lane) ?? 0, entry.throughSeq))
    const { entries } = laneFor(entry.lane)
    const last = entries[entries.length - 1]
    if (last === undefined || entry.seq > last.throughSeq) {
      // A new edit: the newest of all, so nothing has to be looked for.
      entries.push(entry)
      return
    }
    const index = entries.findIndex((other) => other.id === entry.id)
    if (index >= 0) entries[index] = entry
    else {
      entries.push(entry)
      entries.sort((a, b) => a.seq - b.seq)
    }
  }

  function remove(lane: Lane, ids: readonly string[]): void {
    const removed = new Set(ids)
    lane.entries = lane.entries.filter((entry) => !removed.has(entry.id))
  }

  function stateOfEntries(name: string, isMeant: (entry: OutboxEntry) => boolean): EditState {
    const lane = laneFor(name)
    const unsaved = lane.entries.filter((entry) => !isOnServer(entry.state) && isMeant(entry))
    if (unsaved.length === 0) return 'saved'
    if (unsaved.some(({ state }) => state === 'refused')) return 'refused'
    return unsaved.every(({ id }) => lane.inFlight.has(id)) ? 'sent' : 'local'
  }

  /** Puts an entry into another state. */
  function settle(entry: OutboxEntry): void {
    journal.add({ outboxPut: [entry] })
    put(entry)
  }

  function restage(entry: OutboxEntry): void {
    settle({ ...entry, state: 'staged', reason: '' })
  }

  function pump(name: string): void {
    const lane = laneFor(name)
    if (send === undefined || lane.state !== 'idle' || lane.inFlight.size >= inFlightPerLane) return
    const staged = lane.entries.find(({ id, state }) => state === 'staged' && !lane.inFlight.has(id))
    if (staged !== undefined) {
      const reason = whyTooLarge(staged.event, options.maxEventBytes())
      if (reason !== '') {
        settle({ ...staged, state: 'refused', reason })
        journal.flush().catch(() => {})
        pump(name)
        return
      }
      // Not before it is on this device's disk (trap C2).
      working(name, journal.flush(), () => transmit(name, staged))
      return
    }
    const waiting = lane.entries.filter(({ state }) => state === 'pending' || state === 'refused')
    if (!waiting.some(({ state }) => state === 'pending')) return
    working(name, stageAndKeep(name, waiting), (isStaged) => {
      if (isStaged) pump(name)
    })
  }

  /**
   * Signs what is waiting as one event and keeps it before it is sent, so that every resend is the same event
   * (trap C2). What was refused goes along: an event without it would leave a gap, and if it is the server
   * that changed its mind, the refusal heals (traps C4, Y2).
   */
  async function stageAndKeep(name: string, waiting: readonly OutboxEntry[]): Promise<boolean> {
    const staged = await stage(name, waiting)
    if (staged === undefined) return false
    const outboxDelete = staged.taken.map((entry) => entry.id)
    journal.add({ outboxPut: [staged.entry], outboxDelete })
    remove(laneFor(name), outboxDelete)
    put(staged.entry)
    await journal.flush()
    return true
  }

  function working<T>(name: string, work: Promise<T>, next: (result: T) => void): void {
    const lane = laneFor(name)
    lane.state = 'staging'
    work.then(
      (result) => {
        lane.state = 'idle'
        options.onProblem(undefined)
        next(result)
        options.onChange()
      },
      (error: unknown) => {
        const problem = toSyncError(error, 'STORE_FAILED')
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
    laneFor(name).inFlight.add(entry.id)
    laneOfEvent.set(event.id, name)
    send(encodeClient.event(event))
    pump(name)
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
    for (const lane of lanes.values()) {
      lane.inFlight.clear()
      if (lane.state !== 'staging') lane.state = 'idle'
    }
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

    stateOf: (name, seq) =>
      stateOfEntries(name, (entry) => seq === undefined || (entry.seq <= seq && seq <= entry.throughSeq)),
    stateUpTo: (name, seq) => stateOfEntries(name, (entry) => entry.seq <= seq),

    unsavedPositions() {
      const positions = new Map<string, number>()
      for (const [name, { entries }] of lanes) {
        const unsaved = entries.filter(({ state }) => !isOnServer(state))
        if (unsaved.length > 0) positions.set(name, Math.max(...unsaved.map(({ throughSeq }) => throughSeq)))
      }
      return positions
    },

    lastEdit: (name) => lastEdits.get(name) ?? 0,

    exportRefused: () =>
      [...lanes.values()].flatMap(({ entries }) =>
        entries
          .filter(({ state }) => state === 'refused')
          .map(({ lane, reason, event }) => ({ lane, reason, event })),
      ),

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
      const entryId = `event-${eventId}`
      lane.inFlight.delete(entryId)
      const entry = lane.entries.find((other) => other.id === entryId)
      if (entry === undefined) return
      if (!accepted && isRetryable(reason)) {
        logger.warn('the server put off an event', { lane: name, reason })
        options.onProblem(new SyncError('CONNECTION_FAILED', `the server put off an edit: ${reason}`))
        retryLater(name)
        return
      }
      const isKnown = accepted && reason.startsWith('duplicate:')
      if (isKnown && name !== TRAINING_LANE) {
        // The server had it before: whether it came back or is hidden from this key, there is nothing to await.
        journal.add({ outboxDelete: [entry.id] })
        remove(lane, [entry.id])
      } else {
        const state = !accepted ? 'refused' : isKnown ? 'confirmed' : 'saved'
        settle({ ...entry, state, reason: accepted ? '' : reason })
        if (state === 'saved') laneOfSaved.set(eventId, name)
      }
      // If this isn't written, a restart sends the same event again and hears that it is a duplicate.
      journal.flush().catch(() => {})
      pump(name)
      options.onChange()
    },

    retryRefused(only) {
      for (const [name, lane] of lanes) {
        if (only !== undefined && only !== name) continue
        for (const entry of lane.entries) if (entry.state === 'refused') restage(entry)
        pump(name)
      }
      journal.flush().catch(() => {})
      options.onChange()
    },

    dropPending(name) {
      const lane = laneFor(name)
      const ids = lane.entries.filter((entry) => entry.state === 'pending').map((entry) => entry.id)
      journal.add({ outboxDelete: ids })
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
