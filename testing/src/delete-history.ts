import { type Action, devicesIn } from './history.js'
import type { SeededRandom } from './seeded-random.js'

/** A history with actions put in between by which chats are deleted for good, some as soon as they are made. */
export function withDeleting(actions: readonly Action[], random: SeededRandom): Action[] {
  const devices = devicesIn(actions)
  return actions.flatMap((action): Action[] =>
    random.chance(0.08)
      ? [action, { type: 'delete-chat', device: random.pick(devices), draw: random.next() }]
      : [action],
  )
}
