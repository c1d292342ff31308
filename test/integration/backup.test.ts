import { existsSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { chatEvent, testKey } from '../support/events.js'
import { fillLarge } from '../support/large-data.js'
import { runServerCommand, spawnServerCommand, startServer } from '../support/processes.js'
import { connectClient } from '../support/relay-client.js'
import { temporaryDirectory } from '../support/temporary-directory.js'

const alice = testKey(1)
const LARGE_EVENTS = 24

async function json<T = Record<string, unknown>>(...args: readonly string[]) {
  const { code, stdout, stderr } = await runServerCommand(...args, '--json')
  return { code, stderr, ...(JSON.parse(stdout) as T) }
}

const isFinished = (directory: string) => existsSync(join(directory, 'manifest.json'))
const namesIn = (directory: string) => (existsSync(directory) ? readdirSync(directory) : [])
const bytesIn = (directory: string) =>
  namesIn(directory).reduce(
    (sum, name) => sum + (statSync(join(directory, name), { throwIfNoEntry: false })?.size ?? 0),
    0,
  )

/** Starts a command and kills it as soon as something holds. @returns whether it was still under way */
async function killWhen(fits: () => boolean, ...args: readonly string[]): Promise<boolean> {
  const child = spawnServerCommand(...args)
  const ended = new Promise<NodeJS.Signals | null>((resolve) => {
    child.once('exit', (_code, signal) => resolve(signal))
  })
  let isOver = false
  ended.then(() => {
    isOver = true
  })
  while (!fits() && !isOver) await sleep(1)
  child.kill('SIGKILL')
  return (await ended) === 'SIGKILL'
}

describe('backup and restore', () => {
  it('[BAK5][RST4][REP4] copies a server that is being written to; devices notice the one that is restored', async () => {
    const directory = temporaryDirectory()
    const [data, out, restored] = ['data', 'backup', 'restored'].map((name) => join(directory, name)) as [
      string,
      string,
      string,
    ]
    const server = await startServer(data)
    expect(statSync(join(data, 'control.sock')).mode & 0o777).toBe(0o600)
    const client = await connectClient(server.url, alice)
    const events = Array.from({ length: 100 }, (_, at) => chatEvent(alice, { chatId: `c${at % 5}` }))
    const confirmed: string[] = []
    const publishing = (async () => {
      for (const event of events) {
        expect((await client.publish(event)).accepted).toBe(true)
        confirmed.push(event.id)
      }
    })()
    await client.waitFor(([type]) => type === 'OK' && confirmed.length > 20)
    const before = [...confirmed]
    const report = await json('backup', '--data', data, '--out', out)
    expect(report).toMatchObject({ code: 0, online: true, damaged: 0, unreadable: 0 })
    await publishing
    // Only what came since is brought, and the next one has it.
    const next = await json('backup', '--data', data, '--out', out)
    expect(next).toMatchObject({ code: 0, events: 100, keptEvents: report.events })
    const { cursor: covered } = await client.request('before', { after: '' })
    expect((await client.publish(chatEvent(alice, { chatId: 'lost' }))).accepted).toBe(true)
    const { cursor: ahead } = await client.request('after', { after: '' })
    client.socket.terminate()
    await server.stop('SIGKILL')

    const result = await json('restore', '--from', out, '--data', restored)
    expect(result).toMatchObject({ code: 0, events: 100, refusedEvents: 0, sound: true })
    expect(await json('verify', '--data', restored)).toMatchObject({ code: 0, sound: true, faultCount: 0 })
    const again = await startServer(restored)
    const reader = await connectClient(again.url, alice)
    const found = new Set(
      (await reader.request('all', { kinds: [30001], states: false })).events.map(({ id }) => id),
    )
    expect(before.filter((id) => !found.has(id))).toEqual([])
    const hintsFor = async (after: string) => (await reader.request('on', { after })).hints
    expect(await hintsFor(covered)).not.toContain('reset')
    expect(await hintsFor(ahead)).toContain('reset')
    // Also when the restored one has grown past it.
    expect((await reader.publish(chatEvent(alice, { chatId: 'new' }))).accepted).toBe(true)
    expect((await reader.publish(chatEvent(alice, { chatId: 'new' }))).accepted).toBe(true)
    expect(await hintsFor(covered)).not.toContain('reset')
    expect(await hintsFor(ahead)).toContain('reset')
    reader.socket.terminate()
    await again.stop('SIGTERM')
  }, 120_000)

  it('[BAK6] goes on after a kill, on files that are whole', async () => {
    const directory = temporaryDirectory()
    const data = join(directory, 'data')
    await fillLarge(data, alice, LARGE_EVENTS)
    const server = await startServer(data)
    let out = ''
    for (let attempt = 0; attempt < 5; attempt++) {
      out = join(directory, `backup-${attempt}`)
      const hasFile = () => namesIn(out).some((name) => /^events-.*\.jsonl$/.test(name))
      await killWhen(hasFile, 'backup', '--data', data, '--out', out)
      if (!isFinished(out)) break
    }
    expect(isFinished(out)).toBe(false)
    const none = await json('restore', '--from', out, '--data', join(directory, 'none'))
    expect(none).toMatchObject({ code: 1, error: { code: 'BACKUP_INVALID' } })

    const report = await json<{ keptEvents: number }>('backup', '--data', data, '--out', out)
    expect(report).toMatchObject({ code: 0, events: LARGE_EVENTS })
    expect(report.keptEvents).toBeGreaterThan(0)
    expect(namesIn(out).filter((name) => /partial|unfinished|lock/.test(name))).toEqual([])
    // The server took no notice.
    const client = await connectClient(server.url, alice)
    expect((await client.publish(chatEvent(alice))).accepted).toBe(true)
    client.socket.terminate()
    await server.stop('SIGTERM')

    // A restore that is killed goes on, too; meanwhile no server takes what is there for a database.
    let restored = ''
    for (let attempt = 0; attempt < 5; attempt++) {
      restored = join(directory, `restored-${attempt}`)
      const isUnderWay = () => bytesIn(join(restored, 'log')) > 4_000_000
      if (await killWhen(isUnderWay, 'restore', '--from', out, '--data', restored)) break
    }
    const refused = await runServerCommand('--data', restored, '--port', '0')
    expect(refused).toMatchObject({ code: 1, stdout: '' })
    expect(refused.stderr).toContain('run onyx-sync-server restore again')
    const result = await json<{ resumedEvents: number }>('restore', '--from', out, '--data', restored)
    expect(result).toMatchObject({ code: 0, events: LARGE_EVENTS, refusedEvents: 0, sound: true })
    expect(result.resumedEvents).toBeGreaterThan(0)
    const over = await json('restore', '--from', out, '--data', restored)
    expect(over).toMatchObject({ code: 1, error: { code: 'CONFIG_INVALID' } })
  }, 120_000)

  it('[BAK7][RST5] explain themselves, and say what they need', async () => {
    for (const [command, options] of [
      ['backup', ['--out', '--data', '--full', '--json']],
      ['restore', ['--from', '--data', '--json']],
    ] as const) {
      const help = await runServerCommand(command, '--help')
      expect(help).toMatchObject({ code: 0, stderr: '' })
      for (const word of [...options, 'Exit codes', 'Examples']) expect(help.stdout).toContain(word)
      const refused = await runServerCommand(command)
      expect(refused).toMatchObject({ code: 2, stdout: '' })
      expect(refused.stderr).toContain(`${options[0]} is needed`)
    }
    const nowhere = join(temporaryDirectory(), 'none')
    const missing = await json('backup', '--data', nowhere, '--out', `${nowhere}-out`)
    expect(missing).toMatchObject({ code: 1, error: { code: 'CONFIG_INVALID' } })
    expect(existsSync(nowhere)).toBe(false)
  })
})
