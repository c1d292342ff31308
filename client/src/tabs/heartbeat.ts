import type { Clock, TimerHandle } from '@onyx-sync/shared'

/** Between two questions to the tab that leads. Milliseconds. */
const BEAT_MS = 5_000
/** After so many questions without an answer the tab that leads is said to be silent. */
const MAX_UNANSWERED = 2

/** Notices that a tab leads and doesn't answer, as one does that is stuck in a loop or stopped in a debugger. */
export interface Heartbeat {
  /** The tab that leads has said something. */
  heard(): void
  stop(): void
}

export interface HeartbeatParts {
  readonly clock: Clock
  /** Whether it is another tab that has to answer. */
  isElsewhere(): boolean
  ask(): void
  /** It has been silent for ten to fifteen seconds; and that it isn't any more. */
  onSilent(isSilent: boolean): void
}

/** Begins to ask. A device that slept has not waited: what counts is questions, not time. */
export function createHeartbeat({ clock, isElsewhere, ask, onSilent }: HeartbeatParts): Heartbeat {
  let unanswered = 0
  let isSilent = false
  let timer: TimerHandle | undefined

  function heard(): void {
    unanswered = 0
    if (!isSilent) return
    isSilent = false
    onSilent(false)
  }

  function beat(): void {
    timer = clock.setTimeout(beat, BEAT_MS)
    if (!isElsewhere()) {
      heard()
      return
    }
    if (unanswered >= MAX_UNANSWERED && !isSilent) {
      isSilent = true
      onSilent(true)
    }
    unanswered++
    ask()
  }

  timer = clock.setTimeout(beat, BEAT_MS)
  return {
    heard,
    stop: () => clock.clearTimeout(timer),
  }
}
