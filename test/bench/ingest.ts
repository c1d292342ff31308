import { join } from 'node:path'
import { atMost, type Bench, type BenchContext, type Figure, percentile, reported } from './bench.js'
import { startMeasuredServer } from './server-process.js'
import { createKey, createWriter } from './signed-events.js'
import { connectWire, publishAll } from './wire-client.js'

const CHATS = 200
/** Events under way at a time, over all connections. */
const UNDER_WAY = 500

/** Signed events of many chats, published as fast as the server takes them. */
export const ingest: Bench = {
  name: 'ingest',
  summary: '20,000 signed events over 1, 10 and 50 connections, each answered once it is on disk',
  async run(context) {
    const figures: Figure[] = []
    for (const connections of [1, 10, 50]) figures.push(...(await publishOver(context, connections)))
    return figures
  },
}

async function publishOver(context: BenchContext, connections: number): Promise<Figure[]> {
  const { directory, isQuick, progress } = context
  const count = isQuick ? 2_000 : 20_000
  const lanes = Array.from({ length: connections }, () => ({ key: createKey(), messages: [] as string[] }))
  const chatsPerLane = CHATS / connections
  let made = 0
  for (const [index, { key, messages }] of lanes.entries()) {
    const writers = Array.from({ length: chatsPerLane }, (_, chat) => createWriter(key, `${index}-${chat}`))
    for (let event = 0; event < count / connections; event++) {
      const writer = writers[event % chatsPerLane] as (typeof writers)[0]
      messages.push(JSON.stringify(['EVENT', writer.next()]))
      if (++made % 500 === 0) progress(`${connections} connections: signed ${made} events`)
    }
  }
  const server = await startMeasuredServer({
    data: join(directory, `ingest-${connections}`),
    ...context.serverOptions,
  })
  try {
    const clients = await Promise.all(lanes.map(({ key }) => connectWire(server.url, key)))
    progress(`${connections} connections: publishing`)
    const cpuBefore = server.cpuSeconds()
    const startedAt = performance.now()
    const took = await Promise.all(
      lanes.map(({ messages }, index) =>
        publishAll(clients[index] as (typeof clients)[0], messages, UNDER_WAY / connections),
      ),
    )
    const seconds = (performance.now() - startedAt) / 1000
    const cpuSeconds = server.cpuSeconds() - cpuBefore
    for (const client of clients) client.close()
    const all = took.flat().sort((a, b) => a - b)
    const over = `${connections} connection${connections === 1 ? '' : 's'}`
    return [
      reported(`${over}: events per second`, count / seconds, ''),
      atMost(`${over}: server CPU per 1,000 events`, (cpuSeconds / count) * 1_000_000, 150, 'ms'),
      reported(`${over}: OK after, p50`, percentile(all, 0.5), 'ms'),
      reported(`${over}: OK after, p99`, percentile(all, 0.99), 'ms'),
    ]
  } finally {
    await server.stop()
  }
}
