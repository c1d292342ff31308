import { encodeRelay, getOrCreate, type Logger, type NostrEvent } from '@onyx-sync/shared'
import type { LoggedEvent } from '../ports/event-log.js'
import type { Gone } from './deletions.js'
import type { PublishedCommit } from './ingest.js'
import { isOpenToOperators } from './stored-events.js'

/** An event that has just become durable. */
export interface LiveEvent {
  readonly logged: LoggedEvent
  readonly event: NostrEvent
  /**
   * The `EVENT` message for a subscription, as UTF-8. Subscriptions with the same id and cursor, such as those of
   * one account's devices, are given the same bytes.
   */
  message(subscriptionId: string, cursor: string | undefined): Uint8Array
}

/** An event that is passed on and kept nowhere. */
export type PassedEvent = Omit<LiveEvent, 'logged'>

const utf8 = new TextEncoder()

function toLive({ logged, event }: PublishedCommit['events'][number]): LiveEvent {
  return { logged, event, message: messagesOf(logged.json) }
}

function messagesOf(json: string): LiveEvent['message'] {
  let last: { subscriptionId: string; cursor: string | undefined; bytes: Uint8Array } | undefined
  return (subscriptionId, cursor) => {
    if (last === undefined || last.subscriptionId !== subscriptionId || last.cursor !== cursor) {
      const bytes = utf8.encode(encodeRelay.event(subscriptionId, json, cursor))
      last = { subscriptionId, cursor, bytes }
    }
    return last.bytes
  }
}

/** Somebody who wants to hear of commits. */
export interface Subscriber {
  /** Keys whose events concern it. Must not change while it is joined. */
  readonly keys: readonly string[]
  /** Whether the training data of all authors concerns it, too. Must not change either. @default false */
  readonly isOperator?: boolean
  /** Some of the keys lost documents. Called before `deliver` of the same commit. */
  revoked(): void
  /** Something left the log that it may be reading. Called before `deliver` of the same commit. */
  withdrawn(gone: Gone): void
  /** Events that its keys may read, in log order; `hasGrants` when one of them gained a document. */
  deliver(events: readonly LiveEvent[], hasGrants: boolean): void
  /** The log holds events that nobody was told of: what it knows it has to read. */
  untold?(): void
  /** An ephemeral event that its keys may read; without it there is no interest in those. */
  passed?(event: PassedEvent): void
}

/** Knows who is subscribed, and tells them of each commit. */
export interface Hub {
  join(subscriber: Subscriber): void
  leave(subscriber: Subscriber): void
  /** Tells everybody concerned, at once. A subscriber that throws is logged and harms nobody (trap S8). */
  publish(commit: PublishedCommit): void
  /** Tells everybody that the log holds events that were not published. */
  untold(): void
  /** Tells everybody concerned of an event that is kept nowhere, at once. Harms nobody either. */
  passOn(said: { readonly event: NostrEvent; readonly json: string }, readers: readonly string[]): void
}

const NOBODY: ReadonlySet<Subscriber> = new Set()

/** Subscribers are found by key, so an event costs what its readers cost, however many are connected. */
export function createHub(logger: Logger): Hub {
  const subscribersByKey = new Map<string, Set<Subscriber>>()
  const operators = new Set<Subscriber>()

  function guarded(call: () => void): void {
    try {
      call()
    } catch (error) {
      logger.error('a subscriber failed', { error: String(error) })
    }
  }

  function subscribersOf(keys: Iterable<string>): Set<Subscriber> {
    const found = new Set<Subscriber>()
    for (const key of keys) for (const subscriber of subscribersByKey.get(key) ?? []) found.add(subscriber)
    return found
  }

  /** Whom an event of no document concerns besides its readers. */
  function othersFor(event: { readonly kind: number }): ReadonlySet<Subscriber> {
    return isOpenToOperators(event) ? operators : NOBODY
  }

  return {
    join(subscriber) {
      if (subscriber.isOperator === true) operators.add(subscriber)
      for (const key of subscriber.keys) {
        getOrCreate(subscribersByKey, key, () => new Set()).add(subscriber)
      }
    },

    leave(subscriber) {
      operators.delete(subscriber)
      for (const key of subscriber.keys) {
        const subscribers = subscribersByKey.get(key)
        subscribers?.delete(subscriber)
        if (subscribers?.size === 0) subscribersByKey.delete(key)
      }
    },

    passOn({ event, json }, readers) {
      const passed = { event, message: messagesOf(json) }
      for (const subscriber of subscribersOf(readers)) guarded(() => subscriber.passed?.(passed))
    },

    untold() {
      const everybody = subscribersOf(subscribersByKey.keys())
      for (const operator of operators) everybody.add(operator)
      for (const subscriber of everybody) guarded(() => subscriber.untold?.())
    },

    publish({ events, grants, revocations, gone }) {
      const lost = new Set(revocations.map(({ reader, address }) => `${reader} ${address}`))
      for (const subscriber of subscribersOf(revocations.map(({ reader }) => reader))) {
        guarded(() => subscriber.revoked())
      }
      if (gone !== undefined) {
        const readers = [...gone.documents, ...gone.events].flatMap((item) => item.readers)
        const concerned = subscribersOf(readers)
        for (const event of gone.events) for (const other of othersFor(event)) concerned.add(other)
        for (const subscriber of concerned) guarded(() => subscriber.withdrawn(gone))
      }
      const deliveries = new Map<Subscriber, LiveEvent[]>()
      for (const live of events.map(toLive)) {
        const { readers, address } = live.logged
        // Whoever a later event of this commit removed has no right to the earlier ones any more (trap S9).
        const current = lost.size === 0 ? readers : readers.filter((key) => !lost.has(`${key} ${address}`))
        const concerned = subscribersOf(current)
        for (const other of othersFor(live.event)) concerned.add(other)
        for (const subscriber of concerned) {
          getOrCreate(deliveries, subscriber, () => []).push(live)
        }
      }
      const gained = subscribersOf(grants.map(({ reader }) => reader))
      for (const subscriber of gained) if (!deliveries.has(subscriber)) deliveries.set(subscriber, [])
      for (const [subscriber, list] of deliveries) {
        guarded(() => subscriber.deliver(list, gained.has(subscriber)))
      }
    },
  }
}
