import { openLevelLog, verifyLog } from '@onyx-sync/server'
import { type Clock, systemClock } from '@onyx-sync/shared'
import { describe, expect, it, vi } from 'vitest'
import { keyOf } from '../../server/src/adapters/level/keys.js'
import { entriesUnder, tamper } from '../support/damage.js'
import { chatTemplate, sign, testKey, trainingEvent } from '../support/events.js'
import { connect, runServer } from '../support/servers.js'
import { temporaryDirectory } from '../support/temporary-directory.js'

const alice = testKey(1)
const startMs = Date.now()
const second = (offset: number) => String(Math.floor(startMs / 1000) + offset)

/** A contribution that expires so many seconds after the start. */
const expiring = (offset: number, content = 'brief') =>
  sign(alice, { kind: 1, created_at: 1_764_000_000, tags: [['expiration', second(offset)]], content })

/** The system's clock, some time ahead; timers fire when it is set forward past them. */
function adjustableClock(): Clock & { advance(seconds: number): void } {
  let offsetMs = 0
  const timers = new Map<object, { atMs: number; callback: () => void }>()
  const now = () => systemClock.now() + offsetMs
  return {
    now,
    setTimeout(callback, delayMs) {
      const handle = {}
      timers.set(handle, { atMs: now() + delayMs, callback })
      return handle
    },
    clearTimeout: (handle) => void timers.delete(handle as object),
    advance(seconds) {
      offsetMs += seconds * 1000
      for (const [handle, { atMs, callback }] of [...timers]) {
        if (atMs <= now() && timers.delete(handle)) callback()
      }
    },
  }
}

describe('expiration (NIP-40)', () => {
  it('[XPR1] refuses what has expired, and what says no time', async () => {
    const a = await connect(await runServer(), alice)
    expect((await a.publish(expiring(-1))).reason).toMatch(/^invalid: the event expired/)
    for (const wrong of ['soon', '1.5', '-1', '']) {
      const event = sign(alice, { kind: 1, created_at: 1, tags: [['expiration', wrong]], content: '' })
      expect((await a.publish(event)).reason).toMatch(/^invalid: .*whole Unix seconds/)
    }
    expect(await a.publish(expiring(100))).toMatchObject({ accepted: true })
  })

  it('[XPR2] serves it until its second, and then takes it off the disk', async () => {
    const data = temporaryDirectory()
    const clock = adjustableClock()
    const server = await runServer({ data, clock })
    const a = await connect(server, alice)
    const [brief, long, lasting] = [expiring(100), expiring(500, 'long'), trainingEvent(alice)]
    for (const event of [brief, long, lasting])
      expect(await a.publish(event)).toMatchObject({ accepted: true })
    const count = async () => {
      const from = a.messages.length
      a.send('COUNT', 'n', { kinds: [1] })
      return (await a.waitFor(([type]) => type === 'COUNT', from))[2]
    }
    expect((await a.request('q', { kinds: [1] })).events).toHaveLength(3)
    expect(await count()).toMatchObject({ count: 3 })
    clock.advance(101)
    for (const filter of [{ kinds: [1] }, { kinds: [1], after: '' }, { authors: [alice.publicKey] }])
      expect((await a.request('q', filter)).events).toHaveLength(2)
    expect((await a.request('q', { ids: [brief.id] })).events).toEqual([])
    expect(await count()).toMatchObject({ count: 2 })
    expect((await a.publish(brief)).reason).toMatch(/^invalid: the event expired/)
    // Its timer has fired, and nothing else is written meanwhile.
    await a.publish(trainingEvent(alice, 'next'))
    await server.close()
    const expiries = () => tamper(data, (db) => entriesUnder(db, 'q'))
    await vi.waitFor(async () => expect((await expiries()).size).toBe(1))
    const log = await openLevelLog(data)
    expect(await log.has([brief.id, long.id])).toEqual([false, true])
    expect(await verifyLog(log)).toMatchObject({ isSound: true, events: 3 })
    await log.close()
    // What expires while it is down goes when it starts.
    const late = adjustableClock()
    late.advance(501)
    const again = await runServer({ data, clock: late })
    const b = await connect(again, alice)
    await b.publish(trainingEvent(alice, 'more'))
    // What expires was looked up before this answer; its timer fires now.
    late.advance(10)
    await b.publish(trainingEvent(alice, 'and more'))
    await again.close()
    expect((await expiries()).size).toBe(0)
  })

  it('[XPR2] that comes live is there for who listens', async () => {
    const a = await connect(await runServer(), alice)
    await a.request('live', { kinds: [1], limit: 0 })
    const event = expiring(100)
    await a.publish(event)
    await a.waitForEvent('live', event.id)
  })

  it('[XPR3] is nothing for updates of documents, and for deletion requests', async () => {
    const a = await connect(await runServer(), alice)
    const template = chatTemplate(alice)
    const update = sign(alice, { ...template, tags: [...template.tags, ['expiration', second(100)]] })
    expect((await a.publish(update)).reason).toMatch(/^invalid: .*can not expire.*NIP-09/)
    const tags = [
      ['e', 'ab'.repeat(32)],
      ['expiration', second(100)],
    ]
    const request = sign(alice, { kind: 5, created_at: 1, tags, content: '' })
    expect((await a.publish(request)).reason).toMatch(/^invalid: .*does not expire/)
  })

  it('[VFY3] is known of every event that has one, and of no other', async () => {
    const data = temporaryDirectory()
    const server = await runServer({ data })
    const a = await connect(server, alice)
    await a.publish(expiring(500))
    await server.close()
    await tamper(data, async (db) => {
      await db.del(keyOf.expiry(Number(second(500)), 1))
      await db.put(keyOf.expiry(7, 1), new Uint8Array(0))
    })
    const log = await openLevelLog(data)
    expect(await verifyLog(log, { repair: true })).toMatchObject({ faultCount: 2, mendedCount: 2 })
    expect(await verifyLog(log)).toMatchObject({ isSound: true })
    await log.close()
  })
})
