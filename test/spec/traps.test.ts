import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { OPEN_TRAPS, TRAPS } from '../support/traps.js'

const TESTS = fileURLToPath(new URL('..', import.meta.url))

/** Ids in brackets at the beginning of test names: `it('[OUT1][C2] …')`. */
function idsInTestNames(): Set<string> {
  const ids = new Set<string>()
  for (const file of readdirSync(TESTS, { recursive: true, encoding: 'utf8' })) {
    if (!/-contract\.ts$|\.test\.ts$/.test(file)) continue
    const source = readFileSync(join(TESTS, file), 'utf8')
    for (const [, brackets = ''] of source.matchAll(/\bit(?:\.\w+)*\(\s*['"`]((?:\[[A-Z]+\d+\])+)/g)) {
      for (const [, id = ''] of brackets.matchAll(/\[([A-Z]+\d+)\]/g)) ids.add(id)
    }
  }
  return ids
}

describe('the traps', () => {
  const tested = idsInTestNames()

  it('[TRP1] are each proved by a test that carries its id, or stand on the open list', () => {
    const missing = Object.keys(TRAPS).filter((id) => !tested.has(id) && !(id in OPEN_TRAPS))
    expect(missing).toEqual([])
  })

  it('[TRP2] leave the open list when they have a test', () => {
    expect(Object.keys(OPEN_TRAPS).filter((id) => tested.has(id))).toEqual([])
  })
})
