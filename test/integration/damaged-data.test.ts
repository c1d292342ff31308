import { createHash } from 'node:crypto'
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { openLevelLog } from '@onyx-sync/server'
import { describe, expect, it } from 'vitest'
import { openLevelModeration, readLevelModeration } from '../../server/src/adapters/level/level-moderation.js'
import { trainingEvent } from '../support/events.js'
import { flipBit } from '../support/flip-bit.js'
import { runServerCommand, startServer } from '../support/processes.js'
import { temporaryDirectory } from '../support/temporary-directory.js'
import { alice, verifiedData } from '../support/verified-data.js'

const verified = verifiedData()

/** Data with a table file and a journal, as a server that was killed leaves them. */
async function aged(): Promise<string> {
  const data = join(temporaryDirectory(), 'data')
  cpSync(verified.copy(), data, { recursive: true })
  const log = await openLevelLog(data)
  await log.compact()
  for (let seq = log.head + 1, last = seq + 20; seq < last; seq++) {
    const { id, pubkey, kind, created_at, tags, content, sig } = trainingEvent(alice, `more ${seq}`)
    const json = JSON.stringify({ id, pubkey, created_at, kind, tags, content, sig })
    const event = { seq, id, pubkey, kind, createdAt: created_at, json, address: undefined, owner: pubkey }
    await log.commit({
      events: [{ ...event, readers: [pubkey] }],
      documents: [],
      grants: [],
      revocations: [],
    })
  }
  await log.close()
  return data
}

/** The files of a database whose names fit: at least one. */
function filesIn(data: string, name: RegExp): string[] {
  const found = readdirSync(join(data, 'log')).filter((one) => name.test(one))
  expect(found.length, `${name}`).toBeGreaterThan(0)
  return found.sort().map((one) => join(data, 'log', one))
}

/** The newest of them: file names hold a number that grows. */
function fileIn(data: string, name: RegExp): string {
  return filesIn(data, name).at(-1) as string
}

function flip(path: string, place: number): void {
  const bytes = readFileSync(path)
  writeFileSync(path, flipBit(bytes, Math.floor(bytes.byteLength * place)))
}

/** Hashes of all files but LevelDB's own diary. */
function hashes(data: string): Record<string, string> {
  const names = readdirSync(join(data, 'log')).filter((name) => !/^LO(G|CK)/.test(name))
  const hash = (name: string) =>
    createHash('sha256')
      .update(readFileSync(join(data, 'log', name)))
      .digest('hex')
  return Object.fromEntries(names.map((name) => [name, hash(name)]))
}

async function databaseIdOf(data: string): Promise<string> {
  const log = await openLevelLog(data)
  await log.close()
  return log.databaseId
}

const DAMAGE: Readonly<Record<string, (data: string) => void>> = {
  'CURRENT is missing': (data) => rmSync(fileIn(data, /^CURRENT$/)),
  'the manifest is missing': (data) => rmSync(fileIn(data, /^MANIFEST/)),
  'the manifest is cut short': (data) => truncateSync(fileIn(data, /^MANIFEST/), 20),
  'a bit of the manifest is flipped': (data) => flip(fileIn(data, /^MANIFEST/), 0.5),
  'a table is missing': (data) => rmSync(fileIn(data, /\.ldb$/)),
  'a bit of the journal is flipped': (data) => flip(fileIn(data, /\.log$/), 0.3),
}

describe('damaged data', () => {
  it('[DMG1] is named by every command with the way out, and left as it is', async () => {
    await Promise.all(
      Object.entries(DAMAGE).map(async ([what, damage]) => {
        const data = await aged()
        damage(data)
        const before = hashes(data)
        for (const args of [['--port', '0'], ['verify']]) {
          const { code, stdout, stderr } = await runServerCommand(...args, '--data', data)
          expect({ what, args, code, stdout, stderr }).toMatchObject({ code: 1, stdout: '' })
          expect(stderr).toContain(data)
          expect(stderr).toMatch(/damaged: .*(CURRENT|MANIFEST|log\/|missing|orruption)/)
          for (const way of ['restore', 'repair']) expect(stderr).toContain(`onyx-sync-server ${way}`)
        }
        expect(hashes(data), what).toEqual(before)
      }),
    )
  }, 120_000)

  it('[DMG2] is saved by repair as far as it can be read, into a new directory', async () => {
    const data = await aged()
    const decided = { list: 'banned', key: alice.publicKey, value: 'spam' } as const
    const store = await openLevelModeration(data)
    await store.apply([decided])
    await store.close()
    rmSync(fileIn(data, /^CURRENT$/))
    rmSync(fileIn(data, /^MANIFEST/))
    const before = hashes(data)
    const out = join(temporaryDirectory(), 'repaired')
    const repaired = await runServerCommand('repair', '--data', data, '--out', out, '--json')
    expect(repaired).toMatchObject({ code: 0 })
    expect(JSON.parse(repaired.stdout)).toMatchObject({ sound: true, events: verified.events.size - 4 + 20 })
    expect(hashes(data)).toEqual(before)
    expect(await runServerCommand('verify', '--data', out)).toMatchObject({ code: 0 })
    expect(await readLevelModeration(out)).toEqual([decided])
    expect(await databaseIdOf(out)).not.toBe(await databaseIdOf(verified.copy()))
    const again = await runServerCommand('repair', '--data', data, '--out', out)
    expect(again).toMatchObject({ code: 1, stderr: expect.stringContaining('not empty') })
  }, 120_000)

  it('[DMG3] the end of a journal that was cut off is what a power cut leaves, and no fault', async () => {
    const data = await aged()
    const journal = fileIn(data, /\.log$/)
    truncateSync(journal, readFileSync(journal).byteLength - 100)
    const { code, stdout } = await runServerCommand('verify', '--data', data, '--json')
    expect(code).toBe(0)
    expect(JSON.parse(stdout)).toMatchObject({ sound: true, events: verified.events.size - 4 + 19 })
  }, 60_000)

  it('[DMG4] of a table is found before LevelDB sees it, named, and left out by a repair', async () => {
    const data = await aged()
    // Of more than one table LevelDB needs only some; the others it removes when it opens the database.
    for (const path of filesIn(data, /\.ldb$/)) flip(path, 0.4)
    const before = hashes(data)
    for (const args of [['verify'], ['compact'], ['backup', '--out', join(temporaryDirectory(), 'out')]]) {
      const { code, stdout, stderr } = await runServerCommand(...args, '--data', data)
      expect({ args, code, stdout }).toEqual({ args, code: 1, stdout: '' })
      expect(stderr).toMatch(/damaged: log\/\d+\.ldb is damaged at byte \d+; nothing was changed.*repair/)
    }
    expect(hashes(data)).toEqual(before)
    const out = join(temporaryDirectory(), 'repaired')
    const repaired = await runServerCommand('repair', '--data', data, '--out', out, '--json')
    const { events } = JSON.parse(repaired.stdout) as { events: number }
    expect(events).toBeGreaterThanOrEqual(20)
    expect(events).toBeLessThan(verified.events.size - 4 + 20)
    expect(await runServerCommand('verify', '--data', out)).toMatchObject({ code: repaired.code })
  }, 60_000)
})

describe('a data directory', () => {
  it('[DMG5] that can not be one, or is used by another server, is named with the way out', async () => {
    const directory = temporaryDirectory()
    const file = join(directory, 'file')
    writeFileSync(file, 'mine')
    const newer = join(directory, 'newer')
    mkdirSync(join(newer), { recursive: true })
    writeFileSync(join(newer, 'log'), 'mine')
    const used = join(directory, 'used')
    await startServer(used)
    const cases: readonly (readonly [string, RegExp])[] = [
      [file, /is a file: name a directory/],
      [join(file, 'below'), /lies below a file: choose another data directory/],
      [newer, /is a file: name a directory/],
      [used, /in use by another process: stop it, or choose another/],
    ]
    await Promise.all(
      cases.map(async ([data, message]) => {
        const { code, stdout, stderr } = await runServerCommand('--port', '0', '--data', data)
        expect({ data, code, stdout }).toEqual({ data, code: 1, stdout: '' })
        expect(stderr).toMatch(message)
      }),
    )
    expect(readFileSync(file, 'utf8')).toBe('mine')
  }, 60_000)
})
