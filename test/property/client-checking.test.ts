import { createMemoryStore, type SyncStore } from '@onyx-sync/client'
import { EMPTY_ROSTER, hasPending, type NostrEvent } from '@onyx-sync/shared'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import * as Y from 'yjs'
import { copyOf, mergedFrom } from '../support/chat-copy.js'
import { chatAddressText, chatEvent, sign, testKey } from '../support/events.js'
import { createTurns } from '../support/held-turns.js'
import { openScripted, type ScriptedWorld } from '../support/scripted-server.js'

const owner = testKey(1)
const address = chatAddressText(owner)

const step = fc.record({
  kind: fc.constantFrom(
    'right',
    'forged',
    'forged',
    'send',
    'type',
    'type',
    'drop',
    'look',
    'look',
    'kill',
    'cut',
  ),
  at: fc.nat(1_000),
})
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never

type Messages = Y.Array<Y.Map<unknown>>
const messagesOf = (doc: Y.Doc): Messages => doc.getArray<Y.Map<unknown>>('messages')
const idsIn = (doc: Y.Doc) => messagesOf(doc).map((message) => String(message.get('id')))
const shown = (doc: Y.Doc) => messagesOf(doc).map((message) => String(message.get('content')))

/** One device, and a server that puts in what nobody signed. */
async function createWorld() {
  let count = 0
  const disk = createMemoryStore()
  const { clock, hold, release } = createTurns()
  const log: NostrEvent[] = []
  let alarms = 0
  let end = () => {}
  let world: ScriptedWorld | undefined
  const writer = new Y.Doc()

  /** Opens the device on what is on its disk. */
  async function open(): Promise<ScriptedWorld> {
    release()
    let isDead = false
    end = () => {
      isDead = true
    }
    const store: SyncStore = {
      ...disk,
      commit: (batch) => (isDead ? new Promise(() => {}) : disk.commit(batch)),
      close: async () => {},
    }
    let opened: ScriptedWorld | undefined
    void openScripted(owner, {
      checking: 'idle',
      store,
      virtualClock: clock,
      seed: `device ${++count}`,
      batching: { intervalMs: 0 },
      // All that could mix what is unchecked with what is not, as often as can be.
      compaction: { minBytes: 300, ratio: 0.3 },
      checkpoints: { minLogBytes: 1_000, ratio: 1.5, waitMs: 5 },
      script: {
        onReq(link, id, [filter]) {
          const known = Number(/^c(\d+)$/.exec(String(filter?.after ?? ''))?.[1] ?? 0)
          if (id === 'sync')
            for (let at = known; at < log.length; at++) link.send('EVENT', id, log[at], `c${at + 1}`)
          link.send('EOSE', id, ['finish', `cursor:c${log.length}`])
        },
        onEvent(link, event) {
          if (!log.some(({ id }) => id === event.id)) log.push(event)
          link.send('OK', event.id, true, '')
          link.send('EVENT', 'sync', event, `c${log.length}`)
        },
      },
    }).then((found) => {
      opened = found
    })
    for (let round = 0; round < 1_000 && opened === undefined; round++) await clock.advance(1)
    world = opened as ScriptedWorld
    world.client.connect()
    await clock.advance(500)
    hold()
    return world
  }

  /** Writes as another device of the account does that knows everything, or all that is shown here. */
  function write(on: Y.Doc, at: number, text: string): NostrEvent {
    const doc = copyOf(Y.encodeStateAsUpdate(on))
    // Under an id of its own, or of another device, which then has other words at the same place.
    if (at % 3 === 0 && Y.getState(doc.store, writer.clientID) > 0) doc.clientID = writer.clientID
    const before = Y.encodeStateVector(doc)
    const list = messagesOf(doc)
    doc.transact(() => {
      const content = list.length === 0 ? undefined : (list.get(at % list.length).get('content') as Y.Text)
      if (at % 4 === 0 && list.length > 1) list.delete(at % list.length, 1)
      else if (at % 4 === 1 && content !== undefined) content.insert(at % (content.length + 1), text)
      else
        list.insert(at % (list.length + 1), [
          new Y.Map<unknown>([
            ['id', `${text}${++count}`],
            ['role', 'user'],
            ['content', new Y.Text(text)],
          ]),
        ])
    })
    return chatEvent(owner, { update: Y.encodeStateAsUpdate(doc, before), roster: EMPTY_ROSTER })
  }

  return {
    ...{ disk, log, open, release, clock },
    alarms: () => alarms,
    client: () => (world as ScriptedWorld).client,
    /** @returns ids of the messages that it takes out */
    right(at: number): readonly string[] {
      const before = mergedFrom(log)
      const event = write(before, at, '✓')
      log.push(event)
      const left = idsIn(mergedFrom(log))
      world?.server.link.send('EVENT', 'sync', event, `c${log.length}`)
      return idsIn(before).filter((id) => !left.includes(id))
    },
    async forge(at: number): Promise<void> {
      const { doc, release: letGo } = await (world as ScriptedWorld).client.openDocument(address)
      const event = write(doc, at, '✗')
      letGo()
      const { sig } = sign(owner, { ...event, created_at: event.created_at + 1 })
      world?.server.link.send('EVENT', 'sync', { ...event, sig }, `c${log.length}`)
    },
    /** Lets the device check what waits, and opens it anew where it has closed. */
    async look(): Promise<void> {
      release()
      await clock.advance(500)
      const client = (world as ScriptedWorld).client
      if (client.status.problem?.code !== 'EVENT_FORGED' || client.status.connection === 'live') {
        hold()
        return
      }
      alarms++
      await client.close().catch(() => {})
      await open()
    },
    async kill(): Promise<void> {
      end()
      world?.client.disconnect()
      await open()
    },
  }
}

/** @returns how often an alarm was raised while the device ran */
async function play(steps: readonly Step[]): Promise<number> {
  const world = await createWorld()
  world.right(2)
  await world.open()
  /** Messages that were written here, durably, and that nobody who may has taken out, by their ids. */
  const own = new Set<string>()
  for (const { kind, at } of [...steps, { kind: 'look', at: 0 } as const, { kind: 'kill', at: 0 } as const]) {
    if (kind === 'right') for (const id of world.right(at)) own.delete(id)
    if (kind === 'forged') await world.forge(at)
    if (kind === 'look') await world.look()
    if (kind === 'kill') await world.kill()
    if (kind === 'cut') world.client().wake()
    if (kind === 'send') {
      own.add((await world.client().chats.send('chat', 'mine')).id)
    }
    if (kind === 'type' || kind === 'drop') {
      const { doc, release } = await world.client().openDocument(address)
      const list = messagesOf(doc)
      const message = list.length === 0 ? undefined : list.get(at % list.length)
      const content = message?.get('content') as Y.Text | undefined
      if (kind === 'type') content?.insert(at % (content.length + 1), '+')
      else if (message !== undefined) {
        own.delete(String(message.get('id')))
        list.delete(at % list.length, 1)
      }
      await world.client().flush()
      release()
    }
    await world.clock.advance(20)
  }
  await world.look()
  world.release()
  await world.clock.advance(30_000)
  const client = world.client()
  expect(client.status).toMatchObject({ unsent: 0, refused: 0, isCaughtUp: true, problem: undefined })
  await client.flush()

  // The server and the device have the same, and nothing of it is forged.
  const server = mergedFrom(world.log)
  const device = copyOf(...(await world.disk.loadUpdates(address)).map(({ update }) => update))
  expect([hasPending(server), hasPending(device)]).toEqual([false, false])
  expect(shown(device)).toEqual(shown(server))
  expect(Y.encodeStateAsUpdate(device)).toEqual(Y.encodeStateAsUpdate(server))
  expect(JSON.stringify(shown(server))).not.toContain('✗')
  const rows = (await world.disk.loadRows('messages')).sort((a, b) => Number(a.position) - Number(b.position))
  expect(rows.map(({ content }) => content)).toEqual(shown(device))
  expect(
    (await world.disk.loadOutbox()).filter(({ state }) => state !== 'confirmed' && state !== 'saved'),
  ).toEqual([])
  const left = idsIn(server)
  for (const id of own) expect(left.filter((other) => other === id)).toHaveLength(1)
  await client.close()
  return world.alarms()
}

it('[IDL5][IDL6] whatever is forged, edited, killed and checked in whatever order, it is gone in the end, and devices agree', async () => {
  let alarms = 0
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 3, maxLength: 25, size: 'max' }), async (steps) => {
      alarms += await play(steps)
    }),
    { numRuns: 80 },
  )
  expect(alarms).toBeGreaterThan(5)
}, 120_000)
