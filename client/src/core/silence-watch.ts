import type { Clock, TimerHandle } from '@onyx-sync/shared'

/** How long a server may be silent. */
export interface SilenceTimes {
  /** Longest silence while something is awaited from the server. Milliseconds. @default 20_000 */
  readonly responseTimeoutMs?: number
  /** Silence on a live connection after which it is asked for a sign of life. Milliseconds. @default 25_000 */
  readonly pingAfterMs?: number
  /** How long that sign may take. Milliseconds. @default 10_000 */
  readonly pingTimeoutMs?: number
}

export interface SilenceWatchOptions extends SilenceTimes {
  readonly clock: Clock
  /** Sends something that any relay answers at once. Browsers have no ping. */
  ask(): void
  /** Nothing came for so long. */
  onSilent(timeoutMs: number): void
}

/** Watches how long a server says nothing: a socket can look open and be dead, on a phone back from sleep (trap C9). */
export interface SilenceWatch {
  /** The server has said something, or is about to: `answer` is awaited, or `nothing`, which is fine for a while. */
  expect(what: 'answer' | 'nothing'): void
  /** Asks for a sign of life now. */
  ping(): void
  /** Until the next `expect` there is no deadline. */
  stop(): void
}

export function createSilenceWatch(options: SilenceWatchOptions): SilenceWatch {
  const { clock, responseTimeoutMs = 20_000, pingAfterMs = 25_000, pingTimeoutMs = 10_000 } = options
  let timer: TimerHandle

  function wait(timeoutMs: number, late: (timeoutMs: number) => void): void {
    clock.clearTimeout(timer)
    timer = clock.setTimeout(() => late(timeoutMs), timeoutMs)
  }

  function ping(): void {
    options.ask()
    wait(pingTimeoutMs, options.onSilent)
  }

  return {
    expect(what) {
      if (what === 'answer') wait(responseTimeoutMs, options.onSilent)
      else wait(pingAfterMs, ping)
    },
    ping,
    stop: () => clock.clearTimeout(timer),
  }
}
