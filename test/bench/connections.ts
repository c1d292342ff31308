import { join } from 'node:path'
import { atMost, type Bench, reported } from './bench.js'
import { startMeasuredServer } from './server-process.js'
import { type BenchKey, createKey } from './signed-events.js'
import { connectWire, subscribeWire, type WireClient } from './wire-client.js'

/** Keys among which the connections are spread: making one takes milliseconds. */
const KEYS = 200
const AT_ONCE = 50

/** What a connection costs that has logged in and says nothing. */
export const connections: Bench = {
  name: 'connections',
  summary: '10,000 connections, each logged in and subscribed, and idle',
  async run({ directory, isQuick, progress, serverOptions }) {
    const count = isQuick ? 500 : 10_000
    const keys = Array.from({ length: KEYS }, createKey)
    const server = await startMeasuredServer({ data: join(directory, 'connections'), ...serverOptions })
    const clients: WireClient[] = []
    try {
      await new Promise((resolve) => setTimeout(resolve, 1_000))
      const before = server.residentBytes()
      const cpuBefore = server.cpuSeconds()
      while (clients.length < count) {
        const batch = Array.from({ length: Math.min(AT_ONCE, count - clients.length) }, async (_, index) => {
          const key = keys[(clients.length + index) % KEYS] as BenchKey
          const client = await connectWire(server.url, key)
          await subscribeWire(client, 'all', { kinds: [30001, 10001], authors: [key.publicKey], after: '' })
          return client
        })
        clients.push(...(await Promise.all(batch)))
        if (clients.length % 500 === 0) progress(`${clients.length} connections`)
      }
      const cpuMs = (server.cpuSeconds() - cpuBefore) * 1000
      // What logging in left behind is collected when the process is idle for a while.
      await new Promise((resolve) => setTimeout(resolve, isQuick ? 1_000 : 10_000))
      const after = server.residentBytes()
      const idleBefore = server.cpuSeconds()
      await new Promise((resolve) => setTimeout(resolve, isQuick ? 1_000 : 35_000))
      const idleMs = (server.cpuSeconds() - idleBefore) * 1000
      return [
        atMost(`${count.toLocaleString('en')} connections: the server holds`, after / 1e6, 400, 'MB'),
        reported('a connection more', (after - before) / count / 1e3, 'kB'),
        reported('CPU of connecting, logging in and subscribing', cpuMs / count, 'ms'),
        reported('CPU of all of them idle, per second', idleMs / (isQuick ? 1 : 35), 'ms'),
      ]
    } finally {
      for (const client of clients) client.close()
      await server.stop()
    }
  },
}
