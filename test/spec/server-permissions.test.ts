import { createMemoryLog } from '@onyx-sync/server'
import { DEFAULT_LIMITS, type NostrEvent, pureVerifier, silentLogger } from '@onyx-sync/shared'
import { describe, expect, it } from 'vitest'
import { checkEvent } from '../../server/src/core/check-event.js'
import { createHub } from '../../server/src/core/hub.js'
import {
  chatAddressText,
  chatEvent,
  membersOf,
  settingsEvent,
  testKey,
  trainingEvent,
} from '../support/events.js'
import { ingestOf } from '../support/ingest.js'
import { connect, runServer } from '../support/servers.js'

const alice = testKey(1)
const bob = testKey(2)
const carol = testKey(3)
const ids = (events: readonly { id: string }[]): string[] => events.map(({ id }) => id)

describe('who may do what', () => {
  it('[PERM1] an event is taken from its author only (NIP-70)', async () => {
    const client = await connect(await runServer(), alice)
    for (const event of [chatEvent(bob), settingsEvent(bob, 'a', 'b'), trainingEvent(bob)]) {
      expect((await client.publish(event)).reason).toMatch(/^restricted: .*author/)
    }
  })

  it('[PERM2] only the owner and present members write to a document', async () => {
    const server = await runServer()
    const [a, b] = [await connect(server, alice), await connect(server, bob)]
    const early = chatEvent(bob, { owner: alice })
    expect((await b.publish(early)).reason).toMatch(/^restricted: .*member/)
    await a.publish(chatEvent(alice))
    expect((await b.publish(early)).reason).toMatch(/^restricted: /)
    await a.publish(chatEvent(alice, { members: membersOf(bob) }))
    expect((await b.publish(early)).accepted).toBe(true)
    await a.publish(chatEvent(alice))
    expect((await b.publish(chatEvent(bob, { owner: alice }))).reason).toMatch(/^restricted: /)
    // What is stored stays known, also to one who may not write any more.
    expect((await b.publish(early)).reason).toMatch(/^duplicate: /)
  })

  it('[PERM3][ATK45] strangers read nothing: neither stored nor live, by no filter, nor its number', async () => {
    const server = await runServer()
    const [a, c] = [await connect(server, alice), await connect(server, carol)]
    const events = [
      chatEvent(alice, { members: membersOf(bob) }),
      settingsEvent(alice, 'a', 'b'),
      trainingEvent(alice),
    ]
    await a.publish(events[0])
    const filters = [
      {},
      { ids: ids(events) },
      { authors: [alice.publicKey] },
      { '#d': ['chat', 'settings'] },
      { '#a': [chatAddressText(alice)] },
      { '#p': [bob.publicKey] },
      { after: '' },
    ]
    for (const [index, filter] of filters.entries()) {
      expect((await c.request(`s${index}`, filter)).events).toEqual([])
    }
    for (const event of events) await a.publish(event)
    await c.settle()
    expect(c.messages.filter(([type]) => type === 'EVENT')).toEqual([])
    c.send('COUNT', 'n', {})
    expect(await c.waitFor(([type]) => type === 'COUNT')).toEqual(['COUNT', 'n', { count: 0 }])
  })

  it('[PERM3] members read the document, not its owner’s other things', async () => {
    const server = await runServer()
    const [a, b] = [await connect(server, alice), await connect(server, bob)]
    const shared = chatEvent(alice, { chatId: 'shared', members: membersOf(bob) })
    const others = [chatEvent(alice, { chatId: 'own' }), settingsEvent(alice, 'a', 'b'), trainingEvent(alice)]
    for (const event of [shared, ...others]) await a.publish(event)
    const own = trainingEvent(bob)
    await b.publish(own)
    expect(ids((await b.request('s', {})).events)).toEqual([own.id, shared.id])
    expect(ids((await b.request('t', { after: '' })).events)).toEqual([shared.id, own.id])
    expect(ids((await b.request('u', { ids: ids([shared, ...others]) })).events)).toEqual([shared.id])
    expect(ids((await b.request('v', { '#d': ['shared', 'own'] })).events)).toEqual([shared.id])
  })

  it('[PERM4] the owner’s newest event decides the members; of equal times the later to arrive', async () => {
    const server = await runServer()
    const [a, b] = [await connect(server, alice), await connect(server, bob)]
    const mayWrite = async () => (await b.publish(chatEvent(bob, { owner: alice }))).accepted
    const at = (createdAt: number, ...members: (typeof alice)[]) =>
      a.publish(chatEvent(alice, { createdAt, members: membersOf(...members) }))
    await at(1000, bob)
    expect(await mayWrite()).toBe(true)
    await at(999)
    expect(await mayWrite()).toBe(true)
    await at(1000)
    expect(await mayWrite()).toBe(false)
    await at(999, bob)
    expect(await mayWrite()).toBe(false)
    await at(1000, bob)
    expect(await mayWrite()).toBe(true)
    // A member's event states nothing, whatever its p tags say.
    const stray = chatEvent(bob, { owner: alice })
    expect(stray.tags.some((tag) => tag[0] === 'p')).toBe(false)
  })

  it('[PERM5][S9][ATK46] a member who is removed gets nothing more, at once, on open subscriptions too', async () => {
    const server = await runServer()
    const [a, b] = [await connect(server, alice), await connect(server, bob)]
    const before = chatEvent(alice, { members: membersOf(bob) })
    await a.publish(before)
    await b.request('sync', { after: '' })
    await b.request('plain', {})
    const removing = chatEvent(alice)
    await a.publish(removing)
    await a.publish(chatEvent(alice))
    await b.settle()
    expect(b.eventsOf('sync').map(({ event }) => event.id)).toEqual([before.id])
    expect(b.eventsOf('plain').map(({ event }) => event.id)).toEqual([before.id])
    // Nor what he could read before.
    expect((await b.request('again', { after: '' })).events).toEqual([])
    expect((await b.request('stored', { ids: [before.id] })).events).toEqual([])
    expect((await b.publish(chatEvent(bob, { owner: alice }))).reason).toMatch(/^restricted: /)
  })

  it('[PERM5][S9] in one batch with the removal, earlier events don’t reach the removed member either', async () => {
    const log = createMemoryLog()
    const hub = createHub(silentLogger)
    const ingest = ingestOf(log, hub.publish)
    const keys = new Set([alice.publicKey])
    const submit = (event: NostrEvent) =>
      new Promise((resolve) => {
        ingest.submit(checkEvent(event, { keys, verifier: pureVerifier, limits: DEFAULT_LIMITS }), resolve)
      })
    const told: unknown[] = []
    await submit(chatEvent(alice, { members: membersOf(bob) }))
    hub.join({
      keys: [bob.publicKey],
      revoked: () => told.push('revoked'),
      withdrawn: () => told.push('withdrawn'),
      deliver: (events) => told.push(events.map(({ logged }) => logged.seq)),
    })
    // Both are queued in one tick, so one commit holds them.
    await Promise.all([submit(chatEvent(alice, { members: membersOf(bob) })), submit(chatEvent(alice))])
    expect(log.head).toBe(3)
    expect(told).toEqual(['revoked'])
    await Promise.all([submit(chatEvent(alice, { members: membersOf(bob) })), submit(chatEvent(alice))])
    expect(told).toEqual(['revoked', 'revoked'])
  })
})
