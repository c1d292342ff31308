import type { HistoryChange, HistoryEntry } from '@onyx-sync/client'
import { describe, expect, it } from 'vitest'
import { openOffline } from '../support/offline.js'
import { clientOf, deviceOf, during, startWorld } from '../support/worlds.js'

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
})
