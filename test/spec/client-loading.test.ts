import { createMemoryStore, createSyncClient, type SyncStore } from '@onyx-sync/client'
import { silentLogger } from '@onyx-sync/shared'
import { createSeededRandom, createVirtualClock } from '@onyx-sync/testing'
import { generateSecretKey } from 'nostr-tools/pure'
import { PlainKeySigner } from 'nostr-tools/signer'
import { describe, expect, it } from 'vitest'
import * as Y from 'yjs'
import { turnsOf } from '../../client/src/adapters/platform-turns.js'
import { createDocuments } from '../../client/src/core/documents.js'
import type { Documents } from '../../client/src/core/documents-api.js'
import { createProjection } from '../../client/src/model/projection.js'
import type { Turns } from '../../client/src/ports/turns.js'
import { remoteUpdate } from '../support/remote-update.js'

/** A store whose reads take a while, and that counts how often each document is read. */
function slowStore(store: SyncStore) {
  const reads = new Map<string, number>()
  const waiting: (() => void)[] = []
  return {
    reads,
    /** Lets everything go on that waits for the disk. */
    async release() {
      for (let round = 0; round < 20; round++) {
        for (const go of waiting.splice(0)) go()
        await new Promise((resolve) => setImmediate(resolve))
      }
    },
    store: {
      ...store,
      async loadUpdates(address: string) {
        reads.set(address, (reads.get(address) ?? 0) + 1)
        await new Promise<void>((resolve) => waiting.push(resolve))
        return store.loadUpdates(address)
      },
    } satisfies SyncStore,
  }
}

async function storeWithChat() {
  const store = createMemoryStore()
  const signer = new PlainKeySigner(generateSecretKey())
  const client = await createSyncClient({ store, signer })
  await client.chats.create({ id: 'oslo' })
  await client.chats.send('oslo', 'hello')
  return { store, signer, address: `30001:${client.pubkey}:oslo` }
}

const LONG = `30001:${'0'.repeat(64)}:long`

async function openDocuments(
  store: SyncStore,
  options: { readonly turns?: Turns; readonly maxLoaded?: number } = {},
): Promise<Documents> {
  const clock = createVirtualClock(0)
  return createDocuments({
    pubkey: '0'.repeat(64),
    store,
    createProjection,
    logger: silentLogger,
    clock,
    turns: turnsOf(clock),
    random: createSeededRandom('unload'),
    firstUnsigned: () => undefined,
    onCommitted: () => {},
    onFailed: () => {},
    ...options,
  })
}

/** A log with a long row, short ones of two devices before and after it, and one that can't be read. */
function longLog(isFormatted: boolean): { updates: Uint8Array[]; expected: Y.Doc } {
  const updates: Uint8Array[] = []
  const [phone, laptop] = [new Y.Doc(), new Y.Doc()]
  for (const [from, to] of [
    [phone, laptop],
    [laptop, phone],
  ] as const)
    from.on('update', (update: Uint8Array, origin: unknown) => {
      if (origin === 'sync') return
      updates.push(update)
      Y.applyUpdate(to, update, 'sync')
    })
  const add = (doc: Y.Doc, count: number) =>
    doc.transact(() => {
      for (let index = 0; index < count; index++)
        doc.getArray('messages').push([new Y.Map([['content', new Y.Text(`${index} `.repeat(120))]])])
    })
  for (let round = 0; round < 50; round++) add(round % 2 === 0 ? phone : laptop, 1)
  add(phone, 501)
  updates.push(new Uint8Array(0))
  for (let round = 0; round < 50; round++) add(round % 2 === 0 ? phone : laptop, 1)
  laptop.getArray('messages').delete(3, 20)
  add(laptop, 20)
  if (isFormatted)
    (phone.getArray<Y.Map<Y.Text>>('messages').get(7).get('content') as Y.Text).format(0, 9, { bold: true })
  const expected = new Y.Doc()
  expected.transact(() => {
    for (const update of updates) if (update.byteLength > 0) Y.applyUpdate(expected, update)
  }, 'remote')
  return { updates, expected }
}

describe('loading and unloading documents', () => {
  it('[EDT8][S1] shows a document that is being loaded whole or not yet, never empty, to everybody who asks', async () => {
    const { store, signer, address } = await storeWithChat()
    const slow = slowStore(store)
    const client = await createSyncClient({ store: slow.store, signer })
    const asked = [client.chats.read('oslo'), client.chats.read('oslo'), client.chats.open('oslo')] as const
    const sent = client.chats.send('oslo', 'while it loads')
    await slow.release()
    const [first, second, opened] = await Promise.all(asked)
    await sent
    for (const chat of [first, second]) expect(chat.messages[0]).toMatchObject({ content: 'hello' })
    expect(opened.doc.getArray('messages').length).toBe(2)
    expect(slow.reads.get(address)).toBe(1)
    opened.release()
  })

  it.each([false, true])(
    '[LOD1][Y9] loads a long document in many turns, whole or not yet, and sets a bad row aside; formatted %s',
    async (isFormatted) => {
      const { updates, expected } = longLog(isFormatted)
      const store = createMemoryStore()
      await store.commit({ updates: updates.map((update, seq) => ({ seq: seq + 1, address: LONG, update })) })
      const waiting: (() => void)[] = []
      const turns = { next: () => new Promise<void>((resolve) => waiting.push(resolve)) }
      const documents = await openDocuments(store, { turns })
      let shown: number | undefined
      const reading = documents.read(LONG, (doc) => {
        shown = doc.getArray('messages').length
        return Y.encodeStateAsUpdate(doc)
      })
      const editing = documents.edit(LONG, (doc) => doc.getMap('metadata').set('title', 'while it loads'))
      let rounds = 0
      while (shown === undefined && rounds < 1_000) {
        await new Promise((resolve) => setImmediate(resolve))
        if (shown === undefined) rounds++
        for (const go of waiting.splice(0)) go()
      }
      // 300 KB in slices of 32 KiB.
      expect(rounds).toBeGreaterThan(isFormatted ? 2 : 10)
      expect(shown).toBe(601)
      expect(await reading).toEqual(Y.encodeStateAsUpdate(expected))
      await editing
      expect(documents.incomplete()).toEqual([LONG])
    },
  )

  it('[LOD1] tells of every edit made here, also of one that answers what was received', async () => {
    const store = createMemoryStore()
    const documents = await openDocuments(store)
    const opened = await documents.open(LONG)
    const other = new Y.Doc()
    other.getMap('metadata').set('title', 'from elsewhere')
    opened.doc.getMap('metadata').observe(({ transaction }) => {
      if (!transaction.local) opened.doc.getMap('metadata').set('answer', 'made here')
    })
    await documents.applyRemote([remoteUpdate(LONG, Y.encodeStateAsUpdate(other))], () => ({}))
    await documents.flush()
    const stored = new Y.Doc()
    for (const { update } of await store.loadUpdates(LONG)) Y.applyUpdate(stored, update)
    expect(stored.getMap('metadata').toJSON()).toEqual({ title: 'from elsewhere', answer: 'made here' })
    expect(await store.loadOutbox()).toHaveLength(1)
  })

  it('[EDT9][S2] loses no edit to an unload, and never has two live copies of a document', async () => {
    const store = createMemoryStore()
    const slow = slowStore(store)
    const documents = await openDocuments(slow.store, { maxLoaded: 1 })
    const addresses = ['a', 'b', 'c'].map((id) => `30001:${'0'.repeat(64)}:${id}`)
    const edits: Promise<unknown>[] = []
    for (let round = 0; round < 30; round++) {
      for (const address of addresses) {
        edits.push(documents.edit(address, (doc) => doc.getArray('messages').push([`${round}`])))
      }
      // Something is always loading while something else is unloaded.
      await slow.release()
    }
    await Promise.all(edits)
    for (const address of addresses) {
      const opening = [documents.open(address), documents.open(address)] as const
      await slow.release()
      const [one, other] = await Promise.all(opening)
      expect(one.doc).toBe(other.doc)
      expect(one.doc.getArray('messages').toArray()).toEqual(
        Array.from({ length: 30 }, (_, index) => `${index}`),
      )
    }
    expect(slow.reads.get(addresses[0] as string)).toBeGreaterThan(5)
  })
})
