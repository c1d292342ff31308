import '../../support/global-web-socket.js'
import NDK, { NDKEvent, NDKPrivateKeySigner, type NDKRelay } from '@nostr-dev-kit/ndk'
import { bytesToHex } from '@onyx-sync/shared'
import { describe, expect, it, vi } from 'vitest'
import { afterThisTest } from '../../support/after-test.js'
import { expectDeletion } from '../../support/deletion-by-client.js'
import type { TestKey } from '../../support/events.js'
import { freshKey, sharedServer } from '../../support/shared-server.js'

const server = sharedServer()

/** An NDK of one account, connected; and what it sends and receives. */
async function ndkOf(key: TestKey) {
  const ndk = new NDK({
    explicitRelayUrls: [server.url],
    signer: new NDKPrivateKeySigner(bytesToHex(key.secretKey)),
    enableOutboxModel: false,
  })
  // "Yes": it then authenticates by itself, and sends again what was refused before.
  ndk.relayAuthDefaultPolicy = async () => true
  const sent: string[] = []
  ndk.pool.on('relay:connect', (relay: NDKRelay) => {
    const { connectivity } = relay
    const send = connectivity.send.bind(connectivity)
    vi.spyOn(connectivity, 'send').mockImplementation((message) => {
      sent.push(message)
      return send(message)
    })
  })
  afterThisTest(() => {
    for (const relay of ndk.pool.relays.values()) relay.disconnect()
  })
  await ndk.connect(5_000)
  return { ndk, sent }
}

const textOf = (events: Iterable<NDKEvent>): string[] =>
  [...events].sort((a, b) => (b.created_at ?? 0) - (a.created_at ?? 0)).map(({ content }) => content)

describe('NDK', () => {
  it('[WIR7][INFO2] logs in with a slash behind the URL, publishes, subscribes, counts, reads by pages and deletes', async () => {
    const alice = freshKey()
    const { ndk, sent } = await ndkOf(alice)
    expect([...ndk.pool.relays.keys()]).toEqual([`${server.url}/`])
    const publish = (content: string, createdAt: number) =>
      new NDKEvent(ndk, {
        kind: 1,
        content,
        tags: [['-']],
        created_at: createdAt,
        pubkey: alice.publicKey,
      }).publish()
    // The first is refused until NDK has logged in, and comes again by itself.
    expect((await publish('1', 1001)).size).toBe(1)
    const live: string[] = []
    await new Promise<void>((resolve) => {
      ndk.subscribe(
        { kinds: [1], authors: [alice.publicKey] },
        { subId: 'feed#1', closeOnEose: false },
        { onEvent: (event) => live.push(event.content), onEose: () => resolve() },
      )
    })
    for (let index = 2; index <= 5; index++) await publish(String(index), 1000 + index)
    await vi.waitFor(() => expect(live).toEqual(['1', '2', '3', '4', '5']))
    expect(sent.some((message) => /^\["REQ","feed#1/.test(message))).toBe(true)
    const first = await ndk.fetchEvents({ kinds: [1], authors: [alice.publicKey], limit: 2 })
    expect(textOf(first)).toEqual(['5', '4'])
    const second = await ndk.fetchEvents({ kinds: [1], authors: [alice.publicKey], until: 1003, limit: 2 })
    expect(textOf(second)).toEqual(['3', '2'])
    const [relay] = ndk.pool.relays.values()
    expect((await relay?.connectivity.count([{ kinds: [1] }], {}))?.count).toBe(5)
    const [newest] = first
    await expectDeletion(
      () =>
        (newest as NDKEvent).delete().then(
          () => true,
          () => false,
        ),
      async () => (await ndk.fetchEvents({ ids: [(newest as NDKEvent).id] })).size > 0,
    )
    // Another account sees nothing of it.
    const { ndk: other } = await ndkOf(freshKey())
    const own = await new NDKEvent(other, {
      kind: 1,
      content: 'own',
      tags: [],
      created_at: 1,
      pubkey: '',
    }).publish()
    expect(own.size).toBe(1)
    expect(textOf(await other.fetchEvents({ kinds: [1] }))).toEqual(['own'])
  })
})
