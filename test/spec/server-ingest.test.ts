import { deflateRawSync } from 'node:zlib'
import type { EventLog } from '@onyx-sync/server'
import { createMemoryLog } from '@onyx-sync/server'
import {
  DEFAULT_LIMITS,
  type EventTemplate,
  type Logger,
  pureVerifier,
  silentLogger,
} from '@onyx-sync/shared'
import { afterEach, describe, expect, it, vi } from 'vitest'
import * as Y from 'yjs'
import { checkEvent } from '../../server/src/core/check-event.js'
import { createHub, type Subscriber } from '../../server/src/core/hub.js'
import {
  chatAddressText,
  chatEvent,
  chatTemplate,
  membersOf,
  settingsEvent,
  sign,
  testKey,
  trainingEvent,
} from '../support/events.js'
import { ingestOf } from '../support/ingest.js'
import { connect, runServer } from '../support/servers.js'

const alice = testKey(1)
const bob = testKey(2)
const checks = { keys: new Set([alice.publicKey]), verifier: pureVerifier, limits: DEFAULT_LIMITS }

afterEach(() => {
  vi.restoreAllMocks()
})

function withTags(template: EventTemplate, change: (tags: string[][]) => string[][]): EventTemplate {
  return { ...template, tags: change(template.tags) }
}

describe('update events', () => {
  it('[EVT1] d exactly once, a known encoding; unknown encodings are refused by name', async () => {
    const client = await connect(await runServer(), alice)
    const good = chatTemplate(alice)
    const without = (name: string) => withTags(good, (tags) => tags.filter((tag) => tag[0] !== name))
    const cases: [EventTemplate, RegExp][] = [
      [without('d'), /^invalid: .*d tag/],
      [withTags(good, (tags) => [...tags, ['d', 'other']]), /^invalid: .*d tag/],
      [without('encoding'), /^invalid: .*encoding tag/],
      [withTags(without('encoding'), (tags) => [...tags, ['encoding', 'nip44']]), /^invalid: .*"nip44"/],
      [withTags(without('encoding'), (tags) => [...tags, ['encoding', 'yjs', 'br']]), /^invalid: .*"yjs br"/],
    ]
    for (const [template, reason] of cases) {
      expect(await client.publish(sign(alice, template))).toEqual({
        accepted: false,
        reason: expect.stringMatching(reason),
      })
    }
    expect((await client.publish(sign(alice, good))).accepted).toBe(true)
  })

  it('[EVT2] content is base64 of exactly one sync message with a Yjs update of known roots', async () => {
    const client = await connect(await runServer({ limits: { maxUpdateStructs: 50 } }), alice)
    const foreign = new Y.Doc()
    foreign.getMap('elsewhere').set('a', 1)
    const many = new Y.Doc()
    for (let index = 0; index < 60; index++) many.getMap('metadata').set(`k${index}`, index)
    const good = chatTemplate(alice)
    const contents = [
      '',
      'not base64!',
      good.content.slice(0, -4),
      Buffer.from([2, 4, 255, 255, 255, 255]).toString('base64'),
      Buffer.concat([Buffer.from(good.content, 'base64'), Buffer.from([0])]).toString('base64'),
      chatTemplate(alice, { update: Y.encodeStateAsUpdate(foreign) }).content,
      chatTemplate(alice, { update: Y.encodeStateAsUpdate(many) }).content,
    ]
    for (const content of contents) {
      const answer = await client.publish(sign(alice, { ...good, content }))
      expect(answer).toEqual({ accepted: false, reason: expect.stringMatching(/^invalid: /) })
    }
  })

  it('[EVT2][ATK8] a deflated content is taken; one that inflates beyond the limit, or is none, is refused', async () => {
    const client = await connect(await runServer({ limits: { maxUpdateBytes: 100_000 } }), alice)
    const plain = chatTemplate(alice)
    const deflated = (message: Uint8Array) => ({
      ...plain,
      tags: plain.tags.map((tag) => (tag[0] === 'encoding' ? ['encoding', 'yjs', 'deflate'] : tag)),
      content: deflateRawSync(message).toString('base64'),
    })
    const good = deflated(Buffer.from(plain.content, 'base64'))
    expect((await client.publish(sign(alice, good))).accepted).toBe(true)
    const bomb = deflated(Buffer.alloc(50_000_000))
    expect((await client.publish(sign(alice, bomb))).reason).toMatch(/^invalid: .*larger than 100000 bytes/)
    const none = { ...good, content: plain.content }
    expect((await client.publish(sign(alice, none))).reason).toMatch(/^invalid: /)
  })

  it('[EVT3] a chat id has 1–128 well-formed characters; settings have the d tag "settings"', async () => {
    const client = await connect(await runServer(), alice)
    const good = chatTemplate(alice)
    const named = (id: string) =>
      sign(
        alice,
        withTags(good, (tags) => [['d', id], ...tags.slice(1)]),
      )
    for (const id of ['', 'x'.repeat(129), 'half \ud800']) {
      expect((await client.publish(named(id))).reason).toMatch(/^invalid: .*d tag/)
    }
    for (const id of ['x', 'x'.repeat(128), 'a:b', '☃ with space']) {
      expect((await client.publish(named(id))).accepted).toBe(true)
    }
    const { id: _, sig: __, pubkey: ___, ...settings } = settingsEvent(alice, 'theme', 'dark')
    const renamed = withTags(settings, (tags) => [['d', 'other'], ...tags.slice(1)])
    expect((await client.publish(sign(alice, renamed))).reason).toMatch(/^invalid: .*"settings"/)
    expect((await client.publish(sign(alice, settings))).accepted).toBe(true)
  })

  it('[EVT4] an a tag names the owner’s document with the same kind and id', async () => {
    const client = await connect(await runServer(), alice)
    const good = chatTemplate(alice)
    for (const value of ['nonsense', `30001:${bob.publicKey}:other`, `10001:${bob.publicKey}:`]) {
      const event = sign(
        alice,
        withTags(good, (tags) => [...tags, ['a', value]]),
      )
      expect((await client.publish(event)).reason).toMatch(/^invalid: .*a tag/)
    }
  })

  it('[EVT5] p tags are keys, and settings have none', async () => {
    const client = await connect(await runServer(), alice)
    const upper = withTags(chatTemplate(alice), (tags) => [...tags, ['p', bob.publicKey.toUpperCase()]])
    expect((await client.publish(sign(alice, upper))).reason).toMatch(/^invalid: .*p tag/)
    const { id: _, sig: __, pubkey: ___, ...settings } = settingsEvent(alice, 'theme', 'dark')
    const shared = withTags(settings, (tags) => [...tags, ['p', bob.publicKey]])
    expect((await client.publish(sign(alice, shared))).reason).toMatch(/^invalid: .*p tags/)
  })
})

describe('taking events', () => {
  it('[ING1] what is wrong is answered with its event id and prefix, and the connection goes on', async () => {
    const server = await runServer({ limits: { maxEventBytes: 4_000 } })
    const client = await connect(server, alice)
    const good = chatEvent(alice)
    const cases: [unknown, string][] = [
      [{ ...good, id: 'abc' }, 'invalid: '],
      [{ ...good, created_at: '1' }, 'invalid: '],
      [{ ...good, kind: 65_536 }, 'invalid: '],
      [{ ...good, pubkey: good.pubkey.toUpperCase() }, 'invalid: '],
      [{ ...good, tags: [[1]] }, 'invalid: '],
      [{ ...good, content: `${good.content}AAAA` }, 'invalid: id'],
      [{ ...good, sig: 'f'.repeat(128) }, 'invalid: sig'],
      [sign(alice, { ...good, content: 'A'.repeat(5_000) }), 'invalid: the event has'],
      [null, 'invalid: '],
      [[], 'invalid: '],
      [{ id: 5 }, 'invalid: '],
    ]
    for (const [event, prefix] of cases) {
      const { accepted, reason } = await client.publish(event)
      expect(accepted).toBe(false)
      expect(reason.slice(0, prefix.length)).toBe(prefix)
    }
    for (const text of ['', 'nonsense', '{}', '[]', '["WHAT"]', '["REQ"]', '["REQ",""]', '[["EVENT"]]']) {
      const from = client.messages.length
      client.sendText(text)
      expect((await client.waitFor((message) => message[0] === 'NOTICE', from))[1]).toMatch(/^invalid: /)
    }
    client.socket.send(Buffer.from([1, 2, 3]))
    await client.waitFor((message) => message[0] === 'NOTICE' && /binary/.test(String(message[1])))
    expect((await client.publish(good)).accepted).toBe(true)
  })

  it('[ING1] kinds without a place here are blocked by number, before the signature is looked at', async () => {
    const client = await connect(await runServer(), alice)
    for (const kind of [0, 3, 20002, 20003, 30000, 65535]) {
      const event = { ...sign(alice, { kind, created_at: 5, tags: [], content: '' }), sig: '0'.repeat(128) }
      expect(await client.publish(event)).toEqual({
        accepted: false,
        reason: `blocked: kind ${kind} is not accepted here`,
      })
    }
  })

  it('[ING2] an event that is known already is answered true, and stored once', async () => {
    const client = await connect(await runServer(), alice)
    const event = chatEvent(alice)
    expect(await client.publish(event)).toEqual({ accepted: true, reason: '' })
    const again = { accepted: true, reason: 'duplicate: already have this event' }
    expect(await client.publish(event)).toEqual(again)
    // Fields that no signature covers make no other event.
    expect(await client.publish({ ...event, seen: true })).toEqual(again)
    const { events } = await client.request('s', { kinds: [30001] })
    expect(events).toEqual([event])
  })

  it('[ING3] OK is said after the commit, and the event goes out after OK, in the order of the log', async () => {
    const { log, release, started } = heldLog()
    const client = await connect(await runServer({ log }), alice)
    await client.request('live', { after: '' })
    const events = [chatEvent(alice), chatEvent(alice), trainingEvent(alice)]
    for (const event of events) client.send('EVENT', event)
    // The same event twice in one batch: known only once it is durable.
    client.send('EVENT', events[0])
    await started
    await client.settle()
    const ids: unknown[] = events.map(({ id }) => id)
    expect(client.messages.some(([type, id]) => type === 'OK' && ids.includes(id))).toBe(false)
    expect(client.eventsOf('live')).toEqual([])
    const before = client.messages.length
    release()
    await client.waitForEvent('live', (events[2] as { id: string }).id)
    const after = client.messages.slice(before).filter(([type]) => type === 'OK' || type === 'EVENT')
    const oks = after.filter(([type]) => type === 'OK')
    expect(oks.map(([, id, accepted]) => [id, accepted])).toEqual(
      [...events, events[0]].map((event) => [event?.id, true]),
    )
    const live = after
      .filter(([type]) => type === 'EVENT')
      .map((message) => (message[2] as { id: string }).id)
    expect(live).toEqual(events.map(({ id }) => id))
    for (const event of events) {
      const okAt = after.findIndex(([type, id]) => type === 'OK' && id === event.id)
      const eventAt = after.findIndex(
        ([type, , sent]) => type === 'EVENT' && (sent as { id: string }).id === event.id,
      )
      expect(okAt).toBeLessThan(eventAt)
    }
  })

  it('[ING4][S4] a commit that fails is answered "error:", shows nothing, and the next one works', async () => {
    const log = createMemoryLog()
    const commit = vi.spyOn(log, 'commit')
    const server = await runServer({ log })
    const client = await connect(server, alice)
    const reader = await connect(server, alice)
    await reader.request('live', { after: '' })
    const events = [chatEvent(alice), chatEvent(alice, { chatId: 'other', members: membersOf(bob) })]
    // They may be in one commit or in two.
    commit.mockRejectedValue(new Error('ENOSPC'))
    for (const event of events) client.send('EVENT', event)
    for (const event of events) {
      const answer = await client.waitFor((message) => message[1] === event.id)
      expect(answer[2]).toBe(false)
      expect(answer[3]).toMatch(/^error: /)
      expect(answer[3]).not.toContain('ENOSPC')
    }
    commit.mockRestore()
    expect(log.head).toBe(0)
    expect((await client.request('s', {})).events).toEqual([])
    await reader.settle()
    expect(reader.eventsOf('live')).toEqual([])
    for (const event of events) expect((await client.publish(event)).reason).toBe('')
    await reader.waitForEvent('live', (events[1] as { id: string }).id)
    expect(reader.eventsOf('live').map(({ event }) => event.id)).toEqual(events.map(({ id }) => id))
  })

  it('[ING4][S4] a log that can’t even be read is answered "error:" too', async () => {
    const log = createMemoryLog()
    const client = await connect(await runServer({ log }), alice)
    vi.spyOn(log, 'has').mockRejectedValueOnce(new Error('EIO'))
    const event = chatEvent(alice)
    expect((await client.publish(event)).reason).toMatch(/^error: /)
    expect((await client.publish(event)).accepted).toBe(true)
    vi.spyOn(log, 'feed').mockImplementationOnce(() => {
      throw new Error('EIO')
    })
    expect((await client.request('s', { after: '' })).closedReason).toMatch(/^error: /)
    expect((await client.request('s', { after: '' })).events).toEqual([event])
    vi.spyOn(log, 'ownerLog').mockImplementationOnce(() => {
      throw new Error('EIO')
    })
    client.send('COUNT', 'c', { kinds: [30_001] })
    expect(await client.waitFor(([, id]) => id === 'c')).toEqual([
      'CLOSED',
      'c',
      expect.stringMatching(/^error: /),
    ])
  })

  it('[ING3] an event submitted in the very moment the queue runs empty is written too', async () => {
    const log = createMemoryLog()
    const ingest = ingestOf(log)
    for (let ticks = 0; ticks < 8; ticks++) {
      await new Promise((resolve) => ingest.submit(checkEvent(trainingEvent(alice), checks), resolve))
      for (let tick = 0; tick < ticks; tick++) await Promise.resolve()
    }
    expect(log.head).toBe(8)
  })

  it('[ING4] what a failed write left is told of by whatever finds it, also between two writes', async () => {
    const log = createMemoryLog()
    const write = log.commit
    vi.spyOn(log, 'commit').mockImplementationOnce(async (commit) => {
      await write(commit)
      throw new Error('EIO')
    })
    // The disk can't be asked right after it, and the one that asks it then is no write of events.
    const head = vi.spyOn(log, 'head', 'get').mockReturnValue(0)
    let told = 0
    const ingest = ingestOf(log, undefined, undefined, undefined, () => told++)
    const outcome = await new Promise((resolve) =>
      ingest.submit(checkEvent(trainingEvent(alice), checks), resolve),
    )
    expect(outcome).toMatchObject({ code: 'STORE_FAILED' })
    await ingest.exclusively(async () => {})
    expect(told).toBe(0)
    await ingest.exclusively(async () => head.mockRestore())
    await ingest.stop()
    expect(told).toBe(1)
  })

  it('[ING6][S8] a subscriber or submitter that throws harms neither the write nor the others', async () => {
    const errors: string[] = []
    const logger: Logger = { ...silentLogger, error: (message) => errors.push(message) }
    const log = createMemoryLog()
    const hub = createHub(logger)
    const ingest = ingestOf(log, hub.publish, logger)
    const delivered: string[] = []
    const subscriber = (deliver: () => void): Subscriber => ({
      keys: [alice.publicKey],
      revoked() {},
      withdrawn() {},
      deliver,
    })
    hub.join(
      subscriber(() => {
        throw new Error('a defect')
      }),
    )
    hub.join(subscriber(() => delivered.push('second')))
    const outcomes: unknown[] = []
    ingest.submit(checkEvent(chatEvent(alice), checks), () => {
      throw new Error('another defect')
    })
    ingest.submit(checkEvent(chatEvent(alice), checks), (outcome) => outcomes.push(outcome))
    await ingest.stop()
    expect(log.head).toBe(2)
    expect(outcomes).toEqual(['stored'])
    expect(delivered).toEqual(['second'])
    expect(errors).toHaveLength(2)
    ingest.submit(checkEvent(chatEvent(alice), checks), (outcome) => outcomes.push(outcome))
    expect(outcomes[1]).toMatchObject({ code: 'SHUTTING_DOWN' })
  })
})

/** A log whose first commit waits until it is released. */
function heldLog(): { log: EventLog; release: () => void; started: Promise<void> } {
  const log = createMemoryLog()
  let release = (): void => {}
  let start = (): void => {}
  const started = new Promise<void>((resolve) => {
    start = resolve
  })
  const released = new Promise<void>((resolve) => {
    release = resolve
  })
  const commit = log.commit.bind(log)
  vi.spyOn(log, 'commit').mockImplementation(async (value) => {
    start()
    await released
    await commit(value)
  })
  return { log, release, started }
}

describe('addresses', () => {
  it('[EVT4] events of several authors share the log of the owner’s document', async () => {
    const server = await runServer()
    const [a, b] = [await connect(server, alice), await connect(server, bob)]
    const first = chatEvent(alice, { members: membersOf(bob) })
    const second = chatEvent(bob, { owner: alice })
    expect(second.tags).toContainEqual(['a', chatAddressText(alice)])
    expect((await a.publish(first)).accepted).toBe(true)
    expect((await b.publish(second)).accepted).toBe(true)
    const { events } = await a.request('s', { '#d': ['chat'] })
    expect(events.map(({ id }) => id)).toEqual([second.id, first.id])
  })
})
