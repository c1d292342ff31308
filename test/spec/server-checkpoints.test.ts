import { describe, expect, it } from 'vitest'
import * as Y from 'yjs'
import { append, change, copyOf, mergedFrom } from '../support/chat-copy.js'
import { chatAddressText, chatEvent, membersOf, type TestKey, testKey } from '../support/events.js'
import type { RelayClient } from '../support/relay-client.js'
import { connect, runServer } from '../support/servers.js'

const alice = testKey(1)
const bob = testKey(2)
const whole = (doc: Y.Doc): Uint8Array => Y.encodeStateAsUpdate(doc)
const checkpointOf = (author: TestKey, doc: Y.Doc, change = {}) =>
  chatEvent(author, { owner: alice, update: whole(doc), checkpoint: true, ...change })

async function accept(client: RelayClient, event: ReturnType<typeof chatEvent>): Promise<void> {
  expect(await client.publish(event)).toMatchObject({ accepted: true })
}

const idsOf = async (client: RelayClient): Promise<string[]> =>
  (await client.request('ids', { kinds: [30001] })).events.map(({ id }) => id)

describe('checkpoints', () => {
  it('[CHK1] stand for every event that they contain, for readers with and without a cursor', async () => {
    const a = await connect(await runServer(), alice)
    const doc = new Y.Doc()
    const events = ['one', 'two', 'three'].map((text) => chatEvent(alice, { update: append(doc, text) }))
    for (const event of events) await accept(a, event)
    const { cursor } = await a.request('early', { kinds: [30001], after: '' })
    const checkpoint = checkpointOf(alice, doc)
    await accept(a, checkpoint)
    expect(await idsOf(a)).toEqual([checkpoint.id])
    expect((await a.request('new', { kinds: [30001], after: '' })).events.map(({ id }) => id)).toEqual([
      checkpoint.id,
    ])
    // Whoever has read everything before learns nothing new by it.
    expect((await a.request('late', { kinds: [30001], after: cursor })).events).toEqual([])
    expect((await a.request('ids', { ids: [events[0]?.id] })).events).toEqual([])
  })

  it('[CHK1][ATK43] leave what they lack anything of, be it a struct or a deletion', async () => {
    const a = await connect(await runServer(), alice)
    const doc = new Y.Doc()
    const first = chatEvent(alice, { update: append(doc, 'stays') })
    const second = chatEvent(alice, { update: append(doc, 'goes') })
    const old = copyOf(whole(doc))
    const deletion = chatEvent(alice, { update: change(doc, (messages) => messages.delete(1, 1)) })
    const third = chatEvent(alice, { update: append(doc, 'not in it') })
    for (const event of [first, second, deletion, third]) await accept(a, event)
    const checkpoint = checkpointOf(alice, old)
    await accept(a, checkpoint)
    const { events } = await a.request('all', { kinds: [30001] })
    expect(events.map(({ id }) => id).sort()).toEqual([checkpoint.id, deletion.id, third.id].sort())
    expect(mergedFrom(events).getArray('messages').toJSON()).toEqual(['stays', 'not in it'])
  })

  it('[CHK1][PERM4] leave the owner’s statement of members, unless they make it themselves', async () => {
    const server = await runServer()
    const [a, b] = [await connect(server, alice), await connect(server, bob)]
    const doc = new Y.Doc()
    const first = chatEvent(alice, { members: membersOf(bob), update: append(doc, 'one') })
    const second = chatEvent(alice, { members: membersOf(bob), update: append(doc, 'two') })
    for (const event of [first, second]) await accept(a, event)
    const bobs = copyOf(whole(doc))
    await accept(b, chatEvent(bob, { owner: alice, update: append(bobs, 'three') }))
    const members = checkpointOf(bob, bobs)
    await accept(b, members)
    expect((await idsOf(a)).sort()).toEqual([second.id, members.id].sort())
    const owners = checkpointOf(alice, bobs, { members: membersOf(bob) })
    await accept(a, owners)
    expect(await idsOf(b)).toEqual([owners.id])
  })

  it('[CHK1] that hang on something missing stand for nothing', async () => {
    const a = await connect(await runServer(), alice)
    const doc = new Y.Doc()
    const updates = ['one', 'two', 'three'].map((text) => append(doc, text))
    for (const update of updates) await accept(a, chatEvent(alice, { update }))
    const gap = Y.mergeUpdates([updates[0], updates[2]] as Uint8Array[])
    await accept(a, chatEvent(alice, { update: gap, checkpoint: true }))
    expect(await idsOf(a)).toHaveLength(4)
  })

  it('[CHK1][REP3][ATK44] in the same batch as what they contain, and twice, leave one', async () => {
    const a = await connect(await runServer(), alice)
    const doc = new Y.Doc()
    const events = ['one', 'two'].map((text) => chatEvent(alice, { update: append(doc, text) }))
    const checkpoints = [checkpointOf(alice, doc), checkpointOf(alice, doc)]
    const answers = await Promise.all([...events, ...checkpoints].map((event) => a.publish(event)))
    expect(answers.every(({ accepted }) => accepted)).toBe(true)
    const last = checkpointOf(alice, doc)
    await accept(a, last)
    expect(await idsOf(a)).toEqual([last.id])
  })

  it('[CHK1][REP6] take nothing from who became a member by an event that they stand for', async () => {
    const server = await runServer()
    const [a, b] = [await connect(server, alice), await connect(server, bob)]
    const { cursor } = await b.request('before', { kinds: [30001], after: '' })
    const doc = new Y.Doc()
    const members = membersOf(bob)
    const first = chatEvent(alice, { update: append(doc, 'one') })
    const other = chatEvent(alice, { update: append(doc, 'two') })
    await accept(a, first)
    await accept(a, other)
    // Shared by an event without content, which any whole state contains.
    await accept(a, chatEvent(alice, { members, update: whole(new Y.Doc()) }))
    const checkpoint = chatEvent(alice, { members, update: whole(new Y.Doc()), checkpoint: true })
    await accept(a, checkpoint)
    const { events } = await b.request('after', { kinds: [30001], after: cursor })
    expect(events.map(({ id }) => id)).toEqual([first.id, other.id, checkpoint.id])
  })

  it('[CHK2] that contradict the document are refused, and nothing is superseded', async () => {
    const a = await connect(await runServer(), alice)
    const doc = new Y.Doc()
    const event = chatEvent(alice, { update: append(doc, 'real') })
    await accept(a, event)
    const other = new Y.Doc()
    other.clientID = doc.clientID
    append(other, 'fake')
    expect((await a.publish(checkpointOf(alice, other))).reason).toMatch(/^invalid: .*contradicts/)
    expect(await idsOf(a)).toEqual([event.id])
  })

  it('[CHK3] superseded events are duplicates when they come again', async () => {
    const server = await runServer()
    const a = await connect(server, alice)
    const doc = new Y.Doc()
    const event = chatEvent(alice, { update: append(doc, 'one') })
    await accept(a, event)
    await accept(a, checkpointOf(alice, doc))
    expect(await a.publish(event)).toMatchObject({
      accepted: true,
      reason: expect.stringMatching(/^duplicate:/),
    })
    expect(await idsOf(a)).toHaveLength(1)
    const { events } = await a.request('address', { '#a': [chatAddressText(alice)] })
    expect(events.length).toBeLessThanOrEqual(1)
  })
})
