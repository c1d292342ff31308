import '../../support/global-web-socket.js'
import type { NostrEvent } from '@onyx-sync/shared'
import { Relay, SyncDirection } from 'applesauce-relay'
import type { Filter } from 'nostr-tools/filter'
import { type EventTemplate, finalizeEvent } from 'nostr-tools/pure'
import { firstValueFrom, lastValueFrom, toArray } from 'rxjs'
import { describe, expect, it, vi } from 'vitest'
import { afterThisTest } from '../../support/after-test.js'
import { expectDeletion } from '../../support/deletion-by-client.js'
import { sign, type TestKey, trainingEvent } from '../../support/events.js'
import { freshKey, sharedServer } from '../../support/shared-server.js'

const server = sharedServer()

function relayOf(key: TestKey): Relay {
  const relay = new Relay(server.url)
  afterThisTest(() => relay.close())
  const signer = {
    getPublicKey: () => key.publicKey,
    signEvent: (template: EventTemplate) => finalizeEvent(template, key.secretKey),
  }
  relay.challenge$.subscribe((challenge) => {
    if (challenge !== null) void relay.authenticate(signer)
  })
  return relay
}

const read = async (relay: Relay, filter: Filter): Promise<string[]> =>
  (await lastValueFrom(relay.request(filter).pipe(toArray()))).map(({ content }) => content)

describe('applesauce', () => {
  it('[WIR7] logs in, publishes, subscribes, counts, reads by pages and deletes', async () => {
    const alice = freshKey()
    const relay = relayOf(alice)
    const events = [1, 2, 3, 4, 5].map((index) => trainingEvent(alice, String(index), 1000 + index))
    expect(await relay.publish(events[0] as NostrEvent)).toMatchObject({ ok: true })
    const live: string[] = []
    relay.subscription({ kinds: [1] }).subscribe((response) => {
      if (typeof response !== 'string') live.push(response.content)
    })
    await vi.waitFor(() => expect(live).toEqual(['1']))
    for (const event of events.slice(1)) expect(await relay.publish(event)).toMatchObject({ ok: true })
    await vi.waitFor(() => expect(live).toEqual(['1', '2', '3', '4', '5']))
    expect(await read(relay, { kinds: [1], limit: 2 })).toEqual(['5', '4'])
    expect(await read(relay, { kinds: [1], until: 1003, limit: 2 })).toEqual(['3', '2'])
    expect(await firstValueFrom(relay.count({ kinds: [1] }))).toMatchObject({ count: 5 })
    const newest = (events[4] as NostrEvent).id
    const deletion = sign(alice, {
      kind: 5,
      created_at: 1006,
      tags: [
        ['e', newest],
        ['k', '1'],
      ],
      content: '',
    })
    await expectDeletion(
      async () => (await relay.publish(deletion)).ok,
      async () => (await read(relay, { ids: [newest] })).length > 0,
    )
    expect(relay.authenticatedAs).toBe(alice.publicKey)
    expect(await relay.getSupported()).toContain(77)
  })

  it('[WIR7][NEG1] brings two sets together by negentropy, both ways', async () => {
    const alice = freshKey()
    const relay = relayOf(alice)
    const events = Array.from({ length: 60 }, (_, index) =>
      trainingEvent(alice, `${index}`, 1000 + (index % 5)),
    )
    for (const event of events.slice(0, 40)) await relay.publish(event)
    const mine = events.slice(20)
    const received = await lastValueFrom(relay.sync(mine, { kinds: [1] }, SyncDirection.BOTH).pipe(toArray()))
    expect(received.map(({ id }) => id).sort()).toEqual(
      events
        .slice(0, 20)
        .map(({ id }) => id)
        .sort(),
    )
    expect((await read(relay, { kinds: [1] })).length).toBe(60)
  })
})
