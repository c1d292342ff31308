import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Fault } from '@onyx-sync/server'
import { describe, expect, it } from 'vitest'
import * as Y from 'yjs'
import { encodeHex, encodeState } from '../../server/src/adapters/level/codecs.js'
import { keyOf } from '../../server/src/adapters/level/keys.js'
import { append, mergedFrom } from '../support/chat-copy.js'
import { type RawDatabase, rewrite, tamper } from '../support/damage.js'
import { noise } from '../support/events.js'
import { flipBit } from '../support/flip-bit.js'
import { alice, bob, GAP, SHARED, TRAINING_SEQ, verifiedData, verifyData } from '../support/verified-data.js'

const data = verifiedData()
const a = alice.publicKey
const b = bob.publicKey
const UNKNOWN = `30001:${a}:unknown`
/** A position that a checkpoint has emptied. */
const EMPTIED = 6
const idOf = (seq: number) => data.events.get(seq)?.id as string
const text = (value: string) => Buffer.from(value, 'utf8')
const NOTHING = new Uint8Array(0)

/** The state of the first events of the shared chat. */
const stateThrough = (seq: number) => {
  const events = [...data.events].filter(([at]) => at <= seq).map(([, event]) => event)
  return Y.encodeStateAsUpdate(mergedFrom(events))
}

describe('a merged state', () => {
  const other = new Y.Doc()
  append(other, 'nobody signed this')

  it.each<[string, () => Uint8Array]>([
    [
      'lacks the newest event it says it has',
      () => encodeState({ throughSeq: 4, updates: [stateThrough(3)] }),
    ],
    [
      'has what nobody signed',
      () =>
        encodeState({
          throughSeq: 3,
          updates: [stateThrough(3), Y.encodeStateAsUpdate(other)],
        }),
    ],
    ['is of a position beyond the log', () => encodeState({ throughSeq: 99, updates: [stateThrough(3)] })],
    ['is cut off', () => encodeState({ throughSeq: 3, updates: [stateThrough(3).subarray(0, -3)] })],
    [
      'is in pieces and cut off',
      () => encodeState({ throughSeq: 3, updates: [stateThrough(1), stateThrough(3)] }).subarray(0, -3),
    ],
    [
      'is in pieces and lacks the last',
      () => encodeState({ throughSeq: 3, updates: [stateThrough(1), stateThrough(2)] }),
    ],
    ['is in no piece', () => encodeState({ throughSeq: 3, updates: [] })],
    ['is empty', () => encodeState({ throughSeq: 3, updates: [NOTHING] })],
    ['has not even a position', () => Uint8Array.of(1, 2)],
    [
      'has other contents',
      () =>
        encodeState({
          throughSeq: 3,
          updates: [
            Uint8Array.from(Buffer.from(stateThrough(3)).toString('latin1').replace('two', 'TWO'), (char) =>
              char.charCodeAt(0),
            ),
          ],
        }),
    ],
  ])('[VFY4][MRG1] that %s is reported by address, and built anew', async (_name, value) => {
    const copy = data.copy()
    await tamper(copy, (db) => db.put(keyOf.state(SHARED), value()))
    const { list, faultCount } = await verifyData(copy)
    expect(faultCount).toBe(1)
    expect(list[0]).toMatchObject({ kind: 'state', address: SHARED, mendable: true })
    expect(await verifyData(copy, { repair: true })).toMatchObject({ isSound: true, mendedCount: 1 })
    expect(await verifyData(copy)).toMatchObject({ faultCount: 0, keptStates: 1 })
    await tamper(copy, async (db) => {
      const kept = await db.get(keyOf.state(SHARED))
      expect(Buffer.from(kept as Uint8Array).subarray(8)).toEqual(Buffer.from(stateThrough(4)))
    })
  })

  it('[VFY4] that is in pieces is as good', async () => {
    const copy = data.copy()
    const updates = [stateThrough(1), stateThrough(3)]
    await tamper(copy, (db) => db.put(keyOf.state(SHARED), encodeState({ throughSeq: 3, updates })))
    expect(await verifyData(copy)).toMatchObject({ faultCount: 0, keptStates: 1 })
  })

  it('[VFY4] of a document that hangs on something missing is dropped', async () => {
    const copy = data.copy()
    await tamper(copy, (db) =>
      db.put(keyOf.state(GAP), encodeState({ throughSeq: 13, updates: [stateThrough(3)] })),
    )
    expect((await verifyData(copy, { repair: true })).list).toMatchObject([{ kind: 'state', address: GAP }])
    await tamper(copy, async (db) => expect(await db.get(keyOf.state(GAP))).toBeUndefined())
    expect((await verifyData(copy)).faultCount).toBe(0)
  })

  it.each<[string, (db: RawDatabase) => Promise<void>]>([
    ['damaged', (db) => rewrite(db, keyOf.event(2), (value) => flipBit(value, 300))],
    ['missing', (db) => db.del(keyOf.event(2))],
  ])('[VFY4] is left alone where an event is %s: it may be the last that has it', async (_name, damage) => {
    const copy = data.copy()
    const kept = await tamper(copy, async (db) => {
      await damage(db)
      return db.get(keyOf.state(SHARED))
    })
    const report = await verifyData(copy, { repair: true })
    expect(report).toMatchObject({ isSound: false, keptStates: 0, uncheckedStates: 1, mendedCount: 0 })
    await tamper(copy, async (db) => expect(await db.get(keyOf.state(SHARED))).toEqual(kept))
  })
})

describe('what only a backup can mend', () => {
  async function expectLeft(copy: string, expected: readonly Partial<Fault>[]): Promise<void> {
    const found = await verifyData(copy, { repair: true })
    expect(found.list).toEqual(
      expected.map((fault) => expect.objectContaining({ ...fault, mendable: false })),
    )
    expect(found).toMatchObject({ isSound: false, mendableCount: 0, mendedCount: 0 })
  }

  it('[VFY2][ATK50] every flipped bit of an event shows, and nothing else is touched', async () => {
    const copy = data.copy()
    const size = Buffer.byteLength(JSON.stringify(data.events.get(2)))
    for (let index = 0; index < size; index += 17) {
      const bit = index % 8
      const original = await tamper(copy, async (db) => {
        const value = (await db.get(keyOf.event(2))) as Uint8Array
        await db.put(keyOf.event(2), flipBit(value, index, bit))
        return value
      })
      await expectLeft(copy, [{ kind: 'event-damaged', seq: 2 }])
      await tamper(copy, (db) => db.put(keyOf.event(2), original))
    }
    expect((await verifyData(copy)).faultCount).toBe(0)
  })

  it('[VFY2] an event that is stored in another form than it is served shows', async () => {
    const copy = data.copy()
    await tamper(copy, (db) => rewrite(db, keyOf.event(2), (value) => Buffer.concat([value, text(' ')])))
    await expectLeft(copy, [{ kind: 'event-damaged', seq: 2, id: idOf(2), address: SHARED }])
  })

  it('[VFY2] an event that stands in the log twice shows', async () => {
    const copy = data.copy()
    await tamper(copy, async (db) =>
      db.put(keyOf.event(EMPTIED), (await db.get(keyOf.event(2))) as Uint8Array),
    )
    await expectLeft(copy, [{ kind: 'event-damaged', seq: EMPTIED, id: idOf(2) }])
  })

  it.each([2, TRAINING_SEQ, 13])('[VFY2] an event that is gone shows: position %i', async (seq) => {
    const copy = data.copy()
    await tamper(copy, (db) => db.del(keyOf.event(seq)))
    await expectLeft(copy, [{ kind: 'event-missing', seq, id: idOf(seq) }])
  })

  it('[VFY2] an event that is gone with its id shows as long as two indexes tell of it', async () => {
    const copy = data.copy()
    await tamper(copy, async (db) => {
      await db.del(keyOf.event(2))
      await db.del(keyOf.id(idOf(2)))
    })
    await expectLeft(copy, [{ kind: 'event-missing', seq: 2, id: idOf(2), address: SHARED }])
  })

  it('[VFY5][Y6] a struct under a client id of another key, or of nobody, shows', async () => {
    const copy = data.copy()
    const doc = mergedFrom([data.events.get(1), data.events.get(2)].filter((event) => event !== undefined))
    const ids = [...doc.store.clients.keys()]
    const bobs = await tamper(copy, async (db) => {
      const values = await db.getMany(ids.map((id) => keyOf.writer(SHARED, id)))
      return ids[
        values.findIndex((value) => Buffer.from(value as Uint8Array).toString('hex') === b)
      ] as number
    })
    for (const damage of [
      (db: RawDatabase) => db.put(keyOf.writer(SHARED, bobs), encodeHex(a)),
      (db: RawDatabase) => db.del(keyOf.writer(SHARED, bobs)),
    ]) {
      await tamper(copy, damage)
      const { list } = await verifyData(copy, { repair: true })
      expect(list).toEqual([
        expect.objectContaining({ kind: 'writer', seq: 2, address: SHARED, mendable: false }),
        expect.objectContaining({ kind: 'writer', seq: 4, address: SHARED, mendable: false }),
      ])
      expect(list[0]?.message).toContain(String(bobs))
      expect(list[0]?.message).toContain(b)
    }
  })

  it('[VFY3] a client id in a document that is not there shows', async () => {
    const copy = data.copy()
    await tamper(copy, (db) => db.put(keyOf.writer(UNKNOWN, 7), encodeHex(b)))
    await expectLeft(copy, [{ kind: 'index', index: 'writer', address: UNKNOWN }])
  })

  it.each<[string, (db: RawDatabase) => Promise<unknown>]>([
    ['lies beyond the log', (db) => db.put(keyOf.epoch(99), Uint8Array.from([1, 2, 3, 4, 5, 6, 7, 8]))],
    ['begins twice', async (db) => db.put(keyOf.epoch(5), (await db.get(keyOf.epoch(1))) as Uint8Array)],
    ['has an id of another length', (db) => db.put(keyOf.epoch(5), Uint8Array.of(1))],
    [
      'begins too late',
      async (db) => {
        await db.put(keyOf.epoch(2), (await db.get(keyOf.epoch(1))) as Uint8Array)
        await db.del(keyOf.epoch(1))
      },
    ],
  ])('[VFY3][REP4] an epoch that %s shows', async (_name, damage) => {
    const copy = data.copy()
    await tamper(copy, damage)
    await expectLeft(copy, [{ kind: 'epoch' }])
  })

  it('[VFY3][ING7] a part that is damaged, or lies elsewhere than it says, shows', async () => {
    const place = [b, SHARED, 'aabbccdd'] as const
    for (const damage of [
      (db: RawDatabase) => rewrite(db, keyOf.held(...place, 0), (value) => flipBit(value, 200)),
      async (db: RawDatabase) => {
        await db.put(keyOf.held(...place, 1), (await db.get(keyOf.held(...place, 0))) as Uint8Array)
        await db.del(keyOf.held(...place, 0))
      },
    ]) {
      const copy = data.copy()
      await tamper(copy, damage)
      await expectLeft(copy, [{ kind: 'part', id: data.partId, address: SHARED }])
    }
  })
})

describe('a database that LevelDB itself can not read', () => {
  /** Wipes a stretch of the one table that holds everything, given as parts of its length. */
  function wipe(directory: string, from: number, to: number): void {
    const [table] = readdirSync(join(directory, 'log')).filter((name) => name.endsWith('.ldb'))
    const path = join(directory, 'log', table as string)
    const bytes = readFileSync(path)
    writeFileSync(path, bytes.fill(0, Math.floor(bytes.length * from), Math.floor(bytes.length * to)))
  }

  interface Compactable {
    compactRange(from: Uint8Array, to: Uint8Array): Promise<void>
  }

  async function large(): Promise<string> {
    const copy = data.copy()
    await tamper(copy, async (db) => {
      for (let seq = 100; seq < 200; seq++) await db.put(keyOf.event(seq), text(noise(4000, `event ${seq}`)))
      // LevelDB's own, which the common interface of all stores lacks.
      await (db as unknown as Compactable).compactRange(Uint8Array.of(0), Uint8Array.of(255))
    })
    return copy
  }

  it('[VFY7] in places is reported, and nothing is made of what is left', async () => {
    const copy = await large()
    wipe(copy, 0.4, 0.5)
    const report = await verifyData(copy, { repair: true })
    expect(report.faults.storage).toBe(1)
    expect(report.list[report.list.length - 1]).toMatchObject({
      kind: 'storage',
      message: expect.stringMatching(/^reading the events failed, .*Corruption/),
    })
    expect(report).toMatchObject({ isSound: false, documents: 0, mendedCount: 0 })
  })

  it('[VFY7] from its beginning can not be checked, and that is said', async () => {
    const copy = await large()
    wipe(copy, 0, 1)
    await expect(verifyData(copy)).rejects.toMatchObject({
      code: 'DATA_DAMAGED',
      message: expect.stringContaining(copy),
    })
  })
})
