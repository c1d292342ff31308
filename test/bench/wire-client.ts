import { once } from 'node:events'
import { createAuthTemplate } from '@onyx-sync/shared'
import { WebSocket } from 'ws'
import { type BenchKey, signQuickly } from './signed-events.js'

/** A bare connection, logged in. Counts and times, and parses as little as it can. */
export interface WireClient {
  /** Called with each message from now on. */
  onMessage(listener: (text: string) => void): void
  send(text: string): void
  close(): void
}

/** Connects and, with a key, authenticates. */
export async function connectWire(url: string, key: BenchKey | undefined): Promise<WireClient> {
  const socket = new WebSocket(url, { perMessageDeflate: false })
  let listener = (_text: string): void => {}
  socket.on('message', (data) => listener(String(data)))
  if (key === undefined) await once(socket, 'open')
  else
    await new Promise<void>((resolve, reject) => {
      socket.once('error', reject)
      listener = (text) => {
        const [type, first, accepted, reason] = JSON.parse(text) as [string, string, boolean, string]
        if (type === 'AUTH') {
          const template = createAuthTemplate(url, first, Date.now())
          socket.send(JSON.stringify(['AUTH', signQuickly(key, template)]))
        } else if (type === 'OK' && accepted) resolve()
        else reject(new Error(`the login failed: ${reason}`))
      }
    })
  listener = () => {}
  return {
    onMessage(next) {
      listener = next
    },
    send: (text) => socket.send(text),
    close: () => socket.terminate(),
  }
}

/** Subscribes, and waits until the stored events have come. */
export function subscribeWire(client: WireClient, subscriptionId: string, filter: object): Promise<void> {
  return new Promise((resolve, reject) => {
    client.onMessage((text) => {
      if (text.startsWith('["EOSE"')) resolve()
      if (text.startsWith('["CLOSED"')) reject(new Error(text))
    })
    client.send(JSON.stringify(['REQ', subscriptionId, filter]))
  })
}

/**
 * Publishes prepared messages with so many under way at a time. Resolves when each was answered with `OK true`.
 * @returns how long each took, milliseconds
 */
export function publishAll(
  client: WireClient,
  messages: readonly string[],
  underWay: number,
): Promise<number[]> {
  return new Promise((resolve, reject) => {
    const sentAt: number[] = []
    const tookMs: number[] = []
    const sendNext = (): void => {
      const message = messages[sentAt.length]
      if (message === undefined) return
      sentAt.push(performance.now())
      client.send(message)
    }
    client.onMessage((text) => {
      if (!text.startsWith('["OK"')) return
      // A server answers the events of one connection in their order.
      if (!text.endsWith(',true,""]')) return reject(new Error(`not stored: ${text}`))
      tookMs.push(performance.now() - (sentAt[tookMs.length] as number))
      if (tookMs.length === messages.length) resolve(tookMs)
      else sendNext()
    })
    for (let count = 0; count < underWay; count++) sendNext()
  })
}
