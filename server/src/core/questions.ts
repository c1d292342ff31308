import {
  type Clock,
  encodeRelay,
  type Filter,
  type Limits,
  type Logger,
  parseFilter,
  SyncError,
  toSyncError,
} from '@onyx-sync/shared'
import type { EventLog } from '../ports/event-log.js'
import type { Merger } from '../ports/merger.js'
import type { Peer } from '../ports/peer.js'
import type { PlaceCodec } from '../ports/place-codec.js'
import type { Counters } from './counters.js'
import { createCursorCodec } from './cursor.js'
import type { Hub } from './hub.js'
import { type Measures, secondsNow } from './measures.js'
import type { MergedStates } from './merged-state.js'
import type { Moderation } from './moderation.js'
import type { ServedKinds } from './plain-events.js'
import type { Presence } from './presence.js'
import { countEvents } from './query.js'
import type { Replacements } from './replacements.js'
import { MIN_STATE_EVENTS } from './replay.js'
import type { StateSigner } from './state-signer.js'
import { createSubscription, type Subscription } from './subscription.js'
import type { Summaries } from './summaries.js'
import { createSummarySubscription } from './summary-subscription.js'
import type { WriterEvents } from './writer-events.js'

/** What questions of all connections share. */
export interface QuestionsContext {
  readonly states: MergedStates
  readonly merger: Merger
  readonly stateSigner: StateSigner
  readonly minStateEvents?: number | undefined
  readonly summaries: Summaries
  readonly writerEvents: WriterEvents
  readonly hub: Hub
  readonly replacements: Replacements
  readonly presence: Pick<Presence, 'watch'>
  readonly limits: Limits
  readonly clock: Clock
  readonly counters: Counters
  readonly measures: Measures
  /** How cursors write places. @default for everybody to read */
  readonly places?: PlaceCodec
  readonly moderation: Pick<Moderation, 'isOperator'>
  readonly kinds: ServedKinds
}

export interface QuestionsOptions {
  readonly context: QuestionsContext
  readonly peer: Peer
  readonly logger: Logger
  /** Who has logged in on the connection. A question is for those who had when it was asked. */
  readonly keys: ReadonlySet<string>
  /** The log for one question: those of an account are answered in the order in which they were asked. */
  readingLog(): EventLog
}

/** The `REQ`s and `COUNT`s of one connection. */
export interface Questions {
  /** Throws the `SyncError` that refuses it. */
  subscribe(subscriptionId: string, filters: readonly unknown[]): void
  /** Throws the `SyncError` that refuses it. */
  count(subscriptionId: string, filters: readonly unknown[]): void
  endSubscription(subscriptionId: string): void
  /** The connection is gone. */
  end(): void
}

export function createQuestions({ context, peer, logger, keys, readingLog }: QuestionsOptions): Questions {
  const { limits, clock, counters } = context
  const subscriptions = new Map<string, Subscription>()
  let countsUnderWay = 0
  let isOpen = true

  function isOperator(): boolean {
    return [...keys].some(context.moderation.isOperator)
  }

  function parseFilters(values: readonly unknown[]): Filter[] {
    if (values.length === 0) throw new SyncError('FILTER_INVALID', 'at least one filter is needed')
    if (values.length > limits.maxFilters) {
      throw new SyncError(
        'FILTER_INVALID',
        `${values.length} filters, at most ${limits.maxFilters} are allowed`,
      )
    }
    return values.map((value) => parseFilter(value, limits))
  }

  function checkSlots(): void {
    if (subscriptions.size + countsUnderWay < limits.maxSubscriptions) return
    throw new SyncError('TOO_MANY_SUBSCRIPTIONS', `at most ${limits.maxSubscriptions} at a time; close one`)
  }

  function subscribe(subscriptionId: string, values: readonly unknown[]): void {
    // NIP-01: a new REQ replaces the one of the same id, also when it turns out to be wrong.
    endSubscription(subscriptionId)
    const filters = parseFilters(values)
    checkSlots()
    const sortedKeys = [...keys].sort()
    const startedAt = secondsNow()
    const log = readingLog()
    const sync = syncOptions(log, filters, sortedKeys)
    const base = {
      id: subscriptionId,
      filters,
      keys: sortedKeys,
      isOperator: isOperator(),
      log,
      hub: context.hub,
      replacements: context.replacements,
      peer,
      clock,
      counters,
    }
    let subscription: Subscription
    function onFailed(error: unknown): void {
      if (subscriptions.get(subscriptionId) !== subscription) return
      subscription.close()
      subscriptions.delete(subscriptionId)
      logger.error('a subscription failed', { error: String(error) })
      const failure = new SyncError('STORE_FAILED', 'reading failed; ask again', { cause: error })
      peer.send(encodeRelay.closed(subscriptionId, failure.reason))
    }
    if (filters.some(({ summaries }) => summaries === true) && sync.sync !== undefined) {
      const pageDocuments = limits.maxSummaryDocuments
      const { summaries } = context
      const summaryOptions = { ...base, sync: sync.sync, summaries, pageDocuments, onFailed }
      subscription = createSummarySubscription(summaryOptions)
    } else {
      const watch = context.presence.watch({ id: subscriptionId, filters, keys: sortedKeys, peer })
      const { states, merger, stateSigner, writerEvents, kinds } = context
      const stored = createSubscription({
        ...{
          ...base,
          ...sync,
          kinds,
          keys: kinds.readersFor(sortedKeys, filters),
          states,
          merger,
          stateSigner,
          writerEvents,
          logger,
          onFailed,
        },
        minStateEvents: context.minStateEvents ?? MIN_STATE_EVENTS,
        onEose() {
          context.measures.catchUpSeconds.observe(secondsNow() - startedAt)
          watch.eoseSaid()
        },
      })
      subscription = {
        close() {
          watch.close()
          stored.close()
        },
      }
    }
    subscriptions.set(subscriptionId, subscription)
  }

  function syncOptions(log: EventLog, filters: readonly Filter[], sortedKeys: readonly string[]) {
    const cursors = new Set(filters.map(({ after }) => after))
    if (cursors.size > 1) {
      throw new SyncError('FILTER_INVALID', 'all filters of one REQ carry the same "after", or none does')
    }
    if (new Set(filters.map(({ summaries }) => summaries === true)).size > 1) {
      throw new SyncError('FILTER_INVALID', 'all filters of one REQ ask for summaries, or none does')
    }
    const [after] = cursors
    if (after === undefined) return {}
    const codec = createCursorCodec(log, sortedKeys, context.places)
    return { sync: { codec, from: codec.parse(after) } }
  }

  function count(subscriptionId: string, values: readonly unknown[]): void {
    const filters = parseFilters(values)
    if (filters.some(({ after }) => after !== undefined)) {
      throw new SyncError('FILTER_INVALID', '"after" brings changes; they are not counted')
    }
    checkSlots()
    countsUnderWay++
    const log = readingLog()
    const { kinds } = context
    const readers = new Set(kinds.readersFor([...keys], filters))
    const scope = { log, logger, clock, kinds, keys: readers, isOperator: isOperator(), through: log.head }
    countEvents(scope, filters, () => isOpen)
      .then((total) => peer.send(encodeRelay.count(subscriptionId, total)))
      .catch((error: unknown) => {
        if (!isOpen) return
        const failure = toSyncError(error, 'STORE_FAILED', 'counting failed')
        peer.send(encodeRelay.closed(subscriptionId, failure.reason))
      })
      .finally(() => {
        countsUnderWay--
      })
  }

  function endSubscription(subscriptionId: string): void {
    subscriptions.get(subscriptionId)?.close()
    subscriptions.delete(subscriptionId)
  }

  return {
    subscribe,
    count,
    endSubscription,
    end() {
      isOpen = false
      for (const subscription of subscriptions.values()) subscription.close()
      subscriptions.clear()
    },
  }
}
