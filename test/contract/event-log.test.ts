import { statSync } from 'node:fs'
import { join } from 'node:path'
import { type Commit, createMemoryLog, type EventLog, openLevelLog } from '@onyx-sync/server'
import { silentLogger } from '@onyx-sync/shared'
import { Level } from 'level'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { encodeSeq } from '../../server/src/adapters/level/codecs.js'
import { keyOf, rangeOf } from '../../server/src/adapters/level/keys.js'
import { createLevelLog } from '../../server/src/adapters/level/level-log.js'
import { LEVEL_FORMAT_VERSION, readMeta } from '../../server/src/adapters/level/level-meta.js'
import { readPlace } from '../../server/src/adapters/level/level-snapshot.js'
import type { DocumentRecord } from '../../server/src/ports/event-log.js'
import { temporaryDirectory } from '../support/temporary-directory.js'
import { commitOf, describeEventLog, hex, logged } from './event-log-contract.js'
import { describeInspectableLog } from './inspectable-log-contract.js'

describeEventLog('memory', { open: async () => createMemoryLog() })

let directory = ''
describeEventLog('LevelDB', {
  open() {
    directory = temporaryDirectory()
    return openLevelLog(directory)
  },
  async reopen(log) {
    await log.close()
    return openLevelLog(directory)
  },
})

describeInspectableLog('memory', async () => createMemoryLog())
describeInspectableLog('LevelDB', () => openLevelLog(temporaryDirectory()))

/** A log on LevelDB of which the next batch is refused, or written and nevertheless called refused. */
async function logThatFails(): Promise<{ log: EventLog; failNext(isWritten: boolean): void }> {
  const data = temporaryDirectory()
  const db = new Level<Uint8Array, Uint8Array>(join(data, 'log'), {
    keyEncoding: 'view',
    valueEncoding: 'view',
  })
  await db.open()
  const makeBatch = db.batch.bind(db)
  let failing: { isWritten: boolean } | undefined
  const batchThatFails = () => {
    const batch = makeBatch()
    const write = batch.write.bind(batch)
    batch.write = async (options: { sync?: boolean } = {}) => {
      const fails = failing
      failing = undefined
      if (fails?.isWritten !== false) await write(options)
      else await batch.close()
      if (fails !== undefined) throw new Error('EIO: i/o error')
    }
    return batch
  }
  Object.assign(db, { batch: batchThatFails })
  const log = createLevelLog(db, await readMeta(db, data, false), await readPlace(db), silentLogger)
  return {
    log,
    failNext(isWritten) {
      failing = { isWritten }
    },
  }
}

describe('a write to LevelDB that fails', () => {
  it('[ING4][S4] is found where it reached the disk after all, and gone where it did not', async () => {
    const { log, failNext } = await logThatFails()
    await log.commit(commitOf([logged({ seq: 1 })]))
    failNext(false)
    await expect(log.commit(commitOf([logged({ seq: 2 })]))).rejects.toThrow('EIO')
    expect(await log.has([hex(2)])).toEqual([false])
    expect(log.head).toBe(1)
    failNext(true)
    await expect(log.commit(commitOf([logged({ seq: 2 })]))).rejects.toThrow('EIO')
    expect(log.head).toBe(1)
    expect(await log.has([hex(2)])).toEqual([true])
    expect(log.head).toBe(2)
    await log.close()
  })
})

describe('the data directory', () => {
  it('[SRV4] is made readable by its owner only', async () => {
    const data = join(temporaryDirectory(), 'deep', 'data')
    const log = await openLevelLog(data)
    expect(statSync(data).mode & 0o777).toBe(0o700)
    await log.close()
  })

  it('[SRV4] is used by one process at a time, and says so', async () => {
    const data = temporaryDirectory()
    const log = await openLevelLog(data)
    await expect(openLevelLog(data)).rejects.toMatchObject({
      code: 'DATA_LOCKED',
      message: expect.stringContaining(data),
    })
    await log.close()
    await (await openLevelLog(data)).close()
  })

  it('[SRV4] of a version before the first release is refused, not touched', async () => {
    const data = temporaryDirectory()
    await (await openLevelLog(data)).close()
    const db = new Level<Uint8Array, Uint8Array>(join(data, 'log'), {
      keyEncoding: 'view',
      valueEncoding: 'view',
    })
    await db.put(keyOf.meta('format'), encodeSeq(1))
    await db.close()
    await expect(openLevelLog(data)).rejects.toMatchObject({ code: 'DATA_FORMAT' })
  })

  it('[SRV4][OPR1] of the version before is brought up to date when it is opened', async () => {
    const data = temporaryDirectory()
    const log = await openLevelLog(data)
    const event = (seq: number, kind: number) => ({
      ...{ seq, kind, id: String(seq).padStart(64, '0'), pubkey: 'a'.repeat(64), owner: 'a'.repeat(64) },
      ...{ createdAt: 5, json: '{}', address: undefined, readers: [] },
    })
    const events = [1, 5, 1, 1].map((kind, index) => event(index + 1, kind))
    await log.commit({ events, documents: [], grants: [], revocations: [] })
    const indexed = (all: readonly number[]) => ({ training: all, feed: all })
    const indexOf = async ({ training, trainingFeed }: typeof log) => {
      const result: { training: number[]; feed: number[] } = { training: [], feed: [] }
      for await (const page of training(0, 9)) result.training.push(...page.map(({ seq }) => seq))
      for await (const page of trainingFeed(0, 9)) result.feed.push(...page)
      return result
    }
    expect(await indexOf(log)).toEqual(indexed([1, 3, 4]))
    await log.close()
    const db = new Level<Uint8Array, Uint8Array>(join(data, 'log'), {
      keyEncoding: 'view',
      valueEncoding: 'view',
    })
    // As format 2 had it.
    for (const index of ['training', 'trainingFeed'] as const) await db.clear(rangeOf.index(index))
    await db.put(keyOf.meta('format'), encodeSeq(2))
    await db.close()
    const upgraded = await openLevelLog(data)
    expect(await indexOf(upgraded)).toEqual(indexed([1, 3, 4]))
    await upgraded.close()
    const again = await openLevelLog(data)
    expect(await indexOf(again)).toEqual(indexed([1, 3, 4]))
    await again.close()
  })

  it('[SRV4][KND7] of format 3 learns which names were deleted when it is opened', async () => {
    const data = temporaryDirectory()
    const log = await openLevelLog(data)
    const [owner, other] = ['a'.repeat(64), 'b'.repeat(64)]
    const request = (seq: number, createdAt: number, json: string) => ({
      ...{ seq, kind: 5, id: String(seq).padStart(64, '0'), pubkey: owner, owner },
      ...{ createdAt, json, address: undefined, readers: [] },
    })
    const naming = (...names: string[]) => JSON.stringify({ tags: names.map((name) => ['a', name]) })
    const [page, profile] = [`30023:${owner}:ü:x`, `0:${owner}:`]
    const events = [
      request(1, 7, naming(page, `30001:${owner}:chat`)),
      request(2, 9, naming(page)),
      request(3, 9, naming(page, profile)),
      request(4, 8, naming(page)),
      request(5, 5, 'damaged'),
    ]
    await log.commit({ events, documents: [], grants: [], revocations: [] })
    await log.close()
    const db = new Level<Uint8Array, Uint8Array>(join(data, 'log'), {
      ...{ keyEncoding: 'view', valueEncoding: 'view' },
    })
    await db.put(keyOf.meta('format'), encodeSeq(3))
    await db.close()
    const upgraded = await openLevelLog(data)
    const names = [page, profile, `0:${other}:`, `30001:${owner}:chat`]
    const untils = (await upgraded.coordinates(names)).map(({ deletedUntil }) => deletedUntil)
    expect(untils).toEqual([9, 9, undefined, undefined])
    const entries = [2, 3].map((seq) => ({
      ...{ index: 'deletedCoordinate' as const, until: 9, seq },
      coordinate: seq === 2 ? page : profile,
    }))
    expect(await upgraded.hasEntries(entries)).toEqual([true, true])
    await upgraded.close()
  })

  it('[SRV4] of format 4 is read as it is, and its records are shorter once they are written again', async () => {
    const data = temporaryDirectory()
    const [owner, member] = ['a'.repeat(64), 'b'.repeat(64)]
    const addresses = ['one', 'two'].map((id) => `30001:${owner}:${id}`) as [string, string]
    const roster = { baseAt: 3, entries: [{ pubkey: member, role: 'read' as const, at: 4, relay: '' }] }
    const counts = { rosterSeq: 2, headSeq: 9, contentSeq: 8, eventCount: 4, byteCount: 1_234 }
    const records: DocumentRecord[] = [
      {
        address: addresses[0],
        owner,
        members: [],
        roster: { baseAt: 0, entries: [] },
        rosterSeqs: [1],
        ...counts,
      },
      {
        address: addresses[1],
        owner,
        members: [{ pubkey: member, role: 'read' }],
        roster,
        rosterSeqs: [1, 2],
        ...counts,
      },
    ]
    await (await openLevelLog(data)).close()
    const options = { keyEncoding: 'view', valueEncoding: 'view' } as const
    const older = new Level<Uint8Array, Uint8Array>(join(data, 'log'), options)
    for (const record of records)
      await older.put(keyOf.record(record.address), Buffer.from(JSON.stringify(record)))
    await older.put(keyOf.meta('format'), encodeSeq(4))
    await older.close()
    const upgraded = await openLevelLog(data)
    expect(await upgraded.documents(addresses)).toEqual(records)
    await upgraded.commit({
      events: [],
      documents: [records[0] as DocumentRecord],
      grants: [],
      revocations: [],
    })
    expect(await upgraded.documents(addresses)).toEqual(records)
    await upgraded.close()
    const after = new Level<Uint8Array, Uint8Array>(join(data, 'log'), options)
    expect(await after.get(keyOf.meta('format'))).toEqual(encodeSeq(LEVEL_FORMAT_VERSION))
    const sizes = (await after.getMany(addresses.map(keyOf.record))).map((value) => value?.byteLength)
    expect(sizes).toEqual([18, JSON.stringify(records[1]).length])
    await after.close()
  })

  it('[SRV4] of a newer version is refused, not touched', async () => {
    const data = temporaryDirectory()
    await (await openLevelLog(data)).close()
    const db = new Level<Uint8Array, Uint8Array>(join(data, 'log'), {
      keyEncoding: 'view',
      valueEncoding: 'view',
    })
    await db.put(keyOf.meta('format'), encodeSeq(LEVEL_FORMAT_VERSION + 1))
    await db.close()
    await expect(openLevelLog(data)).rejects.toMatchObject({ code: 'DATA_FORMAT' })
    // The failed attempt let go of the lock.
    await expect(openLevelLog(data)).rejects.toMatchObject({ code: 'DATA_FORMAT' })
  })
})

describe('a failed write on LevelDB', () => {
  afterEach(() => {
    vi.restoreAllMocks()
  })

  const id = (n: number) => n.toString(16).padStart(64, '0')
  const reader = id(77)
  const commitOf = (seq: number, n: number): Commit => ({
    events: [
      {
        seq,
        id: id(n),
        pubkey: reader,
        kind: 1,
        createdAt: 5,
        json: '{}',
        address: undefined,
        owner: reader,
        readers: [reader],
      },
    ],
    documents: [],
    grants: [],
    revocations: [],
  })

  it('[ING4][S4] is followed by opening the database again; the next write works', async () => {
    const log = await openLevelLog(temporaryDirectory())
    await log.commit(commitOf(1, 1))
    const open = vi.spyOn(Level.prototype, 'open')
    const batch = Level.prototype.batch
    vi.spyOn(Level.prototype, 'batch').mockImplementationOnce(function (this: Level) {
      const chained = batch.call(this)
      vi.spyOn(chained, 'write').mockRejectedValueOnce(new Error('ENOSPC'))
      return chained
    } as never)
    await expect(log.commit(commitOf(2, 2))).rejects.toThrow('ENOSPC')
    expect(log.head).toBe(1)
    expect(await log.has([id(1), id(2)])).toEqual([true, false])
    expect(open).toHaveBeenCalledTimes(1)
    await log.commit(commitOf(2, 3))
    expect(log.head).toBe(2)
    expect(await log.has([id(1), id(2), id(3)])).toEqual([true, false, true])
    await log.close()
  })

  it('[ING4][S4] that had reached the disk after all is found, and not written over', async () => {
    const log = await openLevelLog(temporaryDirectory())
    const batch = Level.prototype.batch
    vi.spyOn(Level.prototype, 'batch').mockImplementationOnce(function (this: Level) {
      const chained = batch.call(this)
      const write = chained.write.bind(chained) as (options: object) => Promise<void>
      vi.spyOn(chained, 'write').mockImplementationOnce((async (options: object) => {
        await write(options)
        throw new Error('EIO')
      }) as never)
      return chained
    } as never)
    await expect(log.commit(commitOf(1, 1))).rejects.toThrow('EIO')
    // A writer that didn't ask first is stopped, because its positions are taken.
    await expect(log.commit(commitOf(1, 2))).rejects.toMatchObject({ code: 'STORE_FAILED' })
    expect(log.head).toBe(1)
    expect(await log.has([id(1), id(2)])).toEqual([true, false])
    await log.commit(commitOf(2, 2))
    await log.close()
  })
})
