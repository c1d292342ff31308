import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Bench, type BenchContext, type Figure, percentile, reported } from './bench.js'
import type { FloodOrder } from './fairness-flood.js'
import { startMeasuredServer } from './server-process.js'
import { type BenchKey, createKey, signQuickly } from './signed-events.js'
import { connectWire, publishAll } from './wire-client.js'

const FLOOD = fileURLToPath(new URL('./fairness-flood.js', import.meta.url))
const NOISY_CONNECTIONS = 10
/** Time between two events of the quiet account. Milliseconds. */
const PACE_MS = 20
/** More than is taken of one publisher meanwhile, unless the machine has much else to do. */
const FLOOD_EVENTS_PER_SAMPLE = 300

/** What one account feels while another one does all it can. */
export const fairness: Bench = {
  name: 'fairness',
  summary: 'a quiet account publishes while a noisy one floods on ten connections',
  async run(context) {
    const { directory, isQuick, progress } = context
    const samples = isQuick ? 15 : 600
    const noisy = createKey()
    const stored = signEvents(noisy, isQuick ? 1_000 : 6_000, context)
    const more = signEvents(noisy, samples * FLOOD_EVENTS_PER_SAMPLE, context)
    const server = await startMeasuredServer({ data: join(directory, 'data') })
    try {
      const { url } = server
      const publisher = await connectWire(url, noisy)
      await publishAll(
        publisher,
        stored.map((event) => `["EVENT",${event}]`),
        500,
      )
      publisher.close()
      const quiet = await createQuiet(url)
      const figures: Figure[] = []
      progress('idle')
      await quiet.publish(20)
      figures.push(...figuresOf('idle', await quiet.publish(samples)))
      for (const [what, label] of [
        ['COUNT', 'while it counts'],
        ['REQ', 'while it reads'],
        ['EVENT', 'while it publishes'],
      ] as const) {
        progress(label)
        const flood = await startFlood({
          url,
          key: noisy,
          connections: NOISY_CONNECTIONS,
          what,
          events: more,
        })
        const took = await quiet.publish(samples, flood.isOver)
        const answered = await flood.stop()
        figures.push(...figuresOf(label, took), reported(`${label}: answers it got`, answered, ''))
      }
      quiet.close()
      return figures
    } finally {
      await server.stop()
    }
  },
}

function signEvents(key: BenchKey, count: number, { progress }: BenchContext): string[] {
  return Array.from({ length: count }, (_, index) => {
    if (index % 1_000 === 0) progress(`signed ${index} of ${count} events`)
    return JSON.stringify(noteEvent(key, `note ${index} of ${count}`))
  })
}

function noteEvent(key: BenchKey, content: string) {
  return signQuickly(key, { kind: 1, created_at: Math.floor(Date.now() / 1000), tags: [], content })
}

interface Flood {
  /** Whether all that it had to say is answered. */
  isOver(): boolean
  /** @returns how many answers it got */
  stop(): Promise<number>
}

async function startFlood(order: FloodOrder): Promise<Flood> {
  const child: ChildProcess = fork(FLOOD, { serialization: 'advanced' })
  let isOver = false
  let answered = 0
  child.on('message', (message: 'flooding' | 'over' | number) => {
    if (message === 'over') isOver = true
    if (typeof message === 'number') answered = message
  })
  child.send(order)
  await once(child, 'message')
  return {
    isOver: () => isOver,
    async stop() {
      child.send('stop')
      await once(child, 'exit')
      return answered
    },
  }
}

/** An account with one connection that publishes an event now and then. */
async function createQuiet(url: string) {
  const key = createKey()
  const client = await connectWire(url, key)
  let made = 0
  return {
    /** @returns how long each took from sending to its `OK`, milliseconds; fewer where it is over before */
    async publish(count: number, isOver = () => false): Promise<number[]> {
      const took: number[] = []
      for (let index = 0; index < count && !isOver(); index++) {
        const event = JSON.stringify(['EVENT', noteEvent(key, `quiet ${made++}`)])
        took.push(...(await publishAll(client, [event], 1)))
        await new Promise((resolve) => setTimeout(resolve, PACE_MS))
      }
      return took
    },
    close: () => client.close(),
  }
}

function figuresOf(label: string, took: readonly number[]): Figure[] {
  const sorted = [...took].sort((a, b) => a - b)
  return [
    reported(`${label}: OK of the quiet account, p50`, percentile(sorted, 0.5), 'ms'),
    reported(`${label}: p99`, percentile(sorted, 0.99), 'ms'),
  ]
}
