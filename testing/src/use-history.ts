import { type Action, devicesIn, many } from './history.js'
import type { SeededRandom } from './seeded-random.js'

/**
 * A history with actions put in between by which devices are used as an app uses them: replies are streamed, screens show chats,
 * edits are undone, apps are closed and opened again, and the server is restarted in an orderly way.
 */
export function withUsing(actions: readonly Action[], random: SeededRandom): Action[] {
  const devices = devicesIn(actions)
  return actions.flatMap((action): Action[] => {
    if (!random.chance(0.45)) return [action]
    const device = random.pick(devices)
    const type = random.pick(USES)
    if (type === 'restart-server') return [action, { type }]
    if (type === 'close') return [action, { type, device }]
    return [action, { type, device, draw: random.next() }]
  })
}

/** How often each is done. */
const USES = [
  ...many(5, 'stream'),
  ...many(4, 'show'),
  ...many(2, 'undo'),
  ...many(2, 'mark'),
  ...many(3, 'close'),
  'import',
  'restart-server',
] as const
