import {
  bytesToHex,
  type ClientMessage,
  checkAuthEvent,
  classOfKind,
  encodeRelay,
  KIND,
  type Logger,
  parseClientMessage,
  parseEvent,
  type Random,
  SyncError,
} from '@onyx-sync/shared'
import type { EventLog } from '../ports/event-log.js'
import type { Peer } from '../ports/peer.js'
import type { RelayVerifier } from '../ports/spread-verifier.js'
import { createBrake } from './brake.js'
import type { CheckedEvent } from './check-event.js'
import { passOn } from './ephemeral.js'
import { createEventChecker } from './event-checker.js'
import { discreetOutcome } from './gift-wraps.js'
import type { Ingest, IngestOutcome } from './ingest.js'
import { createMessageGate } from './message-gate.js'
import type { Moderation } from './moderation.js'
import { createNegentropy } from './negentropy.js'
import { peekType } from './peek.js'
import type { Presence } from './presence.js'
import { createQuestions, type QuestionsContext } from './questions.js'
import type { RateLimits } from './rate-limits.js'
import type { ReadingTurns } from './reading-turns.js'

/** What all sessions of a server share. */
export interface SessionContext extends QuestionsContext {
  readonly log: EventLog
  readonly ingest: Ingest
  readonly presence: Presence
  readonly rates: RateLimits
  readonly reading: ReadingTurns
  readonly verifier: RelayVerifier
  readonly random: Random
  readonly moderation: Pick<Moderation, 'whyNot' | 'isOperator'>
  /** Public URLs of this server, any of which an AUTH event may name. */
  relayUrls(): readonly string[]
}

/** One connection, from its first message to its end. Nothing it is given makes it throw. */
export interface Session {
  /** Whom what it does counts for: the first key that logged in; undefined before that. */
  account(): string | undefined
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

/**
 * Greets the other end with its challenge, and serves it. Source: NIP-01, NIP-42, SPEC AUTH1–AUTH6.
 *
 * @param logger says which connection it is about
 */
export function createSession(peer: Peer, context: SessionContext, logger: Logger): Session {
  const { limits, clock, counters } = context
  const challenge = bytesToHex(context.random.bytes(CHALLENGE_BYTES))
  const keys = new Set<string>()
  const presence = context.presence.connect()
  const meter = context.rates.connect(peer.address)
  const brake = createBrake(
    peer,
    limits,
    clock,
    () => account !== undefined && context.ingest.isAhead(account),
  )
  const checker = createEventChecker(context.merger, limits, brake, context.verifier.later)
  let account: string | undefined
  /** The log for one question: those of an account are answered in the order in which they were asked. */
  const readingLog = (): EventLog => context.reading.logFor(() => account ?? '')
  const questions = createQuestions({ context, peer, logger, keys, readingLog })
  const gate = createMessageGate({
    meter,
    brake,
    peer,
    counters,
    endSubscription: questions.endSubscription,
    refused: context.measures.refused,
  })
  const negentropy = createNegentropy({ context, peer, logger, readingLog })
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
        closing(message.subscriptionId, () => {
          requireLogin('read')
          questions.subscribe(message.subscriptionId, message.filters)
        })
        break
      case 'COUNT':
        closing(message.subscriptionId, () => {
          requireLogin('count')
          questions.count(message.subscriptionId, message.filters)
        })
        break
      case 'CLOSE':
        questions.endSubscription(message.subscriptionId)
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
      requireLogin('read')
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

  function requireLogin(what: string): void {
    if (keys.size > 0) return
    throw new SyncError('AUTH_REQUIRED', `authenticate (NIP-42) before you ${what}`)
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

  counters.connections++
  peer.send(encodeRelay.auth(challenge))

  return {
    account: () => account,
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
    questions.end()
    presence.end()
    negentropy.end()
  }
}
