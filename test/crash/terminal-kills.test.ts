import { expect, it } from 'vitest'
import { report, SEED, TERMINAL_KILLS, TOTAL_KILLS, withScope } from './plan.js'
import { runTerminalKills } from './terminal-kills.js'

// A file of its own: what else this process did would blur the moments at which it kills.
it('[C1][C2][C7][C8][CRS6] commands that are killed keep their edit whole or not at all, and for certain once they said so', {
  timeout: 120_000 + TOTAL_KILLS * 5_000,
}, async (context) => {
  const result = await withScope((scope) => runTerminalKills(scope, { seed: SEED, kills: TERMINAL_KILLS }))
  report(context, result)
  expect(result.landed * 3, 'kills that hit a living process').toBeGreaterThanOrEqual(result.aimed)
})
