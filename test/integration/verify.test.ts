import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import * as Y from 'yjs'
import { keyOf } from '../../server/src/adapters/level/keys.js'
import { append } from '../support/chat-copy.js'
import { rewrite, tamper } from '../support/damage.js'
import { chatAddressText, chatEvent, membersOf, testKey } from '../support/events.js'
import { flipBit } from '../support/flip-bit.js'
import { runServerCommand, startServer, terminalDevice } from '../support/processes.js'
import { connectClient } from '../support/relay-client.js'
import { temporaryDirectory } from '../support/temporary-directory.js'

const alice = testKey(1)
const bob = testKey(2)
const CHAT = chatAddressText(alice)

interface VerifyJson {
  readonly sound: boolean
  readonly events: number
  readonly keptStates: number
  readonly faults: readonly { readonly kind: string; readonly [field: string]: unknown }[]
}

/** Runs `verify` on a directory. */
async function verify(data: string, ...options: readonly string[]) {
  const { code, stdout, stderr } = await runServerCommand('verify', '--data', data, '--json', ...options)
  return { code, stderr, ...(JSON.parse(stdout) as VerifyJson) }
}

/**
 * Data that a real server wrote, for two terminal devices that edited one account offline, and for a chat that
 * two keys wrote so much to that its merged state was kept. Ends the server with a signal.
 */
async function fill(directory: string, signal: NodeJS.Signals): Promise<string> {
  const data = join(directory, 'data')
  const server = await startServer(data)
  const [phone, laptop] = ['phone.db', 'laptop.db'].map((name) => terminalDevice(join(directory, name)))
  for (const device of [phone, laptop]) await device?.('init', '--key-file', join(directory, 'key'))
  await phone?.('chat', 'new', '--id', 'oslo')
  await phone?.('chat', 'send', 'oslo', 'from the phone')
  await laptop?.('settings', 'set', 'model', 'opus')
  for (const device of [phone, laptop]) await device?.('sync', '--url', server.url)
  const [a, b] = [await connectClient(server.url, alice), await connectClient(server.url, bob)]
  const [alices, bobs] = [new Y.Doc(), new Y.Doc()]
  const updates = (doc: Y.Doc) => Array.from({ length: 40 }, (_, index) => append(doc, `message ${index}`))
  const members = membersOf(bob)
  const answers = [
    ...(await Promise.all(updates(alices).map((update) => a.publish(chatEvent(alice, { members, update }))))),
    ...(await Promise.all(
      updates(bobs).map((update) => b.publish(chatEvent(bob, { owner: alice, update }))),
    )),
  ]
  expect(answers.filter(({ accepted }) => !accepted)).toEqual([])
  // Bringing somebody up to date merges the chat, and keeps what it comes to.
  await b.request('all', { kinds: [30001], after: '' })
  await b.settle()
  for (const client of [a, b]) client.socket.terminate()
  await server.stop(signal)
  return data
}

describe('the command verify', () => {
  it('[VFY1][VFY7] finds what a real server wrote for real devices sound, also after a kill', async () => {
    for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
      const data = await fill(temporaryDirectory(), signal)
      const report = await verify(data)
      expect(report).toMatchObject({ code: 0, sound: true, documents: 3, faultCount: 0, faults: [], gaps: 0 })
      expect(report.events).toBeGreaterThanOrEqual(82)
      if (signal === 'SIGTERM') expect(report.keptStates).toBe(1)
      const shown = await runServerCommand('verify', '--data', data)
      expect(shown).toMatchObject({ code: 0, stderr: '' })
      expect(shown.stdout).toMatch(/^documents {2}3$/m)
      expect(shown.stdout).toMatch(/\n\nsound: everything is as the events say\n$/)
    }
  }, 120_000)

  it('[VFY2][VFY3][VFY4][VFY6][VFY7] reports damage with exit code 3, and mends what can be mended', async () => {
    const data = await fill(temporaryDirectory(), 'SIGTERM')
    await tamper(data, async (db) => {
      await rewrite(db, keyOf.state(CHAT), (value) => flipBit(value, value.length - 20))
      const feed = keyOf.feed(alice.publicKey, 0)
      const [entry] = await db.keys({ gt: feed, limit: 1 }).all()
      await db.del(entry as Uint8Array)
    })
    const found = await verify(data)
    expect(found).toMatchObject({ code: 3, sound: false, faultCount: 2, mendableCount: 2, mendedCount: 0 })
    expect(found.faults.map(({ kind }) => kind).sort()).toEqual(['index', 'state'])
    expect(found.faults).toContainEqual(
      expect.objectContaining({ kind: 'state', address: CHAT, mended: false }),
    )
    const shown = await runServerCommand('verify', '--data', data)
    expect(shown.code).toBe(3)
    expect(shown.stdout).toContain(CHAT)
    expect(shown.stdout).toMatch(/\n2 faults:\n.*--repair can mend all of it/s)
    expect(await verify(data, '--repair')).toMatchObject({
      code: 0,
      sound: true,
      faultCount: 2,
      mendedCount: 2,
    })
    expect(await verify(data)).toMatchObject({ code: 0, sound: true, faultCount: 0, keptStates: 1 })

    await tamper(data, (db) => rewrite(db, keyOf.event(7), (value) => flipBit(value, 333)))
    for (const options of [[], ['--repair'], []]) {
      const damaged = await verify(data, ...options)
      expect(damaged).toMatchObject({ code: 3, sound: false, faultCount: 1, mendableCount: 0 })
      expect(damaged.faults).toMatchObject([
        { kind: 'event-damaged', seq: 7, mendable: false, mended: false },
      ])
    }
    // The rest is served as before.
    const server = await startServer(data)
    const b = await connectClient(server.url, bob)
    expect((await b.request('all', { kinds: [30001] })).events.length).toBeGreaterThanOrEqual(79)
    b.socket.terminate()
    await server.stop('SIGTERM')
  }, 120_000)

  it('[VFY8] does not touch the data of a running server, and says so', async () => {
    const data = join(temporaryDirectory(), 'data')
    await startServer(data)
    const busy = await runServerCommand('verify', '--data', data)
    expect(busy).toMatchObject({ code: 1, stdout: '' })
    expect(busy.stderr).toBe(
      `onyx-sync-server: a server is running on ${data}, or another check: stop it first, or check a copy that was made while none ran\n`,
    )
    expect(await verify(data)).toMatchObject({ code: 1, error: { code: 'DATA_LOCKED' } })
  })

  it('[VFY8] makes no database where there is none', async () => {
    const data = join(temporaryDirectory(), 'data')
    const missing = await verify(data)
    expect(missing).toMatchObject({ code: 1, error: { code: 'CONFIG_INVALID' } })
    expect(missing.stderr).toContain(`there is no database in ${data}`)
    expect(existsSync(data)).toBe(false)
  })

  it('[VFY7] explains itself, and says which option it can not read', async () => {
    const help = await runServerCommand('verify', '--help')
    expect(help).toMatchObject({ code: 0, stderr: '' })
    for (const word of ['--data', '--repair', '--json', 'Exit codes', 'Examples'])
      expect(help.stdout).toContain(word)
    expect((await runServerCommand('--help')).stdout).toContain('verify --help')
    for (const option of ['--port', '--bogus', 'extra']) {
      const refused = await runServerCommand('verify', option)
      expect(refused).toMatchObject({ code: 2, stdout: '' })
      expect(refused.stderr).toContain(option)
      expect(refused.stderr).toContain('Try verify --help.')
    }
  })
})
