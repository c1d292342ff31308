import { type Action, STANDARD_CAST } from './history.js'
import type { SeededRandom } from './seeded-random.js'

/**
 * A history with actions put in between by which disks of devices are copied, and copies take the place of a disk: a phone that
 * is set back to its backup, or a new one that gets the backup of another.
 */
export function withCopying(actions: readonly Action[], random: SeededRandom): Action[] {
  return actions.flatMap((action): Action[] => {
    if (!random.chance(0.15)) return [action]
    const devices = random.pick(Object.values(STANDARD_CAST))
    const device = random.pick(devices)
    if (random.chance(0.6)) return [action, { type: 'back-up', device }]
    return [action, { type: 'set-back', device, from: random.pick(devices) }]
  })
}
