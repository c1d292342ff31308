import type { Action } from './history.js'
import type { SeededRandom } from './seeded-random.js'

/** A history with actions put in between by which the server is set back to a backup, or replaced by an empty one. */
export function withResets(actions: readonly Action[], random: SeededRandom): Action[] {
  return actions.flatMap((action): Action[] => {
    if (!random.chance(0.02)) return [action]
    return [
      action,
      random.chance(0.5) ? { type: 'replace-server' } : { type: 'restore-server', draw: random.next() },
    ]
  })
}
