import { type Action, STANDARD_CAST } from './history.js'
import type { SeededRandom } from './seeded-random.js'

/** A history with actions put in between by which devices go to a plain relay and come back, each by itself. */
export function withMoving(actions: readonly Action[], random: SeededRandom): Action[] {
  const devices = Object.values(STANDARD_CAST).flat()
  return actions.flatMap((action): Action[] =>
    random.chance(0.15)
      ? [action, { type: 'move', device: random.pick(devices), isElsewhere: random.chance(0.6) }]
      : [action],
  )
}
