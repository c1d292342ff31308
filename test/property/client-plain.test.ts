import { createMemoryStore, type SyncClient, type SyncStore } from '@onyx-sync/client'
import { DEFAULT_LIMITS, hasSameBytes, parsePlainState } from '@onyx-sync/shared'
import { createVirtualClock } from '@onyx-sync/testing'
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type * as Y from 'yjs'
import { chatAddressText, testKey } from '../support/events.js'
import { createPlainRelay } from '../support/plain-relay.js'
import { openScripted, type ScriptedServer } from '../support/scripted-server.js'
import { during, storedDocument, textsOf } from '../support/worlds.js'

const owner = testKey(1)
const oslo = chatAddressText(owner, 'oslo')
const DEVICES = 3

const step = fc.record({
  device: fc.nat({ max: DEVICES - 1 }),
  action: fc.constantFrom(
    ...([
      'send',
      'send',
      'delete',
      'set',
      'connect',
      'disconnect',
      'restart',
      'cut',
      'forget',
      'mute',
    ] as const),
  ),
  waitMs: fc.nat({ max: 4_000 }),
})

describe('histories on a plain relay', () => {
  it('[PLN12][PLN2][C8] whatever happens, nothing is lost, and all end with the same bytes', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 40 }), fc.nat(), async (steps, seed) => {
        const clock = createVirtualClock(Date.UTC(2026, 0, 1))
        const relay = createPlainRelay({
          cap: 2,
          older: seed % 2 === 0 ? 'OK true duplicate' : 'OK false replaced',
        })
        const stores: SyncStore[] = []
        const clients: SyncClient[] = []
        const servers: ScriptedServer[] = []
        const sent = new Set<string>()
        const deleted = new Set<string>()
        let opened = 0

        async function open(index: number): Promise<void> {
          stores[index] ??= { ...createMemoryStore(), close: async () => {} }
          const { client, server } = await openScripted(owner, {
            script: relay.script(),
            virtualClock: clock,
            seed: `${seed}-${++opened}`,
            store: stores[index] as SyncStore,
          })
          clients[index] = client
          servers[index] = server
        }

        for (let index = 0; index < DEVICES; index++) await open(index)
        for (const client of clients) await during(clock, client.chats.create({ id: 'oslo' }))
        let count = 0
        for (const { device, action, waitMs } of steps) {
          const client = clients[device] as SyncClient
          const server = servers[device] as ScriptedServer
          if (action === 'send') {
            const text = `text ${++count}`
            sent.add(text)
            await during(clock, client.chats.send('oslo', text))
          } else if (action === 'delete') {
            const { messages } = await during(clock, client.chats.read('oslo'))
            const message = messages[waitMs % Math.max(1, messages.length)]
            if (message === undefined) continue
            deleted.add(message.content)
            await during(clock, client.chats.deleteMessage('oslo', message.id))
          } else if (action === 'set') await during(clock, client.settings.set(`key${waitMs % 3}`, ++count))
          else if (action === 'connect') client.connect()
          else if (action === 'disconnect') client.disconnect()
          else if (action === 'restart') {
            await during(clock, client.close())
            await open(device)
            clients[device]?.connect()
          } else if (action === 'cut') server.link?.close(1006)
          else if (action === 'forget') relay.kept.clear()
          else {
            // What comes next gets no answer; then the connection breaks.
            const { onEvent } = server.script
            server.script.onEvent = (link, event) => {
              server.script.onEvent = onEvent
              relay.published.push(event)
              relay.put(event)
              link.close(1006)
            }
          }
          await clock.advance(waitMs)
        }
        // Twice: a relay that has just lost everything gets it from one device after another.
        for (let round = 0; round < 2; round++) {
          for (const client of clients) {
            client.disconnect()
            client.connect()
          }
          await clock.advance(90_000)
        }
        for (const { status } of clients)
          expect(status).toMatchObject({ connection: 'live', unsent: 0, refused: 0 })
        for (const address of [oslo, `10001:${owner.publicKey}:`]) {
          const [first, ...others] = await Promise.all(stores.map((store) => storedDocument(store, address)))
          for (const other of others) expect(hasSameBytes(other, first as Y.Doc)).toBe(true)
        }
        const texts = textsOf(await storedDocument(stores[0] as SyncStore, oslo))
        expect([...texts].sort()).toEqual([...sent].filter((text) => !deleted.has(text)).sort())
        for (const event of relay.published) parsePlainState(event, DEFAULT_LIMITS)
        for (const store of stores) expect(await store.loadOutbox()).toEqual([])
      }),
      { numRuns: 25 },
    )
  }, 120_000)
})
