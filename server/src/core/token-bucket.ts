import type { Clock } from '@onyx-sync/shared'

/** Bounds how often something happens, with room for a burst. */
export interface TokenBucket {
  /**
   * Whether it may happen now; if so, it is counted. What costs more than the bucket holds may happen when it is
   * full. @param cost tokens it takes, 1 if not given
   */
  take(cost?: number): boolean
  /** Seconds until `take` of the same cost would succeed, if nothing else is taken. */
  secondsUntil(cost?: number): number
}

/** Full at first: `capacity` times at once, and from then on `perSecond` times a second. */
export function createTokenBucket(clock: Clock, perSecond: number, capacity: number): TokenBucket {
  let tokens = capacity
  let filledAtMs = clock.now()

  function refill(): void {
    const nowMs = clock.now()
    // A wall clock may be set back; that must not take tokens away.
    const elapsedMs = Math.max(0, nowMs - filledAtMs)
    tokens = Math.min(capacity, tokens + (elapsedMs / 1000) * perSecond)
    filledAtMs = nowMs
  }

  return {
    take(cost = 1) {
      refill()
      if (tokens < Math.min(cost, capacity)) return false
      tokens -= cost
      return true
    },
    secondsUntil(cost = 1) {
      refill()
      return Math.max(0, (Math.min(cost, capacity) - tokens) / perSecond)
    },
  }
}

/** A bucket for so many a minute, all of which may come at once. */
export function createMinuteBucket(clock: Clock, perMinute: number): TokenBucket {
  return createTokenBucket(clock, perMinute / 60, perMinute)
}
