import {
  createMemoryStore,
  createSyncClient,
  type SyncClient,
  type SyncClientOptions,
  type SyncStore,
} from '@onyx-sync/client'
import { createNodeTransport } from '@onyx-sync/client/node'
import type { SyncServer } from '@onyx-sync/server'
import { nsecEncode } from 'nostr-tools/nip19'
import { PlainKeySigner } from 'nostr-tools/signer'
import { expect, it, vi } from 'vitest'
import * as Y from 'yjs'
import { recordTasks } from '../bench/long-tasks.js'
import { createWriter } from '../bench/text.js'
import { afterThisTest } from '../support/after-test.js'
import { hasChromium } from '../support/browser.js'
import { type TestKey, testKey } from '../support/events.js'
import {
  bringKeyIn,
  openWebDeviceOnDisk,
  SAVED,
  serveWebClient,
  useWebBrowser,
} from '../support/web-client.js'

useWebBrowser()

const MESSAGES = 10_000
const BATCH = 250
/**
 * How much of what its scripts do one task of them may do, collecting garbage not counted. A part, because that is the same
 * on a slow machine and beside other work. What it is in time is for the bench: `ONYX_TASKS=1` prints it.
 */
const MOST = { first: 0.08, opening: 0.15, typing: 0.08, again: 0.2, 'further up': 0.25 }
/** How many messages the page renders more at a time. */
const WINDOW = 50
const patient = { timeout: 60_000, interval: 200 }
const write = createWriter('speed')

/** A device that writes without making anything smaller: what it does is in the server's log. */
async function openWriter(
  store: SyncStore,
  { secretKey }: TestKey,
  { url }: SyncServer,
  options: Partial<SyncClientOptions> = {},
): Promise<SyncClient> {
  const client = await createSyncClient({
    store,
    signer: new PlainKeySigner(secretKey),
    url,
    transport: createNodeTransport(),
    checkpoints: false,
    ...options,
  })
  afterThisTest(() => client.close())
  client.connect()
  return client
}

function addMessages(doc: Y.Doc, from: number, count: number): void {
  const maps = Array.from({ length: count }, (_, n) => {
    const index = from + n
    const map = new Y.Map<unknown>()
    map.set('id', `m${index}`)
    map.set('role', index % 2 === 0 ? 'user' : 'assistant')
    map.set('content', new Y.Text(write(index % 2 === 0 ? 100 : 700)))
    map.set('createdAt', 1_700_000_000_000 + index * 1_000)
    map.set('status', 'complete')
    return map
  })
  doc.transact(() => doc.getArray('messages').push(maps))
}

it.skipIf(!hasChromium)(
  '[WEB40][LOD1][HLD4] no task of the scripts is long while a chat of 10,000 messages comes, is opened, typed in and caught up on',
  async () => {
    const key = testKey(1)
    const { server, url } = await serveWebClient()
    const store = createMemoryStore()
    const writer = await openWriter(store, key, server, { batching: { intervalMs: 0 } })
    await writer.chats.create({ id: 'long', title: 'A long chat' })
    const chat = await writer.chats.open('long')
    for (let first = 0; first < MESSAGES; first += BATCH) {
      addMessages(chat.doc, first, BATCH)
      await writer.saved({ timeoutMs: 60_000 })
    }

    // Another device, at the pace of any.
    const talker = await openWriter(createMemoryStore(), key, server)
    await talker.synced({ timeoutMs: 60_000 })
    const talk = await talker.chats.open('long')

    const { page, context, faults } = await openWebDeviceOnDisk(url)
    const parts: Record<string, number> = {}
    const watch = async (name: keyof typeof MOST, work: () => Promise<unknown>) => {
      const { scriptMs, longest } = await recordTasks(page, work)
      parts[name] = (longest[0]?.scriptMs ?? 0) / scriptMs
      if (process.env.ONYX_TASKS)
        process.stderr.write(
          `${name}: ${scriptMs.toFixed(0)} ms in all, ${JSON.stringify(longest.slice(0, 6), null, 1)}\n`,
        )
    }
    await watch('first', async () => {
      await bringKeyIn(page, nsecEncode(key.secretKey))
      await page.getByRole('link', { name: /A long chat/ }).waitFor()
      await page.getByRole('button', { name: SAVED }).waitFor(patient)
    })
    await page.reload()
    await page.getByRole('button', { name: SAVED }).waitFor(patient)
    await watch('opening', async () => {
      await page.getByRole('link', { name: /A long chat/ }).click()
      await page.locator('.bubble').first().waitFor()
      await page.getByRole('button', { name: 'Share and more', disabled: false }).waitFor()
    })
    await watch('typing', async () => {
      const reply = talk.stream()
      const talking = setInterval(() => reply.push(`${write(6)} `), 50)
      await page.getByLabel('Message', { exact: true }).click()
      for (let round = 0; round < 30; round++) await page.keyboard.type('hello there ', { delay: 20 })
      clearInterval(talking)
      await reply.complete()
      await page.getByText(talk.messages.at(-1)?.content.slice(-30) ?? '').waitFor()
    })
    await context.setOffline(true)
    for (const from of [0, 1]) addMessages(chat.doc, MESSAGES + from * BATCH, BATCH)
    for (let n = 0; n < 100; n++) {
      await chat.send(`one more ${n}`)
      await writer.saved({ timeoutMs: 60_000 })
    }
    await watch('again', async () => {
      await context.setOffline(false)
      await page.getByText('one more 99').waitFor(patient)
      await page.getByRole('button', { name: SAVED }).waitFor(patient)
    })
    const bubbles = page.locator('.bubble')
    expect(await bubbles.count()).toBe(WINDOW)
    const older = page.getByRole('button', { name: 'Show older messages' })
    await older.click()
    await vi.waitFor(async () => expect(await bubbles.count()).toBe(2 * WINDOW))
    await page.getByText(/^one more 0$/).waitFor()

    // Who reads further up goes on there, and is brought to the end when he wants to.
    await older.scrollIntoViewIfNeeded()
    await page.getByRole('button', { name: 'To the newest' }).waitFor()
    await context.setOffline(true)
    addMessages(chat.doc, MESSAGES + 2 * BATCH, BATCH)
    await chat.send('the very last')
    await writer.saved({ timeoutMs: 60_000 })
    await watch('further up', async () => {
      await context.setOffline(false)
      await page.getByRole('button', { name: 'Show newer messages' }).waitFor(patient)
      await page.getByRole('button', { name: SAVED }).waitFor(patient)
    })
    expect(await bubbles.count()).toBe(3 * WINDOW)
    expect(await older.isVisible()).toBe(true)
    // Below what is shown isn't the end: whoever asks for more goes on where he is.
    const box = page.locator('.messages')
    await box.evaluate((element) => element.scrollTo({ top: element.scrollHeight }))
    await page.evaluate(
      () => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve))),
    )
    const topBefore = await box.evaluate((element) => element.scrollTop)
    await page.getByRole('button', { name: 'Show newer messages' }).click()
    await vi.waitFor(async () => expect(await bubbles.count()).toBe(4 * WINDOW))
    expect(await box.evaluate((element) => element.scrollTop)).toBeCloseTo(topBefore, -1)
    await page.getByRole('button', { name: 'To the newest' }).click()
    await page.getByText('the very last').waitFor()
    expect(await bubbles.count()).toBe(WINDOW)
    for (const [name, most] of Object.entries(MOST))
      expect([name, parts[name]], name).toEqual([name, expect.toSatisfy((part: number) => part < most)])
    expect(faults).toEqual([])
  },
  300_000,
)
