import {
  compareNewestFirst,
  DEFAULT_LIMITS,
  decodeUpdateEvent,
  type EventTemplate,
  type NostrEvent,
} from '@onyx-sync/shared'
import type { Filter } from 'nostr-tools/filter'
import { fetchRelayInformation } from 'nostr-tools/nip11'
import { SimplePool, useWebSocketImplementation as usePoolWebSocket } from 'nostr-tools/pool'
import { finalizeEvent, type VerifiedEvent, verifyEvent } from 'nostr-tools/pure'
import { Relay, useWebSocketImplementation as useRelayWebSocket } from 'nostr-tools/relay'
import { describe, expect, it } from 'vitest'
import { WebSocket } from 'ws'
import * as Y from 'yjs'
import { afterThisTest } from '../../support/after-test.js'
import { expectDeletion } from '../../support/deletion-by-client.js'
import { chatEvent, settingsEvent, sign, testKey, trainingEvent } from '../../support/events.js'
import { runServer } from '../../support/servers.js'

// Node 20 has no WebSocket of its own.
usePoolWebSocket(WebSocket)
useRelayWebSocket(WebSocket)

const alice = testKey(1)
const onauth = async (template: EventTemplate): Promise<VerifiedEvent> =>
  finalizeEvent(template, alice.secretKey)

/** Two devices that wrote the same chat apart from each other. */
function twoDevices(): { updates: Uint8Array[]; merged: unknown } {
  const docs = [new Y.Doc(), new Y.Doc()]
  const updates: Uint8Array[] = []
  for (const [device, doc] of docs.entries()) {
    doc.on('update', (update: Uint8Array) => updates.push(update))
    for (let index = 0; index < 3; index++) {
      doc.getArray('messages').push([new Y.Map([['content', `${device}-${index}`]])])
    }
    doc.getMap('metadata').set('title', `by ${device}`)
  }
  return { updates, merged: contentOf(updates) }
}

function contentOf(updates: readonly Uint8Array[]): unknown {
  const doc = new Y.Doc()
  for (const update of updates) Y.applyUpdate(doc, update)
  return { messages: doc.getArray('messages').toJSON(), metadata: doc.getMap('metadata').toJSON() }
}

function mergedContent(events: readonly NostrEvent[]): unknown {
  return contentOf(events.map((event) => decodeUpdateEvent(event, DEFAULT_LIMITS).framed.update))
}

describe('nostr-tools', () => {
  it('[REQ8][WIR7] Relay with onauth publishes and reads; all contents of a plain REQ give the merged chat', async () => {
    const server = await runServer()
    const relay = await Relay.connect(server.url)
    afterThisTest(() => relay.close())
    relay.onauth = onauth
    const { updates, merged } = twoDevices()
    const chats = updates.map((update) => chatEvent(alice, { update }))
    const all = [...chats, settingsEvent(alice, 'theme', 'dark'), trainingEvent(alice)]
    // As nostr-tools does it: the first attempt is answered auth-required, then it authenticates.
    await expect(relay.publish(all[0] as NostrEvent)).rejects.toThrow(/^auth-required: /)
    await relay.auth(onauth)
    for (const event of all) await relay.publish(event)
    const read = (filter: Filter) =>
      new Promise<NostrEvent[]>((resolve, reject) => {
        const events: NostrEvent[] = []
        const subscription = relay.subscribe([filter], {
          onevent: (event) => events.push(event),
          oneose: () => {
            resolve(events)
            subscription.close()
          },
          onclose: (reason) => reject(new Error(reason)),
        })
      })
    const found = await read({ kinds: [30001], '#d': ['chat'] })
    expect(found).toHaveLength(chats.length)
    expect(found.every((event) => verifyEvent({ ...event }))).toBe(true)
    expect(mergedContent(found)).toEqual(merged)
    expect(await read({ kinds: [10001] })).toHaveLength(1)
    expect(await read({ kinds: [1] })).toHaveLength(1)
    expect(await relay.count([{ kinds: [30001] }], {})).toBe(chats.length)
    const training = all.at(-1) as NostrEvent
    const deletion = sign(alice, {
      kind: 5,
      created_at: training.created_at + 1,
      tags: [
        ['e', training.id],
        ['k', '1'],
      ],
      content: '',
    })
    await expectDeletion(
      () =>
        relay.publish(deletion).then(
          () => true,
          () => false,
        ),
      async () => (await read({ ids: [training.id] })).length > 0,
    )
    const ids = (events: readonly NostrEvent[]) => events.map(({ id }) => id)
    const newest = ids([...chats].sort(compareNewestFirst))
    const page = await read({ kinds: [30001], limit: 2 })
    expect(ids(page)).toEqual(newest.slice(0, 2))
    const until = (page.at(-1)?.created_at as number) - 1
    expect(ids(await read({ kinds: [30001], until, limit: 2 }))).toEqual(newest.slice(2, 4))
  })

  it('[REQ8][WIR7] SimplePool with onauth publishes and reads kinds 30001, 10001 and 1', async () => {
    const server = await runServer()
    const pool = new SimplePool()
    afterThisTest(() => pool.destroy())
    const { updates, merged } = twoDevices()
    const chats = updates.map((update) => chatEvent(alice, { update }))
    const all = [...chats, settingsEvent(alice, 'theme', 'dark'), trainingEvent(alice)]
    for (const event of all) await Promise.all(pool.publish([server.url], event, { onauth }))
    const read = (filter: Filter) =>
      new Promise<NostrEvent[]>((resolve) => {
        const events: NostrEvent[] = []
        const subscription = pool.subscribe([server.url], filter, {
          onauth,
          onevent: (event) => events.push(event),
          oneose: () => {
            subscription.close()
            resolve(events)
          },
        })
      })
    expect(mergedContent(await read({ kinds: [30001], '#d': ['chat'] }))).toEqual(merged)
    expect(await read({ kinds: [10001] })).toHaveLength(1)
    expect(await read({ kinds: [1] })).toHaveLength(1)
    expect(await read({})).toHaveLength(all.length)
  })

  it('[INFO1] reads the relay information document', async () => {
    const server = await runServer()
    const info = await fetchRelayInformation(server.url)
    expect(info.supported_nips).toContain(77)
  })
})
