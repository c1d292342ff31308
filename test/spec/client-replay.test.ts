import { createMemoryStore, type StoreBatch, type SyncStore } from '@onyx-sync/client'
import {
  createStateTemplate,
  createSummaryTemplate,
  type Logger,
  type NostrEvent,
  SyncError,
  silentLogger,
  splitUpdate,
} from '@onyx-sync/shared'
import type { VirtualClock } from '@onyx-sync/testing'
import { describe, expect, it } from 'vitest'
import * as Y from 'yjs'
import { chatAddressText, chatEvent, noise, sign, testKey } from '../support/events.js'
import { openScripted, type ScriptedLink, type ScriptedServer } from '../support/scripted-server.js'

const owner = testKey(1)
const server = testKey(8)
const other = testKey(9)
const address = chatAddressText(owner)

function chatDoc(texts: readonly string[]): Y.Doc {
  const doc = new Y.Doc()
  doc.transact(() => {
    for (const [index, text] of texts.entries()) {
      const entries = Object.entries({ id: `id-${index}`, content: new Y.Text(text) })
      doc.getArray('messages').push([new Y.Map<unknown>(entries)])
    }
  })
  return doc
}

const texts = ['one', 'two', 'three']
const update = Y.encodeStateAsUpdate(chatDoc(texts))
const stateOf = (key = server, extra = {}): NostrEvent =>
  sign(key, createStateTemplate({ documents: [{ address, update }], createdAt: 1_764_000_000, ...extra }))
const info = (key = server) => ({ yjs_sync: 1, self: key.publicKey })

/** Brings events to who takes them, and the author's instead to who wants no states. */
function brings(...events: readonly NostrEvent[]) {
  return {
    onReq(link: ScriptedLink, id: string, [filter]: readonly Record<string, unknown>[]) {
      const mine = filter?.states === false ? [chatEvent(owner, { update })] : events
      if (id === 'sync' && filter?.after === '') for (const event of mine) link.send('EVENT', id, event)
      link.send('EOSE', id, ['finish', 'cursor:c1'])
    },
  }
}

const contentsIn = async (store: SyncStore) =>
  (await store.loadRows('messages'))
    .sort((a, b) => Number(a.position) - Number(b.position))
    .map((row) => row.content)

const filtersAsked = (scripted: ScriptedServer) =>
  scripted
    .received('REQ')
    .filter(([, id]) => id === 'sync')
    .map(([, , filter]) => filter)

describe('merged states on a device', () => {
  it('[CAT12] are applied when the server’s key signed them, which is pinned and named in the log', async () => {
    const warnings: unknown[] = []
    const logger: Logger = { ...silentLogger, warn: (_message, fields) => warnings.push(fields) }
    const store = createMemoryStore()
    const { clock, client } = await openScripted(owner, {
      store,
      logger,
      script: { ...brings(stateOf()), info: async () => info() },
    })
    client.connect()
    await clock.advance(1_000)
    expect(await contentsIn(store)).toEqual(texts)
    expect(client.status).toMatchObject({ isCaughtUp: true, cursor: 'c1', problem: undefined })
    expect((await store.loadMeta()).serverKey).toBe(server.publicKey)
    expect(warnings).toContainEqual({ pubkey: server.publicKey })
  })

  it('[CAT12][Y9] that are not what the server signed change nothing; the authors’ events come instead', async () => {
    const tampered = {
      ...stateOf(),
      content: stateOf(server, { documents: [{ address, update: Y.encodeStateAsUpdate(chatDoc(['fake'])) }] })
        .content,
    }
    const unreadable = sign(server, { ...stateOf(), content: 'AAAA' })
    for (const wrong of [stateOf(other), tampered, unreadable]) {
      const store = createMemoryStore()
      const cursors: (string | undefined)[] = []
      const watched: SyncStore = {
        ...store,
        async commit(batch: StoreBatch) {
          await store.commit(batch)
          if (batch.meta?.cursor !== undefined) cursors.push((await contentsIn(store)).join())
        },
      }
      const {
        clock,
        client,
        server: scripted,
      } = await openScripted(owner, {
        store: watched,
        script: { ...brings(wrong), info: async () => info() },
      })
      client.connect()
      await clock.advance(60_000)
      expect(await contentsIn(store)).toEqual(texts)
      expect(cursors).toEqual([texts.join()])
      expect(client.status.isCaughtUp).toBe(true)
      const [first, second] = filtersAsked(scripted)
      expect([first, second]).toMatchObject([{ after: '' }, { after: '', states: false }])
      expect(first).not.toHaveProperty('states')
    }
  })

  it('[CAT12] are not asked for where the key is another one than was pinned', async () => {
    const store = createMemoryStore()
    await store.commit({ meta: { serverKey: other.publicKey } })
    for (const options of [{ store }, { serverKey: other.publicKey }]) {
      const {
        clock,
        client,
        server: scripted,
      } = await openScripted(owner, {
        ...options,
        script: { ...brings(stateOf()), info: async () => info() },
      })
      const problems: unknown[] = []
      client.onProblem((problem) => problems.push(problem.code))
      client.connect()
      await clock.advance(1_000)
      expect(filtersAsked(scripted)).toMatchObject([{ states: false }])
      expect(client.status).toMatchObject({ isCaughtUp: true, problem: { code: 'SERVER_KEY_CHANGED' } })
      expect(problems).toEqual(['SERVER_KEY_CHANGED'])
    }
    await expect(openScripted(owner, { serverKey: 'abc' })).rejects.toMatchObject({ code: 'VALUE_INVALID' })
  })

  it('[CAT13] are not asked for where only authors are trusted', async () => {
    const store = createMemoryStore()
    const {
      clock,
      client,
      server: scripted,
    } = await openScripted(owner, {
      store,
      trust: 'authors',
      script: { ...brings(stateOf()), info: async () => info() },
    })
    client.connect()
    await clock.advance(1_000)
    expect(filtersAsked(scripted)).toMatchObject([{ states: false }])
    expect(await contentsIn(store)).toEqual(texts)
    expect(client.status.problem).toBeUndefined()
  })

  it('[CAT15] tell how far they are', async () => {
    const seen: unknown[] = []
    const { clock, client } = await openScripted(owner, {
      script: {
        ...brings(stateOf(server, { progress: { done: 3, total: 7 } })),
        info: async () => info(),
      },
    })
    client.onStatus(({ progress }) => seen.push(progress))
    client.connect()
    await clock.advance(1_000)
    expect(seen).toContainEqual({ done: 3, total: 7 })
    expect(client.status.progress).toBeUndefined()
  })
})

describe('what comes in parts', () => {
  const long = Y.encodeStateAsUpdate(chatDoc(Array.from({ length: 20 }, (_, n) => noise(500, `n${n}`))))
  const pieces = splitUpdate(long, 3_000)
  const part = (index: number) => ({ group: '00112233aabbccdd', index, count: pieces.length })

  it('[CAT14] an edit is one change, and no cursor is stored before it is whole', async () => {
    const events = pieces.map((piece, index) => chatEvent(owner, { update: piece, part: part(index) }))
    const stored: (string | undefined)[] = []
    const store = createMemoryStore()
    const watched: SyncStore = {
      ...store,
      async commit(batch: StoreBatch) {
        if (batch.meta?.cursor !== undefined) stored.push(batch.meta.cursor)
        await store.commit(batch)
      },
    }
    const { clock, client, server: scripted } = await openScripted(owner, { store: watched })
    client.connect()
    await clock.advance(1_000)
    for (const [index, event] of events.entries()) {
      scripted.link.send('EVENT', 'sync', event, `c${index + 2}`)
      await clock.advance(100)
      expect(await contentsIn(store)).toHaveLength(index === events.length - 1 ? 20 : 0)
    }
    expect(stored).toEqual(['c1', `c${events.length + 1}`])
    expect((await store.loadUpdates(address)).length).toBe(1)
  })

  it('[CAT14] a state in parts is one change, too', async () => {
    const store = createMemoryStore()
    const events = pieces.map((piece, index) =>
      stateOf(server, { documents: [{ address, update: piece }], part: part(index) }),
    )
    const { clock, client } = await openScripted(owner, {
      store,
      script: { ...brings(...events), info: async () => info() },
    })
    client.connect()
    await clock.advance(2_000)
    expect(await contentsIn(store)).toHaveLength(20)
    expect((await store.loadUpdates(address)).length).toBe(1)
  })

  describe('of a chat that is only listed', () => {
    const MESSAGES = 40
    const long = Y.encodeStateAsUpdate(
      chatDoc(Array.from({ length: MESSAGES }, (_, n) => `${n} ${noise(5_000, `n${n}`)}`)),
    )
    const pieces = splitUpdate(long, 20_000)
    const part = (index: number) => ({ group: '00112233aabbccdd', index, count: pieces.length })
    const listed = sign(
      server,
      createSummaryTemplate({
        documents: [
          {
            ...{
              address,
              title: 'Long',
              createdAt: 1,
              lastActivity: 2,
              messages: MESSAGES,
              bytes: long.byteLength,
            },
            ...{ archived: false, deleted: false },
          },
        ],
        createdAt: 1_764_000_000,
      }),
    )
    // Messages of their own, so that each part has some that are whole.
    const states = pieces.map((piece, index) =>
      stateOf(server, { documents: [{ address, update: piece }], part: part(index) }),
    )
    const script = {
      info: async () => ({ ...info(), yjs_summaries: 1 }),
      onReq(link: ScriptedLink, id: string) {
        if (id === 'list') link.send('EVENT', id, listed)
        if (id !== 'sync') link.send('EOSE', id, ['finish', `cursor:${id}`])
      },
    }
    const listIn = async (store: SyncStore) =>
      (await store.loadRows('chats')).map((row) => [row.message_count, row.held])
    const isAsListed = [[MESSAGES, false]]
    const untilConnectedAgain = async (clock: VirtualClock, { links }: ScriptedServer) => {
      for (let waited = 0; links.length < 2 && waited < 60; waited++) await clock.advance(1_000)
      await clock.advance(500)
    }

    it('[LOD2][HLD4] a state is applied as its parts come, and is there with the last', async () => {
      const store = createMemoryStore()
      const { clock, client, server: scripted } = await openScripted(owner, { store, script })
      client.connect()
      await clock.advance(1_000)
      const rows: number[] = []
      for (const state of states) {
        expect(await listIn(store)).toEqual(isAsListed)
        expect(client.status.isCaughtUp).toBe(false)
        scripted.link.send('EVENT', 'sync', state)
        await clock.advance(500)
        rows.push((await contentsIn(store)).length)
      }
      expect(rows.filter((count) => count > 0 && count < MESSAGES).length).toBeGreaterThan(5)
      expect(await listIn(store)).toEqual([[MESSAGES, true]])
      scripted.link.send('EOSE', 'sync', ['finish', 'cursor:c1'])
      await clock.advance(500)
      expect(client.status).toMatchObject({ isCaughtUp: true, cursor: 'c1', setAside: 0 })
    })

    it('[LOD2][HLD4] what came of it leaves where the connection ends in the midst of it, and comes anew', async () => {
      const store = createMemoryStore()
      const { clock, client, server: scripted } = await openScripted(owner, { store, script })
      client.connect()
      await clock.advance(1_000)
      for (const state of states.slice(0, -2)) scripted.link.send('EVENT', 'sync', state)
      await clock.advance(500)
      expect((await contentsIn(store)).length).toBeGreaterThan(5)
      scripted.link.close(1006)
      await clock.advance(100)
      expect(await contentsIn(store)).toEqual([])
      expect(await listIn(store)).toEqual(isAsListed)
      await untilConnectedAgain(clock, scripted)
      for (const state of states) scripted.link.send('EVENT', 'sync', state)
      scripted.link.send('EOSE', 'sync', ['finish', 'cursor:c1'])
      await clock.advance(1_000)
      expect(await contentsIn(store)).toHaveLength(MESSAGES)
      expect(await listIn(store)).toEqual([[MESSAGES, true]])
      expect(client.status).toMatchObject({ isCaughtUp: true, cursor: 'c1' })
    })

    it.each<[string, NostrEvent]>([
      ['is not the server’s', stateOf(other, { documents: [{ address, update: pieces[3] }], part: part(3) })],
      [
        'can not be read',
        sign(server, {
          ...stateOf(server, { documents: [{ address, update: pieces[3] }], part: part(3) }),
          content: 'AAAA',
        }),
      ],
    ])('[LOD2][CAT12] of which a part %s leaves, and the authors’ events come', async (_name, wrong) => {
      const store = createMemoryStore()
      const { clock, client, server: scripted } = await openScripted(owner, { store, script })
      client.connect()
      await clock.advance(1_000)
      for (const state of [...states.slice(0, 3), wrong, ...states.slice(4)])
        scripted.link.send('EVENT', 'sync', state)
      await clock.advance(500)
      expect(await contentsIn(store)).toEqual([])
      await untilConnectedAgain(clock, scripted)
      expect(filtersAsked(scripted)).toMatchObject([{ after: '' }, { after: '', states: false }])
      const events = pieces.map((piece, index) => chatEvent(owner, { update: piece, part: part(index) }))
      for (const event of events) scripted.link.send('EVENT', 'sync', event)
      scripted.link.send('EOSE', 'sync', ['finish', 'cursor:c1'])
      await clock.advance(1_000)
      expect(await contentsIn(store)).toHaveLength(MESSAGES)
      expect(client.status).toMatchObject({ isCaughtUp: true, cursor: 'c1' })
    })

    it('[LOD2][CAT12] that meets a disk which can not be read says nothing of the server, and is asked for again', async () => {
      const memory = createMemoryStore()
      let isBroken = true
      const store: SyncStore = {
        ...memory,
        async loadUpdates(of) {
          if (isBroken && of === address) throw new SyncError('STORE_FAILED', 'the disk is gone')
          return memory.loadUpdates(of)
        },
      }
      const { clock, client, server: scripted } = await openScripted(owner, { store, script })
      client.connect()
      await clock.advance(1_000)
      for (const state of states) scripted.link.send('EVENT', 'sync', state)
      await clock.advance(500)
      isBroken = false
      await untilConnectedAgain(clock, scripted)
      const [, again] = filtersAsked(scripted)
      expect(again).toMatchObject({ after: '' })
      expect(again).not.toHaveProperty('states')
      for (const state of states) scripted.link.send('EVENT', 'sync', state)
      scripted.link.send('EOSE', 'sync', ['finish', 'cursor:c1'])
      await clock.advance(1_000)
      expect(await contentsIn(store)).toHaveLength(MESSAGES)
      expect(client.status).toMatchObject({ isCaughtUp: true, cursor: 'c1' })
    })

    it('[LOD2] whose parts do not come in order, or not all before the end, is not applied by halves', async () => {
      for (const sent of [
        states.slice(1),
        [...states.slice(0, 3), ...states.slice(4)],
        states.slice(0, -1),
      ]) {
        const store = createMemoryStore()
        const { clock, client, server: scripted } = await openScripted(owner, { store, script })
        client.connect()
        await clock.advance(1_000)
        for (const state of sent) scripted.link.send('EVENT', 'sync', state)
        scripted.link.send('EOSE', 'sync', ['finish', 'cursor:c1'])
        await clock.advance(1_000)
        expect(await contentsIn(store)).toEqual([])
        // Its log is asked for instead.
        expect(scripted.received('REQ').some(([, , filter]) => JSON.stringify(filter).includes('"#d"'))).toBe(
          true,
        )
      }
    })
  })
})
