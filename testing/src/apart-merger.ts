import { createLocalMerger, type Merger, MergerLost } from '@onyx-sync/server'
import type { Delay } from './delay.js'
import type { SeededRandom } from './seeded-random.js'

/** How often what merges ends in the midst of a piece of work, and how much it does at least before it ends again. */
const ENDS = { probability: 1 / 10, after: 5 } as const

export interface ApartMergerOptions extends NonNullable<Parameters<typeof createLocalMerger>[0]> {
  /** How long a piece of work takes. */
  readonly takeTime: Delay
  /** Decides when it ends. */
  readonly random: SeededRandom
  /** Whether it may end now. */
  endsNow(): boolean
}

/** A merger as in a thread of its own: it does one thing after another, each in its time, and begins anew when it ends. */
export function createApartMerger({ takeTime, random, endsNow, ...options }: ApartMergerOptions): Merger {
  let merger = createLocalMerger(options)
  let generation = 0
  let works = 0
  let last: Promise<unknown> = Promise.resolve()

  function begin(): void {
    generation++
    works = 0
    merger = createLocalMerger(options)
  }

  return {
    isApart: true,
    get generation() {
      return generation
    },
    run(...work) {
      const askedIn = generation
      const done = last.then(takeTime).then(() => {
        if (askedIn !== generation)
          throw new MergerLost('bystander', 'another piece of work ended the thread')
        if (endsNow() && ++works > ENDS.after && random.chance(ENDS.probability)) {
          begin()
          throw new MergerLost('crash', 'the thread ended')
        }
        return merger.run(...work)
      })
      last = done.catch(() => {})
      return done
    },
    close: () => last.then(() => {}),
  }
}
