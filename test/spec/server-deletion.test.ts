import { openLevelLog, verifyLog } from '@onyx-sync/server'
import { splitUpdate } from '@onyx-sync/shared'
import { describe, expect, it } from 'vitest'
import * as Y from 'yjs'
import { append, change } from '../support/chat-copy.js'
import { entriesUnder, tamper } from '../support/damage.js'
import {
  chatAddressText,
  chatEvent,
  deletionEvent,
  membersOf,
  presenceEvent,
  client as presentClient,
  settingsEvent,
  sign,
  testKey,
  trainingEvent,
} from '../support/events.js'
import type { RelayClient } from '../support/relay-client.js'
import { connect, runServer } from '../support/servers.js'
import { temporaryDirectory } from '../support/temporary-directory.js'

const alice = testKey(1)
const bob = testKey(2)
const carol = testKey(3)
const CHAT = chatAddressText(alice)
const DELETED = /^blocked: .*was deleted/

async function publishAll(client: RelayClient, events: readonly unknown[]): Promise<void> {
  for (const event of events) expect(await client.publish(event)).toMatchObject({ accepted: true })
}

const idsOf = (events: readonly { readonly id: string }[]): string[] => events.map(({ id }) => id)

describe('deletion requests (NIP-09)', () => {
  it('[DEL1] names something, of one’s own, in the right form', async () => {
    const a = await connect(await runServer(), alice)
    const refusal = async (tags: string[][]) =>
      (await a.publish(sign(alice, { kind: 5, created_at: 1, tags, content: '' }))).reason
    expect(await refusal([])).toMatch(/^invalid: .*names events/)
    expect(await refusal([['e', 'AB'.repeat(32)]])).toMatch(/^invalid: .*lower-case/)
    for (const wrong of [
      '30001',
      `1:${alice.publicKey}:`,
      `10001:${alice.publicKey}:x`,
      `030001:${alice.publicKey}:x`,
    ])
      expect(await refusal([['a', wrong]])).toMatch(/^invalid: .*<kind>/)
    expect(await refusal([['a', chatAddressText(bob)]])).toMatch(/^restricted: only its owner/)
    expect(
      await refusal([
        ['e', 'ab'.repeat(32)],
        ['a', `30023:${bob.publicKey}:x`],
      ]),
    ).toMatch(/^restricted: /)
  })

  it('[DEL2][S6] takes a whole document, whatever its time, and nothing brings it back', async () => {
    const data = temporaryDirectory()
    let server = await runServer({ data })
    let [a, b] = [await connect(server, alice), await connect(server, bob)]
    const doc = new Y.Doc()
    const first = chatEvent(alice, { update: append(doc, 'one'), members: membersOf(bob) })
    const group = 'ab'.repeat(8)
    const pieces = splitUpdate(
      change(doc, (list) => list.push(Array.from({ length: 30 }, (_, n) => `word ${n}`))),
      128,
    )
    const parts = pieces.map((update, index) =>
      chatEvent(bob, { owner: alice, update, part: { group, index, count: pieces.length } }),
    )
    const other = chatEvent(alice, { chatId: 'other' })
    await publishAll(a, [first, other, settingsEvent(alice, 'a', 'b')])
    await publishAll(b, parts.slice(1))
    // A clock that is a year behind deletes no less.
    expect(await a.publish(deletionEvent(alice, { addresses: [CHAT], createdAt: 1 }))).toEqual({
      accepted: true,
      reason: '',
    })
    const late = [
      first,
      chatEvent(alice, { text: 'late', createdAt: 1_900_000_000 }),
      chatEvent(alice, { update: Y.encodeStateAsUpdate(doc), checkpoint: true }),
    ]
    for (const event of late) expect((await a.publish(event)).reason).toMatch(DELETED)
    for (const event of parts) expect((await b.publish(event)).reason).toMatch(DELETED)
    expect((await b.publish(chatEvent(bob, { owner: alice, text: 'late' }))).reason).toMatch(DELETED)
    const stranger = await connect(server, carol)
    expect((await stranger.publish(chatEvent(carol, { owner: alice }))).reason).toMatch(
      /^restricted: .*member/,
    )
    expect((await a.publish(presenceEvent(alice, presentClient(1, 1)))).reason).toMatch(DELETED)
    expect(idsOf((await a.request('q', { kinds: [30001] })).events)).toEqual([other.id])
    await server.close()

    const log = await openLevelLog(data)
    expect(await verifyLog(log)).toMatchObject({ isSound: true, events: 3, heldParts: 0 })
    await log.close()
    await tamper(data, async (db) => {
      for (const letter of 'dxwhcl') {
        const left = [...(await entriesUnder(db, letter)).keys()].map((key) =>
          Buffer.from(key, 'hex').toString(),
        )
        expect(left.filter((key) => key.includes(':chat') || key.includes(CHAT))).toEqual([])
      }
    })
    server = await runServer({ data })
    ;[a, b] = [await connect(server, alice), await connect(server, bob)]
    for (const event of [...late, other]) {
      expect((await a.publish(event)).reason).toMatch(event === other ? /^duplicate/ : DELETED)
    }
    expect((await a.request('new', { kinds: [30001], after: '' })).events.map(({ kind }) => kind)).toEqual([
      30001,
    ])
  })

  it('[DEL2] a member may not, settings may go too, and what never was here stays away', async () => {
    const server = await runServer()
    const [a, b] = [await connect(server, alice), await connect(server, bob)]
    await publishAll(a, [chatEvent(alice, { members: membersOf(bob) }), settingsEvent(alice, 'a', 'b')])
    expect((await b.publish(deletionEvent(bob, { addresses: [CHAT] }))).reason).toMatch(/^restricted: /)
    expect((await a.request('q', { kinds: [30001, 10001] })).events).toHaveLength(2)
    const never = chatAddressText(alice, 'never')
    await publishAll(a, [deletionEvent(alice, { addresses: [`10001:${alice.publicKey}:`, never] })])
    expect((await a.publish(settingsEvent(alice, 'a', 'c'))).reason).toMatch(DELETED)
    expect((await a.publish(chatEvent(alice, { chatId: 'never' }))).reason).toMatch(DELETED)
    expect((await a.request('r', { kinds: [30001, 10001] })).events).toHaveLength(1)
    // A second request for the same changes nothing.
    await publishAll(a, [deletionEvent(alice, { addresses: [never] })])
  })

  it('[DEL3] takes single events of no document, and those that come after their request', async () => {
    const server = await runServer()
    const [a, b] = [await connect(server, alice), await connect(server, bob)]
    const [mine, later, bobs] = [
      trainingEvent(alice, 'x'),
      trainingEvent(alice, 'y'),
      trainingEvent(bob, 'z'),
    ]
    await publishAll(a, [mine])
    await publishAll(b, [bobs])
    const request = deletionEvent(alice, { ids: idsOf([mine, later, bobs]), kinds: [1] })
    await publishAll(a, [request])
    expect((await a.request('q', { kinds: [1] })).events).toEqual([])
    expect((await a.request('i', { ids: [mine.id] })).events).toEqual([])
    for (const event of [mine, later]) expect((await a.publish(event)).reason).toMatch(/^blocked: .*deleted/)
    // Somebody else's event is none of its business, and it says nothing of it.
    expect(idsOf((await b.request('q', { kinds: [1] })).events)).toEqual([bobs.id])
    expect((await b.publish(bobs)).reason).toMatch(/^duplicate: /)
    // A request can't be deleted.
    await publishAll(a, [deletionEvent(alice, { ids: [request.id] })])
    expect((await a.request('d', { kinds: [5] })).events).toHaveLength(2)
    expect((await a.publish(mine)).reason).toMatch(/^blocked: /)
  })

  it('[DEL3] refuses to take a single update out of a document', async () => {
    const server = await runServer()
    const [a, b] = [await connect(server, alice), await connect(server, bob)]
    const mine = chatEvent(alice, { members: membersOf(bob) })
    const bobs = chatEvent(bob, { owner: alice })
    await publishAll(a, [mine])
    await publishAll(b, [bobs])
    expect((await a.publish(deletionEvent(alice, { ids: [mine.id] }))).reason).toMatch(
      /^invalid: .*whole document/,
    )
    await publishAll(a, [deletionEvent(alice, { ids: [bobs.id] })])
    expect((await a.request('q', { kinds: [30001] })).events).toHaveLength(2)
  })

  it('[DEL4] is served to its author and to those who were members then: by filter, cursor, and live', async () => {
    const server = await runServer()
    const [a, b, c] = [await connect(server, alice), await connect(server, bob), await connect(server, carol)]
    await publishAll(a, [
      chatEvent(alice, { members: membersOf(bob, carol) }),
      chatEvent(alice, { members: membersOf(bob) }),
      chatEvent(alice, { chatId: 'own' }),
    ])
    const filter = { kinds: [30001, 5] }
    const before = await b.request('live', { ...filter, after: '' })
    await c.request('live', { ...filter, after: '' })
    await c.request('plain', { kinds: [5] })
    await a.request('plain', { kinds: [5], limit: 0 })
    const request = deletionEvent(alice, { addresses: [CHAT] })
    await publishAll(a, [request])
    await a.waitForEvent('plain', request.id)
    await b.waitForEvent('live', request.id)
    expect(b.eventsOf('live').at(-1)?.cursor).toMatch(/^1\./)
    await c.settle()
    expect([...c.eventsOf('live'), ...c.eventsOf('plain')].map(({ event }) => event.kind)).not.toContain(5)
    for (const [reader, expected] of [
      [a, 1],
      [b, 1],
      [c, 0],
    ] as const) {
      for (const by of [
        { kinds: [5] },
        { ids: [request.id] },
        { '#a': [CHAT] },
        { kinds: [5], authors: [alice.publicKey] },
      ])
        expect((await reader.request('q', by)).events).toHaveLength(expected)
      reader.send('COUNT', 'n', { kinds: [5] })
      const answer = await reader.waitFor(([type, id]) => type === 'COUNT' && id === 'n')
      expect(answer[2]).toMatchObject({ count: expected })
    }
    // A device that was away, with its cursor from before; and one that begins anew.
    expect(idsOf((await b.request('again', { ...filter, after: before.cursor })).events)).toEqual([
      request.id,
    ])
    expect(idsOf((await b.request('new', { ...filter, after: '' })).events)).toEqual([request.id])
    expect((await a.request('new', { ...filter, after: '' })).events.map(({ kind }) => kind).sort()).toEqual([
      30001, 5,
    ])
  })

  it('[DEL4] tells members of nothing but what they could read', async () => {
    const a = await connect(await runServer(), alice)
    await publishAll(a, [
      chatEvent(alice, { members: membersOf(bob) }),
      chatEvent(alice, { chatId: 'secret' }),
    ])
    const both = { addresses: [CHAT, chatAddressText(alice, 'secret')] }
    expect((await a.publish(deletionEvent(alice, both))).reason).toMatch(/^invalid: .*request of its own/)
    expect(
      (await a.publish(deletionEvent(alice, { addresses: [CHAT], ids: ['ab'.repeat(32)] }))).accepted,
    ).toBe(false)
    await publishAll(a, [deletionEvent(alice, { addresses: [CHAT] }), deletionEvent(alice, both)])
    expect((await a.request('q', { kinds: [30001] })).events).toEqual([])
  })

  it('[DEL5] no merged state or summary of it is sent any more, nor an event, to who is just reading', async () => {
    const server = await runServer()
    const [a, b] = [await connect(server, alice), await connect(server, bob)]
    const doc = new Y.Doc()
    const events = Array.from({ length: 80 }, (_, n) =>
      chatEvent(alice, { update: append(doc, `line ${n}`), members: membersOf(bob) }),
    )
    await publishAll(a, events)
    const state = await b.request('state', { kinds: [30001, 5], after: '' })
    expect(state.events.map(({ kind }) => kind)).toContain(20002)
    await a.request('sum', { kinds: [30001], after: '', summaries: true })
    const from = b.messages.length
    const request = deletionEvent(alice, { addresses: [CHAT] })
    // All in one go: the reading begins before the deletion is written.
    b.send('REQ', 'reading', { kinds: [30001, 5], after: '', states: false })
    a.send('REQ', 'sum2', { kinds: [30001], after: '', summaries: true })
    await publishAll(a, [request])
    await b.waitFor(([type, id]) => type === 'EOSE' && id === 'reading', from)
    await b.waitForEvent('reading', request.id)
    const reading = b.eventsOf('reading').map(({ event }) => event)
    const at = reading.findIndex(({ id }) => id === request.id)
    expect(reading.slice(at + 1).filter(({ kind }) => kind === 30001)).toEqual([])
    expect((await a.request('sum3', { kinds: [30001], after: '', summaries: true })).events).toEqual([])
    expect(idsOf((await b.request('after', { kinds: [30001, 5], after: '' })).events)).toEqual([request.id])
  })
})
