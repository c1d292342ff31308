import {
  createMemoryStore,
  createSyncClient,
  type StreamedMessage,
  type SyncClient,
  type SyncStore,
} from '@onyx-sync/client'
import { SyncError } from '@onyx-sync/shared'
import { createSeededRandom, createVirtualClock, type World } from '@onyx-sync/testing'
import { PlainKeySigner } from 'nostr-tools/signer'
import { describe, expect, it } from 'vitest'
import * as Y from 'yjs'
import { chatAddressText, testKey } from '../support/events.js'
import {
  clientOf,
  deviceOf,
  during,
  serverDocument,
  serverEvents,
  startWorld,
  storedDocument,
  textsOf,
} from '../support/worlds.js'

const owner = testKey(1)

/** A device without a network, on a clock and a store that the test holds. */
async function openOffline(store: SyncStore = createMemoryStore(), seed = 'stream') {
  const clock = createVirtualClock(Date.UTC(2026, 0, 1))
  const client = await createSyncClient({
    store,
    signer: new PlainKeySigner(owner.secretKey),
    clock,
    random: createSeededRandom(seed),
  })
  return { store, clock, client }
}

/** A store that counts what is asked of it. */
function counting(store: SyncStore) {
  const counts = { commits: 0, loads: [] as string[] }
  const counted: SyncStore = {
    ...store,
    commit(batch) {
      counts.commits++
      return store.commit(batch)
    },
    loadUpdates(address) {
      counts.loads.push(address)
      return store.loadUpdates(address)
    },
  }
  return { counts, store: counted }
}

async function messageIn(client: SyncClient, chat: string, id: string) {
  return (await client.chats.read(chat)).messages.find((message) => message.id === id)
}

/** Tokens as a model makes them, with every kind of white space, and pairs that fall apart between two. */
function tokensOf(count: number, length: number, seed: string): string[] {
  const random = createSeededRandom(seed)
  const pieces = ['word', ' ', '  ', '\n', '\n\n', '\t', '\u00a0', '\r\n', 'é', '漢字', '😀', '.', '\u200b']
  return Array.from({ length: count }, () => {
    let token = ''
    while (token.length < length) token += random.pick(pieces)
    return token
  })
}

/** Splits a text into pieces of so many code units, surrogate pairs included. */
const cutEvery = (text: string, length: number) => text.match(new RegExp(`[^]{1,${length}}`, 'g')) as string[]

describe('a streamed message', () => {
  it('[STR1] is on disk as streaming when stream() resolves, and complete with its text when complete() does', async () => {
    const { store, clock, client } = await openOffline()
    await client.chats.create({ id: 'chat' })
    const reply = await client.chats.stream('chat', { id: 'r' })
    expect(reply).toMatchObject({ id: 'r', address: chatAddressText(owner), text: '' })
    expect(await store.loadRows('messages')).toMatchObject([
      { message_id: 'r', role: 'assistant', status: 'streaming', content: '', device: client.deviceId },
    ])
    reply.push('Bring ')
    reply.push('a coat.')
    expect(reply.text).toBe('Bring a coat.')
    await clock.advance(100)
    expect(await store.loadRows('messages')).toMatchObject([
      { status: 'streaming', content: 'Bring a coat.' },
    ])
    reply.push(' And tea.')
    const message = await reply.complete()
    expect(message).toMatchObject({ id: 'r', status: 'complete', content: 'Bring a coat. And tea.' })
    expect(await store.loadRows('messages')).toMatchObject([
      { status: 'complete', content: 'Bring a coat. And tea.' },
    ])
    expect(textsOf(await storedDocument(store, chatAddressText(owner)))).toEqual(['Bring a coat. And tea.'])
  })

  it('[STR1] is refused where there is one of its id, in a chat that is not there, and with an unknown role', async () => {
    const { client } = await openOffline()
    await client.chats.create({ id: 'chat' })
    await client.chats.send('chat', 'first', { id: 'taken' })
    const before = client.status.unsent
    for (const call of [
      client.chats.stream('chat', { id: 'taken' }),
      client.chats.stream('chat', { role: 'robot' as never }),
    ])
      await expect(call).rejects.toMatchObject({ code: 'VALUE_INVALID' })
    await expect(client.chats.stream('elsewhere')).rejects.toMatchObject({ code: 'DOCUMENT_NOT_FOUND' })
    expect(client.status.unsent).toBe(before)
  })

  it('[STR2] goes to the disk a few times a second, however many tokens there are', async () => {
    const { counts, store } = counting(createMemoryStore())
    const { clock, client } = await openOffline(store)
    await client.chats.create({ id: 'chat' })
    const reply = await client.chats.stream('chat')
    const before = counts.commits
    for (let n = 0; n < 1_000; n++) {
      reply.push('x')
      await clock.advance(3)
    }
    const commits = counts.commits - before
    expect(commits).toBeLessThanOrEqual(3_000 / 75 + 1)
    expect(commits).toBeGreaterThan(3_000 / 100 - 1)
    expect((await messageIn(client, 'chat', reply.id))?.content.length).toBeGreaterThan(970)
  })

  it('[STR2][C7] is on disk up to the last token after flush(), and after close()', async () => {
    const store = createMemoryStore()
    const { client } = await openOffline({ ...store, close: async () => {} })
    await client.chats.create({ id: 'chat' })
    const reply = await client.chats.stream('chat')
    const onDisk = async () => textsOf(await storedDocument(store, chatAddressText(owner)))
    reply.push('one')
    await client.flush()
    expect(await onDisk()).toEqual(['one'])
    reply.push(' two')
    const flushing = client.flush()
    reply.push(' three')
    await flushing
    expect((await onDisk())[0]).toMatch(/^one two/)
    await client.close()
    expect(await onDisk()).toEqual(['one two three'])
  })

  it('[STR2] keeps what is pushed while the disk fails, and goes on when it works', async () => {
    const store = createMemoryStore()
    let isBroken = false
    const failing = <T>(call: () => Promise<T>) =>
      isBroken ? Promise.reject(new SyncError('STORE_FAILED', 'no space left')) : call()
    const { clock, client } = await openOffline({
      ...store,
      commit: (batch) => failing(() => store.commit(batch)),
      loadUpdates: (address) => failing(() => store.loadUpdates(address)),
    })
    await client.chats.create({ id: 'chat' })
    const reply = await client.chats.stream('chat')
    isBroken = true
    for (const token of ['a', 'b', 'c']) {
      reply.push(token)
      await clock.advance(200)
    }
    expect(client.status.problem).toMatchObject({ code: 'STORE_FAILED' })
    await expect(reply.complete()).rejects.toMatchObject({ code: 'STORE_FAILED' })
    isBroken = false
    expect(await reply.complete()).toMatchObject({ content: 'abc', status: 'complete' })
    expect(textsOf(await storedDocument(store, chatAddressText(owner)))).toEqual(['abc'])
  })

  it('[STR3][C16] makes at most 64 events of 1,000 tokens over 30 s, and is the same on another device', async () => {
    const { events, texts, text } = await streamed(tokensOf(1_000, 4, 'tokens'), 30)
    expect(events).toBeLessThanOrEqual(64)
    expect(texts).toEqual([text, text, text])
  })

  it('[STR3][C16] makes at most 40 events of 20 KB over 15 s, and is the same on another device', async () => {
    const text = tokensOf(1, 20_000, 'a long reply')[0] as string
    const { events, texts } = await streamed(cutEvery(text, 40), 30)
    expect(new TextEncoder().encode(text).byteLength).toBeGreaterThan(20_000)
    expect(events).toBeLessThanOrEqual(40)
    expect(texts).toEqual([text, text, text])
  })

  it('[STR3] is not changed where a token ends in the middle of a surrogate pair', async () => {
    const { store, clock, client } = await openOffline()
    await client.chats.create({ id: 'chat' })
    const reply = await client.chats.stream('chat')
    for (const unit of cutEvery('a😀😀b😀', 1)) {
      reply.push(unit)
      await clock.advance(100)
    }
    await reply.complete()
    expect(textsOf(await storedDocument(store, chatAddressText(owner)))).toEqual(['a😀😀b😀'])
  })

  /** Streams on one device of two. @returns the reply's events, its text, and as the devices and the server have it */
  async function streamed(tokens: readonly string[], everyMs: number) {
    const world = await startWorld('streamed', { alice: ['laptop', 'phone'] })
    const laptop = clientOf(world, 'laptop')
    await during(world, laptop.chats.create({ id: 'oslo' }))
    await during(world, laptop.synced())
    await world.advance(10_000)
    const before = (await serverEvents(world.serverDisk.contents)).length
    const reply = await during(world, laptop.chats.stream('oslo'))
    for (const token of tokens) {
      reply.push(token)
      await world.advance(everyMs)
    }
    await during(world, reply.complete())
    await world.advance(10_000)
    const events = (await serverEvents(world.serverDisk.contents)).length - before
    const address = `30001:${laptop.pubkey}:oslo`
    const docs = [await serverDocument(world, address)]
    for (const { disk } of world.devices) docs.push(await storedDocument(disk.contents, address))
    return { events, text: tokens.join(''), texts: docs.flatMap(textsOf) }
  }
})

describe('a stream that is not alone', () => {
  it('[STR4][C17] lands in its own message of its own chat, whatever else is opened and edited meanwhile', async () => {
    const { counts, store } = counting(createMemoryStore())
    const { clock, client } = await openOffline(store)
    const chats = Array.from({ length: 40 }, (_, n) => `chat${n}`)
    for (const id of chats) await client.chats.create({ id })
    const streams: { chat: string; reply: StreamedMessage; text: string }[] = []
    for (const chat of ['chat0', 'chat1', 'chat1']) {
      await client.chats.send(chat, 'a question')
      streams.push({ chat, reply: await client.chats.stream(chat), text: '' })
    }
    const random = createSeededRandom('switching')
    for (let n = 0; n < 200; n++) {
      for (const stream of streams) {
        const token = ` ${random.below(1_000)}`
        stream.reply.push(token)
        stream.text += token
      }
      const chat = random.pick(chats)
      const { release } = await client.chats.open(chat)
      if (random.chance(0.3)) await client.chats.send(chat, `noise ${n}`)
      if (random.chance(0.3)) await client.chats.rename(chat, `title ${n}`)
      release()
      await clock.advance(random.below(120))
    }
    for (const { reply } of streams) await reply.complete()
    for (const { chat, reply, text } of streams)
      expect(await messageIn(client, chat, reply.id)).toMatchObject({ content: text, status: 'complete' })
    const all = await store.loadRows('messages')
    const ids = streams.map(({ reply }) => reply.id)
    const others = all.filter((row) => !ids.includes(String(row.message_id)))
    expect(others.every(({ content }) => /^(a question|noise \d+)$/.test(String(content)))).toBe(true)
    expect(all.filter((row) => ids.includes(String(row.message_id)))).toHaveLength(3)
    expect(counts.loads.length).toBeGreaterThan(40)
  })

  it('[STR4][C17] goes on in a chat that was unloaded in the middle of it', async () => {
    const { counts, store } = counting(createMemoryStore())
    const { clock, client } = await openOffline(store)
    await client.chats.create({ id: 'chat' })
    const reply = await client.chats.stream('chat')
    reply.push('before, ')
    await clock.advance(1_000)
    // 32 are kept loaded, the least recently used go first.
    for (let n = 0; n < 40; n++) await client.chats.create({ id: `other${n}` })
    const loads = () => counts.loads.filter((address) => address === chatAddressText(owner)).length
    const before = loads()
    reply.push('after, ')
    await clock.advance(1_000)
    expect(loads()).toBe(before + 1)
    reply.push('end')
    expect(await reply.complete()).toMatchObject({ content: 'before, after, end' })
  })

  it('[STR4] keeps its text together while another device edits the message', async () => {
    const world = await startWorld('edited meanwhile', { alice: ['laptop', 'phone'] })
    const laptop = clientOf(world, 'laptop')
    const phone = clientOf(world, 'phone')
    await during(world, laptop.chats.create({ id: 'oslo' }))
    const reply = await during(world, laptop.chats.stream('oslo'))
    reply.push('one two ')
    await world.advance(5_000)
    const seen = (await during(world, phone.chats.read('oslo'))).messages[0]
    expect(seen).toMatchObject({ content: 'one two ', status: 'streaming' })
    // At the beginning, and at the very place where the stream goes on.
    const opened = await during(world, phone.chats.open('oslo'))
    const text = opened.doc.getArray<Y.Map<unknown>>('messages').get(0).get('content') as Y.Text
    text.insert(0, '[note] ')
    text.insert(text.length, '[end]')
    await world.advance(5_000)
    reply.push('three ')
    await world.advance(5_000)
    reply.push('four ')
    await during(world, reply.complete())
    await world.advance(10_000)
    for (const client of [laptop, phone]) {
      const { messages } = await during(world, client.chats.read('oslo'))
      expect(messages).toMatchObject([{ content: '[note] one two three four [end]', status: 'complete' }])
    }
  })

  it('[STR4] goes on where its whole text was deleted or replaced', async () => {
    const { clock, client } = await openOffline()
    await client.chats.create({ id: 'chat' })
    const reply = await client.chats.stream('chat')
    reply.push('draft')
    await clock.advance(100)
    await client.chats.edit('chat', reply.id, '')
    reply.push('second')
    await clock.advance(100)
    expect(await messageIn(client, 'chat', reply.id)).toMatchObject({ content: 'second' })
    const { doc, release } = await client.chats.open('chat')
    doc.getArray<Y.Map<unknown>>('messages').get(0).set('content', new Y.Text('replaced, '))
    reply.push('third')
    await clock.advance(100)
    doc.getArray<Y.Map<unknown>>('messages').get(0).set('content', 'no Y.Text, ')
    release()
    reply.push('fourth')
    expect(await reply.complete()).toMatchObject({ content: 'no Y.Text, fourth' })
  })

  it('[STR4] writes into its own message where another device made one of its id', async () => {
    const { store, clock, client } = await openOffline()
    await client.chats.create({ id: 'chat' })
    const { doc } = await client.chats.open('chat')
    const other = new Y.Doc()
    Y.applyUpdate(other, Y.encodeStateAsUpdate(doc))
    const reply = await client.chats.stream('chat', { id: 'r' })
    const twin = new Y.Map<unknown>(Object.entries({ id: 'r', status: 'streaming', device: 'other' }))
    twin.set('content', new Y.Text('theirs'))
    other.getArray('messages').push([twin])
    Y.applyUpdate(doc, Y.encodeStateAsUpdate(other))
    reply.push('ours')
    await clock.advance(100)
    await reply.complete()
    expect(new Set(textsOf(await storedDocument(store, chatAddressText(owner))))).toEqual(
      new Set(['ours', 'theirs']),
    )
  })

  it('[STR5] whose message is deleted goes on without harm; complete() says so, and nothing comes back', async () => {
    for (const ending of ['complete', 'abort', 'fail'] as const) {
      const { clock, client } = await openOffline()
      await client.chats.create({ id: 'chat' })
      const reply = await client.chats.stream('chat')
      reply.push('a')
      await clock.advance(100)
      await client.chats.deleteMessage('chat', reply.id)
      for (let n = 0; n < 10; n++) {
        reply.push('b')
        await clock.advance(50)
      }
      const before = client.status.unsent
      if (ending !== 'complete') await reply[ending]()
      else await expect(reply.complete()).rejects.toMatchObject({ code: 'MESSAGE_NOT_FOUND' })
      expect((await client.chats.read('chat')).messages).toEqual([])
      expect(client.status.unsent).toBe(before)
      expect(reply.text).toBe('abbbbbbbbbb')
    }
  })

  it('[STR5] whose chat is deleted goes on without harm, and can be ended once it is restored', async () => {
    const { clock, client } = await openOffline()
    await client.chats.create({ id: 'chat' })
    const reply = await client.chats.stream('chat')
    reply.push('a')
    await clock.advance(100)
    await client.chats.delete('chat')
    const before = client.status.unsent
    reply.push('b')
    await clock.advance(1_000)
    await expect(reply.complete()).rejects.toMatchObject({ code: 'MESSAGE_NOT_FOUND' })
    expect(client.status.unsent).toBe(before)
    await client.chats.restore('chat')
    expect(await reply.complete()).toMatchObject({ content: 'ab', status: 'complete' })

    // What was stopped is not shown as streaming when the chat comes back.
    const second = await client.chats.stream('chat')
    second.push('c')
    await client.chats.delete('chat')
    await second.abort()
    await client.chats.restore('chat')
    expect(await messageIn(client, 'chat', second.id)).toMatchObject({ content: 'c', status: 'aborted' })
  })
})

describe('the end of a stream', () => {
  it('[STR6] is the first one that is said; nothing is added after it', async () => {
    const { clock, client } = await openOffline()
    await client.chats.create({ id: 'chat' })
    for (const [first, status] of [
      ['abort', 'aborted'],
      ['fail', 'error'],
      ['complete', 'complete'],
    ] as const) {
      const reply = await client.chats.stream('chat')
      reply.push('kept')
      const ending = reply[first]()
      reply.push(' late')
      await ending
      const edits = client.status.unsent
      reply.push(' later')
      await clock.advance(500)
      await reply.abort()
      await reply.fail('too late')
      expect(await reply.complete()).toMatchObject({ status, content: 'kept' })
      expect(await messageIn(client, 'chat', reply.id)).toMatchObject({ status, content: 'kept' })
      expect((await messageIn(client, 'chat', reply.id))?.error).toBeUndefined()
      expect(client.status.unsent).toBe(edits)
      expect(reply.text).toBe('kept')
    }
  })

  it('[STR6][C18] keeps the reason of a failure, shortened, and not where it looks like a secret', async () => {
    const { client } = await openOffline()
    await client.chats.create({ id: 'chat' })
    const kept = async (error?: unknown) => {
      const reply = await client.chats.stream('chat')
      await reply.fail(error)
      const message = await messageIn(client, 'chat', reply.id)
      expect(message?.status).toBe('error')
      return message?.error
    }
    expect(await kept('the model is overloaded')).toBe('the model is overloaded')
    expect(await kept(new Error('timed out'))).toBe('timed out')
    expect(await kept('x'.repeat(2_000))).toHaveLength(1_024)
    expect(await kept(`${'x'.repeat(1_023)}😀`)).toBe('x'.repeat(1_023))
    for (const nothing of [undefined, null, '', { message: 'not an Error' }]) {
      expect(await kept(nothing)).toBeUndefined()
    }
    for (const secret of [
      `nsec1${'q'.repeat(58)}`,
      'invalid api key: sk-proj-0123456789abcdefghij',
      'request failed, headers: {"authorization":"Bearer abcdef0123456789abcdef"}',
      'token eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.abc',
      'ghp_0123456789',
    ])
      expect(await kept(new Error(secret))).toBeUndefined()
  })
})

describe('a stream whose process ended', () => {
  it('[STR7][C16] is kept as far as it was on disk, and marked as aborted when the device is opened again', async () => {
    let cut = 0
    for (let seed = 0; seed < 25; seed++) {
      const world = await startWorld(`killed ${seed}`, { alice: ['laptop', 'phone'] })
      const laptop = deviceOf(world, 'laptop')
      await during(world, clientOf(world, 'laptop').chats.create({ id: 'oslo' }))
      const reply = await during(world, clientOf(world, 'laptop').chats.stream('oslo'))
      let flushed = ''
      for (let n = 0; n < 40; n++) {
        reply.push(` token${n}`)
        if (n === 20) {
          await during(world, clientOf(world, 'laptop').flush())
          flushed = reply.text
        }
        await world.advance(30 + seed)
      }
      laptop.crash()
      await world.advance(1_000)
      const stored = textsOf(await storedDocument(laptop.disk.contents, reply.address))[0] as string
      expect(reply.text.startsWith(stored)).toBe(true)
      expect(stored.startsWith(flushed)).toBe(true)
      if (stored.length < reply.text.length) cut++
      laptop.start()
      await world.advance(30_000)
      for (const { client } of world.devices) {
        const { messages } = await during(world, (client as SyncClient).chats.read('oslo'))
        expect(messages).toMatchObject([{ content: stored, status: 'aborted' }])
        expect(client?.status.unsent).toBe(0)
      }
    }
    expect(cut).toBeGreaterThan(0)
  })

  it('[STR7] is marked without loading other chats, and only where this device wrote it', async () => {
    const { counts, store } = counting(createMemoryStore())
    const first = await openOffline(store)
    for (const id of ['a', 'b', 'c']) await first.client.chats.create({ id })
    const own = await first.client.chats.stream('a')
    own.push('half a')
    await first.client.flush()
    await (await first.client.chats.stream('b')).complete()
    // As another device would have written it.
    const { doc } = await first.client.chats.open('c')
    const map = new Y.Map<unknown>(Object.entries({ id: 'theirs', status: 'streaming', device: 'other' }))
    map.set('content', new Y.Text('half of another'))
    doc.getArray('messages').push([map])
    await first.client.flush()

    counts.loads.length = 0
    const second = await openOffline(store, 'second')
    expect(counts.loads).toEqual([own.address])
    expect(await messageIn(second.client, 'a', own.id)).toMatchObject({
      content: 'half a',
      status: 'aborted',
    })
    expect(await messageIn(second.client, 'c', 'theirs')).toMatchObject({ status: 'streaming' })
    expect(second.client.status.unsent).toBe(first.client.status.unsent + 1)

    counts.loads.length = 0
    const third = await openOffline(store, 'third')
    expect(counts.loads).toEqual([])
    expect(third.client.status.unsent).toBe(second.client.status.unsent)
  })

  it('[STR7] does not keep a device from opening when it can not be marked', async () => {
    const store = createMemoryStore()
    const first = await openOffline(store)
    await first.client.chats.create({ id: 'chat' })
    const { id } = await first.client.chats.stream('chat')
    let isFull = true
    const failing: SyncStore = {
      ...store,
      commit: (batch) =>
        isFull ? Promise.reject(new SyncError('STORE_FAILED', 'no space left')) : store.commit(batch),
    }
    const second = await openOffline(failing, 'second')
    expect(second.client.status.problem).toMatchObject({ code: 'STORE_FAILED' })
    expect(await messageIn(second.client, 'chat', id)).toMatchObject({ status: 'aborted' })
    isFull = false
    await second.client.chats.send('chat', 'goes on')
    expect((await store.loadRows('messages')).find((row) => row.message_id === id)).toMatchObject({
      status: 'aborted',
    })
  })
})

describe('what a stream adds to the outbox', () => {
  it('[STR3] is sent while it goes on, so that others can read along', async () => {
    const world: World = await startWorld('read along', { alice: ['laptop', 'phone'] })
    const laptop = clientOf(world, 'laptop')
    await during(world, laptop.chats.create({ id: 'oslo' }))
    const reply = await during(world, laptop.chats.stream('oslo'))
    const lengths = new Set<number>()
    for (let n = 0; n < 100; n++) {
      reply.push('more ')
      await world.advance(100)
      const [row] = await deviceOf(world, 'phone').disk.contents.loadRows('messages')
      lengths.add(String(row?.content ?? '').length)
    }
    expect(lengths.size).toBeGreaterThan(10)
  })
})
