import { join } from 'node:path'
import { createMemoryStore, createSyncClient, type SyncStore, type Transport } from '@onyx-sync/client'
import {
  createNodeSigner,
  createNodeTransport,
  createNodeVerifier,
  openNodeStore,
} from '@onyx-sync/client/node'
import { type EventVerifier, pureVerifier, type Signer } from '@onyx-sync/shared'
import * as Y from 'yjs'
import type { Contender } from './contender.js'
import { createAccount, untilSynced } from './devices.js'
import { contendersNode } from './peers.js'
import { startMeasuredServer } from './server-process.js'
import { createKey } from './signed-events.js'

/** When a device's parts of an edit's way were done, milliseconds of `performance.now()` and of duration. */
export interface WayTimes {
  readonly signMs: number[]
  readonly verifyMs: number[]
  /** When events were handed to a socket. */
  readonly sentAt: number[]
  /** When events of others, or of this account's other devices, came from a socket. */
  readonly receivedAt: number[]
  /** When an `OK` came. */
  readonly okAt: number[]
}

export function createWayTimes(): WayTimes {
  return { signMs: [], verifyMs: [], sentAt: [], receivedAt: [], okAt: [] }
}

/** How our devices are made. */
export interface OwnOptions {
  readonly name: string
  /** Where devices have SQLite files; undefined: they keep everything in memory, as the peers' clients do. */
  readonly directory?: string
  /** JavaScript signs and checks, as where an app says nothing; else the fastest that Node finds here. */
  readonly isPure?: boolean
  /** Takes what each part of the way took. */
  readonly times?: WayTimes
}

/** Our server and our whole client: each edit is stored, signed, checked on both sides, and on the server's disk. */
export function ownContender({ name, directory, isPure = false, times }: OwnOptions): Contender {
  const signers = new Map<string, Promise<Signer>>()
  /** Each chat is one account's: a device gets all chats of its account, and shall get one here. */
  const signerOf = (chat: string): Promise<Signer> => {
    const signer = signers.get(chat) ?? createSigner(isPure, times)
    signers.set(chat, signer)
    return signer
  }
  let verifier: Promise<EventVerifier> | undefined
  let devices = 0
  return {
    name,
    path: '/sync',
    start({ directory: data, port = 0, url }) {
      const args = ['--port', String(port), ...(url === undefined ? [] : ['--url', url])]
      return startMeasuredServer({ data, args, node: contendersNode })
    },
    async open(url, chat) {
      const device = devices++
      const store = await openStore(directory, device)
      const transport = timedTransport(createNodeTransport(), times)
      // Edits follow each other faster here than people make them: no pause between two events.
      const batching = { intervalMs: 0 }
      verifier ??= createVerifier(isPure, times)
      const signatures = { signer: await signerOf(chat), verifier: await verifier }
      const client = await createSyncClient({ store, ...signatures, transport, url, batching })
      client.connect()
      await untilSynced(client)
      const chats = await client.chats.list()
      if (!chats.some(({ id }) => id === chat)) await client.chats.create({ id: chat })
      await untilSynced(client)
      const { doc, release } = await client.chats.open(chat)
      const messages = doc.getArray<Y.Map<unknown>>('messages')
      let written = 0
      return {
        append(text) {
          // No other device gives the same: of messages that share one only the first counts.
          const fields = { id: `${device}-${written++}`, role: 'user', content: text, createdAt: Date.now() }
          messages.push([new Y.Map(Object.entries(fields))])
        },
        count: () => messages.length,
        onChange(listener) {
          doc.on('update', listener)
          return () => doc.off('update', listener)
        },
        disconnect: () => client.disconnect(),
        connect: () => client.connect(),
        async close() {
          release()
          await client.close()
        },
      }
    },
  }
}

function openStore(directory: string | undefined, index: number): Promise<SyncStore> | SyncStore {
  if (directory === undefined) return createMemoryStore()
  return openNodeStore({ file: join(directory, `device-${index}.db`) })
}

async function createSigner(isPure: boolean, times: WayTimes | undefined): Promise<Signer> {
  return timedSigner(isPure ? createAccount() : await createNodeSigner(createKey().secretKey), times)
}

async function createVerifier(isPure: boolean, times: WayTimes | undefined): Promise<EventVerifier> {
  return timedVerifier(isPure ? pureVerifier : await createNodeVerifier(), times)
}

function timedSigner(signer: Signer, times: WayTimes | undefined): Signer {
  return {
    getPublicKey: () => signer.getPublicKey(),
    async signEvent(template) {
      const startedAt = performance.now()
      const event = await signer.signEvent(template)
      times?.signMs.push(performance.now() - startedAt)
      return event
    },
  }
}

function timedVerifier(verifier: EventVerifier, times: WayTimes | undefined): EventVerifier {
  return {
    name: verifier.name,
    verify(event) {
      const startedAt = performance.now()
      verifier.verify(event)
      times?.verifyMs.push(performance.now() - startedAt)
    },
  }
}

function timedTransport(transport: Transport, times: WayTimes | undefined): Transport {
  if (times === undefined) return transport
  return {
    ...transport,
    dial(url, handlers) {
      const connection = transport.dial(url, {
        ...handlers,
        onMessage(text) {
          if (text.startsWith('["EVENT"')) times.receivedAt.push(performance.now())
          else if (text.startsWith('["OK"')) times.okAt.push(performance.now())
          handlers.onMessage(text)
        },
      })
      return {
        send(text) {
          if (text.startsWith('["EVENT"')) times.sentAt.push(performance.now())
          connection.send(text)
        },
        close: (code, reason) => connection.close(code, reason),
      }
    },
  }
}
