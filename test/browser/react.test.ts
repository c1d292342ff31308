import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { bytesToHex } from '@onyx-sync/shared'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { bundlePage, hasChromium, serveFolder, startChromium } from '../support/browser.js'
import { testKey } from '../support/events.js'
import { runServer } from '../support/servers.js'

const EXAMPLE = fileURLToPath(new URL('../../client/examples/react', import.meta.url))
const key = bytesToHex(testKey(1).secretKey)

let folder = ''
let browser: Browser
let pages: { readonly url: string; close(): void }

beforeAll(async () => {
  if (!hasChromium) return
  folder = mkdtempSync(join(tmpdir(), 'onyx-sync-page-'))
  await bundlePage(EXAMPLE, folder)
  pages = await serveFolder(folder)
  browser = await startChromium()
}, 60_000)

afterAll(async () => {
  await browser?.close()
  pages?.close()
  if (folder !== '') rmSync(folder, { recursive: true, force: true })
})

/** A device: a profile of its own, with the account's key, and what went wrong in its page. */
async function openDevice(sync: string): Promise<{ readonly page: Page; readonly faults: string[] }> {
  const context = await browser.newContext()
  await context.addInitScript((secret) => localStorage.setItem('key', secret), key)
  const page = await context.newPage()
  const faults: string[] = []
  page.on('pageerror', (error) => faults.push(String(error)))
  page.on('console', (message) => message.type() === 'error' && faults.push(message.text()))
  await page.goto(`${pages.url}?sync=${encodeURIComponent(sync)}`)
  return { page, faults }
}

/** The same profile once more, in another tab. */
async function openTab({ page }: { readonly page: Page }): Promise<Page> {
  const tab = await page.context().newPage()
  await tab.goto(page.url())
  return tab
}

async function say(page: Page, text: string): Promise<void> {
  await page.getByLabel('Message').fill(text)
  await page.getByLabel('Message').press('Enter')
}

it.skipIf(!hasChromium)(
  '[RCT14] the example keeps chats in a browser, shows them to another, and has them without a network',
  async () => {
    const server = await runServer()
    const [phone, laptop] = [await openDevice(server.url), await openDevice(server.url)]
    await phone.page.getByText('live, all saved').waitFor()
    await phone.page.getByRole('button', { name: 'New chat' }).click()
    await say(phone.page, 'Hello from the phone')
    await phone.page.getByText('assistant: You said: Hello from the phone').waitFor()
    await phone.page.getByText('live, all saved').waitFor()

    await laptop.page.getByRole('button', { name: 'Hello from the phone (2)' }).click()
    await laptop.page.getByText('user: Hello from the phone', { exact: true }).waitFor()
    await say(laptop.page, 'And from the laptop')
    await phone.page.getByText('assistant: You said: And from the laptop').waitFor()
    await laptop.page.getByText('live, all saved').waitFor()

    await server.close()
    await phone.page.getByText(/^(?!live).*, all saved$/).waitFor()
    await say(phone.page, 'Without a network')
    await phone.page.getByText('assistant: You said: Without a network').waitFor()
    await phone.page.getByText(/edits not saved yet/).waitFor()
    phone.page.on('dialog', (dialog) => dialog.accept())
    await phone.page.reload()
    await phone.page.getByRole('button', { name: 'Hello from the phone (6)' }).click()
    await phone.page.getByText('assistant: You said: Without a network').waitFor()
    await phone.page.getByText(/edits not saved yet/).waitFor()
    // The network is gone.
    const isExpected = (fault: string) => /ERR_CONNECTION_REFUSED/.test(fault)
    expect([...phone.faults, ...laptop.faults].filter((fault) => !isExpected(fault))).toEqual([])
  },
  60_000,
)

it.skipIf(!hasChromium)(
  '[TABS1][RCT14] the example shows the same in all tabs, and goes on in the others when the one that leads is closed',
  async () => {
    const server = await runServer()
    const [device, laptop] = [await openDevice(server.url), await openDevice(server.url)]
    const [second, third] = [await openTab(device), await openTab(device)]
    for (const page of [device.page, second, third]) await page.getByText('live, all saved').waitFor()
    await second.getByRole('button', { name: 'New chat' }).click()
    await say(second, 'From the second tab')
    for (const page of [device.page, second, third]) {
      await page.getByRole('button', { name: 'From the second tab (2)' }).click()
      await page.getByText('assistant: You said: From the second tab').waitFor()
    }
    await say(third, 'From the third')
    await device.page.getByText('user: From the third').waitFor()
    await device.page.close()
    await say(second, 'The first has gone')
    await third.getByText('assistant: You said: The first has gone').waitFor()
    await third.close()
    await say(second, 'The last one')
    await second.getByText('assistant: You said: The last one').waitFor()
    await second.getByText('live, all saved').waitFor()

    await laptop.page.getByRole('button', { name: 'From the second tab (8)' }).click()
    await laptop.page.getByText('assistant: You said: The last one').waitFor()
    const users = await laptop.page.getByText(/^user: /).allTextContents()
    expect(users).toEqual([
      'user: From the second tab',
      'user: From the third',
      'user: The first has gone',
      'user: The last one',
    ])
  },
  60_000,
)
