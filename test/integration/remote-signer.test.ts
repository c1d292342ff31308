import { join } from 'node:path'
import { createMemoryStore, createSyncClient } from '@onyx-sync/client'
import { createNodeTransport } from '@onyx-sync/client/node'
import type { EventTemplate, NostrEvent } from '@onyx-sync/shared'
import { decrypt, encrypt, getConversationKey } from 'nostr-tools/nip44'
import { BunkerSigner, parseBunkerInput, toBunkerURL } from 'nostr-tools/nip46'
import { SimplePool, useWebSocketImplementation } from 'nostr-tools/pool'
import { finalizeEvent } from 'nostr-tools/pure'
import { describe, expect, it } from 'vitest'
import { WebSocket } from 'ws'
import { afterThisTest } from '../support/after-test.js'
import { type TestKey, testKey } from '../support/events.js'
import { startRealRelay } from '../support/real-relay.js'
import { connect, runServer } from '../support/servers.js'
import { temporaryDirectory } from '../support/temporary-directory.js'

useWebSocketImplementation(WebSocket)

const KIND_NOSTR_CONNECT = 24133
const [account, phone] = [testKey(1), testKey(2)]

interface Request {
  readonly id: string
  readonly method: string
  readonly params: readonly string[]
}

/** Holds the key of an account and signs for whoever knows the secret, as an app on another phone does (NIP-46). */
function runBunker(relay: string, key: TestKey, secret: string) {
  const pool = new SimplePool()
  const friends = new Set<string>()
  const state = { signed: 0 }

  function answer(from: string, { method, params }: Request): { result: string; error?: string } {
    if (method === 'connect' && params[1] === secret) friends.add(from)
    if (!friends.has(from)) return { result: '', error: 'who are you?' }
    if (method === 'get_public_key') return { result: key.publicKey }
    if (method !== 'sign_event') return { result: 'ack' }
    state.signed++
    const template = JSON.parse(params[0] as string) as EventTemplate
    return { result: JSON.stringify(finalizeEvent(template, key.secretKey)) }
  }

  const subscription = pool.subscribe(
    [relay],
    { kinds: [KIND_NOSTR_CONNECT], '#p': [key.publicKey] },
    {
      onevent({ pubkey, content }: NostrEvent) {
        const conversation = getConversationKey(key.secretKey, pubkey)
        const request = JSON.parse(decrypt(content, conversation)) as Request
        const said = { id: request.id, ...answer(pubkey, request) }
        const template = {
          kind: KIND_NOSTR_CONNECT,
          created_at: Math.floor(Date.now() / 1000),
          tags: [['p', pubkey]],
          content: encrypt(JSON.stringify(said), conversation),
        }
        void Promise.all(pool.publish([relay], finalizeEvent(template, key.secretKey)))
      },
    },
  )
  afterThisTest(() => {
    subscription.close()
    pool.close([relay])
  })
  return state
}

describe('a key that is held by another device', () => {
  it('[SGN3] signs for this one through any relay, many edits at a time', async () => {
    const relay = await startRealRelay({ file: join(temporaryDirectory(), 'relay.db') })
    afterThisTest(() => relay.stop())
    const bunker = runBunker(relay.url, account, 'once')
    const pointer = await parseBunkerInput(
      toBunkerURL({ pubkey: account.publicKey, relays: [relay.url], secret: 'once' }),
    )
    if (pointer === null) throw new Error('no bunker')
    const pool = new SimplePool()
    const signer = BunkerSigner.fromBunker(phone.secretKey, pointer, { pool })
    await signer.connect()
    const server = await runServer()
    const client = await createSyncClient({
      ...{ url: server.url, signer, store: createMemoryStore(), transport: createNodeTransport() },
    })
    afterThisTest(async () => {
      await client.close()
      await signer.close()
      pool.close([relay.url])
    })
    expect(client.pubkey).toBe(account.publicKey)
    const chat = await client.chats.create({ title: 'Signed elsewhere' })
    for (let index = 0; index < 30; index++) await client.chats.send(chat.id, `message ${index}`)
    expect((await client.chats.list())[0]?.messageCount).toBe(30)
    expect(client.status.unsent).toBeGreaterThan(0)
    client.connect()
    expect(await client.synced({ timeoutMs: 20_000 })).toBe(true)
    // The login, the list of chats, and the chat: thirty messages don't ask thirty times.
    expect(bunker.signed).toBeLessThan(10)
    const reader = await connect(server, account)
    const { events } = await reader.request('all', { kinds: [30001] })
    expect(events.length).toBeGreaterThan(0)
    expect(events.every(({ pubkey }) => pubkey === account.publicKey)).toBe(true)
  })
})
