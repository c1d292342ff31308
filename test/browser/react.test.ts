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
  '[STO49] a database is open in one tab at a time, and free once that has gone',
  async () => {
    const device = await openDevice('ws://127.0.0.1:1/sync')
    await device.page.getByRole('button', { name: 'New chat' }).click()
    await device.page.getByRole('button', { name: 'Untitled (0)' }).waitFor()
    const second = await openTab(device)
    await second.getByText(/"chats" is open already, in this page or another tab/).waitFor()
    await device.page.close()
    await second.reload()
    await second.getByRole('button', { name: 'Untitled (0)' }).waitFor()
  },
  60_000,
)
