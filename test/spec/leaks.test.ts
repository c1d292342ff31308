import type { NostrEvent } from '@onyx-sync/shared'
import { describe, expect, it } from 'vitest'
import { createSealedPlaces } from '../../server/src/adapters/sealed-places.js'
import {
  client as awareness,
  chatAddressText,
  chatEvent,
  membersOf,
  presenceEvent,
  rosterOf,
  settingsEvent,
  testKey,
  trainingEvent,
} from '../support/events.js'
import { connect, runServer } from '../support/servers.js'

const alice = testKey(1)
const bob = testKey(2)
const carol = testKey(3)
const nobody = testKey(4)

/** A server with things of alice's that carol has no right to, and some of carol's own. */
async function setUp() {
  const server = await runServer()
  const [a, c] = [await connect(server, alice), await connect(server, carol)]
  const secret = [
    chatEvent(alice, { chatId: 'secret', members: membersOf(bob) }),
    settingsEvent(alice, 'theme', 'dark'),
    trainingEvent(alice),
  ]
  for (const event of secret) await a.publish(event)
  const own = chatEvent(carol, { chatId: 'own', createdAt: 1_000 })
  await c.publish(own)
  return { server, a, c, secret, own }
}

/** Every way to ask for what is alice's. */
function filtersFor(secret: readonly NostrEvent[]): readonly object[] {
  const address = chatAddressText(alice, 'secret')
  const ids = secret.map(({ id }) => id)
  return [
    { ids },
    { ids, kinds: [30001, 10001, 1], authors: [alice.publicKey] },
    { authors: [alice.publicKey] },
    { '#p': [bob.publicKey] },
    { '#d': ['secret', 'settings'] },
    { '#a': [address] },
    { '#e': ids },
    { '#t': ['training'] },
    { kinds: [30001], '#d': ['secret'], '#p': [bob.publicKey] },
    { kinds: [10001, 1] },
    { since: 1_001 },
    { until: 5_000_000_000, since: 1_001, limit: 1 },
  ]
}

describe('nothing of others shows', () => {
  it('[LEAK1] in no filter, stored or live, and in no count', async () => {
    const { a, c, secret } = await setUp()
    for (const [index, filter] of filtersFor(secret).entries()) {
      const { events, hints } = await c.request(`s${index}`, filter)
      expect([events, hints]).toEqual([[], ['finish']])
      c.send('COUNT', `n${index}`, filter)
      const counted = await c.waitFor(([type, id]) => type === 'COUNT' && id === `n${index}`)
      expect(counted[2]).toEqual({ count: 0 })
    }
    for (const at of [1, 2, 3])
      await a.publish(chatEvent(alice, { chatId: 'secret', text: `${at}`, members: [] }))
    await a.publish(presenceEvent(alice, awareness(7, 1), { chatId: 'secret' }))
    await c.settle()
    expect(c.messages.filter(([type]) => type === 'EVENT')).toEqual([])
  })

  it('[LEAK1] in what catching up and summaries bring', async () => {
    const { c, own } = await setUp()
    const { events } = await c.request('all', { after: '' })
    expect(events.map(({ id }) => id)).toEqual([own.id])
    const summaries = await c.request('list', { kinds: [30001], after: '', summaries: true })
    expect(summaries.events.flatMap(({ tags }) => tags)).toEqual([['a', chatAddressText(carol, 'own')]])
    for (const filter of [
      { after: '', kinds: [30001], '#d': ['secret'] },
      { after: '', kinds: [10001, 1] },
    ])
      expect((await c.request('some', filter)).events).toEqual([])
    const listed = await c.request('none', { kinds: [30001], '#d': ['secret'], after: '', summaries: true })
    expect(listed.events).toEqual([])
  })

  it('[LEAK2] in whether an event is known: the author is looked at first', async () => {
    const { c, secret, own } = await setUp()
    const unknown = [
      chatEvent(alice, { chatId: 'secret' }),
      settingsEvent(alice, 'a', 'b'),
      trainingEvent(alice),
    ]
    const answers = []
    for (const event of [...secret, ...unknown]) answers.push(await c.publish(event))
    expect(new Set(answers.map(({ reason }) => reason)).size).toBe(1)
    expect(answers[0]).toEqual({ accepted: false, reason: expect.stringMatching(/^restricted: .*author/) })
    // A stranger with a connection of another key on it, and the id with a signature that is wrong.
    const forged = await c.publish({ ...(secret[0] as NostrEvent), sig: 'f'.repeat(128) })
    expect(forged.reason).toMatch(/^invalid: sig/)
    expect((await c.publish(own)).reason).toMatch(/^duplicate:/)
  })

  it('[LEAK3] in whether a document is there: what a stranger writes gets one answer', async () => {
    const { c } = await setUp()
    const reasons = []
    for (const chatId of ['secret', 'not there']) {
      const foreign = { owner: alice, chatId }
      for (const event of [
        chatEvent(carol, foreign),
        chatEvent(carol, { ...foreign, checkpoint: true }),
        chatEvent(carol, { ...foreign, part: { group: 'ab'.repeat(8), index: 0, count: 2 } }),
        presenceEvent(carol, awareness(5, 1), foreign),
      ]) {
        const { accepted, reason } = await c.publish(event)
        expect(accepted).toBe(false)
        reasons.push(reason.replace(chatId, ''))
      }
    }
    expect(new Set(reasons)).toEqual(
      new Set([`restricted: you are not a member of 30001:${alice.publicKey}:`]),
    )
  })

  it('[LEAK4] in cursors: they stay as they are while others write, and don’t say how much there is', async () => {
    const { server, a, c } = await setUp()
    const n = await connect(server, nobody)
    const ask = async () => [
      (await c.request('s', { after: '' })).cursor,
      (await c.request('t', { kinds: [30001], after: '', summaries: true })).cursor,
      (await n.request('u', { after: '' })).cursor,
    ]
    const before = await ask()
    await c.request('live', { after: before[0] })
    for (let count = 0; count < 5; count++) await a.publish(trainingEvent(alice))
    expect(await ask()).toEqual(before)
    expect((await c.request('s', { after: before[0] })).cursor).toBe(before[0])
    await c.publish(chatEvent(carol, { chatId: 'own' }))
    const after = await ask()
    expect([after[0] !== before[0], after[1] !== before[1], after[2] === before[2]]).toEqual([
      true,
      true,
      true,
    ])
    // What is alike in two cursors is alike in all: no position shows.
    const places = [before, after].map(([cursor = '']) => cursor.split('.')[2] as string)
    expect(places.every((place) => /^[\w-]{22}$/.test(place))).toBe(true)
    const sealed = createSealedPlaces(new Uint8Array(32).fill(5))
    const texts = [1, 2, 3].map((seq) => sealed.write({ seq, epochId: 'ab'.repeat(8) }))
    expect(new Set(texts.map((text) => text.slice(0, 6))).size).toBe(3)
    expect(sealed.read(texts[1] as string)).toEqual({ seq: 2, epochId: 'ab'.repeat(8) })
    expect(sealed.read('x')).toBeUndefined()
    const other = createSealedPlaces(new Uint8Array(32).fill(6))
    expect(other.read(texts[1] as string)).not.toEqual({ seq: 2, epochId: 'ab'.repeat(8) })
  })

  it('[LEAK5] in a subscription of the same id on another connection', async () => {
    const { server, a, secret } = await setUp()
    const c = await connect(server, carol)
    await a.request('same', { '#d': ['secret'] })
    expect((await c.request('same', { '#d': ['secret'] })).events).toEqual([])
    c.send('CLOSE', 'same')
    await c.settle()
    const next = chatEvent(alice, { chatId: 'secret', members: membersOf(bob) })
    await a.publish(next)
    await a.waitForEvent('same', next.id)
    expect(a.eventsOf('same').map(({ event }) => event.id)).toEqual([secret[0]?.id, next.id])
    expect(c.eventsOf('same')).toEqual([])
  })

  it('[LEAK6] in who is there: presence of a document comes to its readers only', async () => {
    const { server, a, c } = await setUp()
    await a.publish(presenceEvent(alice, awareness(7, 1), { chatId: 'secret' }))
    for (const filter of [
      { kinds: [20001] },
      { kinds: [20001], '#a': [chatAddressText(alice, 'secret')] },
      {},
    ])
      expect((await c.request('who', filter)).events.filter(({ kind }) => kind === 20001)).toEqual([])
    await a.close()
    await c.settle()
    expect(c.messages.filter(([, , event]) => (event as NostrEvent | undefined)?.kind === 20001)).toEqual([])
    // A client id that is taken there is not taken for a stranger to see.
    const d = await connect(server, nobody)
    const answer = await d.publish(presenceEvent(nobody, awareness(7, 1), { owner: alice, chatId: 'secret' }))
    expect(answer.reason).toMatch(/not a member/)
  })

  it('[LEAK7] in the NIP-11 document, before and after others have written', async () => {
    const { server, a } = await setUp()
    const info = async () =>
      (
        await fetch(server.url.replace('ws', 'http'), { headers: { Accept: 'application/nostr+json' } })
      ).text()
    const before = await info()
    await a.publish(trainingEvent(alice))
    expect(await info()).toBe(before)
    for (const { publicKey } of [alice, bob]) expect(before).not.toContain(publicKey)
  })

  it('[LEAK8] to a member that was removed, of what it could read before', async () => {
    const { server, a } = await setUp()
    const b = await connect(server, bob)
    const roster = rosterOf([bob], 2_000_000_000)
    const shared = chatEvent(alice, { chatId: 'shared', roster })
    await a.publish(shared)
    const { cursor } = await b.request('s', { after: '' })
    const removed = {
      baseAt: 0,
      entries: roster.entries.map((entry) => ({ ...entry, role: 'none' as const, at: entry.at + 1 })),
    }
    await a.publish(chatEvent(alice, { chatId: 'shared', roster: removed }))
    for (const filter of [
      { ids: [shared.id] },
      { '#d': ['shared'] },
      { '#p': [bob.publicKey] },
      { after: cursor },
    ]) {
      const { events } = await b.request('again', filter)
      expect(events.filter(({ tags }) => tags.some(([, value]) => value === 'shared'))).toEqual([])
    }
    b.send('COUNT', 'n', { '#d': ['shared'] })
    expect((await b.waitFor(([type]) => type === 'COUNT'))[2]).toEqual({ count: 0 })
  })
})
