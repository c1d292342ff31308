import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { createMemoryStore, createSyncClient, type SyncClient } from '@onyx-sync/client'
import type { BrowserStorage } from '@onyx-sync/client/browser'
import { createNodeTransport } from '@onyx-sync/client/node'
import { bytesToHex } from '@onyx-sync/shared'
import { PlainKeySigner } from 'nostr-tools/signer'
import type { Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { bundlePage, hasChromium, serveFolder } from '../support/browser.js'
import { type BrowserProcess, startBrowserProcess } from '../support/browser-process.js'
import { testKey } from '../support/events.js'
import { runServer } from '../support/servers.js'
import type { TabPage } from './tabs-page/main.js'

declare const tab: TabPage

const PAGE = fileURLToPath(new URL('tabs-page', import.meta.url))
const KINDS: readonly BrowserStorage[] = ['opfs', 'indexeddb']
const { secretKey } = testKey(1)
const key = bytesToHex(secretKey)

let folder = ''
let pages: { readonly url: string; close(): void }
let server: Awaited<ReturnType<typeof runServer>>
let chromium: BrowserProcess
/** What is kept, as the tabs said it. */
let kept: string[] = []

beforeAll(async () => {
  if (!hasChromium) return
  folder = mkdtempSync(join(tmpdir(), 'onyx-sync-tabs-'))
  await bundlePage(PAGE, join(folder, 'site'))
}, 60_000)

afterAll(() => {
  if (folder !== '') rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
})

async function openTab(storage: BrowserStorage): Promise<Page> {
  const page = await chromium.open(pages.url)
  page.on('console', (message) => {
    const text = /^kept (.*)/.exec(message.text())?.[1]
    if (text !== undefined) kept.push(text)
  })
  await open(page, storage)
  return page
}

const open = (page: Page, storage: BrowserStorage) =>
  page.evaluate(([sync, secret, where]) => tab.open(sync, secret, where), [server.url, key, storage] as const)

const roleOf = (page: Page) => page.evaluate(() => tab.role())
const show = (page: Page) => page.evaluate(() => tab.show())
const burst = (page: Page, name: string, count: number) =>
  page.evaluate(([of, so]) => tab.burst(of, so), [name, count] as const)

/** Waits until a burst has come so far. */
/** @param by of whom, by how their messages begin. @default of anybody */
async function untilKept(count: number, by = ''): Promise<void> {
  const keptNow = () => kept.filter((text) => text.startsWith(by)).length
  for (let tries = 0; keptNow() < count; tries++) {
    if (tries > 8_000) throw new Error(`${keptNow()} messages were kept, ${count} are waited for`)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

async function leaderOf(tabs: readonly Page[]): Promise<Page> {
  for (let tries = 0; tries < 200; tries++) {
    for (const page of tabs) if ((await roleOf(page)) === 'leader') return page
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  throw new Error('no tab leads')
}

/** Ends the renderer of a page, as a crash does. */
async function crash(page: Page): Promise<void> {
  const cdp = await page.context().newCDPSession(page)
  const crashed = new Promise<void>((resolve) => page.once('crash', () => resolve()))
  cdp.send('Page.crash').catch(() => {})
  await crashed
}

/** All messages that another device of the account has, once it has caught up. */
async function onAnotherDevice(): Promise<string[]> {
  const client: SyncClient = await createSyncClient({
    store: createMemoryStore(),
    signer: new PlainKeySigner(secretKey),
    url: server.url,
    transport: createNodeTransport(),
  })
  client.connect()
  expect(await client.synced({ timeoutMs: 20_000 })).toBe(true)
  const { messages } = await client.chats.read('chat')
  await client.close()
  return messages.map(({ content }) => content)
}

const timesOf = (text: string, texts: readonly string[]) => texts.filter((other) => other === text).length
const numbered = (name: string, count: number) =>
  Array.from({ length: count }, (_, at) => `${name} ${at + 1}`)

async function start(profile: string): Promise<void> {
  kept = []
  pages = await serveFolder(join(folder, 'site'))
  server = await runServer()
  chromium = await startBrowserProcess(join(folder, profile))
}

async function end(): Promise<void> {
  await chromium.kill()
  await server.close()
  pages.close()
}

describe.skipIf(!hasChromium)('tabs of a browser', () => {
  it.each(KINDS)(
    '[TABS2][C10] %s: lose and double nothing when the tab that leads is closed, crashes and is reloaded',
    async (storage) => {
      await start(`leading-${storage}`)
      try {
        const tabs = [
          await openTab(storage),
          await openTab(storage),
          await openTab(storage),
          await openTab(storage),
        ]
        const [a, b, c, d] = tabs as [Page, Page, Page, Page]
        expect(await Promise.all(tabs.map(roleOf))).toEqual(['leader', 'follower', 'follower', 'follower'])
        await a.evaluate(() => tab.create())
        for (const page of tabs) await show(page)

        // Closed in the middle of everything, its own messages included.
        await Promise.all([burst(a, 'a', 200), burst(b, 'b', 60), burst(c, 'c', 60), burst(d, 'd', 60)])
        const replies = [b, c, d].map((page, at) =>
          page.evaluate((name) => tab.stream(name, 150), `reply${at}`),
        )
        for (const reply of replies) reply.catch(() => {})
        await untilKept(40)
        await a.close()
        const second = await leaderOf([b, c, d])
        const rest = [b, c, d].filter((page) => page !== second)
        await untilKept(100)
        await crash(second)
        const third = await leaderOf(rest)
        const last = rest.find((page) => page !== third) as Page
        await burst(last, 'e', 40)
        await untilKept(kept.length + 3)
        await third.reload()
        expect(await leaderOf([last])).toBe(last)
        await last.evaluate(() => tab.flush())
        expect(await open(third, storage)).toBe('follower')
        await show(third)

        const reply = await replies[[b, c, d].indexOf(last)]
        expect(reply).toBe(numbered(`reply${[b, c, d].indexOf(last)}`, 150).join(''))
        expect(await last.evaluate(() => tab.saved())).toBe(true)
        expect(await last.evaluate(() => tab.failures())).toEqual([])
        const { shown, rows } = await last.evaluate(() => tab.texts())
        expect(rows).toEqual(shown)
        expect(await third.evaluate(() => tab.texts())).toEqual({ shown, rows })
        for (const text of kept) expect([text, timesOf(text, shown)]).toEqual([text, 1])
        // Of the tab that was there all the time, everything.
        const name = 'bcd'.charAt([b, c, d].indexOf(last))
        for (const text of [...numbered(name, 60), ...numbered('e', 40), reply as string])
          expect([text, timesOf(text, shown)]).toEqual([text, 1])
        expect(new Set(shown).size).toBe(shown.length)
        expect(await onAnotherDevice()).toEqual(shown)
      } finally {
        await end()
      }
    },
    120_000,
  )

  it.each(KINDS)(
    '[TABS2][C10] %s: what was kept is there after the browser was killed in mid-write, whichever tab wrote it',
    async (storage) => {
      await start(`killed-${storage}`)
      try {
        const first = await openTab(storage)
        await first.evaluate(() => tab.create())
        expect(await first.evaluate(() => tab.saved())).toBe(true)
        await first.evaluate(() => tab.close())
        for (let round = 1; round <= 3; round++) {
          kept = []
          const tabs = [await openTab(storage), await openTab(storage)]
          const [a, b] = tabs as [Page, Page]
          for (const page of tabs) await show(page)
          await Promise.all([burst(a, `a${round}`, 500), burst(b, `b${round}`, 500)])
          await untilKept(60)
          // On a busy machine one tab may get far before the other has written anything.
          await untilKept(1, 'b')
          await chromium.kill()
          const before = [...kept]
          chromium = await startBrowserProcess(join(folder, `killed-${storage}`))
          const after = await openTab(storage)
          await show(after)
          const { shown, rows } = await after.evaluate(() => tab.texts())
          expect(rows).toEqual(shown)
          expect(new Set(shown).size).toBe(shown.length)
          expect(before.filter((message) => !shown.includes(message))).toEqual([])
          expect(await after.evaluate(() => tab.saved())).toBe(true)
          expect(await onAnotherDevice()).toEqual(shown)
          await after.evaluate(() => tab.close())
          await after.close()
        }
      } finally {
        await end()
      }
    },
    120_000,
  )

  it('[TABS11] without a channel between tabs one has the database by itself, and the other is told so', async () => {
    await start('no-channel')
    try {
      const [context] = chromium.browser.contexts()
      await context?.addInitScript(() =>
        Object.defineProperty(window, 'BroadcastChannel', { value: undefined }),
      )
      const first = await openTab('indexeddb')
      expect(await roleOf(first)).toBe('leader')
      await first.evaluate(() => tab.create())
      await expect(openTab('indexeddb')).rejects.toThrow(/is open already, in this page or another tab/)
      await first.close()
      const next = await openTab('indexeddb')
      await show(next)
      expect(await next.evaluate(() => tab.texts())).toEqual({ shown: [], rows: [] })
    } finally {
      await end()
    }
  }, 60_000)
})
