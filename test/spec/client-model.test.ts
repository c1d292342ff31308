import { createMemoryStore, type Message, type SyncStore } from '@onyx-sync/client'
import { describe, expect, it } from 'vitest'
import * as Y from 'yjs'
import { chatAddressText, testKey } from '../support/events.js'
import { countingLoads, openOffline, shows, textsIn } from '../support/offline.js'
import { clientOf, during, serverEvents, startWorld } from '../support/worlds.js'

const owner = testKey(1)

describe('a chat that is open', () => {
  it('[MOD1] shows an edit before the call returns, and has it on disk when its promise resolves', async () => {
    const { client, store } = await openOffline()
    await client.chats.create({ id: 'chat', title: 'Oslo' })
    const chat = await client.chats.open('chat')
    expect(chat).toMatchObject({ id: 'chat', address: chatAddressText(owner), owner: owner.publicKey })
    let calls = 0
    chat.subscribe(() => calls++)
    const before = chat.messages
    const sent = chat.send('hello')
    expect(chat.messages.map(({ content }) => content)).toEqual(['hello'])
    expect(before).toEqual([])
    expect(chat.messages).toBe(chat.messages)
    expect(calls).toBe(1)
    const { id } = await sent
    expect(await store.loadRows('messages')).toMatchObject([{ content: 'hello' }])

    const [first] = chat.messages
    await chat.send('more')
    expect(chat.messages[0]).toBe(first)
    await chat.edit(id, 'hello there')
    expect(chat.messages[0]).not.toBe(first)
    expect(chat.messages[0]).toMatchObject({ content: 'hello there', editedAt: expect.any(Number) })
    await chat.rename('Bergen')
    expect(chat.title).toBe('Bergen')
    await chat.archive(true)
    await chat.delete()
    expect(chat).toMatchObject({ isArchived: true, isDeleted: true })
    await chat.restore()
    expect(chat.isDeleted).toBe(false)
    await chat.deleteMessage(id)
    expect(chat.messages.map(({ content }) => content)).toEqual(['more'])
    await expect(chat.edit(id, 'x')).rejects.toMatchObject({ code: 'MESSAGE_NOT_FOUND' })
    chat.release()
    await expect(chat.send('x')).rejects.toMatchObject({ code: 'VALUE_INVALID' })
    expect(() => chat.stream()).toThrow(/released/)
  })

  it('[MOD1] streams without waiting, also when it is released meanwhile', async () => {
    const { client, clock } = await openOffline()
    await client.chats.create({ id: 'chat' })
    const chat = await client.chats.open('chat')
    const reply = chat.stream({ role: 'assistant' })
    expect(chat.messages).toMatchObject([{ id: reply.id, status: 'streaming', content: '' }])
    await reply.started
    reply.push('one ')
    chat.release()
    await clock.advance(100)
    reply.push('two')
    expect(await reply.complete()).toMatchObject({ content: 'one two', status: 'complete' })
    const again = await client.chats.open('chat')
    expect(() => again.stream({ id: reply.id })).toThrow(/already/)
    expect(again.messages).toHaveLength(1)
  })

  it('[MOD2] deletes all messages at once, and what comes later stays', async () => {
    const { client } = await openOffline()
    await client.chats.create({ id: 'chat' })
    await client.chats.clear('chat')
    for (const text of ['a', 'b']) await client.chats.send('chat', text)
    await client.chats.clear('chat')
    await client.chats.send('chat', 'c')
    expect(await textsIn(client, 'chat')).toEqual(['c'])
  })

  it('[MOD3] a title that was made up never replaces the one of the user', async () => {
    const { client } = await openOffline()
    await client.chats.create({ id: 'chat' })
    await client.chats.suggestTitle('chat', 'About packing')
    await client.chats.suggestTitle('chat', 'About Oslo')
    expect(await client.chats.list()).toMatchObject([{ title: 'About Oslo', titleSource: 'auto' }])
    await client.chats.rename('chat', 'Holidays')
    await client.chats.suggestTitle('chat', 'About weather')
    expect(await client.chats.list()).toMatchObject([{ title: 'Holidays', titleSource: 'user' }])
  })
})

describe('what is in a message', () => {
  const large = { summary: 'a file', content: 'x'.repeat(265_000) }

  it('[MOD4] a tool call goes from its first letters to a result of 265 KB, and comes to another device', async () => {
    const world = await startWorld('tools', { ada: ['phone', 'laptop'] })
    const phone = clientOf(world, 'phone')
    await during(world, phone.chats.create({ id: 'chat' }))
    const chat = await during(world, phone.chats.open('chat'))
    const reply = chat.stream()
    reply.pushReasoning('let me ')
    reply.pushReasoning('look')
    reply.tool({ id: 'call-1', name: 'view_file', state: 'partial-call', args: 'pa' })
    await world.advance(200)
    expect(chat.messages[0]).toMatchObject({
      reasoning: 'let me look',
      tools: [{ id: 'call-1', name: 'view_file', state: 'partial-call', status: 'pending', args: 'pa' }],
    })
    reply.tool({ id: 'call-1', state: 'call', args: { path: 'README.md' } })
    reply.tool({ id: 'call-2', name: 'search', args: { query: 'x' } })
    await world.advance(200)
    reply.tool({ id: 'call-1', result: large })
    reply.tool({ id: 'call-2', state: 'result', status: 'failed', result: 'not found', retries: 2 })
    reply.push('Here it is.')
    const ended = await during(
      world,
      reply.complete({ finishReason: 'stop', usage: { totalTokens: 12 }, fields: { conversationId: 'c1' } }),
    )
    const expected = {
      content: 'Here it is.',
      reasoning: 'let me look',
      status: 'complete',
      finishReason: 'stop',
      usage: { totalTokens: 12 },
      conversationId: 'c1',
      tools: [
        {
          id: 'call-1',
          name: 'view_file',
          state: 'result',
          status: 'completed',
          args: { path: 'README.md' },
          result: large,
        },
        {
          id: 'call-2',
          name: 'search',
          state: 'result',
          status: 'failed',
          args: { query: 'x' },
          result: 'not found',
          retries: 2,
        },
      ],
    }
    expect(ended).toMatchObject(expected)
    await world.advance(10_000)
    expect(await clientOf(world, 'laptop').chats.message('chat', reply.id)).toEqual(ended)
    chat.release()
  })

  it('[MOD4] two devices that add calls to one message offline keep both', async () => {
    const world = await startWorld('tools apart', { ada: ['phone', 'laptop'] })
    const phone = clientOf(world, 'phone')
    const laptop = clientOf(world, 'laptop')
    await during(world, phone.chats.create({ id: 'chat' }))
    const { id } = await during(world, phone.chats.send('chat', 'look', { role: 'assistant' }))
    await world.advance(10_000)
    phone.disconnect()
    laptop.disconnect()
    await during(world, phone.chats.setTool('chat', id, { id: 'a', name: 'one' }))
    await during(world, laptop.chats.setTool('chat', id, { id: 'b', name: 'two', result: [1] }))
    phone.connect()
    laptop.connect()
    await world.advance(20_000)
    const shown = await phone.chats.message('chat', id)
    expect(shown.tools).toMatchObject([
      { id: 'a', state: 'call' },
      { id: 'b', state: 'result', result: [1] },
    ])
    expect(await laptop.chats.message('chat', id)).toEqual(shown)
  })

  it('[MOD4] what is no tool call is refused, and changes nothing', async () => {
    const { client } = await openOffline()
    await client.chats.create({ id: 'chat' })
    const { id } = await client.chats.send('chat', 'x')
    for (const call of [
      { id: '', name: 'x' },
      { id: 'a' },
      { id: 'a', name: 'x', state: 'done' as 'call' },
      { id: 'a', name: 'x', status: 'ok' as 'failed' },
      { id: 'a', name: 'x', result: 'x'.repeat(524_289) },
      { id: 'a', name: 'x', args: 1n as unknown as number },
    ]) {
      await expect(client.chats.setTool('chat', id, call)).rejects.toMatchObject({ code: 'VALUE_INVALID' })
    }
    expect(await client.chats.message('chat', id)).not.toHaveProperty('tools')
    const chat = await client.chats.open('chat')
    expect(() => chat.stream().tool({ id: 'a' })).toThrow(/name/)
  })

  it('[MOD5] fields of the app’s own are set, removed, and carried along by devices that do not know them', async () => {
    const { client } = await openOffline()
    await client.chats.create({ id: 'chat' })
    const { id } = await client.chats.send('chat', 'x', {
      createdAt: 17,
      reasoning: 'why',
      finishReason: 'stop',
      usage: { tokens: 1 },
      tools: [{ id: 't', name: 'look', result: 1 }],
      fields: { pinned: true, nested: { a: [1] } },
    })
    await client.chats.update('chat', id, { pinned: null, mood: 'good', status: 'error' })
    await client.chats.edit('chat', id, 'y')
    expect(await client.chats.message('chat', id)).toMatchObject({
      content: 'y',
      createdAt: 17,
      reasoning: 'why',
      finishReason: 'stop',
      usage: { tokens: 1 },
      nested: { a: [1] },
      mood: 'good',
      status: 'error',
      tools: [{ id: 't', name: 'look', state: 'result', status: 'completed', result: 1 }],
    })
    expect(await client.chats.message('chat', id)).not.toHaveProperty('pinned')
    for (const key of ['id', 'content', 'role', 'tools', 'tool:x', 'device'])
      await expect(client.chats.update('chat', id, { [key]: 'x' })).rejects.toMatchObject({
        code: 'VALUE_INVALID',
      })
  })

  it('[MOD6][C18] keys and tokens in what tools say are left out, on the way and on disk', async () => {
    const world = await startWorld('secrets', { ada: ['phone'] })
    const phone = clientOf(world, 'phone')
    const token = `ghp_${'a1B2'.repeat(9)}`
    await during(world, phone.chats.create({ id: 'chat' }))
    const chat = await during(world, phone.chats.open('chat'))
    const reply = chat.stream()
    reply.tool({ id: 'c', name: 'git', args: { url: `https://${token}@host/`, accessToken: 'plain words' } })
    reply.tool({ id: 'c', result: [`Authorization: Bearer ${'q'.repeat(30)}`, 'fine'] })
    await during(world, reply.complete({ fields: { note: token } }))
    expect((await phone.chats.message('chat', reply.id)).tools).toMatchObject([
      {
        args: { url: 'https://[secret removed]@host/', accessToken: '[secret removed]' },
        result: ['Authorization: [secret removed]', 'fine'],
      },
    ])
    await world.advance(10_000)
    const store = world.devices[0]?.disk.contents as SyncStore
    const rows = JSON.stringify(await store.loadRows('messages'))
    const log = (await store.loadUpdates(chat.address)).map(({ update }) =>
      Buffer.from(update).toString('latin1'),
    )
    const events = await serverEvents(world.serverDisk.contents)
    const sent = events.map(({ content }) => Buffer.from(content, 'base64').toString('latin1'))
    expect(events.length).toBeGreaterThan(0)
    for (const text of [rows, ...log, ...sent]) {
      expect(text).not.toContain(token)
      expect(text).not.toContain('plain words')
    }
  })
})

describe('editing at the same time', () => {
  /** What two devices do offline, and what both show then. */
  async function apart(
    seed: string,
    here: (chats: ReturnType<typeof clientOf>['chats'], message: Message) => Promise<unknown>,
    there: (chats: ReturnType<typeof clientOf>['chats'], message: Message) => Promise<unknown>,
  ) {
    const world = await startWorld(seed, { ada: ['phone', 'laptop'] })
    const phone = clientOf(world, 'phone')
    const laptop = clientOf(world, 'laptop')
    await during(world, phone.chats.create({ id: 'chat', title: 'before' }))
    const message = await during(world, phone.chats.send('chat', 'one two three', { id: 'm' }))
    await world.advance(10_000)
    phone.disconnect()
    laptop.disconnect()
    await during(world, here(phone.chats, message))
    await during(world, there(laptop.chats, message))
    phone.connect()
    laptop.connect()
    await world.advance(20_000)
    const shown = await phone.chats.read('chat')
    const { unreadCount: _, ...same } = shown
    expect(await laptop.chats.read('chat')).toMatchObject(same)
    return shown
  }

  it('[MOD7] a chat deleted here and written to there stays deleted, and has the message when it is restored', async () => {
    const shown = await apart(
      'delete, append',
      (chats) => chats.delete('chat'),
      (chats) => chats.send('chat', 'late'),
    )
    expect(shown.deletedAt).toEqual(expect.any(Number))
    expect(shown.messages.map(({ content }) => content)).toEqual(['one two three', 'late'])
  })

  it('[MOD7] a message deleted here and edited there is gone; one appended while others are cleared stays', async () => {
    const gone = await apart(
      'delete, edit',
      (chats) => chats.deleteMessage('chat', 'm'),
      (chats) => chats.edit('chat', 'm', 'one two four'),
    )
    expect(gone.messages).toEqual([])
    const cleared = await apart(
      'clear, append',
      (chats) => chats.clear('chat'),
      (chats) => chats.send('chat', 'late'),
    )
    expect(cleared.messages.map(({ content }) => content)).toEqual(['late'])
  })

  it('[MOD7] of two titles one is shown on all devices', async () => {
    const shown = await apart(
      'rename, rename',
      (chats) => chats.rename('chat', 'phone'),
      (chats) => chats.rename('chat', 'laptop'),
    )
    expect(['phone', 'laptop']).toContain(shown.title)
  })

  it('[MOD7] two edits of one message both show, where they do not touch the same words', async () => {
    const shown = await apart(
      'edit, edit',
      (chats) => chats.edit('chat', 'm', 'ONE two three'),
      (chats) => chats.edit('chat', 'm', 'one two three four'),
    )
    expect(shown.messages[0]?.content).toBe('ONE two three four')
  })

  it('[MOD7] of two values of one field one is shown on all devices, and different fields both are', async () => {
    const shown = await apart(
      'update, update',
      (chats) => chats.update('chat', 'm', { mood: 'good', here: 1 }),
      (chats) => chats.update('chat', 'm', { mood: 'bad', there: 2 }),
    )
    expect(shown.messages[0]).toMatchObject({ here: 1, there: 2, mood: expect.stringMatching(/good|bad/) })
  })
})

describe('what only one device knows', () => {
  it('[MOD8] a draft is kept over a restart, and never sent', async () => {
    const world = await startWorld('drafts', { ada: ['phone', 'laptop'] })
    const phone = clientOf(world, 'phone')
    await during(world, phone.chats.create({ id: 'chat' }))
    const chat = await during(world, phone.chats.open('chat'))
    await during(world, chat.setDraft('half a sent'))
    expect(chat.draft).toBe('half a sent')
    await world.advance(10_000)
    expect(await clientOf(world, 'laptop').chats.list()).toMatchObject([{ draft: '' }])
    const events = await serverEvents(world.serverDisk.contents)
    expect(events).toHaveLength(1)
    world.devices[0]?.crash()
    world.devices[0]?.start()
    await world.advance(10_000)
    expect(await clientOf(world, 'phone').chats.list()).toMatchObject([{ draft: 'half a sent' }])
  })

  it('[MOD9] unread is what came since: not on a new device, nor what one sent oneself', async () => {
    const world = await startWorld('unread', { ada: ['phone'] })
    const phone = clientOf(world, 'phone')
    await during(world, phone.chats.create({ id: 'chat' }))
    for (const text of ['a', 'b']) await during(world, phone.chats.send('chat', text))
    expect(await phone.chats.list()).toMatchObject([{ messageCount: 2, unreadCount: 0 }])
    await world.advance(5_000)
    const laptop = world.addDevice('laptop', 'ada')
    laptop.start()
    await world.advance(10_000)
    expect(await clientOf(world, 'laptop').chats.list()).toMatchObject([{ unreadCount: 0 }])

    const reply = await during(world, phone.chats.stream('chat'))
    reply.push('answer')
    await during(world, reply.complete())
    await during(world, phone.chats.create({ id: 'new' }))
    await during(world, phone.chats.send('new', 'x'))
    expect(await phone.chats.list()).toMatchObject([{ unreadCount: 0 }, { id: 'chat', unreadCount: 1 }])
    await world.advance(10_000)
    const chats = () => clientOf(world, 'laptop').chats
    expect(await chats().list()).toMatchObject([
      { id: 'new', unreadCount: 1 },
      { id: 'chat', unreadCount: 1 },
    ])
    await during(world, chats().markRead('chat'))
    laptop.crash()
    laptop.start()
    await world.advance(10_000)
    expect(await chats().list()).toMatchObject([
      { id: 'new', unreadCount: 1 },
      { id: 'chat', unreadCount: 0 },
    ])
    expect(await phone.chats.list()).toMatchObject([{ id: 'new' }, { id: 'chat', unreadCount: 1 }])
  })
})

describe('views', () => {
  it('[MOD10] the list follows edits, drafts and what was read, and loads no document', async () => {
    const { client, store } = await openOffline()
    for (const id of ['a', 'b']) await client.chats.create({ id, title: id })
    await client.flush()
    const counted = countingLoads({ ...store })
    const again = await openOffline({ store: counted.store, seed: 'again' })
    const view = again.client.chats.watch({ includeArchived: false })
    expect(view.getSnapshot()).toBeUndefined()
    view.subscribe(() => {})
    const listed = await shows(view)
    expect(listed.map(({ id }) => id)).toEqual(['a', 'b'])
    expect(counted.loads).toEqual([])
    expect(view.getSnapshot()).toBe(listed)

    await again.clock.advance(1_000)
    await again.client.chats.send('b', 'x')
    const moved = await shows(view, ([first]) => first?.id === 'b')
    expect(moved[1]).toBe(listed[0])
    await again.client.chats.setDraft('a', 'half')
    await shows(view, (chats) => chats[1]?.draft === 'half')
    await again.client.chats.archive('a', true)
    expect((await shows(view, ({ length }) => length === 1)).map(({ id }) => id)).toEqual(['b'])
    await again.client.chats.delete('b')
    await shows(view, ({ length }) => length === 0)
  })

  it('[MOD10] a view that nobody looks at rests, and is up to date for the next one', async () => {
    const { client } = await openOffline()
    await client.chats.create({ id: 'a' })
    const view = client.chats.watch()
    let calls = 0
    const stop = view.subscribe(() => calls++)
    const stopSame = view.subscribe(() => calls++)
    await shows(view)
    stopSame()
    stop()
    const heard = calls
    await client.chats.rename('a', 'later')
    expect(calls).toBe(heard)
    expect((await shows(view, ([chat]) => chat?.title === 'later'))[0]?.title).toBe('later')
    expect(await view.load()).toMatchObject([{ title: 'later' }])
  })

  it('[MOD11] a window shows the newest messages, grows with the chat, and reaches back on demand', async () => {
    const { client, store } = await openOffline()
    await client.chats.create({ id: 'chat' })
    const chat = await client.chats.open('chat')
    for (let index = 0; index < 10; index++) await chat.send(`${index}`, { id: `m${index}` })
    await client.flush()
    const counted = countingLoads({ ...store })
    const again = await openOffline({ store: counted.store, seed: 'again' })
    const view = again.client.chats.messages('chat', { last: 3 })
    const first = await shows(view)
    expect(first).toMatchObject({ start: 7, total: 10 })
    expect(first.messages.map(({ content }) => content)).toEqual(['7', '8', '9'])
    expect(counted.loads).toEqual([])
    view.loadOlder(4)
    const more = await shows(view, ({ start }) => start === 3)
    expect(more.messages).toHaveLength(7)
    expect(more.messages[6]).toBe(first.messages[2])
    await again.client.chats.send('chat', '10')
    const grown = await shows(view, ({ total }) => total === 11)
    expect(grown.messages.map(({ content }) => content)).toEqual(['3', '4', '5', '6', '7', '8', '9', '10'])
    await again.client.chats.edit('chat', 'm9', 'nine')
    await shows(view, ({ messages }) => messages[6]?.content === 'nine')
    view.loadOlder(100)
    expect((await shows(view, ({ start }) => start === 0)).messages).toHaveLength(11)
    await again.client.chats.clear('chat')
    await shows(view, ({ total, messages }) => total === 0 && messages.length === 0)
    for (const last of [0, 1.5, -1])
      expect(() => again.client.chats.messages('chat', { last })).toThrow(/whole number/)
    expect(() => again.client.chats.messages('nowhere')).toThrow(/no chat/)
  })

  it('[MOD11] a window is right also where it is read twice at once, and the chat changes in between', async () => {
    const memory = createMemoryStore()
    let open = () => {}
    let gate: Promise<void> | undefined
    const store: SyncStore = {
      ...memory,
      async loadMessages(address, range) {
        await gate
        return memory.loadMessages(address, range)
      },
    }
    const { client, clock } = await openOffline({ store })
    await client.chats.create({ id: 'chat' })
    await client.chats.send('chat', 'hello')
    const view = client.chats.messages('chat', { last: 3 })
    gate = new Promise((resolve) => {
      open = resolve
    })
    const first = view.load()
    await clock.settle()
    await client.chats.clear('chat')
    const second = view.load()
    await clock.settle()
    open()
    expect((await first).start).toBe(0)
    expect(await second).toMatchObject({ start: 0, total: 0, messages: [] })
  })

  it('[MOD11] a window around a place stays there, reaches both ways, and follows from the end on', async () => {
    const { client } = await openOffline()
    await client.chats.create({ id: 'chat' })
    const empty = client.chats.messages('chat', { last: 4, around: 9 })
    expect(await shows(empty)).toMatchObject({ messages: [], start: 0, total: 0, isHeld: true })
    const chat = await client.chats.open('chat')
    for (let index = 0; index < 20; index++) await chat.send(`${index}`, { id: `m${index}` })
    const view = client.chats.messages('chat', { last: 4, around: 9 })
    const places = (window: { messages: readonly { id: string }[] }) => window.messages.map(({ id }) => id)
    expect(places(await shows(view))).toEqual(['m7', 'm8', 'm9', 'm10'])
    await chat.deleteMessage('m1')
    expect(await shows(view, ({ total }) => total === 19)).toMatchObject({ start: 6 })
    expect(places(view.getSnapshot() as never)).toEqual(['m7', 'm8', 'm9', 'm10'])
    // What comes in between, such as another device's from while it was offline, pushes nothing out.
    await client.chats.restoreMessage('chat', { ...(chat.messages[0] as Message), id: 'between' }, 'm8')
    expect(places(await shows(view, ({ total }) => total === 20))).toEqual([
      ...['m7', 'm8', 'between', 'm9', 'm10'],
    ])
    await chat.deleteMessage('between')
    expect(places(await shows(view, ({ total }) => total === 19))).toEqual(['m7', 'm8', 'm9', 'm10', 'm11'])
    view.loadNewer(1)
    expect(places(await shows(view, ({ messages }) => messages.length === 6))).toContain('m12')
    view.loadOlder(1)
    expect(places(await shows(view, ({ start }) => start === 5))[0]).toBe('m6')
    // The first ones that are shown go: the next takes their place, and nothing before it comes in.
    await chat.deleteMessage('m6')
    await chat.deleteMessage('m7')
    expect(places(await shows(view, ({ total }) => total === 17))[0]).toBe('m8')
    view.loadNewer(100)
    await shows(view, ({ start, messages, total }) => start + messages.length === total)
    await chat.send('20', { id: 'm20' })
    await shows(view, ({ messages }) => messages[messages.length - 1]?.id === 'm20')
    for (const around of [-1, 0.5, Number.NaN])
      expect(() => client.chats.messages('chat', { around })).toThrow(/place in a chat/)
    expect(places(await shows(client.chats.messages('chat', { last: 3, around: 1_000 })))).toEqual([
      'm18',
      'm19',
      'm20',
    ])
  })

  it('[MOD10] a view says why it can not be read, keeps what it had, and is read again with the next change', async () => {
    const memory = createMemoryStore()
    let isBroken = true
    const store: SyncStore = {
      ...memory,
      loadRows: (table, where) =>
        isBroken && table === 'settings'
          ? Promise.reject(new Error('the disk is gone'))
          : memory.loadRows(table, where),
    }
    const { client } = await openOffline({ store })
    const view = client.settings.watch()
    await shows({ subscribe: view.subscribe, getSnapshot: view.getError })
    expect(view.getError()).toMatchObject({ code: 'STORE_FAILED' })
    expect(view.getSnapshot()).toBeUndefined()
    isBroken = false
    const stop = view.subscribe(() => {})
    await client.settings.set('a', 1)
    await shows(view, ({ preferences }) => preferences.a === 1)
    expect(view.getError()).toBeUndefined()
    stop()
  })

  it('[MOD10] a view shows what it has read though something changes meanwhile, and reads that next', async () => {
    const memory = createMemoryStore()
    const readings: { end(): void; fail(): void }[] = []
    const store: SyncStore = {
      ...memory,
      async loadRows(table, where) {
        const rows = await memory.loadRows(table, where)
        if (table !== 'settings') return rows
        return new Promise((resolve, reject) => {
          readings.push({ end: () => resolve(rows), fail: () => reject(new Error('the disk is gone')) })
        })
      },
    }
    const { client, clock } = await openOffline({ store })
    const view = client.settings.watch()
    const error = { subscribe: view.subscribe, getSnapshot: view.getError }
    const stop = view.subscribe(() => {})
    const reading = async (index: number) => {
      while (readings[index] === undefined) await clock.settle()
      return readings[index]
    }
    const first = await reading(0)
    await client.settings.set('a', 1)
    first.end()
    expect((await shows(view)).preferences).toEqual({})
    // The next one fails after another change: that is no reason to wait for one more.
    const second = await reading(1)
    await client.settings.set('a', 2)
    second.fail()
    expect(await shows(error)).toMatchObject({ code: 'STORE_FAILED' })
    const third = await reading(2)
    third.end()
    await shows(view, ({ preferences }) => preferences.a === 2)
    expect(view.getError()).toBeUndefined()
    stop()
  })

  it('[MOD1] who listens to a chat hears of its draft, and of what can be undone, by the time it changed', async () => {
    const { client } = await openOffline()
    await client.chats.create({ id: 'chat' })
    const chat = await client.chats.open('chat')
    const heard: unknown[] = []
    chat.subscribe(() => heard.push([chat.draft, chat.canUndo, chat.canRedo]))
    await chat.setDraft('to be said')
    await chat.send('said')
    await chat.undo()
    await chat.markRead()
    expect(heard).toEqual([
      ['to be said', false, false],
      ['to be said', true, false],
      ['to be said', false, true],
    ])
    expect(await chat.undo()).toBe(false)
    expect(chat.isGone).toBe(false)
    await client.chats.deleteForever('chat')
    expect(chat.isGone).toBe(true)
  })

  it('[MOD11] a message in a window is what the document has', async () => {
    const { client } = await openOffline()
    await client.chats.create({ id: 'chat' })
    await client.chats.send('chat', 'x', { role: 'tool', fields: { a: 1 }, tools: [{ id: 't', name: 'n' }] })
    const { id } = await client.chats.send('chat', 'y')
    await client.chats.edit('chat', id, 'z')
    const { messages } = await shows(client.chats.messages('chat'))
    expect(messages).toEqual((await client.chats.read('chat')).messages)
  })
})

describe('searching', () => {
  it('[MOD12] finds chats by title and messages by words, newest first, and nothing of deleted chats', async () => {
    const { client, clock } = await openOffline()
    await client.chats.create({ id: 'oslo', title: 'Trip to Oslo' })
    await client.chats.create({ id: 'gone', title: 'Oslo by night' })
    await client.chats.send('oslo', 'What should I pack for Oslo?', { id: 'q' })
    await clock.advance(1_000)
    await client.chats.send('oslo', 'A rain jacket: OSLÓ is wet.', { id: 'a', role: 'assistant' })
    await client.chats.send('gone', 'oslo')
    await client.chats.delete('gone')
    const found = await client.chats.search('oslo')
    expect(found.chats.map(({ id }) => id)).toEqual(['oslo'])
    expect(found.messages).toMatchObject([
      { position: 1, message: { id: 'a' }, address: chatAddressText(owner, 'oslo') },
      { position: 0, message: { id: 'q' } },
    ])
    expect((await client.chats.search('jack wet')).messages).toHaveLength(1)
    expect((await client.chats.search('acket')).messages).toEqual([])
    expect((await client.chats.search('oslo', { limit: 1 })).messages).toMatchObject([
      { message: { id: 'a' } },
    ])
    expect((await client.chats.search('oslo', { chat: 'oslo' })).messages).toHaveLength(2)
    expect(await client.chats.search(' ')).toEqual({ chats: [], messages: [] })
    await expect(client.chats.search('x', { limit: 0 })).rejects.toMatchObject({ code: 'VALUE_INVALID' })
    await expect(client.chats.search('x', { chat: 'none' })).rejects.toMatchObject({
      code: 'DOCUMENT_NOT_FOUND',
    })
  })

  it('[MOD12] goes on while somebody watches: what comes is found, in one search for all that came together', async () => {
    const store = createMemoryStore()
    let searches = 0
    const counted: SyncStore = {
      ...store,
      searchRows(table, ...rest) {
        if (table === 'messages') searches++
        return store.searchRows(table, ...rest)
      },
    }
    const { client, clock } = await openOffline({ store: counted })
    const view = client.chats.watchSearch('oslo', { chat: 'oslo' })
    const stop = view.subscribe(() => {})
    await clock.advance(10)
    expect(view.getError()).toMatchObject({ code: 'DOCUMENT_NOT_FOUND' })
    await client.chats.create({ id: 'oslo', title: 'Trip to Oslo' })
    for (let n = 0; n < 10; n++) await client.chats.send('oslo', `Oslo ${n}`)
    expect(view.getSnapshot()).toBeUndefined()
    await during(
      clock,
      shows(view, ({ messages }) => messages.length === 10),
    )
    expect(view.getSnapshot()).toMatchObject({ chats: [{ id: 'oslo' }] })
    expect([searches, view.getError()]).toEqual([1, undefined])
    await client.chats.delete('oslo')
    await during(
      clock,
      shows(view, ({ chats, messages }) => chats.length + messages.length === 0),
    )
    stop()
    await client.chats.restore('oslo')
    await clock.advance(1_000)
    expect(searches).toBe(2)
  })
})

describe('appending', () => {
  it('[QRY6] to a long chat reads and writes what is new only', async () => {
    const store = createMemoryStore()
    const commits: number[] = []
    const counted: SyncStore = {
      ...store,
      commit(batch) {
        commits.push((batch.rows ?? []).reduce((sum, { put }) => sum + put.length, 0))
        return store.commit(batch)
      },
    }
    const { client } = await openOffline({ store: counted })
    await client.chats.create({ id: 'chat' })
    const chat = await client.chats.open('chat')
    chat.doc.transact(() => {
      for (let index = 0; index < 2_000; index++) {
        const map = new Y.Map<unknown>()
        map.set('id', `m${index}`)
        chat.doc.getArray('messages').push([map])
      }
    })
    await client.flush()
    let scans = 0
    const list = chat.doc.getArray<unknown>('messages')
    const toArray = list.toArray.bind(list)
    list.toArray = () => {
      scans++
      return toArray()
    }
    commits.length = 0
    await chat.send('one')
    const reply = chat.stream()
    await reply.started
    reply.push('x')
    await reply.complete()
    expect(Math.max(...commits)).toBe(2)
    expect(scans).toBe(0)
    const rows = await store.loadMessages(chat.address, { from: 1_999, through: 3_000 })
    expect(rows.map(({ content, position }) => [content, position])).toEqual([
      ['', 1_999],
      ['one', 2_000],
      ['x', 2_001],
    ])
  })
})
