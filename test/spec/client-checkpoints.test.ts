import { createMemoryStore, createSyncClient, type SyncStore } from '@onyx-sync/client'
import {
  containsUpdate,
  DEFAULT_LIMITS,
  decodeUpdateEvent,
  hasPending,
  hasSameState,
  mergeUpdates,
  type NostrEvent,
  stringifyEvent,
  vectorOf,
} from '@onyx-sync/shared'
import { createVirtualClock, type VirtualClock, type World } from '@onyx-sync/testing'
import { PlainKeySigner } from 'nostr-tools/signer'
import { describe, expect, it } from 'vitest'
import * as Y from 'yjs'
import { statePieces } from '../../client/src/core/state-pieces.js'
import { copyOf, mergedFrom, updateOf } from '../support/chat-copy.js'
import { chatAddressText, chatEvent, membersOf, noise, testKey } from '../support/events.js'
import {
  openScripted,
  type Script,
  type ScriptedLink,
  type ScriptedServer,
} from '../support/scripted-server.js'
import {
  clientOf,
  deviceOf,
  during,
  SMALL_LOGS,
  serverDocument,
  serverEvents,
  startWorld,
  storedDocument,
  textsOf,
} from '../support/worlds.js'

const owner = testKey(1)
const member = testKey(2)
const address = chatAddressText(owner)
const isCheckpoint = (event: NostrEvent) => decodeUpdateEvent(event, DEFAULT_LIMITS).framed.checkpoint
const bytesOf = (events: readonly NostrEvent[]) =>
  events.reduce((sum, event) => sum + stringifyEvent(event).length, 0)

/** Every event that the server ever stored, those it has dropped included. */
function everStored({ serverDisk }: World): NostrEvent[] {
  return serverDisk.commits.flatMap(({ events }) => events.map(({ json }) => JSON.parse(json) as NostrEvent))
}

const chatOf = (world: World, name: string, id = 'oslo') => `30001:${deviceOf(world, name).pubkey}:${id}`

/** Rewrites one message on several devices in turn. */
async function rewrite(world: World, names: readonly string[], chat: string, id: string, times: number) {
  for (let n = 0; n < times; n++) {
    const client = clientOf(world, names[n % names.length] as string)
    await during(world, client.chats.edit(chat, id, `version ${n} ${noise(40, `${n}`)}`))
    await world.advance(1_000)
  }
}

describe('checkpoints by devices', () => {
  it('[CKP1][CKP5] keep the log of a chat that three devices edit in proportion, at a cost of a fraction', async () => {
    const names = ['laptop', 'phone', 'tablet']
    const world = await startWorld('checkpoints', { alice: names })
    await during(world, clientOf(world, 'laptop').chats.create({ id: 'oslo' }))
    const { id } = await during(world, clientOf(world, 'laptop').chats.send('oslo', 'hello'))
    await world.advance(5_000)
    await rewrite(world, names, 'oslo', id, 160)
    await world.advance(20_000)
    const stored = everStored(world)
    const checkpoints = stored.filter(isCheckpoint)
    const edits = stored.filter((event) => !isCheckpoint(event))
    expect(bytesOf(edits)).toBeGreaterThan(75_000)
    expect(checkpoints.length).toBeGreaterThan(0)
    expect(bytesOf(checkpoints)).toBeLessThan(bytesOf(edits) / 2)
    const log = await serverEvents(world.serverDisk.contents)
    const newest = checkpoints[checkpoints.length - 1] as NostrEvent
    expect(bytesOf(log)).toBeLessThan(Math.max(32_768, 3 * bytesOf([newest])) + 2_000)
    const doc = await serverDocument(world, chatOf(world, 'laptop'))
    for (const name of names) {
      const own = await storedDocument(deviceOf(world, name).disk.contents, chatOf(world, 'laptop'))
      expect(hasSameState(own, doc)).toBe(true)
      expect(textsOf(own)).toEqual(textsOf(doc))
    }
  })

  it('[CKP2] are made by one of the devices that see it is time, not by all', async () => {
    const names = ['laptop', 'phone', 'tablet', 'desk']
    const world = await startWorld(
      'one of all',
      { alice: names },
      { settings: { ...SMALL_LOGS, checkpoints: { minLogBytes: 4_000, ratio: 2, waitMs: 2_000 } } },
    )
    await during(world, clientOf(world, 'laptop').chats.create({ id: 'oslo' }))
    const { id } = await during(world, clientOf(world, 'laptop').chats.send('oslo', 'hello'))
    await rewrite(world, names, 'oslo', id, 40)
    await world.advance(20_000)
    const stored = everStored(world)
    const positions = stored.flatMap((event, index) => (isCheckpoint(event) ? [index] : []))
    expect(positions.length).toBeGreaterThan(1)
    // Between two there are edits that are worth one.
    for (const [index, position] of positions.entries()) {
      const since = stored.slice((positions[index - 1] ?? -1) + 1, position)
      expect(bytesOf(since)).toBeGreaterThan(2_000)
    }
  })

  it('[CKP3] of the owner say who the members are, and decide nothing', async () => {
    const world = await startWorld(
      'statement',
      { alice: ['laptop'], bob: ['tablet'] },
      { settings: SMALL_LOGS },
    )
    const laptop = clientOf(world, 'laptop')
    await during(world, laptop.chats.create({ id: 'oslo' }))
    await during(world, laptop.chats.setMembers('oslo', [deviceOf(world, 'tablet').pubkey]))
    const { id } = await during(world, laptop.chats.send('oslo', 'hello'))
    await rewrite(world, ['laptop'], 'oslo', id, 20)
    await world.advance(60_000)
    const stored = everStored(world)
    const owners = stored.filter((event) => isCheckpoint(event) && event.pubkey === laptop.pubkey)
    expect(owners.length).toBeGreaterThan(0)
    const tablet = deviceOf(world, 'tablet').pubkey
    const shared = stored.find(({ tags }) => tags.some(([name]) => name === 'p'))
    const decision = shared?.tags.find(([name]) => name === 'p')
    expect(decision).toEqual(['p', tablet, '', 'write', expect.stringMatching(/^\d+$/)])
    for (const checkpoint of owners) {
      expect(checkpoint.tags).toContainEqual(['members_at', '0'])
      expect(checkpoint.tags).toContainEqual(decision)
    }
    const [record] = await world.serverDisk.contents.documents([chatOf(world, 'laptop')])
    expect(record?.members).toHaveLength(1)
  })

  it('[CKP3] of a member state nothing, and leave who the members are', async () => {
    const world = await startWorld('member', { alice: ['laptop'], bob: ['tablet'] }, { settings: SMALL_LOGS })
    const laptop = clientOf(world, 'laptop')
    await during(world, laptop.chats.create({ id: 'oslo' }))
    await during(world, laptop.chats.setMembers('oslo', [deviceOf(world, 'tablet').pubkey]))
    const { id } = await during(world, laptop.chats.send('oslo', 'hello'))
    await world.advance(5_000)
    world.network.setOnline('laptop', false)
    await rewrite(world, ['tablet'], chatOf(world, 'laptop'), id, 20)
    await world.advance(20_000)
    const byBob = everStored(world).filter((event) => isCheckpoint(event) && event.pubkey !== laptop.pubkey)
    expect(byBob.length).toBeGreaterThan(0)
    expect(byBob.every(({ tags }) => tags.every(([name]) => name !== 'p'))).toBe(true)
    world.network.setOnline('laptop', true)
    laptop.wake()
    await world.advance(30_000)
    expect(await during(world, laptop.chats.read('oslo'))).toMatchObject({ messages: [{ id }] })
    const [record] = await world.serverDisk.contents.documents([chatOf(world, 'laptop')])
    expect(record?.members).toEqual([{ pubkey: deviceOf(world, 'tablet').pubkey, role: 'write' }])
  })

  it('[S6][CHK4][CMP3] lose nothing, and bring back nothing, by a crash of either end at any moment', async () => {
    /** Writes until a checkpoint is stored, with a crash `afterMs` from when the last edit was saved. */
    async function run(afterMs: number | undefined, victim: 'server' | 'laptop' = 'server') {
      const world = await startWorld(
        'crash',
        { alice: ['laptop', 'phone'] },
        {
          settings: {
            ...SMALL_LOGS,
            checkpoints: { minLogBytes: 3_000, ratio: 1.5, waitMs: 100 },
            compaction: { minBytes: 1_000, ratio: 0.3 },
          },
        },
      )
      const laptop = clientOf(world, 'laptop')
      await during(world, laptop.chats.create({ id: 'oslo' }))
      await during(world, laptop.chats.send('oslo', 'deleted', { id: 'gone' }))
      for (let n = 0; n < 3; n++) {
        await during(world, laptop.synced())
        await during(world, laptop.chats.send('oslo', `kept ${n}`))
      }
      await during(world, laptop.chats.deleteMessage('oslo', 'gone'))
      await during(world, laptop.synced())
      const startedAt = world.clock.now()
      if (afterMs !== undefined) {
        await world.advance(afterMs)
        if (victim === 'server') world.crashServer()
        else deviceOf(world, 'laptop').crash()
        await world.advance(100)
        world.startServer()
        deviceOf(world, 'laptop').start()
        await world.advance(40_000)
      } else {
        for (let ms = 0; ms < 5_000 && !everStored(world).some(isCheckpoint); ms++) await world.advance(1)
        expect(everStored(world).some(isCheckpoint)).toBe(true)
      }
      const chat = chatOf(world, 'laptop')
      const onServer = await serverDocument(world, chat)
      expect(textsOf(onServer)).toEqual(['kept 0', 'kept 1', 'kept 2'])
      for (const { disk } of world.devices)
        expect(hasSameState(await storedDocument(disk.contents, chat), onServer)).toBe(true)
      return { tookMs: world.clock.now() - startedAt, world }
    }
    const { tookMs } = await run(undefined)
    // The server writes for at most 12 ms, and what comes before and after takes as long as messages do.
    for (let offset = -16; offset <= 16; offset++) {
      await run(tookMs + offset, offset % 2 === 0 ? 'server' : 'laptop')
    }
  })

  it('[CKP6] are not made by a member of what others wrote and the server has lost', async () => {
    const world = await startWorld('lost', { alice: ['laptop'], bob: ['tablet'] }, { settings: SMALL_LOGS })
    const laptop = clientOf(world, 'laptop')
    const chat = chatOf(world, 'laptop')
    await during(world, laptop.chats.create({ id: 'oslo' }))
    await during(world, laptop.chats.setMembers('oslo', [deviceOf(world, 'tablet').pubkey]))
    await world.advance(2_000)
    const backup = world.serverDisk.commits.length
    await during(world, laptop.chats.send('oslo', 'lost by the server', { id: 'm' }))
    await world.advance(2_000)
    world.crashServer()
    await world.serverDisk.restore(backup)
    world.network.setOnline('laptop', false)
    world.startServer()
    await world.advance(60_000)
    for (let n = 0; n < 20; n++) {
      await during(world, clientOf(world, 'tablet').chats.rename(chat, `title ${n} ${noise(100, `${n}`)}`))
      await world.advance(1_000)
    }
    await world.advance(20_000)
    expect(everStored(world).filter(isCheckpoint)).toEqual([])
    expect(bytesOf(await serverEvents(world.serverDisk.contents))).toBeGreaterThan(8_000)
    // Its author brings it back and goes on under its own name.
    world.network.setOnline('laptop', true)
    laptop.wake()
    await world.advance(30_000)
    await during(world, laptop.chats.send('oslo', 'going on'))
    await world.advance(30_000)
    expect(laptop.status).toMatchObject({ unsent: 0, refused: 0 })
    expect(textsOf(await serverDocument(world, chat))).toEqual(['lost by the server', 'going on'])
    // And from then on the member may again.
    await during(world, laptop.chats.rename('oslo', 'in peace'))
    await world.advance(60_000)
    expect(everStored(world).filter(isCheckpoint).length).toBeGreaterThan(0)
  })
})

/** Events of a chat whose title is written again and again: much log, little state. */
function titles(count: number, from = 0, doc = new Y.Doc(), change = {}): NostrEvent[] {
  return Array.from({ length: count }, (_, index) => {
    const before = Y.encodeStateVector(doc)
    doc.getMap('metadata').set('title', noise(300, `title ${from + index}`))
    const update = Y.encodeStateAsUpdate(doc, before)
    return chatEvent(owner, { update, ...change })
  })
}

/** Events of a chat of half a megabyte, to which more was written and taken out again: it is in the log, and not in the state. */
function large(doc: Y.Doc): NostrEvent[] {
  const list = doc.getArray<Y.Map<unknown>>('messages')
  const edits: NostrEvent[] = []
  function edit(change: () => void): void {
    const before = Y.encodeStateVector(doc)
    doc.transact(change)
    edits.push(chatEvent(owner, { update: Y.encodeStateAsUpdate(doc, before) }))
  }
  for (let n = 0; n < 9; n++)
    edit(() => list.push([new Y.Map<unknown>([['content', new Y.Text(noise(60_000, `${n}`))]])]))
  const content = list.get(0).get('content') as Y.Text
  for (let n = 0; n < 30; n++) {
    edit(() => content.insert(0, noise(60_000, `and ${n}`)))
    edit(() => content.delete(0, 60_000))
  }
  return edits
}

/** A server that brings these events, and more when it is told to; it sends back what it accepts. */
function brings(events: readonly NostrEvent[], script: Partial<Script> = {}): Partial<Script> {
  return {
    onReq(link: ScriptedLink, id: string, [filter]: readonly Record<string, unknown>[]) {
      const known = Number(String(filter?.after ?? '').slice(1) || 0)
      for (const [index, event] of events.entries())
        if (id === 'sync' && index >= known) link.send('EVENT', id, event, `c${index + 1}`)
      link.send('EOSE', id, id === 'sync' ? ['finish', `cursor:c${events.length}`] : ['finish'])
    },
    ...script,
  }
}

const checkpointsOf = (server: ScriptedServer) => server.events().filter(isCheckpoint)

describe('when a device makes a checkpoint', () => {
  const open = (script: Partial<Script>, change = {}) =>
    openScripted(owner, { checkpoints: { minLogBytes: 10_000 }, script, ...change })

  it('[CKP1] is not before the log is as large as was said, and three times as large as the state', async () => {
    const doc = new Y.Doc()
    const events = titles(16, 0, doc)
    expect(bytesOf(events)).toBeGreaterThan(10_000)
    const few = await open(brings(events.slice(0, 8)))
    few.client.connect()
    await few.clock.advance(60_000)
    expect(few.server.events()).toEqual([])
    for (const [index, event] of events.slice(8).entries())
      few.server.link.send('EVENT', 'sync', event, `d${index}`)
    await few.clock.advance(60_000)
    const [checkpoint, ...more] = few.server.events()
    expect(more).toEqual([])
    const { framed } = decodeUpdateEvent(checkpoint as NostrEvent, DEFAULT_LIMITS)
    expect(framed.checkpoint).toBe(true)
    expect(hasSameState(copyOf(framed.update), doc)).toBe(true)

    // As much, but nothing of it is written over.
    const grown = new Y.Doc()
    const large = Array.from({ length: 16 }, (_, index) => {
      const before = Y.encodeStateVector(grown)
      grown.getMap('metadata').set(`key ${index}`, noise(300, `${index}`))
      return chatEvent(owner, { update: Y.encodeStateAsUpdate(grown, before) })
    })
    const second = await open(brings(large))
    second.client.connect()
    await second.clock.advance(60_000)
    expect(second.server.events()).toEqual([])
  })

  it('[CKP2] is after a random time, unless somebody else’s comes meanwhile', async () => {
    const waited = new Set<number>()
    for (let seed = 0; seed < 6; seed++) {
      const { clock, client, server } = await open(brings(titles(20)), { seed: `wait ${seed}` })
      client.connect()
      let seconds = 0
      while (server.events().length === 0 && seconds < 20) {
        await clock.advance(1_000)
        seconds++
      }
      expect(seconds).toBeGreaterThan(1)
      expect(seconds).toBeLessThan(12)
      waited.add(seconds)
    }
    expect(waited.size).toBeGreaterThan(1)

    const doc = new Y.Doc()
    const { clock, client, server } = await open(brings(titles(20, 0, doc)))
    client.connect()
    await clock.advance(1_500)
    const others = chatEvent(owner, { update: Y.encodeStateAsUpdate(doc), checkpoint: true })
    server.link.send('EVENT', 'sync', others, 'd')
    await clock.advance(60_000)
    expect(server.events()).toEqual([])
  })

  it('[CKP1] is not while something of the document is missing, unsent or refused, nor without a connection', async () => {
    const events = titles(20)
    const gap = await open(brings(events.filter((_, index) => index !== 5)))
    gap.client.connect()
    await gap.clock.advance(60_000)
    expect(gap.server.events()).toEqual([])

    let accepts = false
    const refusing = await open(
      brings(events, {
        onEvent: (link, event) => link.send('OK', event.id, accepts, accepts ? '' : 'restricted: not now'),
      }),
    )
    refusing.client.connect()
    await refusing.clock.advance(1_000)
    await refusing.client.chats.rename('chat', 'mine')
    await refusing.clock.advance(60_000)
    expect(refusing.client.status.refused).toBe(1)
    expect(checkpointsOf(refusing.server)).toEqual([])
    accepts = true
    refusing.client.retryRefused()
    await refusing.clock.advance(1_000)
    refusing.server.link.send('EVENT', 'sync', titles(1, 99)[0], 'd')
    await refusing.clock.advance(60_000)
    expect(checkpointsOf(refusing.server)).toHaveLength(1)

    const gone = await open(brings(events))
    gone.client.connect()
    await gone.clock.advance(1_000)
    gone.client.disconnect()
    await gone.clock.advance(60_000)
    expect(gone.server.events()).toEqual([])
  })

  it('[CKP4] is put off until the log has doubled, when it was refused or nothing was heard of it', async () => {
    for (const answer of ['restricted: no', 'invalid: no', undefined]) {
      const doc = new Y.Doc()
      const { clock, client, server } = await open(
        brings(titles(20, 0, doc), {
          onEvent(link, event) {
            if (answer === undefined) link.close(1006)
            else link.send('OK', event.id, false, answer)
          },
        }),
      )
      client.connect()
      await clock.advance(120_000)
      expect(server.events()).toHaveLength(1)
      const send = async (count: number) => {
        for (const event of titles(count, 50, doc)) server.link.send('EVENT', 'sync', event, `d${event.id}`)
        await clock.advance(120_000)
      }
      await send(16)
      expect(server.events()).toHaveLength(1)
      await send(6)
      expect(server.events()).toHaveLength(2)
      expect(client.status).toMatchObject({ unsent: 0, refused: 0 })
    }
  })

  it('[CKP4] comes later, when the server has no time for it now', async () => {
    let refusals = 3
    const { clock, client, server } = await open(
      brings(titles(20), {
        onEvent: (link, event) =>
          refusals-- > 0
            ? link.send('OK', event.id, false, refusals === 1 ? 'rate-limited: slow down' : 'error: disk')
            : link.send('OK', event.id, true, ''),
      }),
    )
    client.connect()
    const sentAt: number[] = []
    for (let second = 0; second < 900; second++) {
      await clock.advance(1_000)
      while (sentAt.length < server.events().length) sentAt.push(second)
    }
    expect(sentAt).toHaveLength(4)
    // Up to 60, 120 and 240 s, and the wait before each.
    expect((sentAt[3] as number) - (sentAt[0] as number)).toBeGreaterThan(30)
  })

  it('[CKP4] is in parts where it is larger than the server takes, and not at all where that is too much', async () => {
    const info = async () => ({ yjs_sync: 1, limitation: { max_content_length: 1_200 } })
    const doc = new Y.Doc()
    const text = new Y.Text(noise(1_500))
    doc.getArray('messages').push([new Y.Map<unknown>([['content', text]])])
    const events = [chatEvent(owner, { update: Y.encodeStateAsUpdate(doc) }), ...titles(30, 0, doc)]
    const cut = await open(brings(events, { info }))
    cut.client.connect()
    await cut.clock.advance(120_000)
    const parts = cut.server.events()
    expect(parts.length).toBeGreaterThan(1)
    expect(parts.every(isCheckpoint)).toBe(true)
    expect(parts.every((event) => stringifyEvent(event).length <= 1_200)).toBe(true)
    expect(hasSameState(mergedFrom(parts), doc)).toBe(true)

    const whole = await open(brings(events, { info }), { limits: { ...DEFAULT_LIMITS, maxParts: 1 } })
    whole.client.connect()
    await whole.clock.advance(120_000)
    expect(whole.server.events()).toEqual([])
    expect(whole.client.status.connection).toBe('live')
  })

  it('[CKP9] goes in parts of a bounded size where it is large', async () => {
    const doc = new Y.Doc()
    const edits = large(doc)
    const { client, clock, server } = await open(brings(edits))
    client.connect()
    await clock.advance(60_000)
    const parts = server.events()
    expect(parts.length).toBeGreaterThan(3)
    expect(parts.every(isCheckpoint)).toBe(true)
    for (const part of parts) expect(stringifyEvent(part).length).toBeLessThan(200_000)
    expect(hasSameState(mergedFrom(parts), doc)).toBe(true)
  })

  it('[CKP9] is of the moment at which it was begun, whatever is written and deleted while it is encoded', async () => {
    const doc = new Y.Doc()
    const list = doc.getArray<Y.Map<unknown>>('messages')
    for (let n = 0; n < 16; n++)
      list.push([new Y.Map<unknown>([['content', new Y.Text(noise(60_000, `${n}`))]])])
    const contentOf = (at: number) => list.get(at).get('content') as Y.Text
    const texts = () => list.map((_, at) => contentOf(at).toString())
    const before = texts()
    const vector = vectorOf(doc)
    const changes = [
      () => contentOf(15).insert(60_000, 'goes on'),
      () => list.delete(1, 2),
      () => doc.getMap('metadata').set('title', 'new'),
    ]
    const turns = { next: async () => void changes.shift()?.() }
    const pieces = (await statePieces(doc, vector, turns)) ?? []
    expect(pieces.length).toBeGreaterThan(4)
    expect(changes).toEqual([])
    const state = copyOf(mergeUpdates(pieces))
    expect(hasPending(state)).toBe(false)
    expect(vectorOf(state)).toEqual(vector)
    expect(textsOf(state)).toEqual(before.filter((_, at) => at !== 1 && at !== 2))
    Y.applyUpdate(state, Y.encodeStateAsUpdate(doc, Y.encodeStateVector(state)))
    expect(hasSameState(state, doc)).toBe(true)
    expect(texts()[13]).toMatch(/goes on$/)

    // A document that has left and come again may hold less.
    const more = new Map([...vector].map(([client, clock]) => [client, clock + 100_000]))
    expect(await statePieces(doc, more, turns)).toBeUndefined()
  })

  it('[CKP9] is made of a chat that is written to without a pause, here and elsewhere', async () => {
    const doc = new Y.Doc()
    const events = titles(20, 0, doc)
    const saved = copyOf(...events.map(updateOf))
    const sent = new Set<string>()
    const { clock, client, server } = await open(
      brings(events, {
        onEvent(link, event) {
          sent.add(event.id)
          // The disk takes a while, and what it has is known to the others at once.
          clock.setTimeout(() => {
            if (isCheckpoint(event)) return
            Y.applyUpdate(saved, updateOf(event))
            link.send('OK', event.id, true, '')
          }, 150)
        },
      }),
      { batching: { intervalMs: 0 } },
    )
    client.connect()
    await clock.advance(1_000)
    let wasSaved = 0
    let heldUnsaved = 0
    for (let n = 0; n < 600 && checkpointsOf(server).length === 0; n++) {
      void client.chats.rename('chat', noise(30, `mine ${n}`))
      server.link.send('EVENT', 'sync', titles(1, 100 + n, doc)[0], `e${n}`)
      Y.applyUpdate(saved, Y.encodeStateAsUpdate(doc))
      await clock.advance(50)
      if (client.stateOf(address) === 'saved') wasSaved++
      for (const checkpoint of checkpointsOf(server))
        if (!containsUpdate(saved, updateOf(checkpoint))) heldUnsaved++
    }
    expect(wasSaved).toBeLessThan(5)
    expect(checkpointsOf(server)).toHaveLength(1)
    expect(heldUnsaved).toBe(0)
    expect(hasPending(mergedFrom(checkpointsOf(server)))).toBe(false)
  })

  it('[CKP1][CKP9] is not sent while something that was deleted here, and that it names, is not saved', async () => {
    const doc = new Y.Doc()
    const events = large(doc)
    const virtual = createVirtualClock(Date.UTC(2026, 0, 1))
    let hasWaited = false
    let edit: (() => void) | undefined
    // Edits in the first turn after the device has begun to encode.
    const virtualClock: VirtualClock = {
      ...virtual,
      now: () => virtual.now(),
      setTimeout: (callback, delayMs) =>
        virtual.setTimeout(() => {
          if (delayMs >= 2_000 && delayMs <= 10_000) hasWaited = true
          if (delayMs === 0 && hasWaited) {
            edit?.()
            edit = undefined
          }
          callback()
        }, delayMs),
    }
    for (const answer of ['', 'restricted: no', undefined]) {
      hasWaited = false
      const held: ((reason: string) => void)[] = []
      const { clock, client, server } = await open(
        brings(events, {
          onEvent(link, event) {
            if (isCheckpoint(event)) link.send('OK', event.id, true, '')
            else held.push((reason) => link.send('OK', event.id, reason === '', reason))
          },
        }),
        { virtualClock, seed: `deleted ${answer}` },
      )
      client.connect()
      await clock.advance(1_000)
      const opened = await client.openDocument(address)
      edit = () => opened.doc.getArray('messages').delete(0, 1)
      await clock.advance(12_000)
      expect([held.length, checkpointsOf(server).length]).toEqual([1, 0])
      if (answer !== undefined) held[0]?.(answer)
      // Nobody waits for that without end.
      await clock.advance(60_000)
      const checkpoints = checkpointsOf(server)
      if (answer !== '') expect(checkpoints).toEqual([])
      else expect(hasSameState(mergedFrom(checkpoints), opened.doc)).toBe(true)
      if (answer === undefined) {
        held[0]?.('')
        await clock.advance(30_000)
        expect(hasSameState(mergedFrom(checkpointsOf(server)), opened.doc)).toBe(true)
      }
      opened.release()
      await client.close()
    }
  })

  it('[CKP7] is told from a count that outlives a restart, and that a merged state or a reset sets right', async () => {
    const store: SyncStore = { ...createMemoryStore(), close: async () => {} }
    const events = titles(12)
    const first = await open(brings(events), { store, checkpoints: { minLogBytes: 1_000_000 } })
    first.client.connect()
    await first.clock.advance(5_000)
    await first.client.close()
    const [document] = await store.loadDocuments()
    expect(document?.logBytes).toBeGreaterThan(0.75 * bytesOf(events))
    expect(document?.logBytes).toBeLessThanOrEqual(bytesOf(events))

    const second = await open(brings(events), { store, seed: 'again', checkpoints: { minLogBytes: 5_000 } })
    second.client.connect()
    await second.clock.advance(20_000)
    expect(second.server.events().filter(isCheckpoint)).toHaveLength(1)
    await second.client.close()

    // A server that was set back sends all it has again, which is little now.
    const reset = brings(events.slice(0, 3))
    const third = await open(
      {
        onReq(link, id, filters) {
          if (filters[0]?.after === '' || id !== 'sync') return reset.onReq?.(link, id, filters)
          link.send('EOSE', id, ['finish', 'cursor:c0', 'reset'])
        },
      },
      { store, seed: 'third', checkpoints: { minLogBytes: 5_000 } },
    )
    third.client.connect()
    await third.clock.advance(20_000)
    await third.client.close()
    const [counted] = await store.loadDocuments()
    expect(counted?.logBytes).toBeLessThanOrEqual(bytesOf(events.slice(0, 3)))
  })

  it('[CKP7][YID3] is not told from a part that the owner brought back to a server that was set back', async () => {
    const doc = new Y.Doc()
    const events = titles(12, 0, doc)
    const before = Y.encodeStateVector(doc)
    doc.getMap('metadata').set('model', 'opus')
    const part = chatEvent(owner, { update: Y.encodeStateAsUpdate(doc, before), checkpoint: true })
    const whole = chatEvent(owner, { update: Y.encodeStateAsUpdate(doc), checkpoint: true })
    const store: SyncStore = { ...createMemoryStore(), close: async () => {} }
    const options = { store, checkpoints: { minLogBytes: 1_000_000 } }
    const logBytes = async () => (await store.loadDocuments())[0]?.logBytes ?? 0
    async function follow(...more: readonly NostrEvent[]): Promise<void> {
      const { client, clock } = await open(brings([...events, ...more]), options)
      client.connect()
      await clock.advance(5_000)
      await client.close()
    }
    await follow(part)
    expect(await logBytes()).toBeGreaterThan(0.7 * bytesOf(events))
    await follow(part, whole)
    expect(await logBytes()).toBe(bytesOf([whole]))
  })

  it('[CKP8] is never with checkpoints: false, and what makes no sense is refused', async () => {
    const { clock, client, server } = await open(brings(titles(30)), { checkpoints: false })
    client.connect()
    await clock.advance(60_000)
    expect(server.events()).toEqual([])
    for (const options of [
      { checkpoints: { minLogBytes: 0 } },
      { checkpoints: { minLogBytes: 1.5 } },
      { checkpoints: { ratio: 1 } },
      { checkpoints: { ratio: Number.NaN } },
      { checkpoints: { waitMs: 0 } },
      { compaction: { minBytes: -1 } },
      { compaction: { ratio: 0 } },
    ]) {
      const opening = createSyncClient({
        store: createMemoryStore(),
        signer: new PlainKeySigner(owner.secretKey),
        ...options,
      })
      await expect(opening).rejects.toMatchObject({ code: 'VALUE_INVALID' })
    }
  })

  it('[CKP4] asks the signer once, and does without when it fails or signs something else', async () => {
    const signer = new PlainKeySigner(owner.secretKey)
    for (const change of [
      () => Promise.reject(new Error('no')),
      (event: NostrEvent) => Promise.resolve({ ...event, content: 'other' }),
    ]) {
      let asked = 0
      const { clock, client, server } = await open(brings(titles(20)), {
        signer: {
          getPublicKey: () => signer.getPublicKey(),
          async signEvent(template: Parameters<typeof signer.signEvent>[0]) {
            const event = (await signer.signEvent(template)) as NostrEvent
            if (event.kind !== 30001) return event
            asked++
            return change(event)
          },
        },
      })
      client.connect()
      await clock.advance(120_000)
      expect([asked, server.events().length]).toEqual([1, 0])
      expect(client.status.problem).toBeUndefined()
    }
  })

  it('[CKP3] is as an author of the chat: a member names the owner', async () => {
    const doc = new Y.Doc()
    const events = titles(20, 0, doc, { members: membersOf(member) })
    const { clock, client, server } = await openScripted(member, {
      checkpoints: { minLogBytes: 10_000 },
      script: brings(events),
    })
    client.connect()
    await clock.advance(60_000)
    const [checkpoint] = server.events()
    expect(checkpoint?.tags).toContainEqual(['a', address])
    expect(checkpoint?.tags.some(([name]) => name === 'p')).toBe(false)
  })
})
