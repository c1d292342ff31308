import { createVirtualClock, type VirtualClock } from '@onyx-sync/testing'

/** A clock on which turns of the app can be held, and with them what is done between them. */
export function createTurns(): { clock: VirtualClock; hold(): void; release(): void } {
  const virtual = createVirtualClock(Date.UTC(2026, 0, 1))
  let held: (() => void)[] | undefined
  return {
    clock: {
      ...virtual,
      now: () => virtual.now(),
      setTimeout: (callback, delayMs) =>
        virtual.setTimeout(() => {
          if (delayMs === 0 && held !== undefined) held.push(callback)
          else callback()
        }, delayMs),
    },
    hold() {
      held = []
    },
    release() {
      const callbacks = held ?? []
      held = undefined
      for (const callback of callbacks) virtual.setTimeout(callback, 0)
    },
  }
}
