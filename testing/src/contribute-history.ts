import { type Action, devicesIn } from './history.js'
import type { SeededRandom } from './seeded-random.js'

/**
 * A history with actions put in between by which messages are contributed as training data and taken back. Somebody agrees
 * to that at the beginning, and now and then somebody doesn't any more.
 */
export function withContributing(actions: readonly Action[], random: SeededRandom): Action[] {
  const devices = devicesIn(actions)
  const agreed = devices.map((device): Action => ({ type: 'consent', device, isGiven: true }))
  const takesBack = random.chance(0.5)
  return actions.flatMap((action, index): Action[] => {
    if (index === 0) return [action, ...agreed]
    if (!random.chance(0.4)) return [action]
    const device = random.pick(devices)
    if (takesBack && random.chance(0.1))
      return [action, { type: 'consent', device, isGiven: random.chance(0.6) }]
    const type = random.pick(['contribute', 'contribute', 'revoke'] as const)
    return [action, { type, device, draw: random.next() }]
  })
}
