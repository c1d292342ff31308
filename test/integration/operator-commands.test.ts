import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { keyOf } from '../../server/src/adapters/level/keys.js'
import { rewrite, tamper } from '../support/damage.js'
import { chatAddressText, chatEvent, trainingEvent } from '../support/events.js'
import { flipBit } from '../support/flip-bit.js'
import { runServerCommand, startServer } from '../support/processes.js'
import { connectClient } from '../support/relay-client.js'
import { temporaryDirectory } from '../support/temporary-directory.js'
import { alice, SHARED, TRAINING_SEQ, verifiedData } from '../support/verified-data.js'

const BIN = fileURLToPath(new URL('../../server/bin/onyx-sync-server.js', import.meta.url))
const verified = verifiedData()

async function json<T extends object>(...args: readonly string[]) {
  const { code, stdout } = await runServerCommand(...args, '--json')
  return { code, ...(JSON.parse(stdout) as T) }
}

describe('inspect', () => {
  it('[INS1] shows what is in a database: in all, one document, one event', async () => {
    const data = verified.copy()
    const found = await json<{ largestDocuments: { address: string }[] }>(
      'inspect',
      '--data',
      data,
      '--top',
      '2',
    )
    expect(found).toMatchObject({
      code: 0,
      online: false,
      head: verified.events.size,
      events: verified.events.size - 4,
      eventsByKind: { 1: 1, 10001: 1, 30001: 7 },
      documents: 5,
      accounts: 1,
      supersededIds: 4,
      heldParts: 1,
    })
    const { largestDocuments: largest } = found
    expect(largest).toHaveLength(2)
    expect(largest[0]?.address).toBe(SHARED)
    const document = await json<{ log: { seq: number; id: string }[] }>(
      'inspect',
      '--data',
      data,
      '--document',
      SHARED,
    )
    expect(document).toMatchObject({ code: 0, address: SHARED, owner: alice.publicKey, events: 4 })
    const { log } = document
    expect(log.map(({ seq, id }) => [seq, id])).toEqual(
      [1, 2, 3, 4].map((seq) => [seq, verified.events.get(seq)?.id]),
    )
    const { stdout: text } = await runServerCommand('inspect', '--data', data, '--document', SHARED)
    expect(text).not.toContain(verified.events.get(1)?.content as string)
    const event = verified.events.get(TRAINING_SEQ)
    expect(await json('inspect', '--data', data, '--event', event?.id as string)).toMatchObject({
      code: 0,
      event,
    })
    const gone = await json('inspect', '--data', data, '--event', verified.events.get(5)?.id as string)
    expect(gone).toMatchObject({
      code: 1,
      error: { message: expect.stringContaining('superseded by a checkpoint') },
    })
    const missing = await json('inspect', '--data', data, '--document', chatAddressText(alice, 'nope'))
    expect(missing).toMatchObject({ code: 1, error: { code: 'DOCUMENT_NOT_FOUND' } })
  }, 120_000)
})

describe('export, compact and inspect', () => {
  it('[XPT1][CPT1][INS2] ask the server that runs on the data, and without one the data itself', async () => {
    const data = join(temporaryDirectory(), 'data')
    const out = join(temporaryDirectory(), 'training.jsonl')
    const server = await startServer(data)
    const client = await connectClient(server.url, alice)
    const contributions = ['line \u2028 separator', 'two'].map((text) => trainingEvent(alice, text))
    for (const event of [...contributions, chatEvent(alice)]) {
      expect((await client.publish(event)).accepted).toBe(true)
    }
    const exported = await runServerCommand('export', '--training', '--data', data)
    expect(exported).toMatchObject({ code: 0, stderr: '2 events\n' })
    const lines = exported.stdout.trimEnd().split('\n')
    expect(lines.map((line) => JSON.parse(line))).toEqual([...contributions].reverse())
    expect(await json('inspect', '--data', data)).toMatchObject({ code: 0, online: true, events: 3 })
    expect(await json('compact', '--data', data)).toMatchObject({ code: 0, online: true })
    expect((await client.publish(chatEvent(alice))).accepted).toBe(true)
    client.socket.terminate()
    await server.stop('SIGTERM')

    const compacted = await json<{ after: { bytes: number } }>('compact', '--data', data)
    expect(compacted).toMatchObject({ code: 0, online: false })
    expect(compacted.after.bytes).toBeGreaterThan(0)
    await tamper(data, (db) => rewrite(db, keyOf.event(1), (value) => flipBit(value, 30)))
    expect(await json('export', '--training', '--data', data, '--out', out)).toMatchObject({
      code: 3,
      events: 1,
      refused: 1,
    })
    expect(readFileSync(out, 'utf8')).toBe(`${lines[0]}\n`)
  }, 120_000)

  it('[INS2] a reader that stops early is no error', async () => {
    const child = spawn('bash', [
      '-c',
      `"$0" "$1" export --training --data "$2" | head -c 10; exit \${PIPESTATUS[0]}`,
      process.execPath,
      BIN,
      verified.copy(),
    ])
    let stderr = ''
    child.stderr.on('data', (chunk) => {
      stderr += chunk
    })
    const code = await new Promise((resolve) => child.once('close', resolve))
    expect({ code, stderr }).toEqual({ code: 0, stderr: '1 events\n' })
  }, 60_000)

  it('[INS3] have help with examples, and say which option they can not read', async () => {
    const commands = { inspect: '--document', export: '--training', compact: '--data', repair: '--out' }
    await Promise.all(
      Object.entries(commands).map(async ([command, option]) => {
        const help = await runServerCommand(command, '--help')
        expect(help).toMatchObject({ code: 0, stderr: '' })
        for (const word of [option, '--json', 'Exit codes', 'Examples']) expect(help.stdout).toContain(word)
        const refused = await runServerCommand(command, '--bogus')
        expect(refused).toMatchObject({ code: 2, stdout: '', stderr: expect.stringContaining('--bogus') })
      }),
    )
  }, 60_000)
})
