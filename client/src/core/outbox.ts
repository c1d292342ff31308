import { SyncError } from '@onyx-sync/shared'
import type { OutboxEntry } from '../ports/store.js'
import type { JournalChange } from './journal.js'
import { createLanes, DELETION_LANE, isEventLane } from './outbox-lanes.js'
import { createOutboxProgress, type EntryProgress } from './outbox-progress.js'
import { createOutboxQueries, type OutboxQueries } from './outbox-queries.js'
import { createOutboxSender, type OutboxSenderOptions, type PublishDocument } from './outbox-sender.js'
import { createWholeLanes, type WholeLanes } from './outbox-whole.js'
import { createSigningAhead } from './signing-ahead.js'

/**
 * What is still to be sent. Per document first in, first out, with one event under way: a second one could
 * arrive without the first, and every later edit of this device would hang on it (trap Y2). While an event is
 * under way, edits gather and are merged into the next. An edit in parts counts as one event: its parts are
 * stored together, sent one right after the other, and it is saved when all of them are.
 */
export interface Outbox extends OutboxQueries {
  /**
   * Takes note that events came back from the server, and says what to write about it: together with the
   * cursor that covers them.
   */
  confirm(eventIds: readonly string[]): Pick<JournalChange, 'outboxPut' | 'outboxDelete'>
  /** See `JournalHooks.sign`. */
  signAhead(edits: readonly OutboxEntry[]): Promise<void> | undefined
  /** Takes note of entries that are now durable on this device, and sends them if it can. */
  added(entries: readonly OutboxEntry[]): void
  /**
   * A connection is ready for events, and everything up to its EOSE was received. What was saved before and
   * has not come back by now is not on the server any more: it was set back to a backup. It is sent again.
   * What came back though no answer had come is done with.
   * With `publish` it is a plain relay, which gets documents by that and only the rest from here.
   */
  start(send: (text: string) => void, publish?: PublishDocument): void
  /** The lanes of documents, for the one who publishes those on a plain relay. */
  readonly whole: WholeLanes
  /** The connection is gone: what was under way will be sent again, as the very same events (trap C2). */
  stop(): void
  /** The server's answer to an event. Unknown ids are ignored. */
  answered(eventId: string, accepted: boolean, reason: string): void
  /**
   * Sends without pacing, because somebody waits for it: what is up to the given positions, by lane, or
   * everything. @returns a function that ends it
   */
  hurry(upTo?: ReadonlyMap<string, number>): () => void
  /** A lane that was held goes on. */
  released(lane: string): void
  /** Tries again what was refused, in one lane or in all. */
  retryRefused(lane?: string): void
  /** Position of the oldest entry of a lane of which the server hasn't said yet what it makes of it. */
  firstUnsent(lane: string): number | undefined
  hasEntry(lane: string, id: string): boolean
  /** Whether a deletion request that is kept here names an event. */
  asksToDelete(eventId: string): boolean
  /** Takes entries in that are as they shall stay. */
  keep(entries: readonly OutboxEntry[]): void
  /** Forgets what a lane has saved, or all of it. @returns the ids of the entries to delete */
  forgetSaved(lane: string): string[]
  forgetAll(lane: string): string[]
  /** Forgets some entries of a lane. @returns the ids of those to delete */
  forget(lane: string, isMeant: (entry: OutboxEntry) => boolean): string[]
  /** Forgets pending entries of a document whose content was queued anew as a whole. */
  dropPending(lane: string): void
  /** Removes an entry of no document that was not signed, refused or withdrawn. @returns false, and does nothing, for any other */
  withdraw(lane: string, seq: number): boolean
  /**
   * Gives up what a lane of no document has not saved, and keeps it as withdrawn: none of it is sent from here on.
   * @returns the entries as they were
   */
  withdrawUnsaved(lane: string): readonly OutboxEntry[]
  /** Sends an event of no document again that the server turns out to lack. */
  restage(entry: OutboxEntry): void
}

export interface OutboxOptions extends Omit<OutboxSenderOptions, 'lanes' | 'progress'> {
  /** Entries as they are on disk. */
  readonly entries: readonly OutboxEntry[]
  /** What to write with something that a plain relay has saved, and a sync server may lack. @default nothing */
  notePlain?(): JournalChange
}

export function createOutbox(options: OutboxOptions): Outbox {
  const { journal, logger } = options
  const lanes = createLanes(options.entries)
  const progress = createOutboxProgress()
  const sender = createOutboxSender({
    ...options,
    lanes,
    progress,
    isHeld: (name) => isBeingDeleted(name) || options.isHeld?.(name) === true,
  })
  const { pump, settle } = sender
  const ahead = createSigningAhead({ ...options, lanes, sender })
  const whole = createWholeLanes(lanes, journal, progress)
  /**
   * Entries that were saved, and had not come back when everything had that was there before. Where the server knows such a one
   * all the same, it is hidden from this key. Any other that it knows has still to come back: its disk had refused it, and has
   * it nevertheless.
   */
  const missed = new Set<string>()
  for (const entry of options.entries)
    if (entry.state === 'saved' || entry.state === 'staged') progress.follow(entry)

  /**
   * Whether the server has yet to be asked to delete a document. What is edited in it meanwhile is for it to refuse: sent before
   * that it would be stored, without the edits that went with the chat and that it hangs on.
   */
  function isBeingDeleted(name: string): boolean {
    return lanes
      .entriesOf(DELETION_LANE)
      .some(
        ({ state, event }) =>
          (state === 'pending' || state === 'staged') && event.includes(JSON.stringify(name)),
      )
  }

  /** Sends an entry again, all of it, whatever of it came back before. */
  function restage(entry: OutboxEntry): void {
    if (entry.state === 'saved') missed.add(entry.id)
    progress.forget(entry.id)
    settle({ ...entry, state: 'staged', reason: '' })
  }

  function forget(name: string, isMeant: (entry: OutboxEntry) => boolean): string[] {
    const lane = lanes.get(name)
    const ids = lane.entries.filter(isMeant).map(({ id }) => id)
    for (const id of ids) progress.forget(id)
    // Its answer will find nobody, so what comes after it must not wait for that.
    const wasUnderWay = ids.filter((id) => lane.inFlight.delete(id)).length > 0
    lanes.remove(name, ids)
    if (wasUnderWay) pump(name)
    return ids
  }

  function entryOf({ lane, entryId }: EntryProgress): OutboxEntry | undefined {
    return lanes.get(lane).entries.find(({ id }) => id === entryId)
  }

  /** An entry of which everything is on the server, and nothing has still to come back. */
  function finish(entry: OutboxEntry): Pick<JournalChange, 'outboxPut' | 'outboxDelete'> {
    progress.forget(entry.id)
    if (!isEventLane(entry.lane)) {
      lanes.remove(entry.lane, [entry.id])
      return { outboxDelete: [entry.id] }
    }
    const confirmed: OutboxEntry = { ...entry, state: 'confirmed', reason: '' }
    lanes.put(confirmed)
    return { outboxPut: [confirmed] }
  }

  /** The server has said of each event of an entry what it made of it. */
  function conclude(entry: OutboxEntry, { accepted, eventIds, outstanding }: EntryProgress): void {
    if (accepted.size < eventIds.length) sender.retryLater(entry.lane)
    else if (outstanding.size > 0) settle({ ...entry, state: 'saved', reason: '' })
    else journal.add(finish(entry))
  }

  return {
    ...whole.wrap(createOutboxQueries(lanes)),
    whole,
    restage,
    hurry: (upTo) => sender.hurry(upTo),
    released: pump,

    confirm(eventIds) {
      const outboxPut: OutboxEntry[] = []
      const outboxDelete: string[] = []
      for (const eventId of eventIds) {
        const followed = progress.of(eventId)
        if (followed === undefined) continue
        followed.outstanding.delete(eventId)
        const entry = followed.outstanding.size === 0 ? entryOf(followed) : undefined
        // One that came back before the server's answer is finished by the answer.
        if (entry?.state !== 'saved') continue
        const change = finish(entry)
        outboxPut.push(...(change.outboxPut ?? []))
        outboxDelete.push(...(change.outboxDelete ?? []))
      }
      return { outboxPut, outboxDelete }
    },

    signAhead: ahead.sign,

    added(entries) {
      for (const entry of entries) {
        // Others that are signed are put where they are; a commit that was put off must not bring them back.
        if (!ahead.written(entry) && entry.state === 'pending') lanes.put(entry)
      }
      for (const name of new Set(entries.map((entry) => entry.lane))) pump(name)
      options.onChange()
    },

    start(send, publish) {
      sender.start(send, publish)
      whole.forgive()
      for (const lane of lanes.all()) {
        // What a sync server said of documents is for it to confirm.
        if (publish !== undefined && !isEventLane(lane.name)) continue
        for (const entry of lane.entries) {
          if (entry.state === 'saved') restage(entry)
          else if (entry.state === 'staged' && progress.follow(entry).outstanding.size === 0)
            journal.add(finish(entry))
        }
      }
      for (const lane of lanes.all()) pump(lane.name)
      journal.flush().catch(() => {})
      options.onChange()
    },

    stop() {
      sender.stop()
      missed.clear()
      // What came back before says nothing of what a server has that was set back since.
      for (const lane of lanes.all()) {
        for (const entry of lane.entries) {
          if (entry.state !== 'staged') continue
          progress.forget(entry.id)
          progress.follow(entry)
        }
      }
      options.onChange()
    },

    answered(eventId, accepted, reason) {
      const followed = progress.of(eventId)
      if (followed === undefined || !followed.awaited.delete(eventId)) return
      const { lane, entryId, awaited } = followed
      const { inFlight } = lanes.get(lane)
      if (awaited.size === 0) inFlight.delete(entryId)
      const entry = entryOf(followed)
      if (entry === undefined) return
      if (accepted) {
        followed.accepted.add(eventId)
        if (sender.isPlain) journal.add(options.notePlain?.() ?? {})
        const isHidden = missed.has(entryId) || sender.isPlain
        if (isHidden && reason.startsWith('duplicate:')) followed.outstanding.delete(eventId)
      } else if (isRetryable(reason)) {
        missed.delete(entryId)
        logger.warn('the server put off an event', { lane, reason })
        options.onProblem(new SyncError('CONNECTION_FAILED', `the server put off an edit: ${reason}`))
      } else {
        // The whole edit is refused. What becomes of its other parts makes no difference to that.
        inFlight.delete(entryId)
        progress.forget(entryId)
        settle({ ...entry, state: 'refused', reason })
      }
      if (awaited.size === 0 && progress.of(eventId) !== undefined) conclude(entry, followed)
      // If this isn't written, a restart sends the same event again and hears that it is a duplicate.
      journal.flush().catch(() => {})
      pump(lane)
      if (lane === DELETION_LANE) for (const { name } of lanes.all()) pump(name)
      options.onChange()
    },

    retryRefused(only) {
      for (const lane of lanes.all()) {
        if (only !== undefined && only !== lane.name) continue
        whole.forgive(lane.name)
        for (const entry of lane.entries) if (entry.state === 'refused') restage(entry)
        pump(lane.name)
      }
      journal.flush().catch(() => {})
      options.onChange()
    },

    withdraw(name, seq) {
      const entry = lanes.get(name).entries.find((candidate) => candidate.seq === seq)
      if (entry === undefined || !['pending', 'refused', 'withdrawn'].includes(entry.state)) return false
      lanes.remove(name, [entry.id])
      progress.forget(entry.id)
      // By its first id too, under which its row goes.
      journal.add({ outboxDelete: [...new Set([entry.id, `${name}-${seq}`])] })
      // If it was this that couldn't be signed, nothing is in the way any more.
      options.onProblem(undefined)
      options.onChange()
      return true
    },

    withdrawUnsaved(name) {
      const lane = lanes.get(name)
      const unsaved = lane.entries.filter(({ state }) => ['pending', 'staged', 'refused'].includes(state))
      for (const entry of unsaved) {
        progress.forget(entry.id)
        lane.inFlight.delete(entry.id)
        settle({ ...entry, state: 'withdrawn', reason: '' })
      }
      if (unsaved.length === 0) return unsaved
      options.onProblem(undefined)
      options.onChange()
      return unsaved
    },
    firstUnsent: (name) =>
      lanes.entriesOf(name).find(({ state }) => state === 'pending' || state === 'staged')?.seq,
    hasEntry: (name, id) => lanes.entriesOf(name).some((entry) => entry.id === id),
    asksToDelete: (eventId) =>
      lanes.get(DELETION_LANE).entries.some(({ event }) => event.includes(`"${eventId}"`)),
    keep(entries) {
      for (const entry of entries) lanes.put(entry)
    },
    forget,
    forgetSaved: (name) => forget(name, ({ state }) => state === 'saved'),
    forgetAll: (name) => forget(name, () => true),

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

/** Whether a refusal may heal without the event being changed (NIP-01 and NIP-42 prefixes). */
function isRetryable(reason: string): boolean {
  return /^(rate-limited|error|auth-required):/.test(reason)
}
