import type { Connection, ConnectionHandlers, Transport } from '@onyx-sync/client'
import {
  createMemoryStore,
  createSyncClient,
  type SyncClient,
  type SyncClientOptions,
} from '@onyx-sync/client'
import type { NostrEvent } from '@onyx-sync/shared'
import { createSeededRandom, createVirtualClock, type VirtualClock } from '@onyx-sync/testing'
import { PlainKeySigner } from 'nostr-tools/signer'
import type { TestKey } from './events.js'

type Message = readonly unknown[]

/** One connection as a scripted server sees it. */
export interface ScriptedLink {
  /** What the client sent, oldest first. */
  readonly received: readonly Message[]
  /** Whether the client has closed it. */
  readonly isClosed: boolean
  send(...message: Message): void
  sendText(text: string): void
  close(code: number, reason?: string): void
}

/** How a scripted server behaves; each part may be replaced while it runs. */
export interface Script {
  /** Called when the client has connected. @default sends a challenge */
  onConnect(link: ScriptedLink): void
  /** Called with each message of the client, after the defaults below are looked up. */
  onMessage(link: ScriptedLink, message: Message): void
  /** @default accepts */
  onAuth(link: ScriptedLink, event: NostrEvent): void
  /** @default sends nothing but an EOSE with the cursor `c1` */
  onReq(link: ScriptedLink, id: string, filters: readonly Record<string, unknown>[]): void
  /** @default says OK true */
  onEvent(link: ScriptedLink, event: NostrEvent): void
  /** The NIP-11 document. @default `{ yjs_sync: 1 }` */
  info(signal?: AbortSignal): Promise<unknown>
  /** Whether connections come about at all. @default true */
  isUp: boolean
}

/** A server that says what a test wants said, on the virtual clock. Every message takes one millisecond. */
export interface ScriptedServer {
  readonly script: Script
  readonly transport: Transport
  /** All connections so far, oldest first. */
  readonly links: readonly ScriptedLink[]
  /** When each attempt to connect began, milliseconds of the virtual clock. */
  readonly dialledAt: readonly number[]
  /** The connection at hand. */
  readonly link: ScriptedLink
  /** Messages of one type that came on any connection. */
  received(type: string): Message[]
  /** Events that the client published, resends included. */
  events(): NostrEvent[]
}

const DELAY_MS = 1

export function createScriptedServer(clock: VirtualClock, changes: Partial<Script> = {}): ScriptedServer {
  const links: (ScriptedLink & { received: Message[] })[] = []
  const dialledAt: number[] = []
  const script: Script = {
    onConnect: (link) => link.send('AUTH', 'challenge'),
    onMessage: () => {},
    onAuth: (link, event) => link.send('OK', event.id, true, ''),
    onReq: (link, id) => link.send('EOSE', id, ['finish', 'cursor:c1']),
    onEvent: (link, event) => link.send('OK', event.id, true, ''),
    info: async () => ({ yjs_sync: 1 }),
    isUp: true,
    ...changes,
  }

  function dial(handlers: ConnectionHandlers): Connection {
    dialledAt.push(clock.now())
    let isClosed = false
    const later = (deliver: () => void) =>
      clock.setTimeout(() => {
        if (!isClosed) deliver()
      }, DELAY_MS)
    const end = (code: number, reason: string) =>
      later(() => {
        isClosed = true
        handlers.onClose(code, reason)
      })
    const link = {
      received: [] as Message[],
      get isClosed() {
        return isClosed
      },
      send: (...message: Message) => void later(() => handlers.onMessage(JSON.stringify(message))),
      sendText: (text: string) => void later(() => handlers.onMessage(text)),
      close: (code: number, reason = '') => void end(code, reason),
    }
    links.push(link)
    if (!script.isUp) end(1006, '')
    else {
      later(() => {
        handlers.onOpen()
        script.onConnect(link)
      })
    }
    return {
      send(text) {
        if (isClosed) return
        later(() => {
          const message = JSON.parse(text) as Message
          link.received.push(message)
          const [type, first, ...rest] = message
          script.onMessage(link, message)
          if (type === 'AUTH') script.onAuth(link, first as NostrEvent)
          if (type === 'REQ') script.onReq(link, first as string, rest as Record<string, unknown>[])
          if (type === 'EVENT') script.onEvent(link, first as NostrEvent)
        })
      },
      close() {
        isClosed = true
      },
    }
  }

  const server: ScriptedServer = {
    script,
    links,
    dialledAt,
    transport: { dial: (_url, handlers) => dial(handlers), fetchInfo: (_url, signal) => script.info(signal) },
    get link() {
      return links[links.length - 1] as ScriptedLink
    },
    received: (type) => links.flatMap((link) => link.received.filter((message) => message[0] === type)),
    events: () => server.received('EVENT').map((message) => message[1] as NostrEvent),
  }
  return server
}

/** A device on a scripted server, with real signatures. */
export interface ScriptedWorld {
  readonly clock: VirtualClock
  readonly server: ScriptedServer
  readonly client: SyncClient
}

/** Opens a device of an account against a scripted server; it is not connected yet. */
export async function openScripted(
  key: TestKey,
  options: Partial<SyncClientOptions> & {
    readonly script?: Partial<Script>
    readonly virtualClock?: VirtualClock
    readonly seed?: string
  } = {},
): Promise<ScriptedWorld> {
  const { script, virtualClock, seed, ...clientOptions } = options
  const clock = virtualClock ?? createVirtualClock(Date.UTC(2026, 0, 1))
  const server = createScriptedServer(clock, script)
  const client = await createSyncClient({
    url: 'ws://scripted.test/sync',
    // No such host: its transport is here.
    allowInsecure: true,
    store: createMemoryStore(),
    signer: new PlainKeySigner(key.secretKey),
    transport: server.transport,
    clock,
    random: createSeededRandom(seed ?? 'scripted'),
    ...clientOptions,
  })
  return { clock, server, client }
}
