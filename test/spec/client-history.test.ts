import type { HistoryChange, HistoryEntry } from '@onyx-sync/client'
import { describe, expect, it } from 'vitest'
import * as Y from 'yjs'
import type { LoggedEdit } from '../../client/src/core/document-log.js'
import { createHistory } from '../../client/src/model/history.js'
import { openOffline } from '../support/offline.js'
import { clientOf, deviceOf, during, startWorld, textsOf } from '../support/worlds.js'

const typesOf = (entries: readonly HistoryEntry[]) =>
  entries.map(({ changes }) =>
    changes.map((change) => ('messageId' in change ? `${change.type} ${change.messageId}` : change.key)),
  )

describe('the history of a chat', () => {
  it('[HST1] says who changed what and when, shows earlier states, and what is not sent yet', async () => {
    const world = await startWorld('history', { ada: ['phone', 'laptop'], ben: ['desk'] })
    const [phone, laptop, desk] = ['phone', 'laptop', 'desk'].map((name) => clientOf(world, name)) as [
      ReturnType<typeof clientOf>,
      ReturnType<typeof clientOf>,
      ReturnType<typeof clientOf>,
    ]
    const { address } = await during(world, phone.chats.create({ id: 'chat', title: 'Oslo' }))
    await world.advance(5_000)
    await during(world, phone.chats.setMembers('chat', [desk.pubkey]))
    await during(world, phone.chats.send('chat', 'one', { id: 'm1' }))
    await world.advance(10_000)
    await during(world, desk.chats.send(address, 'two', { id: 'm2' }))
    await world.advance(10_000)
    await during(world, laptop.chats.edit('chat', 'm1', 'one!'))
    await world.advance(10_000)
    await during(world, laptop.chats.deleteMessage('chat', 'm2'))
    await world.advance(10_000)
    world.network.setOnline('phone', true)
    const entries = await during(world, desk.chats.history(address))
    expect(typesOf(entries)).toEqual([
      expect.arrayContaining(['title', 'createdAt']),
      ['added m1'],
      ['added m2'],
      ['edited m1'],
      ['deleted m2'],
    ])
    expect(entries.map(({ author }) => author)).toEqual([
      phone.pubkey,
      phone.pubkey,
      desk.pubkey,
      phone.pubkey,
      phone.pubkey,
    ])
    expect(entries.every(({ eventId }) => /^[0-9a-f]{64}$/.test(eventId))).toBe(true)
    const times = entries.map(({ at }) => at)
    expect([...times].sort((a, b) => a - b)).toEqual(times)
    expect(entries[2]).toMatchObject({ title: 'Oslo', messages: [{ content: 'one' }, { content: 'two' }] })
    expect(entries[3]?.changes).toMatchObject([{ before: { content: 'one' }, after: { content: 'one!' } }])

    phone.disconnect()
    await expect(phone.chats.history('chat')).rejects.toMatchObject({ code: 'CONNECTION_FAILED' })
    deviceOf(world, 'laptop').isSignerBroken = true
    await during(world, laptop.chats.send('chat', 'not sent', { id: 'm3' }))
    const withOwn = await during(world, laptop.chats.history('chat'))
    expect(withOwn[withOwn.length - 1]).toMatchObject({
      eventId: '',
      author: laptop.pubkey,
      changes: [{ type: 'added' }],
    })
  })

  it('[HST1] nothing of a later second gets before edits of one second, however their ids sort', () => {
    const doc = new Y.Doc()
    const edits: LoggedEdit[] = []
    /** The earlier an edit, the later its id: events of one second are sorted by it. */
    const edit = (of: Y.Doc, createdAt: number, change: () => void) => {
      const before = Y.encodeStateVector(of)
      of.transact(change)
      const update = Y.encodeStateAsUpdate(of, before)
      const eventId = (99 - edits.length).toString(16).padStart(64, '0')
      edits.push({ eventId, author: 'a'.repeat(64), createdAt, isCheckpoint: false, update })
    }
    const messages = doc.getArray<Y.Map<unknown>>('messages')
    const add = (to: Y.Doc, id: string) => {
      const map = new Y.Map<unknown>(Object.entries({ id, role: 'user', content: id }))
      to.getArray('messages').push([map])
    }
    for (const id of ['m1', 'm2', 'm3', 'm4']) edit(doc, 10, () => add(doc, id))
    const other = new Y.Doc()
    Y.applyUpdate(other, edits[0]?.update as Uint8Array)
    edit(doc, 11, () => messages.delete(0))
    edit(other, 12, () => add(other, 'm5'))
    const byTime = [...edits].sort((a, b) => a.createdAt - b.createdAt || (a.eventId < b.eventId ? -1 : 1))
    Y.applyUpdate(doc, Y.encodeStateAsUpdate(other))
    const state = Y.encodeStateAsUpdate(doc)
    const history = createHistory({
      edits: byTime,
      state,
      pubkey: 'a'.repeat(64),
      now: 0,
      authors: new Map(),
    })
    expect(typesOf(history)).toEqual([
      ...[['added m1'], ['added m2'], ['added m3'], ['added m4']],
      ...[['deleted m1'], ['added m5']],
    ])
  })

  it('[HST2] brings back a message that was deleted, at its place, with all that was in it', async () => {
    const world = await startWorld('restore', { ada: ['phone'] })
    const phone = clientOf(world, 'phone')
    await during(world, phone.chats.create({ id: 'chat' }))
    for (const id of ['a', 'b', 'c'])
      await during(
        world,
        phone.chats.send('chat', `text ${id}`, {
          id,
          role: 'assistant',
          reasoning: 'because',
          tools: [{ id: 't', name: 'look', args: 1, result: { ok: true } }],
          fields: { mood: 'good' },
        }),
      )
    await world.advance(10_000)
    const before = (await phone.chats.read('chat')).messages
    await during(world, phone.chats.deleteMessage('chat', 'b'))
    await world.advance(10_000)
    const history = await during(world, phone.chats.history('chat'))
    const deleted = history
      .flatMap(({ changes }) => changes)
      .find((change): change is Extract<HistoryChange, { type: 'deleted' }> => change.type === 'deleted')
    expect(deleted).toMatchObject({ messageId: 'b', previousId: 'a' })
    const { before: message, previousId } = deleted as NonNullable<typeof deleted>
    await during(world, phone.chats.restoreMessage('chat', message, previousId))
    await during(world, phone.chats.restoreMessage('chat', message, previousId))
    expect((await phone.chats.read('chat')).messages).toEqual(before)
    const { client } = await openOffline()
    await client.chats.create({ id: 'chat' })
    await client.chats.send('chat', 'x', { id: 'x' })
    await client.chats.restoreMessage('chat', message, 'gone')
    await client.chats.restoreMessage('chat', { ...message, id: 'first' })
    expect((await client.chats.read('chat')).messages.map(({ id }) => id)).toEqual(['first', 'x', 'b'])
  })

  it('[HST3] begins with a checkpoint where one has taken the place of what was before', async () => {
    const world = await startWorld('checkpointed', { ada: ['phone'] }, {})
    const phone = clientOf(world, 'phone')
    await during(world, phone.chats.create({ id: 'chat', title: 'Long' }))
    for (let index = 0; index < 60; index++) {
      await during(world, phone.chats.send('chat', `${index} ${'x'.repeat(600)}`, { id: `m${index}` }))
      await during(world, phone.chats.deleteMessage('chat', `m${index}`))
      await world.advance(2_000)
    }
    await world.advance(120_000)
    const [first, ...others] = await during(world, phone.chats.history('chat'))
    expect(first).toMatchObject({ isCheckpoint: true, title: 'Long' })
    expect(others.every(({ isCheckpoint }) => !isCheckpoint)).toBe(true)
  })
})

describe('undo', () => {
  it('[UND1] takes back what this device did, step by step, and does it again; never what others did', async () => {
    const world = await startWorld('undo', { ada: ['phone', 'laptop'] })
    const [phone, laptop] = [clientOf(world, 'phone'), clientOf(world, 'laptop')]
    await during(world, phone.chats.create({ id: 'chat', title: 'before' }))
    await world.advance(10_000)
    const chat = await during(world, phone.chats.open('chat'))
    await during(world, laptop.chats.send('chat', 'theirs', { id: 'theirs' }))
    await world.advance(10_000)
    await during(world, chat.send('mine', { id: 'mine', tools: [{ id: 't', name: 'look', result: 1 }] }))
    const mine = chat.messages[1]
    await during(world, chat.rename('after'))
    await during(world, chat.deleteMessage('mine'))
    await during(world, laptop.chats.edit('chat', 'theirs', 'theirs!'))
    await world.advance(10_000)
    expect(chat.canUndo).toBe(true)
    expect(await during(world, chat.undo())).toBe(true)
    expect(chat.messages[1]).toEqual(mine)
    await during(world, chat.undo())
    expect(chat.title).toBe('before')
    await during(world, chat.undo())
    expect(chat.messages.map(({ content }) => content)).toEqual(['theirs!'])
    expect(chat.canUndo).toBe(false)
    expect(await during(world, chat.undo())).toBe(false)
    await during(world, chat.redo())
    await during(world, chat.redo())
    expect(chat).toMatchObject({ title: 'after', canRedo: true })
    await world.advance(20_000)
    expect((await laptop.chats.read('chat')).messages).toEqual(chat.messages)
    expect(phone.status).toMatchObject({ unsent: 0, refused: 0 })
    chat.release()
  })

  it('[UND1] leaves a reply alone that was streamed meanwhile', async () => {
    const { client } = await openOffline()
    await client.chats.create({ id: 'chat' })
    const chat = await client.chats.open('chat')
    await chat.send('question')
    const reply = chat.stream()
    reply.push('answer')
    await reply.complete()
    await chat.undo()
    expect(chat.messages.map(({ content }) => content)).toEqual(['answer'])
  })

  it('[UND1] brings a deleted message back with what was restored and written in it before, for all to see', async () => {
    const world = await startWorld('undo in an undone text', { ada: ['phone', 'laptop'] })
    const [phone, laptop] = [clientOf(world, 'phone'), clientOf(world, 'laptop')]
    await during(world, phone.chats.create({ id: 'chat' }))
    const chat = await during(world, phone.chats.open('chat'))
    await during(world, chat.send('said by ada', { id: 'm' }))
    await during(world, chat.edit('m', 'said'))
    await during(world, chat.undo())
    // Into what came back, and behind it: Yjs alone loses some of it, or shows others another order.
    await during(world, chat.edit('m', 'said by our ada'))
    await during(world, chat.edit('m', 'said by our ada today'))
    await during(world, chat.deleteMessage('m'))
    await during(world, chat.undo())
    expect(chat.messages[0]?.content).toBe('said by our ada today')
    await world.advance(20_000)
    expect((await laptop.chats.read('chat')).messages).toEqual(chat.messages)
    const stored = new Y.Doc()
    Y.applyUpdate(stored, Y.encodeStateAsUpdate(chat.doc))
    expect(textsOf(stored)).toEqual(['said by our ada today'])
  })

  it('[UND2] reaches back a hundred steps', async () => {
    const { client } = await openOffline()
    await client.chats.create({ id: 'chat' })
    const chat = await client.chats.open('chat')
    await chat.send('0', { id: 'm' })
    for (let step = 1; step <= 150; step++) await chat.edit('m', String(step))
    let count = 0
    while (await chat.undo()) count++
    expect(count).toBe(100)
    expect(chat.messages[0]?.content).toBe('50')
    while (await chat.redo()) count--
    expect(count).toBe(0)
    expect(chat.messages[0]?.content).toBe('150')
  })

  it('[UND2] keeps 4 MiB of what was deleted, besides the newest step, in a chat that stays open', async () => {
    const { client } = await openOffline()
    await client.chats.create({ id: 'chat' })
    const chat = await client.chats.open('chat')
    const stateBytes = () => Y.encodeStateAsUpdate(chat.doc).byteLength
    const text = (index: number) => `${index} `.repeat(300_000 / `${index} `.length)
    await chat.send(text(0), { id: 'm' })
    for (let index = 1; index <= 60; index++) {
      await chat.update('m', { note: text(index) })
      // Each note is in the place of the last, which is kept to take that back.
      expect(stateBytes()).toBeLessThan(5.5 * 1024 * 1024)
    }
    expect(stateBytes()).toBeGreaterThan(4 * 1024 * 1024)
    for (let index = 59; index > 50; index--) {
      expect(await chat.undo()).toBe(true)
      expect(chat.messages[0]?.note).toBe(text(index))
    }
    // Back and forth leaves nothing behind.
    const before = stateBytes()
    for (let round = 0; round < 20; round++) {
      await chat.redo()
      await chat.undo()
    }
    expect(stateBytes()).toBeLessThan(before + 20_000)
    chat.release()
  })

  it('[UND2] takes back the newest step, however large: clearing a chat', async () => {
    const { client } = await openOffline()
    await client.chats.create({ id: 'chat' })
    const chat = await client.chats.open('chat')
    const fill = async (bytes: number) => {
      for (let index = 0; index < 20; index++) await chat.send(`${index}-`.padEnd(bytes / 20, 'word '))
      return chat.messages
    }
    const two = await fill(2_000_000)
    await chat.clear()
    await chat.send('anew')
    await chat.undo()
    expect(await chat.undo()).toBe(true)
    expect(chat.messages).toEqual(two)
    const eight = await fill(6_000_000)
    await chat.clear()
    expect(await chat.undo()).toBe(true)
    expect(chat.messages).toEqual(eight)
    // Whereas behind another step it is too much to be kept.
    expect(await chat.redo()).toBe(true)
    await chat.send('anew')
    expect(Y.encodeStateAsUpdate(chat.doc).byteLength).toBeLessThan(4 * 1024 * 1024)
    await chat.undo()
    expect(await chat.undo()).toBe(false)
  })
})
