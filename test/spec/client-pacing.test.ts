import { createMemoryStore, createSyncClient, type SyncClientOptions } from '@onyx-sync/client'
import type { NostrEvent, Signer } from '@onyx-sync/shared'
import { createVirtualClock, type VirtualClock } from '@onyx-sync/testing'
import { PlainKeySigner } from 'nostr-tools/signer'
import { describe, expect, it } from 'vitest'
import type * as Y from 'yjs'
import { createPacing } from '../../client/src/core/pacing.js'
import { testKey } from '../support/events.js'
import { openScripted, type ScriptedWorld } from '../support/scripted-server.js'
import { clientOf, during, startWorld } from '../support/worlds.js'

const owner = testKey(1)

/** A device that is live, has the chat `chat`, and may send a whole burst. */
async function openLive(options: Parameters<typeof openScripted>[1] = {}): Promise<ScriptedWorld> {
  const world = await openScripted(owner, options)
  world.client.connect()
  await world.clock.advance(1_000)
  await world.client.chats.create({ id: 'chat' })
  await world.clock.advance(60_000)
  return world
}

/** Sends a message to `chat` every so often. */
async function sendEvery({ client, clock }: ScriptedWorld, intervalMs: number, durationMs: number) {
  for (let ms = 0; ms < durationMs; ms += intervalMs) {
    await client.chats.send('chat', `at ${ms}`)
    await clock.advance(intervalMs)
  }
}

/** Signs as the key does, and takes its time. */
function slowSigner(clock: VirtualClock, durationMs: () => number): Signer {
  const signer = new PlainKeySigner(owner.secretKey)
  return {
    getPublicKey: () => signer.getPublicKey(),
    async signEvent(template) {
      // Logging in is no matter here.
      const ms = template.kind === 22242 ? 0 : durationMs()
      if (ms > 0) await new Promise<void>((resolve) => clock.setTimeout(resolve, ms))
      return signer.signEvent(template)
    },
  }
}

const newClock = () => createVirtualClock(Date.UTC(2026, 0, 1))
const differentEvents = (events: readonly NostrEvent[]) => new Set(events.map(({ id }) => id)).size

describe('the events of a document', () => {
  it('[OUT14] are few where edits are many: 1,000 insertions over 30 s make at most 64', async () => {
    const world = await startWorld('a thousand insertions', { alice: ['laptop', 'phone'] })
    const laptop = clientOf(world, 'laptop')
    await during(world, laptop.chats.create({ id: 'oslo' }))
    await during(world, laptop.chats.send('oslo', ''))
    const { doc } = await laptop.chats.open('oslo')
    const message = doc.getArray<Y.Map<unknown>>('messages').get(0)
    // All that were stored, also those that a checkpoint stands for by now.
    const stored = () => world.serverDisk.commits.flatMap((commit) => commit.events).length
    await world.advance(5_000)
    const before = stored()
    let text = ''
    for (let n = 0; n < 1_000; n++) {
      const token = n % 7 === 0 ? `\n\n ${n}\t` : ` word${n}`
      ;(message.get('content') as Y.Text).insert(text.length, token)
      text += token
      await world.advance(30)
    }
    await world.advance(5_000)
    const events = stored() - before
    expect(events).toBeLessThanOrEqual(64)
    // Held back, but not all of it to the end.
    expect(events).toBeGreaterThan(30)
    expect(laptop.status.unsent).toBe(0)
    const { messages } = await during(world, clientOf(world, 'phone').chats.read('oslo'))
    expect(messages).toMatchObject([{ content: text }])
  })

  it('[OUT14] are a burst and then one per interval, for each document by itself', async () => {
    const world = await openLive({ batching: { burst: 2, intervalMs: 1_000 } })
    const sentAt: number[] = []
    world.server.script.onEvent = (link, event) => {
      if (event.tags[0]?.[1] === 'chat') sentAt.push(world.clock.now())
      link.send('OK', event.id, true, '')
    }
    await world.client.chats.create({ id: 'other' })
    const startMs = world.clock.now()
    await sendEvery(world, 50, 5_000)
    const steps = sentAt.map((atMs) => Math.round((atMs - startMs) / 50) * 50)
    expect(steps).toEqual([0, 50, 1_000, 2_000, 3_000, 4_000])
    await world.client.chats.send('other', 'not held up by the other')
    await world.clock.advance(10)
    expect(world.server.events().filter(({ tags }) => tags[0]?.[1] === 'other')).toHaveLength(2)
  })

  it('[OUT14] are few after a long time without a network, and whole', async () => {
    const world = await openScripted(owner)
    await world.client.chats.create({ id: 'chat' })
    await sendEvery(world, 1_000, 300_000)
    world.client.connect()
    await world.clock.advance(5_000)
    expect(world.server.events()).toHaveLength(1)
    expect(world.client.status.unsent).toBe(0)
  })

  it('[OUT14] are held back in the same way over connections that keep breaking', async () => {
    const world = await openLive()
    const before = differentEvents(world.server.events())
    for (let n = 0; n < 10; n++) {
      world.server.link.close(1006)
      await sendEvery(world, 50, 1_000)
      world.client.wake()
    }
    await world.clock.advance(5_000)
    expect(world.client.status.unsent).toBe(0)
    expect(world.server.links.length).toBeGreaterThan(8)
    expect(differentEvents(world.server.events()) - before).toBeLessThanOrEqual(3 + 15_000 / 500)
  })

  it('[OUT15] are further apart where signing is slow', async () => {
    const clock = newClock()
    const world = await openLive({ virtualClock: clock, signer: slowSigner(clock, () => 65) })
    const before = world.server.events().length
    await sendEvery(world, 50, 60_000)
    const events = world.server.events().length - before
    expect(events).toBeLessThanOrEqual(3 + 60_000 / 1_300)
    expect(events).toBeGreaterThan(40)
  })

  it('[OUT15] are not stalled by a person who takes a minute to confirm, and soon as quick as before', async () => {
    const clock = newClock()
    let durationMs = 60_000
    const world = await openLive({ virtualClock: clock, signer: slowSigner(clock, () => durationMs) })
    const signing = world.server.events().length
    await sendEvery(world, 1_000, 600_000)
    // A minute for each, and never more than 5 s on top of it.
    expect(world.server.events().length - signing).toBeGreaterThanOrEqual(9)
    durationMs = 0
    await sendEvery(world, 100, 120_000)
    const quick = world.server.events().length
    await sendEvery(world, 100, 10_000)
    expect(world.server.events().length - quick).toBeGreaterThanOrEqual(18)
  })
})

describe('what is not held back', () => {
  it('[OUT16] is the first event after a pause', async () => {
    const world = await openLive()
    await sendEvery(world, 20, 1_000)
    await world.clock.advance(10_000)
    const before = world.server.events().length
    await world.client.chats.send('chat', 'and another thing')
    await world.clock.advance(5)
    expect(world.server.events().length).toBe(before + 1)
  })

  it('[OUT16] is an event that is sent again', async () => {
    const world = await openLive({ batching: { burst: 1, intervalMs: 60_000 } })
    await world.clock.advance(60_000)
    const [created] = world.server.events()
    world.server.script.onEvent = (link, event) => {
      if (event.id === created?.id) link.send('OK', event.id, true, 'duplicate: known')
      else link.close(1006)
    }
    await world.client.chats.send('chat', 'one')
    await world.clock.advance(30_000)
    const resent = world.server.events().filter(({ id }) => id !== created?.id)
    expect(resent.length).toBeGreaterThan(3)
    expect(differentEvents(resent)).toBe(1)
  })

  it('[OUT16] is what somebody waits for in synced() or saved(), and only that', async () => {
    const options: Partial<SyncClientOptions> = { batching: { burst: 1, intervalMs: 60_000 } }
    const world = await openLive(options)
    await world.clock.advance(60_000)
    const { client, clock, server } = world
    await client.chats.send('chat', 'takes the share')
    await clock.advance(100)
    const before = server.events().length

    await client.chats.send('chat', 'waited for')
    await clock.advance(1_000)
    expect([server.events().length, client.status.unsent]).toEqual([before, 1])
    const saved = client.saved()
    await clock.advance(10)
    expect(await saved).toBe(true)
    expect(server.events().length).toBe(before + 1)

    // Nobody waits for what comes after it.
    await client.chats.send('chat', 'not waited for')
    await clock.advance(1_000)
    expect([server.events().length, client.status.unsent]).toEqual([before + 1, 1])
    const synced = client.synced()
    await client.chats.send('chat', 'made while somebody waits')
    await clock.advance(10)
    expect(await synced).toBe(true)
    expect(client.status.unsent).toBe(0)
    await client.chats.send('chat', 'afterwards')
    await clock.advance(1_000)
    expect(client.status.unsent).toBe(1)
  })

  it('[OUT16] is not what comes after the edits that saved() waits for', async () => {
    const world = await openLive({ batching: { burst: 1, intervalMs: 60_000 } })
    await world.clock.advance(60_000)
    const { client, clock, server } = world
    // saved() waits for an answer that never comes, and so goes on waiting.
    server.script.onEvent = () => {}
    await client.chats.send('chat', 'waited for')
    const saved = client.saved({ timeoutMs: 20_000 })
    await clock.advance(1_000)
    await client.chats.create({ id: 'other' })
    await clock.advance(100)
    await client.chats.send('other', 'not waited for')
    const before = server.events().length
    await clock.advance(5_000)
    expect(server.events().length).toBe(before)
    await clock.advance(20_000)
    expect(await saved).toBe(false)
  })

  it('[OUT16] is anything, with an interval of 0', async () => {
    const world = await openLive({ batching: { intervalMs: 0 } })
    const before = world.server.events().length
    await sendEvery(world, 10, 1_000)
    expect(world.server.events().length - before).toBe(100)
  })

  it('[OUT16] is what waits when the clock is set back', () => {
    let nowMs = 1_000_000
    const clock = { ...newClock(), now: () => nowMs }
    const pacing = createPacing({ clock })
    for (let n = 0; n < 3; n++) pacing.spend('a')
    nowMs -= 3_600_000
    expect(pacing.delayMs('a')).toBe(500)
    nowMs += 500
    expect(pacing.delayMs('a')).toBe(0)
  })

  it('[OUT16] keeps no timer of a device that was disconnected, so that its process can end', async () => {
    const world = await openLive()
    for (let n = 0; n < 5; n++) {
      await world.client.chats.send('chat', `m${n}`)
      await world.clock.advance(10)
    }
    expect(world.client.status.unsent).toBeGreaterThan(0)
    world.client.disconnect()
    const { fired } = world.clock
    await world.clock.advance(60_000)
    expect(world.clock.fired).toBe(fired)
  })

  it('[OUT16] can be said in sensible values only', async () => {
    const open = (batching: SyncClientOptions['batching']) =>
      createSyncClient({
        store: createMemoryStore(),
        signer: new PlainKeySigner(owner.secretKey),
        ...(batching === undefined ? {} : { batching }),
      })
    for (const burst of [0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY])
      await expect(open({ burst })).rejects.toMatchObject({ code: 'VALUE_INVALID' })
    for (const intervalMs of [-1, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 31])
      await expect(open({ intervalMs })).rejects.toMatchObject({ code: 'VALUE_INVALID' })
    for (const batching of [{}, { burst: 1, intervalMs: 0 }, { burst: 100, intervalMs: 2 ** 31 - 1 }])
      await (await open(batching)).close()
  })
})
