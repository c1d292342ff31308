import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Bench, type Figure, medianOf, ratio, reported } from './bench.js'
import { type MeasuredServer, startMeasured, startMeasuredServer } from './server-process.js'
import { type BenchKey, createKey, signQuickly } from './signed-events.js'
import { startStrfry } from './strfry.js'
import { connectWire, publishAll, subscribeWire, type WireClient } from './wire-client.js'

/** From `test/bench/dist`. */
const NOSTR_RELAY = fileURLToPath(new URL('nostr-relay-server.js', import.meta.url))
const CONNECTIONS = 10
const READERS = 10
/** Events under way at a time, over all connections. */
const UNDER_WAY = 500
/** Pause between two events that are passed on: 100 a second. */
const INTERVAL_MS = 10
/** Makes an event of some 750 bytes. */
const CONTENT_LENGTH = 420

/** A relay that is measured. */
interface Relay {
  readonly name: string
  /** Whether it wants to know who connects. */
  readonly hasLogin: boolean
  /** How much of a round it publishes, for one that would take minutes. @default 1 */
  readonly part?: number
  start(directory: string): Promise<MeasuredServer>
}

interface Running extends Relay {
  readonly server: MeasuredServer
  readonly clients: readonly (WireClient & { readonly key: BenchKey })[]
  readonly eventsPerSecond: number[]
  readonly cpuMsPerThousand: number[]
  readonly okMs: number[]
  readonly seenMs: number[]
}

const own = (verifier: 'native' | 'wasm'): Relay => ({
  name: `onyx-sync, ${verifier}`,
  hasLogin: true,
  start: (data) => startMeasuredServer({ data, args: ['--verifier', verifier] }),
})
const OTHER: Relay = {
  name: '@nostr-relay, SQLite',
  hasLogin: true,
  part: 0.1,
  start: (directory) => startMeasured([NOSTR_RELAY, `${directory}.db`]),
}

const strfryAt = (binary: string): Relay => ({
  name: 'strfry, LMDB',
  hasLogin: false,
  start: (directory) => startStrfry(binary, directory),
})

/** As a relay of plain events, beside one in the same language, and one in C++ where that is given. */
export const relays: Bench = {
  name: 'relays',
  summary: 'events of kind 1 in and out, beside @nostr-relay, and strfry if it is given',
  async run({ directory, isQuick, progress, strfry }) {
    const rounds = isQuick ? 1 : 3
    const events = isQuick ? 500 : 20_000
    const passedOn = isQuick ? 20 : 300
    const running: Running[] = []
    try {
      const others = strfry === undefined ? [OTHER] : [OTHER, strfryAt(strfry)]
      for (const relay of [own('native'), own('wasm'), ...others]) {
        progress(`starting ${relay.name}`)
        running.push(await connect(relay, await relay.start(join(directory, String(running.length)))))
      }
      // The first round is for the engine to compile.
      for (let round = -1; round < rounds; round++) {
        for (let turn = 0; turn < running.length; turn++) {
          const one = running[(turn + round + 1) % running.length] as Running
          progress(`${one.name}: publishing, round ${round + 1} of ${rounds}`)
          await publish(one, events * (one.part ?? 1), round >= 0)
        }
      }
      for (const one of running) {
        progress(`${one.name}: passing on`)
        await passOn(one, passedOn)
      }
    } finally {
      for (const { clients, server } of running) {
        for (const client of clients) client.close()
        await server.stop()
      }
    }
    return [...running.flatMap(figuresOf), ...ratiosOf(running)]
  },
}

async function connect(relay: Relay, server: MeasuredServer): Promise<Running> {
  const clients = await Promise.all(
    Array.from({ length: CONNECTIONS }, async () => {
      const key = createKey()
      return { ...(await connectWire(server.url, relay.hasLogin ? key : undefined)), key }
    }),
  )
  return { ...relay, server, clients, eventsPerSecond: [], cpuMsPerThousand: [], okMs: [], seenMs: [] }
}

let notes = 0

/** An `EVENT` message of kind 1, and the id of the event. */
function note(key: BenchKey): { readonly id: string; readonly message: string } {
  const content = `${++notes} `.padEnd(CONTENT_LENGTH, 'A note as people write them. ')
  const event = signQuickly(key, { kind: 1, created_at: Math.floor(Date.now() / 1000), tags: [], content })
  return { id: event.id, message: JSON.stringify(['EVENT', event]) }
}

async function publish(one: Running, count: number, isMeasured: boolean): Promise<void> {
  const { clients, server } = one
  const each = count / clients.length
  const lanes = clients.map(({ key }) => Array.from({ length: each }, () => note(key).message))
  const cpuBefore = server.cpuSeconds()
  const startedAt = performance.now()
  await Promise.all(
    clients.map((client, lane) =>
      publishAll(client, lanes[lane] as string[], Math.min(each, UNDER_WAY / clients.length)),
    ),
  )
  if (!isMeasured) return
  one.eventsPerSecond.push(count / ((performance.now() - startedAt) / 1000))
  one.cpuMsPerThousand.push(((server.cpuSeconds() - cpuBefore) / count) * 1_000_000)
}

/** One writes, and the same account reads along on ten connections. */
async function passOn(one: Running, count: number): Promise<void> {
  const key = createKey()
  const login = one.hasLogin ? key : undefined
  const sentAt = new Map<string, number>()
  const readers: WireClient[] = []
  let left = count * READERS
  let allSeen = (): void => {}
  const seen = new Promise<void>((resolve) => {
    allSeen = resolve
  })
  for (let index = 0; index < READERS; index++) {
    const reader = await connectWire(one.server.url, login)
    readers.push(reader)
    await subscribeWire(reader, 's', { kinds: [1], authors: [key.publicKey] })
    reader.onMessage((text) => {
      const sent = sentAt.get(/"id":"([0-9a-f]{64})"/.exec(text)?.[1] ?? '')
      if (sent === undefined) return
      one.seenMs.push(performance.now() - sent)
      if (--left === 0) allSeen()
    })
  }
  const writer = await connectWire(one.server.url, login)
  let answered = 0
  const order: number[] = []
  writer.onMessage(() => one.okMs.push(performance.now() - (order[answered++] as number)))
  const messages = Array.from({ length: count }, () => note(key))
  for (const { id, message } of messages) {
    const now = performance.now()
    sentAt.set(id, now)
    order.push(now)
    writer.send(message)
    await new Promise((resolve) => setTimeout(resolve, INTERVAL_MS))
  }
  await seen
  for (const client of [...readers, writer]) client.close()
}

function figuresOf({ name, eventsPerSecond, cpuMsPerThousand, okMs, seenMs }: Running): Figure[] {
  return [
    reported(`${name}: events per second`, medianOf(eventsPerSecond), ''),
    reported(`${name}: server CPU per 1,000 events`, medianOf(cpuMsPerThousand), 'ms'),
    reported(`${name}: to ${READERS} readers, seen after, p50`, medianOf(seenMs), 'ms'),
    reported(`${name}: OK after, p50`, medianOf(okMs), 'ms'),
  ]
}

function ratiosOf(running: readonly Running[]): Figure[] {
  const ofOurs = running.filter(({ name }) => name.startsWith('onyx-sync'))
  const others = running.filter((one) => !ofOurs.includes(one))
  return others.flatMap((other) =>
    ofOurs.flatMap((one) => {
      const to = `${one.name} to ${other.name}`
      const ratios = (of: 'eventsPerSecond' | 'cpuMsPerThousand') =>
        one[of].map((value, round) => value / (other[of][round] as number))
      return [
        ratio(`events per second, ${to}`, ratios('eventsPerSecond')),
        ratio(`server CPU, ${to}`, ratios('cpuMsPerThousand')),
      ]
    }),
  )
}
