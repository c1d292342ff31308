import { join } from 'node:path'
import { createMemoryStore, createSyncClient, type SyncStore, watermelonStore } from '@onyx-sync/client'
import { openNodeDatabase } from '@onyx-sync/client/node'
import { hasSameBytes, type Logger, type NostrEvent, silentLogger, systemClock } from '@onyx-sync/shared'
import { createSeededRandom, createVirtualClock } from '@onyx-sync/testing'
import { generateSecretKey } from 'nostr-tools/pure'
import { PlainKeySigner } from 'nostr-tools/signer'
import { describe, expect, it, vi } from 'vitest'
import * as Y from 'yjs'
import { openSqlite } from '../../client/src/adapters/node/better-sqlite.js'
import { turnsOf } from '../../client/src/adapters/platform-turns.js'
import { createCompaction } from '../../client/src/core/compaction.js'
import { createDocuments } from '../../client/src/core/documents.js'
import type { Documents } from '../../client/src/core/documents-api.js'
import type { Journal, JournalChange } from '../../client/src/core/journal.js'
import { append, copyOf } from '../support/chat-copy.js'
import { chatAddressText, chatEvent, testKey } from '../support/events.js'
import { remoteUpdate } from '../support/remote-update.js'
import { openScripted, type ScriptedLink } from '../support/scripted-server.js'
import { temporaryDirectory } from '../support/temporary-directory.js'
import { storedDocument, textsOf } from '../support/worlds.js'

const owner = testKey(1)
const address = chatAddressText(owner)

/** Documents of a device whose edits are all signed at once, and which shows nothing to query. */
function openDocuments(store: SyncStore, clock = systemClock): Promise<Documents> {
  return createDocuments({
    pubkey: owner.publicKey,
    store,
    createProjection: () => ({
      adopt: () => [],
      isStale: false,
      invalidate() {},
      reset: async () => {},
      take: () => [],
    }),
    logger: silentLogger,
    clock,
    turns: turnsOf(clock),
    random: createSeededRandom('compaction'),
    firstUnsigned: () => undefined,
    onCommitted: () => {},
    onFailed: () => {},
  })
}

/** Types into one of a few messages, or takes something out of one. */
function typeInto(doc: Y.Doc, draw: () => number): void {
  const messages = doc.getArray<Y.Map<unknown>>('messages')
  if (messages.length < 10) {
    messages.push([new Y.Map<unknown>([['content', new Y.Text('hello')]])])
    return
  }
  const text = messages.get(Math.floor(draw() * messages.length)).get('content') as Y.Text
  const at = Math.floor(draw() * text.length)
  if (draw() < 0.4 && text.length > 20) text.delete(Math.min(at, text.length - 6), 6)
  else text.insert(at, 'words '.slice(Math.floor(draw() * 6)))
}

/** Edits a chat here and on two other devices, whose updates come in. */
async function editByThree(documents: Documents, edits: number, afterEach: () => Promise<void>) {
  const random = createSeededRandom('three')
  const { doc, release } = await documents.open(address)
  const others = [new Y.Doc(), new Y.Doc()]
  for (let edit = 0; edit < edits; edit += 10) {
    const received: Uint8Array[] = []
    for (const other of others) {
      Y.applyUpdate(other, Y.encodeStateAsUpdate(doc, Y.encodeStateVector(other)))
      const before = Y.encodeStateVector(other)
      for (let n = 0; n < 3; n++) typeInto(other, () => random.next())
      received.push(Y.encodeStateAsUpdate(other, before))
    }
    for (let n = 0; n < 4; n++) doc.transact(() => typeInto(doc, () => random.next()))
    await documents.applyRemote(
      received.map((update) => remoteUpdate(address, update)),
      () => ({}),
    )
    await afterEach()
  }
  await documents.flush()
  release()
  return Y.encodeStateAsUpdate(doc)
}

/** Bytes of a database file in which the logs of documents are. */
function bytesOfLog(file: string): number {
  const raw = openSqlite(file)
  try {
    const pages = `SELECT sum(pgsize) AS bytes FROM dbstat WHERE name LIKE '%sync_updates%'`
    return (raw.prepare(pages).get() as { bytes: number }).bytes
  } finally {
    raw.close()
  }
}

describe('the device’s log', () => {
  it('[CMP1][Y10] of a chat that three devices edit takes less than 3 times its state in a SQLite file', async () => {
    const file = join(temporaryDirectory(), 'phone.db')
    const opened = await openNodeDatabase({ file })
    const store = watermelonStore(opened.database)
    const documents = await openDocuments(store)
    const state = await editByThree(documents, 2_000, () => new Promise((resolve) => setImmediate(resolve)))
    // Upkeep that is due, or under way, when the last edit is made comes to its end a moment later.
    await vi.waitFor(() => expect(bytesOfLog(file)).toBeLessThan(3 * state.byteLength), { timeout: 10_000 })
    documents.stop()
    expect(hasSameBytes(await storedDocument(store, address), copyOf(state))).toBe(true)
    await opened.close()
    expect(bytesOfLog(file)).toBeLessThan(3 * state.byteLength)
  })

  it('[CMP4] costs a constant factor more for it, however long it goes on', async () => {
    for (const edits of [1_000, 4_000]) {
      const store = createMemoryStore()
      let edited = 0
      let compacted = 0
      const watched: SyncStore = {
        ...store,
        async commit(batch) {
          for (const { update } of batch.updates ?? []) edited += update.byteLength + 200
          for (const { update } of batch.compactions ?? []) compacted += update.byteLength
          await store.commit(batch)
        },
      }
      const clock = createVirtualClock(0)
      await editByThree(await openDocuments(watched, clock), edits, () => clock.advance(1))
      expect(compacted).toBeGreaterThan(0)
      expect(compacted).toBeLessThan(2 * edited)
    }
  })

  it('[CMP4] is compacted after loading, and not when a document is loaded again and again', async () => {
    const store = { ...createMemoryStore(), close: async () => {} }
    const signer = new PlainKeySigner(generateSecretKey())
    const first = await createSyncClient({ store, signer, compaction: { minBytes: 1_000_000 } })
    await first.chats.create({ id: 'oslo' })
    const { id } = await first.chats.send('oslo', 'hello')
    for (let n = 0; n < 120; n++) await first.chats.edit('oslo', id, `hello ${n}`)
    await first.close()
    // As if all of it had been sent.
    await store.commit({ outboxDelete: (await store.loadOutbox()).map((entry) => entry.id) })
    const chat = `30001:${first.pubkey}:oslo`
    const before = await storedDocument(store, chat)
    expect(await store.loadUpdates(chat)).toHaveLength(122)
    const rowsAfterLoading: number[] = []
    for (let start = 0; start < 5; start++) {
      const clock = createVirtualClock(0)
      const client = await createSyncClient({ store, signer, clock })
      expect((await client.chats.read('oslo')).messages).toHaveLength(1)
      await clock.advance(10)
      await client.chats.rename('oslo', `${start}`)
      await client.close()
      await store.commit({ outboxDelete: (await store.loadOutbox()).map((entry) => entry.id) })
      rowsAfterLoading.push((await store.loadUpdates(chat)).length)
      if (start === 0) {
        const doc = await storedDocument(store, chat)
        expect(textsOf(doc)).toEqual(textsOf(before))
      }
    }
    expect(rowsAfterLoading).toEqual([2, 3, 4, 5, 6])
  })

  it('[CMP3] keeps the rows of edits that are not signed, and those after them', async () => {
    const store = createMemoryStore()
    const signer = new PlainKeySigner(generateSecretKey())
    const clock = createVirtualClock(0)
    const client = await createSyncClient({ store, signer, clock, compaction: { minBytes: 100, ratio: 0.1 } })
    await client.chats.create({ id: 'oslo' })
    const { id } = await client.chats.send('oslo', 'hello')
    for (let n = 0; n < 60; n++) await client.chats.edit('oslo', id, `hello ${n}`)
    await clock.advance(1_000)
    expect(await store.loadUpdates(`30001:${client.pubkey}:oslo`)).toHaveLength(62)
  })

  it('[CMP3][IDL2] is compacted when the edit is signed that kept its rows, and what was unchecked is checked', async () => {
    const doc = new Y.Doc()
    const text = doc.getText('messages')
    const clock = createVirtualClock(0)
    const compacted: number[] = []
    let firstUnsigned: number | undefined
    let isUnchecked = false
    const compaction = createCompaction({
      journal: {
        add: ({ compaction: made }: JournalChange) => void compacted.push(made?.throughSeq ?? 0),
        flush: async () => {},
      } as unknown as Journal,
      clock,
      find: () => doc,
      isReceiving: () => false,
      firstUnsigned: () => firstUnsigned,
      isUnchecked: () => isUnchecked,
      minBytes: 1_000,
      ratio: 0.5,
    })
    text.insert(0, 'x'.repeat(1_700))
    const rows = [1, 2].map((seq) => ({ seq, address, update: new Uint8Array(1_200) }))
    compaction.loaded(address, rows, [])
    await clock.advance(10)
    // The document grows, and what has come can't be replaced yet.
    firstUnsigned = 3
    text.insert(0, 'y'.repeat(2_300))
    for (const seq of [3, 4, 5]) compaction.added(address, seq, 1_500)
    compaction.committed()
    await clock.advance(10)
    expect(compacted).toEqual([])
    // Nor with something in it that nobody may have signed, wherever the row of that is.
    firstUnsigned = undefined
    isUnchecked = true
    compaction.committed()
    await clock.advance(10)
    expect(compacted).toEqual([])
    isUnchecked = false
    compaction.committed()
    await clock.advance(10)
    expect(compacted).toEqual([5])
  })

  it('[CMP4] is compacted in no batch once the client is closed', async () => {
    const store = createMemoryStore()
    let isClosed = false
    const late: unknown[] = []
    const watched: SyncStore = {
      ...store,
      async commit(batch) {
        if (isClosed) late.push(batch)
        await store.commit(batch)
      },
      async close() {
        isClosed = true
      },
    }
    const clock = createVirtualClock(0)
    const documents = await openDocuments(watched, clock)
    for (let n = 0; n < 200; n++) await documents.edit(address, (doc) => append(doc, `${n}`))
    documents.stop()
    await documents.flush()
    await watched.close()
    await clock.advance(1_000)
    expect(late).toEqual([])
  })
})

describe('a bad row on the device’s disk', () => {
  const doc = new Y.Doc()
  const updates = ['one', 'two', 'three'].map((text) => {
    const before = Y.encodeStateVector(doc)
    const map = new Y.Map<unknown>([
      ['id', `id-${text}`],
      ['content', new Y.Text(text)],
    ])
    doc.getArray('messages').push([map])
    return Y.encodeStateAsUpdate(doc, before)
  })
  const log = updates.map((update) => chatEvent(owner, { update }))

  /** Answers every question with the log; the question for it alone as `refuses` says. */
  const script = (events: readonly NostrEvent[], refuses = false) => ({
    onReq(link: ScriptedLink, id: string, [filter]: readonly Record<string, unknown>[]) {
      if (id === 'log' && refuses) return link.send('CLOSED', id, 'error: not now')
      const known = Number(String(filter?.after ?? '').slice(1) || 0)
      for (const [index, event] of events.entries()) {
        if (index >= known) link.send('EVENT', id, event, ...(id === 'log' ? [] : [`c${index + 1}`]))
      }
      link.send('EOSE', id, id === 'log' ? ['finish'] : ['finish', `cursor:c${events.length}`])
    },
  })

  /** A device that has the log, with its second row damaged. */
  async function damagedStore(): Promise<SyncStore> {
    const store = createMemoryStore()
    const { client, clock } = await openScripted(owner, { store, script: script(log) })
    client.connect()
    await clock.advance(1_000)
    client.disconnect()
    const rows = await store.loadUpdates(address)
    const [, bad] = rows
    const damaged = createMemoryStore()
    await damaged.commit({
      updates: rows.map((row) => (row === bad ? { ...row, update: row.update.subarray(0, 9) } : row)),
      documents: await store.loadDocuments(),
      meta: await store.loadMeta(),
    })
    return damaged
  }

  async function connectAgain(store: SyncStore, events: readonly NostrEvent[], refuses = false) {
    const errors: string[] = []
    const logger: Logger = { ...silentLogger, error: (message) => errors.push(message) }
    const opened = await openScripted(owner, {
      store,
      logger,
      script: script(events, refuses),
      seed: 'again',
    })
    await opened.client.chats.read('chat')
    opened.client.connect()
    await opened.clock.advance(1_000)
    const asked = opened.server.received('REQ').filter(([, id]) => id === 'log').length
    const { messages } = await opened.client.chats.read('chat')
    opened.client.disconnect()
    return { errors, asked, texts: messages.map(({ content }) => content) }
  }

  it('[CMP5][CAT6][Y9] is gone once the document’s log has come from the server, and nothing is asked for again', async () => {
    const store = await damagedStore()
    const first = await connectAgain(store, log)
    expect(first).toEqual({
      errors: ['a stored update can not be applied'],
      asked: 1,
      texts: ['one', 'two', 'three'],
    })
    expect(hasSameBytes(await storedDocument(store, address), doc)).toBe(true)
    expect(await store.loadUpdates(address)).toHaveLength(1)
    const second = await connectAgain(store, log)
    expect(second).toEqual({ errors: [], asked: 0, texts: ['one', 'two', 'three'] })
  })

  it('[CMP5][CAT6] stays while the log has not come, or while something is still missing', async () => {
    const refused = await damagedStore()
    expect(await connectAgain(refused, log, true)).toMatchObject({ asked: 1, texts: ['one'] })
    expect(await refused.loadUpdates(address)).toHaveLength(3)
    const gap = await damagedStore()
    expect(await connectAgain(gap, [log[0], log[2]] as NostrEvent[])).toMatchObject({ asked: 1 })
    expect(await gap.loadUpdates(address)).toHaveLength(3)
    // It is asked for again with the next start, and mended then.
    expect(await connectAgain(gap, log)).toMatchObject({ asked: 1, texts: ['one', 'two', 'three'] })
    expect(await gap.loadUpdates(address)).toHaveLength(1)
  })
})
