import { cpSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { openLevelLog } from '@onyx-sync/server'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { damagedBlocks } from '../../server/src/adapters/level/table-file.js'
import { type RawDatabase, tamper } from '../support/damage.js'
import { flipBit } from '../support/flip-bit.js'
import { temporaryDirectory } from '../support/temporary-directory.js'

/** Bytes that Snappy packs well, and bytes that it can't pack. */
const value = fc.oneof(
  fc.uint8Array({ maxLength: 300 }),
  fc
    .tuple(fc.uint8Array({ minLength: 1, maxLength: 20 }), fc.integer({ min: 1, max: 400 }))
    .map(([piece, times]) =>
      Uint8Array.from({ length: piece.length * times }, (_, at) => piece[at % piece.length] as number),
    ),
)
const entries = fc.array(fc.tuple(fc.uint8Array({ minLength: 1, maxLength: 40 }), value), {
  minLength: 1,
  maxLength: 60,
})

/** The table that LevelDB writes of entries. */
async function tableOf(list: readonly (readonly [Uint8Array, Uint8Array])[]): Promise<Buffer> {
  const data = temporaryDirectory()
  await tamper(data, async (db: RawDatabase) => {
    await db.batch(list.map(([key, one]) => ({ type: 'put', key, value: one })))
    await (db as unknown as { compactRange(a: Uint8Array, b: Uint8Array): Promise<void> }).compactRange(
      Uint8Array.of(0),
      new Uint8Array(50).fill(255),
    )
  })
  const names = readdirSync(join(data, 'log')).filter((name) => name.endsWith('.ldb'))
  return readFileSync(join(data, 'log', names.sort().at(-1) as string))
}

describe('a table of LevelDB', () => {
  it('[DMG4] is sound as it was written, and damaged with any bit of it flipped, or its end cut off', async () => {
    await fc.assert(
      fc.asyncProperty(
        entries,
        fc.infiniteStream(fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true })),
        async (list, places) => {
          const table = await tableOf(list)
          expect(damagedBlocks(table)).toEqual([])
          for (let tried = 0; tried < 60; tried++) {
            const at = Math.floor((places.next().value as number) * table.byteLength)
            expect(
              damagedBlocks(Buffer.from(flipBit(table, at, at % 8))).length,
              `byte ${at}`,
            ).toBeGreaterThan(0)
            expect(damagedBlocks(table.subarray(0, at)).length, `cut at ${at}`).toBeGreaterThan(0)
          }
        },
      ),
      { numRuns: 30 },
    )
  })

  it('[DMG4] that was left over, or never finished, is no fault', async () => {
    const data = temporaryDirectory()
    await (await openLevelLog(data)).close()
    writeFileSync(join(data, 'log', '999999.ldb'), 'half a table')
    const copy = temporaryDirectory()
    cpSync(data, copy, { recursive: true })
    await (await openLevelLog(copy, undefined, { mustExist: true, checkTables: true })).close()
  })
})
