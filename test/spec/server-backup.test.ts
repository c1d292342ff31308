import { cpSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type LogIndex, type OperableLog, openLevelLog } from '@onyx-sync/server'
import { DEFAULT_LIMITS, type NostrEvent, pureVerifier } from '@onyx-sync/shared'
import { describe, expect, it } from 'vitest'
import * as Y from 'yjs'
import { keyOf } from '../../server/src/adapters/level/keys.js'
import { openLevelModeration, readLevelModeration } from '../../server/src/adapters/level/level-moderation.js'
import { openRestoreTarget } from '../../server/src/adapters/level/level-restore.js'
import { runBackup } from '../../server/src/commands/backup-run.js'
import { openData } from '../../server/src/commands/data-access.js'
import { runRestore } from '../../server/src/commands/restore-run.js'
import { BACKED_UP } from '../../server/src/core/backup-lines.js'
import { countWithin, isWithin } from '../../server/src/core/backup-manifest.js'
import { checkEvent } from '../../server/src/core/check-event.js'
import { restoreFiles } from '../../server/src/core/restore.js'
import type { ModerationChange } from '../../server/src/ports/moderation-store.js'
import { append, copyOf, updateOf } from '../support/chat-copy.js'
import { rewrite, tamper } from '../support/damage.js'
import {
  chatAddressText,
  chatEvent,
  deletionEvent,
  membersOf,
  sign,
  testKey,
  trainingEvent,
} from '../support/events.js'
import { flipBit } from '../support/flip-bit.js'
import { ingestOf } from '../support/ingest.js'
import { connect, runServer } from '../support/servers.js'
import { temporaryDirectory } from '../support/temporary-directory.js'
import { alice, bob, SHARED, TRAINING_SEQ, verifiedData, verifyData } from '../support/verified-data.js'

const verified = verifiedData()
const checks = {
  keys: new Set([alice, bob, testKey(3)].map(({ publicKey }) => publicKey)),
  verifier: pureVerifier,
  limits: DEFAULT_LIMITS,
  relayUrls: () => [],
}

async function backup(data: string, directory: string, full = false) {
  const access = await openData(data)
  try {
    return await runBackup({ access, directory, full, onProgress: () => {} })
  } finally {
    await access.close()
  }
}

function restore(from: string, data: string) {
  return runRestore({ from, data, verifier: pureVerifier, onProgress: () => {}, onCheck: () => {} })
}

/** Everything of a log, index by index, but merged states, which are made when they are needed. */
async function contentsOf(data: string): Promise<Record<string, unknown>> {
  const log = await openLevelLog(data)
  try {
    const contents: Record<string, unknown> = { head: log.head, epochs: log.epochs, id: log.databaseId }
    contents.key = Buffer.from(log.serverSecretKey).toString('hex')
    contents.moderation = (await readLevelModeration(data)).map((entry) => JSON.stringify(entry)).sort()
    for (const index of Object.keys(BACKED_UP) as LogIndex[]) {
      if (index !== 'state') contents[`index ${index}`] = await entriesOf(log, index)
    }
    return contents
  } finally {
    await log.close()
  }
}

async function entriesOf(log: OperableLog, index: LogIndex): Promise<unknown[]> {
  const entries: unknown[] = []
  for await (const entry of log.scan(index)) entries.push(entry)
  return entries
}

/** What a server that has the data makes of events. */
async function submitAll(data: string, events: readonly NostrEvent[]): Promise<unknown[]> {
  const log = await openLevelLog(data)
  const ingest = ingestOf(log)
  const outcomes: unknown[] = []
  for (const event of events) ingest.submit(checkEvent(event, checks), (outcome) => outcomes.push(outcome))
  await ingest.stop()
  await log.close()
  return outcomes
}

/** Adds events to the data, as a server would. */
async function store(data: string, ...events: readonly NostrEvent[]): Promise<void> {
  expect(await submitAll(data, events)).toEqual(events.map(() => 'stored'))
}

/** With which codes events are refused. */
async function refusals(data: string, ...events: readonly NostrEvent[]): Promise<unknown[]> {
  const outcomes = await submitAll(data, events)
  return outcomes.map((outcome) => (outcome as { code?: string }).code ?? outcome)
}

/** What operators decide, as a server keeps it. */
async function decide(data: string, ...changes: readonly ModerationChange[]): Promise<void> {
  const store = await openLevelModeration(data)
  await store.apply(changes)
  await store.close()
}

/** All text in a directory's files. */
function textIn(directory: string): string {
  return readdirSync(directory)
    .map((name) => readFileSync(join(directory, name), 'utf8'))
    .join('')
}

/** Changes the text of a backup's first file with events, and fits its name and the manifest to it if asked. */
function forge(directory: string, edit: (text: string) => string): string {
  const name = readdirSync(directory).find((one) => one.startsWith('events-')) as string
  const text = readFileSync(join(directory, name), 'utf8')
  expect(edit(text)).not.toBe(text)
  writeFileSync(join(directory, name), edit(text))
  return name
}

describe('a backup', () => {
  it('[BAK1][RST1] holds all that the database has, and the restored one is the same, index for index', async () => {
    const data = verified.copy()
    const [directory, restored] = [temporaryDirectory(), temporaryDirectory()]
    const report = await backup(data, directory)
    expect(report).toMatchObject({ events: verified.events.size - 4, damaged: 0, unreadable: 0 })
    const result = await restore(directory, restored)
    expect(result).toMatchObject({ events: report.events, refusedEvents: 0, resumedEvents: 0 })
    expect(result.check).toMatchObject({ isSound: true, faultCount: 0 })
    expect(await contentsOf(restored)).toEqual(await contentsOf(data))
    expect(await verifyData(restored)).toMatchObject({ isSound: true, faultCount: 0, heldParts: 1 })
    // The part that waits is still one: with the other it becomes an edit.
    expect(textIn(directory)).toContain(verified.partId)
  })

  it('[BAK1][RST1] holds what was deleted, what expires, who vanished, and what operators decided', async () => {
    const data = verified.copy()
    const [directory, full] = [temporaryDirectory(), temporaryDirectory()]
    const gone = trainingEvent(alice, 'gone soon')
    const expiring = sign(alice, {
      kind: 1,
      created_at: 1_764_000_000,
      tags: [['expiration', '5000000000']],
      content: 'expires',
    })
    await store(data, gone, expiring)
    await decide(
      data,
      { list: 'banned', key: bob.publicKey, value: 'spam "and" more' },
      { list: 'blocked-ip', key: '192.0.2.1', value: '' },
      { list: 'setting', key: 'name', value: 'ours ☃' },
    )
    await backup(data, directory)
    expect(textIn(directory)).toContain('gone soon')

    const carol = testKey(3)
    await store(
      data,
      deletionEvent(alice, { ids: [gone.id, 'e'.repeat(64)] }),
      deletionEvent(alice, { addresses: [SHARED] }),
      deletionEvent(alice, { addresses: [chatAddressText(alice, 'never there')] }),
      chatEvent(carol, { chatId: 'of carol', members: membersOf(alice) }),
      trainingEvent(carol, 'by carol', 1_000),
      sign(carol, {
        kind: 62,
        created_at: 1_764_000_000,
        tags: [['relay', 'ALL_RELAYS']],
        content: '',
      }),
      trainingEvent(alice, 'last'),
    )
    await decide(
      data,
      { list: 'banned', key: bob.publicKey, value: undefined },
      { list: 'allowed', key: carol.publicKey, value: 'a friend' },
    )
    await backup(data, directory)
    await backup(data, full)
    expect(textIn(directory)).not.toContain('gone soon')
    expect(textIn(directory)).not.toContain('by carol')
    expect(textIn(directory)).not.toContain('spam')

    const before = await contentsOf(data)
    expect(before.moderation).toHaveLength(3)
    for (const index of ['deletedId', 'expiry', 'vanished']) expect(before[`index ${index}`]).not.toEqual([])
    for (const from of [directory, full]) {
      const restored = temporaryDirectory()
      const result = await restore(from, restored)
      expect(result.check).toMatchObject({ isSound: true, faultCount: 0 })
      expect(await contentsOf(restored)).toEqual(before)
      expect(await verifyData(restored)).toMatchObject({ isSound: true, faultCount: 0 })
      // What was deleted stays away, and so does who vanished.
      const codes = await refusals(
        restored,
        gone,
        chatEvent(alice, { chatId: 'shared' }),
        trainingEvent(carol, 'again', 1_000),
      )
      expect(codes).toEqual(['DELETED', 'DELETED', 'DELETED'])
    }
  })

  it('[BAK1][RST1] of a running server, and what it restores keeps out who was banned', async () => {
    const data = temporaryDirectory()
    const server = await runServer({ data })
    const client = await connect(server, alice)
    await client.publish(trainingEvent(alice))
    await server.close()
    await decide(data, { list: 'banned', key: bob.publicKey, value: 'spam' })
    const again = await runServer({ data })
    const [directory, restored] = [temporaryDirectory(), temporaryDirectory()]
    await backup(data, directory)
    await again.close()
    await restore(directory, restored)
    const after = await runServer({ data: restored })
    await connect(after, alice)
    await expect(connect(after, bob)).rejects.toThrow(/banned here: spam/)
  })

  it('[RST2][RST4] goes on where what operators decided is in already, and refuses what is no decision', async () => {
    const data = verified.copy()
    await decide(data, { list: 'banned', key: bob.publicKey, value: 'spam' })
    const [directory, restored] = [temporaryDirectory(), temporaryDirectory()]
    await backup(data, directory)
    const files = {
      id: 'ab'.repeat(32),
      count: 1,
      async *lines() {
        yield JSON.stringify({ moderation: { list: 'banned', key: 'x', value: 'y' } })
        yield JSON.stringify({ moderation: { list: 'other', key: 'x', value: 'y' } })
      },
    }
    const target = await openRestoreTarget(temporaryDirectory())
    const options = { verifier: pureVerifier, onRefused: () => {}, onProgress: () => {} }
    await expect(restoreFiles({ files, target, decide: async () => {}, ...options })).rejects.toThrow(
      expect.objectContaining({ code: 'BACKUP_INVALID' }),
    )
    await target.close()
    // Killed between the two databases: the decisions are there, the log knows nothing of it.
    await (await openRestoreTarget(restored)).close()
    await decide(restored, { list: 'banned', key: bob.publicKey, value: 'spam' })
    await restore(directory, restored)
    expect(await contentsOf(restored)).toEqual(await contentsOf(data))
  })

  it('[BAK1] writes events one a line, as they were signed, in the order of the log', async () => {
    const directory = temporaryDirectory()
    await backup(verified.copy(), directory)
    const name = readdirSync(directory).find((one) => one.startsWith('events-')) as string
    const lines = readFileSync(join(directory, name), 'utf8').trimEnd().split('\n')
    const parsed = lines.map((line) => JSON.parse(line) as { seq: number; event: NostrEvent })
    expect(parsed.map(({ seq }) => seq)).toEqual([...parsed.map(({ seq }) => seq)].sort((a, b) => a - b))
    for (const { seq, event } of parsed) expect(event).toEqual(verified.events.get(seq))
    for (const file of readdirSync(directory)) expect(statSync(join(directory, file)).mode & 0o077).toBe(0)
  })

  it('[BAK2] brings only what is new, drops what is gone, and is then as a full one', async () => {
    const data = verified.copy()
    const directory = temporaryDirectory()
    const first = await backup(data, directory)
    const gone = chatEvent(alice, { chatId: 'more', update: append(new Y.Doc(), 'superseded soon') })
    await store(data, gone, trainingEvent(alice, 'kept'))
    expect(await backup(data, directory)).toMatchObject({ newEvents: 2, keptEvents: first.events })
    expect(textIn(directory)).toContain(gone.id)

    const doc = copyOf(updateOf(gone))
    await store(
      data,
      chatEvent(alice, { chatId: 'more', update: Y.encodeStateAsUpdate(doc), checkpoint: true }),
    )
    const third = await backup(data, directory)
    expect(third).toMatchObject({ newEvents: 1, keptEvents: first.events + 1 })
    expect(textIn(directory)).not.toContain(gone.sig)

    const [full, a, b] = [temporaryDirectory(), temporaryDirectory(), temporaryDirectory()]
    await backup(data, full)
    await restore(directory, a)
    await restore(full, b)
    expect(await contentsOf(a)).toEqual(await contentsOf(b))
    expect(await contentsOf(a)).toEqual(await contentsOf(data))
    expect(await backup(data, directory, true)).toMatchObject({ newEvents: third.events, keptEvents: 0 })
  })

  it('[BAK3] is not mixed with another database, nor with one that was set back', async () => {
    const data = verified.copy()
    const older = temporaryDirectory()
    cpSync(data, older, { recursive: true })
    const directory = temporaryDirectory()
    await store(data, trainingEvent(alice, 'only in the newer one'))
    await backup(data, directory)
    const before = textIn(directory)
    await expect(backup(older, directory)).rejects.toMatchObject({ code: 'BACKUP_INVALID' })
    await expect(backup(older, directory)).rejects.toThrow(/set back/)
    const other = temporaryDirectory()
    await (await openLevelLog(other)).close()
    await expect(backup(other, directory)).rejects.toThrow(/another database/)
    expect(textIn(directory)).toContain(before.slice(-200).slice(0, 100))
    await restore(directory, temporaryDirectory())
  })

  it('[BAK4] says what in the database is damaged, and keeps the rest', async () => {
    const data = verified.copy()
    await tamper(data, async (db) => {
      await rewrite(db, keyOf.event(TRAINING_SEQ), (value) => flipBit(value, 0))
      await rewrite(db, keyOf.record(SHARED), (value) => flipBit(value, 0))
    })
    const [directory, restored] = [temporaryDirectory(), temporaryDirectory()]
    const report = await backup(data, directory)
    expect(report).toMatchObject({ damaged: 1, unreadable: 1, events: verified.events.size - 4 })
    const result = await restore(directory, restored)
    expect(result).toMatchObject({ refusedEvents: 1, refused: [{ seq: TRAINING_SEQ }] })
    // The record follows from the events.
    expect(result.check).toMatchObject({ isSound: true, mendedCount: 1 })
    expect(await verifyData(restored)).toMatchObject({ isSound: true, faultCount: 0 })
  })
})

describe('a restore', () => {
  it('[RST2] refuses a file that was changed, and names it', async () => {
    const directory = temporaryDirectory()
    await backup(verified.copy(), directory)
    const name = forge(directory, (text) => text.replace('"kind":1,', '"kind":2,'))
    await expect(restore(directory, temporaryDirectory())).rejects.toMatchObject({
      code: 'BACKUP_INVALID',
      message: expect.stringContaining(name),
    })
  })

  it('[RST2] leaves out what is not what its author signed, also where the files agree', async () => {
    const data = verified.copy()
    await tamper(data, (db) => rewrite(db, keyOf.event(TRAINING_SEQ), (value) => flipBit(value, 30)))
    const [directory, restored] = [temporaryDirectory(), temporaryDirectory()]
    expect(await backup(data, directory)).toMatchObject({ damaged: 0 })
    const result = await restore(directory, restored)
    expect(result.refused).toMatchObject([{ seq: TRAINING_SEQ, message: expect.any(String) }])
    expect(await verifyData(restored)).toMatchObject({ isSound: true, events: result.events })
  })

  it('[RST3] goes into an empty directory only, and leaves any other as it is', async () => {
    const directory = temporaryDirectory()
    await backup(verified.copy(), directory)
    const data = verified.copy()
    const before = await contentsOf(data)
    await expect(restore(directory, data)).rejects.toMatchObject({ code: 'CONFIG_INVALID' })
    expect(await contentsOf(data)).toEqual(before)
    const other = temporaryDirectory()
    writeFileSync(join(other, 'notes.txt'), 'mine')
    await expect(restore(directory, other)).rejects.toThrow(/not empty/)
    expect(readdirSync(other)).toEqual(['notes.txt'])
    await expect(restore(other, temporaryDirectory())).rejects.toThrow(/no backup/)
  })
})

describe('positions of a backup', () => {
  it('[BAK2] are counted and found in ranges', () => {
    const ranges = [
      [2, 4],
      [7, 7],
      [10, 20],
    ] as const
    const all = new Set([2, 3, 4, 7, ...Array.from({ length: 11 }, (_, index) => 10 + index)])
    for (let first = 0; first < 23; first++) {
      expect(isWithin(ranges, first)).toBe(all.has(first))
      for (let last = first; last < 23; last++) {
        const expected = [...all].filter((seq) => seq >= first && seq <= last).length
        expect(countWithin(ranges, first, last)).toBe(expected)
      }
    }
  })
})
