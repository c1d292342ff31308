import type { HoldChoice } from '@onyx-sync/client'
import type { Action } from './history.js'
import type { SeededRandom } from './seeded-random.js'

/** The device of the standard cast that holds only some documents, where a history is about that. */
export const HOLDING_DEVICE = 'tablet'

/** What it holds at first. */
export const FIRST_CHOICE: HoldChoice = { recent: 2 }

/** A history with actions put in between by which a device changes what it holds. */
export function withHolding(actions: readonly Action[], random: SeededRandom): Action[] {
  return actions.flatMap((action) => {
    if (!random.chance(0.25)) return [action]
    const device = HOLDING_DEVICE
    const type = random.pick(['evict', 'evict', 'open', 'open', 'hold'] as const)
    const draw = random.next()
    return type === 'hold'
      ? [action, { type, device, choice: createChoice(random) }]
      : [action, { type, device, draw }]
  })
}

function createChoice(random: SeededRandom): HoldChoice {
  return random.pick<HoldChoice>([
    'all',
    {},
    { recent: 1 },
    { recent: 3 },
    { activeWithinDays: 3_650 },
    { ids: [`chat${random.below(4)}`] },
    { kinds: [30001] },
  ])
}
