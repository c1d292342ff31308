import type { SyncServer } from '@onyx-sync/server'
import { decideRoster } from '@onyx-sync/shared'
import { describe, expect, it } from 'vitest'
import * as Y from 'yjs'
import { append, copyOf, mergedFrom } from '../support/chat-copy.js'
import { chatEvent, membersOf, rosterOf, type TestKey, testKey } from '../support/events.js'
import type { RelayClient } from '../support/relay-client.js'
import { connect, runServer } from '../support/servers.js'
import { temporaryDirectory } from '../support/temporary-directory.js'

const alice = testKey(1)
const bob = testKey(2)
const carol = testKey(3)

async function sharedChat(): Promise<{ server: SyncServer; a: RelayClient; b: RelayClient; c: RelayClient }> {
  const server = await runServer()
  const [a, b, c] = [await connect(server, alice), await connect(server, bob), await connect(server, carol)]
  const members = membersOf(bob, carol)
  expect(
    (await a.publish(chatEvent(alice, { members, update: append(new Y.Doc(), 'first') }))).accepted,
  ).toBe(true)
  return { server, a, b, c }
}

const memberEvent = (author: TestKey, update: Uint8Array, checkpoint = false) =>
  chatEvent(author, { owner: alice, update, checkpoint })

async function mergedText(client: RelayClient): Promise<unknown> {
  const { events } = await client.request('all', { kinds: [30001], '#d': ['chat'] })
  return mergedFrom(events).getArray('messages').toJSON()
}

describe('whom Yjs client ids belong to', () => {
  it('[YID1][Y6][ATK40] a client id belongs to the key that used it first; structs of others under it are refused', async () => {
    const { a, b, c } = await sharedChat()
    const victim = new Y.Doc()
    const first = append(victim, 'mine')
    const second = append(victim, 'mine too')
    expect((await b.publish(memberEvent(bob, first))).accepted).toBe(true)
    const forger = copyOf(first)
    forger.clientID = victim.clientID
    const forged = append(forger, 'forged')
    for (const checkpoint of [false, true]) {
      const answer = await c.publish(memberEvent(carol, forged, checkpoint))
      expect(answer).toMatchObject({ accepted: false })
      expect(answer.reason).toMatch(/^restricted: .*client id/)
    }
    expect(
      (await a.publish(chatEvent(alice, { members: membersOf(bob, carol), update: forged }))).reason,
    ).toMatch(/^restricted: /)
    expect((await b.publish(memberEvent(bob, second))).accepted).toBe(true)
    expect(await mergedText(a)).toEqual(expect.arrayContaining(['first', 'mine', 'mine too']))
  })

  it('[YID1] client ids are remembered over a restart, and told apart by document', async () => {
    const data = temporaryDirectory()
    const doc = new Y.Doc()
    const first = append(doc, 'one')
    const second = append(doc, 'two')
    const server = await runServer({ data })
    const a = await connect(server, alice)
    await a.publish(chatEvent(alice, { members: membersOf(bob), update: first }))
    await server.close()
    const again = await runServer({ data })
    const b = await connect(again, bob)
    expect((await b.publish(memberEvent(bob, second))).reason).toMatch(/^restricted: .*client id/)
    // The same id in a chat of his own is nobody's.
    expect((await b.publish(chatEvent(bob, { chatId: 'other', update: first }))).accepted).toBe(true)
  })

  it('[YID2] what the document holds already may come again in anybody’s event', async () => {
    const { a, b } = await sharedChat()
    const { events } = await b.request('all', { kinds: [30001] })
    expect(events).toHaveLength(1)
    const owners = append(new Y.Doc(), 'second')
    await a.publish(chatEvent(alice, { members: membersOf(bob, carol), update: owners }))
    const bobs = copyOf(owners)
    append(bobs, 'from bob')
    expect((await b.publish(memberEvent(bob, Y.encodeStateAsUpdate(bobs)))).accepted).toBe(true)
    expect(await mergedText(a)).toContain('from bob')
  })

  it('[YID2][ATK42] what contradicts the document is refused, also where only the content differs', async () => {
    const { b, c } = await sharedChat()
    const victim = new Y.Doc()
    const real = append(victim, 'real')
    await b.publish(memberEvent(bob, real))
    const forger = new Y.Doc()
    forger.clientID = victim.clientID
    const forged = append(forger, 'fake')
    for (const checkpoint of [false, true]) {
      expect((await c.publish(memberEvent(carol, forged, checkpoint))).reason).toMatch(
        /^invalid: .*contradicts/,
      )
    }
  })

  it('[YID3] the owner brings back what a server that was set back has lost, and its author goes on', async () => {
    const { a, b, c } = await sharedChat()
    const lost = new Y.Doc()
    const first = append(lost, 'written by bob')
    const whole = copyOf(first)
    append(whole, 'and by alice')
    const restoring = {
      members: membersOf(bob, carol),
      update: Y.encodeStateAsUpdate(whole),
      checkpoint: true,
    }
    // What is left of the chat may be from before it was shared.
    await a.publish(chatEvent(alice, { chatId: 'new', text: 'before' }))
    expect((await a.publish(chatEvent(alice, { ...restoring, chatId: 'new' }))).accepted).toBe(true)
    const bobs = chatEvent(bob, { owner: alice, chatId: 'new', update: append(lost, 'going on') })
    expect((await b.publish(bobs)).accepted).toBe(true)
    const carols = chatEvent(carol, { owner: alice, chatId: 'new', update: append(copyOf(first), 'me too') })
    expect((await c.publish(carols)).accepted).toBe(true)
  })

  it('[YID3] nobody claims what was brought back by repeating it in a checkpoint', async () => {
    const { a, b } = await sharedChat()
    const lost = new Y.Doc()
    const first = append(lost, 'written by alice before the server was set back')
    const restoring = { chatId: 'new', members: membersOf(bob), update: first, checkpoint: true }
    expect((await a.publish(chatEvent(alice, restoring))).accepted).toBe(true)
    const repeated = { owner: alice, chatId: 'new', update: first, checkpoint: true }
    expect((await b.publish(chatEvent(bob, repeated))).accepted).toBe(true)
    const next = { chatId: 'new', members: membersOf(bob), update: append(lost, 'going on') }
    expect((await a.publish(chatEvent(alice, next))).accepted).toBe(true)
  })

  it('[YID3] nor does the owner claim it where the server forgot that the chat is shared', async () => {
    const { a, b } = await sharedChat()
    const base = new Y.Doc()
    const first = append(base, 'before it was shared')
    expect((await a.publish(chatEvent(alice, { chatId: 'new', update: first }))).accepted).toBe(true)
    const lost = copyOf(first)
    append(lost, 'written by bob')
    const restoring = { members: membersOf(bob), update: Y.encodeStateAsUpdate(lost), checkpoint: true }
    expect((await a.publish(chatEvent(alice, { ...restoring, chatId: 'new' }))).accepted).toBe(true)
    const bobs = chatEvent(bob, { owner: alice, chatId: 'new', update: append(lost, 'going on') })
    expect((await b.publish(bobs)).accepted).toBe(true)
  })

  it('[YID3] what a removed member wrote is still theirs when they are let in again', async () => {
    const { a, b } = await sharedChat()
    const lost = new Y.Doc()
    const first = append(lost, 'written by bob')
    const removed = decideRoster(rosterOf([bob]), [{ pubkey: bob.publicKey, role: 'none' }], 1_764_000_100)
    const restoring = { chatId: 'new', update: first, checkpoint: true }
    expect((await a.publish(chatEvent(alice, { ...restoring, roster: removed }))).accepted).toBe(true)
    const back = decideRoster(removed, [{ pubkey: bob.publicKey, role: 'write' }], 1_764_000_200)
    const nothing = Y.encodeStateAsUpdate(new Y.Doc())
    const letIn = chatEvent(alice, { chatId: 'new', update: nothing, roster: back })
    expect((await a.publish(letIn)).accepted).toBe(true)
    const bobs = chatEvent(bob, { owner: alice, chatId: 'new', update: append(lost, 'going on') })
    expect(await b.publish(bobs)).toMatchObject({ accepted: true })
  })

  it('[YID3][Y6] repeating what an owner brought back makes nobody its author', async () => {
    const { a, b, c } = await sharedChat()
    const lost = new Y.Doc()
    const first = append(lost, 'by bob')
    const members = membersOf(bob, carol)
    const restored = { members, update: first, checkpoint: true, chatId: 'restored' }
    expect((await a.publish(chatEvent(alice, restored))).accepted).toBe(true)
    const repeated = Y.encodeStateAsUpdate(copyOf(first))
    for (const checkpoint of [true, false]) {
      const event = chatEvent(carol, { owner: alice, chatId: 'restored', update: repeated, checkpoint })
      expect((await c.publish(event)).accepted).toBe(true)
    }
    const going = chatEvent(bob, { owner: alice, chatId: 'restored', update: append(lost, 'going on') })
    expect(await b.publish(going)).toMatchObject({ accepted: true })
  })
})
