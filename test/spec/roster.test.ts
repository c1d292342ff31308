import { createMemoryStore } from '@onyx-sync/client'
import {
  DEFAULT_LIMITS,
  decideRoster,
  EMPTY_ROSTER,
  joinRoster,
  membersOf,
  type Roster,
} from '@onyx-sync/shared'
import { describe, expect, it } from 'vitest'
import { readRoster } from '../../client/src/core/document-records.js'
import { chatAddressText, chatEvent, chatTemplate, sign, testKey } from '../support/events.js'
import { connect, runServer } from '../support/servers.js'
import { clientOf, during, startWorld } from '../support/worlds.js'

const alice = testKey(1)
const bob = testKey(2)
const carol = testKey(3)
type Decided = Parameters<typeof decideRoster>[1][number]['role']

function decided(roster: Roster, at: number, ...decisions: (readonly [typeof bob, Decided])[]): Roster {
  return decideRoster(
    roster,
    decisions.map(([{ publicKey }, role]) => ({ pubkey: publicKey, role })),
    at,
  )
}

describe('who is a member, in which role', () => {
  it('[PERM4] of each key the newest decision counts, in whatever order events arrive', async () => {
    const shared = decided(EMPTY_ROSTER, 1000, [bob, 'write'])
    const sharedWithCarol = decided(EMPTY_ROSTER, 1100, [carol, 'write'])
    const removed = decided(shared, 1200, [bob, 'none'])
    for (const [first, second, third] of [
      [shared, sharedWithCarol, removed],
      [removed, shared, sharedWithCarol],
      [sharedWithCarol, removed, shared],
    ] as const) {
      const server = await runServer()
      const [a, b, c] = [
        await connect(server, alice),
        await connect(server, bob),
        await connect(server, carol),
      ]
      for (const roster of [first, second, third]) await a.publish(chatEvent(alice, { roster }))
      expect((await b.publish(chatEvent(bob, { owner: alice }))).reason).toMatch(/^restricted: .*member/)
      expect((await c.publish(chatEvent(carol, { owner: alice }))).accepted).toBe(true)
    }
  })

  it('[PERM4] an edit of a device that knows of no sharing changes nothing, whatever its clock says', async () => {
    const server = await runServer()
    const [a, b] = [await connect(server, alice), await connect(server, bob)]
    await a.publish(
      chatEvent(alice, { roster: decided(EMPTY_ROSTER, 1000, [bob, 'write']), createdAt: 1000 }),
    )
    await a.publish(chatEvent(alice, { roster: EMPTY_ROSTER, createdAt: 9000 }))
    expect((await b.publish(chatEvent(bob, { owner: alice }))).accepted).toBe(true)
    expect((await b.request('log', { after: '' })).events).toHaveLength(3)
  })

  it('[PERM4] of two decisions of one second the one that allows less counts, in either order', () => {
    const roles = ['none', 'read', 'write'] as const
    for (const [low, less] of roles.entries()) {
      for (const more of roles.slice(low)) {
        const [a, b] = [less, more].map((role) => decided(EMPTY_ROSTER, 1000, [bob, role])) as [
          Roster,
          Roster,
        ]
        const expected = less === 'none' ? [] : [{ pubkey: bob.publicKey, role: less }]
        expect(membersOf(joinRoster(a, { ...b, isDated: true }))).toEqual(expected)
        expect(membersOf(joinRoster(b, { ...a, isDated: true }))).toEqual(expected)
      }
    }
  })

  it('[PERM4] a list without a date replaces what is older, and what is decided later stays', async () => {
    const server = await runServer()
    const [a, b, c] = [await connect(server, alice), await connect(server, bob), await connect(server, carol)]
    const roster = decided(decided(EMPTY_ROSTER, 1000, [bob, 'write']), 3000, [carol, 'read'])
    await a.publish(chatEvent(alice, { roster }))
    await a.publish(chatEvent(alice, { createdAt: 2000 }))
    expect((await b.publish(chatEvent(bob, { owner: alice }))).accepted).toBe(false)
    expect((await c.request('log', {})).events).toHaveLength(2)
    // An older list has no effect.
    await a.publish(
      chatEvent(alice, { createdAt: 1999, members: [{ pubkey: bob.publicKey, role: 'write' }] }),
    )
    expect((await b.request('log', {})).events).toEqual([])
  })

  it('[PERM6] a member with the role read reads, and what it writes is refused', async () => {
    const server = await runServer()
    const [a, b] = [await connect(server, alice), await connect(server, bob)]
    await a.publish(chatEvent(alice, { roster: decided(EMPTY_ROSTER, 1000, [bob, 'read']) }))
    const { events } = await b.request('log', { after: '' })
    expect(events).toHaveLength(1)
    expect(events[0]?.tags).toContainEqual(['p', bob.publicKey, '', 'read', '1000'])
    const { accepted, reason } = await b.publish(chatEvent(bob, { owner: alice }))
    expect([accepted, reason]).toEqual([false, expect.stringMatching(/^restricted: your role .* is "read"/)])
    const checkpoint = await b.publish(chatEvent(bob, { owner: alice, checkpoint: true }))
    expect(checkpoint.reason).toMatch(/^restricted: your role/)
    const part = { group: 'ab'.repeat(8), index: 0, count: 2 }
    expect((await b.publish(chatEvent(bob, { owner: alice, part }))).reason).toMatch(/^restricted: your role/)
  })

  it('[PERM6][S9] a demotion holds at once, on open connections and for parts that wait', async () => {
    const server = await runServer()
    const [a, b] = [await connect(server, alice), await connect(server, bob)]
    const writer = decided(EMPTY_ROSTER, 1000, [bob, 'write'])
    await a.publish(chatEvent(alice, { roster: writer }))
    await b.request('live', { after: '' })
    expect((await b.publish(chatEvent(bob, { owner: alice }))).accepted).toBe(true)
    const part = (index: number) =>
      chatEvent(bob, { owner: alice, part: { group: 'cd'.repeat(8), index, count: 2 } })
    expect((await b.publish(part(0))).accepted).toBe(true)
    const reader = decided(writer, 2000, [bob, 'read'])
    // In one go: what is queued behind the demotion is judged by it.
    const answers = await Promise.all([
      a.publish(chatEvent(alice, { roster: reader })),
      a.settle().then(() => b.publish(part(1))),
    ])
    expect(answers[1]?.reason).toMatch(/^restricted: your role/)
    expect((await b.publish(chatEvent(bob, { owner: alice }))).reason).toMatch(/^restricted: your role/)
    await a.publish(chatEvent(alice, { roster: reader }))
    await b.settle()
    // It goes on reading.
    expect(b.eventsOf('live')).toHaveLength(4)
    await a.publish(chatEvent(alice, { roster: decided(reader, 3000, [bob, 'write']) }))
    expect((await b.publish(chatEvent(bob, { owner: alice }))).accepted).toBe(true)
  })

  it('[EVT5] an unknown role, a time that is none and too many keys are refused by name', async () => {
    const a = await connect(await runServer({ limits: { maxMembers: 2 } }), alice)
    const publish = (...tags: string[][]) => {
      const template = chatTemplate(alice, { roster: EMPTY_ROSTER })
      const others = template.tags.filter(([name]) => name !== 'members_at')
      return a.publish(sign(alice, { ...template, tags: [...others, ...tags] }))
    }
    const at = ['members_at', '5']
    const { publicKey } = bob
    expect((await publish(at, ['p', publicKey, '', 'admin', '6'])).reason).toMatch(/^invalid: .*"admin"/)
    expect((await publish(at, ['p', publicKey, '', 'read', 'x'])).reason).toMatch(/^invalid: .*seconds/)
    expect((await publish(at, ['p', publicKey, '', 'read', '4'])).reason).toMatch(/^invalid: .*older/)
    expect((await publish(at, ['removed', 'x', '6'])).reason).toMatch(/^invalid: .*removed tag/)
    expect((await publish(at, at)).reason).toMatch(/^invalid: .*at most once/)
    expect((await publish(['members_at', '-1'])).reason).toMatch(/^invalid: .*seconds/)
    const key = (n: number, second: string) => ['p', testKey(n).publicKey, '', 'read', second]
    expect((await publish(at, key(2, '6'), key(3, '6'), key(4, '6'))).reason).toMatch(/^invalid: .*at most 2/)
    // Nor by several events.
    expect((await publish(at, key(2, '6'), key(3, '6'))).accepted).toBe(true)
    expect((await publish(at, key(4, '6'))).reason).toMatch(/^invalid: .*at most 2/)
    expect((await publish(at, ['removed', testKey(3).publicKey, '7'])).accepted).toBe(true)
  })

  it('[CHK1] events that say who the members are outlive a checkpoint that doesn’t', async () => {
    const server = await runServer()
    const [a, b, c] = [await connect(server, alice), await connect(server, bob), await connect(server, carol)]
    await a.publish(chatEvent(alice, { roster: decided(EMPTY_ROSTER, 1000, [bob, 'write']), text: 'x' }))
    await a.publish(chatEvent(alice, { roster: decided(EMPTY_ROSTER, 1001, [carol, 'write']), text: 'y' }))
    const { update } = await mergedOf(a)
    await b.publish(chatEvent(bob, { owner: alice, update, checkpoint: true }))
    expect((await c.request('log', { states: false, after: '' })).events).toHaveLength(3)
    // Two devices shared at the same time: whoever knows both says both.
    const both = decided(decided(EMPTY_ROSTER, 1000, [bob, 'write']), 1001, [carol, 'write'])
    await a.publish(chatEvent(alice, { update, checkpoint: true, roster: both }))
    expect((await c.request('again', { states: false, after: '' })).events).toHaveLength(1)
    expect((await b.publish(chatEvent(bob, { owner: alice }))).accepted).toBe(true)
  })
})

/** The address of the phone's chat. */
function osloOf(world: Awaited<ReturnType<typeof startWorld>>): string {
  return `30001:${clientOf(world, 'phone').pubkey}:oslo`
}

describe('sharing on devices', () => {
  const CAST = { ada: ['phone', 'laptop'], ben: ['desk'], cleo: ['tablet'] }

  it('[PERM4] two devices that share at the same time, offline, both let somebody in', async () => {
    const world = await startWorld('concurrent', CAST)
    const [phone, laptop] = [clientOf(world, 'phone'), clientOf(world, 'laptop')]
    await during(world, phone.chats.create({ id: 'oslo' }))
    await world.advance(5_000)
    for (const name of ['phone', 'laptop']) world.network.setOnline(name, false)
    await during(world, phone.chats.share('oslo', clientOf(world, 'desk').pubkey))
    await world.advance(60_000)
    await during(world, laptop.chats.share('oslo', clientOf(world, 'tablet').pubkey, { role: 'read' }))
    for (const name of ['laptop', 'phone']) {
      world.network.setOnline(name, true)
      await world.advance(30_000)
    }
    await world.advance(60_000)
    const expected = [
      { pubkey: clientOf(world, 'desk').pubkey, role: 'write' },
      { pubkey: clientOf(world, 'tablet').pubkey, role: 'read' },
    ].sort((a, b) => (a.pubkey < b.pubkey ? -1 : 1))
    for (const client of [phone, laptop]) expect(client.chats.members('oslo')).toEqual(expected)
    const chat = osloOf(world)
    for (const name of ['desk', 'tablet']) expect(clientOf(world, name).chats.members(chat)).toEqual(expected)
  })

  it('[PERM4] a device that was away undoes neither a sharing nor a removal by editing', async () => {
    const world = await startWorld('unaware', CAST)
    const [phone, laptop] = [clientOf(world, 'phone'), clientOf(world, 'laptop')]
    const [ben, cleo] = [clientOf(world, 'desk').pubkey, clientOf(world, 'tablet').pubkey]
    await during(world, phone.chats.create({ id: 'oslo' }))
    await during(world, phone.chats.share('oslo', cleo))
    await world.advance(10_000)
    world.network.setOnline('laptop', false)
    await during(world, phone.chats.share('oslo', ben))
    await during(world, phone.chats.unshare('oslo', cleo))
    await world.advance(60_000)
    await during(world, laptop.chats.rename('oslo', 'edited later, and unaware'))
    await world.advance(1_000)
    world.network.setOnline('laptop', true)
    await world.advance(60_000)
    for (const client of [phone, laptop])
      expect(client.chats.members('oslo')).toEqual([{ pubkey: ben, role: 'write' }])
    const [record] = await world.serverDisk.contents.documents([osloOf(world)])
    expect(record?.members).toEqual([{ pubkey: ben, role: 'write' }])
  })

  it('[PERM7] a device that knows it may only read refuses an edit; one that doesn’t shows it as refused', async () => {
    const world = await startWorld('roles', CAST)
    const [phone, desk] = [clientOf(world, 'phone'), clientOf(world, 'desk')]
    const chat = osloOf(world)
    await during(world, phone.chats.create({ id: 'oslo', title: 'Trip' }))
    await during(world, phone.chats.share('oslo', desk.pubkey))
    await world.advance(10_000)
    world.network.setOnline('desk', false)
    await during(world, phone.chats.share('oslo', desk.pubkey, { role: 'read' }))
    await during(world, desk.chats.send(chat, 'from the tunnel'))
    await world.advance(10_000)
    world.network.setOnline('desk', true)
    await world.advance(60_000)
    expect(desk.refused()).toMatchObject([
      { lane: chat, reason: expect.stringMatching(/^restricted: your role/) },
    ])
    expect(desk.status).toMatchObject({ unsent: 0, refused: 1 })
    for (const attempt of [
      () => desk.chats.send(chat, 'again'),
      () => desk.chats.rename(chat, 'Mine'),
      () => desk.chats.stream(chat),
      () => desk.chats.delete(chat),
    ]) {
      await expect(during<unknown>(world, attempt())).rejects.toMatchObject({ code: 'WRITE_RESTRICTED' })
    }
    expect(await during(world, desk.chats.read(chat))).toMatchObject({ title: 'Trip' })
    await during(world, phone.chats.share('oslo', desk.pubkey))
    await world.advance(60_000)
    expect(desk.status).toMatchObject({ unsent: 0, refused: 0 })
    expect(await during(world, phone.chats.read('oslo'))).toMatchObject({
      messages: [{ content: 'from the tunnel' }],
    })
  })

  it('[PERM7] an open chat refuses to be edited from when its device knows that it may only read', async () => {
    const world = await startWorld('open handles', CAST)
    const [phone, desk] = [clientOf(world, 'phone'), clientOf(world, 'desk')]
    const address = osloOf(world)
    await during(world, phone.chats.create({ id: 'oslo', title: 'Trip' }))
    await during(world, phone.chats.share('oslo', desk.pubkey))
    await world.advance(10_000)
    const chat = await during(world, desk.chats.open(address))
    const { id } = await during(world, chat.send('while it could'))
    await world.advance(10_000)
    await during(world, phone.chats.share('oslo', desk.pubkey, { role: 'read' }))
    await world.advance(10_000)
    const before = JSON.stringify(chat.doc)
    for (const attempt of [
      () => chat.send('again'),
      () => chat.edit(id, 'other'),
      () => chat.update(id, { rating: 1 }),
      () => chat.setTool(id, { id: 'call', name: 'look' }),
      () => chat.deleteMessage(id),
      () => chat.clear(),
      () => chat.rename('Mine'),
      () => chat.suggestTitle('Mine'),
      () => chat.setModel('other'),
      () => chat.archive(true),
      () => chat.delete(),
      () => chat.restore(),
      () => chat.undo(),
      () => chat.redo(),
      async () => chat.stream(),
    ])
      await expect(during<unknown>(world, attempt())).rejects.toMatchObject({ code: 'WRITE_RESTRICTED' })
    expect(JSON.stringify(chat.doc)).toBe(before)
    expect(desk.status).toMatchObject({ unsent: 0, refused: 0 })
    // What is only of this device is nobody else's to allow.
    await during(world, chat.setDraft('to be said some day'))
    await during(world, chat.markRead())
    await during(world, phone.chats.share('oslo', desk.pubkey))
    await world.advance(10_000)
    await during(world, chat.send('and again'))
    await world.advance(10_000)
    expect((await during(world, phone.chats.read('oslo'))).messages).toHaveLength(2)
    chat.release()
  })

  it('[PERM7] only the owner shares, with keys that are keys, and in roles that there are', async () => {
    const world = await startWorld('checks', CAST)
    const [phone, desk] = [clientOf(world, 'phone'), clientOf(world, 'desk')]
    await during(world, phone.chats.create({ id: 'oslo' }))
    await during(world, phone.chats.share('oslo', desk.pubkey))
    await world.advance(10_000)
    const chat = osloOf(world)
    const wrong = { code: 'VALUE_INVALID' }
    await expect(desk.chats.share(chat, carol.publicKey)).rejects.toMatchObject(wrong)
    await expect(phone.chats.share('oslo', phone.pubkey)).rejects.toMatchObject(wrong)
    for (const key of ['ben', '', undefined, null, 7])
      await expect(phone.chats.share('oslo', key as string)).rejects.toMatchObject(wrong)
    const role = 'admin' as 'read'
    await expect(phone.chats.share('oslo', desk.pubkey, { role })).rejects.toMatchObject(wrong)
    await expect(phone.chats.unshare('nowhere', desk.pubkey)).rejects.toMatchObject({
      code: 'DOCUMENT_NOT_FOUND',
    })
  })

  it('[PERM4] what an older version of a device kept is a list, as old as its statement', async () => {
    const store = createMemoryStore()
    const kept = {
      address: chatAddressText(alice),
      members: JSON.stringify([{ pubkey: bob.publicKey, extra: ['wss://x'] }]),
      membersStatedAt: 1000,
      ownWriters: '[]',
      logBytes: 0,
      checkpointBytes: 0,
      body: 'held',
    } as const
    await store.commit({ documents: [kept] })
    const [stored] = await store.loadDocuments()
    const roster = readRoster(stored as typeof kept)
    expect(roster).toEqual({
      baseAt: 1000,
      entries: [{ pubkey: bob.publicKey, role: 'write', at: 1000, relay: 'wss://x' }],
    })
    expect(DEFAULT_LIMITS.maxMembers).toBeLessThan(DEFAULT_LIMITS.maxTags)
  })
})

async function mergedOf(client: Awaited<ReturnType<typeof connect>>) {
  const { decodeUpdateEvent, mergeUpdates } = await import('@onyx-sync/shared')
  const { events } = await client.request('all', { kinds: [30001] })
  const updates = events.map((event) => decodeUpdateEvent(event, DEFAULT_LIMITS).framed.update)
  return { update: mergeUpdates(updates) }
}
