import { once } from 'node:events'
import { constants, setPriority } from 'node:os'
import type { BenchKey } from './signed-events.js'
import { connectWire, type WireClient } from './wire-client.js'

/** What one noisy account does, on how many connections. */
export interface FloodOrder {
  readonly url: string
  /** Each connection logs in with it. */
  readonly key: BenchKey
  readonly connections: number
  readonly what: 'EVENT' | 'REQ' | 'COUNT'
  /** Signed events to send, as JSON; spread over the connections. */
  readonly events: readonly string[]
}

/** Questions of one connection under way at a time. */
const QUESTIONS = 32

// The processor's time that it takes is what another machine would have: nothing that is measured waits for it.
setPriority(constants.priority.PRIORITY_LOW)
const [order] = (await once(process, 'message')) as [FloodOrder]

let answered = 0

function flood(client: WireClient, index: number): void {
  if (order.what === 'EVENT') {
    client.onMessage(() => {
      if (++answered === order.events.length) process.send?.('over')
    })
    const mine = order.events.filter((_, position) => position % order.connections === index)
    for (const event of mine) client.send(`["EVENT",${event}]`)
    return
  }
  const ask = (id: string) => client.send(JSON.stringify([order.what, id, { kinds: [1] }]))
  client.onMessage((text) => {
    // Events are counted by nobody: only whether a question is answered matters.
    const [type, id] = /^\["(\w+)","(\w+)"/.exec(text.slice(0, 40))?.slice(1) ?? []
    if (type === 'EVENT' || id === undefined) return
    answered++
    ask(id)
  })
  for (let question = 0; question < QUESTIONS; question++) ask(`q${question}`)
}

const clients = await Promise.all(
  Array.from({ length: order.connections }, () => connectWire(order.url, order.key)),
)
for (const [index, client] of clients.entries()) flood(client, index)
process.send?.('flooding')
process.once('message', () => {
  for (const client of clients) client.close()
  process.send?.(answered, () => process.disconnect())
})
