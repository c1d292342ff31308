import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import type { NostrEvent } from '@onyx-sync/shared'
import * as Y from 'yjs'
import { type Bench, type BenchContext, type Figure, reported } from './bench.js'
import { chatEvent, denseText, firstValues, updateOf } from './loop-inputs.js'
import { startMeasuredServer } from './server-process.js'
import { type BenchKey, createKey, signQuickly } from './signed-events.js'
import { connectWire, publishAll, subscribeWire, type WireClient } from './wire-client.js'

/** The server samples its loop this often, and counts that in. Milliseconds. */
const RESOLUTION_MS = 20

interface Scene {
  readonly name: string
  /** Events that are published one after another; by default in the scene's own chat. */
  events?(chatId: string): NostrEvent[]
  /** What is asked for then, and measured by itself. */
  readonly filter?: (chatId: string) => object
}

/** How long the worst inputs that the limits allow keep a server's event loop from everybody else. */
export const loop: Bench = {
  name: 'loop',
  summary: "the longest delays of a server's event loop, under the worst inputs that are allowed",
  async run(context) {
    const key = createKey()
    const server = await startMeasuredServer({ data: join(context.directory, 'data') })
    const worst = createWorst(server.url)
    try {
      const client = await connectWire(server.url, key)
      const figures: Figure[] = []
      for (const [index, scene] of scenes(key, context).entries()) {
        context.progress(scene.name)
        figures.push(...(await measure(client, scene, `chat${index}`, worst)))
      }
      client.close()
      return figures
    } finally {
      await server.stop()
    }
  },
}

async function measure(
  client: WireClient,
  scene: Scene,
  chatId: string,
  worst: () => Promise<number>,
): Promise<Figure[]> {
  const figures: Figure[] = []
  const messages = scene.events?.(chatId).map((event) => JSON.stringify(['EVENT', event])) ?? []
  await worst()
  if (messages.length > 0) {
    await publishAll(client, messages, 8)
    figures.push(reported(`${scene.name}: publishing`, await worst(), 'ms'))
  }
  if (scene.filter !== undefined) {
    const startedAt = performance.now()
    await subscribeWire(client, 'read', scene.filter(chatId)).catch((error: unknown) => {
      throw new Error(`${scene.name}: ${String(error)}`)
    })
    const tookMs = performance.now() - startedAt
    client.send('["CLOSE","read"]')
    figures.push(reported(`${scene.name}: reading`, await worst(), 'ms'))
    figures.push(reported(`${scene.name}: reading took`, tookMs, 'ms'))
  }
  return figures
}

/** Reads the longest delay since it was read last, milliseconds. */
function createWorst(url: string): () => Promise<number> {
  const metrics = url.replace(/^ws/, 'http').replace('/sync', '/metrics')
  return async () => {
    // One sample of the loop more, so that what has just ended is among them.
    await new Promise((resolve) => setTimeout(resolve, 3 * RESOLUTION_MS))
    const text = await (await fetch(metrics)).text()
    const seconds = /event_loop_delay_seconds\{quantile="1"\} (\S+)/.exec(text)?.[1]
    return Math.max(0, Number(seconds) * 1000 - RESOLUTION_MS)
  }
}

function scenes(key: BenchKey, { isQuick }: BenchContext): Scene[] {
  const scale = isQuick ? 0.05 : 1
  const times = <T>(count: number, make: (index: number) => T) =>
    Array.from({ length: Math.max(2, Math.round(count * scale)) }, (_, index) => make(index))
  const catchUp = (chatId: string) => ({ kinds: [30001], '#d': [chatId], after: '' })
  const bigText = updateOf((doc) => doc.getMap('metadata').set('title', 'x'.repeat(8_000_000)))
  const whole = new Y.Doc()
  for (let index = 0; index < 10_000 * scale; index++) {
    const entries = { id: `m${index}`, role: 'user', content: denseText(150), createdAt: index }
    whole.getArray('messages').push([new Y.Map(Object.entries(entries))])
  }
  const wholeState = Y.encodeStateAsUpdate(whole)
  return [
    {
      name: 'warming up',
      events: (chat) => [chatEvent(key, chat, { update: firstValues(1, 0, 1) })],
      filter: catchUp,
    },
    {
      name: 'an event of 1 MB',
      events: (chat) => [
        chatEvent(key, chat, {
          update: updateOf((doc) => doc.getMap('metadata').set('t', denseText(760_000))),
        }),
      ],
      filter: catchUp,
    },
    {
      name: 'an update of 8 MB, deflated',
      events: (chat) => [chatEvent(key, chat, { update: bigText, isBomb: true })],
      filter: catchUp,
    },
    {
      name: '200,000 values in one update',
      events: (chat) => [chatEvent(key, chat, { update: firstValues(1, 0, 199_000), isBomb: true })],
      filter: catchUp,
    },
    {
      name: '400 events that give one key 40,000 first values',
      events: (chat) =>
        times(400, (index) => chatEvent(key, chat, { update: firstValues(index + 1, 0, 100, 'title') })),
      filter: catchUp,
    },
    {
      name: '100 bombs of 1 MB in one document',
      events: (chat) =>
        times(100, (index) => {
          const update = updateOf((doc) => doc.getMap('metadata').set(`k${index}`, 'x'.repeat(1_000_000)))
          return chatEvent(key, chat, { update, isBomb: true })
        }),
      filter: catchUp,
    },
    {
      name: 'an edit in 60 parts of 1 MB',
      events: (chat) => {
        const group = randomBytes(8).toString('hex')
        const count = Math.max(2, Math.round(60 * scale))
        return times(60, (index) => {
          const update = updateOf((doc) => doc.getMap('metadata').set(`k${index}`, denseText(700_000)))
          return chatEvent(key, chat, { update, part: { group, index, count } })
        })
      },
      filter: catchUp,
    },
    {
      name: 'a checkpoint of 4,000 messages after their events',
      events: (chat) => {
        const halves = [0, 1].map((half) => {
          const doc = new Y.Doc()
          // Each by itself: a list of values in one piece is refused where it has to be cut apart so often.
          const messages = times(2_000, (index) => ({ id: `${half}-${index}`, text: denseText(150) }))
          doc.getArray('messages').push(messages.map((fields) => new Y.Map(Object.entries(fields))))
          return Y.encodeStateAsUpdate(doc)
        })
        return [
          ...halves.map((update) => chatEvent(key, chat, { update })),
          chatEvent(key, chat, { update: Y.mergeUpdates(halves), checkpoint: true }),
        ]
      },
      filter: catchUp,
    },
    {
      name: 'a chat of 10,000 messages',
      events: (chat) =>
        [chatEvent(key, chat, { update: wholeState })].filter((event) => event.content.length < 900_000),
      filter: catchUp,
    },
    {
      name: '40 notes of 1 MB',
      events: () =>
        times(40, (index) =>
          signQuickly(key, {
            kind: 1,
            created_at: 1_764_000_000 + index,
            tags: [],
            content: denseText(1_000_000),
          }),
        ),
      filter: () => ({ kinds: [1] }),
    },
  ]
}
