import {
  type Clock,
  encodeClient,
  type Logger,
  type NostrEvent,
  type Random,
  type SyncError,
  toSyncError,
} from '@onyx-sync/shared'
import type { OutboxEntry } from '../ports/store.js'
import { createBackoff } from './backoff.js'
import type { Journal } from './journal.js'
import { eventsOf, whyTooLarge } from './outbox-events.js'
import { DELETION_LANE, isEventLane, type Lane, type Lanes, TRAINING_LANE } from './outbox-lanes.js'
import type { OutboxProgress } from './outbox-progress.js'
import type { Pacing } from './pacing.js'
import type { Stage } from './staging.js'

/** Publishes a document as a whole, soon, or at once where somebody waits for it. */
export type PublishDocument = (address: string, isUrgent: boolean) => void

/** Signs, keeps and sends what the lanes hold, one event of a lane at a time. */
export interface OutboxSender {
  /** Goes on with a lane if it can: signs what waits, sends what is signed. */
  pump(lane: string): void
  /** Whether an edit of a lane would be signed and sent as soon as it is written. */
  isFree(lane: string): boolean
  /** Tries a lane again later, without another edit having to come along (trap C5). */
  retryLater(lane: string): void
  /** As that, after something went wrong that the app is to know. */
  failed(lane: string, problem: SyncError): void
  /**
   * Events may be sent from now on. Lanes are not moved by that. With `publish` the relay is a plain one: the
   * lanes of documents are handed to it, and nothing of them is sent from here.
   */
  start(send: (text: string) => void, publish?: PublishDocument): void
  /** Whether events go to a plain relay now. */
  readonly isPlain: boolean
  /** The connection is gone. What was under way counts as not sent. */
  stop(): void
  /** As `Outbox.hurry`. */
  hurry(upTo?: ReadonlyMap<string, number>): () => void
  /** Puts an entry that was just signed into its lane, in the place of others, by id. In memory only. */
  place(entry: OutboxEntry, replaced: readonly string[]): void
  /** Puts an entry into another state, in memory at once and with the journal's next batch. */
  settle(entry: OutboxEntry): void
}

export interface OutboxSenderOptions {
  readonly lanes: Lanes
  readonly progress: OutboxProgress
  readonly journal: Journal
  readonly stage: Stage
  readonly pacing: Pacing
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  /** Largest event that the server takes, bytes of JSON: one that is larger would cost the connection. */
  maxEventBytes(): number
  /**
   * Events of one document under way at a time. More than one loses their order when one is put off: it is
   * here to prove that the tests see that.
   * @default 1
   */
  readonly inFlightPerLane?: number
  /**
   * Called before training data is signed or sent: has withdrawn what the user doesn't agree to contribute when it
   * resolves. Where it rejects, nothing is sent, and it is tried again later.
   */
  beforeContribution(): Promise<void>
  onChange(): void
  /** Whether nothing of a lane may go now, because it may hang on what nobody signed. @default never */
  isHeld?(lane: string): boolean
  /** What keeps the queue from moving, for the app to show; undefined once it moves. */
  onProblem(error: SyncError | undefined): void
}

export function createOutboxSender(options: OutboxSenderOptions): OutboxSender {
  const { lanes, progress, journal, stage, pacing, clock, logger } = options
  const inFlightPerLane = options.inFlightPerLane ?? 1
  const backoff = createBackoff(options.random, { baseMs: 1_000, capMs: 60_000 })
  let send: ((text: string) => void) | undefined
  let publish: PublishDocument | undefined
  /** Tells answers and continuations of an earlier connection from those of this one. */
  let epoch = 0
  /** What somebody waits for to be saved, by position per lane; undefined stands for everything. */
  const hurries = new Set<{ readonly upTo: ReadonlyMap<string, number> | undefined }>()

  function settle(entry: OutboxEntry): void {
    journal.add({ outboxPut: [entry] })
    lanes.put(entry)
  }

  /** Whether a lane's increments must not be sent, because a plain relay would keep only the newest. */
  function isForPublishing(name: string): boolean {
    return publish !== undefined && !isEventLane(name)
  }

  function pump(name: string): void {
    const lane = lanes.get(name)
    if (options.isHeld?.(name) === true) return
    if (isForPublishing(name)) {
      const unsaved = lane.entries.filter(({ state }) => state === 'pending' || state === 'staged')
      if (unsaved.length > 0) publish?.(name, unsaved.some(isUrgent))
      return
    }
    // A plain relay has no document of that address: the request waits for a sync server.
    if (publish !== undefined && name === DELETION_LANE) return
    if (send === undefined || lane.state !== 'idle' || lane.inFlight.size >= inFlightPerLane) return
    const staged = lane.entries.find(({ id, state }) => state === 'staged' && !lane.inFlight.has(id))
    if (staged !== undefined) {
      const events = eventsOf(staged)
      const reason = events.map((event) => whyTooLarge(event, options.maxEventBytes())).find(Boolean)
      if (reason !== undefined) {
        progress.forget(staged.id)
        settle({ ...staged, state: 'refused', reason })
        journal.flush().catch(() => {})
        pump(name)
        return
      }
      working(name, ready(name), () => transmit(staged, events))
      return
    }
    const waiting = lane.entries.filter(({ state }) => state === 'pending' || state === 'refused')
    const next = waiting.find(({ state }) => state === 'pending')
    if (next === undefined || isHeldBack(lane, next)) return
    working(name, stageAndKeep(name, waiting), (isStaged) => {
      if (isStaged) pump(name)
    })
  }

  /** Settles when what is staged may be sent: not before it is on this device's disk (trap C2). */
  async function ready(name: string): Promise<void> {
    if (name === TRAINING_LANE) await options.beforeContribution()
    await journal.flush()
  }

  /** Whether entries are still to be sent: meanwhile they may have been deleted for good, or taken back. */
  function areWanted(name: string, wanted: readonly OutboxEntry[]): boolean {
    const { entries } = lanes.get(name)
    return wanted.every(({ id }) => entries.some((entry) => entry.id === id && entry.state !== 'withdrawn'))
  }

  /** Whether a lane has had its share of events for now. It goes on by itself when the next one is due. */
  function isHeldBack(lane: Lane, next: OutboxEntry): boolean {
    // Training data can't be merged, and of what doesn't fit into one event the rest makes another anyway: to
    // hold those back would save nothing.
    const isUseless = isEventLane(lane.name) || lane.hasMore
    const delayMs = isUseless || isUrgent(next) ? 0 : pacing.delayMs(lane.name)
    if (delayMs === 0) return false
    lane.pacingTimer ??= clock.setTimeout(() => {
      lane.pacingTimer = undefined
      pump(lane.name)
    }, delayMs)
    return true
  }

  function isUrgent({ lane, seq }: OutboxEntry): boolean {
    return [...hurries].some(({ upTo }) => upTo === undefined || seq <= (upTo.get(lane) ?? 0))
  }

  /**
   * Signs what is waiting as one event and keeps it before it is sent, so that every resend is the same event
   * (trap C2). What was refused goes along: an event without it would leave a gap, and if it is the server
   * that changed its mind, the refusal heals (traps C4, Y2).
   */
  async function stageAndKeep(name: string, waiting: readonly OutboxEntry[]): Promise<boolean> {
    if (name === TRAINING_LANE) {
      await options.beforeContribution()
      if (!areWanted(name, waiting)) return true
    }
    const staged = await stage(name, waiting)
    if (staged === undefined) return false
    // While the signer was asked, what it signed may have been taken away.
    if (!areWanted(name, staged.taken)) return true
    pacing.spend(name)
    lanes.get(name).hasMore = staged.taken.length < waiting.length
    const outboxDelete = staged.taken.map((entry) => entry.id)
    journal.add({ outboxPut: [staged.entry], outboxDelete })
    place(staged.entry, outboxDelete)
    await journal.flush()
    return true
  }

  function place(entry: OutboxEntry, replaced: readonly string[]): void {
    // The same content signed in the same second is the same event, which may have been sent already.
    progress.forget(entry.id)
    lanes.remove(entry.lane, [...replaced, entry.id])
    lanes.put(entry)
  }

  function working<T>(name: string, work: Promise<T>, next: (result: T) => void): void {
    const lane = lanes.get(name)
    lane.state = 'staging'
    work.then(
      (result) => {
        lane.state = 'idle'
        options.onProblem(undefined)
        next(result)
        options.onChange()
      },
      (error: unknown) => failed(name, toSyncError(error, 'STORE_FAILED')),
    )
  }

  function failed(name: string, problem: SyncError): void {
    logger.warn('an edit could not be staged', { lane: name, code: problem.code, reason: problem.message })
    options.onProblem(problem)
    retryLater(name)
  }

  /** Sends the events of an entry one after another, without waiting for the answers in between. */
  function transmit(entry: OutboxEntry, events: readonly NostrEvent[]): void {
    // Signing may have outlived the connection to a sync server, or something came meanwhile that holds the lane.
    if (send === undefined || isForPublishing(entry.lane) || options.isHeld?.(entry.lane) === true) return
    // While the disk was asked, it may have been taken away.
    if (!areWanted(entry.lane, [entry])) {
      pump(entry.lane)
      return
    }
    const { awaited, accepted } = progress.follow(entry)
    lanes.get(entry.lane).inFlight.add(entry.id)
    for (const event of events) {
      // What the server put off goes again without what it took.
      if (accepted.has(event.id)) continue
      awaited.add(event.id)
      send(encodeClient.event(event))
    }
    pump(entry.lane)
  }

  function retryLater(name: string): void {
    const lane = lanes.get(name)
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
    progress.connectionLost()
    for (const lane of lanes.all()) {
      lane.inFlight.clear()
      clock.clearTimeout(lane.pacingTimer)
      lane.pacingTimer = undefined
      if (lane.state !== 'staging') lane.state = 'idle'
    }
  }

  return {
    pump,
    isFree(name) {
      const lane = lanes.get(name)
      const isAlone = lane.entries.every(({ state }) => state === 'saved') && lane.inFlight.size === 0
      if (!isAlone || lane.state !== 'idle' || isEventLane(name) || options.isHeld?.(name) === true)
        return false
      return send !== undefined && publish === undefined && pacing.delayMs(name) === 0
    },
    retryLater,
    failed,
    place,
    settle,

    get isPlain() {
      return publish !== undefined
    },

    start(sendText, publishDocument) {
      settleLanes()
      send = sendText
      publish = publishDocument
      backoff.reset()
    },

    stop() {
      settleLanes()
      send = undefined
      publish = undefined
    },

    hurry(upTo) {
      const hurry = { upTo }
      hurries.add(hurry)
      for (const lane of lanes.all()) pump(lane.name)
      return () => hurries.delete(hurry)
    },
  }
}
