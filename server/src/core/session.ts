import {
  bytesToHex,
  type ClientMessage,
  type Clock,
  checkAuthEvent,
  classOfKind,
  type EventVerifier,
  encodeRelay,
  type Filter,
  KIND,
  type Limits,
  type Logger,
  parseClientMessage,
  parseEvent,
  parseFilter,
  type Random,
  SyncError,
  toSyncError,
} from '@onyx-sync/shared'
import type { EventLog } from '../ports/event-log.js'
import type { Merger } from '../ports/merger.js'
import type { Peer } from '../ports/peer.js'
import type { PlaceCodec } from '../ports/place-codec.js'
import type { SpreadVerifier } from '../ports/spread-verifier.js'
import { createBrake } from './brake.js'
import type { CheckedEvent } from './check-event.js'
import type { Counters } from './counters.js'
import { createCursorCodec } from './cursor.js'
import { passOn } from './ephemeral.js'
import { createEventChecker } from './event-checker.js'
import { discreetOutcome } from './gift-wraps.js'
import type { Hub } from './hub.js'
import type { Ingest, IngestOutcome } from './ingest.js'
import { type Measures, secondsNow } from './measures.js'
import type { MergedStates } from './merged-state.js'
import { createMessageGate } from './message-gate.js'
import type { Moderation } from './moderation.js'
import { createNegentropy } from './negentropy.js'
import { peekType } from './peek.js'
import type { ServedKinds } from './plain-events.js'
import type { Presence } from './presence.js'
import { countEvents } from './query.js'
import type { RateLimits } from './rate-limits.js'
import type { ReadingTurns } from './reading-turns.js'
import { MIN_STATE_EVENTS } from './replay.js'
import type { StateSigner } from './state-signer.js'
import { createSubscription, type Subscription } from './subscription.js'
import type { Summaries } from './summaries.js'
import { createSummarySubscription } from './summary-subscription.js'
import type { WriterEvents } from './writer-events.js'

/** What all sessions of a server share. */
export interface SessionContext {
  readonly log: EventLog
  readonly ingest: Ingest
  readonly states: MergedStates
  readonly merger: Merger
  readonly stateSigner: StateSigner
  readonly minStateEvents?: number | undefined
  readonly summaries: Summaries
  readonly writerEvents: WriterEvents
  readonly hub: Hub
  readonly presence: Presence
  readonly rates: RateLimits
  readonly reading: ReadingTurns
  /** Where it can check several at a time, it is given those of events. */
  readonly verifier: EventVerifier & Partial<SpreadVerifier>
  readonly limits: Limits
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  readonly counters: Counters
  readonly measures: Measures
  /** How cursors write places. @default for everybody to read */
  readonly places?: PlaceCodec
  readonly moderation: Pick<Moderation, 'whyNot' | 'isOperator'>
  readonly kinds: ServedKinds
  /** Public URLs of this server, any of which an AUTH event may name. */
  relayUrls(): readonly string[]
}

/** One connection, from its first message to its end. Nothing it is given makes it throw. */
export interface Session {
  /** Whom what it does counts for: the first key that logged in; undefined before that. */
  readonly account: string | undefined
  /** One text message from the other end. @param bytes its size, where that is known */
  receive(text: string, bytes?: number): void
  /** Says something that answers no message in particular. */
  notice(text: string): void
  /** Closes the connection if one of its keys may not use this server any more. */
  enforce(): void
  /** The connection is gone: everything it held is let go. Idempotent. */
  end(): void
}

/** RFC 6455: "policy violation". Outside 4400–4499, so a client may try again. */
const CLOSE_UNAUTHENTICATED = 1008
/** Of those from 4400 to 4499, which tell a client not to come back by itself. */
const CLOSE_BLOCKED = 4403
const CHALLENGE_BYTES = 16

/** Greets the other end with its challenge, and serves it. Source: NIP-01, NIP-42, SPEC AUTH1–AUTH6. */
export function createSession(peer: Peer, context: SessionContext): Session {
  const { limits, clock, logger, counters } = context
  const challenge = bytesToHex(context.random.bytes(CHALLENGE_BYTES))
  const keys = new Set<string>()
  const subscriptions = new Map<string, Subscription>()
  const presence = context.presence.connect()
  const meter = context.rates.connect(peer.address)
  const brake = createBrake(peer, limits, clock)
  const checker = createEventChecker(context.merger, limits, brake, context.verifier.later)
  const gate = createMessageGate({
    ...{ meter, brake, peer, counters, endSubscription },
    refused: context.measures.refused,
  })
  let account: string | undefined
  /** The log for one question: those of an account are answered in the order in which they were asked. */
  const readingLog = (): EventLog => context.reading.logFor(() => account ?? '')
  const negentropy = createNegentropy({ ...context, readingLog, peer })
  let countsUnderWay = 0
  let isOpen = true

  const authTimer = clock.setTimeout(() => {
    if (isOpen && keys.size === 0) {
      peer.close(CLOSE_UNAUTHENTICATED, `no AUTH within ${limits.maxUnauthenticatedSeconds} s`)
    }
  }, limits.maxUnauthenticatedSeconds * 1000)

  function dispatch(message: ClientMessage, bytes: number): void {
    switch (message.type) {
      case 'AUTH':
        answering(message.event, () => authenticate(message.event))
        break
      case 'EVENT':
        answering(message.event, () => publish(message.event, bytes))
        break
      case 'REQ':
        closing(message.subscriptionId, () => subscribe(message.subscriptionId, message.filters))
        break
      case 'COUNT':
        closing(message.subscriptionId, () => count(message.subscriptionId, message.filters))
        break
      case 'CLOSE':
        endSubscription(message.subscriptionId)
        break
      case 'NEG-OPEN':
      case 'NEG-MSG':
        compare(message)
        break
      case 'NEG-CLOSE':
        negentropy.close(message.subscriptionId)
        break
    }
  }

  function compare(message: Extract<ClientMessage, { type: 'NEG-OPEN' | 'NEG-MSG' }>): void {
    const { subscriptionId } = message
    try {
      if (keys.size === 0) throw authRequired('read')
      if (message.type === 'NEG-MSG') negentropy.next(subscriptionId, message.message)
      else negentropy.open(subscriptionId, message.filter, message.message, new Set(keys))
    } catch (error) {
      peer.send(encodeRelay.negErr(subscriptionId, report(error).reason))
    }
  }

  /** Turns what a handler of `EVENT` or `AUTH` throws into its `OK … false`. */
  function answering(event: unknown, handler: () => void): void {
    try {
      handler()
    } catch (error) {
      refuse(event, error)
    }
  }

  function refuse(event: unknown, error: unknown): void {
    const id = (event as { readonly id?: unknown } | null | undefined)?.id
    peer.send(encodeRelay.ok(typeof id === 'string' ? id.slice(0, 64) : '', false, report(error).reason))
  }

  /** Turns what a handler of `REQ` or `COUNT` throws into its `CLOSED`. */
  function closing(subscriptionId: string, handler: () => void): void {
    try {
      handler()
    } catch (error) {
      peer.send(encodeRelay.closed(subscriptionId, report(error).reason))
    }
  }

  /** An error as the other end may see it; the details of our own faults go to the log only. */
  function report(error: unknown): SyncError {
    if (error instanceof SyncError) {
      context.measures.refused(error)
      // The code only: reasons may quote what somebody wrote.
      logger.debug('refused', { code: error.code })
      return error
    }
    logger.error('a handler failed', { error: error instanceof Error ? String(error.stack) : String(error) })
    return new SyncError('INTERNAL', 'the server failed to handle this', { cause: error })
  }

  function authRequired(what: string): SyncError {
    return new SyncError('AUTH_REQUIRED', `authenticate (NIP-42) before you ${what}`)
  }

  function authenticate(value: unknown): void {
    const event = parseEvent(value, limits)
    const expected = { challenge, relayUrls: context.relayUrls(), nowMs: clock.now() }
    const key = checkAuthEvent(event, expected, context.verifier, limits)
    const refusal = context.moderation.whyNot(key)
    if (refusal !== undefined) throw refusal
    if (!keys.has(key) && keys.size >= limits.maxKeysPerConnection) {
      throw new SyncError('AUTH_INVALID', `at most ${limits.maxKeysPerConnection} keys per connection`)
    }
    keys.add(key)
    context.measures.loggedIn()
    account ??= key
    meter.authenticated(key)
    clock.clearTimeout(authTimer)
    peer.send(encodeRelay.ok(event.id, true, ''))
  }

  function publish(value: unknown, bytes: number): void {
    if ((value as { readonly kind?: unknown } | null | undefined)?.kind === KIND.presence) {
      publishPresence(value)
      return
    }
    const checks = {
      ...{ keys, limits, verifier: context.verifier, nowMs: clock.now() },
      relayUrls: () => context.relayUrls(),
      isExtraKind: context.kinds.isExtra,
    }
    checker.check(
      value,
      checks,
      (checked) => submit(checked, bytes),
      (error) => {
        counters.eventsRefused++
        refuse(value, error)
      },
    )
  }

  function submit(checked: CheckedEvent, bytes: number): void {
    const { id } = checked.event
    const answered = brake.begin(bytes)
    const settle = (actual: IngestOutcome): void => {
      answered()
      const outcome = discreetOutcome(checked, actual)
      if (outcome === 'stored') {
        peer.send(encodeRelay.ok(id, true, ''))
      } else if (outcome === 'duplicate') {
        peer.send(encodeRelay.ok(id, true, 'duplicate: already have this event'))
      } else {
        counters.eventsRefused++
        peer.send(encodeRelay.ok(id, false, outcome.reason))
      }
    }
    if (checked.plain === undefined || classOfKind(checked.event.kind) !== 'ephemeral') {
      context.ingest.submit(checked, settle, account)
      return
    }
    passOn(context, checked, () => settle('stored')).catch((error: unknown) => settle(report(error)))
  }

  function publishPresence(value: unknown): void {
    presence.publish(value, keys).then(
      ({ id }) => peer.send(encodeRelay.ok(id, true, '')),
      (error: unknown) => {
        counters.eventsRefused++
        refuse(value, error)
      },
    )
  }

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
    if (keys.size === 0) throw authRequired('read')
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
    if (keys.size === 0) throw authRequired('count')
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

  counters.connections++
  peer.send(encodeRelay.auth(challenge))

  return {
    get account() {
      return account
    },
    receive(text, bytes = text.length) {
      const hasToWait = checker.isBusy && !(checker.takesEvents && peekType(text) === 'EVENT')
      if (hasToWait) checker.waits(() => receive(text, bytes))
      else receive(text, bytes)
    },
    notice(text) {
      if (isOpen) peer.send(encodeRelay.notice(text))
    },
    enforce() {
      const refusals = [...keys].flatMap((key) => context.moderation.whyNot(key) ?? [])
      const [first] = refusals
      if (first === undefined || !isOpen) return
      // Nothing more is read from it or sent to it, however long the other end takes to hear of the close.
      end()
      // Other keys may come back.
      peer.close(
        refusals.length === keys.size ? CLOSE_BLOCKED : CLOSE_UNAUTHENTICATED,
        first.message.slice(0, 100),
      )
    },
    end,
  }

  function receive(text: string, bytes: number): void {
    if (!isOpen) return
    try {
      if (!gate.admits(text, bytes)) return
      dispatch(parseClientMessage(text, limits), bytes)
    } catch (error) {
      peer.send(encodeRelay.notice(report(error).reason))
    }
  }

  function end(): void {
    if (!isOpen) return
    isOpen = false
    counters.connections--
    clock.clearTimeout(authTimer)
    meter.end()
    brake.end()
    for (const subscription of subscriptions.values()) subscription.close()
    subscriptions.clear()
    presence.end()
    negentropy.end()
  }
}
