import { createHash } from 'node:crypto'
import { chmodSync, cpSync, existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { openLevelModeration } from '../../server/src/adapters/level/level-moderation.js'
import { canBeBound, runBoundCommand, runServerCommand } from '../support/processes.js'
import { temporaryDirectory } from '../support/temporary-directory.js'
import { verifiedData } from '../support/verified-data.js'

const verified = verifiedData()

/** Paths whose permissions a test took away. They are given back, so that they can be removed. */
const closed: string[] = []
afterEach(() => {
  for (const path of closed.splice(0).reverse()) chmodSync(path, 0o700)
})

function close(path: string, mode: number): void {
  chmodSync(path, mode)
  closed.push(path)
}

async function dataOfServer(): Promise<string> {
  const data = join(temporaryDirectory(), 'data')
  cpSync(verified.copy(), data, { recursive: true })
  await (await openLevelModeration(data)).close()
  return data
}

/** What is in a directory, but for what LevelDB notes about its own doings. */
function hashes(directory: string): Record<string, string> {
  const names = readdirSync(directory, { recursive: true, withFileTypes: true })
  const files = names.filter((entry) => entry.isFile() && !/^LOG(\.old)?$/.test(entry.name))
  return Object.fromEntries(
    files.map(({ parentPath, name }) => {
      const path = join(parentPath, name)
      return [path, createHash('sha256').update(readFileSync(path)).digest('hex')]
    }),
  )
}

const WAY_OUT = /can't be written: let the user that runs this own it, or choose another data directory/

describe.skipIf(!canBeBound())('a data directory that the user may not write to', () => {
  it('[SRV6] is named with the way out, exit code 1, and nothing is made in it', async () => {
    const parent = temporaryDirectory()
    const empty = join(parent, 'empty')
    mkdirSync(empty)
    close(empty, 0o500)
    close(parent, 0o500)
    await Promise.all(
      [empty, join(parent, 'new')].map(async (data) => {
        const { code, stdout, stderr } = await runBoundCommand('--port', '0', '--data', data)
        expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
        expect(stderr).toMatch(WAY_OUT)
        expect(stderr).toContain(data)
        expect(stderr.trim().split('\n')).toHaveLength(1)
      }),
    )
    expect(readdirSync(empty)).toEqual([])
    expect(existsSync(join(parent, 'new'))).toBe(false)
  }, 60_000)

  it('[SRV6] whatever of a database it is, and the database is as it was', async () => {
    const data = await dataOfServer()
    const before = hashes(data)
    const cases: readonly (readonly [path: string, mode: number])[] = [
      [data, 0o000],
      [join(data, 'log'), 0o500],
      [join(data, 'log/LOCK'), 0o400],
      [join(data, 'log/CURRENT'), 0o000],
      // Last: by then the server has opened the log, which LevelDB tidies when it is opened.
      [join(data, 'moderation/LOCK'), 0o400],
    ]
    for (const [path, mode] of cases) {
      close(path, mode)
      const { code, stdout, stderr } = await runBoundCommand('--port', '0', '--data', data)
      chmodSync(path, 0o700)
      expect({ path, code, stdout }).toEqual({ path, code: 1, stdout: '' })
      expect(stderr).toMatch(WAY_OUT)
      if (basename(path) !== 'LOCK' || path.includes('/log/')) expect(hashes(data)).toEqual(before)
    }
    const { code, stdout } = await runServerCommand('verify', '--data', data, '--json')
    expect(code).toBe(0)
    expect(JSON.parse(stdout)).toMatchObject({ sound: true, events: verified.events.size - 4 })
  }, 120_000)

  it('[SRV6] is named by the commands, too', async () => {
    const data = await dataOfServer()
    const before = hashes(data)
    close(join(data, 'log'), 0o500)
    const out = join(temporaryDirectory(), 'out')
    // One after another: each looks first whether somebody has the database, and then whether it can be written.
    for (const args of [['backup', '--out', out], ['inspect'], ['verify']]) {
      const { code, stderr } = await runBoundCommand(...args, '--data', data)
      expect({ args, code }).toEqual({ args, code: 1 })
      expect(stderr).toMatch(WAY_OUT)
    }
    expect(hashes(data)).toEqual(before)
  }, 60_000)
})
