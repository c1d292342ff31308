import { join } from 'node:path'
import { createSyncClient, type SyncClient } from '@onyx-sync/client'
import { createNodeTransport, openNodeStore } from '@onyx-sync/client/node'
import {
  DEFAULT_LIMITS,
  decodeContent,
  hasSameBytes,
  type NostrEvent,
  parseEncodingTag,
  parsePlainState,
} from '@onyx-sync/shared'
import { PlainKeySigner } from 'nostr-tools/signer'
import { afterEach, describe, expect, it } from 'vitest'
import type * as Y from 'yjs'
import { chatAddressText, testKey } from '../support/events.js'
import { runDevice, spawnDevice, terminalDevice } from '../support/processes.js'
import { type RealRelay, type RealRelayOptions, startRealRelay } from '../support/real-relay.js'
import { runServer } from '../support/servers.js'
import { temporaryDirectory } from '../support/temporary-directory.js'
import { storedDocument, textsOf } from '../support/worlds.js'

const owner = testKey(1)
const friend = testKey(2)
const oslo = chatAddressText(owner, 'oslo')

const relays: RealRelay[] = []
const devices: SyncClient[] = []

afterEach(async () => {
  for (const client of devices.splice(0)) await client.close()
  for (const relay of relays.splice(0)) await relay.stop()
})

async function relayAt(options: RealRelayOptions): Promise<RealRelay> {
  const relay = await startRealRelay(options)
  relays.push(relay)
  return relay
}

interface Device {
  readonly client: SyncClient
  readonly file: string
  doc(address?: string): Promise<Y.Doc>
}

async function openDevice(file: string, url: string, key = owner): Promise<Device> {
  const store = await openNodeStore({ file })
  const client = await createSyncClient({
    store,
    url,
    signer: new PlainKeySigner(key.secretKey),
    transport: createNodeTransport(),
  })
  devices.push(client)
  return { client, file, doc: (address = oslo) => storedDocument(store, address) }
}

async function closeDevice({ client }: Device): Promise<void> {
  devices.splice(devices.indexOf(client), 1)
  await client.close()
}

async function synced(...list: readonly Device[]): Promise<void> {
  for (const { client } of list) client.connect()
  for (const { client } of list) expect(await client.synced({ timeoutMs: 20_000 })).toBe(true)
}

async function until(check: () => Promise<boolean> | boolean): Promise<void> {
  const end = Date.now() + 20_000
  while (!(await check())) {
    if (Date.now() > end) throw new Error('did not happen within 20 s')
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}

/** Waits until all hold the same to the byte. */
async function converged(address: string, ...list: readonly Device[]): Promise<Y.Doc> {
  let first: Y.Doc | undefined
  await until(async () => {
    const docs = await Promise.all(list.map((device) => device.doc(address)))
    first = docs[0]
    return docs.every((doc) => hasSameBytes(doc, first as Y.Doc)) && (first as Y.Doc).store.clients.size > 0
  })
  return first as Y.Doc
}

function expectStatesOnly(events: readonly NostrEvent[]): void {
  expect(events.length).toBeGreaterThan(0)
  for (const event of events) {
    expect(event.kind).toBe(30001)
    expect(decodeContent(event.content, parseEncodingTag(event), DEFAULT_LIMITS).checkpoint).toBe(true)
    parsePlainState(event, DEFAULT_LIMITS)
  }
}

describe('against a relay from npm that keeps only the newest event of an address', () => {
  it('[PLN12][PLN2] devices of one account converge, offline edits, deletions and a new device included', async () => {
    const directory = temporaryDirectory()
    const relay = await relayAt({ file: join(directory, 'relay.db') })
    const phone = await openDevice(join(directory, 'phone.db'), relay.url)
    const tablet = await openDevice(join(directory, 'tablet.db'), relay.url)
    await phone.client.chats.create({ id: 'oslo', title: 'Trip' })
    await phone.client.chats.send('oslo', 'first', { id: 'm1' })
    await synced(phone, tablet)
    expect(phone.client.status.mode).toBe('plain')
    await converged(oslo, phone, tablet)

    for (const { client } of [phone, tablet]) client.disconnect()
    for (let index = 0; index < 20; index++) {
      await phone.client.chats.send('oslo', `phone ${index}`)
      await tablet.client.chats.send('oslo', `tablet ${index}`)
    }
    await phone.client.settings.set('model', 'opus')
    await tablet.client.settings.set('theme', 'dark')
    await synced(phone, tablet)
    const doc = await converged(oslo, phone, tablet)
    await converged(`10001:${owner.publicKey}:`, phone, tablet)
    expect(textsOf(doc)).toHaveLength(41)

    phone.client.disconnect()
    tablet.client.disconnect()
    await tablet.client.chats.deleteMessage('oslo', 'm1')
    await synced(tablet)
    tablet.client.disconnect()
    await synced(phone)
    const fresh = await openDevice(join(directory, 'fresh.db'), relay.url)
    await synced(fresh)
    const all = await converged(oslo, phone, tablet, fresh)
    await converged(`10001:${owner.publicKey}:`, phone, tablet, fresh)
    expect(textsOf(all)).toHaveLength(40)
    expect(textsOf(all)).not.toContain('first')
    expectStatesOnly(relay.published)
  })

  it('[PLN12][PLN6] live edits on both, a relay that restarts, and more states than it gives at once', async () => {
    const directory = temporaryDirectory()
    const file = join(directory, 'relay.db')
    // At most 20 events a query.
    const relay = await relayAt({ file, limit: 2, info: { limitation: { max_limit: 20 } } })
    const phone = await openDevice(join(directory, 'phone.db'), relay.url)
    const tablet = await openDevice(join(directory, 'tablet.db'), relay.url)
    for (let index = 0; index < 30; index++) await phone.client.chats.create({ id: `chat-${index}` })
    await phone.client.chats.create({ id: 'oslo' })
    await synced(phone, tablet)
    await until(() => tablet.client.status.documents === 31)

    for (let index = 0; index < 5; index++) {
      await phone.client.chats.send('oslo', `phone ${index}`)
      await tablet.client.chats.send('oslo', `tablet ${index}`)
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
    const { port } = relay
    await relays.splice(0)[0]?.stop()
    await phone.client.chats.send('oslo', 'while it was down')
    const again = await relayAt({ file, port, limit: 2, info: { limitation: { max_limit: 20 } } })
    phone.client.wake()
    tablet.client.wake()
    await synced(phone, tablet)
    const doc = await converged(oslo, phone, tablet)
    expect(textsOf(doc)).toHaveLength(11)
    const fresh = await openDevice(join(directory, 'fresh.db'), relay.url)
    await synced(fresh)
    expect(fresh.client.status.documents).toBe(31)
    expectStatesOnly([...relay.published, ...again.published])
  })

  it('[PLN7] a relay that challenges gets a login; one that logs in nobody is not waited for', async () => {
    const directory = temporaryDirectory()
    const relay = await relayAt({ file: join(directory, 'relay.db'), hostname: '127.0.0.1', info: {} })
    const phone = await openDevice(join(directory, 'phone.db'), relay.url)
    await phone.client.chats.create({ id: 'oslo' })
    await synced(phone)
    expect(phone.client.status).toMatchObject({ mode: 'plain', connection: 'live' })
  })

  it('[PLN11] a shared chat comes to its member and back', async () => {
    const directory = temporaryDirectory()
    const relay = await relayAt({ file: join(directory, 'relay.db') })
    const mine = await openDevice(join(directory, 'mine.db'), relay.url)
    const theirs = await openDevice(join(directory, 'theirs.db'), relay.url, friend)
    await mine.client.chats.create({ id: 'oslo' })
    await mine.client.chats.send('oslo', 'hello')
    await mine.client.chats.setMembers('oslo', [friend.publicKey])
    await synced(mine, theirs)
    await until(async () => textsOf(await theirs.doc()).length === 1)
    await theirs.client.chats.send(oslo, 'hi')
    await until(async () => textsOf(await mine.doc()).length === 2)
    await converged(oslo, mine, theirs)
    expectStatesOnly(relay.published)
  })

  it('[PLN10] a database that goes to a sync server and back loses nothing', async () => {
    const directory = temporaryDirectory()
    const relay = await relayAt({ file: join(directory, 'relay.db') })
    const server = await runServer()
    const [a, b] = [join(directory, 'a.db'), join(directory, 'b.db')]
    const atServer = await openDevice(a, server.url)
    await atServer.client.chats.create({ id: 'oslo' })
    await atServer.client.chats.send('oslo', 'at the server')
    await synced(atServer)
    expect(atServer.client.status.mode).toBe('sync')
    await closeDevice(atServer)

    const atRelay = await openDevice(a, relay.url)
    await atRelay.client.chats.send('oslo', 'at the relay')
    const other = await openDevice(b, relay.url)
    await synced(atRelay, other)
    await until(async () => textsOf(await other.doc()).length === 2)
    await other.client.chats.send('oslo', 'from the other')
    await until(async () => textsOf(await atRelay.doc()).length === 3)
    await closeDevice(atRelay)
    await closeDevice(other)

    const back = await openDevice(a, server.url)
    await synced(back)
    const fresh = await openDevice(join(directory, 'fresh.db'), server.url)
    await synced(fresh)
    expect(textsOf(await converged(oslo, back, fresh))).toHaveLength(3)
    expectStatesOnly(relay.published)
  })

  it('[PLN14][PLN12] the terminal device says so, and a kill in mid-sync loses nothing', async () => {
    const directory = temporaryDirectory()
    const relay = await relayAt({ file: join(directory, 'relay.db') })
    const [one, two] = [join(directory, 'one.db'), join(directory, 'two.db')]
    const phone = terminalDevice(one)
    await phone('init')
    await phone('chat', 'new', '--id', 'oslo')
    const report = await phone<{ ok: boolean; mode: string }>('sync', '--url', relay.url)
    expect(report).toMatchObject({ ok: true, mode: 'plain' })
    expect(await phone<{ mode: string }>('status')).toMatchObject({ mode: 'plain', unsent: 0 })
    const shown = await runDevice('status', '--db', one)
    expect(shown.stdout).toMatch(/^mode .*plain/m)

    for (let index = 0; index < 3; index++) {
      await phone('chat', 'send', 'oslo', `message ${index}`)
      const syncing = spawnDevice(['sync', '--db', one])
      await new Promise((resolve) => setTimeout(resolve, 250 * index))
      syncing.kill('SIGKILL')
      await new Promise((resolve) =>
        syncing.exitCode === null && syncing.signalCode === null ? syncing.once('exit', resolve) : resolve(0),
      )
    }
    expect(await phone('sync')).toMatchObject({ ok: true, unsent: 0 })
    const tablet = terminalDevice(two)
    await tablet('init', '--key-file', `${one}.key`)
    expect(await tablet('sync', '--url', relay.url)).toMatchObject({ ok: true })
    const chat = await tablet<{ messages: { content: string }[] }>('chat', 'show', 'oslo')
    expect(chat.messages.map(({ content }) => content)).toEqual([0, 1, 2].map((index) => `message ${index}`))
    expectStatesOnly(relay.published)
  }, 120_000)
})
