import {
  type Clock,
  expirationOf,
  isDocumentKind,
  isExpired,
  KIND,
  type Logger,
  type NostrEvent,
  SyncError,
  type TimerHandle,
} from '@onyx-sync/shared'
import type { EventLog, WithdrawnEvent } from '../ports/event-log.js'
import { loadEvents, withdrawnOf } from './stored-events.js'

/** Throws for an event that has expired, or that can't expire. Source: NIP-40, SPEC XPR1, XPR3. */
export function checkExpiration(event: NostrEvent, nowMs: number): void {
  const expiresAt = expirationOf(event)
  if (expiresAt === undefined) return
  if (isDocumentKind(event.kind)) {
    throw new SyncError(
      'EVENT_TAGS_INVALID',
      'an update of a document can not expire: others are merged with it. Delete its content with another update, or the whole document (NIP-09)',
    )
  }
  if (event.kind === KIND.deletion || event.kind === KIND.vanish) {
    throw new SyncError(
      'EVENT_TAGS_INVALID',
      'a request to delete does not expire: what it deletes stays away',
    )
  }
  if (isExpired(event, nowMs)) {
    throw new SyncError(
      'EXPIRED',
      `the event expired at ${expiresAt}; it is ${Math.floor(nowMs / 1000)} here`,
    )
  }
}

/** Events that go in one write. */
const MAX_EVENTS = 512

/** What has expired, at most {@link MAX_EVENTS} of it. The newest event of the log waits: its position is the head. */
export async function expiredEvents(log: EventLog, logger: Logger, nowMs: number): Promise<WithdrawnEvent[]> {
  const due: { readonly seq: number }[] = []
  for await (const page of log.expiring(Math.floor(nowMs / 1000))) {
    due.push(...page.filter(({ seq }) => seq !== log.head))
    if (due.length >= MAX_EVENTS) break
  }
  return (await loadEvents(log, logger, due.slice(0, MAX_EVENTS))).map(withdrawnOf)
}

/** Has what expires taken off the disk, soon after it did. */
export interface Expiry {
  /** An event is stored that will expire. */
  noted(expiresAt: number): void
  stop(): void
}

export interface ExpiryOptions {
  readonly log: EventLog
  readonly clock: Clock
  readonly logger: Logger
  /** Takes out of the log what has expired by now. Resolves with whether there is more. */
  purge(): Promise<boolean>
}

const MIN_DELAY_MS = 1_000
/** A timer can't wait longer than 2³¹ − 1 ms. */
const MAX_DELAY_MS = 86_400_000
/** What could not be purged is tried again then: a write failed, or it is the newest event of the log. */
const RETRY_MS = 60_000

/** One timer, for whatever expires next. Where nothing does, there is none. */
export function createExpiry({ log, clock, logger, purge }: ExpiryOptions): Expiry {
  let timer: TimerHandle
  let dueAtMs = Number.POSITIVE_INFINITY
  let isStopped = false

  function schedule(atMs: number): void {
    if (isStopped || atMs >= dueAtMs) return
    clock.clearTimeout(timer)
    dueAtMs = atMs
    const delayMs = Math.min(MAX_DELAY_MS, Math.max(MIN_DELAY_MS, atMs - clock.now()))
    timer = clock.setTimeout(() => void run(), delayMs)
  }

  async function run(): Promise<void> {
    dueAtMs = Number.POSITIVE_INFINITY
    try {
      if (await purge()) return schedule(clock.now())
      await lookAhead(RETRY_MS)
    } catch (error) {
      logger.warn('what has expired could not be purged; it is tried again', { error: String(error) })
      schedule(clock.now() + RETRY_MS)
    }
  }

  /** Finds what expires next; not sooner than `minMs` from now. */
  async function lookAhead(minMs: number): Promise<void> {
    for await (const [next] of log.expiring(Number.MAX_SAFE_INTEGER)) {
      if (next === undefined) continue
      const { expiresAt } = next
      const isDue = expiresAt * 1000 <= clock.now()
      schedule(isDue ? clock.now() + minMs : expiresAt * 1000)
      return
    }
  }

  lookAhead(0).catch((error: unknown) => {
    if (!isStopped) logger.warn('what expires next could not be read', { error: String(error) })
  })
  return {
    noted: (expiresAt) => schedule(expiresAt * 1000),
    stop() {
      isStopped = true
      clock.clearTimeout(timer)
    },
  }
}
