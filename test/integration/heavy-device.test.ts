import { createMemoryStore, createSyncClient, type SyncClient, type SyncStatus } from '@onyx-sync/client'
import { createNodeTransport } from '@onyx-sync/client/node'
import type { SyncServer } from '@onyx-sync/server'
import type { EventVerifier, Signer } from '@onyx-sync/shared'
import { createEventVerifier, createWasmSchnorr } from '@onyx-sync/shared/node'
import { beforeAll, describe, expect, it } from 'vitest'
import { createWriter, signQuickly } from '../bench/signed-events.js'
import { connectWire, publishAll } from '../bench/wire-client.js'
import { afterThisTest } from '../support/after-test.js'
import { testKey } from '../support/events.js'
import { connect, metricOf, runServer } from '../support/servers.js'

const CHATS = 200
const EDITS = 1_000
const EVENTS = 10_000

const alice = testKey(1)
const signer: Signer = {
  getPublicKey: async () => alice.publicKey,
  signEvent: async (template) => signQuickly(alice, template),
}
let verifier: EventVerifier

beforeAll(async () => {
  verifier = createEventVerifier(await createWasmSchnorr())
})

/** A device of the account, with every limit as it is by default; what it ever says about itself goes into `said`. */
async function openDevice(url: string, said: SyncStatus[]): Promise<SyncClient> {
  const own = { store: createMemoryStore(), transport: createNodeTransport() }
  const client = await createSyncClient({ url, signer, verifier, ...own })
  client.onStatus((status) => said.push(status))
  afterThisTest(() => client.close())
  return client
}

/** Resolves once a device has, and the server keeps, everything. */
async function untilSynced(client: SyncClient): Promise<void> {
  expect(await client.synced({ timeoutMs: 100_000 })).toBe(true)
}

const refusals = (server: SyncServer) => metricOf(server, 'events_refused_total')

describe('an honest device with much to do', () => {
  it('[RATE5] brings 1,000 edits of 200 chats after a long way offline, and is never refused', async () => {
    const server = await runServer()
    const said: SyncStatus[] = []
    const phone = await openDevice(server.url, said)
    const chats = []
    for (let index = 0; index < CHATS; index++)
      chats.push(await phone.chats.create({ title: `chat ${index}` }))
    for (let edit = 0; edit < EDITS; edit++) {
      await phone.chats.send((chats[edit % CHATS] as (typeof chats)[number]).id, `edit ${edit}`)
    }
    phone.connect()
    await untilSynced(phone)
    expect(await refusals(server)).toBe(0)
    expect(said.filter(({ problem }) => problem !== undefined)).toEqual([])

    const laptop = await openDevice(server.url, said)
    laptop.connect()
    await untilSynced(laptop)
    const listed = await laptop.chats.list()
    expect(listed).toHaveLength(CHATS)
    expect(listed.reduce((sum, { messageCount }) => sum + messageCount, 0)).toBe(EDITS)
    expect(said.filter(({ problem }) => problem !== undefined)).toEqual([])
  }, 120_000)

  it('[RATE5] catches up with 10,000 events as events, and once more as states', async () => {
    const server = await runServer()
    const writer = await connectWire(server.url, alice)
    const chats = Array.from({ length: 50 }, (_, index) => createWriter(alice, `chat-${index}`))
    const messages = Array.from({ length: EVENTS }, (_, index) => {
      return JSON.stringify(['EVENT', (chats[index % chats.length] as (typeof chats)[number]).next()])
    })
    await publishAll(writer, messages, 500)
    writer.close()
    const reader = await connect(server, alice)
    const { events } = await reader.request('all', { kinds: [30001], after: '', states: false })
    expect(events).toHaveLength(EVENTS)
    const said: SyncStatus[] = []
    const laptop = await openDevice(server.url, said)
    laptop.connect()
    await untilSynced(laptop)
    const listed = await laptop.chats.list()
    expect(listed.reduce((sum, { messageCount }) => sum + messageCount, 0)).toBe(EVENTS)
    expect(said.filter(({ problem }) => problem !== undefined)).toEqual([])
    expect(await refusals(server)).toBe(0)
  }, 120_000)
})
