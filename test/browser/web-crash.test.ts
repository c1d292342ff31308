import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createMemoryStore, createSyncClient } from '@onyx-sync/client'
import { createNodeTransport } from '@onyx-sync/client/node'
import { nsecEncode } from 'nostr-tools/nip19'
import { PlainKeySigner } from 'nostr-tools/signer'
import type { Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import * as Y from 'yjs'
import { hasChromium } from '../support/browser.js'
import { type BrowserProcess, startBrowserProcess } from '../support/browser-process.js'
import { testKey } from '../support/events.js'
import { afterThisTest, temporaryDataDirectory } from '../support/servers.js'
import {
  bringKeyIn,
  buildWebClient,
  SAVED,
  serveWebClient,
  startChatting,
  takeKeyOut,
  wait,
  write,
} from '../support/web-client.js'

/** How many browsers are killed, each in the midst of what a person does. */
const KILLS = Number(process.env.ONYX_WEB_KILLS ?? 2)

const ROUNDS = Array.from({ length: KILLS }, (_, at) => at + 1)

let folder = ''
let chromium: BrowserProcess | undefined

beforeAll(() => {
  if (!hasChromium) return
  folder = mkdtempSync(join(tmpdir(), 'onyx-sync-web-crash-'))
  buildWebClient()
}, 120_000)

afterAll(async () => {
  await chromium?.kill()
  if (folder !== '') rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
})

const LONG = 4_000
/** How long after its list came a browser is killed in one round, twice that in the next, then three times. Milliseconds. */
const SOON_MS = 220

/** A chat on a server, so long that it comes in many batches. @returns its newest texts */
async function fillLongChat(server: { readonly url: string }, secretKey: Uint8Array): Promise<string[]> {
  const client = await createSyncClient({
    store: createMemoryStore(),
    signer: new PlainKeySigner(secretKey),
    url: server.url,
    transport: createNodeTransport(),
  })
  afterThisTest(() => client.close())
  client.connect()
  const chat = await client.chats.open((await client.chats.create({ title: 'A long chat' })).id)
  const texts = Array.from({ length: LONG }, (_, index) => `${index} ${'and so on '.repeat(30)}`.trim())
  chat.doc.transact(() => {
    const maps = texts.map((content, index) => {
      const fields = {
        id: `m${index}`,
        role: 'user',
        createdAt: 1_700_000_000_000 + index,
        status: 'complete',
      }
      return new Y.Map<unknown>([...Object.entries(fields), ['content', new Y.Text(content)]])
    })
    chat.doc.getArray('messages').push(maps)
  })
  await client.saved({ timeoutMs: 60_000 })
  return texts.slice(-50)
}

/** Says on the console of each own message, once, that it is shown as kept. */
function tellWhatIsKept(): void {
  const told = new Set<string>()
  new MutationObserver(() => {
    for (const message of document.querySelectorAll<HTMLElement>('.message[data-role=user]')) {
      const text = message.querySelector<HTMLElement>('.bubble')?.innerText ?? ''
      const isKept = /On this device|Sent|Saved/.test(message.querySelector('.mark')?.textContent ?? '')
      if (!isKept || told.has(text)) continue
      told.add(text)
      console.log(`kept ${text}`)
    }
  }).observe(document, { subtree: true, childList: true, characterData: true })
}

const ownTexts = (page: Page) =>
  page.getByRole('log').locator('.message[data-role=user] .bubble').allInnerTexts()

describe.skipIf(!hasChromium)('a browser that is killed', () => {
  it.each(ROUNDS)(
    '[WEB27][C10] while somebody writes has after it what was shown as kept, once, and the account (%i)',
    async (round) => {
      const data = temporaryDataDirectory()
      const { server, url } = await serveWebClient({ data })
      const port = server.address?.port ?? 0
      const profile = join(folder, `round-${round}`)
      chromium = await startBrowserProcess(profile)
      let page = await chromium.open('about:blank')
      await page.addInitScript(tellWhatIsKept)
      const kept: string[] = []
      page.on('console', (message) => {
        const text = /^kept (.*)/.exec(message.text())?.[1]
        if (text !== undefined) kept.push(text)
      })
      await page.goto(url)
      await startChatting(page)
      const nsec = await takeKeyOut(page)
      // Every second one without a server: then nobody else has it.
      const isAlone = round % 2 === 0
      if (isAlone) {
        await page.evaluate(() => navigator.serviceWorker.ready)
        await server.close()
      }
      // Two at once make one chat.
      await write(page, 'Message 0')
      await write(page, 'Message 1')
      await page.getByRole('heading', { name: 'Message 0' }).waitFor()
      const writing = (async () => {
        for (let count = 2; ; count++) await write(page, `Message ${count}`)
      })().catch(() => {})
      await vi.waitFor(() => expect(kept.length).toBeGreaterThan(12 + round), wait)
      await chromium.kill()
      await writing
      const before = [...kept]

      chromium = await startBrowserProcess(profile)
      page = await chromium.open(url)
      await page.getByRole('link', { name: /^Message 0/ }).click()
      await vi.waitFor(async () => expect(await ownTexts(page)).toEqual(expect.arrayContaining(before)), wait)
      const after = await ownTexts(page)
      expect(new Set(after).size).toBe(after.length)
      if (isAlone) {
        // Which of them are saved is in local storage, and that may have lost it.
        expect(await page.getByText('Saved', { exact: true }).count()).toBe(0)
        await serveWebClient({ data, port })
      }
      await page.getByRole('button', { name: SAVED }).waitFor()
      const other = await (await chromium.browser.newContext()).newPage()
      await other.goto(url)
      await bringKeyIn(other, nsec)
      await other.getByRole('link', { name: /^Message 0/ }).click()
      await vi.waitFor(async () => expect(await ownTexts(other)).toEqual(after), wait)
      await chromium.kill()
    },
    90_000,
  )

  it.each(ROUNDS)(
    '[HLD4][WEB27] while a long chat comes to it has all of it the next time (%i)',
    async (round) => {
      const { server, url } = await serveWebClient()
      const { secretKey } = testKey(1)
      const newest = await fillLongChat(server, secretKey)
      const profile = join(folder, `coming-${round}`)
      chromium = await startBrowserProcess(profile)
      let page = await chromium.open(url)
      await bringKeyIn(page, nsecEncode(secretKey))
      await page.getByRole('link', { name: /A long chat/ }).waitFor()
      await page.waitForTimeout(SOON_MS * (((round - 1) % 3) + 1))
      await chromium.kill()

      chromium = await startBrowserProcess(profile)
      page = await chromium.open(url)
      await page.getByRole('button', { name: SAVED }).waitFor()
      await page.getByRole('link', { name: /A long chat/ }).click()
      await vi.waitFor(async () => expect(await ownTexts(page)).toEqual(newest), wait)
      await page.getByRole('button', { name: 'Share and more', disabled: false }).waitFor()
      await chromium.kill()
    },
    90_000,
  )
})
