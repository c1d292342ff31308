import { createMemoryLog, type SyncServerOptions } from '@onyx-sync/server'
import type { NostrEvent } from '@onyx-sync/shared'
import { describe, expect, it } from 'vitest'
import * as Y from 'yjs'
import { append, mergedFrom } from '../support/chat-copy.js'
import { chatEvent, sign, testKey } from '../support/events.js'
import { type HeldLog, holdingLog } from '../support/held-log.js'
import type { RelayClient } from '../support/relay-client.js'
import { connect, runServer } from '../support/servers.js'

const alice = testKey(1)
const KINDS = { kinds: [30001, 10001, 1] }
const TEXTS = ['one', 'two', 'three']

/** A chat of three events, a later one of another chat, and a checkpoint of the first that is not published yet. */
async function start(options: Partial<SyncServerOptions> = {}): Promise<{
  held: HeldLog
  writer: RelayClient
  reader: RelayClient
  again(): Promise<RelayClient>
  doc: Y.Doc
  readonly checkpoint: NostrEvent
}> {
  const held = holdingLog(createMemoryLog())
  const server = await runServer({ log: held.log, ...options })
  const [writer, reader] = [await connect(server, alice), await connect(server, alice)]
  const doc = new Y.Doc()
  for (const text of TEXTS) await writer.publish(chatEvent(alice, { update: append(doc, text) }))
  await writer.publish(chatEvent(alice, { chatId: 'other', update: append(new Y.Doc(), 'other') }))
  const checkpoint = chatEvent(alice, { update: Y.encodeStateAsUpdate(doc), checkpoint: true })
  return { held, writer, reader, again: () => connect(server, alice), doc, checkpoint }
}

/** The disk has taken an event and failed nevertheless, while a reader is connected. */
async function failAfterCommit() {
  const scene = await start()
  await scene.reader.request('sync', { ...KINDS, after: '' })
  const event = chatEvent(alice, { update: append(scene.doc, 'four') })
  scene.held.failAfterCommit()
  expect(await scene.writer.publish(event)).toMatchObject({ accepted: false })
  return { ...scene, event }
}

const textsOf = (events: readonly NostrEvent[]) =>
  mergedFrom(events.filter(({ tags }) => !tags.some(([name, value]) => name === 'd' && value === 'other')))
    .getArray('messages')
    .toJSON()
const got = (reader: RelayClient, id: string) => reader.eventsOf(id).map(({ event }) => event)

describe('what is replaced while it is read', () => {
  it('[RPL5][REP3] a checkpoint that comes while a reader catches up is sent to it: it has not seen what that stands for', async () => {
    const { held, writer, reader, checkpoint } = await start()
    held.beforeLoad(() => writer.publish(checkpoint))
    await reader.request('sync', { ...KINDS, after: '' })
    await reader.waitForEvent('sync', checkpoint.id)
    expect(textsOf(got(reader, 'sync'))).toEqual(TEXTS)
  })

  it('[RPL5][REP1] it is sent to a reader whose connection went in between, too', async () => {
    const { held, writer, reader, again, checkpoint } = await start()
    held.beforeLoad(() => writer.publish(checkpoint))
    const { events, cursor } = await reader.request('sync', { ...KINDS, after: '' })
    const later = await (await again()).request('sync', { ...KINDS, after: cursor })
    expect(textsOf([...events, ...later.events])).toEqual(TEXTS)
  })

  it('[RPL5] of a chat that nobody reads just then a checkpoint still repeats what readers have', async () => {
    const { writer, reader, again, checkpoint } = await start()
    const { cursor } = await reader.request('sync', { ...KINDS, after: '' })
    await writer.publish(checkpoint)
    expect((await (await again()).request('sync', { ...KINDS, after: cursor })).events).toEqual([])
  })

  it('[REQ9] the answer to a plain REQ holds what took the place of events while it was read', async () => {
    const { held, writer, reader, checkpoint } = await start()
    held.beforeLoad(() => writer.publish(checkpoint))
    const { events } = await reader.request('plain', { kinds: [30001] })
    expect(textsOf(events)).toEqual(TEXTS)
  })

  it('[REQ9] so does that for the newest version of something replaceable', async () => {
    const { held, writer, reader } = await start({ kinds: { extra: [0] } })
    const profile = (content: string, created_at: number) =>
      sign(alice, { kind: 0, content, created_at, tags: [] })
    await writer.publish(profile('old', 1_700_000_000))
    held.beforeLoad(() => writer.publish(profile('new', 1_700_000_001)))
    const { events } = await reader.request('profile', { kinds: [0], authors: [alice.publicKey] })
    expect(events.map(({ content }) => content)).toEqual(['new'])
  })

  it('[S4][REP1] what a failed write put on the disk nevertheless reaches those who are connected', async () => {
    const { writer, reader, doc, event } = await failAfterCommit()
    expect(await writer.publish(event)).toMatchObject({ accepted: true })
    const next = chatEvent(alice, { update: append(doc, 'five') })
    await writer.publish(next)
    await reader.waitForEvent('sync', next.id)
    expect(textsOf(got(reader, 'sync'))).toEqual([...TEXTS, 'four', 'five'])
  })

  it('[ING4][REP1] what a failed write put on the disk nevertheless is told though nobody writes after it', async () => {
    const { reader, event } = await failAfterCommit()
    await reader.waitForEvent('sync', event.id)
  })
})
