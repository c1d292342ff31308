import { execFileSync } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { SyncServer, SyncServerOptions } from '@onyx-sync/server'
import type { Browser, BrowserContext, BrowserContextOptions, FrameLocator, Page } from 'playwright-core'
import { afterAll, beforeAll } from 'vitest'
import { afterThisTest } from './after-test.js'
import { hasChromium, startChromium, startChromiumIn } from './browser.js'
import { runServer } from './servers.js'
import { temporaryDirectory } from './temporary-directory.js'

const root = fileURLToPath(new URL('../..', import.meta.url))

/** Where the web client is built. */
export const WEB_DIRECTORY = join(root, 'client/web/dist')

/** What the bar of the web client says when all is well. */
export const SAVED = 'Everything is saved on the server'
/** For `vi.waitFor`: what a page shows may take its time on a busy machine. Milliseconds. */
export const wait = { timeout: 20_000, interval: 50 }

/** Builds the web client, as `npm start` does; nothing is done where nothing has changed. */
export function buildWebClient(): void {
  execFileSync(process.execPath, [join(root, 'client/web/build.mjs')], { stdio: 'pipe' })
}

let browser: Browser

/**
 * Builds the web client before the tests of a file, and starts the browser in which `openWebDevice` opens devices. Does
 * nothing where there is none. @returns gives the browser, during the tests
 */
export function useWebBrowser(): () => Browser {
  beforeAll(async () => {
    if (!hasChromium) return
    buildWebClient()
    browser = await startChromium()
  }, 120_000)

  afterAll(async () => {
    await browser?.close()
  })
  return () => browser
}

/** A server that serves the web client, and the address of its first page. */
export async function serveWebClient(
  options: Partial<SyncServerOptions> = {},
): Promise<{ readonly server: SyncServer; readonly url: string }> {
  const server = await runServer({ web: { directory: WEB_DIRECTORY }, ...options })
  return { server, url: new URL('/', server.url.replace(/^ws/, 'http')).href }
}

/** A profile with the page open in it. */
export interface WebDevice {
  readonly context: BrowserContext
  readonly page: Page
  /** What went wrong in the page: exceptions, and what the console calls an error. */
  readonly faults: string[]
}

/** Of WatermelonDB's LokiJS, whenever it sets up a new database. */
const EXPECTED = /Deleting database failed because it's blocked/

const LOOK: BrowserContextOptions = {
  viewport: { width: 1180, height: 760 },
  // What fades in has other colours for a moment.
  reducedMotion: 'reduce',
}

/** A browser profile of its own, which is a device of its own; closed after the test. As a private window it leaves nothing. */
export async function openWebDevice(url: string, options: BrowserContextOptions = {}): Promise<WebDevice> {
  return openPage(await browser.newContext({ ...LOOK, ...options }), url)
}

/**
 * The same with a profile on the disk, for much data: what a private window has in OPFS is another process's, which is asked
 * for each block, so that 10,000 messages take five times as long.
 */
export async function openWebDeviceOnDisk(url: string): Promise<WebDevice> {
  return openPage(await startChromiumIn(temporaryDirectory(), LOOK), url)
}

async function openPage(context: BrowserContext, url: string): Promise<WebDevice> {
  afterThisTest(() => context.close())
  const page = await context.newPage()
  const faults: string[] = []
  page.on('pageerror', (error) => faults.push(String(error)))
  page.on('console', (message) => {
    if (message.type() === 'error' && !EXPECTED.test(message.text())) faults.push(message.text())
  })
  await page.goto(url)
  return { context, page, faults }
}

/** Makes as if this browser's workers had no file system of their own. */
export async function keepFromOpfs(context: BrowserContext): Promise<void> {
  const refusal = `navigator.storage.getDirectory = async () => {
    throw new DOMException('denied', 'SecurityError')
  };`
  await context.addInitScript(refusal)
  // The same in the worker, where the script of the page isn't.
  await context.route(/sqlite-worker/, async (route) => {
    const response = await route.fetch()
    await route.fulfill({ response, body: refusal + (await response.text()) })
  })
}

/** What a person does first: one click, and there is an account. */
export async function startChatting(page: Page): Promise<void> {
  await page.getByRole('button', { name: 'Start chatting' }).click()
  await page.getByRole('button', { name: SAVED }).waitFor()
}

/** Takes the account's secret key out of the settings, as a person does. */
export async function takeKeyOut(page: Page): Promise<string> {
  await page.getByRole('button', { name: 'Settings' }).click()
  await page.getByRole('button', { name: /keep your secret key/ }).click()
  const key = (await page.getByText(/^nsec1/).textContent()) ?? ''
  await page.getByRole('button', { name: 'Close' }).click()
  return key
}

/** Brings an account in by its key. */
export async function bringKeyIn(page: Page, key: string): Promise<void> {
  await page.getByRole('button', { name: 'I have a key' }).click()
  await page.getByLabel('Secret key or words').fill(key)
  await page.getByRole('button', { name: 'Bring it in' }).click()
}

type Screen = Page | FrameLocator

export async function write(page: Screen, text: string): Promise<void> {
  const field = page.getByLabel('Message', { exact: true })
  await field.fill(text)
  await field.press('Enter')
}

/** The messages that are shown, as their texts. */
export function textsOf(page: Screen): Promise<string[]> {
  return page.locator('.bubble').allInnerTexts()
}

export async function switchNetwork(page: Screen): Promise<void> {
  await page.getByRole('switch', { name: 'Network' }).click()
}

/** Changes the text of a message that is shown. */
export async function edit(page: Screen, text: string, next: string): Promise<void> {
  const message = page.getByRole('article').filter({ hasText: text }).first()
  await message.hover()
  await message.getByRole('button', { name: 'Edit message' }).click()
  const field = page.getByLabel('Text of the message')
  await field.fill(next)
  await field.press('Enter')
}

/** With `ONYX_PICTURES=1` keeps a picture of the page for the documentation, in docs/images. */
export async function takePicture(page: Page, name: string): Promise<void> {
  if (process.env.ONYX_PICTURES === undefined) return
  const folder = join(root, 'docs/images')
  mkdirSync(folder, { recursive: true })
  // Nothing that was touched is to look as if it were under a pointer.
  await page.mouse.move(0, 0)
  await page.screenshot({ path: join(folder, `${name}.png`), animations: 'disabled', caret: 'hide' })
}
