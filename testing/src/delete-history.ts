import type { Action } from './history.js'
import type { SeededRandom } from './seeded-random.js'

/** A history with actions put in between by which chats are deleted for good, some as soon as they are made. */
export function withDeleting(actions: readonly Action[], random: SeededRandom): Action[] {
  const devices = [
    ...new Set(actions.flatMap((action) => ('device' in action ? [action.device] : []))),
  ].filter((name) => name !== 'server')
  return actions.flatMap((action): Action[] =>
    random.chance(0.08)
      ? [action, { type: 'delete-chat', device: random.pick(devices), draw: random.next() }]
      : [action],
  )
}
