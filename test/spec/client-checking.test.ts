import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createMemoryStore, type SyncClient, type SyncStore } from '@onyx-sync/client'
import { openNodeStore } from '@onyx-sync/client/node'
import {
  EMPTY_ROSTER,
  type EventVerifier,
  hasPending,
  type NostrEvent,
  pureVerifier,
} from '@onyx-sync/shared'
import { createVirtualClock, type VirtualClock } from '@onyx-sync/testing'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import * as Y from 'yjs'
import { copyOf, mergedFrom, updateOf } from '../support/chat-copy.js'
import {
  chatAddressText,
  chatEvent,
  membersOf,
  noise,
  settingsEvent,
  sign,
  testKey,
} from '../support/events.js'
import { createTurns } from '../support/held-turns.js'
import { openScripted, type Script, type ScriptedWorld } from '../support/scripted-server.js'

const owner = testKey(1)
const member = testKey(2)
const address = chatAddressText(owner)

let directory = ''
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'onyx-checking-'))
})
afterAll(() => rmSync(directory, { recursive: true, force: true }))

/** A chat as another device of the account writes it. */
function createWriter(chatId = 'chat') {
  const doc = new Y.Doc()
  const list = doc.getArray<Y.Map<unknown>>('messages')
  let count = 0
  function event(change: () => void): NostrEvent {
    const before = Y.encodeStateVector(doc)
    doc.transact(change)
    return chatEvent(owner, { chatId, update: Y.encodeStateAsUpdate(doc, before), roster: EMPTY_ROSTER })
  }
  const say = (text: string) =>
    event(() =>
      list.push([
        new Y.Map<unknown>([
          ['id', `m${++count}`],
          ['role', 'user'],
          ['content', new Y.Text(text)],
        ]),
      ]),
    )
  return { doc, list, event, say }
}

/** The same event with the signature of another one: its id is right, and nobody signed it. */
function forge(event: NostrEvent): NostrEvent {
  return { ...event, sig: sign(owner, { ...event, created_at: event.created_at + 1 }).sig }
}

function brings(events: readonly NostrEvent[], script: Partial<Script> = {}): Partial<Script> {
  return {
    onReq(link, id) {
      if (id === 'sync')
        for (const [index, event] of events.entries()) link.send('EVENT', id, event, `c${index + 1}`)
      link.send('EOSE', id, ['finish', 'cursor:c'])
    },
    ...script,
  }
}

/** What is done with events, in order: their ids as they are checked, `shown` whenever the chat changes. */
async function follow(client: SyncClient, log: string[], of = address): Promise<void> {
  const { doc } = await client.openDocument(of)
  doc.on('update', () => log.push('shown'))
}

function logging(log: string[]): EventVerifier {
  return {
    name: 'logging',
    verify(event) {
      log.push(event.id.slice(0, 8))
      pureVerifier.verify(event)
    },
  }
}

const idle = { checking: 'idle', checkpoints: false } as const
const short = ({ id }: NostrEvent) => id.slice(0, 8)

/** Texts of the messages in a store's log. */
async function textsIn(store: SyncStore): Promise<string[]> {
  const doc = copyOf(...(await store.loadUpdates(address)).map(({ update }) => update))
  expect(hasPending(doc)).toBe(false)
  return [...doc.getArray<Y.Map<unknown>>('messages')].map((message) => String(message.get('content')))
}

/** Opens a device while time goes on. */
async function reopen(
  options: Parameters<typeof openScripted>[1] & { virtualClock: VirtualClock },
): Promise<ScriptedWorld> {
  const opening = openScripted(owner, options)
  let isOpen = false
  void opening
    .finally(() => {
      isOpen = true
    })
    .catch(() => {})
  for (let round = 0; round < 1_000 && !isOpen; round++) await options.virtualClock.advance(1)
  return opening
}

describe('checking when idle', () => {
  it('[IDL1] shows what this account’s devices wrote before it is checked; by default it is checked before', async () => {
    for (const checking of ['idle', 'before', undefined] as const) {
      const writer = createWriter()
      const log: string[] = []
      const { client, clock, server } = await openScripted(owner, {
        ...(checking === undefined ? {} : { checking }),
        verifier: logging(log),
        script: brings([writer.say('hello')]),
      })
      client.connect()
      await clock.advance(1_000)
      await follow(client, log)
      log.length = 0
      const next = writer.say('again')
      server.link.send('EVENT', 'sync', next, 'd1')
      await clock.advance(1_000)
      expect(log).toEqual(checking === 'idle' ? ['shown', short(next)] : [short(next), 'shown'])
      expect(client.status).toMatchObject({ isCaughtUp: true, setAside: 0, problem: undefined })
      await client.close()
    }
  })

  it('[IDL1] checks everything else before: others’ events, shared chats, settings, new chats, states, what has another id', async () => {
    const writer = createWriter()
    const log: string[] = []
    const { client, clock, server } = await openScripted(owner, {
      ...idle,
      verifier: logging(log),
      script: brings([writer.say('hello')]),
    })
    client.connect()
    await clock.advance(1_000)
    await follow(client, log)
    await follow(client, log, `10001:${owner.publicKey}:`)
    let cursor = 0
    /** @returns what is done with an event, in order */
    async function takes(event: NostrEvent): Promise<string[]> {
      log.length = 0
      server.link.send('EVENT', 'sync', event, `d${++cursor}`)
      await clock.advance(1_000)
      return log.map((what) => (what === short(event) ? 'checked' : what))
    }
    expect(await takes(writer.say('mine'))).toEqual(['shown', 'checked'])
    const isBefore = ['checked', 'shown']
    expect(await takes(settingsEvent(owner, 'theme', 'dark'))).toEqual(isBefore)
    expect(await takes(settingsEvent(owner, 'theme', 'light'))).toEqual(isBefore)
    expect(await takes(createWriter('new').say('first'))).toEqual(['checked'])
    writer.say('only in the state')
    const update = Y.encodeStateAsUpdate(writer.doc)
    expect(await takes(chatEvent(owner, { update, checkpoint: true, roster: EMPTY_ROSTER }))).toEqual(
      isBefore,
    )
    const before = Y.encodeStateAsUpdate(writer.doc)
    const wrong = { ...writer.say('other words'), id: settingsEvent(owner, 'theme', 'dark').id }
    expect(await takes(wrong)).toEqual(['checked'])
    expect(client.status.setAside).toBe(1)
    const again = createWriter()
    Y.applyUpdate(again.doc, before)
    expect((await takes(again.say(noise(40_000)))).slice(0, 2)).toEqual(isBefore)
    // From the event on that lets somebody in, and then for good.
    const sharing = chatEvent(owner, { update: updateOf(again.say('come in')), members: membersOf(member) })
    expect(await takes(sharing)).toEqual(isBefore)
    expect(await takes(again.say('now shared'))).toEqual(isBefore)
    const theirs = chatEvent(member, { owner, update: updateOf(again.say('by a member')) })
    expect(await takes(theirs)).toEqual(isBefore)
    await client.close()
  })

  it('[IDL1] checks before what would be more than 64 that wait', async () => {
    const turns = createTurns()
    const writer = createWriter()
    const log: string[] = []
    const { client, clock, server } = await openScripted(owner, {
      ...idle,
      verifier: logging(log),
      virtualClock: turns.clock,
      script: brings([writer.say('hello')]),
    })
    client.connect()
    await clock.advance(1_000)
    turns.hold()
    log.length = 0
    for (let n = 0; n < 66; n++) {
      server.link.send(
        'EVENT',
        'sync',
        writer.event(() => writer.doc.getMap('metadata').set('title', `${n}`)),
        `d${n}`,
      )
      await clock.advance(5)
    }
    expect(log).toHaveLength(2)
    turns.release()
    await clock.advance(1_000)
    expect(log).toHaveLength(66)
    expect(client.status.isCaughtUp).toBe(true)
    await client.close()
  })

  it('[IDL2] sends nothing of a chat, keeps it, and is not caught up, until it is checked', async () => {
    const turns = createTurns()
    const writer = createWriter()
    const store = createMemoryStore()
    const { client, clock, server } = await openScripted(owner, {
      checking: 'idle',
      checkpoints: { minLogBytes: 4_000 },
      batching: { intervalMs: 0 },
      virtualClock: turns.clock,
      store,
      script: brings([
        writer.say('hello'),
        ...Array.from({ length: 20 }, (_, n) =>
          writer.event(() => writer.doc.getMap('metadata').set('title', noise(300, `${n}`))),
        ),
      ]),
    })
    client.connect()
    await clock.advance(1_000)
    turns.hold()
    server.link.send('EVENT', 'sync', writer.say('unchecked'), 'd1')
    await clock.advance(500)
    expect((await store.loadOutbox()).map(({ state }) => state)).toEqual(['unchecked'])
    const sent = server.events().length
    await client.chats.rename('chat', 'mine')
    await client.chats.create({ id: 'other' })
    const synced = client.synced({ timeoutMs: 2_000 })
    await client.training.setConsent(true)
    let isSubmitted = false
    const submitting = client.training.submit('chat', 'm1', 5).then(() => {
      isSubmitted = true
    })
    await clock.advance(60_000)
    expect(await synced).toBe(false)
    expect(isSubmitted).toBe(false)
    expect(client.stateOf(address)).toBe('local')
    expect(client.status.isCaughtUp).toBe(false)
    expect(
      server
        .events()
        .slice(sent)
        .filter(({ tags }) => tags.some(([, value]) => value === 'chat')),
    ).toEqual([])
    // Other chats go on.
    expect(
      server
        .events()
        .slice(sent)
        .some(({ tags }) => tags.some(([, value]) => value === 'other')),
    ).toBe(true)

    turns.release()
    await clock.advance(60_000)
    await submitting
    expect(client.stateOf(address)).toBe('saved')
    expect(client.status).toMatchObject({ isCaughtUp: true, unsent: 0 })
    expect(await store.loadOutbox()).not.toContainEqual(expect.objectContaining({ state: 'unchecked' }))
    expect(server.events().filter(({ kind }) => kind === 30001).length).toBeGreaterThan(2)
    await client.close()
  })

  it('[IDL2] makes no checkpoint of a chat', async () => {
    const turns = createTurns()
    const writer = createWriter()
    const { client, clock, server } = await openScripted(owner, {
      checking: 'idle',
      checkpoints: { minLogBytes: 4_000 },
      virtualClock: turns.clock,
      script: brings([
        writer.say('hello'),
        ...Array.from({ length: 20 }, (_, n) =>
          writer.event(() => writer.doc.getMap('metadata').set('title', noise(300, `${n}`))),
        ),
      ]),
    })
    client.connect()
    await clock.advance(1_000)
    turns.hold()
    server.link.send('EVENT', 'sync', writer.say('unchecked'), 'd1')
    await clock.advance(60_000)
    expect(server.events()).toEqual([])
    turns.release()
    await clock.advance(60_000)
    expect(server.events()).toHaveLength(1)
    await client.close()
  })

  it('[IDL2][CAT10] brings nothing of it back to a server that says that it was set back', async () => {
    const turns = createTurns()
    const writer = createWriter()
    const first = writer.say('hello')
    const kept = createMemoryStore()
    const store: SyncStore = { ...kept, close: async () => {} }
    let isReset = false
    const { client, clock, server } = await openScripted(owner, {
      ...idle,
      store,
      virtualClock: turns.clock,
      script: {
        onReq(link, id, [filter]) {
          if (id !== 'sync') link.send('EOSE', id, ['finish'])
          else if (isReset && filter?.after !== '') link.send('EOSE', id, ['finish', 'cursor:r0', 'reset'])
          else {
            if (!isReset) link.send('EVENT', id, first, 'c1')
            turns.clock.setTimeout(() => link.send('EOSE', id, ['finish', 'cursor:c2']), 10)
          }
        },
      },
    })
    client.connect()
    await clock.advance(1_000)
    turns.hold()
    server.link.send('EVENT', 'sync', forge(writer.say('forged')), 'd1')
    await clock.advance(100)
    isReset = true
    server.link.close(1006)
    await clock.advance(60_000)
    expect(
      server.received('REQ').filter(([, , filter]) => (filter as { after?: string }).after === ''),
    ).toHaveLength(2)
    expect((await kept.loadOutbox()).map(({ state }) => state)).toEqual(['unchecked'])
    turns.release()
    await clock.advance(5_000)
    expect(client.status.problem?.code).toBe('EVENT_FORGED')
    expect(server.events()).toEqual([])
    expect(await kept.loadOutbox()).toEqual([])
    expect(await textsIn(kept)).toEqual(['hello'])
  })

  it('[IDL2][HLD7] does not let the body of a chat go', async () => {
    const turns = createTurns()
    const { client, clock, server } = await openScripted(owner, {
      ...idle,
      hold: { kinds: [30001] },
      virtualClock: turns.clock,
      script: { info: async () => ({ yjs_sync: 1, yjs_summaries: 1, self: testKey(9).publicKey }) },
    })
    client.connect()
    await clock.advance(1_000)
    await client.chats.create({ id: 'chat' })
    await clock.advance(5_000)
    const why = () => client.chats.evict('chat').catch((error: Error) => error.message)
    expect(await why()).toMatch(/not sent back/)
    const writer = createWriter()
    Y.applyUpdate(writer.doc, Y.encodeStateAsUpdate(mergedFrom(server.events())))
    turns.hold()
    server.link.send('EVENT', 'sync', writer.say('unchecked'), 'd1')
    await clock.advance(100)
    expect(await why()).toMatch(/still to be checked/)
    turns.release()
    await clock.advance(100)
    expect(await why()).toMatch(/not sent back/)
    await client.close()
  })
})

describe.each([
  ['memory', async () => createMemoryStore()],
  ['SQLite', (name: string) => openNodeStore({ file: join(directory, `${name}.db`) })],
] as const)('a forged event that was shown, on %s', (kind, openStore) => {
  /** A device that was killed with one event shown and not checked, and an edit made on top of it. */
  async function killed(name: string, isForged: boolean) {
    const turns = createTurns()
    const writer = createWriter()
    const first = writer.say('hello')
    const opened = await openStore(`${name}-${isForged}`)
    // What a kill leaves: nothing is written any more, nor closed properly.
    let isDead = false
    const store: SyncStore = new Proxy(opened, {
      get: (target, key: keyof SyncStore) =>
        key === 'commit'
          ? (batch: Parameters<SyncStore['commit']>[0]) =>
              isDead ? new Promise(() => {}) : target.commit(batch)
          : target[key],
    })
    const { client, clock, server } = await openScripted(owner, {
      ...idle,
      store,
      virtualClock: turns.clock,
      script: brings([first]),
    })
    client.connect()
    await clock.advance(1_000)
    turns.hold()
    const second = writer.say('shown')
    server.link.send('EVENT', 'sync', isForged ? forge(second) : second, 'd1')
    await clock.advance(100)
    await client.chats.send('chat', 'an answer')
    const { messages } = await client.chats.read('chat')
    expect(messages.map(({ content }) => content)).toEqual(['hello', 'shown', 'an answer'])
    isDead = true
    client.disconnect()
    if (kind === 'SQLite') await opened.close()
    const again = kind === 'SQLite' ? await openStore(`${name}-${isForged}`) : opened
    return { turns, first, second, store: again }
  }

  it('[IDL3] is looked at again by a device that was killed before it was checked', async () => {
    for (const isForged of [false, true]) {
      const { first, second, store } = await killed('killed', isForged)
      expect((await store.loadOutbox()).some(({ state }) => state === 'unchecked')).toBe(true)
      const log: string[] = []
      const { client, clock, server } = await reopen({
        ...idle,
        store,
        verifier: logging(log),
        virtualClock: createVirtualClock(Date.UTC(2026, 0, 2)),
        script: brings(isForged ? [first] : [first, second]),
      })
      expect(log).toEqual([short(second)])
      const { messages } = await client.chats.read('chat')
      const expected = isForged ? ['hello', 'an answer'] : ['hello', 'shown', 'an answer']
      expect(messages.map(({ content }) => content)).toEqual(expected)
      const rows = await store.loadRows('messages')
      expect(rows.map(({ content }) => content).sort()).toEqual([...expected].sort())
      expect(client.status.problem?.code).toBe(isForged ? 'EVENT_FORGED' : undefined)
      expect(client.status).toMatchObject({ unsent: 1, cursor: isForged ? '' : 'd1' })
      client.connect()
      await clock.advance(10_000)
      expect(client.status).toMatchObject({ unsent: 0, isCaughtUp: true, problem: undefined })
      const everywhere = mergedFrom([...(isForged ? [first] : [first, second]), ...server.events()])
      expect(hasPending(everywhere)).toBe(false)
      expect(
        everywhere.getArray<Y.Map<unknown>>('messages').map((one) => String(one.get('content'))),
      ).toEqual(expected)
      await client.close()
    }
  })

  it('[IDL4][IDL5] raises an alarm, closes the device, and is taken out; what was written beside it stays', async () => {
    const turns = createTurns()
    const writer = createWriter()
    const events = [writer.say('hello'), writer.say('and more')]
    const name = `alarm-${kind}`
    const store = await openStore(name)
    // Closing is up to this test, which looks into it.
    const kept: SyncStore = new Proxy(store, {
      get: (target, key: keyof SyncStore) => (key === 'close' ? async () => {} : target[key]),
    })
    const { client, clock, server } = await openScripted(owner, {
      ...idle,
      store: kept,
      virtualClock: turns.clock,
      script: brings(events),
    })
    const problems: string[] = []
    client.onProblem(({ code }) => problems.push(code))
    client.connect()
    await clock.advance(1_000)
    const sent = server.events().length
    turns.hold()
    const forged = [
      writer.say('forged'),
      writer.event(() => writer.list.delete(0, 1)),
      writer.event(() => (writer.list.get(0).get('content') as Y.Text).insert(0, 'not ')),
    ].map(forge)
    const right = createWriter()
    Y.applyUpdate(right.doc, Y.encodeStateAsUpdate(mergedFrom(events)))
    const honest = right.event(() => right.doc.getMap('metadata').set('title', 'right'))
    for (const [index, event] of [...forged, honest].entries())
      server.link.send('EVENT', 'sync', event, `d${index}`)
    await clock.advance(100)
    const opened = await client.openDocument(address)
    const list = opened.doc.getArray<Y.Map<unknown>>('messages')
    const texts = () => list.map((message) => String(message.get('content')))
    expect(texts()).toEqual(['not and more', 'forged'])
    const text = list.get(0).get('content') as Y.Text
    text.insert(4, 'truly ')
    await client.chats.send('chat', 'what is this?')
    await client.chats.rename('chat', 'mine')
    expect(texts()).toEqual(['not truly and more', 'forged', 'what is this?'])
    turns.release()
    await clock.advance(5_000)

    expect(problems).toEqual(['EVENT_FORGED'])
    expect(client.status).toMatchObject({ connection: 'offline', isCaughtUp: false })
    expect(client.status.problem?.code).toBe('EVENT_FORGED')
    expect(server.events()).toHaveLength(sent)
    await expect(client.chats.rename('chat', 'later')).rejects.toMatchObject({ code: 'CLIENT_CLOSED' })
    const left = ['hello', 'truly and more', 'what is this?']
    expect(await textsIn(store)).toEqual(left)
    const states = (await store.loadOutbox()).map(({ state, edits }) => [state, edits])
    expect(states.every(([state]) => state === 'pending')).toBe(true)
    expect(states.reduce((sum, [, edits]) => sum + Number(edits), 0)).toBe(3)
    opened.release()
    await client.close()

    // Open anew: it asks for everything, checks before, and sends what was written.
    const log: string[] = []
    const again = await reopen({
      ...idle,
      store: kept,
      verifier: logging(log),
      virtualClock: turns.clock,
      script: brings([...events, honest]),
    })
    expect(again.client.status.problem).toBeUndefined()
    const rows = async () =>
      (await store.loadRows('messages'))
        .sort((a, b) => Number(a.position) - Number(b.position))
        .map(({ content }) => content)
    expect(await rows()).toEqual(left)
    again.client.connect()
    await clock.advance(10_000)
    const [request] = again.server.received('REQ')
    expect(request?.[2]).toMatchObject({ after: '', states: false })
    expect(again.client.status).toMatchObject({ unsent: 0, isCaughtUp: true })
    await follow(again.client, log)
    log.length = 0
    const next = right.say('checked first')
    again.server.link.send('EVENT', 'sync', next, 'e1')
    await clock.advance(1_000)
    expect(log).toEqual([short(next), 'shown'])
    const everywhere = mergedFrom([...events, honest, ...again.server.events()])
    expect(hasPending(everywhere)).toBe(false)
    expect(everywhere.getArray<Y.Map<unknown>>('messages').map((one) => String(one.get('content')))).toEqual(
      left,
    )
    expect(everywhere.getMap('metadata').get('title')).toBe('mine')
    await again.client.close()
    await store.close()
  })
})

it('[IDL1] is one of two, and shared by tabs it is always before', async () => {
  const opening = openScripted(owner, { checking: 'sometimes' as 'idle' })
  await expect(opening).rejects.toMatchObject({ code: 'VALUE_INVALID' })
})
