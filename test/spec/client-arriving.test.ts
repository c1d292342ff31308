import { createMemoryStore, type SyncStore } from '@onyx-sync/client'
import { silentLogger } from '@onyx-sync/shared'
import { createSeededRandom, createVirtualClock } from '@onyx-sync/testing'
import { describe, expect, it } from 'vitest'
import * as Y from 'yjs'
import { createDocuments, type Documents, type DocumentsOptions } from '../../client/src/core/documents.js'
import { createProjection } from '../../client/src/model/projection.js'
import type { QueryRow, StoreBatch } from '../../client/src/ports/store.js'
import { remoteUpdate } from '../support/remote-update.js'

const PUBKEY = '0'.repeat(64)
const CHAT = `30001:${PUBKEY}:long`
const MESSAGES = 120

/** A chat as a server's list tells of it. */
const LISTED: QueryRow = {
  ...{ id: CHAT, address: CHAT, chat_id: 'long', owner: PUBKEY, title: 'Long', title_source: '', model: '' },
  ...{ created_at: 1, last_activity_at: 2, message_count: MESSAGES, archived: false, deleted_at: null },
  ...{ bytes: 250_000, held: false },
}

/** A long chat of two devices that answer each other: as one state, or as the edits that it was written by. */
function longChat(as: 'one state' | 'many edits'): { whole: Y.Doc; updates: readonly Uint8Array[] } {
  const whole = new Y.Doc()
  const other = new Y.Doc()
  const updates: Uint8Array[] = []
  whole.on('update', (update: Uint8Array) => updates.push(update))
  for (let index = 0; index < MESSAGES; index++) {
    const doc = index % 3 === 0 ? other : whole
    const message = Object.entries({ id: `m${index}`, role: 'user', createdAt: index, status: 'complete' })
    const content: [string, unknown] = ['content', new Y.Text(`${index} `.repeat(500))]
    doc.getArray('messages').push([new Y.Map([...message, content])])
    if (doc === other) Y.applyUpdate(whole, Y.encodeStateAsUpdate(other, Y.encodeStateVector(whole)))
    else Y.applyUpdate(other, Y.encodeStateAsUpdate(whole, Y.encodeStateVector(other)))
  }
  whole.getMap('metadata').set('title', 'Long')
  return { whole, updates: as === 'many edits' ? updates : [Y.encodeStateAsUpdate(whole)] }
}

function openDocuments(store: SyncStore, options: Partial<DocumentsOptions> = {}): Promise<Documents> {
  const clock = createVirtualClock(0)
  return createDocuments({
    ...{ pubkey: PUBKEY, store, createProjection, logger: silentLogger, clock },
    turns: { next: () => new Promise((resolve) => setImmediate(resolve)) },
    random: createSeededRandom('arriving'),
    firstUnsigned: () => undefined,
    onCommitted: () => {},
    onFailed: () => {},
    ...options,
  })
}

async function withListedChat(store: SyncStore, options?: Partial<DocumentsOptions>): Promise<Documents> {
  const documents = await openDocuments(store, options)
  documents.setBody(CHAT, 'listed')
  documents.journal.add({ rows: [{ table: 'chats', put: [LISTED], delete: [] }] })
  await documents.journal.flush()
  return documents
}

const bring = (documents: Documents, updates: readonly Uint8Array[]) =>
  documents.applyRemote(
    updates.map((update) => remoteUpdate(CHAT, update)),
    () => ({ meta: { cursor: 'behind it' } }),
  )

/** What a disk has of the chat. */
async function onDisk(store: SyncStore) {
  const [document] = await store.loadDocuments()
  const doc = new Y.Doc()
  for (const { update } of await store.loadUpdates(CHAT)) Y.applyUpdate(doc, update)
  const logged = doc.getArray<Y.Map<unknown>>('messages').map((message) => String(message.get('id')))
  const rows = await store.loadMessages(CHAT, { from: 0, through: MESSAGES })
  const [chat] = await store.loadRows('chats')
  const { cursor } = await store.loadMeta()
  return { body: document?.body, doc, logged, shown: rows.map((row) => row.message_id), chat, cursor }
}

async function expectWhole(store: SyncStore, whole: Y.Doc): Promise<void> {
  const { body, doc, logged, shown, chat, cursor } = await onDisk(store)
  expect(body).toBe('held')
  expect(Y.encodeStateAsUpdate(doc)).toEqual(Y.encodeStateAsUpdate(whole))
  expect(shown).toEqual(logged)
  expect(chat).toMatchObject({ held: true, message_count: MESSAGES, title: 'Long', bytes: null })
  expect(cursor).toBe('behind it')
}

describe('a long chat that is brought', () => {
  it.each(['one state', 'many edits'] as const)(
    '[HLD4][C1][C3] comes in many batches, and a device that dies behind any of them has it whole or not at all (%s)',
    async (as) => {
      const { whole, updates } = longChat(as)
      const batches: StoreBatch[] = []
      const memory = createMemoryStore()
      const store: SyncStore = {
        ...memory,
        async commit(batch) {
          await memory.commit(batch)
          batches.push(structuredClone(batch))
        },
      }
      await bring(await withListedChat(store), updates)
      await expectWhole(store, whole)

      let arriving = 0
      for (let count = 1; count <= batches.length; count++) {
        const disk = createMemoryStore()
        for (const batch of batches.slice(0, count)) await disk.commit(batch)
        const found = await onDisk(disk)
        // At every moment the rows are what the log says, and nothing else says that the chat is here.
        expect(found.shown).toEqual(found.logged)
        if (found.body === 'arriving') arriving++
        if (found.body !== 'held') expect([found.chat, found.cursor]).toEqual([LISTED, undefined])

        const restarted = await openDocuments(disk)
        expect(restarted.info(CHAT)?.body).toBe(found.body === 'held' ? 'held' : 'listed')
        const atStart = await restarted.read(CHAT, (doc) => doc.getArray('messages').length)
        expect(atStart).toBe(found.body === 'held' ? MESSAGES : 0)
        await restarted.journal.flush()
        const { shown, logged } = await onDisk(disk)
        expect([shown.length, logged.length]).toEqual([atStart, atStart])
        if (count % 4 > 0) continue
        await bring(restarted, updates)
        await expectWhole(disk, whole)
      }
      expect(arriving).toBeGreaterThan(5)
    },
  )

  it.each(['one state', 'many edits'] as const)(
    '[HLD4] leaves nothing behind where it is not wanted any more in the midst of it (%s)',
    async (as) => {
      const { whole, updates } = longChat(as)
      const store = createMemoryStore()
      let left = Number.POSITIVE_INFINITY
      const documents = await withListedChat(store, { accepts: () => left-- > 0 })
      let halves = 0
      for (let wanted = 2; halves < 20 && wanted < 200; wanted += 3) {
        left = wanted
        await bring(documents, updates)
        left = Number.POSITIVE_INFINITY
        if (documents.info(CHAT)?.body === 'held') break
        halves++
        await documents.journal.flush()
        expect(documents.info(CHAT)?.body).toBe('listed')
        const { body, logged, shown, chat } = await onDisk(store)
        expect([body, logged, shown, chat]).toEqual(['listed', [], [], LISTED])
      }
      expect(halves).toBeGreaterThan(2)
      await bring(documents, updates)
      await expectWhole(store, whole)
    },
  )

  it('[HLD4][S4] that a full disk does not take is there once it does', async () => {
    const { whole, updates } = longChat('one state')
    const memory = createMemoryStore()
    let isFull = false
    const store: SyncStore = {
      ...memory,
      commit: async (batch) => {
        if (isFull) throw new Error('no space left')
        await memory.commit(batch)
      },
    }
    const documents = await withListedChat(store)
    isFull = true
    await expect(bring(documents, updates)).rejects.toThrow()
    expect((await onDisk(memory)).body).toBe('listed')
    isFull = false
    await bring(documents, updates)
    await expectWhole(store, whole)
  })
})
