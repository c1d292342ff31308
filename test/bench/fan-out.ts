import { join } from 'node:path'
import { atMost, type Bench, type BenchContext, type Figure, percentile, reported } from './bench.js'
import { startMeasuredServer } from './server-process.js'
import { createKey, createWriter } from './signed-events.js'
import { connectWire, subscribeWire, type WireClient } from './wire-client.js'

const READERS_PER_CHAT = 500
/** Pause between two events: 100 a second. */
const INTERVAL_MS = 10

/** One writer, readers of the same chat: how long an event takes to the readers, and what it costs. */
export const fanOut: Bench = {
  name: 'fan-out',
  summary: '100 signed events a second to 10 and to 500 readers of a chat',
  async run(context) {
    return [...(await sendTo(context, 10)), ...(await sendTo(context, READERS_PER_CHAT))]
  },
}

async function sendTo(context: BenchContext, readers: number): Promise<Figure[]> {
  const { directory, isQuick, progress } = context
  const count = isQuick ? 100 : 1_000
  const author = createKey()
  const writer = createWriter(author, 'chat')
  const messages: string[] = []
  const indexById = new Map<string, number>()
  for (let index = 0; index < count; index++) {
    const event = writer.next()
    indexById.set(event.id, index)
    messages.push(JSON.stringify(['EVENT', event]))
  }
  const server = await startMeasuredServer({
    data: join(directory, `fan-out-${readers}`),
    ...context.serverOptions,
  })
  const clients: WireClient[] = []
  try {
    const sentAt: number[] = []
    const okMs: number[] = []
    const seenMs: number[] = []
    // The author's own other devices: each a connection and a subscription of its own.
    const filter = { kinds: [30001], authors: [author.publicKey], after: '' }
    for (let index = 0; index < readers; index++) {
      const client = await connectWire(server.url, author)
      clients.push(client)
      await subscribeWire(client, 's', filter)
      progress(`${readers} readers: ${index + 1} subscribed`)
    }
    const sender = await connectWire(server.url, author)
    clients.push(sender)
    const allSeen = new Promise<void>((resolve) => {
      for (const client of clients.slice(0, readers)) {
        client.onMessage((text) => {
          const now = performance.now()
          const id = /"id":"([0-9a-f]{64})"/.exec(text)?.[1] ?? ''
          seenMs.push(now - (sentAt[indexById.get(id) ?? 0] as number))
          if (seenMs.length === count * readers) resolve()
        })
      }
    })
    sender.onMessage(() => okMs.push(performance.now() - (sentAt[okMs.length] as number)))
    progress(`${readers} readers: sending`)
    const cpuBefore = server.cpuSeconds()
    const startedAt = performance.now()
    for (const [index, message] of messages.entries()) {
      const waitMs = startedAt + index * INTERVAL_MS - performance.now()
      if (waitMs > 0) await new Promise((resolve) => setTimeout(resolve, waitMs))
      sentAt.push(performance.now())
      sender.send(message)
    }
    await allSeen
    const cpuSeconds = server.cpuSeconds() - cpuBefore
    for (const list of [okMs, seenMs]) list.sort((a, b) => a - b)
    const to = `to ${readers} readers`
    const seenP50 = percentile(seenMs, 0.5)
    return [
      readers === 10
        ? atMost(`${to}: seen after, p50`, seenP50, 4.4, 'ms')
        : reported(`${to}: seen after, p50`, seenP50, 'ms'),
      reported(`${to}: seen after, p99`, percentile(seenMs, 0.99), 'ms'),
      reported(`${to}: OK after, p50`, percentile(okMs, 0.5), 'ms'),
      reported(`${to}: server CPU per 1,000 events`, (cpuSeconds / count) * 1_000_000, 'ms'),
      reported(`${to}: server CPU per 1,000 messages sent`, (cpuSeconds / count / readers) * 1_000_000, 'ms'),
    ]
  } finally {
    for (const client of clients) client.close()
    await server.stop()
  }
}
