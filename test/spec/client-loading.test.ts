import { createMemoryStore, createSyncClient, type SyncStore } from '@onyx-sync/client'
import { silentLogger } from '@onyx-sync/shared'
import { createSeededRandom, createVirtualClock } from '@onyx-sync/testing'
import { generateSecretKey } from 'nostr-tools/pure'
import { PlainKeySigner } from 'nostr-tools/signer'
import { describe, expect, it } from 'vitest'
import { createDocuments } from '../../client/src/core/documents.js'
import { createProjection } from '../../client/src/model/projection.js'

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

  it('[EDT9][S2] loses no edit to an unload, and never has two live copies of a document', async () => {
    const store = createMemoryStore()
    const slow = slowStore(store)
    const documents = await createDocuments({
      pubkey: '0'.repeat(64),
      store: slow.store,
      createProjection,
      logger: silentLogger,
      clock: createVirtualClock(0),
      random: createSeededRandom('unload'),
      maxLoaded: 1,
      firstUnsigned: () => undefined,
      onCommitted: () => {},
      onFailed: () => {},
    })
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
