import { createMemoryLog } from '@onyx-sync/server'
import {
  createWritersTemplate,
  DEFAULT_LIMITS,
  type DocumentWriters,
  KIND,
  type NostrEvent,
  parseFilter,
  parseWritersEvent,
  pureVerifier,
  systemClock,
} from '@onyx-sync/shared'
import { describe, expect, it } from 'vitest'
import * as Y from 'yjs'
import { createAuthorship } from '../../client/src/core/authorship.js'
import { createWriterEvents } from '../../server/src/core/writer-events.js'
import { append, copyOf } from '../support/chat-copy.js'
import { chatAddressText, chatEvent, membersOf, sign, testKey } from '../support/events.js'
import type { RelayClient } from '../support/relay-client.js'
import { connect, runServer } from '../support/servers.js'
import { temporaryDirectory } from '../support/temporary-directory.js'
import { clientOf, deviceOf, during, startWorld } from '../support/worlds.js'

const alice = testKey(1)
const bob = testKey(2)
const carol = testKey(3)
const CHAT = chatAddressText(alice)
const members = membersOf(bob)

/** What the server says of a chat, or of several. */
async function writersIn(client: RelayClient, ...addresses: readonly string[]) {
  const { events } = await client.request('writers', { kinds: [20_004], '#a': addresses })
  for (const event of events) pureVerifier.verify(event)
  return events.flatMap((event) => parseWritersEvent(event, DEFAULT_LIMITS))
}

/** A document in which Yjs writes under a given client id. */
function docUnder(clientId: number, before?: Uint8Array): Y.Doc {
  const doc = before === undefined ? new Y.Doc() : copyOf(before)
  doc.clientID = clientId
  return doc
}

describe('a writers event', () => {
  const documents = [
    { address: CHAT, writers: { [alice.publicKey]: [7, 2 ** 32 - 1], [bob.publicKey]: [0] } },
    { address: chatAddressText(alice, 'ü☃'), writers: {} },
  ]
  const event = sign(alice, createWritersTemplate({ documents, createdAt: 5 }))

  it('[ATT1] says what went in', () => {
    expect(event).toMatchObject({ kind: 20_004, tags: documents.map(({ address }) => ['a', address]) })
    expect(parseWritersEvent(event, DEFAULT_LIMITS)).toEqual(documents)
  })

  const contentOf = (value: unknown): Partial<NostrEvent> => ({ content: JSON.stringify(value) })
  const one = (writers: unknown) => ({ tags: [['a', CHAT]], ...contentOf([{ address: CHAT, writers }]) })
  it.each<[string, Partial<NostrEvent>, string]>([
    ['another kind', { kind: 20_003 }, 'KIND_NOT_ACCEPTED'],
    ['no document', { tags: [], content: '[]' }, 'EVENT_TAGS_INVALID'],
    [
      'a document twice',
      {
        tags: [
          ['a', CHAT],
          ['a', CHAT],
        ],
      },
      'EVENT_TAGS_INVALID',
    ],
    ['no JSON', { content: '{' }, 'EVENT_MALFORMED'],
    ['no array', { content: '{}' }, 'EVENT_MALFORMED'],
    ['fewer than its tags', contentOf([documents[0]]), 'EVENT_MALFORMED'],
    ['another order', contentOf([...documents].reverse()), 'EVENT_MALFORMED'],
    ['null', { tags: [['a', CHAT]], content: '[null]' }, 'EVENT_MALFORMED'],
    ['no writers', one(null), 'EVENT_MALFORMED'],
    ['a key in upper case', one({ [alice.publicKey.toUpperCase()]: [1] }), 'EVENT_MALFORMED'],
    ['no list', one({ [alice.publicKey]: 1 }), 'EVENT_MALFORMED'],
    ['a client id twice', one({ [alice.publicKey]: [1], [bob.publicKey]: [1] }), 'EVENT_MALFORMED'],
    ['no client id', one({ [alice.publicKey]: [2 ** 32] }), 'EVENT_MALFORMED'],
    ['a fraction', one({ [alice.publicKey]: [0.5] }), 'EVENT_MALFORMED'],
  ])('[ATT1] is refused with %s', (_what, change, code) => {
    expect(() => parseWritersEvent({ ...event, ...change }, DEFAULT_LIMITS)).toThrow(
      expect.objectContaining({ code }),
    )
  })

  it('[ATT1] is not made of what could not be read back, and not read beyond the size of an event', () => {
    const make = (some: typeof documents) => () => createWritersTemplate({ documents: some, createdAt: 1 })
    expect(make([])).toThrow(/at least one/)
    expect(make([{ address: 'x', writers: {} }])).toThrow(/at least one/)
    expect(() => parseWritersEvent(event, { maxEventBytes: 10 })).toThrow(
      expect.objectContaining({ code: 'TOO_LARGE' }),
    )
  })
})

describe('a server', () => {
  it('[ATT2] says whose client ids are whose, also when a checkpoint took the place of the events', async () => {
    const data = temporaryDirectory()
    const server = await runServer({ data })
    const [a, b] = [await connect(server, alice), await connect(server, bob)]
    const alices = docUnder(11)
    const first = append(alices, 'by alice')
    await a.publish(chatEvent(alice, { members, update: first }))
    const bobs = docUnder(22, first)
    await b.publish(chatEvent(bob, { owner: alice, update: append(bobs, 'by bob') }))
    const expected = [{ address: CHAT, writers: { [alice.publicKey]: [11], [bob.publicKey]: [22] } }]
    expect(await writersIn(b, CHAT)).toEqual(expected)
    const update = Y.encodeStateAsUpdate(bobs)
    await b.publish(chatEvent(bob, { owner: alice, update, checkpoint: true }))
    expect(await writersIn(a, CHAT, chatAddressText(alice, 'not there'), 'x')).toEqual(expected)
    await server.close()
    const again = await runServer({ data })
    const c = await connect(again, bob)
    expect(await writersIn(c, CHAT)).toEqual(expected)
    const { events } = await c.request('s', { kinds: [20_004], '#a': [CHAT] })
    const info = await fetch(again.url.replace('ws', 'http'), {
      headers: { Accept: 'application/nostr+json' },
    })
    expect(events[0]?.pubkey).toBe(((await info.json()) as { self: string }).self)
  })

  it('[ATT2][YID1] does not believe a member who claims what is another’s', async () => {
    const server = await runServer()
    const [a, b] = [await connect(server, alice), await connect(server, bob)]
    const alices = docUnder(11)
    const first = append(alices, 'by alice')
    await a.publish(chatEvent(alice, { members, update: first }))
    // The next clock of alice's client id.
    const forged = append(docUnder(11, first), 'as if by alice')
    expect(await b.publish(chatEvent(bob, { owner: alice, update: forged }))).toMatchObject({
      accepted: false,
      reason: expect.stringMatching(/^restricted: .*client id 11/),
    })
    expect(await writersIn(b, CHAT)).toEqual([{ address: CHAT, writers: { [alice.publicKey]: [11] } }])
    const told = sign(
      bob,
      createWritersTemplate({ documents: [{ address: CHAT, writers: {} }], createdAt: 1 }),
    )
    expect((await b.publish(told)).reason).toMatch(/^blocked:/)
  })

  it('[ATT2][LEAK1] says it to readers of the chat only, and counts none', async () => {
    const server = await runServer()
    const [a, b, c] = [await connect(server, alice), await connect(server, bob), await connect(server, carol)]
    await a.publish(chatEvent(alice, { members }))
    await a.publish(chatEvent(alice, { chatId: 'own' }))
    const both = [CHAT, chatAddressText(alice, 'own')]
    expect((await writersIn(a, ...both)).map(({ address }) => address)).toEqual(both)
    expect((await writersIn(b, ...both)).map(({ address }) => address)).toEqual([CHAT])
    expect(await writersIn(c, ...both)).toEqual([])
    c.send('COUNT', 'n', { kinds: [20_004], '#a': both })
    expect((await c.waitFor(([type]) => type === 'COUNT'))[2]).toEqual({ count: 0 })
    await a.publish(chatEvent(alice, { members: [] }))
    expect(await writersIn(b, ...both)).toEqual([])
    // It has to be asked for by name.
    expect((await a.request('all', {})).events.filter(({ kind }) => kind === 20_004)).toEqual([])
  })

  it('[ATT2] says it in several events where there is a lot', async () => {
    const log = createMemoryLog()
    const addresses = Array.from({ length: 300 }, (_, at) => chatAddressText(alice, `${at}`))
    const writers = addresses.map((address, at) => ({ address, clientId: at, pubkey: alice.publicKey }))
    for (let id = 1_000; id < 10_000; id++)
      writers.push({ address: CHAT, clientId: id, pubkey: (id % 2 === 0 ? alice : bob).publicKey })
    await log.commit({ events: [], documents: [], grants: [], revocations: [], writers })
    const { read, sign: toEvent } = createWriterEvents({
      ...{ log, clock: systemClock },
      signEvent: (template) => sign(alice, template),
    })
    const filter = parseFilter({ kinds: [20_004], '#a': [CHAT, ...addresses] }, DEFAULT_LIMITS)
    const told: DocumentWriters[] = []
    let events = 0
    for await (const documents of read([CHAT, ...addresses])) {
      const json = toEvent(documents, [filter]) as string
      events++
      expect(json.length).toBeLessThan(128 * 1024)
      told.push(...parseWritersEvent(JSON.parse(json) as NostrEvent, DEFAULT_LIMITS))
    }
    expect(events).toBe(3)
    const ids = told.flatMap((one) =>
      Object.values(one.writers)
        .flat()
        .map((id) => `${id} ${one.address}`),
    )
    expect(new Set(ids)).toEqual(new Set(writers.map(({ address, clientId }) => `${clientId} ${address}`)))
  })
})

describe('a device', () => {
  it('[ATT3] traces messages to keys: from events, from states and checkpoints, and when it is offline', async () => {
    const world = await startWorld('authors', { ada: ['phone'], ben: ['desk', 'late'] })
    const [phone, desk] = [clientOf(world, 'phone'), clientOf(world, 'desk')]
    deviceOf(world, 'late').crash()
    const { address } = await during(world, phone.chats.create({ id: 'chat' }))
    await during(world, phone.chats.send('chat', 'alone', { id: 'm0' }))
    expect(await phone.chats.authorOf('chat', 'm0')).toBe(phone.pubkey)
    await during(world, phone.chats.setMembers('chat', [desk.pubkey]))
    await world.advance(10_000)
    await during(world, desk.chats.send(address, 'by ben', { id: 'm1' }))
    await world.advance(10_000)
    for (let index = 0; index < 12; index++) {
      await during(world, phone.chats.send('chat', `${index}`, { id: `more${index}` }))
      await world.advance(3_000)
    }
    expect(await during(world, phone.chats.authorOf('chat', 'm1'))).toBe(desk.pubkey)
    expect(await during(world, desk.chats.authorOf(address, 'more3'))).toBe(phone.pubkey)
    expect(await during(world, desk.chats.authorOf(address, 'm1'))).toBe(desk.pubkey)

    const ids = ['m0', 'm1', 'more3', 'nothing']
    const all = new Map([
      ['m0', phone.pubkey],
      ['m1', desk.pubkey],
      ['more3', phone.pubkey],
    ])
    expect(await during(world, desk.chats.knownAuthors(address, ids))).toEqual(all)

    // What comes as a merged state says no author: the server is asked, once.
    deviceOf(world, 'late').start()
    await world.advance(10_000)
    const late = clientOf(world, 'late')
    expect(await during(world, late.chats.knownAuthors(address, ids))).toEqual(new Map())
    expect(await during(world, late.chats.authorOf(address, 'm0'))).toBe(phone.pubkey)
    world.network.setOnline('late', false)
    await world.advance(1_000)
    expect(await during(world, late.chats.authorOf(address, 'm1'))).toBe(desk.pubkey)
    expect(await during(world, late.chats.knownAuthors(address, ids))).toEqual(all)
    deviceOf(world, 'late').crash()
    deviceOf(world, 'late').start()
    await world.advance(1_000)
    expect(await during(world, clientOf(world, 'late').chats.authorOf(address, 'more11'))).toBe(phone.pubkey)
    await expect(clientOf(world, 'late').chats.authorOf(address, 'nothing')).rejects.toMatchObject({
      code: 'MESSAGE_NOT_FOUND',
    })
  })

  it('[ATT3][HST1] shows in a history who wrote what came with another’s checkpoint', async () => {
    const world = await startWorld('authors in a history', { ada: ['phone'], ben: ['desk'] })
    const [phone, desk] = [clientOf(world, 'phone'), clientOf(world, 'desk')]
    const { address } = await during(world, phone.chats.create({ id: 'chat' }))
    await during(world, phone.chats.setMembers('chat', [desk.pubkey]))
    await world.advance(10_000)
    await during(world, desk.chats.send(address, 'by ben', { id: 'ben' }))
    for (let index = 0; index < 60; index++) {
      await during(world, phone.chats.send('chat', `${index} ${'x'.repeat(600)}`, { id: `m${index}` }))
      await during(world, phone.chats.deleteMessage('chat', `m${index}`))
      await world.advance(2_000)
    }
    await during(world, phone.chats.send('chat', 'by ada', { id: 'ada' }))
    await world.advance(120_000)
    const history = await during(world, desk.chats.history(address))
    expect(history.some(({ isCheckpoint }) => isCheckpoint)).toBe(true)
    const authors = new Map(
      history
        .flatMap(({ changes }) => changes)
        .flatMap((change) => (change.type === 'added' ? [[change.messageId, change.author] as const] : [])),
    )
    expect([authors.get('ben'), authors.get('ada')]).toEqual([desk.pubkey, phone.pubkey])
  })

  it('[ATT3] believes the first of two claims, and no server whose key is another', async () => {
    const kept: Record<string, string> = {}
    const answers: NostrEvent[] = []
    const server = testKey(9)
    const claim = (key: typeof alice, ids: readonly number[]) => ({
      documents: [{ address: CHAT, writers: { [key.publicKey]: ids } }],
      createdAt: 1,
    })
    const make = (meta: Record<string, string> = {}) =>
      createAuthorship({
        pubkey: carol.publicKey,
        meta,
        trust: {
          isServerKnown: true,
          check({ pubkey }: NostrEvent) {
            if (pubkey !== server.publicKey) throw new Error('another key')
          },
        } as never,
        verifier: pureVerifier,
        limits: DEFAULT_LIMITS,
        clock: { now: () => 0, setTimeout: () => 0, clearTimeout() {} } as never,
        session: () =>
          ({
            status: { state: 'live', mode: 'sync' },
            open(_id: string, filters: unknown, handlers: { onEvent(event: unknown): void; onEose(): void }) {
              expect(filters).toEqual([{ kinds: [KIND.writers], '#a': [CHAT] }])
              for (const event of answers) handlers.onEvent(event)
              // As a socket does, later.
              queueMicrotask(() => handlers.onEose())
            },
            shut() {},
          }) as never,
        wasShared: () => true,
        journal: { add: (change) => Object.assign(kept, change.meta), flush: async () => {} },
      })
    const find = async (device: ReturnType<typeof make>, id: number) =>
      (await device.find(CHAT, [id])).get(id)
    const device = make()
    device.note(CHAT, alice.publicKey, [11])
    device.note(CHAT, bob.publicKey, [11, 22])
    expect(await find(device, 11)).toBe(alice.publicKey)
    expect(await find(device, 22)).toBe(bob.publicKey)
    answers.push(sign(server, createWritersTemplate(claim(bob, [11, 33]))))
    expect(await find(device, 33)).toBe(bob.publicKey)
    expect(await find(device, 11)).toBe(alice.publicKey)
    expect(await find(device, 44)).toBeUndefined()
    const again = make(kept)
    expect([await find(again, 11), await find(again, 33)]).toEqual([alice.publicKey, bob.publicKey])
    answers.splice(0, 1, sign(bob, createWritersTemplate(claim(bob, [44]))))
    await expect(find(again, 44)).rejects.toThrow('another key')
    const [event] = [sign(server, createWritersTemplate(claim(bob, [44])))]
    answers.splice(0, 1, { ...event, content: event.content.replace('44', '55') })
    await expect(find(again, 55)).rejects.toThrow()
    // What can't be read any more is asked for again.
    answers.splice(0, 1, event)
    expect(await find(make({ [`writers ${CHAT}`]: '{' }), 44)).toBe(bob.publicKey)
  })
})
