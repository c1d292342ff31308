import type { Clock } from '@onyx-sync/shared'

/** Bounds how often something happens, with room for a burst. */
export interface TokenBucket {
  /** Whether it may happen once more now. */
  take(): boolean
}

/** Full at first: `capacity` times at once, and from then on `perSecond` times a second. */
export function createTokenBucket(clock: Clock, perSecond: number, capacity: number): TokenBucket {
  let tokens = capacity
  let filledAtMs = clock.now()
  return {
    take() {
      const nowMs = clock.now()
      // A wall clock may be set back; that must not take tokens away.
      const elapsedMs = Math.max(0, nowMs - filledAtMs)
      tokens = Math.min(capacity, tokens + (elapsedMs / 1000) * perSecond)
      filledAtMs = nowMs
      if (tokens < 1) return false
      tokens--
      return true
    },
  }
}
