import type { Random } from '@onyx-sync/shared'

/** When to try again. */
export interface BackoffOptions {
  /** Upper bound of the first delay. Milliseconds. @default 500 */
  readonly baseMs?: number
  /** Upper bound of every delay. Milliseconds. @default 30_000 */
  readonly capMs?: number
}

/** Full-jitter exponential backoff (trap C11): a crowd that lost its server doesn't come back as a crowd. */
export interface Backoff {
  /** Milliseconds to wait before the next attempt: uniformly from 0 to a bound that doubles up to the cap. */
  next(): number
  /** Begins anew. Call when a connection has proved stable, not when it has merely opened. */
  reset(): void
}

export function createBackoff(random: Random, options: BackoffOptions = {}): Backoff {
  const baseMs = options.baseMs ?? 500
  const capMs = options.capMs ?? 30_000
  let attempt = 0
  return {
    next() {
      const boundMs = Math.min(capMs, baseMs * 2 ** Math.min(attempt, 30))
      attempt++
      return Math.floor(random.next() * boundMs)
    },
    reset() {
      attempt = 0
    },
  }
}
