import type { Clock } from '@onyx-sync/shared'

/** Gives out values of `created_at`, so that not too many events are of one second. */
export interface TimeSlots {
  /** Now, or the given time if that is later, or one of the seconds after it. Unix seconds. */
  take(atLeast: number): number
}

/**
 * Events of one second can't be told apart by `until`. Below the smallest cap that relays have, also with several
 * devices that publish everything at once.
 */
const MAX_PER_SECOND = 10
/** Beyond that, no more are put into the future: relays refuse what is too far ahead. Seconds. */
const MAX_AHEAD_S = 300

export function createTimeSlots(clock: Clock): TimeSlots {
  const taken = new Map<number, number>()
  return {
    take(atLeast) {
      const now = Math.floor(clock.now() / 1000)
      let second = Math.max(now, atLeast)
      while ((taken.get(second) ?? 0) >= MAX_PER_SECOND && second < now + MAX_AHEAD_S) second++
      taken.set(second, (taken.get(second) ?? 0) + 1)
      for (const other of taken.keys()) {
        // In the order in which they were given out, which is nearly that of time.
        if (other >= now) break
        taken.delete(other)
      }
      return second
    },
  }
}
