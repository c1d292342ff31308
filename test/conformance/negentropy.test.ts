import { createMemoryLog } from '@onyx-sync/server'
import type { NostrEvent } from '@onyx-sync/shared'
import { type Filter, nip77 } from 'nostr-tools'
import { finalizeEvent, type VerifiedEvent } from 'nostr-tools/pure'
import { Relay, useWebSocketImplementation } from 'nostr-tools/relay'
import { describe, expect, it, vi } from 'vitest'
import { WebSocket } from 'ws'
import { afterThisTest } from '../support/after-test.js'
import { chatEvent, membersOf, type TestKey, trainingEvent } from '../support/events.js'
import type { RelayClient } from '../support/relay-client.js'
import { connect, runServer } from '../support/servers.js'
import { freshKey, sharedServer } from '../support/shared-server.js'

const { Negentropy, NegentropyStorageVector, NegentropySync } = nip77
useWebSocketImplementation(WebSocket)

const server = sharedServer()
const ids = (events: Iterable<{ id: string }>): string[] => [...events].map(({ id }) => id)

function storageOf(events: Iterable<NostrEvent>): InstanceType<typeof NegentropyStorageVector> {
  const storage = new NegentropyStorageVector()
  for (const { created_at, id } of events) storage.insert(created_at, id)
  storage.seal()
  return storage
}

/** A comparison, message by message, by nostr-tools' engine. Returns the reason where the server ends it. */
async function compare(
  client: RelayClient,
  filter: object,
  have: Iterable<NostrEvent> = [],
): Promise<{ have: string[]; need: string[]; answers: string[]; error?: readonly unknown[] }> {
  const negentropy = new Negentropy(storageOf(have))
  const found = { have: [] as string[], need: [] as string[], answers: [] as string[] }
  const id = 'neg'
  let message: string | null = negentropy.initiate()
  for (let type = 'NEG-OPEN'; message !== null; type = 'NEG-MSG') {
    const from = client.messages.length
    client.send(type, id, ...(type === 'NEG-OPEN' ? [filter] : []), message)
    const answer = await client.waitFor(([kind, sub]) => /^NEG-/.test(String(kind)) && sub === id, from)
    if (answer[0] === 'NEG-ERR') return { ...found, error: answer }
    found.answers.push(String(answer[2]))
    message = negentropy.reconcile(
      String(answer[2]),
      (event) => found.have.push(event),
      (event) => found.need.push(event),
    )
  }
  client.send('NEG-CLOSE', id)
  return found
}

async function relayOf(key: TestKey): Promise<Relay> {
  const relay = await Relay.connect(server.url)
  afterThisTest(() => relay.close())
  const onauth = async (template: Parameters<typeof finalizeEvent>[0]): Promise<VerifiedEvent> =>
    finalizeEvent(template, key.secretKey)
  // It has the challenge once it has been refused.
  await relay.publish(trainingEvent(key)).catch(() => {})
  await relay.auth(onauth)
  return relay
}

function syncBy(relay: Relay, events: readonly NostrEvent[], filter: Filter) {
  return new Promise<{ have: string[]; need: string[] }>((resolve, reject) => {
    const found = { have: [] as string[], need: [] as string[] }
    const sync = new NegentropySync(relay, storageOf(events), filter, {
      onhave: (id) => found.have.push(id),
      onneed: (id) => found.need.push(id),
      onclose: (reason) => (reason === undefined ? resolve(found) : reject(new Error(reason))),
    })
    void sync.start()
  })
}

describe('negentropy (NIP-77)', () => {
  it('[NEG1] nostr-tools’ client learns what it lacks and what it has alone; then both have everything', async () => {
    const alice = freshKey()
    const client = await server.connect(alice)
    // Several hundred, many of one second: several rounds, and bounds that need ids.
    const events = Array.from({ length: 200 }, (_, index) =>
      trainingEvent(alice, `${index}`, 1000 + (index % 7)),
    )
    const common = events.slice(0, 150)
    const onServer = events.slice(150, 180)
    const onClient = events.slice(180)
    for (const event of [...common, ...onServer]) client.send('EVENT', event)
    await client.waitFor(([type, id]) => type === 'OK' && id === onServer.at(-1)?.id)
    const relay = await relayOf(alice)
    const filter = { kinds: [1], authors: [alice.publicKey], since: 1000, until: 1006 }
    const found = await syncBy(relay, [...common, ...onClient], filter)
    expect(found.have.sort()).toEqual(ids(onClient).sort())
    expect(found.need.sort()).toEqual(ids(onServer).sort())
    for (const event of onClient) await relay.publish(event)
    expect(await syncBy(relay, events, filter)).toEqual({ have: [], need: [] })
    expect((await compare(client, filter)).need.sort()).toEqual(ids(events).sort())
    expect((await compare(client, { ...filter, since: 1005 }, events)).have.sort()).toEqual(
      ids(events.filter(({ created_at }) => created_at < 1005)).sort(),
    )
  })

  it('[NEG1] an empty set, a single event, and a limit, which is that of the filter', async () => {
    const alice = freshKey()
    const client = await server.connect(alice)
    expect(await compare(client, {})).toMatchObject({ have: [], need: [] })
    const events = [1, 2, 3].map((createdAt) => trainingEvent(alice, 'x', createdAt))
    const newest = events[2] as NostrEvent
    expect((await compare(client, {}, [newest])).have).toEqual([newest.id])
    for (const event of events) await client.publish(event)
    expect((await compare(client, {}, [newest])).need.sort()).toEqual(ids(events.slice(0, 2)).sort())
    expect((await compare(client, { limit: 1 })).need).toEqual([newest.id])
    expect((await compare(client, { kinds: [7] })).need).toEqual([])
  })

  it('[NEG2][PERM3] compares what the keys may see, and nothing of anybody else’s is in any answer', async () => {
    const [alice, bob, carol] = [freshKey(), freshKey(), freshKey()]
    const [a, b, c] = [await server.connect(alice), await server.connect(bob), await server.connect(carol)]
    const shared = chatEvent(alice, { chatId: 'shared', members: membersOf(bob) })
    const own = [chatEvent(alice, { chatId: 'own' }), trainingEvent(alice)]
    for (const event of [shared, ...own]) await a.publish(event)
    const bobs = trainingEvent(bob)
    await b.publish(bobs)
    const seenBy = async (client: RelayClient, filter: object) => {
      const { need, answers } = await compare(client, filter)
      return { need: need.sort(), answers: answers.join() }
    }
    for (const filter of [{}, { ids: ids([shared, ...own, bobs]) }, { authors: [alice.publicKey] }]) {
      expect((await seenBy(a, filter)).need).toEqual(ids([shared, ...own]).sort())
      const forBob = await seenBy(b, filter)
      expect(forBob.need).toEqual(ids('authors' in filter ? [shared] : [shared, bobs]).sort())
      for (const id of ids(own)) expect(forBob.answers).not.toContain(id)
      const forCarol = await seenBy(c, filter)
      expect(forCarol.need).toEqual([])
      for (const id of ids([shared, ...own, bobs])) expect(forCarol.answers).not.toContain(id)
    }
    // What carol claims to have tells her nothing about who else has it.
    const claimed = await compare(c, {}, [shared, ...own])
    expect(claimed.need).toEqual([])
    expect(claimed.have.sort()).toEqual(ids([shared, ...own]).sort())
  })

  it('[NEG2][PERM5][S9] a key that loses a chat meanwhile gets nothing more of the set it had', async () => {
    const [alice, bob] = [freshKey(), freshKey()]
    const [a, b] = [await server.connect(alice), await server.connect(bob)]
    const shared = chatEvent(alice, { members: membersOf(bob) })
    await a.publish(shared)
    const first = storageOf([])
    b.send('NEG-OPEN', 'neg', {}, new Negentropy(first).initiate())
    expect(String((await b.waitFor(([type]) => type === 'NEG-MSG'))[2])).toContain(shared.id)
    await a.publish(chatEvent(alice))
    const end = await b.waitFor(([type]) => type === 'NEG-ERR')
    expect(end).toEqual(['NEG-ERR', 'neg', expect.stringMatching(/^closed: .*changed/)])
    const from = b.messages.length
    b.send('NEG-MSG', 'neg', new Negentropy(first).initiate())
    expect((await b.waitFor(([type]) => type === 'NEG-ERR', from))[2]).toMatch(/^closed: /)
    expect((await compare(b, {})).need).toEqual([])
  })

  it('[NEG3] too large a set is "blocked:" with the number; too many comparisons are "rate-limited:"', async () => {
    const alice = freshKey()
    const limits = { maxNegentropyRecords: 5, maxNegentropySessions: 2, maxNegentropyRecordsHeld: 9 }
    const small = await runServer({ limits })
    const client = await connect(small, alice)
    const events = [1, 2, 3, 4, 5, 6].map((createdAt) => trainingEvent(alice, 'x', createdAt))
    for (const event of events) await client.publish(event)
    expect((await compare(client, {})).error).toEqual([
      'NEG-ERR',
      'neg',
      expect.stringMatching(/^blocked: /),
      5,
    ])
    expect((await compare(client, { since: 2 })).need).toHaveLength(5)
    const open = async (id: string, from: RelayClient, filter: object) => {
      from.send('NEG-OPEN', id, filter, '6100000200')
      return from.waitFor(([type, sub]) => /^NEG-/.test(String(type)) && sub === id)
    }
    expect((await open('a', client, { kinds: [1], since: 2 }))[0]).toBe('NEG-MSG')
    expect((await open('b', client, { kinds: [7] }))[0]).toBe('NEG-MSG')
    expect((await open('c', client, { kinds: [7] }))[2]).toMatch(/^rate-limited: /)
    // What all connections hold together has a bound as well.
    const other = await connect(small, alice)
    expect((await open('d', other, { since: 2 }))[2]).toMatch(/^rate-limited: .*minute/)
    client.send('NEG-CLOSE', 'a')
    await client.settle()
    expect((await open('e', other, { since: 2 }))[0]).toBe('NEG-MSG')
    await other.close()
    expect((await compare(client, { since: 2 })).need).toHaveLength(5)
  })

  it('[NEG3] an answer has at most maxNegentropyFrameBytes; what didn’t fit comes in later rounds', async () => {
    const alice = freshKey()
    const client = await connect(await runServer({ limits: { maxNegentropyFrameBytes: 4096 } }), alice)
    const events = Array.from({ length: 240 }, (_, index) =>
      trainingEvent(alice, `${index}`, 1 + (index % 3)),
    )
    for (const event of events) client.send('EVENT', event)
    await client.waitFor(([type, id]) => type === 'OK' && id === events.at(-1)?.id)
    const mine = events.filter((_, index) => index % 2 === 0)
    for (const have of [[], mine]) {
      const { need, answers } = await compare(client, {}, have)
      expect([...need].sort()).toEqual(ids(events.filter((event) => !have.includes(event))).sort())
      expect(answers.length).toBeGreaterThan(2)
      for (const answer of answers) expect(answer.length).toBeLessThanOrEqual(2 * 4096)
    }
  })

  it('[NEG3] a comparison in which nothing comes is "closed:", and its memory is free again', async () => {
    const alice = freshKey()
    const limits = { maxNegentropyIdleSeconds: 0.05, maxNegentropySessions: 1 }
    const client = await connect(await runServer({ limits }), alice)
    client.send('NEG-OPEN', 'idle', {}, '6100000200')
    expect(await client.waitFor(([type]) => type === 'NEG-ERR')).toEqual([
      'NEG-ERR',
      'idle',
      expect.stringMatching(/^closed: /),
    ])
    expect((await compare(client, {})).error).toBeUndefined()
  })

  it('[NEG4] what is malformed is answered with NEG-ERR and a reason; the connection goes on', async () => {
    const alice = freshKey()
    const client = await server.connect(alice)
    const answerTo = async (...message: unknown[]) => {
      const from = client.messages.length
      client.send(...message)
      const answer = await client.waitFor(([type]) => type !== 'OK', from)
      expect(answer.slice(0, 2)).toEqual(['NEG-ERR', 'x'])
      return String(answer[2])
    }
    const bad: unknown[][] = [
      ['NEG-OPEN', 'x'],
      ['NEG-OPEN', 'x', {}],
      ['NEG-OPEN', 'x', {}, 5],
      ['NEG-OPEN', 'x', {}, ''],
      ['NEG-OPEN', 'x', {}, '6'],
      ['NEG-OPEN', 'x', {}, 'zz'],
      ['NEG-OPEN', 'x', null, '61'],
      ['NEG-OPEN', 'x', [{}], '61'],
      ['NEG-OPEN', 'x', { ids: ['A'.repeat(64)] }, '61'],
      ['NEG-OPEN', 'x', { after: '' }, '61'],
      // Another protocol, a bound that ends too early, too long an id, no such mode, ids that are missing.
      ['NEG-OPEN', 'x', {}, '00'],
      ['NEG-OPEN', 'x', {}, '6101'],
      ['NEG-OPEN', 'x', {}, '610021'],
      ['NEG-OPEN', 'x', {}, '61000003'],
      ['NEG-OPEN', 'x', {}, '61000001ff'],
      ['NEG-OPEN', 'x', {}, '610000028fffffffffffffff7f'],
      ['NEG-OPEN', 'x', {}, `61${'ff'.repeat(12)}7f0000`],
    ]
    for (const message of bad)
      expect([message, await answerTo(...message)]).toEqual([message, expect.stringMatching(/^invalid: /)])
    expect(await answerTo('NEG-MSG', 'x', '61')).toMatch(/^closed: /)
    for (const [type, id] of [
      ['NEG-OPEN', ''],
      ['NEG-OPEN', 'y'.repeat(65)],
      ['NEG-MSG', 7],
    ]) {
      const from = client.messages.length
      client.send(type, id, {}, '61')
      expect((await client.waitFor(([kind]) => kind === 'NOTICE', from))[1]).toMatch(/^invalid: /)
    }
    expect((await compare(client, {})).error).toBeUndefined()
  })

  it('[NEG4] a newer version is answered with ours; a wrong NEG-MSG ends its comparison', async () => {
    const client = await server.connect(freshKey())
    client.send('NEG-OPEN', 'v2', {}, '62ffff')
    expect(await client.waitFor(([type]) => type === 'NEG-MSG')).toEqual(['NEG-MSG', 'v2', '61'])
    client.send('NEG-MSG', 'v2', 'nonsense')
    expect((await client.waitFor(([type]) => type === 'NEG-ERR'))[2]).toMatch(/^invalid: /)
    const from = client.messages.length
    client.send('NEG-MSG', 'v2', '61')
    expect((await client.waitFor(([type]) => type === 'NEG-ERR', from))[2]).toMatch(/^closed: /)
  })

  it('[NEG4] ids are apart from those of REQ; NEG-OPEN with an open id replaces it; NEG-CLOSE ends it', async () => {
    const alice = freshKey()
    const client = await server.connect(alice)
    const event = trainingEvent(alice)
    await client.publish(event)
    await client.request('same', { kinds: [1] })
    client.send('NEG-OPEN', 'same', { kinds: [7] }, '6100000200')
    expect((await client.waitFor(([type]) => type === 'NEG-MSG'))[2]).not.toContain(event.id)
    const from = client.messages.length
    client.send('NEG-OPEN', 'same', { kinds: [1] }, '6100000200')
    expect((await client.waitFor(([type]) => type === 'NEG-MSG', from))[2]).toContain(event.id)
    client.send('NEG-CLOSE', 'same')
    client.send('NEG-CLOSE', 'never opened')
    client.send('NEG-MSG', 'same', '61')
    expect((await client.waitFor(([type]) => type === 'NEG-ERR'))[2]).toMatch(/^closed: /)
    const live = trainingEvent(alice)
    await client.publish(live)
    await client.waitForEvent('same', live.id)
  })

  it('[NEG4] a message that comes before the answer is refused, and the comparison with it', async () => {
    const alice = freshKey()
    const log = createMemoryLog()
    const client = await connect(await runServer({ log }), alice)
    await client.publish(trainingEvent(alice))
    let release = (): void => {}
    const held = new Promise<void>((resolve) => {
      release = resolve
    })
    const load = log.load.bind(log)
    vi.spyOn(log, 'load').mockImplementation((seqs) => held.then(() => load(seqs)))
    client.send('NEG-OPEN', 'fast', {}, '6100000200')
    client.send('NEG-MSG', 'fast', '6100000200')
    expect((await client.waitFor(([type]) => type === 'NEG-ERR'))[2]).toMatch(/^invalid: wait/)
    release()
    await client.request('s', {})
    expect(client.messages.filter(([type, id]) => type === 'NEG-MSG' && id === 'fast')).toEqual([])
  })

  it('[NEG4] a store that can’t be read is an "error:", without its details', async () => {
    const log = createMemoryLog()
    const client = await connect(await runServer({ log }), freshKey())
    vi.spyOn(log, 'ownerLog').mockImplementationOnce(() => {
      throw new Error('EIO')
    })
    expect((await compare(client, {})).error).toEqual(['NEG-ERR', 'neg', 'error: reading failed; ask again'])
    expect((await compare(client, {})).error).toBeUndefined()
  })
})
