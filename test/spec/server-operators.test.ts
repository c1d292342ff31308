import { createMemoryLog, type SyncServer, type SyncServerOptions } from '@onyx-sync/server'
import { systemClock } from '@onyx-sync/shared'
import { nip77 } from 'nostr-tools'
import { describe, expect, it } from 'vitest'
import {
  client as awareness,
  chatAddressText,
  chatEvent,
  deletionEvent,
  membersOf,
  presenceEvent,
  settingsEvent,
  sign,
  type TestKey,
  testKey,
  trainingEvent,
} from '../support/events.js'
import type { RelayClient } from '../support/relay-client.js'
import { connect, runServer } from '../support/servers.js'
import { temporaryDirectory } from '../support/temporary-directory.js'

const operator = testKey(9)
const alice = testKey(1)
const bob = testKey(2)
const carol = testKey(3)
const operators = [operator.publicKey]

async function count(client: RelayClient, ...filters: readonly object[]): Promise<unknown> {
  const from = client.messages.length
  client.send('COUNT', 'count', ...filters)
  return (await client.waitFor(([type]) => type === 'COUNT', from))[2]
}

/** Three contributions of two authors, at the times 1, 2 and 3, beside what is nobody else's. */
async function setUp(options: Partial<SyncServerOptions> = {}) {
  const server = await runServer({ operators, ...options })
  const [a, b, o] = [
    await connect(server, alice),
    await connect(server, bob),
    await connect(server, operator),
  ]
  const one = trainingEvent(alice, 'one', 1)
  const two = trainingEvent(bob, 'two', 2)
  const three = trainingEvent(alice, 'three', 3)
  const chat = chatEvent(alice, { chatId: 'secret', members: membersOf(bob) })
  const settings = settingsEvent(alice, 'theme', 'dark')
  for (const event of [three, chat, settings, one]) await a.publish(event)
  await b.publish(two)
  return { server, a, b, o, one, two, three, chat, settings }
}

const idsOf = (events: readonly { readonly id: string }[]) => events.map(({ id }) => id)

describe('training data', () => {
  it('[OPR1] of all authors is read by an operator, newest first, filtered, counted and page by page', async () => {
    const { o, one, two, three } = await setUp()
    const all = idsOf([three, two, one])
    const cases: readonly (readonly [object, readonly string[]])[] = [
      [{ kinds: [1] }, all],
      [{}, all],
      [{ kinds: [1, 30001, 10001, 5] }, all],
      [{ '#quality': ['5'] }, all],
      [{ authors: [bob.publicKey] }, [two.id]],
      [{ authors: [bob.publicKey, alice.publicKey, carol.publicKey], kinds: [1] }, all],
      [{ authors: [carol.publicKey] }, []],
      [{ since: 2, until: 2 }, [two.id]],
      [{ ids: [two.id, one.id] }, idsOf([two, one])],
      [{ kinds: [1], '#q': ['x'] }, []],
    ]
    for (const [at, [filter, expected]] of cases.entries()) {
      const { events, hints } = await o.request(`s${at}`, filter)
      expect([idsOf(events), hints]).toEqual([expected, ['finish']])
      expect(await count(o, filter)).toEqual({ count: expected.length })
    }
    const first = await o.request('page', { kinds: [1], limit: 2 })
    expect([idsOf(first.events), first.hints]).toEqual([idsOf([three, two]), ['more']])
    const second = await o.request('page', { kinds: [1], limit: 2, until: 1 })
    expect([idsOf(second.events), second.hints]).toEqual([[one.id], ['finish']])
  })

  it('[OPR1] is compared with an operator by negentropy', async () => {
    const { o, one, two, three } = await setUp()
    const storage = new nip77.NegentropyStorageVector()
    storage.seal()
    const missing: string[] = []
    const negentropy = new nip77.Negentropy(storage)
    let message: string | null = negentropy.initiate()
    for (let type = 'NEG-OPEN'; message !== null; type = 'NEG-MSG') {
      const from = o.messages.length
      if (type === 'NEG-OPEN') o.send(type, 'neg', { kinds: [1] }, message)
      else o.send(type, 'neg', message)
      const answer = await o.waitFor(([kind]) => String(kind).startsWith('NEG-'), from)
      message = negentropy.reconcile(
        String(answer[2]),
        () => {},
        (id: string) => missing.push(id),
      )
    }
    expect(missing.sort()).toEqual(idsOf([one, two, three]).sort())
  })

  it('[OPR1] comes to an operator live, as its filters want it', async () => {
    const { a, b, o } = await setUp()
    await o.request('live', { kinds: [1], limit: 0 })
    await o.request('bobs', { authors: [bob.publicKey], limit: 0 })
    const [mine, his] = [trainingEvent(alice, 'live one'), trainingEvent(bob, 'live two')]
    await a.publish(mine)
    await b.publish(his)
    await o.waitForEvent('live', his.id)
    await o.settle()
    expect(o.eventsOf('live').map(({ event }) => event.id)).toEqual([mine.id, his.id])
    expect(o.eventsOf('bobs').map(({ event }) => event.id)).toEqual([his.id])
  })

  it('[OPR1][S3] that lands between reading and the live feed comes to an operator exactly once', async () => {
    const log = createMemoryLog()
    const server = await runServer({ operators, log })
    const a = await connect(server, alice)
    const o = await connect(server, operator)
    const stored = trainingEvent(alice, 'stored')
    await a.publish(stored)
    const between = [trainingEvent(alice, 'between'), chatEvent(alice, { chatId: 'secret' })]
    const { load } = log
    log.load = async (seqs) => {
      log.load = load
      for (const event of between) await a.publish(event)
      return load(seqs)
    }
    await o.request('s', { kinds: [1, 30001] })
    const last = trainingEvent(alice, 'last')
    await a.publish(last)
    await o.waitForEvent('s', last.id)
    expect(o.eventsOf('s').map(({ event }) => event.id)).toEqual([stored.id, between[0]?.id, last.id])
  })

  it('[OPR1] that its author took back, that has expired or whose author vanished is gone for an operator', async () => {
    let laterMs = 0
    const clock = { ...systemClock, now: () => systemClock.now() + laterMs }
    const { a, b, o, one, two, three } = await setUp({ clock })
    await a.publish(deletionEvent(alice, { ids: [three.id] }))
    const expired = sign(alice, {
      kind: 1,
      created_at: 4,
      tags: [['expiration', String(Math.floor(Date.now() / 1000) + 60)]],
      content: 'short',
    })
    await a.publish(expired)
    expect(idsOf((await o.request('s', { kinds: [1] })).events)).toEqual(idsOf([expired, two, one]))
    const relay = ['relay', 'ALL_RELAYS']
    await b.publish(sign(bob, { kind: 62, created_at: 10, tags: [relay], content: '' }))
    laterMs = 120_000
    expect(idsOf((await o.request('s', { kinds: [1] })).events)).toEqual([one.id])
    expect(await count(o, { kinds: [1] })).toEqual({ count: 1 })
  })

  it('[OPR1] is there for an operator named later, on the data of before', async () => {
    const data = temporaryDirectory()
    const before = await runServer({ data })
    const a = await connect(before, alice)
    const event = trainingEvent(alice)
    await a.publish(event)
    const stranger = await connect(before, operator)
    expect((await stranger.request('s', { kinds: [1] })).events).toEqual([])
    await before.close()
    const after = await runServer({ data, operators })
    const o = await connect(after, operator)
    expect(idsOf((await o.request('s', { kinds: [1] })).events)).toEqual([event.id])
  })
})

/** Everything that a key is shown, asked for in every way. */
async function shownTo(server: SyncServer, key: TestKey, act: () => Promise<unknown>): Promise<RelayClient> {
  const client = await connect(server, key)
  const filters = [{}, { kinds: [1] }, { authors: [alice.publicKey, bob.publicKey] }, { '#d': ['secret'] }]
  for (const [at, filter] of filters.entries()) {
    await client.request(`s${at}`, filter)
    await client.request(`a${at}`, { ...filter, after: '' })
  }
  await client.request('summaries', { kinds: [30001], after: '', summaries: true })
  await act()
  await client.settle()
  return client
}

describe('nobody else, and nothing else', () => {
  it('[OPR2][LEAK1] no other key sees, counts or is told of training data of others', async () => {
    const { server, a, one, two, three, settings } = await setUp()
    for (const key of [carol, bob]) {
      const client = await shownTo(server, key, () => a.publish(trainingEvent(alice, 'live')))
      const shown = client.messages.filter(([type]) => type === 'EVENT').map(([, , event]) => event)
      const kinds = shown.map((event) => (event as { kind: number; pubkey: string }).kind)
      expect(kinds.filter((kind) => kind === 10_001)).toEqual([])
      const foreign = [one, three, settings].map(({ id }) => id)
      expect(idsOf(shown as { id: string }[]).filter((id) => foreign.includes(id))).toEqual([])
      expect(await count(client, { kinds: [1] })).toEqual({ count: key === bob ? 1 : 0 })
      expect(JSON.stringify(client.messages)).not.toContain('"live"')
    }
    // A connection that proved both keys is an operator's.
    const both = await connect(server, carol, operator)
    expect(await count(both, { ids: [one.id, two.id] })).toEqual({ count: 2 })
  })

  it('[OPR2] an operator sees no chats, settings, presence or requests of others', async () => {
    const { server, a } = await setUp()
    const gone = trainingEvent(alice, 'gone')
    const o = await shownTo(server, operator, async () => {
      await a.publish(chatEvent(alice, { chatId: 'secret', members: membersOf(bob) }))
      await a.publish(settingsEvent(alice, 'theme', 'light'))
      await a.publish(presenceEvent(alice, awareness(7, 1), { chatId: 'secret' }))
      await a.publish(gone)
      await a.publish(deletionEvent(alice, { ids: [gone.id] }))
      await a.publish(deletionEvent(alice, { addresses: [chatAddressText(alice, 'secret')] }))
    })
    const kinds = o.messages
      .filter(([type]) => type === 'EVENT')
      .map(([, , event]) => (event as { kind: number }).kind)
    expect(new Set(kinds)).toEqual(new Set([1]))
    expect(await count(o, { kinds: [30001, 10001, 5] })).toEqual({ count: 0 })
  })

  it('[OPR2] a cursor of an operator stands for what is its own, as anybody’s does', async () => {
    const { a, o } = await setUp()
    const { events, cursor } = await o.request('s', { kinds: [1], after: '' })
    expect(events).toEqual([])
    const own = trainingEvent(operator, 'own')
    await a.publish(trainingEvent(alice, 'live'))
    await o.publish(own)
    await o.waitForEvent('s', own.id)
    await o.settle()
    expect(o.eventsOf('s').map(({ event }) => event.id)).toEqual([own.id])
    expect(idsOf((await o.request('t', { kinds: [1], after: cursor })).events)).toEqual([own.id])
  })

  it('[OPR2] who has not proved a key sees none of it', async () => {
    const { server } = await setUp()
    const nobody = await connect(server)
    expect((await nobody.request('s', { kinds: [1] })).closedReason).toMatch(/^auth-required:/)
  })
})
