import { createMemoryLog, type Fault, type InspectableLog, openLevelLog, verifyLog } from '@onyx-sync/server'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { entriesUnder, type RawDatabase, tamper } from '../support/damage.js'
import { flipBit } from '../support/flip-bit.js'
import { type LivedStep, livedSteps, livedVerifier, liveIn } from '../support/lived-log.js'
import { temporaryDirectory } from '../support/temporary-directory.js'
import { verifyData } from '../support/verified-data.js'

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
  const level = () => openLevelLog(temporaryDirectory())

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

/** Damage to one entry that is derived: gone, with another value, or under another key. */
const damage = fc.record({
  pick: fc.nat(),
  how: fc.constantFrom('drop', 'value', 'key'),
  at: fc.nat(),
  bit: fc.nat(7),
})

async function spoil(
  db: RawDatabase,
  damages: readonly { pick: number; how: string; at: number; bit: number }[],
) {
  const entries: [Buffer, Buffer][] = []
  for (const letter of 'ifgdorstxcna') {
    for (const [key, value] of await entriesUnder(db, letter))
      entries.push([Buffer.from(key, 'hex'), Buffer.from(value, 'hex')])
  }
  for (const { pick, how, at, bit } of damages) {
    const [entry] = entries.splice(pick % entries.length, 1)
    if (entry === undefined) return
    const [key, value] = entry
    if (how === 'value' && value.length > 0) await db.put(key, flipBit(value, at % value.length, bit))
    else await db.del(key)
    if (how === 'key') await db.put(flipBit(key, 1 + (at % (key.length - 1)), bit), value)
  }
}

describe('damage to what is derived', () => {
  it('[VFY6] is mended, whatever it is, and no event is touched', { timeout: 120_000 }, async () => {
    const untouchable = (data: string) =>
      tamper(data, async (db) =>
        Promise.all(['e', 'h', 'p', 'w', 'm'].map((letter) => entriesUnder(db, letter))),
      )
    const damages = fc.array(damage, { minLength: 1, maxLength: 6 })
    const isMended = fc.asyncProperty(livedSteps(), damages, async (steps, some) => {
      const data = temporaryDirectory()
      const log = await openLevelLog(data)
      await liveIn(log, steps)
      await log.close()
      const before = await untouchable(data)
      await tamper(data, (db) => spoil(db, some))
      const mended = await verifyData(data, { verifier: livedVerifier, repair: true })
      expect(mended.list.filter(({ mendable }) => !mendable)).toEqual([])
      expect(mended.isSound).toBe(true)
      expect((await verifyData(data, { verifier: livedVerifier })).list).toEqual([])
      expect(await untouchable(data)).toEqual(before)
    })
    await fc.assert(isMended, { numRuns: 40 })
  })
})
