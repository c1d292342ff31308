import type { Connection, Transport } from '@onyx-sync/client'
import {
  createAuthTemplate,
  EOSE_MORE,
  encodeClient,
  parseRelayMessage,
  type RelayMessage,
  type Signer,
  SyncError,
} from '@onyx-sync/shared'

/** What the server answered to one query: events as they came, unchecked. */
export interface LogAnswer {
  readonly events: readonly unknown[]
  /** Whether there are older ones that were not asked for. */
  readonly hasMore: boolean
}

/** Reads from the server on a connection of its own, beside that of the device. */
export interface LogReader {
  /** Rejects with `CONNECTION_FAILED`, and with the server's words where it refuses. */
  read(filter: Readonly<Record<string, unknown>>): Promise<LogAnswer>
  /** Lets the connection go; the next reading makes another one. */
  close(): void
}

export interface LogReaderParts {
  readonly url: string
  readonly signer: Signer
  readonly transport: Transport
  /** Whether its user lets this device use the network. */
  isNetworkOn(): boolean
}

/** Longest silence while something is awaited. Milliseconds. */
const TIMEOUT_MS = 20_000
/** How long the connection stays without anything to do. Milliseconds. */
const IDLE_MS = 30_000
/** Queries under way at once; a server bounds how many subscriptions a connection has. */
const MAX_OPEN = 4
/** Events of one answer that are kept, whatever a server sends. */
const MAX_ANSWER = 10_000

interface Query {
  readonly filter: Readonly<Record<string, unknown>>
  readonly events: unknown[]
  isAsked: boolean
  resolve(answer: LogAnswer): void
  reject(error: SyncError): void
}

/** A reader that connects, and logs in as the account (NIP-42), when it is asked for the first time. */
export function createLogReader({ url, signer, transport, isNetworkOn }: LogReaderParts): LogReader {
  const queries = new Map<string, Query>()
  let connection: Connection | undefined
  let isLoggedIn = false
  let authEventId = ''
  let count = 0
  let timer: ReturnType<typeof setTimeout> | undefined

  function wait(): void {
    clearTimeout(timer)
    if (queries.size > 0) timer = setTimeout(() => end('the server did not answer'), TIMEOUT_MS)
    else timer = setTimeout(() => end('nothing was asked'), IDLE_MS)
  }

  /** Ends the connection, and with it whatever is still asked. */
  function end(reason: string): void {
    clearTimeout(timer)
    const gone = connection
    connection = undefined
    isLoggedIn = false
    gone?.close()
    const asked = [...queries.values()]
    queries.clear()
    for (const { reject } of asked)
      reject(new SyncError('CONNECTION_FAILED', `The log did not come: ${reason}`))
  }

  function dial(): Connection {
    const ifCurrent =
      <A extends unknown[]>(handler: (...args: A) => void) =>
      (...args: A) => {
        if (connection === own) handler(...args)
      }
    const own = transport.dial(url, {
      onOpen: ifCurrent(wait),
      onMessage: ifCurrent(take),
      onClose: ifCurrent((code, reason) => end(`the connection was closed (${code} ${reason})`)),
    })
    return own
  }

  function take(text: string): void {
    wait()
    let message: RelayMessage | undefined
    try {
      message = parseRelayMessage(text)
    } catch (error) {
      end(`the server sent something unreadable: ${error}`)
    }
    if (message === undefined) return
    switch (message.type) {
      case 'AUTH':
        logIn(message.challenge).catch((error) => end(`the login was not signed: ${error}`))
        return
      case 'OK':
        if (message.eventId !== authEventId) return
        isLoggedIn = message.accepted
        if (isLoggedIn) askMore()
        else end(message.reason)
        return
      case 'EVENT': {
        const events = queries.get(message.subscriptionId)?.events
        if (events !== undefined && events.length < MAX_ANSWER) events.push(message.event)
        return
      }
      case 'EOSE':
        answer(message.subscriptionId, message.hints.includes(EOSE_MORE))
        return
      case 'CLOSED':
        queries
          .get(message.subscriptionId)
          ?.reject(new SyncError('CONNECTION_FAILED', `The server refused to tell: ${message.reason}`))
        queries.delete(message.subscriptionId)
        askMore()
    }
  }

  async function logIn(challenge: string): Promise<void> {
    const current = connection
    const event = await signer.signEvent(createAuthTemplate(url, challenge, Date.now()))
    if (current === undefined || current !== connection) return
    authEventId = event.id
    wait()
    current.send(encodeClient.auth(event))
  }

  /** Asks what waits, the first ones first. */
  function askMore(): void {
    if (!isLoggedIn) return
    let open = [...queries.values()].filter(({ isAsked }) => isAsked).length
    for (const [id, query] of queries) {
      if (query.isAsked || open >= MAX_OPEN) continue
      query.isAsked = true
      open++
      connection?.send(encodeClient.req(id, query.filter))
    }
  }

  function answer(id: string, hasMore: boolean): void {
    const query = queries.get(id)
    if (query === undefined) return
    queries.delete(id)
    connection?.send(encodeClient.close(id))
    wait()
    query.resolve({ events: query.events, hasMore })
    askMore()
  }

  return {
    read(filter) {
      if (!isNetworkOn()) {
        const message = 'The log is on the server, and the network is switched off on this device'
        return Promise.reject(new SyncError('CONNECTION_FAILED', message))
      }
      return new Promise((resolve, reject) => {
        const id = `inspect-${++count}`
        queries.set(id, { filter, events: [], isAsked: false, resolve, reject })
        connection ??= dial()
        wait()
        askMore()
      })
    },
    close: () => end('the page was left'),
  }
}
