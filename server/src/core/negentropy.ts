import { bytesToHex, hexToBytes } from '@noble/hashes/utils.js'
import {
  type Clock,
  encodeRelay,
  type Filter,
  type Limits,
  type Logger,
  parseFilter,
  SyncError,
  type TimerHandle,
} from '@onyx-sync/shared'
import type { EventLog } from '../ports/event-log.js'
import type { Peer } from '../ports/peer.js'
import type { Counters } from './counters.js'
import type { Hub, Subscriber } from './hub.js'
import type { Moderation } from './moderation.js'
import { answerNegentropy } from './negentropy-answer.js'
import { createRecordCollector, type RecordSet } from './negentropy-records.js'
import type { ServedKinds } from './plain-events.js'
import { queryEvents } from './query.js'

/** The comparisons of sets of events that run on one connection (NIP-77). */
export interface Negentropy {
  /** `NEG-OPEN`; it takes the place of an open one of the same id. Throws what the `NEG-ERR` is to say. */
  open(subscriptionId: string, filter: unknown, message: unknown, keys: ReadonlySet<string>): void
  /** `NEG-MSG`. Throws what the `NEG-ERR` is to say. */
  next(subscriptionId: string, message: unknown): void
  /** `NEG-CLOSE`, also of one that isn't open. */
  close(subscriptionId: string): void
  /** The connection is gone. */
  end(): void
}

/** What comparisons of all connections share. */
export interface NegentropyContext {
  readonly hub: Hub
  readonly limits: Limits
  readonly clock: Clock
  readonly counters: Counters
  readonly moderation: Pick<Moderation, 'isOperator'>
  readonly kinds: ServedKinds
}

export interface NegentropyOptions {
  readonly context: NegentropyContext
  readonly peer: Peer
  readonly logger: Logger
  /** The log as one question reads it. */
  readingLog(): EventLog
}

/** One comparison: the set as it was when it was opened. */
interface Comparison {
  /** Undefined while it is being read. */
  records?: RecordSet
  /** Counted against what the server holds for all connections. */
  recordCount: number
  idleTimer?: TimerHandle
  readonly subscriber: Subscriber
}

/**
 * A comparison works on a snapshot of what its keys may see, because its ranges must mean the same in every
 * round. So it ends when one of the keys loses something: what it had would be told otherwise (trap S9).
 */
export function createNegentropy({ context, peer, logger, readingLog }: NegentropyOptions): Negentropy {
  const { hub, limits, clock, counters, kinds } = context
  const comparisons = new Map<string, Comparison>()

  function open(subscriptionId: string, value: unknown, message: unknown, keys: ReadonlySet<string>): void {
    release(subscriptionId)
    const first = parseHex(message)
    const filter = parseFilter(value, limits)
    if (filter.after !== undefined) {
      throw new SyncError('FILTER_INVALID', '"after" brings changes; sets are compared without it')
    }
    if (comparisons.size >= limits.maxNegentropySessions) {
      throw new SyncError(
        'TOO_MANY_SUBSCRIPTIONS',
        `at most ${limits.maxNegentropySessions} at a time; close one`,
      )
    }
    const lost = (): void =>
      fail(subscriptionId, new SyncError('NEGENTROPY_CLOSED', 'what you may read has changed; open it again'))
    const isOperator = [...keys].some(context.moderation.isOperator)
    // What all may read has nobody who could lose it: who deletes that must not end the comparisons of others.
    const subscriber = { keys: [...keys], isOperator, revoked: lost, withdrawn: lost, deliver() {} }
    const readers = new Set(kinds.readersFor([...keys], [filter]))
    const comparison: Comparison = { recordCount: 0, subscriber }
    comparisons.set(subscriptionId, comparison)
    hub.join(subscriber)
    const isOpen = (): boolean => comparisons.get(subscriptionId) === comparison
    read(comparison, isOpen, filter, readers).then(
      (records) => {
        if (!isOpen()) return
        comparison.records = records
        guarded(subscriptionId, () => answer(subscriptionId, comparison, records, first))
      },
      (error: unknown) => {
        if (isOpen()) fail(subscriptionId, error)
      },
    )
  }

  /** Reads the set page by page, as any query, and gives up as soon as it is too large. */
  async function read(
    comparison: Comparison,
    isOpen: () => boolean,
    filter: Filter,
    keys: ReadonlySet<string>,
  ): Promise<RecordSet> {
    const collector = createRecordCollector()
    const log = readingLog()
    const { isOperator } = comparison.subscriber
    const scope = { log, logger, clock, kinds, keys, ...{ isOperator }, through: log.head }
    for await (const page of queryEvents(scope, [filter])) {
      if (!isOpen()) break
      for (const { event } of page) collector.add(event.created_at, event.id)
      comparison.recordCount += page.length
      counters.negentropyRecords += page.length
      if (collector.size > limits.maxNegentropyRecords) {
        throw new SyncError(
          'NEGENTROPY_TOO_LARGE',
          `this query matches more than ${limits.maxNegentropyRecords} events; ask for less, by since and until`,
        )
      }
      if (counters.negentropyRecords > limits.maxNegentropyRecordsHeld) {
        throw new SyncError('RATE_LIMITED', 'too many comparisons are under way; try again in a minute')
      }
    }
    return collector.finish()
  }

  function answer(
    subscriptionId: string,
    comparison: Comparison,
    records: RecordSet,
    message: Uint8Array,
  ): void {
    const reply = answerNegentropy(records, message, limits.maxNegentropyFrameBytes)
    peer.send(encodeRelay.negMsg(subscriptionId, bytesToHex(reply)))
    comparison.idleTimer = clock.setTimeout(() => {
      fail(subscriptionId, new SyncError('NEGENTROPY_CLOSED', 'no message came for too long; open it again'))
    }, limits.maxNegentropyIdleSeconds * 1000)
  }

  function guarded(subscriptionId: string, step: () => void): void {
    try {
      step()
    } catch (error) {
      fail(subscriptionId, error)
    }
  }

  function fail(subscriptionId: string, error: unknown): void {
    release(subscriptionId)
    if (!(error instanceof SyncError)) logger.error('a comparison failed', { error: String(error) })
    const failure =
      error instanceof SyncError
        ? error
        : new SyncError('STORE_FAILED', 'reading failed; ask again', { cause: error })
    peer.send(encodeRelay.negErr(subscriptionId, failure.reason, mostRecords(failure)))
  }

  function mostRecords({ code }: SyncError): number | undefined {
    return code === 'NEGENTROPY_TOO_LARGE' ? limits.maxNegentropyRecords : undefined
  }

  function release(subscriptionId: string): void {
    const comparison = comparisons.get(subscriptionId)
    if (comparison === undefined) return
    comparisons.delete(subscriptionId)
    clock.clearTimeout(comparison.idleTimer)
    hub.leave(comparison.subscriber)
    counters.negentropyRecords -= comparison.recordCount
  }

  return {
    open,
    next(subscriptionId, message) {
      const comparison = comparisons.get(subscriptionId)
      if (comparison === undefined) {
        throw new SyncError('NEGENTROPY_CLOSED', 'no comparison of this id is open; begin with NEG-OPEN')
      }
      guarded(subscriptionId, () => {
        const { records } = comparison
        const next = parseHex(message)
        if (records === undefined) {
          throw new SyncError('MESSAGE_MALFORMED', 'wait for the answer before you send the next NEG-MSG')
        }
        clock.clearTimeout(comparison.idleTimer)
        answer(subscriptionId, comparison, records, next)
      })
    },
    close: release,
    end() {
      for (const subscriptionId of [...comparisons.keys()]) release(subscriptionId)
    },
  }
}

function parseHex(value: unknown): Uint8Array {
  if (typeof value === 'string' && value.length > 0) {
    try {
      return hexToBytes(value)
    } catch {
      // Said below, in our words.
    }
  }
  throw new SyncError('MESSAGE_MALFORMED', 'the negentropy message must be hex, and not empty')
}
