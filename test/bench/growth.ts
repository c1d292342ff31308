import { join } from 'node:path'
import { atMost, type Bench, type BenchContext, reported } from './bench.js'
import { growLog } from './grown-log.js'
import { publishLanes, signLanes } from './publishing.js'
import { startMeasuredServer } from './server-process.js'
import { type BenchKey, createKey } from './signed-events.js'
import { connectWire, subscribeWire, type WireClient } from './wire-client.js'

const CONNECTIONS = 10
/** Keys of those who are idle. */
const STRANGERS = 50

/** Whether an event costs more where there is more that doesn't concern it. */
export const growth: Bench = {
  name: 'growth',
  summary: 'what an event costs on an empty server, on a large log, and among idle subscribers',
  async run(context) {
    const { directory, isQuick } = context
    const [documents, idle] = isQuick ? [500, 100] : [100_000, 5_000]
    const full = join(directory, 'full')
    await growLog(context, full, documents)
    const empty = await costOf(context, join(directory, 'empty'), 0)
    const onFull = await costOf(context, full, 0)
    const amongIdle = await costOf(context, join(directory, 'idle'), idle)
    const events = (documents * 10).toLocaleString('en')
    return [
      reported('server CPU per 1,000 events, with nothing else there', empty, 'ms'),
      atMost(`the same on top of ${events} events`, onFull / empty, 1.25, '×'),
      atMost(
        `the same beside ${idle.toLocaleString('en')} subscribers of others`,
        amongIdle / empty,
        1.25,
        '×',
      ),
    ]
  },
}

async function costOf(context: BenchContext, data: string, idle: number): Promise<number> {
  const lanes = signLanes(context, CONNECTIONS, context.isQuick ? 500 : 100_000)
  const server = await startMeasuredServer({ data, ...context.serverOptions })
  const clients: WireClient[] = []
  try {
    const strangers = Array.from({ length: STRANGERS }, createKey)
    while (clients.length < idle) {
      const stranger = strangers[clients.length % STRANGERS] as BenchKey
      const client = await connectWire(server.url, stranger)
      clients.push(client)
      await subscribeWire(client, 's', { kinds: [30001], authors: [stranger.publicKey], after: '' })
    }
    context.progress('publishing')
    return (await publishLanes(server, lanes)).cpuMsPerThousand
  } finally {
    for (const client of clients) client.close()
    await server.stop()
  }
}
