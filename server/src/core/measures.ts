import { type NostrEvent, SyncError, type SyncErrorCode } from '@onyx-sync/shared'
import type { Commit, EventLog } from '../ports/event-log.js'
import type { Peer } from '../ports/peer.js'
import type { RelayVerifier } from '../ports/spread-verifier.js'
import { createHistogram, type Histogram } from './histogram.js'
import type { Ingest, IngestOutcome } from './ingest.js'

/** What a relay measures of itself, besides what it counts. Times are seconds. */
export interface Measures {
  /** From when an event was checked to its `OK true`. */
  readonly okSeconds: Histogram
  readonly commitSeconds: Histogram
  /** Events of one commit. */
  readonly commitEvents: Histogram
  /** From when a check of id and signature was asked for to its answer. */
  readonly verifySeconds: Histogram
  /** From a `REQ` to its `EOSE`. */
  readonly catchUpSeconds: Histogram
  /** Events stored, by kind. */
  readonly storedByKind: ReadonlyMap<number, number>
  /** What was refused, be it an event, a login or a query, by error code. */
  readonly refusedByCode: ReadonlyMap<SyncErrorCode, number>
  /** Logins that were accepted. */
  readonly logins: number
  /** Events that wait to be written. */
  readonly queuedEvents: number
  /** Messages and characters handed to connections. */
  readonly sentMessages: number
  readonly sentLength: number
  refused(error: SyncError): void
  loggedIn(): void
  /** Parts of a relay that are measured as they are used. */
  verifier(verifier: RelayVerifier): RelayVerifier
  log(log: EventLog): EventLog
  ingest(ingest: Ingest): Ingest
  peer(peer: Peer): Peer
}

const SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]
const VERIFY_SECONDS = [0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05]
const COMMIT_EVENTS = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512]

/** Seconds that only ever go forward. Not the injected clock: what is measured is this machine. */
export function secondsNow(): number {
  return globalThis.performance.now() / 1000
}

/** Nothing measured yet. */
export function createMeasures(): Measures {
  const storedByKind = new Map<number, number>()
  const refusedByCode = new Map<SyncErrorCode, number>()
  const counts = { logins: 0, queuedEvents: 0, sentMessages: 0, sentLength: 0 }
  const okSeconds = createHistogram(SECONDS)
  const commitSeconds = createHistogram(SECONDS)
  const commitEvents = createHistogram(COMMIT_EVENTS)
  const verifySeconds = createHistogram(VERIFY_SECONDS)

  function refused({ code }: SyncError): void {
    refusedByCode.set(code, (refusedByCode.get(code) ?? 0) + 1)
  }

  function settled(outcome: IngestOutcome, kind: number, startedAt: number): void {
    counts.queuedEvents--
    if (outcome instanceof SyncError) refused(outcome)
    else {
      okSeconds.observe(secondsNow() - startedAt)
      if (outcome === 'stored') storedByKind.set(kind, (storedByKind.get(kind) ?? 0) + 1)
    }
  }

  return {
    okSeconds,
    commitSeconds,
    commitEvents,
    verifySeconds,
    catchUpSeconds: createHistogram(SECONDS),
    storedByKind,
    refusedByCode,
    get logins() {
      return counts.logins
    },
    get queuedEvents() {
      return counts.queuedEvents
    },
    get sentMessages() {
      return counts.sentMessages
    },
    get sentLength() {
      return counts.sentLength
    },
    refused,
    loggedIn() {
      counts.logins++
    },
    verifier(verifier) {
      const { later } = verifier
      const measured = later && {
        async later(event: NostrEvent): Promise<void> {
          const startedAt = secondsNow()
          await later(event).finally(() => verifySeconds.observe(secondsNow() - startedAt))
        },
      }
      return {
        name: verifier.name,
        ...measured,
        verify(event) {
          const startedAt = secondsNow()
          try {
            verifier.verify(event)
          } finally {
            verifySeconds.observe(secondsNow() - startedAt)
          }
        },
      }
    },
    log(log) {
      // A log that inherits everything else: its getters stay live, and tests can break its methods.
      return Object.create(log, {
        commit: {
          async value(commit: Commit): Promise<void> {
            const startedAt = secondsNow()
            await log.commit(commit)
            commitSeconds.observe(secondsNow() - startedAt)
            commitEvents.observe(commit.events.length + (commit.held?.length ?? 0))
          },
        },
      }) as EventLog
    },
    ingest(ingest) {
      return {
        submit(checked, settle, account) {
          const startedAt = secondsNow()
          counts.queuedEvents++
          const settleMeasured = (outcome: IngestOutcome): void => {
            settled(outcome, checked.event.kind, startedAt)
            settle(outcome)
          }
          ingest.submit(checked, settleMeasured, account)
        },
        isAhead: (account) => ingest.isAhead(account),
        exclusively: (work) => ingest.exclusively(work),
        stop: () => ingest.stop(),
      }
    },
    peer(peer) {
      return {
        ...peer,
        send(message) {
          counts.sentMessages++
          counts.sentLength += message.length
          peer.send(message)
        },
      }
    },
  }
}
