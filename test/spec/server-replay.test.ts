import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { SyncServer } from '@onyx-sync/server'
import { DEFAULT_LIMITS, type NostrEvent, parseStateEvent, pureVerifier } from '@onyx-sync/shared'
import { describe, expect, it } from 'vitest'
import * as Y from 'yjs'
import { append, copyOf, mergedFrom } from '../support/chat-copy.js'
import { chatEvent, membersOf, noise, type TestKey, testKey } from '../support/events.js'
import type { RelayClient } from '../support/relay-client.js'
import { connect, metricOf, runServer } from '../support/servers.js'

const alice = testKey(1)
const bob = testKey(2)
const KINDS = { kinds: [30001, 10001, 1] }

/** Writes messages into a chat, an event each, and returns the author's copy. */
async function write(
  client: RelayClient,
  texts: readonly string[],
  {
    doc = new Y.Doc(),
    ...options
  }: { doc?: Y.Doc; chatId?: string; members?: ReturnType<typeof membersOf> } = {},
): Promise<Y.Doc> {
  for (const text of texts) {
    const answer = await client.publish(chatEvent(alice, { ...options, update: append(doc, text) }))
    expect(answer.accepted).toBe(true)
  }
  return doc
}

const numbered = (count: number, name = 'm') => Array.from({ length: count }, (_, index) => `${name}${index}`)
const statesIn = (events: readonly NostrEvent[]) => events.filter(({ kind }) => kind === 20002)
const open = (event: NostrEvent) => parseStateEvent(event, DEFAULT_LIMITS)

async function selfOf(server: SyncServer): Promise<string> {
  const url = server.url.replace('ws:', 'http:')
  const response = await fetch(url, { headers: { Accept: 'application/nostr+json' } })
  return ((await response.json()) as { self: string }).self
}

/** What the documents that a server holds in memory take, by its own estimate. */
const loadedBytes = (server: SyncServer) => metricOf(server, 'merged_state_bytes')

async function start(...keys: readonly TestKey[]): Promise<{ server: SyncServer; clients: RelayClient[] }> {
  const server = await runServer()
  return { server, clients: await Promise.all(keys.map((key) => connect(server, key))) }
}

describe('replaying merged state', () => {
  it('[RPL1] brings many documents in one event that the server signed, and nothing twice', async () => {
    const { server, clients } = await start(alice)
    const a = clients[0] as RelayClient
    const docs = [
      await write(a, numbered(12), { chatId: 'one' }),
      await write(a, numbered(9), { chatId: 'two' }),
    ]
    const { events, cursor } = await a.request('new', { ...KINDS, after: '' })
    expect(events).toHaveLength(1)
    const [event] = events as [NostrEvent]
    expect(event.pubkey).toBe(await selfOf(server))
    pureVerifier.verify(event)
    const { documents, progress } = open(event)
    expect(documents.map(({ address }) => address.identifier)).toEqual(['one', 'two'])
    expect(progress).toEqual({ done: 2, total: 2 })
    for (const [index, { update }] of documents.entries()) {
      expect(copyOf(update).getArray('messages').toJSON()).toEqual(docs[index]?.getArray('messages').toJSON())
    }
    expect((await a.request('again', { ...KINDS, after: cursor })).events).toEqual([])
  })

  it('[RPL1] few events come as they are, beside states of other documents', async () => {
    const { clients } = await start(alice)
    const a = clients[0] as RelayClient
    await write(a, numbered(12), { chatId: 'long' })
    await write(a, numbered(3), { chatId: 'short' })
    const { events } = await a.request('new', { ...KINDS, after: '' })
    expect(events.map(({ kind }) => kind)).toEqual([20002, 30001, 30001, 30001])
  })

  it('[RPL1] a reader that was away gets what it lacks and little else', async () => {
    const { clients } = await start(alice)
    const a = clients[0] as RelayClient
    const doc = await write(a, [noise(60_000), ...numbered(10)])
    const { events: first, cursor } = await a.request('new', { ...KINDS, after: '' })
    const device = copyOf(...open(statesIn(first)[0] as NostrEvent).documents.map(({ update }) => update))
    await write(a, numbered(20, 'later'), { doc })
    const { events } = await a.request('late', { ...KINDS, after: cursor })
    expect(events).toHaveLength(1)
    const [difference] = open(events[0] as NostrEvent).documents
    expect(difference?.update.byteLength).toBeLessThan(2_000)
    Y.applyUpdate(device, difference?.update as Uint8Array)
    expect(device.getArray('messages').toJSON()).toEqual(doc.getArray('messages').toJSON())
    expect(device.store.pendingStructs).toBeNull()
  })

  it('[RPL1][RPL8] a few events bring what was missed of a long document, which is not loaded for that', async () => {
    const { server, clients } = await start(alice)
    const a = clients[0] as RelayClient
    const doc = await write(a, numbered(100))
    const { cursor } = await a.request('before', { ...KINDS, after: '', states: false })
    const device = copyOf(Y.encodeStateAsUpdate(doc))
    doc.once('update', (update: Uint8Array) => void a.publish(chatEvent(alice, { update })))
    doc.getArray('messages').delete(3, 40)
    await write(a, numbered(20, 'later'), { doc })
    const { events } = await a.request('late', { ...KINDS, after: cursor })
    expect(events).toHaveLength(1)
    for (const { update } of open(events[0] as NostrEvent).documents) Y.applyUpdate(device, update)
    expect(device.getArray('messages').toJSON()).toEqual(doc.getArray('messages').toJSON())
    expect(await loadedBytes(server)).toBe(0)
    await a.request('new', { ...KINDS, after: '' })
    expect(await loadedBytes(server)).toBeGreaterThan(0)
  })

  it('[RPL8] a document that has not changed since its state was kept is not loaded either', async () => {
    const data = mkdtempSync(join(tmpdir(), 'onyx-sync-replay-'))
    const first = await runServer({ data })
    const doc = await write(await connect(first, alice), numbered(100))
    await (await connect(first, alice)).request('new', { ...KINDS, after: '' })
    await first.close()
    const second = await runServer({ data })
    const client = await connect(second, alice)
    const { events } = await client.request('new', { ...KINDS, after: '' })
    const { documents } = open(events[0] as NostrEvent)
    expect(
      copyOf(...documents.map(({ update }) => update))
        .getArray('messages')
        .toJSON(),
    ).toEqual(doc.getArray('messages').toJSON())
    expect(await loadedBytes(second)).toBe(0)
    await write(client, ['one more'], { doc })
    const { events: more } = await client.request('again', { ...KINDS, after: '' })
    const updates = open(more[0] as NostrEvent).documents.map(({ update }) => update)
    expect(
      copyOf(...updates)
        .getArray('messages')
        .toJSON(),
    ).toEqual(doc.getArray('messages').toJSON())
    expect(await loadedBytes(second)).toBeGreaterThan(0)
    await second.close()
    rmSync(data, { recursive: true, force: true })
  })

  it('[RPL1][CHK1] one state brings a reader over a checkpoint that came in between', async () => {
    const { clients } = await start(alice)
    const a = clients[0] as RelayClient
    const doc = await write(a, numbered(10))
    const { events: first, cursor } = await a.request('new', { ...KINDS, after: '' })
    const device = copyOf(...open(first[0] as NostrEvent).documents.map(({ update }) => update))
    await write(a, numbered(10, 'more'), { doc })
    await a.publish(chatEvent(alice, { update: Y.encodeStateAsUpdate(doc), checkpoint: true }))
    await write(a, numbered(10, 'even more'), { doc })
    const { events } = await a.request('late', { ...KINDS, after: cursor })
    expect(events).toHaveLength(1)
    for (const { update } of open(events[0] as NostrEvent).documents) Y.applyUpdate(device, update)
    expect(device.getArray('messages').toJSON()).toEqual(doc.getArray('messages').toJSON())
  })

  it('[RPL2] only for whole documents, and only where they are wanted', async () => {
    const { clients } = await start(alice)
    const a = clients[0] as RelayClient
    const doc = await write(a, numbered(12))
    const authors = [alice.publicKey]
    for (const filter of [{ ...KINDS, after: '', states: false }, { ...KINDS, after: '', authors }, KINDS]) {
      const { events } = await a.request('events', filter)
      expect(statesIn(events)).toEqual([])
      expect(mergedFrom(events).getArray('messages').toJSON()).toEqual(doc.getArray('messages').toJSON())
    }
    const one = await a.request('one', { ...KINDS, after: '', '#d': ['chat'] })
    expect(statesIn(one.events)).toHaveLength(1)
    expect((await a.request('other', { ...KINDS, after: '', '#d': ['else'] })).events).toEqual([])
    expect((await a.request('wrong', { ...KINDS, after: '', states: 'no' })).closedReason).toMatch(
      /^invalid: /,
    )
  })

  it('[RPL3] the owner’s statement of members comes beside the state, and what is known of the log with it', async () => {
    const { clients } = await start(alice, bob)
    const [a, b] = clients as [RelayClient, RelayClient]
    const doc = await write(a, numbered(10))
    const members = membersOf(bob)
    await write(a, ['shared'], { doc, members })
    const stated = (await a.request('events', { ...KINDS, states: false, after: '' })).events.at(-1)
    for (const client of [a, b]) {
      const { events } = await client.request('new', { ...KINDS, after: '' })
      expect(events.map(({ kind }) => kind)).toEqual([20002, 30001])
      expect(events[1]?.id).toBe(stated?.id)
      const [document] = open(events[0] as NostrEvent).documents
      expect(document?.log?.statedAt).toBe(stated?.created_at)
      expect(document?.log?.bytes).toBeGreaterThan(11 * 400)
    }
  })

  it('[RPL4][PERM5] never goes to who may not read the document', async () => {
    const { clients } = await start(alice, bob)
    const [a, b] = clients as [RelayClient, RelayClient]
    const doc = await write(a, numbered(10), { members: membersOf(bob) })
    expect(statesIn((await b.request('member', { ...KINDS, after: '' })).events)).toHaveLength(1)
    await write(a, numbered(1), { doc, members: [] })
    expect((await b.request('removed', { ...KINDS, after: '' })).events).toEqual([])
    expect((await b.request('named', { ...KINDS, after: '', '#d': ['chat'] })).events).toEqual([])
  })

  it('[RPL4] a document that is too large for one event comes in parts', async () => {
    const server = await runServer({ limits: { maxEventBytes: 60_000 } })
    const a = await connect(server, alice)
    const doc = await write(
      a,
      Array.from({ length: 10 }, (_, n) => noise(20_000, `n${n}`)),
    )
    const { events } = await a.request('new', { ...KINDS, after: '' })
    const parts = statesIn(events).map(open)
    expect(parts.length).toBeGreaterThan(3)
    expect(events.every((event) => JSON.stringify(event).length <= 60_000)).toBe(true)
    expect(parts.map(({ part }) => part?.index)).toEqual(parts.map((_, index) => index))
    const whole = copyOf(Y.mergeUpdates(parts.map(({ documents }) => documents[0]?.update as Uint8Array)))
    expect(whole.getArray('messages').toJSON()).toEqual(doc.getArray('messages').toJSON())
  })

  it('[RPL4] a document comes in parts that each unfold to what a reader takes', async () => {
    const server = await runServer({ limits: { maxUpdateBytes: 30_000 } })
    const a = await connect(server, alice)
    const doc = await write(
      a,
      Array.from({ length: 10 }, (_, n) => noise(10_000, `n${n}`)),
    )
    const { events } = await a.request('new', { ...KINDS, after: '' })
    const limits = { ...DEFAULT_LIMITS, maxUpdateBytes: 30_000 }
    const parts = statesIn(events).map((event) => parseStateEvent(event, limits))
    expect(parts.length).toBeGreaterThan(1)
    const whole = copyOf(Y.mergeUpdates(parts.map(({ documents }) => documents[0]?.update as Uint8Array)))
    expect(whole.getArray('messages').toJSON()).toEqual(doc.getArray('messages').toJSON())
  })

  it('[RPL4] a document that waits for something missing comes as events', async () => {
    const { clients } = await start(alice)
    const a = clients[0] as RelayClient
    const doc = await write(a, numbered(10))
    append(doc, 'never sent')
    await a.publish(chatEvent(alice, { update: append(doc, 'hangs') }))
    const { events } = await a.request('new', { ...KINDS, after: '' })
    expect(statesIn(events)).toEqual([])
    expect(events).toHaveLength(11)
  })

  it('[RPL5] a checkpoint that repeats what a reader has is not sent to it', async () => {
    const { clients } = await start(alice)
    const a = clients[0] as RelayClient
    const doc = await write(a, numbered(12))
    const { cursor } = await a.request('new', { ...KINDS, after: '' })
    await a.publish(chatEvent(alice, { update: Y.encodeStateAsUpdate(doc), checkpoint: true }))
    const late = await a.request('late', { ...KINDS, after: cursor })
    expect(late.events).toEqual([])
    expect(late.cursor).not.toBe(cursor)
  })
})
