import { createMemoryStore, createSyncClient } from '@onyx-sync/client'
import { type NostrEvent, SyncError } from '@onyx-sync/shared'
import { PlainKeySigner } from 'nostr-tools/signer'
import { describe, expect, it } from 'vitest'
import { sign, testKey } from '../support/events.js'
import { openScripted } from '../support/scripted-server.js'
import { clientOf, deviceOf, during, serverEvents, startWorld } from '../support/worlds.js'

const owner = testKey(1)

/** Two devices of an account, of which the first has contributed a message. */
async function startContributed(seed: string) {
  const world = await startWorld(seed, { ada: ['phone', 'laptop'] })
  const [phone, laptop] = [clientOf(world, 'phone'), clientOf(world, 'laptop')]
  await during(world, phone.chats.create({ id: 'chat' }))
  for (const id of ['a', 'b']) await during(world, phone.chats.send('chat', `answer ${id}`, { id }))
  await during(world, phone.training.setConsent(true))
  await world.advance(10_000)
  const start = world.serverDisk.commits.length
  const mine = await during(world, phone.training.submit('chat', 'a', 4))
  await world.advance(10_000)
  const kinds = async () =>
    (await serverEvents(world.serverDisk.contents))
      .map(({ kind }) => kind)
      .filter((kind) => kind === 1 || kind === 5)
  return { world, phone, laptop, mine, start, kinds }
}

describe('contributions of other devices', () => {
  it('[TRN4] are listed on each device of the account, also on one that comes later', async () => {
    const { world, phone, mine } = await startContributed('training elsewhere')
    world.addDevice('tablet', 'ada').start()
    await world.advance(20_000)
    const wanted = { messageId: 'a', quality: 4, state: 'sent', content: 'answer a', address: mine.address }
    const [own] = await phone.training.list()
    for (const name of ['laptop', 'tablet']) {
      const device = clientOf(world, name)
      expect(await device.training.list()).toMatchObject([{ ...wanted, eventId: own?.eventId }])
      // Neither is anything of it to be sent, nor does a rebuild lose it, nor a restart.
      expect(device.status).toMatchObject({ unsent: 0, refused: 0 })
      await during(world, device.rebuild())
      expect(await device.training.list()).toMatchObject([wanted])
    }
    await deviceOf(world, 'laptop').crash()
    deviceOf(world, 'laptop').start()
    await world.advance(20_000)
    expect(await clientOf(world, 'laptop').training.list()).toMatchObject([wanted])
    // Both know more by now: what each contributes is one more for the other.
    const shown: number[] = []
    const view = phone.training.watch()
    const end = view.subscribe(() => shown.push(view.getSnapshot()?.length ?? 0))
    await during(world, clientOf(world, 'laptop').training.submit('chat', 'b', 5))
    await world.advance(20_000)
    expect(shown.at(-1)).toBe(2)
    end()
  })

  it('[TRN4][DLD6] are taken back on any device, for all of them', async () => {
    const { world, phone, laptop, kinds } = await startContributed('taken back elsewhere')
    const [theirs] = await laptop.training.list()
    await during(world, laptop.training.revoke(theirs?.id ?? ''))
    expect(await laptop.training.list()).toEqual([])
    await world.advance(20_000)
    expect(await phone.training.list()).toEqual([])
    expect(await kinds()).toEqual([5])
    for (const device of [phone, laptop]) {
      await during(world, device.rebuild())
      expect(await device.training.list()).toEqual([])
    }
  })

  it.each([false, true])(
    '[TRN4][DLD6] are one where two devices make the same in the same second; taken back by then: %s',
    async (isTakenBack) => {
      const { world, phone, laptop, kinds } = await startContributed(`at once ${isTakenBack}`)
      world.network.setOnline('laptop', false)
      await world.advance(10_000)
      // What is done on both by the same second has one id.
      await during(world, Promise.all([phone, laptop].map(({ training }) => training.submit('chat', 'b', 5))))
      await world.advance(10_000)
      const own = (await phone.training.list()).find(({ messageId }) => messageId === 'b')
      expect(own?.state).toBe('sent')
      if (isTakenBack) await during(world, phone.training.revoke(own?.id ?? ''))
      await world.advance(10_000)
      world.network.setOnline('laptop', true)
      laptop.wake()
      await world.advance(60_000)
      for (const device of [phone, laptop]) {
        const listed = (await device.training.list()).map(({ messageId, state }) => [messageId, state])
        expect(listed.sort()).toEqual([['a', 'sent'], ...(isTakenBack ? [] : [['b', 'sent']])])
        expect(device.status).toMatchObject({ unsent: 0, refused: 0, isCaughtUp: true })
      }
      expect((await kinds()).sort()).toEqual(isTakenBack ? [1, 5] : [1, 1])
    },
  )

  it('[DLD6] are gone too on the device that never heard that they had arrived', async () => {
    const { world, phone, laptop, kinds } = await startContributed('not heard')
    const submitted = phone.training.submit('chat', 'b', 5)
    while ((await kinds()).length < 2) await world.advance(1)
    await deviceOf(world, 'phone').crash()
    await submitted
    await world.advance(10_000)
    const [newest] = await laptop.training.list()
    expect(newest?.content).toBe('answer b')
    await during(world, laptop.training.revoke(newest?.id ?? ''))
    await world.advance(10_000)
    deviceOf(world, 'phone').start()
    await world.advance(20_000)
    const restarted = clientOf(world, 'phone')
    expect(await restarted.training.list()).toMatchObject([{ content: 'answer a' }])
    expect(restarted.status).toMatchObject({ unsent: 0, refused: 0, isCaughtUp: true })
  })

  it('[TRN4] stay gone where they come back once more after they were taken back', async () => {
    const { world, phone, laptop, kinds } = await startContributed('taken back meanwhile')
    world.network.setOnline('laptop', false)
    await world.advance(1_000)
    const [theirs] = await laptop.training.list()
    await during(world, laptop.training.revoke(theirs?.id ?? ''))
    const [event] = (await serverEvents(world.serverDisk.contents)).filter(({ kind }) => kind === 1)
    expect(event?.id).toBe(theirs?.eventId)
    // A server that was set back brings everything again before it hears of the request.
    world.crashServer()
    await world.serverDisk.restore(1)
    world.startServer()
    await world.advance(60_000)
    const shown: number[] = []
    const view = laptop.training.watch()
    const end = view.subscribe(() => shown.push(view.getSnapshot()?.length ?? 0))
    world.network.setOnline('laptop', true)
    await world.advance(60_000)
    expect(await laptop.training.list()).toEqual([])
    expect(shown.every((count) => count === 0)).toBe(true)
    end()
    expect(await phone.training.list()).toEqual([])
    expect(await kinds()).toEqual([5])
  })

  it('[TRN4] come back to a server that was set back from whichever device is there', async () => {
    const { world, start, kinds } = await startContributed('set back')
    await deviceOf(world, 'phone').crash()
    world.crashServer()
    await world.serverDisk.restore(start)
    expect(await kinds()).toEqual([])
    world.startServer()
    await world.advance(60_000)
    expect(await kinds()).toEqual([1])
  })

  it('[TRN4][CAT7] cost a reconnect nothing', async () => {
    const { world, laptop } = await startContributed('reconnect')
    const connected = async () => {
      laptop.disconnect()
      await world.advance(1_000)
      const before = world.network.messages
      laptop.connect()
      await world.advance(5_000)
      return world.network.messages - before
    }
    expect(await laptop.training.list()).toHaveLength(1)
    expect(await connected()).toBe(5)
  })

  it('[TRN4] of nobody else are taken for such, nor notes, nor what was not signed', async () => {
    const contribution = (changes: Partial<NostrEvent> & { readonly tags?: string[][] }, key = owner) =>
      sign(key, {
        kind: 1,
        created_at: 1_764_000_000,
        tags: [['t', 'training'], ['quality', '3'], ['-']],
        content: 'answer',
        ...changes,
      })
    const good = contribution({ content: 'good' })
    const events = [
      contribution({ content: 'of another' }, testKey(2)),
      contribution({ content: 'a note', tags: [['-']] }),
      contribution({
        content: 'no quality',
        tags: [
          ['t', 'training'],
          ['quality', '6'],
        ],
      }),
      { ...contribution({ content: 'signed' }), content: 'changed' },
      good,
      good,
    ]
    const store = createMemoryStore()
    const { clock, client } = await openScripted(owner, {
      store,
      script: {
        onReq(link, id) {
          for (const event of events) link.send('EVENT', id, event, 'c1')
          link.send('EOSE', id, ['finish', 'cursor:c1'])
        },
      },
    })
    client.connect()
    await clock.advance(5_000)
    expect(client.status).toMatchObject({ isCaughtUp: true, setAside: 1, unsent: 0 })
    // The account has not even agreed on this device: it lists what was sent, and sends nothing.
    expect(await client.training.list()).toMatchObject([
      { content: 'good', quality: 3, state: 'sent', eventId: good.id, address: '', messageId: '' },
    ])
    expect((await store.loadOutbox()).map(({ state }) => state)).toEqual(['confirmed'])
  })
})

describe('consent that is taken back', () => {
  it('[TRN1] while the disk is full withdraws what waits, and is written as soon as it is not', async () => {
    const store = createMemoryStore()
    let isFull = false
    const client = await createSyncClient({
      signer: new PlainKeySigner(owner.secretKey),
      store: {
        ...store,
        async commit(batch) {
          const withdraws = batch.outboxPut?.some(({ state }) => state === 'withdrawn') === true
          if (isFull && withdraws) throw new SyncError('STORE_FAILED', 'no space left')
          await store.commit(batch)
        },
      },
    })
    await client.training.setConsent(true)
    await client.chats.create({ id: 'chat' })
    const { id } = await client.chats.send('chat', 'answer')
    await client.training.submit('chat', id, 5)
    isFull = true
    // As it comes from another device: only the outbox's entry finds no room.
    await client.settings.set('trainingConsent', false)
    await expect(client.flush()).rejects.toMatchObject({ code: 'STORE_FAILED' })
    isFull = false
    await client.flush()
    expect(await client.training.list()).toMatchObject([{ state: 'withdrawn' }])
    await client.close()
  })
})
