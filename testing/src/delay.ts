import type { SeededRandom } from './seeded-random.js'
import type { VirtualClock } from './virtual-clock.js'

/** Longest time that reading something takes, or working on it in another thread. Much may happen meanwhile. */
const MAX_DELAYS_MS = [0, 0, 5, 40]

/** Lets something take a while. */
export type Delay = () => Promise<void>

/** Lets something take no time. */
export const NO_DELAY: Delay = () => Promise.resolve()

/** What takes a while, one for each world and purpose: in half of them none at all. */
export function createDelay(clock: VirtualClock, random: SeededRandom): Delay {
  const maxMs = random.pick(MAX_DELAYS_MS)
  return async () => {
    const ms = random.below(1 + maxMs)
    if (ms > 0) await new Promise<void>((resolve) => clock.setTimeout(resolve, ms))
  }
}
