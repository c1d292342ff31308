import { join } from 'node:path'
import { atMost, type Bench, type BenchContext, reported } from './bench.js'
import { growLog } from './grown-log.js'
import { startMeasuredServer } from './server-process.js'
import { type BenchKey, createKey } from './signed-events.js'
import { connectWire, subscribeWire } from './wire-client.js'

/** How a server starts on a log that has grown large. */
export const coldStart: Bench = {
  name: 'cold-start',
  summary: 'a server starts on 1,000,000 events of 100,000 documents',
  async run(context) {
    const { directory, isQuick } = context
    const documents = isQuick ? 1_000 : 100_000
    const empty = await start(context, join(directory, 'empty'), createKey())
    const data = join(directory, 'full')
    const [reader] = await growLog(context, data, documents)
    const full = await start(context, data, reader as BenchKey)
    return [
      atMost('from the start of the process until it serves', full.readyMs, 2_000, 'ms'),
      reported('the same without any events', empty.readyMs, 'ms'),
      reported('until a device with 1 % of them has its newest event', full.answeredMs, 'ms'),
      reported('memory then', full.residentBytes / 1e6, 'MB'),
      reported('the same without any events', empty.residentBytes / 1e6, 'MB'),
    ]
  },
}

async function start({ serverOptions }: BenchContext, data: string, key: BenchKey) {
  const startedAt = performance.now()
  const server = await startMeasuredServer({ data, ...serverOptions })
  try {
    const readyMs = performance.now() - startedAt
    const client = await connectWire(server.url, key)
    await subscribeWire(client, 's', { kinds: [30001], authors: [key.publicKey], limit: 1 })
    const answeredMs = performance.now() - startedAt
    client.close()
    return { readyMs, answeredMs, residentBytes: server.residentBytes() }
  } finally {
    await server.stop()
  }
}
