import { openLevelLog, type SyncServer, verifyLog } from '@onyx-sync/server'
import { splitUpdate } from '@onyx-sync/shared'
import { describe, expect, it } from 'vitest'
import * as Y from 'yjs'
import { keyOf } from '../../server/src/adapters/level/keys.js'
import { append, change } from '../support/chat-copy.js'
import { entriesUnder, tamper } from '../support/damage.js'
import {
  chatAddressText,
  chatEvent,
  deletionEvent,
  membersOf,
  settingsEvent,
  sign,
  type TestKey,
  testKey,
  trainingEvent,
} from '../support/events.js'
import type { RelayClient } from '../support/relay-client.js'
import { connect, runServer } from '../support/servers.js'
import { temporaryDirectory } from '../support/temporary-directory.js'

const alice = testKey(1)
const bob = testKey(2)
const nowSeconds = () => Math.floor(Date.now() / 1000)

function vanishEvent(key: TestKey, relay: string, createdAt = nowSeconds()) {
  return sign(key, { kind: 62, created_at: createdAt, tags: [['relay', relay]], content: 'goodbye' })
}

async function publishAll(client: RelayClient, events: readonly unknown[]): Promise<void> {
  for (const event of events) expect(await client.publish(event)).toMatchObject({ accepted: true })
}

/** A server on which alice has one of each, with bob in a chat of hers, and she in one of his. */
async function livedServer(data: string): Promise<{ server: SyncServer; events: readonly { id: string }[] }> {
  const server = await runServer({ data })
  const [a, b] = [await connect(server, alice), await connect(server, bob)]
  const doc = new Y.Doc()
  append(doc, 'one')
  const [first = new Uint8Array(0), ...rest] = splitUpdate(
    change(doc, (list) => list.push(Array.from({ length: 30 }, (_, n) => `word ${n}`))),
    128,
  )
  const part = { group: 'ab'.repeat(8), index: 0, count: rest.length + 1 }
  const revoked = trainingEvent(alice, 'revoked')
  const gone = chatEvent(alice, { chatId: 'gone', members: membersOf(bob) })
  const events = [
    chatEvent(alice, { members: membersOf(bob) }),
    settingsEvent(alice, 'a', 'b'),
    trainingEvent(alice),
    revoked,
    gone,
    deletionEvent(alice, { ids: [revoked.id] }),
    deletionEvent(alice, { addresses: [chatAddressText(alice, 'gone')] }),
  ]
  await publishAll(a, events)
  await publishAll(b, [
    chatEvent(bob, { owner: alice }),
    chatEvent(bob, { chatId: 'bobs', members: membersOf(alice) }),
    trainingEvent(bob),
  ])
  await publishAll(a, [
    chatEvent(alice, { owner: bob, chatId: 'bobs' }),
    chatEvent(alice, { owner: bob, chatId: 'bobs', update: first, part }),
  ])
  return { server, events }
}

describe('requests to vanish (NIP-62)', () => {
  it('[VAN1] are for this server, or for all, and for now', async () => {
    const server = await runServer()
    const a = await connect(server, alice)
    for (const wrong of ['wss://relay.example', 'all_relays', ''])
      expect((await a.publish(vanishEvent(alice, wrong))).reason).toMatch(/^invalid: the relay tag/)
    const none = sign(alice, { kind: 62, created_at: nowSeconds(), tags: [], content: '' })
    expect((await a.publish(none)).reason).toMatch(/^invalid: the relay tag names nothing/)
    const late = vanishEvent(alice, 'ALL_RELAYS', nowSeconds() + 3600)
    expect((await a.publish(late)).reason).toMatch(/^invalid: .*future/)
    expect((await a.publish(vanishEvent(bob, 'ALL_RELAYS'))).reason).toMatch(/^restricted: /)
    for (const relay of ['ALL_RELAYS', `${server.url.replace('127.0.0.1', 'localhost')}/`]) {
      const key = relay === 'ALL_RELAYS' ? alice : bob
      const client = await connect(server, key)
      expect(await client.publish(vanishEvent(key, relay))).toEqual({ accepted: true, reason: '' })
    }
  })

  it('[VAN2][VAN3][VAN4] take everything of the key, and nothing of it comes back', async () => {
    const data = temporaryDirectory()
    const { server, events } = await livedServer(data)
    const [a, b] = [await connect(server, alice), await connect(server, bob)]
    await b.request('live', { kinds: [30001, 5], after: '' })
    const request = vanishEvent(alice, server.url)
    expect(await a.publish(request)).toEqual({ accepted: true, reason: '' })
    expect((await a.publish(request)).reason).toMatch(/^duplicate: /)
    // What she wrote in bob's chat is all that is left, for her and for him.
    for (const reader of [a, b]) {
      const { events: left } = await reader.request('q', {})
      expect(left.filter(({ pubkey }) => pubkey === alice.publicKey).map(({ kind }) => kind)).toEqual([30001])
      expect(left.filter(({ kind }) => kind === 30001)).toHaveLength(2)
      expect(
        (await reader.request('i', { ids: [request.id, ...events.map(({ id }) => id)] })).events,
      ).toEqual([])
    }
    expect((await b.publish(chatEvent(bob, { owner: alice }))).reason).toMatch(/^restricted: .*member/)
    for (const event of events) expect((await a.publish(event)).reason).toMatch(/^blocked: .*vanish/)
    await server.close()

    await tamper(data, async (db) => {
      expect((await entriesUnder(db, 'k')).size).toBe(0)
      expect((await entriesUnder(db, 'h')).size).toBe(0)
    })
    const log = await openLevelLog(data)
    expect(await verifyLog(log)).toMatchObject({ isSound: true, staleFeedEntries: 0 })
    await log.close()

    const again = await runServer({ data })
    const later = await connect(again, alice)
    for (const event of events) expect((await later.publish(event)).reason).toMatch(/^blocked: .*vanish/)
    // She may begin anew, but not with what was deleted.
    const createdAt = nowSeconds() + 60
    for (const old of [chatEvent(alice, { createdAt }), settingsEvent(alice, 'a', 'b', createdAt)])
      expect((await later.publish(old)).reason).toMatch(/^blocked: .*deleted/)
    await publishAll(later, [
      chatEvent(alice, { chatId: 'new', createdAt }),
      trainingEvent(alice, 'new', createdAt),
      vanishEvent(alice, 'ALL_RELAYS', createdAt + 1),
    ])
    expect((await later.request('q', { authors: [alice.publicKey], kinds: [1, 5] })).events).toEqual([])
  })

  it('[VFY9] are known, and what hangs on them is mended', async () => {
    const data = temporaryDirectory()
    const { server } = await livedServer(data)
    const a = await connect(server, alice)
    await publishAll(a, [vanishEvent(alice, 'ALL_RELAYS')])
    await server.close()
    await tamper(data, async (db) => {
      await db.del(keyOf.vanished(alice.publicKey))
      await db.put(keyOf.vanished(bob.publicKey), new Uint8Array(16))
    })
    const log = await openLevelLog(data)
    expect(await verifyLog(log, { repair: true })).toMatchObject({ faultCount: 2, mendedCount: 2 })
    expect(await verifyLog(log)).toMatchObject({ isSound: true })
    expect(
      (await log.vanishedUntil([alice.publicKey, bob.publicKey])).map((until) => until !== undefined),
    ).toEqual([true, false])
    await log.close()
  })

  it('[VAN2][VFY1] leaves what a request deletes that is signed later, by id and by name', async () => {
    const data = temporaryDirectory()
    const server = await runServer({ data })
    const a = await connect(server, alice)
    const now = nowSeconds()
    const [id, name] = ['ab'.repeat(32), `30023:${alice.publicKey}:page`]
    const input = { ids: [id], addresses: [name], kinds: [1] }
    await publishAll(a, [
      deletionEvent(alice, { ...input, createdAt: now + 60 }),
      deletionEvent(alice, { ...input, createdAt: now - 60 }),
      vanishEvent(alice, server.url, now),
    ])
    await server.close()
    const log = await openLevelLog(data)
    const { faultCount } = await verifyLog(log)
    expect(await log.areDeleted([{ pubkey: alice.publicKey, id }])).toEqual([true])
    expect((await log.coordinates([name]))[0]?.deletedUntil).toBe(now + 60)
    await log.close()
    expect(faultCount).toBe(0)
  })
})
