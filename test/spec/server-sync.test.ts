import { createMemoryLog, openLevelLog } from '@onyx-sync/server'
import { EMPTY_ROSTER, type NostrEvent } from '@onyx-sync/shared'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { chatEvent, membersOf, settingsEvent, testKey, trainingEvent } from '../support/events.js'
import type { RelayClient } from '../support/relay-client.js'
import { connect, runServer } from '../support/servers.js'
import { temporaryDirectory } from '../support/temporary-directory.js'

const alice = testKey(1)
const bob = testKey(2)
const carol = testKey(3)
const ids = (events: readonly { id: string }[]): string[] => events.map(({ id }) => id)
const idsOf = (client: RelayClient, subscription: string): string[] =>
  client.eventsOf(subscription).map(({ event }) => event.id)

afterEach(() => {
  vi.restoreAllMocks()
})

async function publishAll(client: RelayClient, events: readonly NostrEvent[]): Promise<void> {
  for (const event of events) client.send('EVENT', event)
  const last = events[events.length - 1]
  await client.waitFor(([type, id]) => type === 'OK' && id === last?.id)
}

describe('reading with the sync extension', () => {
  it('[REP1] after a cursor comes what changed since, in the order of the log, then the next cursor', async () => {
    const client = await connect(await runServer(), alice)
    const first = [chatEvent(alice, { createdAt: 900 }), settingsEvent(alice, 'a', 'b', 100)]
    await publishAll(client, first)
    const begun = await client.request('s', { after: '' })
    expect(ids(begun.events)).toEqual(ids(first))
    expect(begun.hints).toEqual(['finish', `cursor:${begun.cursor}`])
    client.send('CLOSE', 's')
    const second = [trainingEvent(alice, 'x', 1), chatEvent(alice, { createdAt: 5 })]
    await publishAll(client, second)
    const next = await client.request('s', { after: begun.cursor })
    expect(ids(next.events)).toEqual(ids(second))
    expect(next.cursor).not.toBe(begun.cursor)
  })

  it('[REP1] nothing changed, nothing sent: the cursor stays', async () => {
    const client = await connect(await runServer(), alice)
    await publishAll(client, [chatEvent(alice)])
    const { cursor } = await client.request('s', { after: '' })
    const again = await client.request('s', { after: cursor })
    expect(again).toEqual({
      events: [],
      hints: ['finish', `cursor:${cursor}`],
      cursor,
      closedReason: undefined,
    })
    const empty = await connect(await runServer(), alice)
    expect((await empty.request('s', { after: '' })).events).toEqual([])
  })

  it('[REP2] live events carry the cursor that covers them', async () => {
    const server = await runServer()
    const [writer, reader] = [await connect(server, alice), await connect(server, alice)]
    await reader.request('s', { after: '' })
    const events = [chatEvent(alice), chatEvent(alice), trainingEvent(alice)]
    await publishAll(writer, events)
    await reader.waitForEvent('s', (events[2] as NostrEvent).id)
    const live = reader.eventsOf('s')
    expect(live.map(({ event }) => event.id)).toEqual(ids(events))
    for (const [index, { cursor }] of live.entries()) {
      const rest = await writer.request('rest', { after: cursor })
      expect(ids(rest.events)).toEqual(ids(events.slice(index + 1)))
    }
  })

  it('[REP1] the other fields of the filters hold; all filters carry the same cursor, or none', async () => {
    const client = await connect(await runServer(), alice)
    const events = [chatEvent(alice), settingsEvent(alice, 'a', 'b'), trainingEvent(alice)]
    await publishAll(client, events)
    const answer = await client.request('s', { kinds: [10001], after: '' }, { kinds: [1], after: '' })
    expect(ids(answer.events)).toEqual(ids(events.slice(1)))
    for (const filters of [
      [{ after: '' }, {}],
      [{ after: '' }, { after: answer.cursor }],
      [{ after: '', limit: 1 }],
      [{ after: '', since: 1 }],
      [{ after: 5 }],
    ]) {
      expect((await client.request('s', ...filters)).closedReason).toMatch(/^invalid: /)
    }
  })

  it('[REP3][S3] events that are published while readings go on arrive exactly once in each', async () => {
    // No signatures to check, so that many small commits fall between the steps of many readings.
    const server = await runServer({ verifier: { name: 'none', verify() {} } })
    const [writer, reader] = [await connect(server, alice), await connect(server, alice)]
    const sample = chatEvent(alice)
    const events = Array.from({ length: 500 }, (_, index) => ({
      ...sample,
      id: index.toString(16).padStart(64, '0'),
      created_at: 1_000 + index,
    }))
    await publishAll(writer, events.slice(0, 100))
    const writing = (async () => {
      for (const event of events.slice(100)) await writer.publish(event)
    })()
    const rounds = 60
    for (let round = 0; round < rounds; round++) {
      await reader.request(`s${round}`, round % 2 === 0 ? { after: '', states: false } : { kinds: [30001] })
    }
    await writing
    for (let round = 0; round < rounds; round++) {
      await reader.waitForEvent(`s${round}`, (events[499] as NostrEvent).id)
      const received = idsOf(reader, `s${round}`)
      // A plain reading brings what is stored newest first.
      expect([round, round % 2 === 0 ? received : received.sort()]).toEqual([round, ids(events)])
    }
  })

  it('[REP3][S3] an event that lands while the store is being read arrives exactly once', async () => {
    const log = createMemoryLog()
    const server = await runServer({ log })
    const [writer, reader] = [await connect(server, alice), await connect(server, alice)]
    const first = chatEvent(alice)
    const landing = chatEvent(alice)
    await writer.publish(first)
    // The reading has its first page from the store, and waits; then the event is stored and published.
    const load = log.load.bind(log)
    vi.spyOn(log, 'load').mockImplementationOnce(async (seqs) => {
      const texts = await load(seqs)
      expect((await writer.publish(landing)).accepted).toBe(true)
      return texts
    })
    reader.send('REQ', 's', { after: '' })
    await reader.waitForEvent('s', landing.id)
    await reader.settle()
    expect(idsOf(reader, 's')).toEqual(ids([first, landing]))
    expect(reader.messages.filter(([type]) => type === 'EOSE')).toHaveLength(1)
  })

  it('[REP4] a cursor of another database, or ahead of this one, starts over and says "reset"', async () => {
    const data = temporaryDirectory()
    const server = await runServer({ data })
    const client = await connect(server, alice)
    const events = [chatEvent(alice), chatEvent(alice)]
    await publishAll(client, events)
    const { cursor } = await client.request('s', { after: '' })

    const other = await connect(await runServer(), alice)
    await publishAll(other, events.slice(0, 1))
    const elsewhere = await other.request('s', { after: cursor })
    expect(ids(elsewhere.events)).toEqual(ids(events.slice(0, 1)))
    expect(elsewhere.hints).toEqual(['finish', `cursor:${elsewhere.cursor}`, 'reset'])
    expect((await other.request('s', { after: elsewhere.cursor })).hints).not.toContain('reset')

    // The same database, set back to before the second event.
    const backup = createMemoryLog({ databaseId: cursor.split('.')[1] as string })
    const restored = await connect(await runServer({ log: backup }), alice)
    await publishAll(restored, events.slice(0, 1))
    const setBack = await restored.request('s', { after: cursor })
    expect(ids(setBack.events)).toEqual(ids(events.slice(0, 1)))
    expect(setBack.hints).toContain('reset')
    // And when it has grown past the cursor since, by other events.
    const grown = [chatEvent(alice), chatEvent(alice), chatEvent(alice)]
    await publishAll(restored, grown)
    const regrown = await restored.request('s', { after: cursor })
    expect(ids(regrown.events)).toEqual(ids([...events.slice(0, 1), ...grown]))
    expect(regrown.hints).toContain('reset')
  })

  it('[REP4] a cursor outlives the server; one that is none is refused', async () => {
    const data = temporaryDirectory()
    const first = await runServer({ data })
    const client = await connect(first, alice)
    await client.publish(chatEvent(alice))
    const { cursor } = await client.request('s', { after: '' })
    await first.close()
    const again = await connect(await runServer({ data }), alice)
    expect(await again.request('s', { after: cursor })).toMatchObject({ events: [], cursor })
    for (const text of ['x', '1.2.3', `${cursor}x.`, ' ']) {
      expect((await again.request('s', { after: text })).closedReason).toMatch(/^invalid: .*cursor/)
    }
  })

  it('[REP5] a cursor of other keys starts over; a key that authenticates later changes no open subscription', async () => {
    const server = await runServer()
    const [a, b] = [await connect(server, alice), await connect(server, bob)]
    const own = chatEvent(alice)
    const others = chatEvent(bob)
    await a.publish(own)
    await b.publish(others)
    const { cursor } = await a.request('s', { after: '' })
    await a.auth(bob)
    await b.publish(chatEvent(bob))
    await a.settle()
    expect(idsOf(a, 's')).toEqual([own.id])
    const both = await a.request('t', { after: cursor })
    expect(both.hints).toContain('reset')
    expect(ids(both.events).slice(0, 2)).toEqual([own.id, others.id])
    expect((await a.request('u', { after: both.cursor })).events).toEqual([])
  })

  it('[REP6] who becomes a member gets the whole document at that point, each event exactly once', async () => {
    const server = await runServer()
    const [a, b] = [await connect(server, alice), await connect(server, bob)]
    const early = [chatEvent(alice), chatEvent(alice)]
    const own = chatEvent(bob)
    await publishAll(a, early)
    await b.publish(own)
    const { cursor } = await b.request('live', { after: '' })
    await b.request('plain', { kinds: [30001] })
    const granting = chatEvent(alice, { members: membersOf(bob) })
    const late = chatEvent(bob, { owner: alice })
    await a.publish(granting)
    await b.publish(late)
    const whole = ids([...early, granting, late])
    await b.waitForEvent('live', late.id)
    await b.waitForEvent('plain', late.id)
    expect(idsOf(b, 'live')).toEqual([own.id, ...whole])
    expect(idsOf(b, 'plain')).toEqual([own.id, ...whole])
    expect(b.messages.filter(([type, id]) => type === 'EOSE' && id === 'live')).toHaveLength(1)
    // The same for a device that was away, and for one that is new.
    expect(ids((await b.request('away', { after: cursor })).events)).toEqual(whole)
    expect(ids((await b.request('new', { after: '' })).events)).toEqual([own.id, ...whole])
  })

  it('[REP6] whoever stops within a document that is being brought gets it again as a whole', async () => {
    const server = await runServer()
    const [a, b] = [await connect(server, alice), await connect(server, bob)]
    const early = [chatEvent(alice), chatEvent(bob), chatEvent(alice)]
    await a.auth(bob)
    await publishAll(a, early)
    const { cursor: before } = await b.request('live', { after: '' })
    const granting = chatEvent(alice, { members: membersOf(bob) })
    await a.publish(granting)
    await b.waitForEvent('live', granting.id)
    const whole = ids([early[0], early[2], granting] as NostrEvent[])
    const cursors = b.eventsOf('live').map(({ cursor }) => cursor)
    expect(idsOf(b, 'live').slice(1)).toEqual(whole)
    const last = cursors.pop()
    for (const cursor of [before, ...cursors.filter((text) => text !== undefined)].slice(1)) {
      expect(ids((await b.request('s', { after: cursor })).events)).toEqual(whole)
    }
    expect((await b.request('s', { after: last })).events).toEqual([])
  })

  it('[REP6] removed and taken back, a member gets the document again; the last grant counts', async () => {
    const server = await runServer()
    const [a, b] = [await connect(server, alice), await connect(server, bob)]
    const { cursor } = await b.request('s', { after: '' })
    const events = [
      chatEvent(alice, { members: membersOf(bob) }),
      chatEvent(alice),
      chatEvent(alice),
      chatEvent(alice, { members: membersOf(bob) }),
      chatEvent(alice, { members: membersOf(bob, carol) }),
    ]
    for (const event of events) await a.publish(event)
    expect(ids((await b.request('away', { after: cursor })).events)).toEqual(ids(events))
    const c = await connect(server, carol)
    expect(ids((await c.request('new', { after: '' })).events)).toEqual(ids(events))
  })

  it('[REP6] with several keys a document comes once: for its owner, and for the member who had it first', async () => {
    const server = await runServer()
    const a = await connect(server, alice)
    const early = chatEvent(alice)
    const toBob = chatEvent(alice, { members: membersOf(bob) })
    const toBoth = chatEvent(alice, { members: membersOf(bob, carol) })
    const late = chatEvent(alice, { members: membersOf(bob, carol) })
    const members = await connect(server, bob, carol)
    const everybody = await connect(server, alice, bob, carol)
    await a.publish(early)
    await members.request('live', { after: '' })
    await everybody.request('live', { after: '' })
    for (const event of [toBob, toBoth, late]) {
      await a.publish(event)
      await members.waitForEvent('live', event.id)
      await everybody.waitForEvent('live', event.id)
    }
    const whole = ids([early, toBob, toBoth, late])
    for (const client of [members, everybody]) {
      await client.settle()
      expect(idsOf(client, 'live')).toEqual(whole)
      expect(ids((await client.request('new', { after: '' })).events)).toEqual(whole)
    }
  })

  it('[REP7][S9] who loses a document while it is being sent gets nothing more of it', async () => {
    const log = createMemoryLog()
    const server = await runServer({ log })
    const [a, b] = [await connect(server, alice), await connect(server, bob)]
    await publishAll(a, [
      chatEvent(alice, { members: membersOf(bob) }),
      chatEvent(alice, { members: membersOf(bob) }),
    ])
    const own = chatEvent(bob)
    await b.publish(own)
    const documents = log.documents.bind(log)
    let lookups = 0
    let isRemoved = false
    vi.spyOn(log, 'documents').mockImplementation(async (addresses) => {
      const records = await documents(addresses)
      lookups++
      // The first look is for what was granted, the second for what may be sent. That permission has been
      // looked up; before it is used, the member is removed.
      if (lookups === 2) {
        isRemoved = true
        expect((await a.publish(chatEvent(alice))).accepted).toBe(true)
      }
      return records
    })
    const answer = await b.request('s', { after: '' })
    expect(isRemoved).toBe(true)
    expect(ids(answer.events)).toEqual([own.id])
  })

  it('[REP8][S10] a backfill larger than any page is complete, also with equal times', async () => {
    const data = temporaryDirectory()
    const total = 5_000
    await fill(data, total)
    const client = await connect(await runServer({ data }), alice)
    const synced = await client.request('s', { after: '' })
    expect(synced.events).toHaveLength(total)
    expect(new Set(ids(synced.events)).size).toBe(total)
    const plain = await client.request('p', {})
    expect(plain.hints).toEqual(['finish'])
    expect(ids(plain.events)).toEqual(ids(synced.events).sort())
    // Page by page with `limit` and `until`, as a plain client would.
    const paged = await client.request('q', { limit: 4_999 })
    expect([paged.events.length, paged.hints]).toEqual([4_999, ['more']])
  })

  it('[REP8][S7] a reader that is slow gets everything, and the server holds little for it', async () => {
    const data = temporaryDirectory()
    await fill(data, 400, 20_000)
    const server = await runServer({ data, limits: { maxQueuedBytes: 3_000_000 } })
    const [slow, writer] = [await connect(server, alice), await connect(server, alice)]
    slow.socket.pause()
    slow.send('REQ', 's', { after: '' })
    slow.send('REQ', 'p', {})
    const live = chatEvent(alice)
    await writer.publish(live)
    expect((await writer.request('s', { after: '' })).events).toHaveLength(401)
    slow.socket.resume()
    await slow.waitForEvent('s', live.id)
    await slow.waitForEvent('p', live.id)
    expect(new Set(idsOf(slow, 's')).size).toBe(401)
    expect(idsOf(slow, 's')).toHaveLength(401)
    expect(idsOf(slow, 'p')).toHaveLength(401)
  })
})

/** Writes events straight to the log: signing thousands would take the test's whole time. */
async function fill(data: string, total: number, contentLength = 10): Promise<void> {
  const log = await openLevelLog(data)
  const owner = alice.publicKey
  const address = `30001:${owner}:big`
  const sample = chatEvent(alice, { chatId: 'big', createdAt: 1_000 })
  await log.commit({
    events: Array.from({ length: total }, (_, index) => {
      const id = (index + 1).toString(16).padStart(64, '0')
      const event = { ...sample, id, content: 'A'.repeat(contentLength) }
      const json = JSON.stringify(event)
      return {
        seq: index + 1,
        id,
        pubkey: owner,
        kind: 30001,
        createdAt: 1_000,
        json,
        address,
        owner,
        readers: [owner],
      }
    }),
    documents: [
      {
        address,
        owner,
        members: [],
        roster: EMPTY_ROSTER,
        rosterSeqs: [total],
        rosterSeq: 0,
        headSeq: total,
        contentSeq: total,
        eventCount: total,
        byteCount: total * contentLength,
      },
    ],
    grants: [],
    revocations: [],
  })
  await log.close()
}
