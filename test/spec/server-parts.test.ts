import { createLocalMerger, createMemoryLog, type Merger, MergerLost } from '@onyx-sync/server'
import {
  DEFAULT_LIMITS,
  type NostrEvent,
  type Part,
  pureVerifier,
  silentLogger,
  splitUpdate,
} from '@onyx-sync/shared'
import { describe, expect, it } from 'vitest'
import * as Y from 'yjs'
import { checkEvent } from '../../server/src/core/check-event.js'
import type { PublishedCommit } from '../../server/src/core/ingest.js'
import { append, change, copyOf, mergedFrom } from '../support/chat-copy.js'
import {
  type ChatEventOptions,
  chatAddressText,
  chatEvent,
  membersOf,
  noise,
  type TestKey,
  testKey,
} from '../support/events.js'
import { ingestOf } from '../support/ingest.js'
import { connect, runServer } from '../support/servers.js'
import { temporaryDirectory } from '../support/temporary-directory.js'

const alice = testKey(1)
const bob = testKey(2)
const GROUP = 'aabbccdd00112233'

/** Appends many texts at once: an edit that can be cut anywhere between them. */
function appendLong(doc: Y.Doc, length: number, name = 'long'): Uint8Array {
  const texts = Array.from({ length: length / 500 }, (_, index) => noise(500, `${name}${index}`))
  return change(doc, (messages) => messages.push(texts))
}

/** An edit as the events of its parts. */
function partsOf(
  author: TestKey,
  update: Uint8Array,
  { group = GROUP, ...options }: ChatEventOptions & { readonly group?: string } = {},
): NostrEvent[] {
  const pieces = splitUpdate(update, 3_000)
  return pieces.map((piece, index) => {
    const part: Part = { group, index, count: pieces.length }
    return chatEvent(author, { update: piece, part, ...options })
  })
}

const messagesOf = (events: readonly NostrEvent[]) => mergedFrom(events).getArray('messages').toJSON()
const ids = (events: readonly NostrEvent[]) => events.map(({ id }) => id)

describe('edits in parts', () => {
  it('[ING7] are seen as a whole or not at all, in the order of their parts, whatever order they come in', async () => {
    const server = await runServer()
    const [writer, reader] = [await connect(server, alice), await connect(server, alice)]
    const doc = new Y.Doc()
    const parts = partsOf(alice, appendLong(doc, 10_000))
    expect(parts.length).toBeGreaterThan(3)
    const [last, ...others] = [...parts].reverse() as [NostrEvent, ...NostrEvent[]]
    await reader.request('live', { kinds: [30001], after: '' })
    for (const part of others) {
      expect(await writer.publish(part)).toMatchObject({ accepted: true, reason: '' })
      expect((await writer.publish(part)).reason).toMatch(/^duplicate:/)
    }
    expect((await writer.request('half', { kinds: [30001] })).events).toEqual([])
    expect((await writer.request('ids', { ids: ids(parts) })).events).toEqual([])
    expect((await writer.publish(last)).accepted).toBe(true)
    await reader.waitForEvent('live', last.id)
    await reader.settle()
    expect(ids(reader.eventsOf('live').map(({ event }) => event))).toEqual(ids(parts))
    expect(messagesOf((await writer.request('all', { kinds: [30001] })).events)).toEqual(
      doc.getArray('messages').toJSON(),
    )
    expect((await writer.publish(parts[0])).reason).toMatch(/^duplicate:/)
  })

  it('[ING7][S5] survive a restart between parts', async () => {
    const data = temporaryDirectory()
    const parts = partsOf(alice, appendLong(new Y.Doc(), 10_000))
    const first = await runServer({ data })
    const a = await connect(first, alice)
    for (const part of parts.slice(0, 2)) await a.publish(part)
    await first.close()
    const again = await connect(await runServer({ data }), alice)
    expect((await again.publish(parts[0])).reason).toMatch(/^duplicate:/)
    for (const part of parts.slice(2)) expect((await again.publish(part)).accepted).toBe(true)
    expect((await again.request('all', { kinds: [30001], after: '', states: false })).events).toHaveLength(
      parts.length,
    )
  })

  /** A merger whose thread ends before so many pieces of work of a name, with what `reason` says to who asked. */
  function endingMerger(name: string, reasons: readonly (MergerLost['reason'] | undefined)[]): Merger {
    let merger = createLocalMerger()
    let generation = 0
    const left = [...reasons]
    return {
      ...merger,
      get generation() {
        return generation
      },
      async run(...work) {
        const isNamed = work[0] === name
        const reason = isNamed ? left.shift() : undefined
        const result = reason === undefined ? await merger.run(...work) : undefined
        // Others' work ends it right behind this piece, or it ends in the midst of it.
        if (!isNamed || (reason === undefined && left.length === 0)) return result as never
        merger = createLocalMerger()
        generation++
        if (reason === undefined) return result as never
        throw new MergerLost(reason, 'the thread ended')
      },
    }
  }

  it.each([
    ['by others’ work, between two parts, again and again', 'gather', Array(6).fill(undefined), 'stored'],
    ['by others’ work, while it waits', 'gather', ['bystander'], 'stored'],
    ['by its own', 'join', ['crash'], 'MERGE_FAILED'],
    ['because it takes too long', 'gather', ['time'], 'MERGE_FAILED'],
  ] as const)(
    '[ING7][MRG2][C1] whose putting together is ended %s are whole, at once or when the last one comes again',
    async (_, name, reasons, first) => {
      const log = createMemoryLog()
      const published: string[] = []
      const publish = ({ events }: PublishedCommit) => published.push(...events.map(({ event }) => event.id))
      const ingest = ingestOf(log, publish, silentLogger, endingMerger(name, reasons))
      const checks = { keys: new Set([alice.publicKey]), verifier: pureVerifier, limits: DEFAULT_LIMITS }
      const submit = (event: NostrEvent) =>
        new Promise((resolve) =>
          ingest.submit(checkEvent(event, checks), (outcome) =>
            resolve(typeof outcome === 'string' ? outcome : outcome.code),
          ),
        )
      const docs = [new Y.Doc(), new Y.Doc()]
      const parts = partsOf(alice, Y.mergeUpdates(docs.map((doc) => appendLong(doc, 10_000))))
      for (const part of parts.slice(0, -1)) expect(await submit(part)).toBe('stored')
      const last = parts.at(-1) as NostrEvent
      expect(await submit(last)).toBe(first)
      expect(published).toEqual(first === 'stored' ? ids(parts) : [])
      expect(await submit(last)).toBe(first === 'stored' ? 'duplicate' : 'stored')
      expect(published).toEqual(ids(parts))
      // What all of them bring was looked at, not what some do.
      const address = chatAddressText(alice, 'chat')
      const writers = docs.map(({ clientID }) => ({ address, clientId: clientID }))
      expect(await log.writers(writers)).toEqual([alice.publicKey, alice.publicKey])
      await ingest.stop()
    },
  )

  it('[ING7] of one batch are one, and edits of others go on between them', async () => {
    const server = await runServer()
    const a = await connect(server, alice)
    const one = partsOf(alice, appendLong(new Y.Doc(), 9_000, 'one'), { group: 'aaaaaaaa' })
    const two = partsOf(alice, appendLong(new Y.Doc(), 9_000, 'two'), { group: 'bbbbbbbb' })
    const mixed = one.flatMap((event, index) => [event, two[index] as NostrEvent])
    const answers = await Promise.all([...mixed, chatEvent(alice)].map((event) => a.publish(event)))
    expect(answers.every(({ accepted }) => accepted)).toBe(true)
    const { events } = await a.request('all', { kinds: [30001], after: '', states: false })
    expect(ids(events).slice(0, one.length)).toEqual(ids(one))
    expect(messagesOf(events)).toHaveLength(18 + 18 + 1)
  })

  it('[ING7][PERM2] of who may not write are refused, at once or when the right is lost in between', async () => {
    const server = await runServer()
    const [a, b] = [await connect(server, alice), await connect(server, bob)]
    const parts = partsOf(bob, appendLong(new Y.Doc(), 10_000), { owner: alice })
    expect((await b.publish(parts[0])).reason).toMatch(/^restricted:/)
    await a.publish(chatEvent(alice, { members: membersOf(bob) }))
    for (const part of parts.slice(0, -1)) expect((await b.publish(part)).accepted).toBe(true)
    await a.publish(chatEvent(alice, { members: [] }))
    expect((await b.publish(parts.at(-1))).reason).toMatch(/^restricted:/)
    await a.publish(chatEvent(alice, { members: membersOf(bob) }))
    expect((await b.publish(parts.at(-1))).accepted).toBe(true)
    expect((await a.request('all', { kinds: [30001] })).events).toHaveLength(parts.length + 3)
  })

  it('[ING7] that disagree are refused', async () => {
    const a = await connect(await runServer(), alice)
    const update = appendLong(new Y.Doc(), 5_000)
    const part = (index: number, count: number) =>
      chatEvent(alice, { update, part: { group: GROUP, index, count } })
    expect((await a.publish(part(0, 2))).accepted).toBe(true)
    expect((await a.publish(part(0, 2))).reason).toMatch(/^invalid: part 0/)
    expect((await a.publish(part(1, 2))).accepted).toBe(true)
    expect((await a.publish(part(0, 3))).accepted).toBe(true)
    expect((await a.publish(part(1, 3))).accepted).toBe(true)
    expect((await a.publish(part(2, 4))).accepted).toBe(true)
    expect((await a.publish(part(3, 4))).reason).toMatch(/^invalid: .*disagree/)
  })

  it('[ING7][CHK1] leave the log all at once', async () => {
    const a = await connect(await runServer(), alice)
    const doc = new Y.Doc()
    const before = copyOf(append(doc, 'before'))
    await a.publish(chatEvent(alice, { update: Y.encodeStateAsUpdate(before) }))
    const parts = partsOf(alice, appendLong(doc, 10_000))
    for (const part of parts) await a.publish(part)
    // Somebody applied half of it, which no device of ours would do.
    const half = copyOf(Y.encodeStateAsUpdate(before))
    Y.applyUpdate(
      half,
      splitUpdate(Y.encodeStateAsUpdate(doc, Y.encodeStateVector(before)), 3_000)[0] as Uint8Array,
    )
    await a.publish(chatEvent(alice, { update: Y.encodeStateAsUpdate(half), checkpoint: true }))
    const { events } = await a.request('half', { kinds: [30001] })
    expect(ids(events)).toEqual(expect.arrayContaining(ids(parts)))
    const whole = partsOf(alice, Y.encodeStateAsUpdate(doc), { group: 'cccccccc', checkpoint: true })
    for (const part of whole) expect((await a.publish(part)).accepted).toBe(true)
    expect(ids((await a.request('whole', { kinds: [30001] })).events).sort()).toEqual(ids(whole).sort())
  })

  it('[ING8][ATK34] an author has so much room for unfinished edits', async () => {
    const a = await connect(await runServer({ limits: { maxHeldBytes: 20_000 } }), alice)
    const edits = ['one', 'two', 'three'].map((name, index) =>
      partsOf(alice, appendLong(new Y.Doc(), 9_000, name), { group: `0000000${index}` }),
    )
    for (const parts of edits) {
      for (const part of parts.slice(0, -1)) expect((await a.publish(part)).accepted).toBe(true)
    }
    // The first was given up: what comes of it now is new.
    const [first] = edits as [NostrEvent[]]
    for (const part of first) expect(await a.publish(part)).toMatchObject({ accepted: true })
    expect((await a.request('all', { kinds: [30001] })).events).toHaveLength(first.length)
    const huge = partsOf(alice, appendLong(new Y.Doc(), 30_000), { group: 'dddddddd' })
    const answers = []
    for (const part of huge) answers.push(await a.publish(part))
    expect(answers.at(-1)?.reason).toMatch(/^invalid: .*20000 bytes/)
  })
})
