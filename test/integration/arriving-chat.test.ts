import { join } from 'node:path'
import { createMemoryStore, createSyncClient, type SyncClient, type Transport } from '@onyx-sync/client'
import { createNodeSigner, createNodeTransport, openNodeStore } from '@onyx-sync/client/node'
import { expect, it } from 'vitest'
import * as Y from 'yjs'
import { afterThisTest } from '../support/after-test.js'
import { noise, testKey } from '../support/events.js'
import { runServer } from '../support/servers.js'
import { temporaryDirectory } from '../support/temporary-directory.js'

const MESSAGES = 1_200
const alice = testKey(1)

/** A network that ends each connection once so many states came over it. */
function fragileTransport(states: { left: number }): Transport {
  const transport = createNodeTransport()
  return {
    ...transport,
    dial(url, handlers) {
      const connection = transport.dial(url, {
        ...handlers,
        onMessage(text) {
          handlers.onMessage(text)
          if (text.includes('"kind":20002') && --states.left === 0) connection.close(4_000, 'the train')
        },
      })
      return connection
    },
  }
}

it('[LOD2][HLD4] a long chat whose states are cut off again and again is there as a whole in the end, and never by halves', async () => {
  const server = await runServer()
  const signer = await createNodeSigner(alice.secretKey)
  const phone = await createSyncClient({
    ...{ store: createMemoryStore(), signer, transport: createNodeTransport(), url: server.url },
  })
  afterThisTest(() => phone.close())
  const { id } = await phone.chats.create({ title: 'Long' })
  const { doc, release } = await phone.chats.open(id)
  const messages = doc.getArray<Y.Map<unknown>>('messages')
  for (let index = 0; index < MESSAGES; index++) {
    const fields = {
      id: `m${index}`,
      role: 'user',
      createdAt: index,
      content: `${index} ${noise(1_000, `${index}`)}`,
    }
    messages.push([new Y.Map(Object.entries(fields))])
  }
  phone.connect()
  expect(await phone.synced({ timeoutMs: 60_000 })).toBe(true)

  const file = join(temporaryDirectory(), 'laptop.db')
  const states = { left: Number.POSITIVE_INFINITY }
  const open = async (): Promise<SyncClient> => {
    const store = await openNodeStore({ file })
    const client = await createSyncClient({
      ...{ store, signer, transport: fragileTransport(states), url: server.url },
    })
    afterThisTest(() => client.close())
    return client
  }
  let laptop = await open()
  for (let parts = 1; parts <= 5; parts++) {
    states.left = parts
    laptop.connect()
    while (states.left > 0) await new Promise((resolve) => setTimeout(resolve, 5))
    laptop.disconnect()
    await laptop.flush()
    expect(await laptop.chats.list()).toMatchObject([{ title: 'Long', messageCount: MESSAGES }])
    await expect(laptop.chats.open(id)).rejects.toMatchObject({ code: 'DOCUMENT_NOT_HELD' })
    if (parts % 2 === 0) continue
    await laptop.close()
    laptop = await open()
  }
  states.left = Number.POSITIVE_INFINITY
  laptop.connect()
  expect(await laptop.synced({ timeoutMs: 60_000 })).toBe(true)
  const copy = await laptop.chats.open(id)
  expect(Y.encodeStateAsUpdate(copy.doc)).toEqual(Y.encodeStateAsUpdate(doc))
  copy.release()
  release()
}, 120_000)
