import { createMemoryLog } from '@onyx-sync/server'
import { nip77 } from 'nostr-tools'
import { describe, expect, it } from 'vitest'
import { chatEvent, deletionEvent, settingsEvent, sign, testKey, trainingEvent } from '../support/events.js'
import { EXTRA_KINDS, giftWrap, plainEvent } from '../support/kinds.js'
import type { RelayClient } from '../support/relay-client.js'
import { connect, runServer } from '../support/servers.js'

const alice = testKey(1)
const bob = testKey(2)
const mallory = testKey(3)

let requests = 0

/** Everything that a client can find out by a filter: what is stored, how many, and by comparing sets. */
async function findOut(client: RelayClient, filter: object): Promise<unknown[]> {
  const id = `f${++requests}`
  const { events, hints } = await client.request(id, filter)
  client.send('CLOSE', id)
  client.send('COUNT', id, filter)
  const [, , count] = await client.waitFor(([type, of]) => type === 'COUNT' && of === id)
  const storage = new nip77.NegentropyStorageVector()
  storage.seal()
  client.send('NEG-OPEN', id, filter, new nip77.Negentropy(storage).initiate())
  const [type, , answer] = await client.waitFor(([kind, of]) => /^NEG-/.test(String(kind)) && of === id)
  client.send('NEG-CLOSE', id)
  return [events, hints, count, type, answer]
}

describe('spying on what others were sent', () => {
  it('[ATK47][LEAK9] a gift wrap shows in nothing to anybody but its receiver, its sender included', async () => {
    const server = await runServer({ kinds: { extra: EXTRA_KINDS } })
    const [a, b] = [await connect(server, alice), await connect(server, bob)]
    const spy = await connect(server, mallory)
    const own = plainEvent(mallory, 7)
    await spy.publish(own)
    const [wrap, deleted, other] = [giftWrap(bob), giftWrap(bob), giftWrap(bob)]
    const author = wrap.pubkey
    const filters = [
      { ids: [wrap.id, deleted.id] },
      { ids: [wrap.id], kinds: [1059], authors: [author] },
      { authors: [author] },
      { kinds: [1059] },
      { kinds: [1059], '#p': [bob.publicKey] },
      { '#p': [bob.publicKey] },
      { '#p': [bob.publicKey], since: 1, until: 5_000_000_000, limit: 1 },
      { kinds: [...EXTRA_KINDS], authors: [author, bob.publicKey] },
      {},
    ]
    const look = async (client: RelayClient) => {
      const answers: unknown[] = []
      for (const filter of filters) answers.push(await findOut(client, filter))
      const { events, cursor } = await client.request(`a${++requests}`, { after: '' })
      return [answers, events, cursor]
    }
    await spy.request('live', {})
    await spy.request('live sync', { after: '' })
    const [before, sendersBefore] = [await look(spy), await look(a)]
    for (const event of [wrap, deleted])
      expect(await a.publish(event)).toEqual({ accepted: true, reason: '' })
    await a.publish(giftWrap(bob, { kind: 21_059 }))
    expect(await look(spy)).toEqual(before)
    expect(await look(a)).toEqual(sendersBefore)
    expect((await b.request('mine', { kinds: [1059] })).events).toHaveLength(2)
    await b.publish(deletionEvent(bob, { ids: [deleted.id] }))
    expect(await look(spy)).toEqual(before)

    // A copy of one that is here, and one that never was: the same words.
    const answers = [await spy.publish(wrap), await a.publish(wrap), await spy.publish(other)]
    expect(answers).toEqual(answers.map(() => ({ accepted: true, reason: '' })))
    // Nor can it be taken away, or be answered as if there was something to take.
    for (const id of [wrap.id, 'ab'.repeat(32)]) {
      const request = deletionEvent(mallory, { ids: [id] })
      expect(await spy.publish(request)).toEqual({ accepted: true, reason: '' })
    }
    expect((await b.request('still', { ids: [wrap.id] })).events).toEqual([wrap])
    await spy.settle()
    const heard = ['live', 'live sync'].flatMap((id) => spy.eventsOf(id).map(({ event }) => event.kind))
    expect([...new Set(heard)].sort()).toEqual([5, 7])
  })

  it('[ATK47] what keeps a receiver from taking one is answered in the same words, without numbers', async () => {
    const server = await runServer({ kinds: { extra: EXTRA_KINDS }, limits: { maxWrappedBytes: 600 } })
    const [a, b] = [await connect(server, alice), await connect(server, bob)]
    const wrap = giftWrap(bob)
    await a.publish(wrap)
    const full = await a.publish(giftWrap(bob))
    await b.publish(deletionEvent(bob, { ids: [wrap.id] }))
    const deleted = await a.publish(wrap)
    const now = Math.floor(Date.now() / 1000)
    await b.publish(sign(bob, { kind: 62, created_at: now, tags: [['relay', server.url]], content: '' }))
    const vanished = await a.publish(giftWrap(bob))
    expect([full, deleted, vanished]).toEqual(
      Array(3).fill({ accepted: false, reason: 'restricted: its receiver takes no such gift wrap here' }),
    )
  })

  it('[ATK48][LEAK2] a copy of another’s event tells nothing of whether it is stored', async () => {
    const log = createMemoryLog()
    const server = await runServer({ log, kinds: { extra: EXTRA_KINDS } })
    const [a, spy] = [await connect(server, alice), await connect(server, mallory)]
    const make = () => [
      chatEvent(alice),
      settingsEvent(alice, 'a', 'b'),
      trainingEvent(alice),
      deletionEvent(alice, { ids: ['ab'.repeat(32)] }),
      plainEvent(alice, 0),
      plainEvent(alice, 7),
      plainEvent(alice, 4, { tags: [['p', bob.publicKey]] }),
      plainEvent(alice, 30_023, { tags: [['d', 'x']] }),
    ]
    const here = make()
    for (const event of here) expect(await a.publish(event)).toMatchObject({ accepted: true })
    const [gone] = [here[2]]
    await a.publish(deletionEvent(alice, { ids: [gone?.id ?? ''] }))
    const { head } = log
    const answers = new Set<string>()
    for (const event of [...here, ...make()]) answers.add(JSON.stringify(await spy.publish(event)))
    expect([...answers]).toEqual([
      JSON.stringify({
        accepted: false,
        reason: 'restricted: events are taken from their author only; authenticate this key too',
      }),
    ])
    expect(log.head).toBe(head)
  })
})
