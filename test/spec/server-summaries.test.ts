import { createMemoryLog, type EventLog } from '@onyx-sync/server'
import {
  type Clock,
  DEFAULT_LIMITS,
  type DocumentSummary,
  type NostrEvent,
  parseSummaryEvent,
  systemClock,
} from '@onyx-sync/shared'
import { describe, expect, it } from 'vitest'
import * as Y from 'yjs'
import { append, mergedFrom } from '../support/chat-copy.js'
import {
  chatAddressText,
  chatEvent,
  membersOf,
  noise,
  settingsEvent,
  testKey,
  trainingEvent,
} from '../support/events.js'
import type { RelayClient } from '../support/relay-client.js'
import { connect, runServer } from '../support/servers.js'
import { temporaryDirectory } from '../support/temporary-directory.js'

const alice = testKey(1)
const bob = testKey(2)
const LIST = { kinds: [30001], summaries: true }

const open = (events: readonly NostrEvent[]): DocumentSummary[] =>
  events.flatMap((event) => parseSummaryEvent(event, DEFAULT_LIMITS))
const idsIn = (events: readonly NostrEvent[]) =>
  open(events).map(({ address }) => address.slice(address.lastIndexOf(':') + 1))

/** A chat with metadata and messages, as a device makes it. */
function chatDoc(title: string, messages: readonly (readonly [id: string, at: number])[]): Y.Doc {
  const doc = new Y.Doc()
  doc.transact(() => {
    doc.getMap('metadata').set('title', title)
    doc.getMap('metadata').set('createdAt', 1_000)
    for (const [id, createdAt] of messages) {
      const map = new Y.Map<unknown>(Object.entries({ id, content: id, createdAt }))
      doc.getArray('messages').push([map])
    }
  })
  return doc
}

async function put(client: RelayClient, chatId: string, doc: Y.Doc): Promise<void> {
  const answer = await client.publish(chatEvent(alice, { chatId, update: Y.encodeStateAsUpdate(doc) }))
  expect(answer).toMatchObject({ accepted: true })
}

async function say(client: RelayClient, chatId: string, text: string, members = membersOf()): Promise<void> {
  const answer = await client.publish(chatEvent(alice, { chatId, text, members }))
  expect(answer).toMatchObject({ accepted: true })
}

/** Counts what a log is asked for. */
function countedLog(): { log: EventLog; counts: { loaded: number; merged: number; scanned: number } } {
  const counts = { loaded: 0, merged: 0, scanned: 0 }
  const memory = createMemoryLog()
  const log: EventLog = Object.create(memory, {
    load: {
      value(seqs: readonly number[]) {
        counts.loaded += seqs.length
        return memory.load(seqs)
      },
    },
    keptState: {
      value(address: string) {
        counts.merged++
        return memory.keptState(address)
      },
    },
    feed: {
      async *value(...args: Parameters<EventLog['feed']>) {
        for await (const seq of memory.feed(...args)) {
          counts.scanned++
          yield seq
        }
      },
    },
  })
  return { log, counts }
}

describe('summaries of documents', () => {
  it('[SUM1][SUM2] tells of every chat in one event that the server signed, and then the cursor', async () => {
    const server = await runServer()
    const a = await connect(server, alice)
    const first = chatDoc('First', [
      ['m1', 5_000],
      ['m2', 4_000],
      ['m1', 9_000],
    ])
    await put(a, 'one', first)
    await put(a, 'two', chatDoc('Second', []))
    await a.publish(settingsEvent(alice, 'theme', 'dark'))
    const answer = await a.request('list', { ...LIST, after: '' })
    expect(answer.events).toHaveLength(1)
    const [event] = answer.events as [NostrEvent]
    expect(event.kind).toBe(20003)
    expect(event.tags).toEqual([
      ['a', chatAddressText(alice, 'one')],
      ['a', chatAddressText(alice, 'two')],
    ])
    const info = await fetch(server.url.replace('ws:', 'http:'), {
      headers: { Accept: 'application/nostr+json' },
    })
    expect(await info.json()).toMatchObject({ yjs_summaries: 1, self: event.pubkey })
    expect(open(answer.events)[0]).toEqual({
      address: chatAddressText(alice, 'one'),
      title: 'First',
      createdAt: 1_000,
      lastActivity: 5_000,
      messages: 2,
      bytes: Y.encodeStateAsUpdate(first).byteLength,
      archived: false,
      deleted: false,
    })
    expect((await a.request('again', { ...LIST, after: answer.cursor })).events).toEqual([])
    const both = await a.request('all', { summaries: true, after: '' })
    expect(open(both.events).map(({ address }) => address)).toContain(`10001:${alice.publicKey}:`)
    expect(idsIn((await a.request('d', { ...LIST, after: '', '#d': ['two'] })).events)).toEqual(['two'])
  })

  it('[SUM2] tells only what changed after the cursor, and what is marked as deleted or archived', async () => {
    const a = await connect(await runServer(), alice)
    const doc = chatDoc('Doc', [])
    await put(a, 'one', doc)
    await put(a, 'two', chatDoc('Other', []))
    const { cursor } = await a.request('list', { ...LIST, after: '' })
    doc.getMap('metadata').set('deletedAt', 7)
    doc.getMap('metadata').set('archived', true)
    await put(a, 'one', doc)
    const late = await a.request('late', { ...LIST, after: cursor })
    expect(open(late.events)).toMatchObject([{ title: 'Doc', deleted: true, archived: true }])
    await a.publish(chatEvent(alice, { chatId: 'one', update: Y.encodeStateAsUpdate(doc), checkpoint: true }))
    expect((await a.request('repeated', { ...LIST, after: late.cursor })).events).toEqual([])
  })

  it('[SUM1] trusts nothing in a document, and cuts long titles', async () => {
    const a = await connect(await runServer(), alice)
    const doc = chatDoc(`${'x'.repeat(511)}😀tail`, [])
    doc.getMap('metadata').set('createdAt', Number.NaN)
    doc.getArray('messages').push(['text', new Y.Map(), new Y.Map([['id', 5]])])
    await put(a, 'odd', doc)
    const [summary] = open((await a.request('list', { ...LIST, after: '' })).events)
    expect(summary).toMatchObject({ title: 'x'.repeat(511), createdAt: 0, lastActivity: 0, messages: 0 })
  })

  it('[SUM2] splits what is too much for one event', async () => {
    const server = await runServer({ limits: { maxEventBytes: 3_000, maxSummaryDocuments: 4 } })
    const a = await connect(server, alice)
    const ids = Array.from({ length: 9 }, (_, n) => `chat${n}`)
    for (const id of ids) await put(a, id, chatDoc(noise(450, id), []))
    const { events } = await a.request('list', { ...LIST, after: '' })
    expect(events.length).toBeGreaterThan(2)
    for (const event of events) expect(JSON.stringify(event).length).toBeLessThanOrEqual(3_000)
    expect(idsIn(events)).toEqual(ids)
  })

  it('[SUM4] gathers live changes, each with a cursor that covers it, and ends with the subscription', async () => {
    const due: (() => void)[] = []
    // Only the gathering waits this long; it ends when the test says so.
    const clock: Clock = {
      ...systemClock,
      setTimeout: (callback, ms) =>
        ms === 1_000 ? due.push(callback) : systemClock.setTimeout(callback, ms),
    }
    const gathered = () => {
      for (const callback of due.splice(0)) callback()
    }
    const a = await connect(await runServer({ clock }), alice)
    const { cursor } = await a.request('list', { ...LIST, after: '' })
    const from = a.messages.length
    for (let n = 0; n < 20; n++) await say(a, n % 2 === 0 ? 'even' : 'odd', `m${n}`)
    await a.publish(trainingEvent(alice))
    await a.settle()
    expect(a.eventsOf('list')).toEqual([])
    expect(due).toHaveLength(1)
    gathered()
    const [, , event, live] = await a.waitFor(([type, sub]) => type === 'EVENT' && sub === 'list', from)
    expect(idsIn([event as NostrEvent]).sort()).toEqual(['even', 'odd'])
    expect(live).not.toBe(cursor)
    expect((await a.request('after', { ...LIST, after: live })).events).toEqual([])
    expect(a.eventsOf('list')).toHaveLength(1)
    a.send('CLOSE', 'list')
    a.send('CLOSE', 'after')
    await say(a, 'even', 'unheard')
    await a.request('other', { ...LIST, after: '' })
    await say(a, 'even', 'heard')
    gathered()
    await a.waitFor(([type, sub, , at]) => type === 'EVENT' && sub === 'other' && at !== undefined)
    expect(a.eventsOf('list')).toHaveLength(1)
  })

  it('[SUM5][PERM3] never tells of a document that the keys may not read, live or stored', async () => {
    const server = await runServer()
    const a = await connect(server, alice)
    const b = await connect(server, bob)
    await say(a, 'private', 'mine')
    await say(a, 'shared', 'ours', membersOf(bob))
    const before = await b.request('list', { ...LIST, after: '' })
    expect(idsIn(before.events)).toEqual(['shared'])
    await say(a, 'later', 'ours, too', membersOf(bob))
    await b.waitFor(([type, sub, , cursor]) => type === 'EVENT' && sub === 'list' && cursor !== undefined)
    await say(a, 'later', 'no more', [])
    await say(a, 'shared', 'still', membersOf(bob))
    await b.waitFor(
      ([type, sub, event]) =>
        type === 'EVENT' &&
        sub === 'list' &&
        open([event as NostrEvent]).some(({ address, messages, bytes }) => {
          const wasTold = open(before.events).find((told) => told.address === address)
          return wasTold !== undefined && messages === 0 && bytes > wasTold.bytes
        }),
    )
    const told = b.eventsOf('list').map(({ event }) => idsIn([event]))
    expect(told.flat()).toEqual(['shared', 'later', 'shared'])
    expect(idsIn((await b.request('new', { ...LIST, after: '' })).events)).toEqual(['shared'])
  })

  it('[SUM6] refuses what summaries can not be combined with', async () => {
    const a = await connect(await runServer(), alice)
    const wrong: object[][] = [
      [LIST],
      [{ ...LIST, after: '', authors: [alice.publicKey] }],
      [{ ...LIST, after: '', ids: [] }],
      [{ ...LIST, after: '', '#p': [alice.publicKey] }],
      [{ ...LIST, after: '', states: false }],
      [{ ...LIST, after: '', summaries: 1 }],
      [
        { ...LIST, after: '' },
        { kinds: [10001], after: '' },
      ],
      [{ ...LIST, after: '', limit: 5 }],
    ]
    for (const filters of wrong) {
      expect((await a.request('wrong', ...filters)).closedReason, JSON.stringify(filters)).toMatch(
        /^invalid: /,
      )
    }
    const named = await a.request('named', { ...LIST, after: '', authors: [], '#e': [] })
    expect(named.closedReason).toMatch(/authors, #e/)
  })

  it('[SUM3] a cold server lists documents without loading them again', async () => {
    const data = temporaryDirectory()
    const first = await runServer({ data })
    const a = await connect(first, alice)
    for (let n = 0; n < 6; n++) await put(a, `chat${n}`, chatDoc(`Title ${n}`, []))
    const before = open((await a.request('list', { ...LIST, after: '' })).events)
    await first.close()
    const second = await runServer({ data })
    const again = await connect(second, alice)
    expect(open((await again.request('list', { ...LIST, after: '' })).events)).toEqual(before)
    await put(again, 'chat3', chatDoc('Another title', []))
    const changed = open((await again.request('list', { ...LIST, after: '' })).events)
    expect(changed).toHaveLength(6)
    expect(changed.at(-1)).toMatchObject({ address: chatAddressText(alice, 'chat3') })
  })

  it('[SUM3] asks the log for kept summaries only', async () => {
    const { log, counts } = countedLog()
    const a = await connect(await runServer({ log }), alice)
    for (let n = 0; n < 6; n++) await put(a, `chat${n}`, chatDoc(`Title ${n}`, []))
    await a.request('list', { ...LIST, after: '' })
    expect(counts.merged).toBe(6)
    counts.loaded = 0
    await a.request('again', { ...LIST, after: '' })
    expect(counts).toMatchObject({ merged: 6, loaded: 0 })
  })

  it('[RPL6] what no filter wants is not loaded to be left out', async () => {
    const { log, counts } = countedLog()
    const a = await connect(await runServer({ log }), alice)
    const doc = new Y.Doc()
    for (let n = 0; n < 30; n++) await say(a, 'other', `m${n}`)
    for (let n = 0; n < 3; n++) {
      await a.publish(chatEvent(alice, { chatId: 'one', update: append(doc, `m${n}`) }))
    }
    await a.publish(trainingEvent(alice))
    Object.assign(counts, { loaded: 0, scanned: 0 })
    const one = await a.request('one', { kinds: [30001], '#d': ['one'], after: '' })
    expect(mergedFrom(one.events).getArray('messages').length).toBe(3)
    expect(counts).toMatchObject({ loaded: 3, scanned: 0 })
    counts.loaded = 0
    const filters = [
      { kinds: [30001], '#d': ['one'], after: '' },
      { kinds: [1, 10001], after: '' },
    ]
    const mixed = await a.request('mixed', ...filters)
    expect(mixed.events.map(({ kind }) => kind)).toEqual([30001, 30001, 30001, 1])
    expect(counts.loaded).toBe(4)
    expect(mixed.cursor).toBe(one.cursor)
    expect((await a.request('since', { kinds: [30001], '#d': ['other'], after: one.cursor })).events).toEqual(
      [],
    )
  })
})
