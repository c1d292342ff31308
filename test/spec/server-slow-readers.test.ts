import { createMemoryLog, createRelay, type Relay } from '@onyx-sync/server'
import {
  createAuthTemplate,
  DEFAULT_LIMITS,
  type EventVerifier,
  type NostrEvent,
  silentLogger,
  systemClock,
  systemRandom,
} from '@onyx-sync/shared'
import { beforeEach, describe, expect, it, vi } from 'vitest'
import * as Y from 'yjs'
import { chatEvent, messageUpdate, noise, sign, testKey } from '../support/events.js'

const URL = 'ws://localhost/sync'
const alice = testKey(1)
/** A verifier that believes everything: these tests need many events, not signatures. */
const trusting: EventVerifier = { name: 'trusting', verify() {} }
/** A subscription sends nothing more while so much waits in its socket; the last message may go beyond. */
const HIGH_WATER_BYTES = 1024 * 1024

/** A connection whose other end reads when a test lets it. */
function connectTo(relay: Relay) {
  let queuedBytes = 0
  let mostQueued = 0
  let isReading = true
  let waiting: (() => void)[] = []
  const messages: unknown[][] = []
  const session = relay.connect({
    send(text) {
      messages.push(JSON.parse(String(text)) as unknown[])
      if (!isReading) queuedBytes += String(text).length
      mostQueued = Math.max(mostQueued, queuedBytes)
    },
    queuedBytes: () => queuedBytes,
    drained: () => (queuedBytes === 0 ? Promise.resolve() : new Promise((resolve) => waiting.push(resolve))),
    pause() {},
    resume() {},
    close() {},
  })
  const say = (...message: unknown[]) => session.receive(JSON.stringify(message))
  say('AUTH', sign(alice, createAuthTemplate(URL, String(messages[0]?.[1]), Date.now())))
  return {
    say,
    messages,
    get mostQueued() {
      return mostQueued
    },
    stopReading() {
      isReading = false
    },
    /** Reads all that is there, and everything from now on. */
    read() {
      isReading = true
      queuedBytes = 0
      const woken = waiting
      waiting = []
      for (const resolve of woken) resolve()
    },
    count: (type: string, id?: string) =>
      messages.filter(([first, second]) => first === type && (id === undefined || second === id)).length,
  }
}

function note(index: number, length: number): NostrEvent {
  const id = (index + 1).toString(16).padStart(64, '0')
  const base = { pubkey: alice.publicKey, kind: 1, created_at: 1_764_000_000, tags: [], sig: '0'.repeat(128) }
  return { ...base, id, content: 'n'.repeat(length) }
}

describe('a reader that does not read', () => {
  let writer: ReturnType<typeof connectTo>
  let slow: ReturnType<typeof connectTo>

  beforeEach(() => {
    const relay = createRelay({
      ...{ log: createMemoryLog(), verifier: trusting, limits: DEFAULT_LIMITS, clock: systemClock },
      ...{ random: systemRandom, logger: silentLogger, relayUrls: () => [URL] },
    })
    writer = connectTo(relay)
    slow = connectTo(relay)
  })

  async function publish(events: readonly NostrEvent[]): Promise<void> {
    const before = writer.count('OK')
    for (const event of events) writer.say('EVENT', event)
    await vi.waitFor(() => expect(writer.count('OK')).toBe(before + events.length), { timeout: 20_000 })
  }
  const notes = (count: number, from = 0) =>
    Array.from({ length: count }, (_, index) => note(from + index, 50_000))
  /** As many rounds of the event loop as anything that were sent would need. */
  async function rounds(): Promise<void> {
    for (let round = 0; round < 50; round++) await new Promise((resolve) => setImmediate(resolve))
  }

  it('[REP8][S7] has little queued for stored and for live events, however many questions it asks', async () => {
    await publish(notes(100))
    slow.stopReading()
    for (let index = 0; index < 8; index++) slow.say('REQ', `q${index}`, { kinds: [1] })
    await rounds()
    await publish(notes(60, 100))
    await rounds()
    // Each question may have had one page under way when the socket was full.
    expect(slow.mostQueued).toBeLessThan(2 * HIGH_WATER_BYTES)
    slow.read()
    for (let index = 0; index < 8; index++) {
      await vi.waitFor(() => expect(slow.count('EVENT', `q${index}`)).toBe(160), { timeout: 20_000 })
    }
  })

  it('[REP8][S7] has little queued for merged states', async () => {
    const updates = Array.from({ length: 10 }, (_, index) => messageUpdate(noise(30_000, `${index}`)))
    await publish(updates.map((update) => chatEvent(alice, { update })))
    slow.stopReading()
    for (let index = 0; index < 20; index++) slow.say('REQ', `q${index}`, { kinds: [30001], after: '' })
    await rounds()
    expect(slow.mostQueued).toBeGreaterThan(HIGH_WATER_BYTES / 4)
    expect(slow.mostQueued).toBeLessThan(HIGH_WATER_BYTES + 500_000)
    slow.read()
    await vi.waitFor(() => expect(slow.count('EOSE')).toBe(20), { timeout: 20_000 })
    for (let index = 0; index < 20; index++) expect(slow.count('EVENT', `q${index}`)).toBeGreaterThan(0)
  })

  it('[REP8][S7] has little queued for summaries, and gets the last of each when it reads again', async () => {
    const doc = new Y.Doc()
    const retitle = (title: string) => {
      doc.getMap('metadata').set('title', title)
      return chatEvent(alice, { update: Y.encodeStateAsUpdate(doc) })
    }
    await publish([retitle('first')])
    slow.say('REQ', 'list', { kinds: [30001], after: '', summaries: true })
    await vi.waitFor(() => expect(slow.count('EOSE', 'list')).toBe(1))
    await publish(notes(60))
    slow.stopReading()
    slow.say('REQ', 'notes', { kinds: [1] })
    await rounds()
    const before = slow.count('EVENT', 'list')
    const queued = slow.mostQueued
    for (let index = 0; index < 20; index++) await publish([retitle(`title ${index}`)])
    // What has changed is told at most once a second.
    await new Promise((resolve) => systemClock.setTimeout(() => resolve(undefined), 1_100))
    expect(slow.count('EVENT', 'list')).toBe(before)
    expect(slow.mostQueued).toBe(queued)
    slow.read()
    const told = () => JSON.stringify(slow.messages.filter(([, id]) => id === 'list').at(-1))
    await vi.waitFor(() => expect(told()).toContain('title 19'), { timeout: 10_000 })
    expect(slow.count('EVENT', 'list')).toBeLessThan(before + 4)
  })
})
