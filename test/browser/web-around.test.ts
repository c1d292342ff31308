import {
  createMemoryStore,
  createSyncClient,
  type SyncClient,
  type SyncClientOptions,
} from '@onyx-sync/client'
import { createNodeTransport } from '@onyx-sync/client/node'
import { systemClock } from '@onyx-sync/shared'
import { nsecEncode } from 'nostr-tools/nip19'
import { PlainKeySigner } from 'nostr-tools/signer'
import { expect, it, vi } from 'vitest'
import { violations } from '../support/axe.js'
import { hasChromium } from '../support/browser.js'
import { testKey } from '../support/events.js'
import {
  bringKeyIn,
  openWebDevice,
  SAVED,
  serveWebClient,
  startChatting,
  takeKeyOut,
  textsOf,
  useWebBrowser,
  wait,
  write,
} from '../support/web-client.js'

const browser = useWebBrowser()

/** Of a large account. */
const CHATS = 300

/** Another device of an account, connected. */
async function openElsewhere(
  url: string,
  secretKey: Uint8Array,
  options: Partial<SyncClientOptions> = {},
): Promise<SyncClient> {
  const client = await createSyncClient({
    store: createMemoryStore(),
    signer: new PlainKeySigner(secretKey),
    url,
    transport: createNodeTransport(),
    ...options,
  })
  client.connect()
  return client
}

/** Has another device of an account write, until the server has all of it. */
async function writeFromElsewhere(
  url: string,
  secretKey: Uint8Array,
  write: (client: SyncClient) => Promise<void>,
): Promise<void> {
  const client = await openElsewhere(url, secretKey)
  await write(client)
  expect(await client.saved({ timeoutMs: 60_000 })).toBe(true)
  await client.close()
}

it.skipIf(!hasChromium)(
  '[WEB28] in a private window everything works, nothing of it is in the next one, and the key brings it back',
  async () => {
    const { url } = await serveWebClient()
    // Contexts of this browser are off the record, as private windows are.
    const first = await browser().newContext()
    const page = await first.newPage()
    await page.goto(url)
    await startChatting(page)
    await write(page, 'In private')
    await page.getByText('Settings → Model').waitFor()
    await vi.waitFor(async () => expect(await page.getByText('Saved', { exact: true }).count()).toBe(2), wait)
    await page.reload()
    await vi.waitFor(async () => expect(await textsOf(page)).toHaveLength(2), wait)
    const texts = await textsOf(page)
    const nsec = await takeKeyOut(page)
    await first.close()

    const next = await openWebDevice(url)
    await next.page.getByRole('button', { name: 'Start chatting' }).waitFor()
    const left = await next.page.evaluate(async () => {
      const databases = (await indexedDB.databases()).map(({ name }) => name)
      const root = (await navigator.storage.getDirectory()) as unknown as { keys(): AsyncIterable<string> }
      const files: string[] = []
      for await (const name of root.keys()) files.push(name)
      return {
        databases: databases.filter((name) => name !== 'onyx-sync-web'),
        files,
        settings: localStorage.length,
      }
    })
    expect(left).toEqual({ databases: [], files: [], settings: 0 })
    await bringKeyIn(next.page, nsec)
    await next.page.getByRole('link', { name: /In private/ }).click()
    await vi.waitFor(async () => expect(await textsOf(next.page)).toEqual(texts), wait)
    expect(next.faults).toEqual([])
  },
  60_000,
)

/** What extensions do to pages, at their worst: they throw, they patch what the page uses, and they put things into it. */
function beAnExtension(): void {
  const page = window as unknown as Record<string, unknown>
  page.ethereum = { isExtension: true }
  page.process = { env: {} }
  // Enumerable on purpose: a loop over the keys of an array would see it.
  ;(Array.prototype as unknown as Record<string, unknown>).extensionHelper = () => {}
  const { fetch: realFetch, setTimeout: realTimeout } = window
  window.fetch = (...args) => realFetch(...args).then((response) => response)
  page.setTimeout = (...args: Parameters<typeof setTimeout>) => realTimeout(...args)
  const realParse = JSON.parse
  JSON.parse = (...args) => realParse(...args)
  addEventListener('message', () => {
    throw new Error('an extension has a listener that throws')
  })
  addEventListener('keydown', () => {
    throw new Error('an extension can’t handle this key')
  })
  setInterval(() => {
    void Promise.reject(new Error('an extension was reloaded'))
    postMessage({ target: 'extension-content-script', data: { jsonrpc: '2.0', method: 'ping' } })
    new BroadcastChannel('extension').postMessage('hello')
  }, 100)
  addEventListener('DOMContentLoaded', () => {
    document.documentElement.setAttribute('data-extension', 'on')
    document.body.setAttribute('data-gr-ext-installed', '')
    const toolbar = document.body.appendChild(document.createElement('extension-toolbar'))
    toolbar.attachShadow({ mode: 'open' }).innerHTML = '<button>Extension</button>'
    // A checker of spelling and a keeper of passwords.
    new MutationObserver(() => {
      for (const field of document.querySelectorAll<HTMLElement>(
        'textarea:not([data-gramm]), input:not([data-gramm])',
      )) {
        field.dataset.gramm = 'false'
        field.after(document.createElement('extension-field'))
      }
    }).observe(document.body, { subtree: true, childList: true })
    throw new Error('an extension fails while the page loads')
  })
  throw new Error('an extension fails before the page loads')
}

it.skipIf(!hasChromium)(
  '[WEB28] works beside extensions that throw, patch what the page uses, and put things into it',
  async () => {
    const { url } = await serveWebClient()
    const { page, faults } = await openWebDevice('about:blank')
    await page.addInitScript(beAnExtension)
    await page.goto(url)
    await startChatting(page)
    await write(page, 'Beside an extension')
    await page.getByText('Settings → Model').waitFor()
    await vi.waitFor(async () => expect(await page.getByText('Saved', { exact: true }).count()).toBe(2), wait)
    await page.getByRole('button', { name: 'Rename the chat' }).click()
    await page.getByLabel('Title of the chat').fill('Undisturbed')
    await page.keyboard.press('Enter')
    await page.getByRole('heading', { name: 'Undisturbed' }).waitFor()
    await page.getByRole('link', { name: 'New chat' }).click()
    await page.getByRole('button', { name: 'Show me a table and some code' }).click()
    await page.getByText('await reply.complete()').waitFor()
    await page.getByRole('button', { name: SAVED }).waitFor()
    await page.reload()
    await page.getByRole('link', { name: /Undisturbed/ }).click()
    await vi.waitFor(async () => expect(await textsOf(page)).toHaveLength(2), wait)
    expect(faults.length).toBeGreaterThan(3)
    expect(faults.filter((fault) => !fault.includes('an extension'))).toEqual([])
  },
  60_000,
)

it.skipIf(!hasChromium)(
  '[WEB28] what takes a text of the page apart, as translators do, breaks what is shown at worst: one click brings it back',
  async () => {
    const { url } = await serveWebClient()
    const { page } = await openWebDevice(url)
    await startChatting(page)
    await write(page, 'To be translated')
    await page.getByText('Settings → Model').waitFor()
    await page.getByRole('button', { name: SAVED }).waitFor()
    await page.evaluate(() => {
      const walker = document.createTreeWalker(document.getElementById('root') as Node, NodeFilter.SHOW_TEXT)
      const texts: Text[] = []
      while (walker.nextNode()) texts.push(walker.currentNode as Text)
      for (const text of texts) {
        const font = document.createElement('font')
        text.replaceWith(font)
        font.append(`(${text.data})`)
      }
    })
    await page.getByRole('switch').click()
    await page.locator('a[href="#/new"]').click()
    const again = page.getByRole('button', { name: 'Show it again' })
    await Promise.race([
      again.waitFor(),
      page.getByRole('heading', { name: 'What’s on your mind?' }).waitFor(),
    ])
    if (await again.isVisible()) await again.click()
    await page.getByLabel('Message', { exact: true }).waitFor()
    await page.getByRole('link', { name: /To be translated/ }).click()
    await vi.waitFor(async () => expect(await textsOf(page)).toHaveLength(2), wait)
  },
  60_000,
)

it.skipIf(!hasChromium)(
  '[WEB6] catching up with a large account shows how far it is',
  async () => {
    const { server, url } = await serveWebClient()
    const { secretKey } = testKey(7)
    await writeFromElsewhere(server.url, secretKey, async ({ chats }) => {
      for (let chat = 0; chat < CHATS; chat++) {
        await chats.create({ id: `chat-${chat}`, title: `Chat ${chat}` })
        await chats.send(`chat-${chat}`, `Hello ${chat} ${'x'.repeat(500)}`)
      }
    })

    const { page, faults } = await openWebDevice('about:blank')
    // The network stands still in the midst of it.
    const held: (() => void)[] = []
    let isHeld = true
    await page.routeWebSocket(/\/sync$/, (socket) => {
      const upstream = socket.connectToServer()
      let events = 0
      socket.onMessage((message) => upstream.send(message))
      upstream.onMessage((message) => {
        if (String(message).startsWith('["EVENT"')) events++
        if (isHeld && events > CHATS / 2) held.push(() => socket.send(message))
        else socket.send(message)
      })
    })
    await page.goto(url)
    await bringKeyIn(page, nsecEncode(secretKey))
    const progress = page.getByRole('progressbar', { name: 'Catching up' })
    await progress.waitFor()
    await vi.waitFor(async () => {
      const [value, max] = await progress.evaluate((bar: HTMLProgressElement) => [bar.value, bar.max])
      expect(max).toBeGreaterThanOrEqual(CHATS)
      expect(value).toBeGreaterThan(CHATS / 4)
      expect(value).toBeLessThan(max as number)
    }, wait)
    await page
      .getByText(/^Catching up: \d+ of \d+ chats$/)
      .first()
      .waitFor()
    expect(await violations(page)).toEqual([])
    isHeld = false
    for (const send of held.splice(0)) send()
    await page.getByRole('button', { name: SAVED }).waitFor()
    await page
      .getByRole('link', { name: /^Chat 0/ })
      .first()
      .waitFor()
    expect(await progress.count()).toBe(0)
    expect(faults).toEqual([])
  },
  90_000,
)

it.skipIf(!hasChromium)(
  '[WEB41] from what a search found one reads on to newer messages, and writing there leads to the end',
  async () => {
    const { server, url } = await serveWebClient()
    const { secretKey } = testKey(1)
    await writeFromElsewhere(server.url, secretKey, async ({ chats }) => {
      await chats.create({ id: 'long', title: 'A long chat' })
      for (let n = 0; n < 150; n++) await chats.send('long', `message ${n}.`)
    })

    const { page, faults } = await openWebDevice(url)
    await bringKeyIn(page, nsecEncode(secretKey))
    await page.getByRole('link', { name: /A long chat/ }).waitFor()
    const find = async () => {
      await page.getByLabel('Search chats and messages').fill('message 10.')
      await page.getByRole('link', { name: /message 10\./ }).click()
      await page.locator('.bubble', { hasText: 'message 10.' }).waitFor()
    }
    const newer = page.getByRole('button', { name: 'Show newer messages' })
    const lowest = () => page.locator('.bubble').last().innerText()

    await find()
    const before = await lowest()
    await newer.click()
    await vi.waitFor(async () => expect(await lowest()).not.toBe(before), wait)
    expect(await page.locator('.bubble', { hasText: before }).isVisible()).toBe(true)
    await page.getByRole('button', { name: 'To the newest' }).click()
    await page.locator('.bubble', { hasText: 'message 149.' }).waitFor()
    expect(await newer.count()).toBe(0)

    await find()
    await write(page, 'Written from there')
    // The built-in model repeats it.
    await page.locator('.bubble', { hasText: 'Written from there' }).first().waitFor()
    expect(faults).toEqual([])
  },
  90_000,
)

it.skipIf(!hasChromium)(
  '[WEB42] of a reply whose device is lost it says after a while that nothing more has come, and goes on when it does',
  async () => {
    const { server, url } = await serveWebClient()
    const key = testKey(42)
    // It began three minutes ago: what is that old gets ten seconds more.
    const clock = { ...systemClock, now: () => Date.now() - 180_000 }
    const elsewhere = await openElsewhere(server.url, key.secretKey, { clock })
    await elsewhere.chats.create({ id: 'oslo', title: 'Oslo' })
    const stream = await elsewhere.chats.stream('oslo')
    expect(await elsewhere.saved({ timeoutMs: 60_000 })).toBe(true)
    elsewhere.disconnect()
    const { page, faults } = await openWebDevice(url)
    await bringKeyIn(page, nsecEncode(key.secretKey))
    await page.getByRole('link', { name: /Oslo/ }).click()
    await page.getByText('Thinking…').waitFor()
    await page.getByText(/the device that was writing this may be off/).waitFor()
    expect(await page.getByText('Thinking…').count()).toBe(0)
    expect(await violations(page)).toEqual([])
    elsewhere.connect()
    stream.push('After all.')
    await stream.complete()
    await page.getByText('After all.').waitFor()
    expect(await page.getByText(/may be off/).count()).toBe(0)
    await elsewhere.close()
    expect(faults).toEqual([])
  },
  60_000,
)
