import { createMemoryLog, type Fault, type InspectableLog, openLevelLog, verifyLog } from '@onyx-sync/server'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type LivedStep, livedSteps, livedVerifier, liveIn } from '../support/lived-log.js'
import { temporaryDataDirectory } from '../support/servers.js'

/** A log that anybody may have written is sound, and nothing in it was refused to a member. */
const isSound = (
  open: () => Promise<InspectableLog>,
  acts?: readonly LivedStep['act'][],
  first: readonly LivedStep[] = [],
) =>
  fc.asyncProperty(livedSteps(acts), async (steps) => {
    const log = await open()
    const refused = await liveIn(log, [...first, ...steps])
    const faults: Fault[] = []
    const report = await verifyLog(log, { verifier: livedVerifier, onFault: (fault) => faults.push(fault) })
    await log.close()
    expect(faults).toEqual([])
    expect(report).toMatchObject({ isSound: true, head: log.head })
    expect(refused.filter((reason) => !reason.startsWith('you are not a member'))).toEqual([])
  })

describe('checking what a server has written', () => {
  const memory = async () => createMemoryLog()
  const level = () => openLevelLog(temporaryDataDirectory())

  it('[VFY1][MRG1] finds nothing wrong in memory', { timeout: 120_000 }, async () => {
    await fc.assert(isSound(memory), { numRuns: 200 })
  })

  it('[VFY1][MRG1] finds nothing wrong on LevelDB', { timeout: 120_000 }, async () => {
    await fc.assert(isSound(level), { numRuns: 60 })
  })

  it('[MRG1][YID2] finds nothing wrong, and refused nobody, where texts are formatted', {
    timeout: 120_000,
  }, async () => {
    // Yjs tidies formatting by what has come together: two orders would give two states.
    const acts = ['format', 'format', 'format', 'receive', 'checkpoint', 'keep', 'settle'] as const
    const text = { device: 0, act: 'nest', at: 3 } as const
    const receive = [1, 2, 3].map((device) => ({ device, act: 'receive', at: 0 }) as const)
    await fc.assert(isSound(memory, acts, [text, ...receive]), { numRuns: 200 })
  })
})
