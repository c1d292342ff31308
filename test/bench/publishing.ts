import { type BenchContext, percentile } from './bench.js'
import type { MeasuredServer } from './server-process.js'
import { type BenchKey, createKey, createWriter } from './signed-events.js'
import { connectWire, publishAll, type WireClient } from './wire-client.js'

const CHATS = 200
/** What is published before the clock starts, of what is measured: until the code is compiled. */
const WARM_UP_PART = 4
/** Events under way at a time, over all connections. */
const UNDER_WAY = 500

/** What one connection publishes. */
export interface Lane {
  readonly key: BenchKey
  readonly messages: readonly string[]
}

/** What publishing came to. */
export interface Published {
  readonly eventsPerSecond: number
  /** Processor time of the server. */
  readonly cpuMsPerThousand: number
  readonly okP50Ms: number
  readonly okP99Ms: number
}

/** Signs `count` events of 200 chats and those of the warm-up, for so many connections of an account each. */
export function signLanes({ progress }: BenchContext, connections: number, count: number): Lane[] {
  const chats = CHATS / connections
  const events = (count + count / WARM_UP_PART) / connections
  return Array.from({ length: connections }, (_, lane) => {
    progress(`signing for connection ${lane + 1} of ${connections}`)
    const key = createKey()
    const writers = Array.from({ length: chats }, (_, chat) => createWriter(key, `${lane}-${chat}`))
    const messages = Array.from({ length: events }, (_, event) => {
      const writer = writers[event % chats] as (typeof writers)[0]
      return JSON.stringify(['EVENT', writer.next()])
    })
    return { key, messages }
  })
}

/** Publishes as fast as the server takes it. */
export async function publishLanes(server: MeasuredServer, lanes: readonly Lane[]): Promise<Published> {
  const clients = await Promise.all(lanes.map(({ key }) => connectWire(server.url, key)))
  const perLane = (lanes[0] as Lane).messages.length
  const warmUp = perLane / (WARM_UP_PART + 1)
  const count = (perLane - warmUp) * lanes.length
  const publish = (from: number, to: number): Promise<number[][]> =>
    Promise.all(
      lanes.map(({ messages }, index) =>
        publishAll(clients[index] as WireClient, messages.slice(from, to), UNDER_WAY / lanes.length),
      ),
    )
  await publish(0, warmUp)
  const cpuBefore = server.cpuSeconds()
  const startedAt = performance.now()
  const took = await publish(warmUp, perLane)
  const seconds = (performance.now() - startedAt) / 1000
  const cpuSeconds = server.cpuSeconds() - cpuBefore
  for (const client of clients) client.close()
  const sorted = took.flat().sort((a, b) => a - b)
  return {
    eventsPerSecond: count / seconds,
    cpuMsPerThousand: (cpuSeconds / count) * 1_000_000,
    okP50Ms: percentile(sorted, 0.5),
    okP99Ms: percentile(sorted, 0.99),
  }
}
