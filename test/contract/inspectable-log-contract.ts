import type { Commit, DocumentRecord, EntryOf, InspectableLog, LogIndex, PlaceEntry } from '@onyx-sync/server'
import { describe, expect, it } from 'vitest'

const hex = (n: number, prefix = '00') => prefix + n.toString(16).padStart(62, '0')
const alice = hex(1, 'aa')
const bob = hex(2, 'bb')
const chat = (name: string) => `30001:${alice}:${name}`
const jsonOf = (seq: number) => JSON.stringify({ seq, text: 'ü ☃' })

function recordOf(name: string, headSeq: number): DocumentRecord {
  return {
    address: chat(name),
    owner: alice,
    members: [{ pubkey: bob, role: 'read' }],
    roster: { baseAt: 0, entries: [{ pubkey: bob, role: 'read', at: 1, relay: 'wss://x' }] },
    rosterSeqs: [1, 1],
    rosterSeq: 1,
    headSeq,
    contentSeq: headSeq,
    eventCount: 1,
    byteCount: 10,
  }
}

/** Three events of two chats, of which the first is superseded by the third, a part that waits, and training data. */
async function fill(log: InspectableLog): Promise<void> {
  const event = (seq: number, name: string) => ({
    seq,
    id: hex(seq),
    pubkey: alice,
    kind: 30001,
    createdAt: 1000 + seq,
    json: jsonOf(seq),
    address: chat(name),
    owner: alice,
    readers: [alice, bob],
  })
  const commits: Commit[] = [
    {
      events: [event(1, 'one'), event(2, 'two')],
      documents: [recordOf('one', 1), recordOf('two', 2)],
      grants: [
        { reader: bob, address: chat('one'), seq: 1 },
        { reader: bob, address: chat('two'), seq: 2 },
      ],
      revocations: [],
      writers: [{ address: chat('one'), clientId: 2 ** 32 - 1, pubkey: bob }],
      moves: [
        { reader: bob, address: chat('one'), from: undefined, to: 1 },
        { reader: bob, address: chat('two'), from: undefined, to: 2 },
      ],
      epoch: { id: '0123456789abcdef', fromSeq: 1 },
    },
    {
      events: [{ ...event(3, 'one'), expiresAt: 80 }],
      documents: [recordOf('one', 3)],
      grants: [],
      revocations: [],
      moves: [{ reader: bob, address: chat('one'), from: 1, to: 3 }],
      superseded: [
        {
          address: chat('one'),
          events: [{ seq: 1, id: hex(1), created_at: 1001 }],
          readers: [alice, bob],
        },
      ],
      held: [
        { author: bob, address: chat('one'), group: 'aabbccdd', index: 3, id: hex(50), json: jsonOf(50) },
      ],
      deletedIds: [{ pubkey: alice, id: hex(60), seq: 3 }],
      vanished: [{ pubkey: bob, until: 70, seq: 3 }],
    },
    {
      events: [{ ...event(4, ''), kind: 1, address: undefined, owner: bob, readers: [bob] }],
      documents: [],
      grants: [],
      revocations: [],
    },
  ]
  for (const commit of commits) await log.commit(commit)
  await log.keepState(chat('two'), { throughSeq: 2, updates: [Uint8Array.of(1, 2)] })
}

async function all<I extends LogIndex>(log: InspectableLog, index: I): Promise<unknown[]> {
  const entries: unknown[] = []
  for await (const entry of log.scan(index)) entries.push(entry)
  return entries
}

/** What every log must do that can be looked at entry by entry, whatever it is made of. */
export function describeInspectableLog(name: string, open: () => Promise<InspectableLog>): void {
  describe(`event log, entry by entry: ${name}`, () => {
    const place = (index: 'documentLog', seq: number, of: string): EntryOf<'documentLog'> => ({
      index,
      address: chat(of),
      seq,
      id: hex(seq),
      created_at: 1000 + seq,
    })

    it('[VFY3] shows every entry of every index', async () => {
      const log = await open()
      await fill(log)
      expect(await all(log, 'event')).toEqual(
        [2, 3, 4].map((seq) => ({ index: 'event', seq, json: jsonOf(seq) })),
      )
      expect(await all(log, 'id')).toEqual(
        expect.arrayContaining([
          { index: 'id', id: hex(1), place: 'superseded' },
          { index: 'id', id: hex(2), place: 2 },
          { index: 'id', id: hex(50), place: 'held' },
        ]),
      )
      expect(await all(log, 'documentLog')).toEqual([
        place('documentLog', 3, 'one'),
        place('documentLog', 2, 'two'),
      ])
      const owners = (await all(log, 'ownerLog')) as EntryOf<'ownerLog'>[]
      expect(owners.sort((a, b) => a.seq - b.seq)).toEqual(
        [2, 3, 4].map((seq) => ({
          index: 'ownerLog',
          owner: seq === 4 ? bob : alice,
          kind: seq === 4 ? 1 : 30001,
          seq,
          id: hex(seq),
          created_at: 1000 + seq,
        })),
      )
      expect(await all(log, 'feed')).toEqual(
        [alice, bob].flatMap((reader) =>
          (reader === bob ? [2, 3, 4] : [2, 3]).map((seq) => ({ index: 'feed', reader, seq })),
        ),
      )
      expect(await all(log, 'training')).toEqual([
        { index: 'training', seq: 4, id: hex(4), created_at: 1004 },
      ])
      expect(await all(log, 'trainingFeed')).toEqual([{ index: 'trainingFeed', seq: 4 }])
      expect(await all(log, 'grant')).toEqual([
        { index: 'grant', reader: bob, address: chat('one'), seq: 1 },
        { index: 'grant', reader: bob, address: chat('two'), seq: 2 },
      ])
      expect(await all(log, 'record')).toEqual([
        { index: 'record', address: chat('one'), record: recordOf('one', 3) },
        { index: 'record', address: chat('two'), record: recordOf('two', 2) },
      ])
      expect(await all(log, 'shared')).toEqual(
        ['one', 'two'].map((of) => ({ index: 'shared', reader: bob, address: chat(of) })),
      )
      expect(await all(log, 'change')).toEqual([
        { index: 'change', reader: bob, seq: 2, address: chat('two') },
        { index: 'change', reader: bob, seq: 3, address: chat('one') },
      ])
      expect(await all(log, 'writer')).toEqual([
        { index: 'writer', address: chat('one'), clientId: 2 ** 32 - 1, pubkey: bob },
      ])
      const part = {
        author: bob,
        address: chat('one'),
        group: 'aabbccdd',
        index: 3,
        id: hex(50),
        json: jsonOf(50),
      }
      expect(await all(log, 'held')).toEqual([{ index: 'held', part }])
      expect(await all(log, 'deletedId')).toEqual([
        { index: 'deletedId', pubkey: alice, id: hex(60), seq: 3 },
      ])
      expect(await all(log, 'vanished')).toEqual([{ index: 'vanished', pubkey: bob, until: 70, seq: 3 }])
      expect(await all(log, 'expiry')).toEqual([{ index: 'expiry', expiresAt: 80, seq: 3 }])
      expect(await all(log, 'state')).toEqual([{ index: 'state', address: chat('two') }])
      await log.close()
    })

    const derived: PlaceEntry[] = [
      { index: 'id', id: hex(2), place: 2 },
      { index: 'feed', reader: bob, seq: 2 },
      { index: 'grant', reader: bob, address: chat('two'), seq: 2 },
      place('documentLog', 2, 'two'),
      { index: 'ownerLog', owner: alice, kind: 30001, seq: 2, id: hex(2), created_at: 1002 },
      { index: 'shared', reader: bob, address: chat('two') },
      { index: 'change', reader: bob, seq: 2, address: chat('two') },
      { index: 'deletedId', pubkey: alice, id: hex(60), seq: 3 },
      { index: 'vanished', pubkey: bob, until: 70, seq: 3 },
      { index: 'expiry', expiresAt: 80, seq: 3 },
      { index: 'training', seq: 4, id: hex(4), created_at: 1004 },
      { index: 'trainingFeed', seq: 4 },
    ]

    it('[VFY3] knows whether it has an entry, in every field', async () => {
      const log = await open()
      await fill(log)
      expect(await log.hasEntries(derived)).toEqual(derived.map(() => true))
      const wrong: PlaceEntry[] = [
        { index: 'id', id: hex(2), place: 3 },
        { index: 'id', id: hex(1), place: 'held' },
        { index: 'id', id: hex(9), place: 'superseded' },
        { index: 'feed', reader: bob, seq: 1 },
        { index: 'grant', reader: bob, address: chat('two'), seq: 1 },
        { ...place('documentLog', 2, 'two'), created_at: 5 },
        { ...place('documentLog', 2, 'two'), address: chat('one') },
        { index: 'ownerLog', owner: alice, kind: 1, seq: 2, id: hex(2), created_at: 1002 },
        { index: 'ownerLog', owner: bob, kind: 30001, seq: 2, id: hex(2), created_at: 1002 },
        { index: 'shared', reader: alice, address: chat('two') },
        { index: 'change', reader: bob, seq: 3, address: chat('two') },
        { index: 'deletedId', pubkey: bob, id: hex(60), seq: 3 },
        { index: 'vanished', pubkey: bob, until: 71, seq: 3 },
        { index: 'expiry', expiresAt: 81, seq: 3 },
        { index: 'training', seq: 4, id: hex(4), created_at: 1005 },
        { index: 'training', seq: 3, id: hex(3), created_at: 1003 },
        { index: 'trainingFeed', seq: 3 },
      ]
      expect(await log.hasEntries(wrong)).toEqual(wrong.map(() => false))
      expect(await log.hasEntries([])).toEqual([])
      await log.close()
    })

    it('[VFY6] drops what is derived and puts it again, and everybody finds it', async () => {
      const log = await open()
      await fill(log)
      const record = { index: 'record', address: chat('two'), record: recordOf('two', 2) } as const
      const state = { index: 'state', address: chat('two') } as const
      await log.mend({ drop: [...derived, record, state], put: [] })
      expect(await log.hasEntries(derived)).toEqual(derived.map(() => false))
      expect(await log.has([hex(2)])).toEqual([false])
      expect(await log.documents([chat('two')])).toEqual([undefined])
      expect(await log.keptState(chat('two'))).toBeUndefined()
      expect(await all(log, 'feed')).toHaveLength(4)
      expect(await log.sharedWith(bob)).toEqual([chat('one')])
      expect(await log.load([2])).toEqual([jsonOf(2)])
      await log.mend({ drop: derived, put: [...derived, record] })
      expect(await log.hasEntries(derived)).toEqual(derived.map(() => true))
      expect(await log.locate([hex(2)])).toEqual([2])
      expect(await log.documents([chat('two')])).toEqual([recordOf('two', 2)])
      const seqs: number[] = []
      for await (const page of log.feed(bob, 0, 9)) seqs.push(...page)
      expect(seqs).toEqual([2, 3, 4])
      expect(await log.grants(bob, 0, 9)).toHaveLength(2)
      await log.close()
    })
  })
}
