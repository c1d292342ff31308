import {
  FAULT_KINDS,
  type Fault,
  openLevelLog,
  type VerifyProgress,
  type VerifyReport,
  verifyLog,
} from '@onyx-sync/server'
import { describe, expect, it, vi } from 'vitest'
import { encodeHex, encodePlace, encodeState } from '../../server/src/adapters/level/codecs.js'
import { keyOf } from '../../server/src/adapters/level/keys.js'
import { decodeRecord, encodeRecord } from '../../server/src/adapters/level/records.js'
import { verifyToText } from '../../server/src/commands/verify-output.js'
import { createProgressLine } from '../../server/src/commands/verify-progress.js'
import { entriesUnder, type RawDatabase, rewrite, tamper } from '../support/damage.js'
import { flipBit } from '../support/flip-bit.js'
import {
  alice,
  bob,
  LEFT,
  PACKED,
  SHARED,
  TRAINING_SEQ,
  verifiedData,
  verifyAll,
  verifyData,
} from '../support/verified-data.js'

const data = verifiedData()
const a = alice.publicKey
const b = bob.publicKey
const nobody = 'ee'.repeat(32)
const UNKNOWN = `30001:${a}:unknown`
/** A position that a checkpoint has emptied. */
const EMPTIED = 6
const idOf = (seq: number) => data.events.get(seq)?.id as string
const timeOf = (seq: number) => data.events.get(seq)?.created_at as number
const seqBytes = (seq: number) => keyOf.event(seq).subarray(1)
const text = (value: string) => Buffer.from(value, 'utf8')
const NOTHING = new Uint8Array(0)
const FEED = Uint8Array.of(1)

/** Changes what the log knows of a document, by writing it as this format does, or as format 4 did. */
const restate = (db: RawDatabase, address: string, change: object, format: 4 | 5) =>
  rewrite(db, keyOf.record(address), (value) => {
    const record = { ...decodeRecord(address, value), ...change }
    return format === 5 ? encodeRecord(record) : text(JSON.stringify(record))
  })

/** What no repair may touch: events, parts, epochs, and whom client ids belong to. */
const untouchables = (directory: string) =>
  tamper(directory, async (db) => {
    const found: Map<string, string>[] = []
    for (const letter of ['e', 'h', 'p', 'w', 'm']) found.push(await entriesUnder(db, letter))
    return found
  })

describe('sound data', () => {
  it('[VFY1] is found sound, with a count of everything', async () => {
    const { list, ...report } = await verifyData(data.copy())
    expect(list).toEqual([])
    expect(report).toMatchObject({
      isSound: true,
      head: 13,
      events: 9,
      documents: 5,
      gaps: 1,
      keptStates: 1,
      uncheckedStates: 0,
      supersededIds: 4,
      heldParts: 1,
      faultCount: 0,
      mendableCount: 0,
      mendedCount: 0,
    })
    expect(Object.keys(report.faults)).toEqual([...FAULT_KINDS])
  })

  it('[VFY3] has entries in feeds of former members that point to nothing, which is no fault', async () => {
    expect(await verifyData(data.copy())).toMatchObject({ isSound: true, staleFeedEntries: 1 })
  })

  it('[VFY1] that is empty is sound', async () => {
    const copy = data.copy()
    await tamper(copy, async (db) => {
      for (const letter of 'eifgdorstwxhcpna') {
        for (const key of (await entriesUnder(db, letter)).keys()) await db.del(Buffer.from(key, 'hex'))
      }
    })
    expect(await verifyData(copy)).toMatchObject({
      isSound: true,
      head: 0,
      events: 0,
      documents: 0,
      entries: 0,
    })
  })
})

type Damage = readonly [name: string, fault: Partial<Fault>, damage: (db: RawDatabase) => Promise<unknown>]

const MENDABLE: readonly Damage[] = [
  ['an id is lost', { index: 'id', seq: 2 }, (db) => db.del(keyOf.id(idOf(2)))],
  ['an id points to another event', { index: 'id', seq: 2 }, (db) => db.put(keyOf.id(idOf(2)), seqBytes(3))],
  [
    'an id of nobody points to an event',
    { index: 'id', id: nobody },
    (db) => db.put(keyOf.id(nobody), seqBytes(3)),
  ],
  [
    'an id is of a part that is not there',
    { index: 'id', id: nobody },
    (db) => db.put(keyOf.id(nobody), Uint8Array.of(2)),
  ],
  [
    'an id has a place of no form',
    { index: 'id' },
    (db) => db.put(keyOf.id(idOf(2)), Uint8Array.of(9, 9, 9)),
  ],
  ['the id of a part is lost', { index: 'id' }, (db) => db.del(keyOf.id(data.partId))],
  [
    'a document’s log lacks an event',
    { index: 'documentLog', seq: 2, address: SHARED },
    (db) => db.del(keyOf.documentLog(SHARED, 2)),
  ],
  [
    'a document’s log has another id',
    { index: 'documentLog', seq: 2 },
    (db) => db.put(keyOf.documentLog(SHARED, 2), encodePlace(timeOf(2), nobody)),
  ],
  [
    'a document’s log points to nothing',
    { index: 'documentLog', seq: EMPTIED },
    (db) => db.put(keyOf.documentLog(SHARED, EMPTIED), encodePlace(1, nobody)),
  ],
  [
    'a document’s log has an event of another one',
    { index: 'documentLog', seq: 7, address: SHARED },
    (db) => db.put(keyOf.documentLog(SHARED, 7), encodePlace(timeOf(7), idOf(7))),
  ],
  [
    'there is a log of no document',
    { index: 'documentLog', seq: EMPTIED, address: 'x' },
    (db) => db.put(keyOf.documentLog('x', EMPTIED), encodePlace(1, nobody)),
  ],
  [
    'an owner’s log lacks an event',
    { index: 'ownerLog', seq: 2 },
    (db) => db.del(keyOf.ownerLog(a, 30001, timeOf(2), idOf(2))),
  ],
  [
    'an owner’s log lacks training data',
    { index: 'ownerLog', seq: TRAINING_SEQ },
    (db) => db.del(keyOf.ownerLog(a, 1, timeOf(TRAINING_SEQ), idOf(TRAINING_SEQ))),
  ],
  [
    'an owner’s log names another position',
    { index: 'ownerLog', seq: 2 },
    (db) => db.put(keyOf.ownerLog(a, 30001, timeOf(2), idOf(2)), seqBytes(3)),
  ],
  [
    'an owner’s log points to nothing',
    { index: 'ownerLog', id: nobody },
    (db) => db.put(keyOf.ownerLog(a, 30001, 5, nobody), seqBytes(EMPTIED)),
  ],
  [
    'an owner’s log has somebody else’s',
    { index: 'ownerLog', id: idOfTraining() },
    (db) => db.put(keyOf.ownerLog(b, 1, timeOf(TRAINING_SEQ), idOf(TRAINING_SEQ)), seqBytes(TRAINING_SEQ)),
  ],
  [
    'training data is not among that of all authors',
    { index: 'training', seq: TRAINING_SEQ },
    (db) => db.del(keyOf.training(timeOf(TRAINING_SEQ), idOf(TRAINING_SEQ))),
  ],
  [
    'a chat is among the training data of all authors',
    { index: 'training', seq: 2 },
    (db) => db.put(keyOf.training(timeOf(2), idOf(2)), seqBytes(2)),
  ],
  [
    'there is training data that points to nothing',
    { index: 'training', id: nobody },
    (db) => db.put(keyOf.training(5, nobody), seqBytes(EMPTIED)),
  ],
  [
    'the feed of training data lacks an event',
    { index: 'trainingFeed', seq: TRAINING_SEQ },
    (db) => db.del(keyOf.trainingFeed(TRAINING_SEQ)),
  ],
  [
    'the feed of training data has a chat',
    { index: 'trainingFeed', seq: 3 },
    (db) => db.put(keyOf.trainingFeed(3), new Uint8Array(0)),
  ],
  [
    'the feed of training data has a position where nothing is',
    { index: 'trainingFeed', seq: EMPTIED },
    (db) => db.put(keyOf.trainingFeed(EMPTIED), new Uint8Array(0)),
  ],
  ['an owner’s feed lacks an event', { index: 'feed', seq: 2 }, (db) => db.del(keyOf.feed(a, 2))],
  ['a member’s feed lacks an event', { index: 'feed', seq: 3, reader: b }, (db) => db.del(keyOf.feed(b, 3))],
  [
    'a feed has a mark of another form',
    { index: 'feed', seq: 2 },
    (db) => db.put(keyOf.feed(a, 2), Uint8Array.of(7)),
  ],
  [
    'a feed goes beyond the log',
    { index: 'feed', seq: 99, reader: a },
    (db) => db.put(keyOf.feed(a, 99), FEED),
  ],
  [
    'a grant is lost',
    { index: 'grant', reader: b, address: SHARED },
    (db) => db.del(keyOf.grant(b, 1, SHARED)),
  ],
  [
    'a grant is of no document',
    { index: 'grant', address: UNKNOWN },
    (db) => db.put(keyOf.grant(b, 1, UNKNOWN), NOTHING),
  ],
  [
    'a grant lies beyond the log',
    { index: 'grant', seq: 99 },
    (db) => db.put(keyOf.grant(b, 99, SHARED), NOTHING),
  ],
  [
    'a member does not find a chat',
    { index: 'shared', reader: b, address: SHARED },
    (db) => db.del(keyOf.shared(b, SHARED)),
  ],
  [
    'a chat is shared with a former member',
    { index: 'shared', reader: b, address: LEFT },
    (db) => db.put(keyOf.shared(b, LEFT), NOTHING),
  ],
  ['a change is lost', { index: 'change', reader: b, address: SHARED }, (db) => db.del(keyOf.change(b, 4))],
  [
    'a change names another document',
    { index: 'change', reader: b, address: SHARED },
    (db) => db.put(keyOf.change(b, 4), text(LEFT)),
  ],
  [
    'a change is left behind',
    { index: 'change', seq: 2, address: SHARED },
    (db) => db.put(keyOf.change(a, 2), text(SHARED)),
  ],
  [
    'a change is of somebody who may not read',
    { index: 'change', reader: nobody },
    (db) => db.put(keyOf.change(nobody, 4), text(SHARED)),
  ],
  [
    'what is known of a document is lost',
    { kind: 'record', address: SHARED },
    (db) => db.del(keyOf.record(SHARED)),
  ],
  [
    'what is known of a document is no JSON',
    { kind: 'record', address: SHARED },
    (db) => rewrite(db, keyOf.record(SHARED), (value) => value.subarray(1)),
  ],
  [
    'a bit of what is known of the members of a document is another',
    { kind: 'record', address: SHARED },
    (db) =>
      rewrite(db, keyOf.record(SHARED), (value) => {
        const at = Buffer.from(value).indexOf('entries')
        expect(at).toBeGreaterThan(0)
        return flipBit(value, at)
      }),
  ],
  [
    'what is known of a document is something else',
    { kind: 'record', address: SHARED },
    (db) => db.put(keyOf.record(SHARED), text('null')),
  ],
  [
    'something is known of no document',
    { kind: 'record', address: UNKNOWN },
    async (db) => db.put(keyOf.record(UNKNOWN), (await db.get(keyOf.record(SHARED))) as Uint8Array),
  ],
  [
    'a superseded id is to be forgotten that is none',
    { index: 'supersededId', id: nobody },
    (db) => db.put(keyOf.supersededId(PACKED, 5), encodeHex(nobody)),
  ],
  [
    'a state is kept of no document',
    { index: 'state', address: UNKNOWN },
    (db) => db.put(keyOf.state(UNKNOWN), encodeState({ throughSeq: 3, updates: [NOTHING] })),
  ],
  [
    'a key is of no form',
    { index: 'shared' },
    (db) => db.put(keyOf.shared(b, SHARED).subarray(0, 9), NOTHING),
  ],
]

/** Filled in later than the table. */
function idOfTraining(): string {
  return expect.stringMatching(/^[0-9a-f]{64}$/) as unknown as string
}

const RECORD_DAMAGE: readonly (readonly [string, object])[] = [
  ['eventCount', { eventCount: 3 }],
  ['byteCount', { byteCount: 5 }],
  ['headSeq', { headSeq: 3 }],
  ['headSeq', { headSeq: 99 }],
  ['contentSeq', { contentSeq: 3 }],
  ['contentSeq', { contentSeq: 5 }],
  ['contentSeq', { contentSeq: 'x' }],
  ['rosterSeqs', { rosterSeqs: [1] }],
  ['roster', { roster: { baseAt: 1, entries: [] } }],
  ['rosterSeq', { rosterSeq: 0 }],
  ['rosterSeq', { rosterSeq: 4 }],
  ['members', { members: [] }],
  ['members', { members: [{ pubkey: nobody, role: 'write' }] }],
  ['owner', { owner: b }],
  ['address', { address: PACKED }],
]

describe('derived data that is wrong', () => {
  async function expectMended(copy: string, expected: Partial<Fault>): Promise<void> {
    const log = await openLevelLog(copy)
    const found = await verifyAll(log)
    expect(found.isSound).toBe(false)
    expect(found.list).toContainEqual(expect.objectContaining({ ...expected, mendable: true, mended: false }))
    const mended = await verifyAll(log, { repair: true })
    expect(mended.isSound).toBe(true)
    expect(mended.mendedCount).toBe(mended.faultCount)
    expect((await verifyAll(log)).list).toEqual([])
    await log.close()
  }

  it.each(MENDABLE)('[VFY3][VFY6] %s: found, and mended', async (_name, fault, damage) => {
    const copy = data.copy()
    await tamper(copy, damage)
    await expectMended(copy, fault.kind === undefined ? { kind: 'index', ...fault } : fault)
  })

  // What is a word, or what the key says, has no place in the newer form.
  const inBothForms = RECORD_DAMAGE.flatMap(([field, change]) =>
    ['owner', 'address'].includes(field) || Object.values(change).includes('x')
      ? [[field, change, 4] as const]
      : ([4, 5] as const).map((format) => [field, change, format] as const),
  )
  it.each(inBothForms)(
    '[VFY3][VFY6] %s of a document is wrong, as %j, in format %i: found, and mended',
    async (field, change, format) => {
      const copy = data.copy()
      await tamper(copy, (db) => restate(db, SHARED, change, format))
      await expectMended(copy, {
        kind: 'record',
        address: SHARED,
        message: expect.stringContaining(`${field} is`),
      })
    },
  )

  it('[VFY6] a member who was never told of a chat is told of it as a whole', async () => {
    const copy = data.copy()
    await tamper(copy, (db) => db.del(keyOf.grant(b, 1, SHARED)))
    await verifyData(copy, { repair: true })
    await tamper(copy, async (db) => expect(await db.get(keyOf.grant(b, 4, SHARED))).toBeDefined())
  })

  it('[VFY6] all of it at once is mended', async () => {
    const copy = data.copy()
    const before = await untouchables(copy)
    await tamper(copy, async (db) => {
      for (const letter of 'ifgdorstna') {
        for (const key of (await entriesUnder(db, letter)).keys()) await db.del(Buffer.from(key, 'hex'))
      }
    })
    expect((await verifyData(copy, { repair: true })).isSound).toBe(true)
    const { list, ...again } = await verifyData(copy)
    expect(list).toEqual([])
    expect(again).toMatchObject({ events: 9, documents: 5, keptStates: 1 })
    expect(await untouchables(copy)).toEqual(before)
  })
})

describe('while it checks', () => {
  it('[VFY7] it tells how far it is', async () => {
    const steps: string[] = []
    let events = 0
    await verifyData(data.copy(), {
      onProgress: (progress) => {
        if (steps[steps.length - 1] !== progress.step) steps.push(progress.step)
        expect(progress.events).toBeGreaterThanOrEqual(events)
        expect(progress.head).toBe(13)
        events = progress.events
      },
    })
    expect(steps).toEqual(['events', 'indexes', 'documents', 'indexes'])
    expect(events).toBe(9)
  })

  const progress = (step: VerifyProgress['step'], done: Partial<VerifyProgress>): VerifyProgress => ({
    ...{ events: 0, documents: 0, gaps: 0, keptStates: 0, uncheckedStates: 0, entries: 0, supersededIds: 0 },
    ...{ heldParts: 0, staleFeedEntries: 0, seq: 0, head: 50_000 },
    step,
    ...done,
  })

  /** Tells of a check that takes 12 seconds, one message every tenth of a second. */
  function show(isTTY: boolean): string {
    let now = 0
    const pieces: string[] = []
    const line = createProgressLine({ isTTY, write: (piece) => pieces.push(piece) }, () => now)
    for (; now < 8_000; now += 100) line.tell(progress('events', { events: now, seq: now + 5 }))
    for (; now < 12_000; now += 100)
      line.tell(progress('documents', { events: 8_000, documents: now - 7_900 }))
    line.tell(progress('indexes', { entries: 12_345 }))
    line.end()
    return pieces.join('')
  }

  it('[VFY7] a terminal shows one line that changes and is gone at the end', () => {
    const shown = show(true)
    expect(shown).not.toContain('\n')
    const lines = shown.split('\r\u001b[2K')
    expect(lines[1]).toBe('events     200 checked, at position 205 of 50,000, 1,000 a second')
    expect(lines.at(-3)).toMatch(/^documents {2}[34],\d{3} rebuilt, 1,0\d\d a second$/)
    expect(lines.at(-1)).toBe('')
    expect(lines.length).toBeGreaterThan(50)
  })

  it('[VFY7] elsewhere there is a line every five seconds', () => {
    expect(show(false).split('\n')).toEqual([
      'events     5,000 checked, at position 5,005 of 50,000, 1,000 a second',
      expect.stringMatching(/^documents {2}2,\d{3} rebuilt, 1,0\d\d a second$/),
      '',
    ])
  })

  it('[VFY6] a disk that takes nothing ends the repair', async () => {
    const copy = data.copy()
    await tamper(copy, (db) => db.del(keyOf.id(idOf(2))))
    const log = await openLevelLog(copy)
    vi.spyOn(log, 'mend').mockRejectedValueOnce(new Error('no space left'))
    await expect(verifyLog(log, { repair: true })).rejects.toMatchObject({
      code: 'STORE_FAILED',
      message: 'mending failed: no space left',
    })
    await log.close()
  })

  it('[VFY7] texts from the data can not command the terminal', () => {
    const fault = {
      kind: 'record',
      address: '30001:x:\u001b[2J\u202e',
      message: 'a\nb',
      mendable: false,
      mended: false,
    }
    const report = { ...progress('events', {}), databaseId: 'id', isSound: false, faults: {}, faultCount: 25 }
    const text = verifyToText({
      data: '\u0007',
      report: { ...report, mendableCount: 5, mendedCount: 0 } as unknown as VerifyReport,
      faults: Array.from({ length: 25 }, () => fault as Fault),
      seconds: 2,
    })
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
    expect(text).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202e]/)
    expect(text).toContain('30001:x:\\u001b[2J\\u202e')
    expect(text.match(/a\\u000ab/g)).toHaveLength(20)
    expect(text).toContain('… and 5 more')
  })
})
