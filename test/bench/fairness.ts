import { once } from 'node:events'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import { createAuthTemplate } from '@onyx-sync/shared'
import { finalizeEvent, generateSecretKey } from 'nostr-tools/pure'
import { WebSocket } from 'ws'
import { type Bench, type BenchContext, type Figure, percentile, reported } from './bench.js'
import type { FloodOrder } from './fairness-flood.js'
import { startMeasuredServer } from './server-process.js'

const FLOOD = new URL('./fairness-flood.js', import.meta.url)
const NOISY_CONNECTIONS = 10
/** Time between two events of the quiet account. Milliseconds. */
const PACE_MS = 20

/** What one account feels while another one does all it can. */
export const fairness: Bench = {
  name: 'fairness',
  summary: 'a quiet account publishes while a noisy one floods on ten connections',
  async run(context) {
    const samples = context.isQuick ? 50 : 300
    const noisyKey = generateSecretKey()
    const events = signEvents(noisyKey, context.isQuick ? 1_000 : 6_000, context)
    const server = await startMeasuredServer({ data: join(context.directory, 'data') })
    try {
      const { url } = server
      const quiet = await createQuiet(url)
      const figures: Figure[] = []
      context.progress('idle')
      await quiet.publish(20)
      figures.push(...figuresOf('idle', await quiet.publish(samples)))
      for (const [what, label] of [
        ['EVENT', 'while it publishes'],
        ['COUNT', 'while it counts'],
        ['REQ', 'while it reads'],
      ] as const) {
        context.progress(label)
        const order = { url, secretKey: noisyKey, connections: NOISY_CONNECTIONS, what, events }
        const flood = await startFlood(order)
        const took = await quiet.publish(samples)
        figures.push(...figuresOf(label, took), reported(`${label}: answers it got`, await flood.stop(), ''))
      }
      quiet.close()
      return figures
    } finally {
      await server.stop()
    }
  },
}

function signEvents(secretKey: Uint8Array, count: number, { progress }: BenchContext): string[] {
  return Array.from({ length: count }, (_, index) => {
    if (index % 200 === 0) progress(`signed ${index} of ${count} events`)
    return JSON.stringify(noteEvent(secretKey, `note ${index}`))
  })
}

function noteEvent(secretKey: Uint8Array, content: string) {
  return finalizeEvent({ kind: 1, created_at: Math.floor(Date.now() / 1000), tags: [], content }, secretKey)
}

async function startFlood(order: FloodOrder): Promise<{ stop(): Promise<number> }> {
  const worker = new Worker(FLOOD, { workerData: order })
  await once(worker, 'message')
  return {
    async stop() {
      // Both may come in the same tick.
      const exited = once(worker, 'exit')
      worker.postMessage('stop')
      const [answered] = (await once(worker, 'message')) as [number]
      await exited
      return answered
    },
  }
}

/** An account with one connection that publishes an event now and then. */
async function createQuiet(url: string) {
  const secretKey = generateSecretKey()
  const socket = new WebSocket(url)
  const waiting = new Map<string, () => void>()
  socket.on('message', (data) => {
    const [type, first] = JSON.parse(String(data)) as [string, string]
    if (type === 'OK') waiting.get(first)?.()
    if (type !== 'AUTH') return
    const login = finalizeEvent({ ...createAuthTemplate(url, first, Date.now()) }, secretKey)
    waiting.set(login.id, () => socket.emit('login'))
    socket.send(JSON.stringify(['AUTH', login]))
  })
  await once(socket, 'login')
  let made = 0
  return {
    /** @returns how long each took from sending to its `OK`, milliseconds */
    async publish(count: number): Promise<number[]> {
      const took: number[] = []
      for (let index = 0; index < count; index++) {
        const event = noteEvent(secretKey, `quiet ${made++}`)
        const text = JSON.stringify(['EVENT', event])
        const startedAt = performance.now()
        await new Promise<void>((resolve) => {
          waiting.set(event.id, resolve)
          socket.send(text)
        })
        took.push(performance.now() - startedAt)
        await new Promise((resolve) => setTimeout(resolve, PACE_MS))
      }
      return took
    },
    close: () => socket.close(),
  }
}

function figuresOf(label: string, took: readonly number[]): Figure[] {
  const sorted = [...took].sort((a, b) => a - b)
  return [
    reported(`${label}: OK of the quiet account, p50`, percentile(sorted, 0.5), 'ms'),
    reported(`${label}: p99`, percentile(sorted, 0.99), 'ms'),
  ]
}
