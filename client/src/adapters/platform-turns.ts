import type { Clock } from '@onyx-sync/shared'
import type { Turns } from '../ports/turns.js'

interface Globals {
  readonly navigator?: { readonly product?: string }
  readonly setImmediate?: (callback: () => void) => unknown
  readonly MessageChannel?: typeof MessageChannel
}

/** Turns by timers of a clock, as a simulated world has them. */
export function turnsOf(clock: Clock): Turns {
  return { next: () => new Promise((resolve) => clock.setTimeout(resolve, 0)) }
}

/**
 * Turns of this platform. Not by timers where there is something else: browsers have these wait for 4 ms when there are
 * several, and for a second in a tab that isn't seen, which may be the one that leads.
 */
export function platformTurns(clock: Clock): Turns {
  const globals = globalThis as Globals
  // In React Native the other two don't let anything in between.
  if (globals.navigator?.product === 'ReactNative') return turnsOf(clock)
  const { setImmediate } = globals
  if (setImmediate !== undefined) return { next: () => new Promise((resolve) => setImmediate(resolve)) }
  if (globals.MessageChannel === undefined) return turnsOf(clock)
  return messageTurns(new globals.MessageChannel())
}

function messageTurns({ port1, port2 }: MessageChannel): Turns {
  const waiting: (() => void)[] = []
  port1.onmessage = () => waiting.shift()?.()
  return {
    next: () =>
      new Promise((resolve) => {
        waiting.push(resolve)
        port2.postMessage(undefined)
      }),
  }
}
