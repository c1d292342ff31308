import type { NostrEvent } from '@onyx-sync/shared'
import { createSeededRandom, type SeededRandom } from '@onyx-sync/testing'
import { chatEvent, noise, type TestKey, testKey } from '../support/events.js'
import { verifyData } from '../support/verified-data.js'
import { BrokenPromise } from './plan.js'
import {
  type Child,
  freePort,
  isReadyLine,
  launchServer,
  type Scope,
  sleep,
  waitForLine,
} from './processes.js'
import { openWire, type Wire } from './wire.js'

export interface ServerKillsOptions {
  readonly seed: string
  readonly kills: number
  readonly fault?: string
}

/** What a run came to. */
export interface ServerKillsReport {
  readonly kills: number
  readonly killsWhileStarting: number
  readonly confirmed: number
  /** Sent, and without an answer when the server was killed. */
  readonly cutOff: number
  readonly seconds: number
}

const PUBLISHERS = 3
/** Fewer than publishers: some write to the same chats at the same time. */
const ACCOUNTS = 2
/** Events of one publisher that wait for their answer at a time. */
const WINDOW = 8
/** Signed ahead while the server starts: signing takes as long as the server's check of it. */
const SIGNED_AHEAD = 48
const IDS_PER_FETCH = 1_000

interface Publisher {
  readonly key: TestKey
  readonly random: SeededRandom
  /** Signed, never answered: sent again on every connection until it is. */
  readonly open: Map<string, NostrEvent>
  /** Signed, not sent yet. */
  readonly ready: NostrEvent[]
  readonly confirmed: Map<string, NostrEvent>
  count: number
}

/**
 * A server under load that is killed again and again, on the same data. Throws {@link BrokenPromise} when
 * anything that got `OK true`, or was shown to a reader, is missing or doubled afterwards.
 */
export async function runServerKills(scope: Scope, options: ServerKillsOptions): Promise<ServerKillsReport> {
  const random = createSeededRandom(`${options.seed}/server`)
  const startedAt = Date.now()
  const data = scope.directory()
  const port = await freePort()
  const url = `ws://127.0.0.1:${port}/sync`
  const publishers = Array.from({ length: PUBLISHERS }, (_, index) =>
    createPublisher(random.fork(`publisher-${index}`), index),
  )
  const keys = [...new Map(publishers.map(({ key }) => [key.publicKey, key])).values()]
  const reader = createReader(keys)
  /** Confirmed, or shown to the reader, since the server was last asked for it. */
  const unchecked = new Set<string>()
  let [killsWhileStarting, cutOff] = [0, 0]

  async function start(): Promise<Child> {
    for (;;) {
      const child = launchServer(scope, data, port, { fault: options.fault })
      const ready = waitForLine(child, isReadyLine)
      ready.catch(() => {})
      let isReady = false
      ready.then(() => (isReady = true)).catch(() => {})
      const killAfterMs =
        killsWhileStarting * 5 < options.kills && random.chance(0.2) ? random.below(450) : undefined
      const giveUpAt = Date.now() + (killAfterMs ?? Number.POSITIVE_INFINITY)
      while (!isReady && !child.hasEnded && Date.now() < giveUpAt) {
        // Not one after the other: each signature holds up everything in this process for a while.
        const next = publishers.find((publisher) => publisher.ready.length < SIGNED_AHEAD / PUBLISHERS)
        if (next !== undefined) signNext(next)
        await sleep(next === undefined ? 10 : 1)
      }
      if (isReady || killAfterMs === undefined) {
        await ready
        return child
      }
      await child.kill()
      killsWhileStarting++
    }
  }

  async function check(): Promise<void> {
    const wire = await openWire(url, ...keys)
    const ids = [...unchecked]
    const found = new Set<string>()
    for (let from = 0; from < ids.length; from += IDS_PER_FETCH) {
      const events = await wire.fetch({ ids: ids.slice(from, from + IDS_PER_FETCH) })
      for (const { id } of events) found.add(id)
    }
    wire.cut()
    const missing = ids.filter((id) => !found.has(id))
    if (missing.length > 0) {
      throw new BrokenPromise(
        'S5][ING5',
        `${missing.length} of ${ids.length} confirmed events are gone: ${missing[0]}`,
      )
    }
    unchecked.clear()
  }

  /** @returns how many answers came */
  async function load(child: Child, killAfterOks: number, killAfterMs: number): Promise<void> {
    let oks = 0
    let killed: Promise<unknown> | undefined
    const kill = () => {
      killed ??= child.kill()
    }
    const timer = setTimeout(kill, killAfterMs)
    const wires: Wire[] = []
    const connections = [
      ...publishers.map(async (publisher) => {
        const wire = await openWire(url, publisher.key)
        wires.push(wire)
        wire.onMessage(([type, id, accepted, reason]) => {
          if (type !== 'OK' || !publisher.open.has(String(id))) return
          if (accepted !== true) throw new BrokenPromise('ING5', `an event was refused: ${String(reason)}`)
          settle(publisher, String(id))
          unchecked.add(String(id))
          if (++oks === killAfterOks) kill()
          pump(publisher, wire)
        })
        for (const event of publisher.open.values()) wire.send('EVENT', event)
        pump(publisher, wire)
        await wire.closed
      }),
      reader.follow(url, (id) => unchecked.add(id)),
    ]
    // The server may be killed while they connect.
    const outcomes = await Promise.allSettled(connections)
    kill()
    clearTimeout(timer)
    await killed
    for (const wire of wires) wire.cut()
    for (const outcome of outcomes) {
      if (outcome.status === 'rejected' && outcome.reason instanceof BrokenPromise) throw outcome.reason
    }
    cutOff += publishers.reduce((sum, { open }) => sum + open.size, 0)
  }

  let kills = 0
  while (kills + killsWhileStarting < options.kills) {
    const child = await start()
    if (kills > 0 && random.chance(0.35)) await check()
    const byCount = random.chance(0.6)
    await load(child, byCount ? 1 + random.below(35) : 0, byCount ? 1_500 : 10 + random.below(180))
    kills++
  }

  // What was cut off is sent once more, and then the whole log is looked at.
  const child = await start()
  await check()
  await drain(url, publishers)
  const wire = await openWire(url, ...keys)
  const log = await wire.fetch({ kinds: [30001] })
  wire.cut()
  checkLog(log, publishers)
  reader.check(new Set(log.map(({ id }) => id)))
  await child.kill()
  await checkData(data)
  return {
    kills: kills + killsWhileStarting,
    killsWhileStarting,
    confirmed: log.length,
    cutOff,
    seconds: Math.round((Date.now() - startedAt) / 1000),
  }
}

/** Everything that the server keeps beside the events is what they give. */
async function checkData(data: string): Promise<void> {
  const { list } = await verifyData(data)
  const [first] = list
  if (first !== undefined) {
    throw new BrokenPromise('VFY1', `${list.length} faults in what the kills left: ${JSON.stringify(first)}`)
  }
}

function createPublisher(random: SeededRandom, index: number): Publisher {
  const key = testKey(100 + (index % ACCOUNTS))
  return { key, random, open: new Map(), ready: [], confirmed: new Map(), count: 0 }
}

function signNext(publisher: Publisher): void {
  const { key, random, ready } = publisher
  publisher.count++
  // Mostly small; some that fill several blocks of LevelDB's journal, so that kills cut through records.
  const length = random.chance(0.05) ? 60_000 : 20 + random.below(400)
  const chatId = `chat-${random.below(3)}`
  ready.push(chatEvent(key, { chatId, text: `${publisher.count} ${noise(length)}` }))
}

function pump(publisher: Publisher, wire: Wire): void {
  while (wire.isOpen && publisher.open.size < WINDOW) {
    if (publisher.ready.length === 0) signNext(publisher)
    const event = publisher.ready.shift() as NostrEvent
    publisher.open.set(event.id, event)
    wire.send('EVENT', event)
  }
}

function settle(publisher: Publisher, id: string): void {
  publisher.confirmed.set(id, publisher.open.get(id) as NostrEvent)
  publisher.open.delete(id)
}

async function drain(url: string, publishers: readonly Publisher[]): Promise<void> {
  for (const publisher of publishers) {
    const wire = await openWire(url, publisher.key)
    for (const event of [...publisher.open.values()]) {
      const { accepted, reason } = await wire.publish(event)
      if (!accepted) throw new BrokenPromise('ING5', `an event was refused when it came again: ${reason}`)
      settle(publisher, event.id)
    }
    wire.cut()
  }
}

function checkLog(log: readonly NostrEvent[], publishers: readonly Publisher[]): void {
  const confirmed = new Map(publishers.flatMap((publisher) => [...publisher.confirmed]))
  const seen = new Set<string>()
  for (const event of log) {
    if (seen.has(event.id)) throw new BrokenPromise('CRS1', `the log has ${event.id} twice`)
    seen.add(event.id)
    const sent = confirmed.get(event.id)
    if (sent === undefined) throw new BrokenPromise('CRS1', `the log has ${event.id}, which nobody sent`)
    if (event.sig !== sent.sig || event.content !== sent.content) {
      throw new BrokenPromise('CRS1', `${event.id} is not what was sent`)
    }
  }
  const missing = [...confirmed.keys()].filter((id) => !seen.has(id))
  if (missing.length > 0) {
    throw new BrokenPromise(
      'S5][ING5',
      `${missing.length} of ${confirmed.size} are not in the log: ${missing[0]}`,
    )
  }
}

/** Follows with a cursor through all crashes, as a device would, and keeps count. */
function createReader(keys: readonly TestKey[]) {
  let cursor = ''
  const covered = new Set<string>()
  /** Came since the cursor was last moved: will come again if the connection breaks. */
  let fresh = new Set<string>()

  return {
    async follow(url: string, onEvent: (id: string) => void): Promise<void> {
      fresh = new Set()
      const wire = await openWire(url, ...keys)
      const moveTo = (next: string) => {
        cursor = next
        for (const id of fresh) covered.add(id)
        fresh.clear()
      }
      wire.onMessage(([type, subscription, value, next]) => {
        if (subscription !== 'live') return
        if (type === 'EVENT') {
          const { id, kind } = value as NostrEvent
          if (kind !== 30001) return
          if (covered.has(id) || fresh.has(id)) throw new BrokenPromise('CRS2', `${id} came twice`)
          fresh.add(id)
          onEvent(id)
          if (typeof next === 'string') moveTo(next)
        }
        if (type === 'EOSE') {
          const hints = value as string[]
          if (hints.includes('reset')) throw new BrokenPromise('CRS2', 'a cursor was not known after a crash')
          moveTo(hints.find((hint) => hint.startsWith('cursor:'))?.slice('cursor:'.length) ?? cursor)
        }
      })
      wire.send('REQ', 'live', { kinds: [30001], after: cursor })
      await wire.closed
    },
    /** Everything that a cursor covers was received, and all that was received is there. */
    check(log: ReadonlySet<string>): void {
      const gone = [...covered, ...fresh].filter((id) => !log.has(id))
      if (gone.length > 0)
        throw new BrokenPromise('S5', `${gone.length} events were shown and are gone: ${gone[0]}`)
    },
  }
}
