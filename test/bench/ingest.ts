import { join } from 'node:path'
import { atMost, type Bench, type BenchContext, type Figure, reported } from './bench.js'
import { publishLanes, signLanes } from './publishing.js'
import { startMeasuredServer } from './server-process.js'

/** Signed events of many chats, published as fast as the server takes them. */
export const ingest: Bench = {
  name: 'ingest',
  summary: '100,000 signed events over 1, 10 and 50 connections, each answered once it is on disk',
  async run(context) {
    const figures: Figure[] = []
    for (const connections of [1, 10, 50]) figures.push(...(await publishOver(context, connections)))
    return figures
  },
}

async function publishOver(context: BenchContext, connections: number): Promise<Figure[]> {
  const { directory, isQuick, progress, serverOptions } = context
  const lanes = signLanes(context, connections, isQuick ? 500 : 100_000)
  const server = await startMeasuredServer({
    data: join(directory, `ingest-${connections}`),
    ...serverOptions,
  })
  try {
    const over = `${connections} connection${connections === 1 ? '' : 's'}`
    progress(`${over}: publishing`)
    const published = await publishLanes(server, lanes)
    return [
      reported(`${over}: events per second`, published.eventsPerSecond, ''),
      atMost(`${over}: server CPU per 1,000 events`, published.cpuMsPerThousand, 150, 'ms'),
      reported(`${over}: OK after, p50`, published.okP50Ms, 'ms'),
      reported(`${over}: OK after, p99`, published.okP99Ms, 'ms'),
    ]
  } finally {
    await server.stop()
  }
}
