import { createMemoryStore, type EditState, type SyncStore } from '@onyx-sync/client'
import { type EventTemplate, type NostrEvent, type Signer, SyncError } from '@onyx-sync/shared'
import { PlainKeySigner } from 'nostr-tools/signer'
import { describe, expect, it } from 'vitest'
import { chatAddressText, noise, testKey } from '../support/events.js'
import { openScripted } from '../support/scripted-server.js'
import { during } from '../support/worlds.js'

type Batch = Parameters<SyncStore['commit']>[0]

const owner = testKey(1)
/** Long enough for a burst of events to be allowed again. Milliseconds. */
const PAUSE_MS = 10_000

/** A device that has signed before, on a disk and with a key that can be told what to do. */
async function openDevice() {
  const memory = createMemoryStore()
  const key = new PlainKeySigner(owner.secretKey)
  const batches: Batch[] = []
  const disk = { isFull: false }
  const signing = { asked: 0, answer: (sign: () => Promise<NostrEvent>) => sign() }
  const store: SyncStore = {
    ...memory,
    async commit(batch) {
      if (disk.isFull) throw new SyncError('STORE_FAILED', 'the disk is full')
      await memory.commit(batch)
      batches.push(batch)
    },
  }
  const signer: Signer = {
    getPublicKey: () => key.getPublicKey(),
    signEvent(template: EventTemplate) {
      if (template.kind !== 30001) return key.signEvent(template)
      signing.asked++
      return signing.answer(() => key.signEvent(template))
    },
  }
  const { clock, client, server } = await openScripted(owner, { store, signer })
  client.connect()
  for (const id of ['chat', 'other']) await during(clock, client.chats.create({ id }))
  await during(clock, client.saved())
  await clock.advance(PAUSE_MS)
  const known = server.events().length
  batches.length = 0
  signing.asked = 0
  return {
    ...{ clock, client, disk, signing },
    edits: () => batches.filter(({ updates = [] }) => updates.length > 0),
    /** States of the entries that were put, batch by batch. */
    entries: () => batches.map(({ outboxPut = [] }) => outboxPut.map(({ state }) => state)),
    /** Without those that go again after an interruption. */
    sent: () => [...new Map(server.events().map((event) => [event.id, event])).values()].slice(known),
    state: (): EditState => client.stateOf(chatAddressText(owner, 'chat')),
  }
}

describe('an edit that is made alone', () => {
  it('[OUT23] is written together with its event', async () => {
    const { clock, client, edits, entries, sent, state } = await openDevice()
    await during(clock, client.chats.send('chat', 'alone'))
    expect(edits()).toHaveLength(1)
    expect(entries()[0]).toEqual(['staged'])
    expect(entries().flat()).not.toContain('pending')
    await clock.advance(10)
    expect(sent()).toHaveLength(1)
    expect(edits()[0]?.outboxPut?.[0]?.event).toContain(sent()[0]?.id)
    expect([state(), client.status.unsent]).toEqual(['saved', 0])
  })

  it('[OUT23][C2] goes, and counts as kept, no sooner than both are on the disk', async () => {
    const { clock, client, disk, edits, sent, state, signing } = await openDevice()
    disk.isFull = true
    await expect(during(clock, client.chats.send('chat', 'first'))).rejects.toMatchObject({
      code: 'STORE_FAILED',
    })
    await clock.advance(5_000)
    expect([signing.asked, sent().length, state(), client.status.unsent]).toEqual([1, 0, 'local', 1])
    expect(client.unsaved()).toMatchObject({ edits: 1 })
    // What is made meanwhile is signed by itself, once this is sent.
    await expect(during(clock, client.chats.send('chat', 'second'))).rejects.toMatchObject({
      code: 'STORE_FAILED',
    })
    expect([signing.asked, client.status.unsent]).toEqual([1, 2])
    disk.isFull = false
    await during(clock, client.flush())
    await clock.advance(5_000)
    expect(edits()).toHaveLength(1)
    expect([signing.asked, sent().length, state(), client.status.unsent]).toEqual([2, 2, 'saved', 0])
  })

  it('[OUT23] is written without its event where the signer doesn’t answer soon, and signed later', async () => {
    const { clock, client, edits, entries, sent, state, signing } = await openDevice()
    const waiting: (() => void)[] = []
    signing.answer = async (sign) => {
      await new Promise<void>((resolve) => waiting.push(resolve))
      return sign()
    }
    const kept = client.chats.send('chat', 'patient')
    await clock.advance(19)
    expect(edits()).toHaveLength(0)
    await clock.advance(2)
    await kept
    expect(entries()).toEqual([['pending']])
    expect([sent().length, state()]).toEqual([0, 'local'])
    await clock.advance(60_000)
    for (const answer of waiting) answer()
    await clock.advance(5_000)
    expect([sent().length, state(), client.status.unsent]).toEqual([1, 'saved', 0])
  })

  it('[OUT23][OUT8] is written without it where the signer fails, and signed after a while', async () => {
    const { clock, client, entries, sent, signing } = await openDevice()
    const { answer } = signing
    signing.answer = () => Promise.reject(new Error('locked'))
    await during(clock, client.chats.send('chat', 'locked out'))
    expect(entries()[0]).toEqual(['pending'])
    expect([signing.asked, sent().length]).toEqual([1, 0])
    expect(client.status.problem).toMatchObject({ code: 'SIGNER_FAILED' })
    signing.answer = answer
    await clock.advance(5_000)
    expect(sent()).toHaveLength(1)
    expect(client.status).toMatchObject({ problem: undefined, unsent: 0 })
  })

  it('[OUT23] is written first where signing takes its time, where others are made with it, and off the network', async () => {
    const { clock, client, entries, sent, signing } = await openDevice()
    await during(clock, Promise.all([client.chats.send('chat', 'one'), client.chats.send('other', 'two')]))
    expect(entries()[0]).toEqual(['pending', 'pending'])
    await clock.advance(PAUSE_MS)
    expect(sent()).toHaveLength(2)

    client.disconnect()
    const before = entries().length
    await during(clock, client.chats.send('chat', 'on the train'))
    expect(entries()[before]).toEqual(['pending'])
    client.connect()
    await clock.advance(PAUSE_MS)
    expect(sent()).toHaveLength(3)

    const { answer } = signing
    signing.answer = async (sign) => {
      await new Promise<void>((resolve) => clock.setTimeout(resolve, 15))
      return answer(sign)
    }
    // Until what is known of it has taken note.
    for (const state of ['staged', 'staged', 'pending']) {
      const then = entries().length
      await during(clock, client.chats.send('chat', 'slow'))
      expect(entries()[then]).toEqual([state])
      await clock.advance(PAUSE_MS)
    }
    expect(sent()).toHaveLength(6)
    expect(client.status.unsent).toBe(0)
  })

  it('[OUT23] is in parts where it is too large for one event, as otherwise', async () => {
    const { clock, client, sent, state } = await openDevice()
    await during(clock, client.chats.send('chat', noise(1_200_000)))
    await clock.advance(5_000)
    expect(sent().length).toBeGreaterThan(1)
    expect([state(), client.status.unsent]).toEqual(['saved', 0])
  })
})
