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
import { afterThisTest } from '../support/after-test.js'
import { hasChromium } from '../support/browser.js'
import { type BrowserProcess, startBrowserProcess } from '../support/browser-process.js'
import { testKey } from '../support/events.js'
import { hangWhenRemoving, whatIsKept } from '../support/kept-in-page.js'
import { temporaryDirectory } from '../support/temporary-directory.js'
import {
  bringKeyIn,
  buildWebClient,
  keepFromOpfs,
  SAVED,
  serveWebClient,
  startChatting,
  switchNetwork,
  takeKeyOut,
  wait,
  write,
} from '../support/web-client.js'

/** Where a browser's database is: one that gives workers no files keeps it in IndexedDB. */
const STORAGES = ['opfs', 'indexeddb'] as const

/** How many browsers are killed, each in the midst of what a person does. */
const KILLS = Number(process.env.ONYX_WEB_KILLS ?? 2)

const ROUNDS = Array.from({ length: KILLS }, (_, at) => at + 1)
const KILLED = STORAGES.flatMap((storage) => ROUNDS.map((round) => ({ storage, round })))

/** A browser on a profile whose database is where it is said to be. */
async function startOn(profile: string, storage: (typeof STORAGES)[number]): Promise<BrowserProcess> {
  const started = await startBrowserProcess(profile)
  const [context] = started.browser.contexts()
  if (storage === 'opfs' || context === undefined) return started
  await keepFromOpfs(context)
  // It would give the page a worker's script as it was.
  await context.addInitScript('delete Navigator.prototype.serviceWorker')
  return started
}

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

/** Whether a database of the page is LokiJS's, in IndexedDB. */
function hasLokiDatabase(page: Page): Promise<boolean> {
  return page.evaluate(async () => {
    for (const { name = '' } of await indexedDB.databases()) {
      const database = await new Promise<IDBDatabase>((resolve) => {
        const request = indexedDB.open(name)
        request.onsuccess = () => resolve(request.result)
      })
      const isLoki = database.objectStoreNames.contains('LokiIncrementalData')
      database.close()
      if (isLoki) return true
    }
    return false
  })
}

/** In the settings, which are open. */
async function giveNameAndLook(page: Page): Promise<void> {
  await page.getByLabel('Name, for your other devices').fill('Kitchen')
  await page.getByLabel('Dark').check()
}

/** In the settings, which are open: a model behind an API, with a key of this device. */
async function useModel(page: Page): Promise<void> {
  await page.getByLabel('Address of an OpenAI-compatible API').fill('https://api.example.com/v1')
  await page.getByLabel('Model', { exact: true }).fill('opus')
  await page.getByLabel('API key, if it takes one').fill('sk-of-this-device')
  await page.getByRole('button', { name: 'Use this model' }).click()
  await page.getByText('opus answers from now on.').waitFor()
}

const ownTexts = (page: Page) =>
  page.getByRole('log').locator('.message[data-role=user] .bubble').allInnerTexts()

describe.skipIf(!hasChromium)('a browser that is killed', () => {
  it.each(KILLED)(
    '[WEB27][C10] while somebody writes has after it what was shown as kept, once, and the account ($storage, $round)',
    async ({ storage, round }) => {
      const data = temporaryDirectory()
      const { server, url } = await serveWebClient({ data })
      const port = server.address?.port ?? 0
      const profile = join(folder, `${storage}-${round}`)
      chromium = await startOn(profile, storage)
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
        if (storage === 'opfs') await page.evaluate(() => navigator.serviceWorker.ready)
        else await switchNetwork(page)
        if (storage === 'opfs') await server.close()
      }
      expect(await hasLokiDatabase(page)).toBe(storage === 'indexeddb')
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

      chromium = await startOn(profile, storage)
      page = await chromium.open(url)
      await page.getByRole('link', { name: /^Message 0/ }).click()
      await vi.waitFor(async () => expect(await ownTexts(page)).toEqual(expect.arrayContaining(before)), wait)
      const after = await ownTexts(page)
      expect(new Set(after).size).toBe(after.length)
      if (isAlone) {
        // Which of them are saved is in local storage, and that may have lost it.
        expect(await page.getByText('Saved', { exact: true }).count()).toBe(0)
        if (storage === 'opfs') await serveWebClient({ data, port })
        else await switchNetwork(page)
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

  it('[WEB27] has after it what was set on this device: whether it is off the network, its name, its look, its API key', async () => {
    const { url } = await serveWebClient()
    const profile = join(folder, 'set')
    chromium = await startBrowserProcess(profile)
    let page = await chromium.open(url)
    await startChatting(page)
    await page.getByRole('button', { name: 'Settings' }).click()
    await giveNameAndLook(page)
    await page.getByRole('button', { name: 'Close' }).click()
    await switchNetwork(page)
    await page.getByRole('button', { name: 'Settings' }).click()
    await useModel(page)
    await chromium.kill()

    chromium = await startBrowserProcess(profile)
    page = await chromium.open(url)
    await page.getByRole('button', { name: 'Settings' }).waitFor()
    expect(await page.getByRole('switch', { name: 'Network' }).isChecked()).toBe(false)
    expect(await page.evaluate(() => document.documentElement.dataset.theme)).toBe('dark')
    await page.getByRole('button', { name: 'Settings' }).click()
    expect(await page.getByLabel('Name, for your other devices').inputValue()).toBe('Kitchen')
    const key = page.getByLabel('API key, if it takes one')
    await vi.waitFor(async () => expect(await key.inputValue()).toBe('sk-of-this-device'), wait)
    await chromium.kill()
  }, 90_000)

  it.each([false, true])(
    '[WEB27] once an account was left has nothing of it after it (while its database is taken away: %s)',
    async (isMidway) => {
      const { url } = await serveWebClient()
      const profile = join(folder, `left-${isMidway}`)
      chromium = await startBrowserProcess(profile)
      let page = await chromium.open(url)
      await startChatting(page)
      await write(page, 'Message')
      await page.getByRole('button', { name: 'Settings' }).click()
      await giveNameAndLook(page)
      await useModel(page)
      await page.getByRole('button', { name: 'Close' }).click()
      await page.getByRole('button', { name: SAVED }).waitFor()
      await switchNetwork(page)
      // Local storage is on the disk then, and what is removed from it a moment before a browser is killed isn't.
      await chromium.quit()

      chromium = await startBrowserProcess(profile)
      page = await chromium.open('about:blank')
      if (isMidway) await page.addInitScript(hangWhenRemoving)
      const removing = page.waitForEvent('console', { predicate: (line) => line.text() === 'removing' })
      removing.catch(() => {})
      await page.goto(url)
      page.on('dialog', (dialog) => void dialog.accept())
      await page.getByRole('button', { name: 'Settings' }).click()
      await page.getByRole('button', { name: /Leave this account/ }).click()
      if (isMidway) await removing
      else await page.getByRole('button', { name: 'Start chatting' }).waitFor()
      await chromium.kill()

      chromium = await startBrowserProcess(profile)
      page = await chromium.open(url)
      await page.getByRole('button', { name: 'Start chatting' }).waitFor()
      // Name and look are those of the device.
      const left = {
        values: ['onyx-sync.changes', 'onyx-sync.device-name', 'onyx-sync.theme'],
        databases: ['onyx-sync-web'],
        files: [],
      }
      await vi.waitFor(async () => expect(await whatIsKept(page)).toEqual(left), wait)
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
