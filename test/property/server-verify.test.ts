import { createMemoryLog, type Fault, type InspectableLog, openLevelLog, verifyLog } from '@onyx-sync/server'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { livedSteps, livedVerifier, liveIn } from '../support/lived-log.js'
import { temporaryDataDirectory } from '../support/servers.js'

describe('checking what a server has written', () => {
  const LOGS: readonly [string, number, () => Promise<InspectableLog>][] = [
    ['in memory', 300, async () => createMemoryLog()],
    ['on LevelDB', 100, () => openLevelLog(temporaryDataDirectory())],
  ]

  it.each(LOGS)('[VFY1][MRG1] finds nothing wrong %s', { timeout: 120_000 }, async (_name, numRuns, open) => {
    const sound = fc.asyncProperty(livedSteps, async (steps) => {
      const log = await open()
      await liveIn(log, steps)
      const faults: Fault[] = []
      const report = await verifyLog(log, {
        verifier: livedVerifier,
        onFault: (fault) => faults.push(fault),
      })
      await log.close()
      expect(faults).toEqual([])
      expect(report).toMatchObject({ isSound: true, head: log.head })
      if (process.env.STATS) console.log(JSON.stringify(report))
    })
    await fc.assert(sound, { numRuns: Number(process.env.RUNS ?? numRuns) })
  })
})
