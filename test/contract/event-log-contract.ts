import {
  type Commit,
  type DocumentRecord,
  EVERYBODY,
  type EventLog,
  KEPT_SUPERSEDED_IDS,
  type LoggedEvent,
  type Pages,
} from '@onyx-sync/server'
import { describe, expect, it } from 'vitest'
import { onePage } from '../../server/src/core/pages.js'
import { loadInPages } from '../../server/src/core/stored-events.js'

export const hex = (n: number, prefix = '00') => prefix + n.toString(16).padStart(62, '0')
const alice = hex(1, 'aa')
const bob = hex(2, 'bb')
const chat = (name: string) => `30001:${alice}:${name}`

interface EventInput {
  readonly seq: number
  readonly createdAt?: number
  readonly kind?: number
  readonly owner?: string
  readonly address?: string | undefined
  readonly readers?: readonly string[]
  readonly id?: string
  readonly json?: string
}

export function logged(input: EventInput): LoggedEvent {
  const { seq, owner = alice, kind = 30001, createdAt = 1000 + seq } = input
  const id = input.id ?? hex(seq)
  return {
    seq,
    id,
    pubkey: owner,
    kind,
    createdAt,
    json: input.json ?? JSON.stringify({ id, seq }),
    address: 'address' in input ? input.address : chat('one'),
    owner,
    readers: input.readers ?? [owner],
  }
}

function recordOf(address: string, change: Partial<DocumentRecord> = {}): DocumentRecord {
  return {
    address,
    owner: alice,
    members: [],
    roster: { baseAt: 1, entries: [] },
    rosterSeqs: [1],
    rosterSeq: 0,
    headSeq: 1,
    contentSeq: 1,
    eventCount: 1,
    byteCount: 10,
    ...change,
  }
}

export function commitOf(events: readonly LoggedEvent[], change: Partial<Commit> = {}): Commit {
  return { events, documents: [], grants: [], revocations: [], ...change }
}

async function collect<T>(source: AsyncIterable<readonly T[]>): Promise<T[]> {
  const items: T[] = []
  for await (const page of source) items.push(...page)
  return items
}

/** A log under test. `reopen` is left out where nothing outlives the process. */
export interface EventLogFixture {
  open(): Promise<EventLog>
  /** Closes the log and opens the same data again. */
  readonly reopen?: (log: EventLog) => Promise<EventLog>
}

/** What every event log must do, whatever it is made of. */
export function describeEventLog(name: string, fixture: EventLogFixture): void {
  describe(`event log: ${name}`, () => {
    it('[ING5] is empty at first, and has an identity', async () => {
      const log = await fixture.open()
      expect(log.head).toBe(0)
      expect(log.databaseId).toMatch(/^[0-9a-z-]{1,64}$/)
      expect(log.serverSecretKey).toHaveLength(32)
      expect(await log.has([hex(1)])).toEqual([false])
      expect(await log.locate([hex(1)])).toEqual([undefined])
      expect(await log.load([1])).toEqual([undefined])
      expect(await log.documents([chat('one')])).toEqual([undefined])
      expect(await collect(log.feed(alice, 0, 100))).toEqual([])
      expect(await log.grants(alice, 0, 100)).toEqual([])
      expect(await log.sharedWith(alice)).toEqual([])
      await log.close()
    })

    it('[ING5] finds committed events by id, position, document, owner and reader', async () => {
      const log = await fixture.open()
      const json = JSON.stringify({ text: 'ünï ☃ 🧊' })
      await log.commit(
        commitOf([logged({ seq: 1, json }), logged({ seq: 2, readers: [alice, bob] })], {
          documents: [recordOf(chat('one'), { members: [{ pubkey: bob, role: 'read' }], headSeq: 2 })],
        }),
      )
      await log.commit(commitOf([logged({ seq: 3, kind: 1, owner: bob, address: undefined })]))
      expect(log.head).toBe(3)
      expect(await log.has([hex(3), hex(9), hex(1)])).toEqual([true, false, true])
      expect(await log.locate([hex(2), hex(9)])).toEqual([2, undefined])
      expect((await log.load([2, 9, 1])).map((text) => text === undefined)).toEqual([false, true, false])
      expect((await log.load([1]))[0]).toBe(json)
      expect(await log.documents([chat('two'), chat('one')])).toEqual([
        undefined,
        recordOf(chat('one'), { members: [{ pubkey: bob, role: 'read' }], headSeq: 2 }),
      ])
      expect(await collect(log.feed(alice, 0, 9))).toEqual([1, 2])
      expect(await collect(log.feed(bob, 0, 9))).toEqual([2, 3])
      expect(await Promise.all([9, 2, 1].map((through) => log.lastInFeed(bob, through)))).toEqual([3, 2, 0])
      expect(await log.lastInFeed(hex(7), 9)).toBe(0)
      expect(await collect(log.ownerLog(bob, 1, 0, 9999))).toEqual([{ seq: 3, id: hex(3), created_at: 1003 }])
      await log.close()
    })

    it('[FAIR5] loads of large events only the first ones, and all of small ones', async () => {
      const log = await fixture.open()
      const seqs = Array.from({ length: 40 }, (_, index) => index + 1)
      const large = (seq: number) => JSON.stringify({ seq, text: 'x'.repeat(100_000) })
      await log.commit(commitOf(seqs.map((seq) => logged({ seq, json: large(seq) }))))
      const first = await log.load(seqs, 250_000)
      expect(first.length).toBeGreaterThanOrEqual(3)
      expect(first.length).toBeLessThan(12)
      expect(first).toEqual(seqs.slice(0, first.length).map(large))
      expect((await log.load([40, 99, 1], 100_000_000)).map((text) => text?.length)).toEqual([
        large(40).length,
        undefined,
        large(1).length,
      ])
      const pages: number[][] = []
      for await (const page of loadInPages(log, onePage(seqs.map((seq) => ({ seq }))))) {
        expect(page.map(({ json }) => json)).toEqual(page.map(({ seq }) => large(seq)))
        pages.push(page.map(({ seq }) => seq))
      }
      expect(pages.flat()).toEqual(seqs)
      expect(Math.max(...pages.map(({ length }) => length))).toBeLessThan(20)
    })

    it('[ING5] bounds feeds and document logs: after is exclusive, through inclusive', async () => {
      const log = await fixture.open()
      await log.commit(commitOf([1, 2, 3, 4, 5].map((seq) => logged({ seq }))))
      expect(await collect(log.feed(alice, 1, 4))).toEqual([2, 3, 4])
      expect(await collect(log.feed(alice, 5, 5))).toEqual([])
      expect((await collect(log.documentLog(chat('one'), 0, 3))).map(({ seq }) => seq)).toEqual([1, 2, 3])
      expect(await collect(log.documentLog(chat('none'), 0, 9))).toEqual([])
      await log.close()
    })

    it('[ING5] keeps documents apart whose names begin alike or hold odd characters', async () => {
      const log = await fixture.open()
      const names = ['a', 'ab', 'a\u0000', 'a:b', '☃', '']
      await log.commit(
        commitOf(
          names.map((name, index) => logged({ seq: index + 1, address: chat(name) })),
          {
            documents: names.map((name, index) => recordOf(chat(name), { headSeq: index + 1 })),
            grants: names.map((name, index) => ({ reader: bob, address: chat(name), seq: index + 1 })),
          },
        ),
      )
      for (const [index, name] of names.entries()) {
        expect((await collect(log.documentLog(chat(name), 0, 99))).map(({ seq }) => seq)).toEqual([index + 1])
        expect((await log.documents([chat(name)]))[0]?.headSeq).toBe(index + 1)
      }
      expect((await log.sharedWith(bob)).sort()).toEqual(names.map(chat).sort())
      expect(await log.grants(bob, 1, 3)).toEqual([
        { reader: bob, address: chat('ab'), seq: 2 },
        { reader: bob, address: chat('a\u0000'), seq: 3 },
      ])
      await log.close()
    })

    it('[REQ2] lists an owner’s kind newest first, equal times by lowest id, bounds inclusive', async () => {
      const log = await fixture.open()
      const times = [500, 700, 0, 700, Number.MAX_SAFE_INTEGER, 600]
      const ids = [hex(9), hex(8), hex(7), hex(1), hex(5), hex(6)]
      await log.commit(
        commitOf([
          ...times.map((createdAt, index) => logged({ seq: index + 1, createdAt, id: ids[index] as string })),
          logged({ seq: 7, kind: 10001, address: `10001:${alice}:` }),
        ]),
      )
      const seqs = async (since: number, until: number) =>
        (await collect(log.ownerLog(alice, 30001, since, until))).map(({ seq }) => seq)
      expect(await seqs(0, Number.MAX_SAFE_INTEGER)).toEqual([5, 4, 2, 6, 1, 3])
      expect(await seqs(500, 700)).toEqual([4, 2, 6, 1])
      expect(await seqs(701, 700)).toEqual([])
      expect((await collect(log.ownerLog(alice, 30001, 700, 700)))[0]).toEqual({
        seq: 4,
        id: hex(1),
        created_at: 700,
      })
      await log.close()
    })

    it('[OPR1] lists training data of all authors, by time and by position, until it is withdrawn', async () => {
      const log = await fixture.open()
      const training = (seq: number, owner: string, createdAt: number) =>
        logged({ seq, kind: 1, owner, address: undefined, createdAt })
      await log.commit(
        commitOf([
          training(1, alice, 5),
          logged({ seq: 2 }),
          training(3, bob, 5),
          training(4, bob, Number.MAX_SAFE_INTEGER),
          training(5, alice, 0),
          logged({ seq: 6, kind: 10_001, address: `10001:${alice}:` }),
        ]),
      )
      const seqsOf = async (since: number, until: number) =>
        (await collect(log.training(since, until))).map(({ seq }) => seq)
      expect(await seqsOf(0, Number.MAX_SAFE_INTEGER)).toEqual([4, 1, 3, 5])
      expect(await seqsOf(5, 5)).toEqual([1, 3])
      expect(await seqsOf(6, 5)).toEqual([])
      expect(await collect(log.training(5, 5))).toEqual(
        [1, 3].map((seq) => ({ seq, id: hex(seq), created_at: 5 })),
      )
      expect(await collect(log.trainingFeed(0, 9))).toEqual([1, 3, 4, 5])
      expect(await collect(log.trainingFeed(1, 4))).toEqual([3, 4])
      expect(await collect(log.trainingFeed(4, 4))).toEqual([])
      const gone = { seq: 3, id: hex(3), created_at: 5, kind: 1, owner: bob, readers: [bob] }
      await log.commit(commitOf([], { withdrawn: [gone] }))
      expect(await seqsOf(0, 9)).toEqual([1, 5])
      expect(await collect(log.trainingFeed(0, 9))).toEqual([1, 4, 5])
      await log.close()
    })

    it('[PERM2] knows what is shared with a key, and forgets it on a revocation', async () => {
      const log = await fixture.open()
      const grants = [{ reader: bob, address: chat('one'), seq: 1 }]
      await log.commit(commitOf([logged({ seq: 1, readers: [alice, bob] })], { grants }))
      expect(await log.sharedWith(bob)).toEqual([chat('one')])
      const revocations = [{ reader: bob, address: chat('one') }]
      await log.commit(commitOf([logged({ seq: 2 })], { revocations }))
      expect(await log.sharedWith(bob)).toEqual([])
      expect(await log.grants(bob, 0, 9)).toEqual(grants)
      await log.close()
    })

    it('[ING5] refuses a commit that does not follow the head, and nothing of it is visible', async () => {
      const log = await fixture.open()
      await log.commit(commitOf([logged({ seq: 1 })]))
      await expect(log.commit(commitOf([logged({ seq: 3 })]))).rejects.toMatchObject({ code: 'STORE_FAILED' })
      await expect(log.commit(commitOf([logged({ seq: 2 }), logged({ seq: 4 })]))).rejects.toThrow()
      expect(log.head).toBe(1)
      expect(await log.has([hex(2), hex(3)])).toEqual([false, false])
      await log.commit(commitOf([logged({ seq: 2 })]))
      expect(log.head).toBe(2)
      await log.close()
    })

    it('[ING5] reads more than one fetch holds, in order', async () => {
      const log = await fixture.open()
      const seqs = Array.from({ length: 1200 }, (_, index) => index + 1)
      await log.commit(commitOf(seqs.map((seq) => logged({ seq, createdAt: 5 }))))
      expect(await collect(log.feed(alice, 0, 1200))).toEqual(seqs)
      expect((await collect(log.documentLog(chat('one'), 0, 1200))).map(({ seq }) => seq)).toEqual(seqs)
      expect((await collect(log.ownerLog(alice, 30001, 0, 9))).map(({ seq }) => seq)).toEqual(seqs)
      await log.close()
    })

    it('[FAIR4] lists in pages, of which the first are small, and only the last may be shorter than that', async () => {
      const log = await fixture.open()
      const seqs = Array.from({ length: 200 }, (_, index) => index + 1)
      await log.commit(commitOf(seqs.map((seq) => logged({ seq, createdAt: 5 }))))
      const sizesOf = async (pages: Pages<unknown>) => {
        const sizes: number[] = []
        for await (const { length } of pages) sizes.push(length)
        return sizes
      }
      expect(await sizesOf(log.feed(alice, 0, 200))).toEqual([16, 32, 64, 64, 24])
      expect(await sizesOf(log.documentLog(chat('one'), 0, 200))).toEqual([16, 32, 64, 64, 24])
      expect(await sizesOf(log.ownerLog(alice, 30001, 0, 9))).toEqual([16, 32, 64, 64, 24])
      expect(await sizesOf(log.feed(alice, 0, 15))).toEqual([15])
      expect(await sizesOf(log.feed(alice, 0, 16))).toEqual([16])
      expect(await sizesOf(log.feed(alice, 0, 0))).toEqual([])
      await log.close()
    })

    it('[FAIR4] fills pages of entries that are so long that a disk hands out a few of them at a time', async () => {
      const log = await fixture.open()
      const addresses = Array.from({ length: 40 }, (_, index) => chat(`${index}`.padStart(4_000, '-')))
      const moves = addresses.map((address, index) => {
        return { reader: alice, address, from: undefined, to: index + 1 }
      })
      await log.commit(
        commitOf(
          addresses.map((address, index) => logged({ seq: index + 1, address })),
          { moves },
        ),
      )
      const pages: number[][] = []
      for await (const page of log.changedDocuments(alice, 0)) pages.push(page.map(({ seq }) => seq))
      expect(pages.flat()).toEqual(addresses.map((_, index) => index + 1))
      expect(pages.slice(0, -1).every(({ length }) => length >= 16)).toBe(true)
      await log.close()
    })

    it('[ING5] reads a document log from a position on', async () => {
      const log = await fixture.open()
      await log.commit(commitOf([1, 2, 3, 4].map((seq) => logged({ seq }))))
      expect((await collect(log.documentLog(chat('one'), 1, 3))).map(({ seq }) => seq)).toEqual([2, 3])
      expect(await collect(log.documentLog(chat('one'), 4, 9))).toEqual([])
      await log.close()
    })

    it('[Y6][ING5] remembers whom client ids belong to, per document', async () => {
      const log = await fixture.open()
      const writers = [
        { address: chat('one'), clientId: 7, pubkey: alice },
        { address: chat('one'), clientId: 2 ** 32 - 1, pubkey: bob },
        { address: chat('two'), clientId: 7, pubkey: bob },
      ]
      await log.commit(commitOf([logged({ seq: 1 })], { writers }))
      const asked = [
        { address: chat('one'), clientId: 2 ** 32 - 1 },
        { address: chat('one'), clientId: 8 },
        { address: chat('two'), clientId: 7 },
        { address: chat('one'), clientId: 7 },
      ]
      expect(await log.writers(asked)).toEqual([bob, undefined, bob, alice])
      expect(await collect(log.writersOf(chat('one')))).toEqual(writers.slice(0, 2))
      expect(await collect(log.writersOf(chat('on')))).toEqual([])
      await log.close()
    })

    it('[ING5] lists what changed for a reader after a position, each document once', async () => {
      const log = await fixture.open()
      const move = (reader: string, name: string, from?: number, to?: number) => ({
        reader,
        address: chat(name),
        from,
        to,
      })
      const changedFor = async (reader: string, seq: number) => collect(log.changedDocuments(reader, seq))
      const moves = [move(alice, 'one', undefined, 1), move(alice, 'two', undefined, 2)]
      await log.commit(commitOf([logged({ seq: 1 }), logged({ seq: 2, address: chat('two') })], { moves }))
      await log.commit(
        commitOf([logged({ seq: 3 })], { moves: [move(alice, 'one', 1, 3), move(bob, 'one', undefined, 3)] }),
      )
      expect(await changedFor(alice, 0)).toEqual([
        { address: chat('two'), seq: 2 },
        { address: chat('one'), seq: 3 },
      ])
      expect(await changedFor(alice, 2)).toEqual([{ address: chat('one'), seq: 3 }])
      expect(await changedFor(alice, 3)).toEqual([])
      expect(await changedFor(bob, 0)).toEqual([{ address: chat('one'), seq: 3 }])
      await log.commit(
        commitOf([logged({ seq: 4 })], { moves: [move(alice, 'one', 3, 4), move(bob, 'one', 3)] }),
      )
      expect(await changedFor(bob, 0)).toEqual([])
      await log.close()
    })

    it('[CHK3] takes superseded events out of every index, and still knows their ids', async () => {
      const log = await fixture.open()
      await log.commit(commitOf([1, 2, 3].map((seq) => logged({ seq, readers: [alice, bob] }))))
      const gone = [1, 3].map((seq) => ({ seq, id: hex(seq), created_at: 1000 + seq }))
      await log.commit(
        commitOf([logged({ seq: 4 })], {
          superseded: [{ address: chat('one'), events: gone, readers: [alice, bob] }],
        }),
      )
      expect(log.head).toBe(4)
      expect(await log.has([hex(1), hex(2), hex(3), hex(4)])).toEqual([true, true, true, true])
      expect(await log.locate([hex(1), hex(2)])).toEqual([undefined, 2])
      expect((await log.load([1, 2, 3])).map((json) => json !== undefined)).toEqual([false, true, false])
      expect((await collect(log.documentLog(chat('one'), 0, 9))).map(({ seq }) => seq)).toEqual([2, 4])
      expect(await collect(log.feed(alice, 0, 9))).toEqual([2, 4])
      expect(await collect(log.feed(bob, 0, 9))).toEqual([2])
      expect((await collect(log.ownerLog(alice, 30001, 0, 9999))).map(({ seq }) => seq)).toEqual([4, 2])
      await log.close()
    })

    it('[CHK3] knows the newest ids of superseded events at least', async () => {
      const log = await fixture.open()
      const count = KEPT_SUPERSEDED_IDS + 20
      const seqs = Array.from({ length: count }, (_, index) => index + 1)
      await log.commit(commitOf(seqs.map((seq) => logged({ seq }))))
      const entry = (seq: number) => ({ seq, id: hex(seq), created_at: 1000 + seq })
      const supersede = (from: number, through: number, seq: number) =>
        log.commit(
          commitOf([logged({ seq })], {
            superseded: [
              {
                address: chat('one'),
                events: seqs.slice(from - 1, through).map(entry),
                readers: [alice],
              },
            ],
          }),
        )
      await supersede(1, 30, count + 1)
      await supersede(31, count, count + 2)
      const known = await log.has(seqs.map((seq) => hex(seq)))
      expect(known.slice(20).every(Boolean)).toBe(true)
      expect(await collect(log.feed(alice, 0, count))).toEqual([])
      await log.close()
    })

    it('[ING7] holds parts of an edit, lists them, and lets them go with the commit that has them all', async () => {
      const log = await fixture.open()
      const group = { author: bob, address: chat('one'), group: 'aabbccdd' }
      const part = (index: number, change = {}) => ({
        ...group,
        index,
        id: hex(index + 50),
        json: JSON.stringify({ index, text: 'ü' }),
        ...change,
      })
      const other = part(0, { group: 'aabbccddee', id: hex(60) })
      await log.commit(commitOf([], { held: [part(1), part(0), other] }))
      expect(log.head).toBe(0)
      expect(await log.has([hex(50), hex(51), hex(52)])).toEqual([true, true, false])
      expect(await log.locate([hex(50)])).toEqual([undefined])
      expect(await log.heldParts(group)).toEqual(
        [part(0), part(1)].map(({ index, id, json }) => ({ index, id, bytes: Buffer.byteLength(json) })),
      )
      expect([await log.loadHeld(group, 1), await log.loadHeld(group, 2)]).toEqual([part(1).json, undefined])
      expect((await log.heldGroups(bob)).map(({ group: name }) => name).sort()).toEqual([
        'aabbccdd',
        'aabbccddee',
      ])
      expect(await log.heldGroups(alice)).toEqual([])
      await log.commit(
        commitOf([logged({ seq: 1, id: hex(50) }), logged({ seq: 2, id: hex(51) })], { released: [group] }),
      )
      expect(await log.heldParts(group)).toEqual([])
      expect(await log.loadHeld(group, 1)).toBeUndefined()
      expect(await log.locate([hex(50), hex(51)])).toEqual([1, 2])
      await log.commit(commitOf([], { released: [{ ...group, group: 'aabbccddee' }] }))
      expect(await log.has([hex(60)])).toEqual([false])
      await log.close()
    })

    it('[DEL2][S6] deletes a document as a whole, but for its record, and keeps nothing of it any more', async () => {
      const log = await fixture.open()
      const readers = [alice, bob]
      const two = chat('two')
      await log.commit(
        commitOf(
          [...[1, 2, 3].map((seq) => logged({ seq, readers })), logged({ seq: 4, address: two, readers })],
          {
            documents: [recordOf(chat('one'), { headSeq: 3 }), recordOf(two, { headSeq: 4 })],
            writers: [chat('one'), two].map((address) => ({ address, clientId: 7, pubkey: alice })),
            moves: [
              { reader: alice, address: chat('one'), from: undefined, to: 3 },
              { reader: alice, address: two, from: undefined, to: 4 },
            ],
            superseded: [
              { address: chat('one'), events: [{ seq: 1, id: hex(1), created_at: 1001 }], readers },
            ],
            held: [chat('one'), two].map((address, index) => ({
              ...{ author: bob, address, group: 'aabbccdd', index: 0, id: hex(50 + index), json: '{}' },
            })),
          },
        ),
      )
      const state = { throughSeq: 3, updates: [Uint8Array.of(1)] }
      await log.keepState(chat('one'), state)
      const deleted = { seq: 5, id: hex(5), created_at: 9 }
      const members = [{ pubkey: bob, role: 'read' as const }]
      const tombstone = recordOf(chat('one'), { members, headSeq: 5, eventCount: 0, byteCount: 0, deleted })
      // What was on its way to the disk meanwhile must not outlive it.
      const [, , kept] = await Promise.all([
        log.keepState(chat('one'), state),
        log.commit(
          commitOf([logged({ seq: 5, kind: 5, address: undefined, readers })], {
            documents: [tombstone],
            moves: [{ reader: alice, address: chat('one'), from: 3, to: undefined }],
            deletedDocuments: [{ address: chat('one'), readers }],
          }),
        ),
        log.keepState(chat('one'), state),
      ])
      expect(kept).toBeUndefined()
      await log.keepState(chat('one'), state)
      const summary = {
        ...{ address: chat('one'), title: '', createdAt: 1, lastActivity: 2, messages: 3, bytes: 4 },
        ...{ archived: false, deleted: false },
      }
      await log.keepSummary({ throughSeq: 5, summary })
      expect(await log.keptState(chat('one'))).toBeUndefined()
      expect(await log.keptSummaries([chat('one')])).toEqual([undefined])
      expect(await log.documents([chat('one')])).toEqual([tombstone])
      expect(await log.has([1, 2, 3, 4, 50, 51].map((n) => hex(n)))).toEqual([
        false,
        false,
        false,
        true,
        false,
        true,
      ])
      expect((await log.load([1, 2, 3, 4, 5])).map((json) => json !== undefined)).toEqual([
        false,
        false,
        false,
        true,
        true,
      ])
      expect(await collect(log.documentLog(chat('one'), 0, 9))).toEqual([])
      expect(await collect(log.feed(bob, 0, 9))).toEqual([4, 5])
      expect((await collect(log.ownerLog(alice, 30001, 0, 9999))).map(({ seq }) => seq)).toEqual([4])
      expect(await log.writers([{ address: chat('one'), clientId: 7 }])).toEqual([undefined])
      expect(await log.writers([{ address: two, clientId: 7 }])).toEqual([alice])
      expect(await log.heldGroups(bob)).toMatchObject([{ address: two }])
      expect(await collect(log.changedDocuments(alice, 0))).toEqual([{ address: two, seq: 4 }])
      await log.close()
    })

    it('[DEL3] takes events of no document out of every index, and remembers who deleted which id', async () => {
      const log = await fixture.open()
      const training = { kind: 1, address: undefined }
      await log.commit(commitOf([1, 2].map((seq) => logged({ seq, ...training }))))
      await log.commit(
        commitOf([logged({ seq: 3, kind: 5, address: undefined })], {
          withdrawn: [{ seq: 1, id: hex(1), created_at: 1001, kind: 1, owner: alice, readers: [alice] }],
          deletedIds: [1, 9].map((n) => ({ pubkey: alice, id: hex(n), seq: 3 })),
        }),
      )
      expect(log.head).toBe(3)
      expect(await log.has([hex(1), hex(2)])).toEqual([false, true])
      expect(await log.load([1])).toEqual([undefined])
      expect(await collect(log.feed(alice, 0, 9))).toEqual([2, 3])
      expect((await collect(log.ownerLog(alice, 1, 0, 9999))).map(({ seq }) => seq)).toEqual([2])
      const asked = [
        { pubkey: alice, id: hex(9) },
        { pubkey: bob, id: hex(9) },
        { pubkey: alice, id: hex(2) },
      ]
      expect(await log.areDeleted(asked)).toEqual([true, false, false])
      await log.close()
    })

    it('[KND2] lists what readers find by kind, newest first, everybody apart from any key', async () => {
      const log = await fixture.open()
      const plain = (seq: number, readers: readonly string[], more: Partial<LoggedEvent> = {}) => ({
        ...logged({ seq, kind: 7, address: undefined, readers, createdAt: 50 - (seq % 3) }),
        ...{ isListed: true as const, ...more },
      })
      const highest = 'ff'.repeat(32)
      await log.commit(
        commitOf([
          ...[1, 2, 3, 4].map((seq) => plain(seq, [EVERYBODY])),
          plain(5, [alice, bob]),
          plain(6, [highest]),
          plain(7, [EVERYBODY], { kind: 8 }),
          logged({ seq: 8, kind: 7, address: undefined, readers: [EVERYBODY] }),
        ]),
      )
      const seqs = async (reader: string, kind = 7, since = 0, until = 99) =>
        (await collect(log.listed(reader, kind, since, until))).map(({ seq }) => seq)
      expect(await seqs(EVERYBODY)).toEqual([3, 1, 4, 2])
      expect(await seqs(EVERYBODY, 7, 49, 49)).toEqual([1, 4])
      expect(await seqs(EVERYBODY, 7, 50, 49)).toEqual([])
      expect(await seqs(EVERYBODY, 8)).toEqual([7])
      expect([await seqs(alice), await seqs(bob), await seqs(highest)]).toEqual([[5], [5], [6]])
      expect(await collect(log.feed(EVERYBODY, 1, 9))).toEqual([2, 3, 4, 7, 8])
      expect(await collect(log.feed(highest, 0, Number.MAX_SAFE_INTEGER))).toEqual([6])
      expect([await log.lastInFeed(highest, 99), await log.lastInFeed(EVERYBODY, 99)]).toEqual([6, 8])
      const gone = { seq: 5, id: hex(5), created_at: 48, kind: 7, owner: alice, readers: [alice, bob] }
      await log.commit(commitOf([plain(9, [alice])], { withdrawn: [{ ...gone, isListed: true }] }))
      expect([await seqs(alice), await seqs(bob)]).toEqual([[9], []])
      await log.close()
    })

    it('[KND3] knows the newest event of a name, and up to when it was deleted', async () => {
      const log = await fixture.open()
      const name = `30023:${alice}:Seite ü`
      const version = (seq: number, coordinate: string, createdAt: number) => ({
        ...logged({ seq, kind: 30_023, address: undefined, createdAt }),
        ...{ isListed: true as const, coordinate },
      })
      const other = `30023:${alice}:Seite ü2`
      await log.commit(commitOf([version(1, name, 5), version(2, other, 6)]))
      const place = (seq: number, created_at: number) => ({ seq, id: hex(seq), created_at })
      const nothing = { current: undefined, deletedUntil: undefined }
      expect(await log.coordinates([other, name, `0:${alice}:`])).toEqual([
        { current: place(2, 6), deletedUntil: undefined },
        { current: place(1, 5), deletedUntil: undefined },
        nothing,
      ])
      const old = { ...place(1, 5), kind: 30_023, owner: alice, readers: [alice], isListed: true as const }
      await log.commit(commitOf([version(3, name, 7)], { withdrawn: [{ ...old, coordinate: name }] }))
      expect((await log.coordinates([name]))[0]?.current).toEqual(place(3, 7))
      const gone = { ...old, ...place(3, 7), coordinate: name }
      await log.commit(
        commitOf([logged({ seq: 4, kind: 5, address: undefined })], {
          withdrawn: [gone],
          deletedCoordinates: [{ coordinate: name, until: 8, seq: 4 }],
        }),
      )
      expect(await log.coordinates([name])).toEqual([{ current: undefined, deletedUntil: 8 }])
      await log.commit(
        commitOf([logged({ seq: 5, kind: 62, address: undefined })], { forgottenCoordinates: [name] }),
      )
      expect(await log.coordinates([name])).toEqual([nothing])
      await log.close()
    })

    it('[VAN2] knows all of one owner, and up to when a key wanted everything gone', async () => {
      const log = await fixture.open()
      await log.commit(
        commitOf(
          [
            logged({ seq: 1 }),
            logged({ seq: 2, kind: 1, address: undefined }),
            logged({ seq: 3, kind: 65_535, address: undefined, createdAt: Number.MAX_SAFE_INTEGER }),
            logged({ seq: 4, kind: 1, address: undefined, owner: bob, createdAt: 0 }),
          ],
          { deletedIds: [{ pubkey: alice, id: hex(9), seq: 2 }] },
        ),
      )
      const seqs = (await collect(log.ownedBy(alice))).map(({ seq }) => seq)
      expect(seqs.sort((a, b) => a - b)).toEqual([1, 2, 3])
      expect(await log.vanishedUntil([alice, bob])).toEqual([undefined, undefined])
      await log.commit(
        commitOf([logged({ seq: 5, kind: 62, address: undefined, readers: [] })], {
          vanished: [{ pubkey: alice, until: 1_764_000_000, seq: 5 }],
          forgottenIds: [{ pubkey: alice, id: hex(9) }],
        }),
      )
      expect(await log.vanishedUntil([bob, alice])).toEqual([undefined, 1_764_000_000])
      expect(await log.areDeleted([{ pubkey: alice, id: hex(9) }])).toEqual([false])
      await log.close()
    })

    it('[XPR2] lists what expires, in that order, until it is withdrawn', async () => {
      const log = await fixture.open()
      const training = { kind: 1, address: undefined }
      const expiring = (seq: number, expiresAt: number) => ({ ...logged({ seq, ...training }), expiresAt })
      await log.commit(
        commitOf([expiring(1, 900), logged({ seq: 2, ...training }), expiring(3, 70), expiring(4, 70)]),
      )
      expect(await collect(log.expiring(899))).toEqual([
        { expiresAt: 70, seq: 3 },
        { expiresAt: 70, seq: 4 },
      ])
      expect(await collect(log.expiring(900))).toHaveLength(3)
      const gone = {
        seq: 3,
        id: hex(3),
        created_at: 1003,
        kind: 1,
        owner: alice,
        readers: [alice],
        expiresAt: 70,
      }
      await log.commit(commitOf([], { withdrawn: [gone] }))
      expect(await collect(log.expiring(900))).toEqual([
        { expiresAt: 70, seq: 4 },
        { expiresAt: 900, seq: 1 },
      ])
      expect(log.head).toBe(4)
      await log.close()
    })

    it('[MRG1] keeps the merged state of a document, and replaces it', async () => {
      const log = await fixture.open()
      expect(await log.keptState(chat('one'))).toBeUndefined()
      await log.commit(commitOf([logged({ seq: 1 })], { documents: [recordOf(chat('one'))] }))
      await log.keepState(chat('one'), { throughSeq: 1, updates: [Uint8Array.of(1, 2)] })
      await log.keepState(chat('one'), { throughSeq: 7, updates: [Uint8Array.of(3)] })
      const piecesNow = async () => {
        const { throughSeq, updates } = (await log.keptState(chat('one'))) ?? {}
        return [throughSeq, ...(updates ?? []).map((update) => [...update])]
      }
      expect(await piecesNow()).toEqual([7, [3]])
      const inPieces = {
        throughSeq: 2 ** 40 + 3,
        updates: [[1, 2], [], [3]].map((bytes) => Uint8Array.from(bytes)),
      }
      await log.keepState(chat('one'), inPieces)
      expect(await piecesNow()).toEqual([2 ** 40 + 3, [1, 2], [], [3]])
      expect(await log.keptState(chat('two'))).toBeUndefined()
      expect(await collect(log.allDocuments())).toEqual([chat('one')])
      await log.close()
    })

    it('[SUM3] keeps the summary of a document, and replaces it', async () => {
      const log = await fixture.open()
      expect(await log.keptSummaries([chat('one')])).toEqual([undefined])
      await log.commit(commitOf([logged({ seq: 1 })], { documents: [recordOf(chat('one'))] }))
      const summary = {
        ...{ address: chat('one'), title: 'é\u0000', createdAt: 1, lastActivity: 2.5, messages: 3, bytes: 4 },
        ...{ archived: false, deleted: true },
      }
      await log.keepSummary({ throughSeq: 1, summary: { ...summary, title: 'before' } })
      await log.keepSummary({ throughSeq: 7, summary })
      expect(await log.keptSummaries([chat('two'), chat('one')])).toEqual([
        undefined,
        { throughSeq: 7, summary },
      ])
      expect(await collect(log.allDocuments())).toEqual([chat('one')])
      await log.close()
    })

    it('[ING5] rejects commits after it was closed', async () => {
      const log = await fixture.open()
      await log.close()
      await expect(log.commit(commitOf([logged({ seq: 1 })]))).rejects.toMatchObject({ code: 'STORE_FAILED' })
    })

    const { reopen } = fixture
    if (reopen === undefined) return
    it('[ING5][S5] has everything, and the same identity, when it is opened again', async () => {
      const log = await fixture.open()
      const grants = [{ reader: bob, address: chat('one'), seq: 1 }]
      await log.commit(
        commitOf([logged({ seq: 1, readers: [alice, bob] }), logged({ seq: 2 })], {
          documents: [recordOf(chat('one'))],
          grants,
          epoch: { id: '0123456789abcdef', fromSeq: 1 },
        }),
      )
      const again = await reopen(log)
      expect(again.databaseId).toBe(log.databaseId)
      expect(again.serverSecretKey).toEqual(log.serverSecretKey)
      expect(again.head).toBe(2)
      expect(await again.has([hex(1), hex(2)])).toEqual([true, true])
      expect(await again.grants(bob, 0, 9)).toEqual(grants)
      expect(await again.sharedWith(bob)).toEqual([chat('one')])
      const epochs = [
        { id: '0123456789abcdef', fromSeq: 1 },
        { id: 'fedcba9876543210', fromSeq: 3 },
      ]
      expect(again.epochs).toEqual(epochs.slice(0, 1))
      await again.commit(commitOf([logged({ seq: 3 })], { epoch: epochs[1] as (typeof epochs)[0] }))
      expect(again.epochs).toEqual(epochs)
      expect(await collect(again.feed(alice, 0, 9))).toEqual([1, 2, 3])
      await again.close()
    })
  })
}
