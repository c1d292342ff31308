import { join } from 'node:path'
import type { SyncClient } from '@onyx-sync/client'
import type * as Y from 'yjs'
import { atMost, type Bench, type BenchContext, type Figure, reported } from './bench.js'
import { createAccount, openDevice, startServer, untilSynced } from './devices.js'
import { createWriter } from './text.js'

/** A reply that streams in on one device is followed on another: events made, and how far behind. */
export const stream: Bench = {
  name: 'stream',
  summary: 'a reply of 1,000 tokens in 30 s, and one of 20 KB in 15 s, followed on a second device',
  async run(context) {
    const { directory } = context
    const signer = createAccount()
    const server = await startServer(join(directory, 'server'))
    const writer = await openDevice(directory, 'writer', { signer, url: server.url })
    const reader = await openDevice(directory, 'reader', { signer, url: server.url })
    const { address } = await writer.chats.create({ title: 'stream' })
    for (const device of [writer, reader]) device.connect()
    await untilSynced(writer)
    const figures = [
      ...(await measure(context, writer, reader, server.url, address, {
        name: '1,000 tokens in 30 s',
        seconds: 30,
        pieces: 1_000,
        length: 5,
        maxEvents: 64,
      })),
      ...(await measure(context, writer, reader, server.url, address, {
        name: '20 KB in 15 s',
        seconds: 15,
        pieces: 600,
        length: 34,
        maxEvents: 40,
      })),
    ]
    await writer.close()
    await reader.close()
    await server.close()
    return figures
  },
}

interface Reply {
  readonly name: string
  readonly seconds: number
  readonly pieces: number
  readonly length: number
  readonly maxEvents: number
}

/** How late the second device may be, milliseconds, for 95 of 100 tokens. */
const MAX_BEHIND_MS = 600

async function measure(
  { isQuick, progress }: BenchContext,
  writer: SyncClient,
  reader: SyncClient,
  url: string,
  address: string,
  { name, seconds, pieces, length, maxEvents }: Reply,
): Promise<Figure[]> {
  const scale = isQuick ? 0.1 : 1
  const count = Math.round(pieces * scale)
  const write = createWriter(name)
  await untilSynced(writer)
  await untilSynced(reader)
  const storedBefore = await eventsStored(url)
  const reply = await writer.chats.stream(address, { role: 'assistant' })
  const { doc, release } = await reader.chats.open(address)
  const pushedAt: number[] = []
  const seenAt: number[] = []
  const ends: number[] = []
  const look = (): void => {
    const text = lengthOf(doc, reply.id)
    const now = performance.now()
    for (let index = seenAt.length; index < ends.length && (ends[index] as number) <= text; index++)
      seenAt[index] = now
  }
  doc.on('update', look)
  const startedAt = performance.now()
  let total = 0
  for (let index = 0; index < count; index++) {
    const dueAt = startedAt + (index * seconds * scale * 1000) / count
    await new Promise((resolve) => setTimeout(resolve, Math.max(0, dueAt - performance.now())))
    const piece = write(length)
    total += piece.length
    ends.push(total)
    pushedAt.push(performance.now())
    reply.push(piece)
    if (index % 20 === 0) progress(`${name}: ${index} of ${count}`)
  }
  await reply.complete()
  await untilSynced(writer)
  while (seenAt.length < count) await new Promise((resolve) => setTimeout(resolve, 20))
  doc.off('update', look)
  const events = (await eventsStored(url)) - storedBefore
  const behind = seenAt.map((at, index) => at - (pushedAt[index] as number)).sort((a, b) => a - b)
  const written = await textOf(writer, address, reply.id)
  if (written !== (await textOf(reader, address, reply.id))) throw new Error('the texts differ')
  release()
  return [
    atMost(`${name}: events`, events, isQuick ? Math.ceil(maxEvents * scale) + 6 : maxEvents, ''),
    atMost(`${name}: second device behind, p95`, percentile(behind, 0.95), MAX_BEHIND_MS, 'ms'),
    reported(`${name}: second device behind, p50`, percentile(behind, 0.5), 'ms'),
  ]
}

function percentile(sorted: readonly number[], fraction: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * fraction))] ?? 0
}

function lengthOf(doc: Y.Doc, messageId: string): number {
  for (const message of doc.getArray<Y.Map<unknown>>('messages')) {
    if (message.get('id') === messageId) return (message.get('content') as Y.Text).length
  }
  return 0
}

async function textOf(client: SyncClient, address: string, messageId: string): Promise<string> {
  const { doc, release } = await client.chats.open(address)
  try {
    const messages = doc.getArray<Y.Map<unknown>>('messages').toArray()
    return String(messages.find((message) => message.get('id') === messageId)?.get('content'))
  } finally {
    release()
  }
}

async function eventsStored(url: string): Promise<number> {
  const { host } = new URL(url)
  const metrics = await (await fetch(`http://${host}/metrics`)).text()
  return Number(/^onyx_sync_events_stored_total (\d+)/m.exec(metrics)?.[1])
}
