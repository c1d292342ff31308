import { type NostrEvent, SyncError } from '@onyx-sync/shared'
import type { OutboxEntry } from '../ports/store.js'
import type { JournalChange } from './journal.js'
import { createLanes } from './outbox-lanes.js'
import { createOutboxQueries, type OutboxQueries } from './outbox-queries.js'
import { createOutboxSender, type OutboxSenderOptions } from './outbox-sender.js'
import { TRAINING_LANE } from './staging.js'

/**
 * What is still to be sent. Per document first in, first out, with one event under way: a second one could
 * arrive without the first, and every later edit of this device would hang on it (trap Y2). While an event is
 * under way, edits gather and are merged into the next.
 */
export interface Outbox extends OutboxQueries {
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
  /**
   * Sends without pacing, because somebody waits for it: what is up to the given positions, by lane, or
   * everything. @returns a function that ends it
   */
  hurry(upTo?: ReadonlyMap<string, number>): () => void
  /** Tries again what was refused, in one lane or in all. */
  retryRefused(lane?: string): void
  /** Forgets pending entries of a document whose content was queued anew as a whole. */
  dropPending(lane: string): void
  /** Sends an event of no document again that the server turns out to lack. */
  restage(entry: OutboxEntry): void
}

export interface OutboxOptions extends Omit<OutboxSenderOptions, 'lanes'> {
  /** Entries as they are on disk. */
  readonly entries: readonly OutboxEntry[]
}

export function createOutbox(options: OutboxOptions): Outbox {
  const { journal, logger } = options
  const lanes = createLanes(options.entries)
  const sender = createOutboxSender({ ...options, lanes })
  const { pump, settle } = sender
  const laneOfSaved = new Map<string, string>()
  for (const entry of options.entries) {
    if (entry.state === 'saved') laneOfSaved.set(eventIdOf(entry), entry.lane)
  }

  function restage(entry: OutboxEntry): void {
    settle({ ...entry, state: 'staged', reason: '' })
  }

  return {
    ...createOutboxQueries(lanes),
    restage,
    hurry: (upTo) => sender.hurry(upTo),

    confirm(eventIds) {
      const outboxPut: OutboxEntry[] = []
      const outboxDelete: string[] = []
      for (const eventId of eventIds) {
        const name = laneOfSaved.get(eventId)
        if (name === undefined) continue
        laneOfSaved.delete(eventId)
        const { entries } = lanes.get(name)
        const entry = entries.find((other) => other.id === `event-${eventId}` && other.state === 'saved')
        if (entry === undefined) continue
        if (name === TRAINING_LANE) outboxPut.push({ ...entry, state: 'confirmed' })
        else outboxDelete.push(entry.id)
        lanes.remove(name, [entry.id])
      }
      for (const entry of outboxPut) lanes.put(entry)
      return { outboxPut, outboxDelete }
    },

    added(entries) {
      for (const entry of entries) {
        // Staged entries are put where they are staged; a commit that was put off must not bring them back.
        if (entry.state === 'pending') lanes.put(entry)
      }
      for (const name of new Set(entries.map((entry) => entry.lane))) pump(name)
      options.onChange()
    },

    start(send) {
      sender.start(send)
      for (const lane of lanes.all()) {
        for (const entry of lane.entries) if (entry.state === 'saved') restage(entry)
        pump(lane.name)
      }
    },

    stop() {
      sender.stop()
      options.onChange()
    },

    answered(eventId, accepted, reason) {
      const entry = sender.takeAnswered(eventId)
      if (entry === undefined) return
      const { lane } = entry
      if (!accepted && isRetryable(reason)) {
        logger.warn('the server put off an event', { lane, reason })
        options.onProblem(new SyncError('CONNECTION_FAILED', `the server put off an edit: ${reason}`))
        sender.retryLater(lane)
        return
      }
      const isKnown = accepted && reason.startsWith('duplicate:')
      if (isKnown && lane !== TRAINING_LANE) {
        // The server had it before: whether it came back or is hidden from this key, there is nothing to await.
        journal.add({ outboxDelete: [entry.id] })
        lanes.remove(lane, [entry.id])
      } else {
        const state = !accepted ? 'refused' : isKnown ? 'confirmed' : 'saved'
        settle({ ...entry, state, reason: accepted ? '' : reason })
        if (state === 'saved') laneOfSaved.set(eventId, lane)
      }
      // If this isn't written, a restart sends the same event again and hears that it is a duplicate.
      journal.flush().catch(() => {})
      pump(lane)
      options.onChange()
    },

    retryRefused(only) {
      for (const lane of lanes.all()) {
        if (only !== undefined && only !== lane.name) continue
        for (const entry of lane.entries) if (entry.state === 'refused') restage(entry)
        pump(lane.name)
      }
      journal.flush().catch(() => {})
      options.onChange()
    },

    dropPending(name) {
      const ids = lanes
        .get(name)
        .entries.filter((entry) => entry.state === 'pending')
        .map((entry) => entry.id)
      journal.add({ outboxDelete: ids })
      lanes.remove(name, ids)
    },
  }
}

function eventIdOf(entry: OutboxEntry): string {
  return (JSON.parse(entry.event) as NostrEvent).id
}

/** Whether a refusal may heal without the event being changed (NIP-01 and NIP-42 prefixes). */
function isRetryable(reason: string): boolean {
  return /^(rate-limited|error|auth-required):/.test(reason)
}
