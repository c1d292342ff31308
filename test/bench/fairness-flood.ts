import { parentPort, workerData } from 'node:worker_threads'
import { WebSocket } from 'ws'

/** What one noisy account does, on how many connections. */
export interface FloodOrder {
  readonly url: string
  /** A login for each connection needs its challenge: the key signs it here. */
  readonly secretKey: Uint8Array
  readonly connections: number
  readonly what: 'EVENT' | 'REQ' | 'COUNT'
  /** Signed events to send, as JSON; spread over the connections. */
  readonly events: readonly string[]
}

/** Questions of one connection under way at a time. */
const QUESTIONS = 32

const order = workerData as FloodOrder
const { createAuthTemplate } = await import('@onyx-sync/shared')
const { finalizeEvent } = await import('nostr-tools/pure')

let answered = 0

async function login(): Promise<WebSocket> {
  const socket = new WebSocket(order.url)
  await new Promise<void>((resolve, reject) => {
    socket.on('error', reject)
    socket.on('message', (data) => {
      const [type, first] = JSON.parse(String(data)) as [string, string]
      if (type === 'OK') resolve()
      if (type !== 'AUTH') return
      const template = createAuthTemplate(order.url, first, Date.now())
      socket.send(JSON.stringify(['AUTH', finalizeEvent({ ...template }, order.secretKey)]))
    })
  })
  socket.removeAllListeners('message')
  return socket
}

function flood(socket: WebSocket, index: number): void {
  if (order.what === 'EVENT') {
    socket.on('message', () => answered++)
    const mine = order.events.filter((_, position) => position % order.connections === index)
    for (const event of mine) socket.send(`["EVENT",${event}]`)
    return
  }
  const ask = (id: string) => socket.send(JSON.stringify([order.what, id, { kinds: [1] }]))
  socket.on('message', (data: Buffer) => {
    // Events are counted by nobody: only whether a question is answered matters.
    const [type, id] = /^\["(\w+)","(\w+)"/.exec(data.toString('latin1', 0, 40))?.slice(1) ?? []
    if (type === 'EVENT' || id === undefined) return
    answered++
    ask(id)
  })
  for (let question = 0; question < QUESTIONS; question++) ask(`q${question}`)
}

const sockets = await Promise.all(Array.from({ length: order.connections }, login))
for (const [index, socket] of sockets.entries()) flood(socket, index)
parentPort?.postMessage('flooding')
parentPort?.on('message', () => {
  for (const socket of sockets) socket.terminate()
  parentPort?.postMessage(answered)
  parentPort?.close()
})
