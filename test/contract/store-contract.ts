import { sha256 } from '@noble/hashes/sha2.js'
import { bytesToHex } from '@onyx-sync/shared'
import { afterEach, describe, expect, it } from 'vitest'
import type {
  OutboxEntry,
  QueryRow,
  RowSearch,
  StoredDocument,
  StoredUpdate,
  SyncStore,
} from '../../client/src/ports/store.js'

/** A place to keep things in, which outlives the store on it. */
export interface StoreWorld {
  readonly store: SyncStore
  /** Closes the store and opens another on the same data; `undefined` where nothing outlives the process. */
  readonly reopen?: () => Promise<SyncStore>
  readonly cleanUp: () => Promise<void>
}

const ADDRESS = `30001:${'a'.repeat(64)}:chat-1`
const OTHER = `30001:${'a'.repeat(64)}:chat-2`

export function outboxEntry(overrides: Partial<OutboxEntry> = {}): OutboxEntry {
  return {
    id: 'entry-1',
    lane: ADDRESS,
    seq: 1,
    throughSeq: 1,
    edits: 1,
    state: 'pending',
    event: '',
    reason: '',
    ...overrides,
  }
}

function storedDocument(overrides: Partial<StoredDocument> = {}): StoredDocument {
  return {
    address: ADDRESS,
    members: '["x"]',
    membersStatedAt: -1,
    ownWriters: '[7]',
    logBytes: 40_000,
    checkpointBytes: -1,
    body: 'held',
    ...overrides,
  }
}

export function messageRow(messageId: string, overrides: Partial<Record<string, unknown>> = {}): QueryRow {
  return {
    id: `${ADDRESS}/${messageId}`,
    address: ADDRESS,
    message_id: messageId,
    position: 0,
    role: 'user',
    content: 'hello',
    status: 'complete',
    created_at: 1_700_000_000_000,
    edited_at: null,
    device: 'phone',
    data: '{}',
    partial: false,
    ...overrides,
  } as QueryRow
}

export function chatRow(address: string, overrides: Partial<Record<string, unknown>> = {}): QueryRow {
  return {
    id: address,
    address,
    chat_id: address.split(':')[2] ?? '',
    owner: 'a'.repeat(64),
    title: 'A chat',
    title_source: 'user',
    model: 'm',
    created_at: 1,
    last_activity_at: 2,
    message_count: 3,
    archived: false,
    deleted_at: null,
    bytes: null,
    held: true,
    ...overrides,
  } as QueryRow
}

function bytes(length: number, seed = 1): Uint8Array {
  const out = new Uint8Array(length)
  let state = seed
  for (let i = 0; i < length; i++) {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648
    out[i] = state >> 16
  }
  return out
}

/** Short texts, because comparing long arrays element by element takes seconds. */
function inShort(updates: readonly StoredUpdate[]): string[] {
  return updates.map(({ seq, address, update }) => {
    return `${seq} ${address} ${update.byteLength} ${bytesToHex(sha256(update))}`
  })
}

function byId(rows: readonly QueryRow[]): QueryRow[] {
  return [...rows].sort((a, b) => (a.id < b.id ? -1 : 1))
}

/** What every {@link SyncStore} has to do; run it on your own adapter too. It also runs in a browser: nothing of Node. */
export function describeStoreContract(name: string, open: () => Promise<StoreWorld>): void {
  describe(`SyncStore: ${name}`, () => {
    const worlds: StoreWorld[] = []
    async function start(): Promise<StoreWorld> {
      const world = await open()
      worlds.push(world)
      return world
    }
    afterEach(async () => {
      for (const world of worlds.splice(0)) await world.cleanUp()
    })

    it('[STO1] a new store is empty', async () => {
      const { store } = await start()
      expect(await store.loadMeta()).toEqual({})
      expect(await store.lastSeq()).toBe(0)
      expect(await store.loadDocuments()).toEqual([])
      expect(await store.loadUpdates(ADDRESS)).toEqual([])
      expect(await store.loadOutbox()).toEqual([])
      expect(await store.loadRows('chats')).toEqual([])
      await store.commit({})
    })

    it('[STO2] everything in a batch is there afterwards, and in a store opened later', async () => {
      const world = await start()
      const update = { seq: 1, address: ADDRESS, update: bytes(50) }
      const document = storedDocument()
      await world.store.commit({
        updates: [update],
        outboxPut: [outboxEntry()],
        documents: [document],
        rows: [
          { table: 'chats', put: [chatRow(ADDRESS, { archived: true })], delete: [] },
          { table: 'messages', put: [messageRow('m1')], delete: [] },
          {
            table: 'settings',
            put: [{ id: 's', address: 'x', section: 'preferences', key: 'k', value: '1' }],
            delete: [],
          },
        ],
        meta: { cursor: 'c1', device: 'd' },
      })
      const check = async (store: SyncStore) => {
        expect(await store.loadUpdates(ADDRESS)).toEqual([update])
        expect(await store.loadOutbox()).toEqual([outboxEntry()])
        expect(await store.loadDocuments()).toEqual([document])
        expect(await store.loadRows('chats')).toEqual([chatRow(ADDRESS, { archived: true })])
        expect(await store.loadRows('messages')).toEqual([messageRow('m1')])
        expect(await store.loadRows('settings')).toHaveLength(1)
        expect(await store.loadMeta()).toEqual({ cursor: 'c1', device: 'd' })
        expect(await store.lastSeq()).toBe(1)
      }
      await check(world.store)
      if (world.reopen !== undefined) await check(await world.reopen())
    })

    it('[STO3] [C1] a batch that fails leaves nothing of itself, and the store goes on', async () => {
      const { store } = await start()
      await store.commit({
        updates: [{ seq: 1, address: ADDRESS, update: bytes(5) }],
        outboxPut: [outboxEntry({ event: 'x'.repeat(400_000) })],
        rows: [{ table: 'chats', put: [chatRow(ADDRESS)], delete: [] }],
        meta: { cursor: 'before' },
      })
      const failing = store.commit({
        rows: [
          { table: 'chats', put: [chatRow(OTHER), chatRow(ADDRESS, { title: 'changed' })], delete: [] },
          { table: 'messages', put: [messageRow('m1')], delete: [] },
        ],
        outboxPut: [outboxEntry({ id: 'entry-2', seq: 2, throughSeq: 2 })],
        outboxDelete: ['entry-1'],
        documents: [storedDocument({ address: OTHER })],
        meta: { cursor: 'after' },
        updates: [
          { seq: 2, address: ADDRESS, update: bytes(5) },
          { seq: 1, address: ADDRESS, update: bytes(6) },
        ],
      })
      await expect(failing).rejects.toMatchObject({ code: 'STORE_FAILED' })
      expect(await store.loadRows('chats')).toEqual([chatRow(ADDRESS)])
      expect(await store.loadRows('messages')).toEqual([])
      expect(await store.loadOutbox()).toEqual([outboxEntry({ event: 'x'.repeat(400_000) })])
      expect(await store.loadDocuments()).toEqual([])
      expect(await store.loadMeta()).toEqual({ cursor: 'before' })
      expect(await store.loadUpdates(ADDRESS)).toHaveLength(1)
      expect(await store.lastSeq()).toBe(1)
      await store.commit({ updates: [{ seq: 2, address: ADDRESS, update: bytes(7) }] })
      expect(await store.loadUpdates(ADDRESS)).toHaveLength(2)
    })

    it('[STO4] rows, entries and documents are replaced whole by their id', async () => {
      const { store } = await start()
      const document = storedDocument({ membersStatedAt: 5 })
      await store.commit({
        outboxPut: [outboxEntry({ event: `{"long":"${'ä😀'.repeat(300_000)}"}`, reason: 'no' })],
        documents: [document],
        rows: [{ table: 'messages', put: [messageRow('m1', { edited_at: 9 })], delete: [] }],
        meta: { cursor: '1' },
      })
      const staged = outboxEntry({ state: 'staged', event: '{}', throughSeq: 4, edits: 4 })
      await store.commit({
        outboxPut: [staged],
        documents: [storedDocument({ members: '[]', logBytes: 7 })],
        rows: [{ table: 'messages', put: [messageRow('m1', { content: 'new' })], delete: [] }],
        meta: { cursor: '2' },
      })
      expect(await store.loadOutbox()).toEqual([staged])
      expect(await store.loadDocuments()).toEqual([storedDocument({ members: '[]', logBytes: 7 })])
      expect(await store.loadRows('messages')).toEqual([messageRow('m1', { content: 'new' })])
      expect(await store.loadMeta()).toEqual({ cursor: '2' })
    })

    it('[STO44] a body goes as a whole, with what the same batch puts in its place', async () => {
      const { store } = await start()
      const rowsOf = (address: string) => store.loadRows('messages', { column: 'address', equals: address })
      const mine = [messageRow('m1'), messageRow('m2')]
      const other = { ...messageRow('o1'), id: `${OTHER}/o1`, address: OTHER }
      await store.commit({
        updates: [
          { seq: 1, address: ADDRESS, update: bytes(700_000) },
          { seq: 2, address: OTHER, update: bytes(3) },
        ],
        outboxPut: [outboxEntry({ seq: 4, throughSeq: 4 })],
        rows: [
          { table: 'messages', put: [...mine, other], delete: [] },
          { table: 'chats', put: [chatRow(ADDRESS), chatRow(OTHER)], delete: [] },
        ],
      })
      await store.commit({
        evict: [ADDRESS, 'not a document here'],
        updates: [{ seq: 5, address: ADDRESS, update: bytes(4) }],
        rows: [
          { table: 'messages', put: [messageRow('m2', { content: 'anew' })], delete: [] },
          { table: 'chats', put: [chatRow(ADDRESS, { held: false, bytes: 7 })], delete: [] },
        ],
      })
      expect(await store.loadUpdates(ADDRESS)).toEqual([{ seq: 5, address: ADDRESS, update: bytes(4) }])
      expect(await rowsOf(ADDRESS)).toEqual([messageRow('m2', { content: 'anew' })])
      await store.commit({ evict: [ADDRESS] })
      expect(await store.loadUpdates(ADDRESS)).toEqual([])
      expect(await rowsOf(ADDRESS)).toEqual([])
      expect(await store.loadUpdates(OTHER)).toHaveLength(1)
      expect(await rowsOf(OTHER)).toEqual([other])
      expect(byId(await store.loadRows('chats'))).toEqual(
        byId([chatRow(ADDRESS, { held: false, bytes: 7 }), chatRow(OTHER)]),
      )
      expect(await store.loadOutbox()).toHaveLength(1)
      expect(await store.lastSeq()).toBe(5)
    })

    it('[STO5] deleting removes; a missing id is no error; in one part of a batch put wins', async () => {
      const { store } = await start()
      await store.commit({
        outboxPut: [outboxEntry(), outboxEntry({ id: 'entry-2', seq: 2, throughSeq: 2 })],
        rows: [
          { table: 'messages', put: [messageRow('m1'), messageRow('m2'), messageRow('m3')], delete: [] },
        ],
      })
      await store.commit({
        outboxDelete: ['entry-1', 'entry-2', 'never-was'],
        outboxPut: [outboxEntry({ id: 'entry-2', seq: 2, throughSeq: 3, edits: 2 })],
        rows: [
          {
            table: 'messages',
            put: [messageRow('m2', { content: 'kept' })],
            delete: [messageRow('m1').id, messageRow('m2').id, 'never-was'],
          },
          { table: 'messages', put: [], delete: [messageRow('m3').id] },
        ],
      })
      expect(await store.loadOutbox()).toEqual([
        outboxEntry({ id: 'entry-2', seq: 2, throughSeq: 3, edits: 2 }),
      ])
      expect(await store.loadRows('messages')).toEqual([messageRow('m2', { content: 'kept' })])
    })

    it('[STO6] the log comes by ascending seq and by document; the outbox by ascending seq', async () => {
      const { store } = await start()
      const update = (seq: number, address = ADDRESS) => ({ seq, address, update: bytes(seq % 7, seq) })
      await store.commit({ updates: [update(10), update(2), update(3, OTHER)] })
      await store.commit({ updates: [update(9), update(1), update(100)] })
      expect(await store.loadUpdates(ADDRESS)).toEqual([1, 2, 9, 10, 100].map((seq) => update(seq)))
      expect(await store.loadUpdates(OTHER)).toEqual([update(3, OTHER)])
      expect(await store.loadUpdateRange(ADDRESS, 2, 10)).toEqual([2, 9, 10].map((seq) => update(seq)))
      expect(await store.loadUpdateRange(ADDRESS, 3, 8)).toEqual([])
      await store.commit({
        outboxPut: [100, 9, 10, 2].map((seq) => outboxEntry({ id: `e${seq}`, seq, throughSeq: seq })),
      })
      expect((await store.loadOutbox()).map(({ seq }) => seq)).toEqual([2, 9, 10, 100])
    })

    it('[STO7] lastSeq is the highest ever given out, whatever was deleted, and after reopening', async () => {
      const world = await start()
      await world.store.commit({ updates: [{ seq: 3, address: ADDRESS, update: bytes(1) }] })
      await world.store.commit({ outboxPut: [outboxEntry({ id: 'e', seq: 5, throughSeq: 7 })] })
      await world.store.commit({ outboxDelete: ['e'] })
      await world.store.commit({ updates: [{ seq: 4, address: ADDRESS, update: bytes(1) }] })
      expect(await world.store.lastSeq()).toBe(7)
      if (world.reopen !== undefined) expect(await (await world.reopen()).lastSeq()).toBe(7)
    })

    it('[STO8] large values come back byte for byte', async () => {
      const world = await start()
      const update = { seq: 1, address: ADDRESS, update: bytes(2 * 1024 * 1024) }
      const small = { seq: 2, address: ADDRESS, update: bytes(360_000, 3) }
      const entry = outboxEntry({ event: JSON.stringify({ content: '€😀'.repeat(200_000) }), reason: 'r' })
      await world.store.commit({ updates: [update, small], outboxPut: [entry] })
      const check = async (store: SyncStore) => {
        expect(inShort(await store.loadUpdates(ADDRESS))).toEqual(inShort([update, small]))
        expect(await store.loadUpdateRange(ADDRESS, 2, 2)).toHaveLength(1)
        expect(await store.loadOutbox()).toEqual([entry])
      }
      await check(world.store)
      if (world.reopen !== undefined) await check(await world.reopen())
      await world.store.close()
    })

    it('[STO9] any text is kept: empty, NUL, quotes, emoji, __proto__; and empty updates', async () => {
      const world = await start()
      const odd = ['', 'a\0b', `'";--`, '😀 ñ\u2028', '__proto__', '%_?', 'a/b', '\uFEFFx']
      const rows = odd.map((text) => messageRow(text, { content: text, device: text, data: text }))
      const meta = Object.fromEntries(odd.map((text) => [text, text]))
      await world.store.commit({
        rows: [{ table: 'messages', put: rows, delete: [] }],
        outboxPut: odd.map((text, index) =>
          outboxEntry({ id: text, lane: text, seq: index + 1, throughSeq: index + 1, reason: text }),
        ),
        updates: odd.map((text, index) => ({ seq: index + 1, address: text, update: new Uint8Array() })),
        documents: odd.map((text) => storedDocument({ address: text, members: text })),
        meta,
      })
      const store = world.reopen === undefined ? world.store : await world.reopen()
      expect(byId(await store.loadRows('messages'))).toEqual(byId(rows))
      expect(await store.loadMeta()).toEqual(meta)
      expect((await store.loadOutbox()).map(({ id }) => id)).toEqual(odd)
      expect(new Set((await store.loadDocuments()).map(({ address }) => address))).toEqual(new Set(odd))
      for (const [index, text] of odd.entries()) {
        expect(await store.loadUpdates(text)).toEqual([
          { seq: index + 1, address: text, update: new Uint8Array() },
        ])
        const where = { column: 'content', equals: text }
        expect(await store.loadRows('messages', where)).toEqual([rows[index]])
      }
      await store.commit({
        outboxDelete: odd,
        rows: [{ table: 'messages', put: [], delete: rows.map(({ id }) => id) }],
      })
      expect(await store.loadOutbox()).toEqual([])
      expect(await store.loadRows('messages')).toEqual([])
    })

    it('[STO10] rows keep their types: null and left-out optional columns, booleans, fractions', async () => {
      const { store } = await start()
      const { edited_at: _, ...withoutOptional } = messageRow('m2')
      await store.commit({
        rows: [
          { table: 'messages', put: [messageRow('m1', { position: 1.5 }), withoutOptional], delete: [] },
          { table: 'chats', put: [chatRow(ADDRESS, { archived: true, deleted_at: 0 })], delete: [] },
        ],
      })
      expect(byId(await store.loadRows('messages'))).toEqual([
        messageRow('m1', { position: 1.5 }),
        messageRow('m2'),
      ])
      expect(await store.loadRows('chats', { column: 'id', equals: ADDRESS })).toEqual([
        chatRow(ADDRESS, { archived: true, deleted_at: 0 }),
      ])
      expect(await store.loadRows('chats', { column: 'address', equals: OTHER })).toEqual([])
    })

    it('[STO11] a row with an unknown or missing column is refused; a strange value never is', async () => {
      const { store } = await start()
      const { content: _, ...withoutContent } = messageRow('m1')
      const bad = [messageRow('m1', { colour: 'red' }), withoutContent]
      for (const row of bad) {
        const commit = store.commit({ rows: [{ table: 'messages', put: [row], delete: [] }] })
        await expect(commit).rejects.toMatchObject({ code: 'VALUE_INVALID' })
      }
      const notBytes = { seq: 1, address: ADDRESS, update: [1, 2] as unknown as Uint8Array }
      await expect(store.commit({ updates: [notBytes] })).rejects.toMatchObject({ code: 'VALUE_INVALID' })
      await expect(store.loadRows('chats', { column: 'nope', equals: '' })).rejects.toMatchObject({
        code: 'VALUE_INVALID',
      })
      // What a hostile document can hold must not keep its log from being written.
      const strange = messageRow('m1', {
        created_at: Number.POSITIVE_INFINITY,
        edited_at: Number.NaN,
        position: '1',
        role: 5,
        status: undefined,
        content: { nested: true },
        device: 7n,
      })
      await store.commit({ rows: [{ table: 'messages', put: [strange], delete: [] }] })
      expect(await store.loadRows('messages')).toEqual([
        messageRow('m1', { created_at: 0, role: '', status: '', content: '', device: '' }),
      ])
    })

    it('[STO12] commits are applied in the order of the calls, and a read sees those called before it', async () => {
      const { store } = await start()
      const commits: Promise<void>[] = []
      const reads: Promise<QueryRow[]>[] = []
      for (let position = 0; position < 50; position++) {
        commits.push(
          store.commit({
            updates: [{ seq: position + 1, address: ADDRESS, update: bytes(3) }],
            outboxPut: [outboxEntry({ seq: position + 1, throughSeq: position + 1 })],
            rows: [{ table: 'messages', put: [messageRow('m1', { position })], delete: [] }],
            meta: { cursor: String(position) },
          }),
        )
        reads.push(store.loadRows('messages'))
      }
      await Promise.all(commits)
      const seen = (await Promise.all(reads)).map(([row]) => row?.position)
      expect(seen.every((position, index) => Number(position) >= index)).toBe(true)
      expect(await store.loadMeta()).toEqual({ cursor: '49' })
      expect(await store.loadOutbox()).toEqual([outboxEntry({ seq: 50, throughSeq: 50 })])
      expect(await store.loadUpdates(ADDRESS)).toHaveLength(50)
    })

    it('[STO13] a failed commit does not hold up those behind it', async () => {
      const { store } = await start()
      const update = { seq: 1, address: ADDRESS, update: bytes(3) }
      const commits = [{ updates: [update] }, { updates: [update] }, { meta: { after: 'yes' } }]
      const outcomes = commits.map((commit) =>
        store.commit(commit).then(
          () => 'stored',
          () => 'failed',
        ),
      )
      expect(await Promise.all(outcomes)).toEqual(['stored', 'failed', 'stored'])
      expect(await store.loadMeta()).toEqual({ after: 'yes' })
    })

    it('[STO14] what was given and what was got share no memory with the store', async () => {
      const { store } = await start()
      const update = bytes(10)
      const state = bytes(10)
      const row = { ...messageRow('m1') } as Record<string, unknown>
      const commit = store.commit({
        updates: [{ seq: 1, address: ADDRESS, update }],
        compactions: [{ address: OTHER, throughSeq: 2, update: state }],
        rows: [{ table: 'messages', put: [row as QueryRow], delete: [] }],
      })
      update.fill(0)
      state.fill(0)
      row.content = 'changed'
      await commit
      const [stored] = await store.loadUpdates(ADDRESS)
      expect(stored?.update).toEqual(bytes(10))
      expect((await store.loadUpdates(OTHER))[0]?.update).toEqual(bytes(10))
      stored?.update.fill(1)
      const [loaded] = await store.loadRows('messages')
      ;(loaded as unknown as Record<string, unknown>).content = 'changed'
      expect((await store.loadUpdates(ADDRESS))[0]?.update).toEqual(bytes(10))
      expect(await store.loadRows('messages')).toEqual([messageRow('m1')])
    })

    it('[STO15] [C15] a closed store refuses everything with STORE_FAILED, and closing twice is fine', async () => {
      const { store } = await start()
      const last = store.commit({ meta: { cursor: 'last' } })
      await store.close()
      await last
      await store.close()
      const refused = [
        store.commit({ meta: { x: 'y' } }),
        store.loadMeta(),
        store.lastSeq(),
        store.loadDocuments(),
        store.loadUpdates(ADDRESS),
        store.loadUpdateRange(ADDRESS, 1, 2),
        store.loadOutbox(),
        store.loadRows('chats'),
      ]
      for (const promise of refused) await expect(promise).rejects.toMatchObject({ code: 'STORE_FAILED' })
    })

    it('[STO41] a compaction puts one row in the place of a document’s rows up to a position', async () => {
      const world = await start()
      const { store } = world
      const update = (seq: number, address = ADDRESS, length = 9) => ({
        seq,
        address,
        update: bytes(length, seq),
      })
      // Long ones lie over several rows of the database.
      await store.commit({ updates: [update(1, ADDRESS, 900_000), update(2, OTHER), update(3), update(4)] })
      const state = bytes(500_000, 77)
      await store.commit({ compactions: [{ address: ADDRESS, throughSeq: 3, update: state }] })
      const compacted = { seq: 3, address: ADDRESS, update: state }
      expect(inShort(await store.loadUpdates(ADDRESS))).toEqual(inShort([compacted, update(4)]))
      expect(inShort(await store.loadUpdates(OTHER))).toEqual(inShort([update(2, OTHER)]))
      expect(inShort(await store.loadUpdateRange(ADDRESS, 1, 3))).toEqual(inShort([compacted]))
      // Together with rows of the same batch, on both sides of the position, and with rows that are compacted.
      const again = { address: ADDRESS, throughSeq: 5, update: bytes(20, 5) }
      await store.commit({ updates: [update(5), update(6), update(7, OTHER)], compactions: [again] })
      const check = async (checked: SyncStore) => {
        expect(await checked.loadUpdates(ADDRESS)).toEqual([
          { seq: 5, address: ADDRESS, update: bytes(20, 5) },
          update(6),
        ])
        expect(inShort(await checked.loadUpdates(OTHER))).toEqual(
          inShort([update(2, OTHER), update(7, OTHER)]),
        )
        expect(await checked.lastSeq()).toBe(7)
      }
      await check(store)
      if (world.reopen !== undefined) await check(await world.reopen())
    })

    it('[STO41] [STO7] of everything a document has leaves one row, and positions go on as before', async () => {
      const { store } = await start()
      const many = Array.from({ length: 1_200 }, (_, index) => ({
        seq: index + 1,
        address: ADDRESS,
        update: bytes(3, index + 1),
      }))
      await store.commit({ updates: many })
      const compactions = [{ address: ADDRESS, throughSeq: 1_200, update: bytes(4) }]
      await store.commit({ compactions })
      await store.commit({ compactions })
      expect(inShort(await store.loadUpdates(ADDRESS))).toEqual(
        inShort([{ seq: 1_200, address: ADDRESS, update: bytes(4) }]),
      )
      expect(await store.lastSeq()).toBe(1_200)
      const taken = store.commit({ updates: [{ seq: 1_200, address: ADDRESS, update: bytes(5) }] })
      await expect(taken).rejects.toMatchObject({ code: 'STORE_FAILED' })
    })

    it('[STO42] [C1] a compaction is done with all of its batch, or not at all', async () => {
      const { store } = await start()
      const rows = [1, 2, 3].map((seq) => ({ seq, address: ADDRESS, update: bytes(seq + 600_000, seq) }))
      const other = { seq: 4, address: OTHER, update: bytes(2) }
      await store.commit({ updates: [...rows, other], meta: { cursor: 'before' } })
      const failing = store.commit({
        compactions: [{ address: ADDRESS, throughSeq: 3, update: bytes(7) }],
        updates: [
          { seq: 5, address: ADDRESS, update: bytes(1) },
          { seq: 4, address: ADDRESS, update: bytes(1) },
        ],
        meta: { cursor: 'after' },
      })
      await expect(failing).rejects.toMatchObject({ code: 'STORE_FAILED' })
      // The position is another document's.
      const strange = store.commit({ compactions: [{ address: ADDRESS, throughSeq: 4, update: bytes(7) }] })
      await expect(strange).rejects.toMatchObject({ code: 'STORE_FAILED' })
      expect(inShort(await store.loadUpdates(ADDRESS))).toEqual(inShort(rows))
      expect(inShort(await store.loadUpdates(OTHER))).toEqual(inShort([other]))
      expect(await store.loadMeta()).toEqual({ cursor: 'before' })
      expect(await store.lastSeq()).toBe(4)
    })

    it('[STO43] a compaction that makes no sense is refused', async () => {
      const { store } = await start()
      const update = bytes(3)
      const twice = { address: ADDRESS, throughSeq: 1, update }
      for (const batch of [
        { compactions: [twice, twice] },
        { compactions: [{ ...twice, throughSeq: 0 }] },
        { compactions: [{ ...twice, update: [1] as unknown as Uint8Array }] },
        { compactions: [twice, { ...twice, address: OTHER }] },
        { compactions: [twice], updates: [{ seq: 1, address: OTHER, update }] },
      ]) {
        await expect(store.commit(batch)).rejects.toMatchObject({ code: 'VALUE_INVALID' })
      }
      expect(await store.loadUpdates(ADDRESS)).toEqual([])
    })

    it('[STO16] many rows in one batch', async () => {
      const { store } = await start()
      const put = Array.from({ length: 2_500 }, (_, position) => messageRow(`m${position}`, { position }))
      const outboxPut = put.map((_, index) =>
        outboxEntry({ id: `e${index}`, seq: index + 1, throughSeq: index + 1 }),
      )
      await store.commit({ rows: [{ table: 'messages', put, delete: [] }], outboxPut })
      await store.commit({
        rows: [{ table: 'messages', put: put.slice(0, 1_500), delete: put.slice(1_500).map(({ id }) => id) }],
        outboxDelete: outboxPut.slice(1).map(({ id }) => id),
      })
      expect(byId(await store.loadRows('messages'))).toEqual(byId(put.slice(0, 1_500)))
      expect(await store.loadOutbox()).toHaveLength(1)
    })

    it('[STO45] messages come by their place in the chat, those of a range only', async () => {
      const { store } = await start()
      const own = Array.from({ length: 6 }, (_, position) => messageRow(`m${9 - position}`, { position }))
      const other = messageRow('m1', { id: `${OTHER}/m1`, address: OTHER, position: 2 })
      await store.commit({ rows: [{ table: 'messages', put: [...own, other].reverse(), delete: [] }] })
      const places = async (from: number, through: number) =>
        (await store.loadMessages(ADDRESS, { from, through })).map(({ position }) => position)
      expect(await store.loadMessages(ADDRESS, { from: 1, through: 3 })).toEqual(own.slice(1, 4))
      expect(await places(4, Number.MAX_SAFE_INTEGER)).toEqual([4, 5])
      expect(await places(6, 9)).toEqual([])
    })

    it('[STO46] a search finds words and their beginnings, without case and accents, newest first', async () => {
      const { store } = await start()
      const texts = [
        'Oslo in May',
        'la CAFÉ d’Osló',
        'colossal',
        'the under_score and "quotes"',
        '東京タワーに行く',
        '😀 fine',
        'Москва и Осло',
      ]
      const put = texts.map((content, index) => messageRow(`m${index}`, { content, created_at: index }))
      const other = messageRow('x', { id: `${OTHER}/x`, address: OTHER, content: 'oslo', created_at: 99 })
      await store.commit({ rows: [{ table: 'messages', put: [...put, other], delete: [] }] })
      const find = async (query: string, options: Partial<RowSearch> = {}) =>
        (await store.searchRows('messages', query, { limit: 10, ...options })).map((row) => row.message_id)
      expect(await find('oslo')).toEqual(['x', 'm1', 'm0'])
      expect(await find('OSL ma')).toEqual(['m0'])
      expect(await find('cafe')).toEqual(['m1'])
      expect(await find('ossal')).toEqual([])
      expect(await find('score')).toEqual(['m3'])
      expect(await find('quotes"')).toEqual(['m3'])
      expect(await find('タワー')).toEqual(['m4'])
      expect(await find('😀')).toEqual(['m5'])
      expect(await find('осло')).toEqual(['m6'])
      expect(await find(' ')).toEqual([])
      expect(await find('oslo', { limit: 2 })).toEqual(['x', 'm1'])
      expect(await find('oslo', { address: ADDRESS })).toEqual(['m1', 'm0'])
      expect(await find('oslo', { exclude: new Set([OTHER]) })).toEqual(['m1', 'm0'])

      await store.commit({
        rows: [
          {
            table: 'messages',
            put: [
              messageRow('m0', { content: 'Bergen', created_at: 0 }),
              messageRow('m7', { content: 'oslo too', created_at: 7 }),
              messageRow('m8', { content: 'oslo, still', created_at: 8, status: 'streaming' }),
            ],
            delete: [other.id],
          },
        ],
      })
      expect(await find('oslo')).toEqual(['m8', 'm7', 'm1'])
      expect(await find('bergen')).toEqual(['m0'])
      await store.commit({ evict: [ADDRESS] })
      expect(await find('oslo')).toEqual([])
    })

    it('[STO46] chats are found by their title', async () => {
      const { store } = await start()
      const put = [
        chatRow(ADDRESS, { title: 'Trip to Oslo', last_activity_at: 1 }),
        chatRow(OTHER, { title: 'oslo', last_activity_at: 2 }),
      ]
      await store.commit({ rows: [{ table: 'chats', put, delete: [] }] })
      expect(await store.searchRows('chats', 'oslo', { limit: 5 })).toEqual([put[1], put[0]])
      expect(await store.searchRows('chats', 'trip', { limit: 5 })).toEqual([put[0]])
    })
  })
}
