import { type Clock, getOrCreate } from '@onyx-sync/shared'

/** How edits are gathered into events. */
export interface PacingOptions {
  readonly clock: Clock
  /** Events of one document that may follow each other at once. At least 1. @default 3 */
  readonly burst?: number
  /** Time after which a document may have one more event. Milliseconds; 0: no pacing. @default 500 */
  readonly intervalMs?: number
}

/**
 * A token bucket per document (trap C16): a burst of edits becomes an event or few at once, and what is edited
 * meanwhile is merged into the next. Over any time `t` a document has at most `burst + t / interval` new events.
 *
 * The interval grows with what a signature costs on this device, so that signing takes a twentieth of its time
 * at most: 65 ms on a phone's JavaScript engine make it 1.3 s. It never grows beyond 5 s by that, however
 * long a person takes to confirm in a remote signer.
 */
export interface Pacing {
  /** Milliseconds until the next event of a document may be signed; 0: now. */
  delayMs(lane: string): number
  /** An event of this document was signed. */
  spend(lane: string): void
  /** What a signature took, milliseconds. */
  noteSignature(durationMs: number): void
  /** Whether signatures took so little lately that writing to the disk may wait for one. */
  isSignerQuick(): boolean
}

/** Time between events, in durations of a signature. */
const SIGNATURES_PER_INTERVAL = 20
/** What the cost of signatures may make of the interval. */
const MAX_COST_INTERVAL_MS = 5_000
/** What takes no longer is quick: about a write to the disk. Milliseconds. */
const QUICK_SIGNATURE_MS = 5
/** Share of the newest signature in the smoothed duration. */
const SMOOTHING = 0.25
/** Waiting exactly as long as told must be enough, whatever the rounding. */
const ENOUGH = 1 - 1e-6

export function createPacing({ clock, burst = 3, intervalMs = 500 }: PacingOptions): Pacing {
  const buckets = new Map<string, { tokens: number; atMs: number }>()
  let signatureMs: number | undefined

  function spacingMs(): number {
    return Math.max(intervalMs, SIGNATURES_PER_INTERVAL * (signatureMs ?? 0))
  }

  function refilled(lane: string): { tokens: number; atMs: number } {
    const nowMs = clock.now()
    const bucket = getOrCreate(buckets, lane, () => ({ tokens: burst, atMs: nowMs }))
    // A clock that was set back must not make anybody wait until it is where it was.
    const elapsedMs = Math.max(0, nowMs - bucket.atMs)
    bucket.tokens = Math.min(burst, bucket.tokens + elapsedMs / spacingMs())
    bucket.atMs = nowMs
    return bucket
  }

  return {
    delayMs(lane) {
      if (intervalMs === 0) return 0
      const { tokens } = refilled(lane)
      return tokens >= ENOUGH ? 0 : Math.ceil((1 - tokens) * spacingMs())
    },
    spend(lane) {
      if (intervalMs === 0) return
      const bucket = refilled(lane)
      // Whoever is in a hurry takes tokens that aren't there; that is not held against the document later.
      bucket.tokens = Math.max(0, bucket.tokens - 1)
    },
    noteSignature(durationMs) {
      // Bounded, so that one that somebody had to confirm is soon forgotten.
      const sampleMs = Math.min(Math.max(0, durationMs), MAX_COST_INTERVAL_MS / SIGNATURES_PER_INTERVAL)
      signatureMs = signatureMs === undefined ? sampleMs : signatureMs + SMOOTHING * (sampleMs - signatureMs)
    },
    isSignerQuick: () => signatureMs !== undefined && signatureMs <= QUICK_SIGNATURE_MS,
  }
}
