import type { NostrEvent } from '@onyx-sync/shared'
import * as encoding from 'lib0/encoding'
import { describe, expect, it } from 'vitest'
import { WebSocket } from 'ws'
import { authEvent, chatEvent, sign, testKey, trainingEvent } from '../support/events.js'
import { type Block, deflatedChat, hostileUpdate, type Piece, value } from '../support/hostile-updates.js'
import { expectServed, noticeFor } from '../support/relay-client.js'
import { connect, runServer } from '../support/servers.js'

const alice = testKey(1)
const bob = testKey(2)
const mallory = testKey(3)

describe('pretending to be somebody else', () => {
  it('[ATK1] with a forged signature, or under another id, gets nothing stored', async () => {
    const server = await runServer()
    const client = await connect(server, alice)
    const good = trainingEvent(alice)
    const forged: NostrEvent[] = [
      { ...good, sig: good.sig.replace(/^./, (first) => (first === '0' ? '1' : '0')) },
      { ...good, content: 'other words' },
      { ...good, pubkey: bob.publicKey },
      { ...good, id: 'a'.repeat(64) },
    ]
    for (const event of forged) {
      expect(await client.publish(event)).toMatchObject({
        accepted: false,
        reason: expect.stringMatching(/^invalid: /),
      })
    }
    expect((await client.request('all', { kinds: [1] })).events).toEqual([])
    expect((await client.publish(good)).accepted).toBe(true)
  })

  it('[ATK2] with an id, key or signature in upper case makes no second event of one', async () => {
    const server = await runServer()
    const client = await connect(server, alice)
    const good = trainingEvent(alice)
    for (const field of ['id', 'pubkey', 'sig'] as const) {
      const event = { ...good, [field]: good[field].toUpperCase() }
      expect((await client.publish(event)).reason).toMatch(/^invalid: .*lower-case/)
    }
    for (const filter of [{ ids: [good.id.toUpperCase()] }, { authors: [good.pubkey.toUpperCase()] }]) {
      expect((await client.request('upper', filter)).closedReason).toMatch(/^invalid: /)
    }
  })

  it('[ATK3] by repeating an AUTH that was overheard proves no key', async () => {
    const server = await runServer()
    const victim = await connect(server)
    const overheard = authEvent(alice, server.url, victim.challenge)
    victim.send('AUTH', overheard)
    await victim.waitFor(([type, id, isTaken]) => type === 'OK' && id === overheard.id && isTaken === true)
    const thief = await connect(server)
    thief.send('AUTH', overheard)
    const answer = await thief.waitFor(([type, id]) => type === 'OK' && id === overheard.id)
    expect(answer.slice(2)).toEqual([false, expect.stringMatching(/^invalid: .*challenge/)])
    expect((await thief.request('s', {})).closedReason).toMatch(/^auth-required: /)
  })

  it('[ATK4] by passing on an AUTH that a victim signed for another relay proves no key', async () => {
    const server = await runServer()
    const thief = await connect(server)
    // The other relay handed this server's challenge to its own client.
    const lured = authEvent(alice, 'wss://elsewhere.example/sync', thief.challenge)
    thief.send('AUTH', lured)
    const answer = await thief.waitFor(([type, id]) => type === 'OK' && id === lured.id)
    expect(answer.slice(2)).toEqual([false, expect.stringMatching(/^invalid: .*relay/)])
  })

  it('[ATK5] from a web page elsewhere has a socket, and nothing on it', async () => {
    const server = await runServer()
    const writer = await connect(server, alice)
    await writer.publish(trainingEvent(alice, 'private'))
    const socket = new WebSocket(server.url, {
      origin: 'https://evil.example',
      headers: { cookie: 'session=alice' },
    })
    const said: string[] = []
    socket.on('message', (data) => said.push(String(data)))
    await new Promise((resolve) => socket.once('open', resolve))
    socket.send(JSON.stringify(['REQ', 's', {}]))
    socket.send(JSON.stringify(['COUNT', 'c', {}]))
    const ended = new Promise((resolve) => socket.once('close', resolve))
    socket.send('x'.repeat(2_000_000))
    await ended
    expect(said.some((text) => text.startsWith('["EVENT"') || text.startsWith('["COUNT"'))).toBe(false)
    expect(said.filter((text) => text.includes('auth-required: '))).toHaveLength(2)
  })

  it('[ATK6] with a cursor that was stolen reads nothing of its owner', async () => {
    const server = await runServer()
    const victim = await connect(server, alice)
    await victim.publish(chatEvent(alice))
    const { cursor } = await victim.request('s', { kinds: [30001], after: '' })
    await victim.publish(chatEvent(alice))
    const thief = await connect(server, mallory)
    const stolen = await thief.request('s', { kinds: [30001], after: cursor })
    expect(stolen.events).toEqual([])
    expect(stolen.hints).toContain('reset')
  })
})

describe('too much of something', () => {
  it('[ATK9] in one filter, or nested without end, is refused, and the connection goes on', async () => {
    const server = await runServer()
    const client = await connect(server, alice)
    const hex = (index: number) => index.toString(16).padStart(64, '0')
    const many = Array.from({ length: 2_001 }, (_, index) => hex(index))
    const letters = [...'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ']
    const spread = Object.fromEntries(letters.map((letter) => [`#${letter}`, many.slice(0, 40)]))
    for (const filter of [{ ids: many }, { '#p': many }, spread]) {
      expect((await client.request('bomb', filter)).closedReason).toMatch(/^invalid: .*at most 2000/)
    }
    // What a device asks that holds as many chats as one filter can name.
    const held = { kinds: [30001], '#d': many.slice(0, 2_000) }
    expect((await client.request('held', held)).closedReason).toBeUndefined()
    expect((await client.request('bombs', ...Array.from({ length: 17 }, () => ({})))).closedReason).toMatch(
      /^invalid: .*at most 16/,
    )
    const depth = 500_000
    client.sendText(`["REQ","deep",${'['.repeat(depth)}${']'.repeat(depth)}]`)
    await client.waitFor(([type, id]) => type === 'CLOSED' && id === 'deep')
    expect(await noticeFor(client, '['.repeat(depth))).toMatch(/^invalid: .*JSON/)
    await expectServed(client)
  })

  it('[ATK10] costs its sender most: an event with thousands of tags against filters with thousands of values', async () => {
    const server = await runServer()
    const client = await connect(server, alice)
    const values = Array.from({ length: 1_990 }, (_, index) => `value ${index}`)
    const filters = Array.from({ length: 16 }, () => ({ kinds: [1], '#t': [...values, 'none'] }))
    for (let index = 0; index < 20; index++) {
      expect((await client.request(`bomb ${index}`, ...filters)).closedReason).toBeUndefined()
    }
    const tags = values.map((_, index) => ['t', `another ${index}`])
    const template = { kind: 1, created_at: 1_764_000_000, tags, content: '' }
    // Compared one by one these would be 1.3 thousand million texts: the test's deadline would pass.
    expect((await client.publish(sign(alice, template))).accepted).toBe(true)
    await client.settle()
    expect(client.messages.filter(([type, id]) => type === 'EVENT' && String(id).startsWith('bomb'))).toEqual(
      [],
    )
  })

  it('[ATK11] inside an update is refused before anything is made of it', async () => {
    const server = await runServer()
    const client = await connect(server, alice)
    const keys = Array.from({ length: 20_000 }, (_, index) => value('metadata', index, 'title'))
    const deleted = Array.from({ length: 300_000 }, (_, index) => [index * 2, 1] as const)
    const bombs: [string, Uint8Array][] = [
      ['first values of one key', hostileUpdate([[1, 0, keys]])],
      ['delete ranges', hostileUpdate([], [[1, deleted]])],
      [
        'structs of two bytes',
        hostileUpdate([[1, 0, Array.from({ length: 300_000 }, (): Piece => writeGarbage)]]),
      ],
      ['a count without end', new Uint8Array([1, 255, 255, 255, 255, 255, 255, 15, 1, 0, 0, 1])],
    ]
    for (const [, update] of bombs) {
      const event = deflatedChat(alice, update)
      expect((await client.publish(event)).reason).toMatch(/^invalid: /)
    }
    await expectServed(client)
    expect((await client.request('all', { kinds: [30001] })).events).toEqual([])
  })

  it('[ATK12] that waits for what never comes holds up nobody else', async () => {
    const server = await runServer()
    const client = await connect(server, mallory)
    for (let index = 0; index < 60; index++) {
      const block: Block = [index + 1, 5, [value('messages', index)]]
      expect((await client.publish(chatEvent(mallory, { update: hostileUpdate([block]) }))).accepted).toBe(
        true,
      )
    }
    // They come as events: a state that hangs on something missing is not sent.
    const caughtUp = await client.request('all', { kinds: [30001], after: '' })
    expect(caughtUp.events).toHaveLength(60)
    const other = await connect(server, bob)
    expect((await other.publish(chatEvent(bob))).accepted).toBe(true)
  })

  it('[ATK13] that hangs on its own future, at which Yjs would throw for every reader, is not stored', async () => {
    const server = await runServer()
    const client = await connect(server, mallory)
    const onItself: Piece = (encoder) => {
      encoding.writeUint8(encoder, 8 | 0x80)
      for (const number of [1, 9, 1]) encoding.writeVarUint(encoder, number)
      encoding.writeAny(encoder, 'x')
    }
    const update = hostileUpdate([[1, 0, [value('messages', 1), onItself]]])
    expect((await client.publish(chatEvent(mallory, { update }))).reason).toMatch(/^invalid: /)
  })

  it('[ATK14] that Yjs can not merge refuses itself, and nothing that others send with it', async () => {
    const server = await runServer()
    const [attacker, other] = [await connect(server, mallory), await connect(server, bob)]
    const depth = 30_000
    const inside: Piece[] = Array.from({ length: depth }, (_, index) => (encoder) => {
      encoding.writeUint8(encoder, 7)
      for (const number of [0, 1, index, 0]) encoding.writeVarUint(encoder, number)
    })
    const outermost: Piece = (encoder) => {
      encoding.writeUint8(encoder, 7)
      encoding.writeVarUint(encoder, 1)
      encoding.writeVarString(encoder, 'messages')
      encoding.writeVarUint(encoder, 0)
    }
    const update = hostileUpdate([[1, 0, [outermost, ...inside]]], [[1, [[0, 1]]]])
    const answers = await Promise.all([
      attacker.publish(chatEvent(mallory, { update, checkpoint: true })),
      ...Array.from({ length: 20 }, () => other.publish(chatEvent(bob))),
    ])
    expect(answers.map(({ accepted }) => accepted)).toEqual([
      false,
      ...Array.from({ length: 20 }, () => true),
    ])
    expect(answers[0]?.reason).toMatch(/^invalid: /)
    // Taken as an increment, which is not merged before somebody asks, it is left out of the state.
    await attacker.publish(chatEvent(mallory, { update }))
    for (let index = 0; index < 8; index++) await attacker.publish(chatEvent(mallory))
    await attacker.request('state', { kinds: [30001], after: '' })
    await expectServed(other)
  })
})

const writeGarbage: Piece = (encoder) => {
  encoding.writeUint8(encoder, 0)
  encoding.writeVarUint(encoder, 1)
}
