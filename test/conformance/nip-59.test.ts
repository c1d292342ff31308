import type { NostrEvent } from '@onyx-sync/shared'
import type { Filter } from 'nostr-tools/filter'
import * as nip17 from 'nostr-tools/nip17'
import * as nip59 from 'nostr-tools/nip59'
import { finalizeEvent, type VerifiedEvent } from 'nostr-tools/pure'
import { Relay, useWebSocketImplementation } from 'nostr-tools/relay'
import { describe, expect, it } from 'vitest'
import { WebSocket } from 'ws'
import { afterThisTest } from '../support/after-test.js'
import type { TestKey } from '../support/events.js'
import { plainEvent } from '../support/kinds.js'
import { freshKey, sharedServer } from '../support/shared-server.js'

useWebSocketImplementation(WebSocket)

const server = sharedServer(['--kinds-extra', '0,7,1059', '--kinds-extra', '20100', '--kinds-extra', '30023'])

/** A connection of nostr-tools that logs in by itself, before anything else is asked. */
async function relayOf(key: TestKey): Promise<Relay> {
  const relay = await Relay.connect(server.url)
  afterThisTest(() => relay.close())
  const onauth = async (template: Parameters<typeof finalizeEvent>[0]): Promise<VerifiedEvent> =>
    finalizeEvent(template, key.secretKey)
  // It has the challenge once it has been refused.
  await relay.publish(plainEvent(key, 7)).catch(() => {})
  await relay.auth(onauth)
  return relay
}

function stored(relay: Relay, filter: Filter): Promise<NostrEvent[]> {
  return new Promise((resolve) => {
    const events: NostrEvent[] = []
    const subscription = relay.subscribe([filter], {
      onevent: (event) => events.push(event),
      oneose() {
        subscription.close()
        resolve(events)
      },
    })
  })
}

const idsOf = (events: readonly NostrEvent[]): string[] => events.map(({ id }) => id)

describe('gift wraps (NIP-59)', () => {
  it('[KND5] nostr-tools sends one, and its receiver alone gets and opens it', async () => {
    const [alice, bob, carol] = [freshKey(), freshKey(), freshKey()]
    const [a, b, c] = [await relayOf(alice), await relayOf(bob), await relayOf(carol)]
    const live = new Promise<NostrEvent>((resolve) => {
      b.subscribe([{ kinds: [1059], '#p': [bob.publicKey] }], { onevent: resolve })
    })
    const wrap = nip59.wrapEvent({ kind: 1, content: 'hello' }, alice.secretKey, bob.publicKey)
    await a.publish(wrap)
    expect((await live).id).toBe(wrap.id)
    const [found] = await stored(b, { kinds: [1059], '#p': [bob.publicKey] })
    expect(nip59.unwrapEvent(found as NostrEvent, bob.secretKey)).toMatchObject({
      content: 'hello',
      pubkey: alice.publicKey,
    })
    for (const relay of [a, c]) {
      expect(await stored(relay, { kinds: [1059], '#p': [bob.publicKey] })).toEqual([])
      expect(await stored(relay, { ids: [wrap.id] })).toEqual([])
    }
  })

  it('[KND5] private direct messages (NIP-17) reach all whom they are for, the sender included', async () => {
    const [alice, bob, carol] = [freshKey(), freshKey(), freshKey()]
    const a = await relayOf(alice)
    const receivers = [bob, carol].map(({ publicKey }) => ({ publicKey }))
    for (const wrap of nip17.wrapManyEvents(alice.secretKey, receivers, 'to both')) await a.publish(wrap)
    for (const key of [alice, bob, carol]) {
      const mine = await stored(await relayOf(key), { kinds: [1059], '#p': [key.publicKey] })
      expect(mine.map((wrap) => nip17.unwrapEvent(wrap, key.secretKey).content)).toEqual(['to both'])
    }
  })
})

describe('further kinds by the plain rules', () => {
  it('[KND2][KND3][KND4] nostr-tools publishes, reads and deletes one of each class', async () => {
    const [alice, bob] = [freshKey(), freshKey()]
    const [a, b] = [await relayOf(alice), await relayOf(bob)]
    const authors = [alice.publicKey]
    const page = (createdAt: number, d = 'page') =>
      plainEvent(alice, 30_023, { createdAt, tags: [['d', d]], content: `${createdAt}` })
    const reactions = [plainEvent(alice, 7), plainEvent(alice, 7)]
    const profiles = [1, 2].map((createdAt) =>
      plainEvent(alice, 0, { createdAt, content: `{"name":"${createdAt}"}` }),
    )
    for (const event of [...reactions, ...profiles, page(1), page(2), page(1, 'other')])
      await a.publish(event)
    expect(idsOf(await stored(b, { kinds: [7], authors }))).toEqual(idsOf([...reactions].reverse()))
    expect((await stored(b, { kinds: [0], authors })).map(({ content }) => content)).toEqual(['{"name":"2"}'])
    await expect(a.publish(profiles[0] as NostrEvent)).rejects.toThrow(/^replaced: /)
    const one = await stored(b, { kinds: [30_023], authors, '#d': ['page'] })
    expect(one.map(({ content }) => content)).toEqual(['2'])
    expect(await stored(b, { kinds: [30_023], authors })).toHaveLength(2)

    const heard = new Promise<NostrEvent>((resolve) => {
      b.subscribe([{ kinds: [20_100], authors }], {
        onevent: resolve,
        oneose: () => void a.publish(plainEvent(alice, 20_100, { content: 'typing' })),
      })
    })
    expect((await heard).content).toBe('typing')
    expect(await stored(b, { kinds: [20_100], authors })).toEqual([])

    const tags = [
      ['a', `30023:${alice.publicKey}:page`],
      ['e', reactions[0]?.id ?? ''],
    ]
    await a.publish(plainEvent(alice, 5, { tags }))
    expect(idsOf(await stored(b, { kinds: [7], authors }))).toEqual([reactions[1]?.id])
    expect((await stored(b, { kinds: [30_023], authors })).map(({ tags: [d] }) => d)).toEqual([
      ['d', 'other'],
    ])
    expect(await b.count([{ kinds: [0, 7, 30_023], authors }], {})).toBe(3)
  })
})
