import { createMemoryLog } from '@onyx-sync/server'
import { DEFAULT_LIMITS, type NostrEvent, pureVerifier, silentLogger } from '@onyx-sync/shared'
import { describe, expect, it } from 'vitest'
import * as Y from 'yjs'
import { checkEvent } from '../../server/src/core/check-event.js'
import { createLocalMerger } from '../../server/src/core/local-merger.js'
import { createMergedStates } from '../../server/src/core/merged-state.js'
import { type Merger, MergerLost } from '../../server/src/ports/merger.js'
import { chatAddressText, chatEvent, membersOf, messageUpdate, noise, testKey } from '../support/events.js'
import { hostileUpdate, value } from '../support/hostile-updates.js'
import { ingestOf } from '../support/ingest.js'
import { connect, metricOf, runServer } from '../support/servers.js'

const alice = testKey(1)
const bob = testKey(2)
const KINDS = { kinds: [30001], after: '' }

/** Events, each harmless, that together make Yjs compare a billion times: one key gets 36,000 first values. */
function costlyEvents(): NostrEvent[] {
  return Array.from({ length: 12 }, (_, index) => {
    const structs = Array.from({ length: 3_000 }, (_, at) => value('metadata', at % 2, 'title'))
    const update = hostileUpdate([[index + 1, 0, structs]])
    return chatEvent(alice, { chatId: 'costly', update, members: membersOf(bob) })
  })
}

const kindsOf = (events: readonly NostrEvent[]) => events.map(({ kind }) => kind)

describe('merging', () => {
  it('[MRG2][MRG4] what takes too long to merge is served by its events, and holds nobody up', async () => {
    const server = await runServer({ limits: { maxMergeSeconds: 1 } })
    const [a, b, other] = [
      await connect(server, alice),
      await connect(server, bob),
      await connect(server, alice),
    ]
    const costly = costlyEvents()
    for (const event of costly) expect((await a.publish(event)).accepted).toBe(true)
    let isCaughtUp = false
    const reading = other.request('all', KINDS).finally(() => {
      isCaughtUp = true
    })
    // It would be answered after the reading if both shared a thread.
    const doc = new Y.Doc()
    for (let index = 0; index < 10; index++) {
      doc.getArray('messages').push([`message ${index}`])
      const update = Y.encodeStateAsUpdate(doc)
      expect((await a.publish(chatEvent(alice, { chatId: 'plain', update }))).accepted).toBe(true)
    }
    expect(isCaughtUp).toBe(false)
    const { events } = await reading
    expect(events.filter(({ kind }) => kind === 30001).map(({ id }) => id)).toEqual(
      expect.arrayContaining(costly.map(({ id }) => id)),
    )
    expect([
      await metricOf(server, 'documents_unmerged'),
      await metricOf(server, 'merger_restarts_total'),
    ]).toEqual([1, 1])
    // Others are merged as always, and the costly one isn't tried again.
    const again = await other.request('again', KINDS)
    expect(kindsOf(again.events).sort()).toEqual([20002, ...costly.map(() => 30001)].sort())
    expect(await metricOf(server, 'merger_restarts_total')).toBe(1)
    // Its owner goes on, and a member whose client id would have to be looked up waits.
    const edit = chatEvent(alice, {
      chatId: 'costly',
      update: messageUpdate('more'),
      members: membersOf(bob),
    })
    expect((await a.publish(edit)).accepted).toBe(true)
    const members = chatEvent(bob, { owner: alice, chatId: 'costly', update: messageUpdate('mine') })
    expect(await b.publish(members)).toMatchObject({
      accepted: false,
      reason: expect.stringMatching(/^error: merging/),
    })
  })

  it('[MRG3] what comes behind a large event is decided after it', async () => {
    const server = await runServer()
    const a = await connect(server, alice)
    const large = chatEvent(alice, { update: messageUpdate(noise(500_000)) })
    const small = Array.from({ length: 5 }, (_, index) =>
      chatEvent(alice, { update: messageUpdate(`${index}`) }),
    )
    const damaged = { ...(small[0] as NostrEvent), id: '0'.repeat(64) }
    for (const event of [large, ...small, damaged]) a.send('EVENT', event)
    await a.waitFor(([type, id, ok]) => type === 'OK' && id === damaged.id && ok === false)
    await a.waitFor(([type, id, ok]) => type === 'OK' && id === small[4]?.id && ok === true)
    const ids = [large, ...small].map(({ id }) => id)
    const answers = a.messages.flatMap(([type, id, ok]) => (type === 'OK' && ok === true ? [id] : []))
    expect(answers.slice(-6)).toEqual(ids)
  })

  it('[RPL7] a document with something too large for a state comes as its events', async () => {
    const server = await runServer()
    const a = await connect(server, alice)
    // Each fits into an event, deflated, but not into a part, which is measured before that.
    const events = ['first', 'second'].map((key) => {
      const doc = new Y.Doc()
      doc.getMap('metadata').set(key, noise(900_000, key))
      return chatEvent(alice, { update: Y.encodeStateAsUpdate(doc) })
    })
    for (let index = 0; index < 9; index++)
      events.push(chatEvent(alice, { update: messageUpdate(`${index}`) }))
    for (const event of events) expect(await a.publish(event)).toMatchObject({ accepted: true })
    const { events: got } = await a.request('all', KINDS)
    expect(got.map(({ id }) => id).sort()).toEqual(events.map(({ id }) => id).sort())
  })

  it('[MRG4] a document that ends what merges twice is left alone, and tried again after ten minutes', async () => {
    const log = createMemoryLog()
    const ingest = ingestOf(log)
    const checks = { keys: new Set([alice.publicKey]), verifier: pureVerifier, limits: DEFAULT_LIMITS }
    for (const chatId of ['bad', 'good']) {
      const event = chatEvent(alice, { chatId, update: messageUpdate(chatId) })
      await new Promise((resolve) => ingest.submit(checkEvent(event, checks), resolve))
    }
    const local = createLocalMerger()
    let generation = 0
    let isBroken = true
    /** Ends whenever it is asked for the state of the document that holds "bad". */
    const merger: Merger = {
      isApart: true,
      get generation() {
        return generation
      },
      async run(name, ...args) {
        const result = await local.run(name, ...args)
        if (!isBroken || name !== 'state') return result
        if (!Buffer.concat(result as readonly Uint8Array[]).includes('bad')) return result
        generation++
        throw new MergerLost('crash', 'it ended')
      },
      close: () => local.close(),
    }
    let nowMs = 0
    const states = createMergedStates({ log, logger: silentLogger, merger, now: () => nowMs })
    const read = (chatId: string) => states.read(chatAddressText(alice, chatId), (doc) => doc.state())
    expect(await read('good')).toHaveLength(1)
    await expect(read('bad')).rejects.toMatchObject({ code: 'MERGE_FAILED' })
    expect([generation, states.unmerged]).toEqual([2, 1])
    await expect(read('bad')).rejects.toMatchObject({ code: 'MERGE_FAILED' })
    expect(generation).toBe(2)
    expect(await read('good')).toHaveLength(1)
    nowMs = 600_001
    isBroken = false
    expect(await read('bad')).toHaveLength(1)
    expect(states.unmerged).toBe(0)
  })

  it('[MRG1] what was encoded for a new device is kept, so that after a restart nothing is merged for the next one', async () => {
    const log = createMemoryLog()
    const ingest = ingestOf(log)
    const checks = { keys: new Set([alice.publicKey]), verifier: pureVerifier, limits: DEFAULT_LIMITS }
    const say = (text: string) =>
      new Promise((resolve) =>
        ingest.submit(
          checkEvent(chatEvent(alice, { chatId: 'chat', update: messageUpdate(text) }), checks),
          resolve,
        ),
      )
    const address = chatAddressText(alice, 'chat')
    /** A server's, and what it had its merger do. */
    function startedStates() {
      const local = createLocalMerger()
      const done: string[] = []
      const merger: Merger = {
        isApart: local.isApart,
        generation: local.generation,
        run(name, ...args) {
          done.push(name)
          return local.run(name, ...args)
        },
        close: () => local.close(),
      }
      return { done, states: createMergedStates({ log, logger: silentLogger, merger }) }
    }
    for (let index = 0; index < 15; index++) await say(`first ${index}`)
    await startedStates().states.whole(address, 1e9)
    // So few are merged sooner than a state is written.
    expect(await log.keptState(address)).toBeUndefined()
    await say('one more')
    const before = startedStates()
    const state = await before.states.whole(address, 1e9)
    expect(before.done).toContain('apply')
    expect(await log.keptState(address)).toEqual({ throughSeq: 16, updates: state })
    const after = startedStates()
    expect(await after.states.whole(address, 1e9)).toEqual(state)
    expect(after.done).toEqual([])
    // Nor is it encoded again while it is loaded.
    expect(await before.states.whole(address, 1e9)).toEqual(state)
    expect(before.done.filter((name) => name === 'state')).toHaveLength(1)
    await say('and another')
    const doc = new Y.Doc()
    for (const update of (await after.states.whole(address, 1e9)) ?? []) Y.applyUpdate(doc, update)
    expect(doc.getArray('messages').length).toBe(17)
  })
})
