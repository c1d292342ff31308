import { createMemoryStore, type SyncStore } from '@onyx-sync/client'
import { encodeState, silentLogger, vectorOf } from '@onyx-sync/shared'
import { createSeededRandom, createVirtualClock } from '@onyx-sync/testing'
import { describe, expect, it } from 'vitest'
import * as Y from 'yjs'
import { createDocuments, type DocumentsOptions } from '../../client/src/core/documents.js'
import type { Documents } from '../../client/src/core/documents-api.js'
import { createPartStream } from '../../client/src/core/part-stream.js'
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

/** A state in parts of 20 KB. */
const partsOf = (whole: Y.Doc) => [...encodeState(whole, 20_000, vectorOf(whole))]

/** A stream of so many parts, and a way to give it one. */
function streamOf(parts: readonly Uint8Array[]) {
  const partAt = (index: number) => ({ group: '00112233', index, count: parts.length })
  const stream = createPartStream(partAt(0))
  return { stream, give: (index: number) => stream.take(partAt(index), parts[index] as Uint8Array) }
}

/** A state in parts, of which so many come. Then what a server says when it has sent all. */
async function bringAsItComes(
  documents: Documents,
  whole: Y.Doc,
  { through = Number.POSITIVE_INFINITY, isAdopted = true } = {},
): Promise<void> {
  const parts = partsOf(whole)
  expect(parts.length).toBeGreaterThan(8)
  const { stream, give } = streamOf(parts)
  const applied = documents.applyAsItComes(CHAT, stream)
  for (const index of parts.slice(0, through).keys()) {
    expect(give(index)).toBe(true)
    for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve))
  }
  if (through < parts.length) stream.cut()
  const release = await applied
  expect(release !== undefined).toBe(through >= parts.length)
  if (release === undefined) return
  const nothingMore = { ...remoteUpdate(CHAT, new Uint8Array(0)), updates: [] }
  if (isAdopted) await documents.applyRemote([nothingMore], () => ({ meta: { cursor: 'behind it' } }))
  await release()
}

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

/** Opens a device behind each batch, as if it had died there; what it does then is to come to the same as never having begun. */
async function expectWholeOrNotAtAll(
  batches: readonly StoreBatch[],
  bringAgain: (documents: Documents, disk: SyncStore) => Promise<void>,
): Promise<void> {
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
    if (count % 4 === 0) await bringAgain(restarted, disk)
  }
  expect(arriving).toBeGreaterThan(5)
}

/** A store in memory, and all that was written to it. */
function recordingStore(): { readonly store: SyncStore; readonly batches: StoreBatch[] } {
  const batches: StoreBatch[] = []
  const memory = createMemoryStore()
  const store: SyncStore = {
    ...memory,
    async commit(batch) {
      await memory.commit(batch)
      batches.push(structuredClone(batch))
    },
  }
  return { store, batches }
}

/** A store in memory that takes nothing while it is full. */
function fillingStore(): { readonly store: SyncStore; readonly disk: { isFull: boolean } } {
  const memory = createMemoryStore()
  const disk = { isFull: false }
  const store: SyncStore = {
    ...memory,
    commit: async (batch) => {
      if (disk.isFull) throw new Error('no space left')
      await memory.commit(batch)
    },
  }
  return { store, disk }
}

describe('a long chat that is brought', () => {
  it.each(['one state', 'many edits'] as const)(
    '[HLD4][C1][C3] comes in many batches, and a device that dies behind any of them has it whole or not at all (%s)',
    async (as) => {
      const { whole, updates } = longChat(as)
      const { store, batches } = recordingStore()
      await bring(await withListedChat(store), updates)
      await expectWhole(store, whole)
      await expectWholeOrNotAtAll(batches, async (documents, disk) => {
        await bring(documents, updates)
        await expectWhole(disk, whole)
      })
    },
  )

  it('[HLD4][LOD2][C1][C3] is applied part by part as they come, and a device that dies behind any batch has it whole or not at all', async () => {
    const { whole } = longChat('one state')
    const { store, batches } = recordingStore()
    await bringAsItComes(await withListedChat(store), whole)
    await expectWhole(store, whole)
    await expectWholeOrNotAtAll(batches, async (documents, disk) => {
      await bringAsItComes(documents, whole)
      await expectWhole(disk, whole)
    })
  })

  it('[HLD4][LOD2] leaves nothing behind where the rest of its parts does not come, or nobody takes it over', async () => {
    const { whole, updates } = longChat('one state')
    for (const again of [bringAsItComes, (documents: Documents) => bring(documents, updates)]) {
      const store = createMemoryStore()
      const documents = await withListedChat(store)
      for (const options of [{ through: 1 }, { through: 5 }, { through: 8 }, { isAdopted: false }]) {
        await bringAsItComes(documents, whole, options)
        await documents.journal.flush()
        expect(documents.info(CHAT)?.body).toBe('listed')
        const { body, logged, shown, chat } = await onDisk(store)
        expect([body, logged, shown, chat]).toEqual(['listed', [], [], LISTED])
      }
      await again(documents, whole)
      await expectWhole(store, whole)
    }
  })

  it('[HLD4][LOD2] that nobody wants any more in the midst of its parts leaves nothing behind', async () => {
    const { whole } = longChat('one state')
    const store = createMemoryStore()
    let left = 6
    const documents = await withListedChat(store, { accepts: () => left-- > 0 })
    const parts = partsOf(whole)
    const { stream, give } = streamOf(parts)
    for (const index of parts.keys()) give(index)
    expect(await documents.applyAsItComes(CHAT, stream)).toBeUndefined()
    await documents.journal.flush()
    const { body, logged, shown, chat } = await onDisk(store)
    expect([body, logged, shown, chat]).toEqual(['listed', [], [], LISTED])
  })

  it('[HLD4] that came whole and was given up is here once what is known of it comes again', async () => {
    const { whole, updates } = longChat('one state')
    const parts = partsOf(whole)
    // As one that is large, and as several that aren't.
    for (const given of [updates, parts]) {
      const store = createMemoryStore()
      const documents = await withListedChat(store)
      const { stream, give } = streamOf(parts)
      for (const index of parts.keys()) give(index)
      const release = await documents.applyAsItComes(CHAT, stream)
      expect(documents.info(CHAT)?.body).toBe('arriving')
      await bring(documents, given)
      await expectWhole(store, whole)
      await release?.()
      await expectWhole(store, whole)
    }
  })

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
    const { store, disk } = fillingStore()
    const documents = await withListedChat(store)
    disk.isFull = true
    await expect(bring(documents, updates)).rejects.toThrow()
    expect((await onDisk(store)).body).toBe('listed')
    disk.isFull = false
    await bring(documents, updates)
    await expectWhole(store, whole)
  })

  it('[HLD4][LOD2][S4] that a full disk does not take part by part is there once it does', async () => {
    const { whole } = longChat('one state')
    const { store, disk } = fillingStore()
    const documents = await withListedChat(store)
    disk.isFull = true
    await expect(bringAsItComes(documents, whole)).rejects.toThrow()
    expect((await onDisk(store)).body).toBe('listed')
    disk.isFull = false
    await bringAsItComes(documents, whole)
    await expectWhole(store, whole)
  })
})
