import type { Clock } from '@onyx-sync/shared'

/** Time that passes only when it is told to. Timers fire in order of their time, equal ones in order of setting. */
export interface VirtualClock extends Clock {
  /** Runs everything due within the next `ms` milliseconds. */
  advance(ms: number): Promise<void>
  /** Lets time pass until something settles. */
  until<T>(work: Promise<T>): Promise<T>
  /** Lets everything settle that needs no time to pass. */
  settle(): Promise<void>
  /** Timers that fired since the start: how much happened. */
  readonly fired: number
}

interface Timer {
  readonly atMs: number
  readonly order: number
  readonly callback: () => void
  /** Fired or cancelled. */
  isDone: boolean
}

/** A clock that starts at `startMs`, milliseconds since the Unix epoch. */
export function createVirtualClock(startMs: number): VirtualClock {
  let nowMs = startMs
  let order = 0
  let fired = 0
  // A binary heap by time and order: a history sets tens of thousands of timers.
  const heap: Timer[] = []

  const isBefore = (a: Timer, b: Timer) => a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order)

  function push(timer: Timer): void {
    let index = heap.push(timer) - 1
    while (index > 0) {
      const parent = (index - 1) >> 1
      if (!isBefore(timer, heap[parent] as Timer)) break
      heap[index] = heap[parent] as Timer
      index = parent
    }
    heap[index] = timer
  }

  function pop(): Timer {
    const first = heap[0] as Timer
    const last = heap.pop() as Timer
    if (heap.length === 0) return first
    let index = 0
    for (;;) {
      let child = 2 * index + 1
      if (child >= heap.length) break
      if (child + 1 < heap.length && isBefore(heap[child + 1] as Timer, heap[child] as Timer)) child++
      if (!isBefore(heap[child] as Timer, last)) break
      heap[index] = heap[child] as Timer
      index = child
    }
    heap[index] = last
    return first
  }

  /** Everything in the world waits for promises or for this clock, so one macrotask lets all promises run. */
  const settle = () => new Promise<void>((resolve) => setImmediate(resolve))

  return {
    now: () => nowMs,
    setTimeout(callback, delayMs) {
      const timer: Timer = { atMs: nowMs + Math.max(0, delayMs), order: order++, callback, isDone: false }
      push(timer)
      return timer
    },
    clearTimeout(handle) {
      if (handle !== undefined) (handle as Timer).isDone = true
    },
    settle,
    async until(work) {
      let isSettled = false
      const settled = () => {
        isSettled = true
      }
      work.then(settled, settled)
      await settle()
      while (!isSettled) await this.advance(1)
      return work
    },
    async advance(ms) {
      const untilMs = nowMs + ms
      await settle()
      while (heap.length > 0 && (heap[0] as Timer).atMs <= untilMs) {
        const timer = pop()
        if (timer.isDone) continue
        timer.isDone = true
        nowMs = Math.max(nowMs, timer.atMs)
        fired++
        timer.callback()
        await settle()
      }
      nowMs = untilMs
    },
    get fired() {
      return fired
    },
  }
}

/** A clock that is off by `skewMs` and whose timers die with its owner. */
export function createOwnedClock(clock: Clock, skewMs: () => number, isAlive: () => boolean): Clock {
  return {
    now: () => clock.now() + skewMs(),
    setTimeout: (callback, delayMs) =>
      clock.setTimeout(() => {
        if (isAlive()) callback()
      }, delayMs),
    clearTimeout: (handle) => clock.clearTimeout(handle),
  }
}
