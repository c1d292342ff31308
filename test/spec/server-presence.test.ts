import { createMemoryLog, createRelay, type DocumentRecord } from '@onyx-sync/server'
import {
  DEFAULT_LIMITS,
  type NostrEvent,
  parsePresence,
  pureVerifier,
  silentLogger,
  systemClock,
  systemRandom,
} from '@onyx-sync/shared'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { Awareness, applyAwarenessUpdate } from 'y-protocols/awareness'
import * as Y from 'yjs'
import {
  authEvent,
  chatAddressText,
  chatEvent,
  client,
  membersOf,
  presenceEvent,
  settingsEvent,
  sign,
  testKey,
} from '../support/events.js'
import type { RelayClient } from '../support/relay-client.js'
import { connect, metricsOf, runServer } from '../support/servers.js'

const alice = testKey(1)
const bob = testKey(2)
const carol = testKey(3)
const KINDS = { kinds: [20001] }
const accepted = { accepted: true, reason: '' }

afterEach(() => {
  vi.restoreAllMocks()
})

/** Ids of the presence events that a subscription has brought so far. */
const idsOf = (reader: RelayClient, subscription: string): string[] =>
  reader
    .eventsOf(subscription)
    .filter(({ event }) => event.kind === 20001)
    .map(({ event }) => event.id)

const entriesOf = (event: NostrEvent) => parsePresence(event, DEFAULT_LIMITS).entries

/** What the server took back on a subscription so far: it signs by itself. */
const removalsOf = (reader: RelayClient, subscription: string) =>
  reader
    .eventsOf(subscription)
    .filter(({ event }) => event.kind === 20001)
    .filter(({ event }) => ![alice, bob, carol].some(({ publicKey }) => publicKey === event.pubkey))
    .map(({ event }) => ({ pubkey: event.pubkey, entries: entriesOf(event), event }))

/** Waits for the n-th removal on a subscription. */
async function removal(reader: RelayClient, subscription: string, count = 1) {
  await reader.waitFor(() => removalsOf(reader, subscription).length >= count)
  return removalsOf(reader, subscription)[count - 1] as ReturnType<typeof removalsOf>[number]
}

/** A server with a chat of alice's in which bob is a member, and a connection for each of them. */
async function sharedChat(options: Parameters<typeof runServer>[0] = {}) {
  const server = await runServer(options)
  const [a, b] = [await connect(server, alice), await connect(server, bob)]
  await a.publish(chatEvent(alice, { members: membersOf(bob) }))
  return { server, a, b }
}

/** Waits until a server counts so many connections. */
async function connectionsOf(url: string, count: number): Promise<void> {
  await vi.waitFor(async () =>
    expect(await metricsOf({ url })).toContain(`\nonyx_sync_connections ${count}\n`),
  )
}

async function serverKeyOf(url: string): Promise<string> {
  const response = await fetch(url.replace('ws', 'http'), { headers: { Accept: 'application/nostr+json' } })
  return ((await response.json()) as { self: string }).self
}

describe('taking presence', () => {
  it('[PRS1] refuses what is malformed, and says why', async () => {
    const a = await connect(await runServer(), alice)
    const good = presenceEvent(alice, client(1, 1))
    const cases: [Partial<NostrEvent>, RegExp][] = [
      [{ content: 'not base64!' }, /^invalid: .*base64/],
      [{ content: '' }, /^invalid: .*awareness update/],
      [{ content: 'AQEB' }, /^invalid: .*awareness update/],
      [{ content: 'A'.repeat(8_000) }, /^invalid: .*4096 bytes/],
      [{ tags: [['-']] }, /^invalid: .*a tag/],
      [{ tags: [...good.tags, ['a', chatAddressText(alice, 'other')]] }, /^invalid: .*a tag/],
    ]
    for (const [change, reason] of cases) {
      const answer = await a.publish(sign(alice, { ...good, ...change }))
      expect(answer).toEqual({ accepted: false, reason: expect.stringMatching(reason) })
    }
    expect(await a.publish(good)).toEqual(accepted)
  })

  it('[PRS2] only from an author who is on this connection, with id and signature right', async () => {
    const server = await runServer()
    const stranger = await connect(server)
    const good = presenceEvent(alice, client(1, 1))
    expect((await stranger.publish(good)).reason).toMatch(/^auth-required: /)
    expect((await stranger.publish({ kind: 20001 })).reason).toMatch(/^invalid: /)
    const a = await connect(server, alice)
    expect((await a.publish({ ...good, id: 'f'.repeat(64) })).reason).toMatch(/^invalid: .*id/)
    expect((await a.publish({ ...good, sig: 'f'.repeat(128) })).reason).toMatch(/^invalid: .*sig/)
    expect((await a.publish(presenceEvent(bob, client(1, 1)))).reason).toMatch(/^restricted: .*author/)
  })

  it('[PRS2] only from who may read the document at that moment', async () => {
    const server = await runServer()
    const [a, b, c] = [await connect(server, alice), await connect(server, bob), await connect(server, carol)]
    const say = (who: RelayClient, key: typeof alice, clock: number) =>
      who.publish(presenceEvent(key, client(clock, clock), { owner: alice }))
    // Before there is a chat, it is its owner's.
    expect(await say(a, alice, 1)).toEqual(accepted)
    expect((await say(b, bob, 2)).reason).toMatch(/^restricted: .*member/)
    await a.publish(chatEvent(alice, { members: membersOf(bob) }))
    expect(await say(b, bob, 3)).toEqual(accepted)
    expect((await say(c, carol, 4)).reason).toMatch(/^restricted: .*member/)
    await a.publish(chatEvent(alice))
    expect((await say(b, bob, 5)).reason).toMatch(/^restricted: .*member/)
    const inSettings = (key: typeof alice) => {
      const { tags, ...rest } = presenceEvent(key, client(9, 1))
      return sign(key, { ...rest, tags: [['a', `10001:${alice.publicKey}:`], ...tags.slice(1)] })
    }
    expect(await a.publish(inSettings(alice))).toEqual(accepted)
    expect((await b.publish(inSettings(bob))).reason).toMatch(/^restricted: /)
  })

  it('[PRS2] keeps nothing of it: no query finds it, nothing counts it', async () => {
    const log = createMemoryLog()
    const server = await runServer({ log })
    const [a, reader] = [await connect(server, alice), await connect(server, alice)]
    const event = presenceEvent(alice, client(1, 1))
    expect(await a.publish(event)).toEqual(accepted)
    for (const filter of [{}, KINDS, { ids: [event.id] }, { after: '' }, { ...KINDS, after: '' }]) {
      expect((await reader.request('s', filter)).events).toEqual([])
    }
    reader.send('COUNT', 'n', {}, KINDS)
    expect(await reader.waitFor(([type]) => type === 'COUNT')).toEqual(['COUNT', 'n', { count: 0 }])
    expect(log.head).toBe(0)
  })

  it('[PRS2] needs no write to the log; where the log can not be read, it says so and goes on', async () => {
    const log = createMemoryLog()
    const server = await runServer({ log })
    const [a, reader] = [await connect(server, alice), await connect(server, alice)]
    await reader.request('s', KINDS)
    vi.spyOn(log, 'commit').mockRejectedValue(new Error('the disk is full'))
    expect((await a.publish(chatEvent(alice))).reason).toMatch(/^error: /)
    const first = presenceEvent(alice, client(1, 1))
    expect(await a.publish(first)).toEqual(accepted)
    const reading = vi.spyOn(log, 'documents').mockRejectedValueOnce(new Error('/secret/path is gone'))
    const unread = await a.publish(presenceEvent(alice, client(1, 2)))
    expect(unread.reason).toMatch(/^error: /)
    expect(unread.reason).not.toContain('secret')
    const third = presenceEvent(alice, client(1, 3))
    expect(await a.publish(third)).toEqual(accepted)
    await reader.waitForEvent('s', third.id)
    expect(idsOf(reader, 's')).toEqual([first.id, third.id])
    // A removal that can not be passed on harms nobody.
    reading.mockRejectedValueOnce(new Error('gone'))
    await a.close()
    expect((await reader.request('t', KINDS)).closedReason).toBeUndefined()
  })
})

describe('passing presence on', () => {
  it('[PRS3] goes to who is subscribed and may read, the sender included; to nobody else', async () => {
    const { server, a, b } = await sharedChat()
    const c = await connect(server, carol)
    for (const each of [a, b, c]) {
      await each.request('all', {})
      await each.request('kind', KINDS)
    }
    const inChat = { ...KINDS, '#a': [chatAddressText(alice)] }
    await b.request('chat', inChat)
    await b.request('author', { authors: [alice.publicKey] })
    await b.request('other chat', { ...KINDS, '#a': [chatAddressText(alice, 'other')] })
    await b.request('other kind', { kinds: [30001, 10001] })
    await b.request('other author', { ...KINDS, authors: [bob.publicKey] })
    await b.request('closed', KINDS)
    b.send('CLOSE', 'closed')
    await b.settle()
    const shared = presenceEvent(alice, client(1, 1))
    const own = presenceEvent(alice, client(2, 1), { chatId: 'own' })
    for (const event of [shared, own]) expect(await a.publish(event)).toEqual(accepted)
    for (const each of [b, c]) await each.settle()
    expect(idsOf(a, 'all')).toEqual([shared.id, own.id])
    expect(idsOf(a, 'kind')).toEqual([shared.id, own.id])
    for (const id of ['all', 'kind', 'chat', 'author']) expect([id, idsOf(b, id)]).toEqual([id, [shared.id]])
    for (const id of ['other chat', 'other kind', 'other author', 'closed'])
      expect([id, idsOf(b, id)]).toEqual([id, []])
    for (const id of ['all', 'kind']) expect(idsOf(c, id)).toEqual([])
    // What was sent is what was signed.
    expect(b.eventsOf('kind')[0]?.event).toEqual(shared)
  })

  it('[PRS3] carries no cursor, and moves none', async () => {
    const { a, b } = await sharedChat()
    const { cursor } = await b.request('s', { kinds: [30001, 20001], after: '' })
    const event = presenceEvent(alice, client(1, 1))
    await a.publish(event)
    await b.waitForEvent('s', event.id)
    const edit = chatEvent(alice, { members: membersOf(bob) })
    await a.publish(edit)
    await b.waitForEvent('s', edit.id)
    const [, live, logged] = b.eventsOf('s')
    expect(live).toEqual({ event, cursor: undefined })
    expect(logged?.cursor).toEqual(expect.any(String))
    const since = await b.request('since', { kinds: [30001, 20001], after: cursor })
    expect(since.events).toEqual([edit])
  })

  it('[PRS3] is left out for a reader that is slow', async () => {
    const relay = createRelay({
      log: createMemoryLog(),
      verifier: pureVerifier,
      limits: DEFAULT_LIMITS,
      clock: systemClock,
      random: systemRandom,
      logger: silentLogger,
      relayUrls: () => ['ws://localhost/sync'],
    })
    const peers = ['fast', 'slow'].map(() => {
      const peer = {
        queued: 0,
        queuedBytes: () => peer.queued,
        pause() {},
        resume() {},
        texts: [] as string[],
        send: (text: string) => peer.texts.push(text),
        drained: () => Promise.resolve(),
        close() {},
      }
      return peer
    })
    const sessions = peers.map((peer) => {
      const session = relay.connect(peer)
      const [, challenge] = JSON.parse(peer.texts[0] as string) as [string, string]
      session.receive(JSON.stringify(['AUTH', authEvent(alice, 'ws://localhost/sync', challenge)]))
      session.receive(JSON.stringify(['REQ', 's', KINDS]))
      return session
    })
    const [fast, slow] = peers as [(typeof peers)[0], (typeof peers)[0]]
    await vi.waitFor(() =>
      expect(peers.every(({ texts }) => texts.some((text) => /EOSE/.test(text)))).toBe(true),
    )
    slow.queued = 2 * 1024 * 1024
    sessions[0]?.receive(JSON.stringify(['EVENT', presenceEvent(alice, client(1, 1))]))
    const presence = ({ texts }: { texts: string[] }) => texts.filter((text) => text.startsWith('["EVENT"'))
    await vi.waitFor(() => expect(fast.texts.at(-1)).toMatch(/^\["OK",.*true/))
    expect(presence(fast)).toHaveLength(1)
    expect(presence(slow)).toHaveLength(0)
    slow.queued = 0
    sessions[0]?.receive(JSON.stringify(['EVENT', presenceEvent(alice, client(1, 2))]))
    await vi.waitFor(() => expect(presence(fast)).toHaveLength(2))
    expect(presence(slow)).toHaveLength(1)
  })
})

describe('whose client it is', () => {
  it('[PRS4][ATK41] belongs to the connection that used it first, and to its key, until the connection ends', async () => {
    const { server, a, b } = await sharedChat()
    const [a2, both] = [await connect(server, alice), await connect(server, alice, bob)]
    const watcher = await connect(server, alice)
    await watcher.request('s', KINDS)
    const say = (who: RelayClient, key: typeof alice, clock: number, chatId = 'chat') =>
      who.publish(presenceEvent(key, client(7, clock), { owner: alice, chatId }))
    expect(await say(a, alice, 5)).toEqual(accepted)
    for (const [who, key] of [
      [b, bob],
      [a2, alice],
    ] as const)
      for (const clock of [1, 5, 6])
        expect((await say(who, key, clock)).reason).toMatch(/^restricted: client 7/)
    const forged = presenceEvent(bob, [client(8, 1), client(7, 9, null)], { owner: alice })
    expect((await b.publish(forged)).reason).toMatch(/^restricted: client 7/)
    // Nothing of a refused event counts.
    expect(await a2.publish(presenceEvent(alice, client(8, 1)))).toEqual(accepted)
    expect(await both.publish(presenceEvent(alice, client(9, 1)))).toEqual(accepted)
    expect((await both.publish(presenceEvent(bob, client(9, 2), { owner: alice }))).reason).toMatch(
      /^restricted: /,
    )
    // In another document it is another client.
    expect(await say(a2, alice, 1, 'other')).toEqual(accepted)
    // Also while its owner says that it is gone.
    expect(await a.publish(presenceEvent(alice, client(7, 6, null)))).toEqual(accepted)
    expect((await say(b, bob, 7)).reason).toMatch(/^restricted: client 7/)
    expect(await say(a, alice, 7)).toEqual(accepted)
    await a.close()
    await removal(watcher, 's')
    expect(await say(b, bob, 1)).toEqual(accepted)
  })

  it('[PRS4] takes older states without a word and doesn’t pass them on', async () => {
    const { a, b } = await sharedChat()
    await b.request('s', KINDS)
    const events = [
      presenceEvent(alice, client(1, 5)),
      presenceEvent(alice, client(1, 4)),
      presenceEvent(alice, client(1, 5, { typing: false })),
      presenceEvent(alice, client(1, 5, null)),
      presenceEvent(alice, [client(1, 3), client(2, 1)]),
      presenceEvent(alice, client(1, 6)),
    ]
    for (const event of events) expect(await a.publish(event)).toEqual(accepted)
    expect(await a.publish(events[0])).toEqual(accepted)
    await b.settle()
    expect(idsOf(b, 's')).toEqual([events[0], events[4], events[5]].map((event) => event?.id))
  })
})

describe('who comes later', () => {
  it('[PRS5] gets what is present after EOSE, where a filter asks for it', async () => {
    // In memory nothing takes longer than a message does.
    const { server, a, b } = await sharedChat({ log: createMemoryLog() })
    const first = presenceEvent(alice, client(1, 1))
    const last = presenceEvent(alice, client(1, 2, { typing: false }))
    const bobs = presenceEvent(bob, client(2, 1), { owner: alice })
    const own = presenceEvent(alice, client(3, 1), { chatId: 'own' })
    const gone = [presenceEvent(alice, client(4, 1)), presenceEvent(alice, client(4, 2, null))]
    for (const event of [first, last, own, ...gone]) await a.publish(event)
    await b.publish(bobs)
    const shown = async (key: typeof alice, ...filters: object[]) => {
      const reader = await connect(server, key)
      expect((await reader.request('s', ...filters)).events.filter(({ kind }) => kind === 20001)).toEqual([])
      const fence = presenceEvent(key, client(99, 1), { chatId: `fence ${key.publicKey}` })
      await reader.request('fence', KINDS)
      await reader.publish(fence)
      await reader.waitForEvent('fence', fence.id)
      await reader.close()
      return idsOf(reader, 's').filter((id) => id !== fence.id)
    }
    // Document by document.
    expect(await shown(alice, KINDS)).toEqual([last.id, bobs.id, own.id])
    expect(await shown(bob, KINDS)).toEqual([last.id, bobs.id])
    expect(await shown(bob, { kinds: [30001, 20001], after: '' })).toEqual([last.id, bobs.id])
    expect(await shown(carol, KINDS)).toEqual([])
    expect(await shown(alice, { ...KINDS, '#a': [chatAddressText(alice, 'own')] })).toEqual([own.id])
    expect(await shown(alice, { ...KINDS, authors: [bob.publicKey] })).toEqual([bobs.id])
    for (const filter of [{}, { kinds: [30001] }, { authors: [alice.publicKey] }])
      expect(await shown(alice, filter)).toEqual([])
    // The filter that asks decides.
    expect(await shown(alice, { ...KINDS, authors: [bob.publicKey] }, {})).toEqual([bobs.id])
  })

  it('[PRS5] sees nobody who has gone, though an event that is shown names them', async () => {
    const { server, a } = await sharedChat()
    const together = presenceEvent(alice, [client(1, 1), client(2, 1)])
    const two = presenceEvent(alice, [client(2, 2, null), client(3, 1)])
    const three = presenceEvent(alice, client(3, 2, null))
    for (const event of [together, two, three]) await a.publish(event)
    const b = await connect(server, bob)
    await b.request('s', KINDS)
    await b.waitForEvent('s', three.id)
    const awareness = new Awareness(new Y.Doc())
    for (const { event } of b.eventsOf('s'))
      applyAwarenessUpdate(awareness, parsePresence(event, DEFAULT_LIMITS).update, 'test')
    awareness.setLocalState(null)
    expect([...awareness.getStates().keys()]).toEqual([1])
    awareness.destroy()
  })

  it('[PRS5] sees nobody who has said nothing for 30 s', async () => {
    let offsetMs = 0
    const clock = { ...systemClock, now: () => Date.now() + offsetMs }
    const { server, a, b } = await sharedChat({ clock })
    await a.publish(presenceEvent(alice, client(1, 1)))
    offsetMs = 29_000
    const still = presenceEvent(bob, client(2, 1), { owner: alice })
    await b.publish(still)
    offsetMs = 31_000
    const c = await connect(server, bob)
    await c.request('s', KINDS)
    await c.waitForEvent('s', still.id)
    expect(idsOf(c, 's')).toEqual([still.id])
  })

  it('[PRS5] is told of what happens while that is being read, once', async () => {
    const log = createMemoryLog()
    const { a, b } = await sharedChat({ log })
    const events = [1, 2].map((clock) => presenceEvent(alice, client(1, clock)))
    await a.publish(events[0])
    const sharedWith = log.sharedWith.bind(log)
    vi.spyOn(log, 'sharedWith').mockImplementationOnce(async (key) => {
      const addresses = await sharedWith(key)
      await a.publish(events[1])
      return addresses
    })
    await b.request('s', { ...KINDS, limit: 0, ids: events.map(({ id }) => id) })
    await b.waitForEvent('s', events[1]?.id as string)
    await b.settle()
    expect(idsOf(b, 's')).toEqual([events[1]?.id])
  })
})

describe('when a connection ends', () => {
  it.each(['close', 'terminate'] as const)(
    '[PRS6] what it said is taken back by the server, in every document (%s)',
    async (end) => {
      const { server, a, b } = await sharedChat()
      await b.request('s', KINDS)
      await a.publish(presenceEvent(alice, [client(1, 4), client(2, 8), client(3, 1)]))
      await a.publish(presenceEvent(alice, client(3, 2, null)))
      const inOwn = presenceEvent(alice, client(5, 1), { chatId: 'own' })
      await a.publish(inOwn)
      const own = await connect(server, alice)
      await own.request('s', KINDS)
      await own.waitForEvent('s', inOwn.id)
      a.socket[end]()
      const taken = await removal(b, 's')
      expect(taken.entries).toEqual([
        { clientId: 1, clock: 5, state: null },
        { clientId: 2, clock: 9, state: null },
      ])
      expect(taken.pubkey).toBe(await serverKeyOf(server.url))
      expect(taken.event.tags).toContainEqual(['a', chatAddressText(alice)])
      pureVerifier.verify(taken.event)
      await removal(own, 's', 2)
      expect(removalsOf(own, 's').flatMap(({ entries }) => entries.map(({ clientId }) => clientId))).toEqual(
        expect.arrayContaining([1, 2, 5]),
      )
      await b.settle()
      expect(removalsOf(b, 's')).toHaveLength(1)
      // And nobody who comes later sees it.
      const late = presenceEvent(bob, client(6, 1), { owner: alice })
      await b.publish(late)
      const c = await connect(server, bob)
      await c.request('s', KINDS)
      await c.waitForEvent('s', late.id)
      expect(idsOf(c, 's')).toEqual([late.id])
    },
  )

  it('[PRS6] nobody is told of it where the whole server goes', async () => {
    const { server, a, b } = await sharedChat()
    await b.request('s', KINDS)
    await a.publish(presenceEvent(alice, client(1, 1)))
    await server.close()
    expect((await b.closed).code).toBe(1012)
    expect(idsOf(b, 's')).toHaveLength(1)
  })

  it('[PRS6] an event that was being taken leaves nothing behind', async () => {
    const log = createMemoryLog()
    const { server, a, b } = await sharedChat({ log })
    await b.request('s', KINDS)
    const documents = log.documents.bind(log)
    const lookedUp = new Promise<void>((resolve) => {
      vi.spyOn(log, 'documents').mockImplementationOnce(async (addresses) => {
        const records = await documents(addresses)
        a.socket.terminate()
        await connectionsOf(server.url, 1)
        resolve()
        return records
      })
    })
    a.send('EVENT', presenceEvent(alice, client(1, 1)))
    await lookedUp
    await b.settle()
    const next = presenceEvent(bob, client(1, 1), { owner: alice })
    expect(await b.publish(next)).toEqual(accepted)
    expect(idsOf(b, 's')).toEqual([next.id])
  })

  it('[PRS6] a client that has come back meanwhile is not taken back', async () => {
    const log = createMemoryLog()
    const { server, a, b } = await sharedChat({ log })
    const again = await connect(server, alice)
    await b.request('s', KINDS)
    await a.publish(presenceEvent(alice, client(1, 1)))
    const documents = log.documents.bind(log)
    const back = presenceEvent(alice, client(1, 3))
    const returned = new Promise<void>((resolve) => {
      vi.spyOn(log, 'documents').mockImplementationOnce(async (addresses) => {
        expect(await again.publish(back)).toEqual(accepted)
        resolve()
        return documents(addresses)
      })
    })
    await a.close()
    await returned
    await b.waitForEvent('s', back.id)
    await b.settle()
    expect(removalsOf(b, 's')).toEqual([])
  })
})

describe('a key that loses a document', () => {
  it('[PRS7][S9] gets nothing more, and what it said is taken back', async () => {
    const { server, a, b } = await sharedChat()
    await a.request('s', KINDS)
    await b.request('s', KINDS)
    await b.publish(presenceEvent(bob, client(2, 1), { owner: alice }))
    await b.publish(presenceEvent(bob, client(3, 1), { chatId: 'own' }))
    const seen = idsOf(b, 's').length
    await a.publish(chatEvent(alice))
    expect((await removal(a, 's')).entries).toEqual([{ clientId: 2, clock: 2, state: null }])
    await a.publish(presenceEvent(alice, client(1, 1)))
    await b.settle()
    expect(idsOf(b, 's')).toHaveLength(seen)
    const again = await connect(server, bob)
    await again.request('s', KINDS)
    await again.waitFor(
      ([type, , event]) => type === 'EVENT' && (event as NostrEvent).pubkey === bob.publicKey,
    )
    expect(again.eventsOf('s').map(({ event }) => entriesOf(event)[0]?.clientId)).toEqual([3])
    // What he says in a chat of his own goes on.
    expect(await b.publish(presenceEvent(bob, client(3, 2), { chatId: 'own' }))).toEqual(accepted)
  })

  it('[PRS7][S9] also where only the log knows, as after a write that failed and was found on the disk', async () => {
    const log = createMemoryLog()
    const { a, b } = await sharedChat({ log })
    await a.request('s', KINDS)
    await b.request('s', KINDS)
    await b.publish(presenceEvent(bob, client(2, 1), { owner: alice }))
    const [record] = await log.documents([chatAddressText(alice)])
    const revocations = [{ reader: bob.publicKey, address: chatAddressText(alice) }]
    await log.commit({
      events: [],
      documents: [{ ...(record as DocumentRecord), members: [] }],
      grants: [],
      revocations,
    })
    const seen = idsOf(b, 's').length
    await a.publish(presenceEvent(alice, client(1, 1)))
    await b.settle()
    expect(idsOf(b, 's')).toHaveLength(seen)
    // His own goes when he would say it again.
    expect((await b.publish(presenceEvent(bob, client(2, 2), { owner: alice }))).reason).toMatch(
      /^restricted: /,
    )
    expect((await removal(a, 's')).entries).toEqual([{ clientId: 2, clock: 2, state: null }])
  })

  it('[PRS7][S9] also where it loses it while its rights are looked up', async () => {
    const log = createMemoryLog()
    const { a, b } = await sharedChat({ log })
    await b.request('s', KINDS)
    const documents = log.documents.bind(log)
    const removing = async <T>(result: T): Promise<T> => {
      await a.publish(chatEvent(alice))
      return result
    }
    vi.spyOn(log, 'documents').mockImplementationOnce(async (addresses) =>
      removing(await documents(addresses)),
    )
    await a.publish(presenceEvent(alice, client(1, 1)))
    await b.settle()
    expect(idsOf(b, 's')).toEqual([])
    // The same for what is present when it subscribes.
    await a.publish(chatEvent(alice, { members: membersOf(bob) }))
    const sharedWith = log.sharedWith.bind(log)
    vi.spyOn(log, 'sharedWith').mockImplementationOnce(async (key) => removing(await sharedWith(key)))
    await b.request('t', KINDS)
    const own = presenceEvent(bob, client(9, 1))
    await b.publish(own)
    await b.waitForEvent('s', own.id)
    await b.settle()
    expect(idsOf(b, 't').filter((id) => id !== own.id)).toEqual([])
  })
})

describe('bounds', () => {
  it('[PRS8][ATK35] so many a second, and a burst of as many as documents', async () => {
    let nowMs = Date.now()
    const clock = { ...systemClock, now: () => nowMs }
    const limits = { maxPresencePerSecond: 2, maxPresenceDocuments: 5 }
    const a = await connect(await runServer({ clock, limits }), alice)
    let count = 0
    const say = () => a.publish(presenceEvent(alice, client(1, ++count)))
    const many = async (times: number) => {
      let taken = 0
      for (let n = 0; n < times; n++) if ((await say()).accepted) taken++
      return taken
    }
    expect(await many(8)).toBe(5)
    expect((await say()).reason).toMatch(/^rate-limited: .*2 presence events/)
    nowMs += 1_000
    expect(await many(5)).toBe(2)
    // Set back, and forward again, the clock gives nothing for nothing.
    nowMs -= 3_600_000
    expect(await many(2)).toBe(0)
    nowMs += 500
    expect(await many(2)).toBe(1)
    nowMs += 3_600_000
    expect(await many(8)).toBe(5)
    // It is refused before its signature is looked at, and everything else goes on.
    expect(
      (await a.publish({ ...presenceEvent(alice, client(1, 99)), sig: 'f'.repeat(128) })).reason,
    ).toMatch(/^rate-limited: /)
    expect(await a.publish(settingsEvent(alice, 'a', 'b'))).toEqual(accepted)
  })

  it('[PRS8] in so many documents, with so many clients in each; who leaves makes room', async () => {
    const limits = { maxPresencePerSecond: 1e6, maxPresenceDocuments: 2, maxPresenceClients: 2 }
    // Time enough between any two for as many as are wanted.
    let nowMs = Date.now()
    const server = await runServer({ limits, clock: { ...systemClock, now: () => nowMs++ } })
    const [a, other] = [await connect(server, alice), await connect(server, alice)]
    const say = async (chatId: string, ...list: ReturnType<typeof client>[]) => {
      const { reason } = await a.publish(presenceEvent(alice, list, { chatId }))
      return reason.slice(0, 12)
    }
    expect(await say('one', client(1, 1), client(2, 1))).toBe('')
    expect(await say('one', client(3, 1))).toBe('rate-limited')
    expect(await say('one', client(3, 1), client(2, 2, null))).toBe('')
    expect(await say('two', client(1, 1))).toBe('')
    expect(await say('three', client(1, 1))).toBe('rate-limited')
    expect(await say('two', client(1, 2, null))).toBe('')
    expect(await say('three', client(1, 1))).toBe('')
    // Clients that have gone stay the connection's, up to so many: then the oldest is anybody's again.
    const taken = async (chatId: string, clientId: number) =>
      !(await other.publish(presenceEvent(alice, client(clientId, 1), { chatId }))).accepted
    expect(await taken('two', 1)).toBe(true)
    for (let n = 0; n < 10; n++) {
      expect(await say('three', client(1, 2 + n, null))).toBe('')
      expect(await say(`chat ${n}`, client(1, 1))).toBe('')
      expect(await say(`chat ${n}`, client(1, 2, null))).toBe('')
    }
    expect(await taken('two', 1)).toBe(false)
    expect(await taken('one', 1)).toBe(true)
    expect(await taken('chat 9', 1)).toBe(true)
  })
})
