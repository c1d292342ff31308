import { cursorOfHints, type NostrEvent } from '@onyx-sync/shared'
import { WebSocket } from 'ws'
import { authEvent, type TestKey } from './events.js'

type Message = readonly unknown[]

/** What a `REQ` brought up to its `EOSE`, or why it was closed. */
export interface Answer {
  readonly events: NostrEvent[]
  readonly hints: readonly string[]
  readonly cursor: string
  readonly closedReason: string | undefined
}

/** A bare client on a real socket: says exactly what a test wants said. */
export interface RelayClient {
  readonly url: string
  readonly challenge: string
  /** Everything received so far. */
  readonly messages: readonly Message[]
  readonly socket: WebSocket
  sendText(text: string): void
  send(...message: Message): void
  /** The first message, received already or yet to come, that fits; from an index on. */
  waitFor(fits: (message: Message) => boolean, from?: number): Promise<Message>
  auth(key: TestKey): Promise<Message>
  publish(event: unknown): Promise<{ accepted: boolean; reason: string }>
  /** Subscribes and waits for the `EOSE`. */
  request(subscriptionId: string, ...filters: readonly object[]): Promise<Answer>
  /** Events of a subscription received so far, with their cursors. */
  eventsOf(subscriptionId: string): { readonly event: NostrEvent; readonly cursor: string | undefined }[]
  /** Waits until a subscription has brought an event. */
  waitForEvent(subscriptionId: string, id: string): Promise<void>
  /** Resolves when everything the server sent before has arrived. */
  settle(): Promise<void>
  /** The code and reason with which the connection ended. */
  readonly closed: Promise<{ code: number; reason: string }>
  close(): Promise<void>
}

const DEADLINE_MS = 15_000

/** Connects and waits for the challenge. */
export async function connectClient(url: string, ...keys: readonly TestKey[]): Promise<RelayClient> {
  const socket = new WebSocket(url)
  const messages: Message[] = []
  let check = (): void => {}
  socket.on('message', (data) => {
    messages.push(JSON.parse(String(data)) as Message)
    check()
  })
  const closed = new Promise<{ code: number; reason: string }>((resolve) => {
    socket.on('close', (code, reason) => {
      resolve({ code, reason: String(reason) })
      check()
    })
  })
  await new Promise((resolve, reject) => {
    socket.once('open', resolve)
    socket.once('error', reject)
  })
  socket.on('error', () => {})

  const waiting = new Set<() => void>()
  check = () => {
    for (const wake of waiting) wake()
  }

  function waitFor(fits: (message: Message) => boolean, from = 0): Promise<Message> {
    return new Promise((resolve, reject) => {
      const end = (settle: () => void): void => {
        waiting.delete(look)
        clearTimeout(deadline)
        settle()
      }
      const look = (): void => {
        const found = messages.find((message, index) => index >= from && fits(message))
        if (found !== undefined) end(() => resolve(found))
        else if (socket.readyState > 1) end(() => reject(new Error('the connection closed')))
      }
      const deadline = setTimeout(() => {
        end(() =>
          reject(new Error(`nothing came; last: ${JSON.stringify(messages.slice(-3)).slice(0, 500)}`)),
        )
      }, DEADLINE_MS)
      waiting.add(look)
      look()
    })
  }

  let fences = 0
  const client: RelayClient = {
    url,
    challenge: String((await waitFor((message) => message[0] === 'AUTH'))[1]),
    messages,
    socket,
    closed,
    waitFor,
    sendText: (text) => socket.send(text),
    send: (...message) => socket.send(JSON.stringify(message)),
    auth(key) {
      const event = authEvent(key, url, client.challenge)
      client.send('AUTH', event)
      return waitFor((message) => message[0] === 'OK' && message[1] === event.id)
    },
    async publish(event) {
      const from = messages.length
      client.send('EVENT', event)
      const id = (event as { id?: unknown } | null)?.id
      const answer = await waitFor(
        (message) => message[0] === 'OK' && message[1] === (typeof id === 'string' ? id : ''),
        from,
      )
      return { accepted: answer[2] as boolean, reason: answer[3] as string }
    },
    async request(subscriptionId, ...filters) {
      const from = messages.length
      client.send('REQ', subscriptionId, ...filters)
      const end = await waitFor(
        ([type, id]) => (type === 'EOSE' || type === 'CLOSED') && id === subscriptionId,
        from,
      )
      const events = messages
        .slice(from, messages.indexOf(end))
        .filter(([type, id]) => type === 'EVENT' && id === subscriptionId)
        .map((message) => message[2] as NostrEvent)
      const hints = end[0] === 'EOSE' ? (end[2] as string[]) : []
      const closedReason = end[0] === 'CLOSED' ? String(end[2]) : undefined
      return { events, hints, cursor: cursorOfHints(hints) ?? '', closedReason }
    },
    eventsOf: (subscriptionId) =>
      messages
        .filter(([type, id]) => type === 'EVENT' && id === subscriptionId)
        .map((message) => ({ event: message[2] as NostrEvent, cursor: message[3] as string | undefined })),
    async waitForEvent(subscriptionId, id) {
      await waitFor(
        ([type, sub, event]) => type === 'EVENT' && sub === subscriptionId && (event as NostrEvent).id === id,
      )
    },
    async settle() {
      const fence = `fence-${++fences}`
      client.send('NEG-OPEN', fence, {}, '')
      await waitFor(([type, id]) => type === 'NEG-ERR' && id === fence)
    },
    async close() {
      socket.close()
      await closed
    },
  }
  for (const key of keys) {
    const answer = await client.auth(key)
    if (answer[2] !== true) throw new Error(`AUTH refused: ${String(answer[3])}`)
  }
  return client
}

/** That a connection is still served. */
export async function expectServed(client: RelayClient): Promise<void> {
  const { closedReason } = await client.request(`still ${client.messages.length}`, { kinds: [1] })
  if (closedReason !== undefined) throw new Error(`the connection is not served: ${closedReason}`)
}

/** The answer to a message that names no subscription and no event. */
export async function noticeFor(client: RelayClient, text: string): Promise<string> {
  const from = client.messages.length
  client.sendText(text)
  return String((await client.waitFor(([type]) => type === 'NOTICE', from))[1])
}
