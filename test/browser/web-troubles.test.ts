import type { BrowserContext, Page } from 'playwright-core'
import { expect, it, vi } from 'vitest'
import { violations } from '../support/axe.js'
import { hasChromium } from '../support/browser.js'
import {
  bringKeyIn,
  keepFromOpfs,
  openWebDevice,
  SAVED,
  serveWebClient,
  startChatting,
  switchNetwork,
  takeKeyOut,
  textsOf,
  useWebBrowser,
  wait,
  write,
} from '../support/web-client.js'

useWebBrowser()

const HOUR_MS = 3_600_000

/** Has pages of a browser read a clock that is off by so much, until it is set right there. */
async function setClock(context: BrowserContext, offByMs: number): Promise<void> {
  await context.addInitScript((off) => {
    const page = Object.assign(window, { clockIsOffByMs: off })
    const RealDate = Date
    const read = () => RealDate.now() + page.clockIsOffByMs
    window.Date = class extends RealDate {
      constructor(...args: readonly []) {
        if (args.length === 0) super(read())
        else super(...args)
      }
      static override now = read
    } as DateConstructor
  }, offByMs)
}

/** Fills what room the page has, as other data of the site would. */
async function fillStorage(page: Page): Promise<void> {
  await page.evaluate(async () => {
    const cache = await caches.open('fill')
    let count = 0
    for (let bytes = 4 << 20; bytes >= 1 << 10; bytes /= 2) {
      try {
        for (;;) {
          const junk = new Uint8Array(bytes)
          for (let at = 0; at < bytes; at += 65_536) crypto.getRandomValues(junk.subarray(at, at + 65_536))
          await cache.put(`/fill/${count++}`, new Response(junk))
        }
      } catch {
        // Not even half as much fits? Then half of that.
      }
    }
  })
}

/** Messages in a chat, as they are shown to be kept. */
const shown = (page: Page) =>
  page.getByRole('log').locator('.message[data-role=user] .bubble').allInnerTexts()

it.skipIf(!hasChromium).each(['opfs', 'indexeddb'] as const)(
  '[WEB25] %s: without room it says so, loses nothing that was typed, calls nothing kept that isn’t, and goes on with room',
  async (storage) => {
    const { url } = await serveWebClient()
    const { page, context, faults } = await openWebDevice('about:blank')
    if (storage === 'indexeddb') await keepFromOpfs(context)
    const cdp = await context.newCDPSession(page)
    const origin = new URL(url).origin
    // Chromium reserves room ahead, and remembers for a while how much there was.
    await cdp.send('Storage.overrideQuotaForOrigin', { origin, quotaSize: 30_000_000 })
    await page.goto(url)
    await startChatting(page)
    await write(page, 'With room')
    await page.getByText('Settings → Model').waitFor()
    await page.getByRole('button', { name: SAVED }).waitFor()
    await fillStorage(page)
    const notKept = page.getByRole('region', { name: 'Not kept yet' })
    const sent = ['With room']
    while ((await notKept.count()) === 0) {
      expect(sent.length).toBeLessThan(20)
      // One word, which the echo says in one breath.
      sent.push(`${sent.length}${'w'.repeat(300_000)}`)
      await write(page, sent.at(-1) as string)
      await Promise.race([
        notKept.waitFor(),
        vi.waitFor(async () => expect((await shown(page)).length).toBe(sent.length), wait),
      ])
    }
    sent.push('Small, and refused too')
    await write(page, 'Small, and refused too')
    await notKept.getByText('Small, and refused too').waitFor()
    // What is typed is kept, or said not to be: one of the two, and nowhere else.
    const { kept, refused } = await vi.waitFor(async () => {
      const seen = await page.evaluate(() => {
        const texts = (of: string) =>
          [...document.querySelectorAll<HTMLElement>(of)].map((one) => one.innerText)
        const own = '.messages .message[data-role=user] .bubble'
        return { kept: texts(own), refused: texts('.not-kept li') }
      })
      expect(seen.kept.length + seen.refused.length).toBe(sent.length)
      return seen
    }, wait)
    expect(kept).toEqual(sent.slice(0, kept.length))
    expect(
      sent.slice(kept.length).map((text, at) => text.startsWith(refused[at]?.slice(0, 20) ?? '-')),
    ).toEqual(refused.map(() => true))
    await page.getByRole('button', { name: /This browser has no room left for your chats/ }).waitFor()
    expect(await page.getByText(/kept on this device|Everything is saved/).count()).toBe(0)
    await page.getByLabel('Message', { exact: true }).fill('A draft')
    expect(await violations(page)).toEqual([])
    // A chat that can't be made leaves its first words where they were written.
    const other = await context.newPage()
    await other.goto(url)
    await write(other, 'In a chat of its own')
    await other.getByText(/storage refuses it/).waitFor()
    expect(await other.getByLabel('Message', { exact: true }).inputValue()).toBe('In a chat of its own')

    await page.evaluate(() => caches.delete('fill'))
    await cdp.send('Storage.overrideQuotaForOrigin', { origin })
    await notKept.waitFor({ state: 'detached' })
    await vi.waitFor(async () => expect(await shown(page)).toEqual(sent), wait)
    expect(await page.getByLabel('Message', { exact: true }).inputValue()).toBe('A draft')
    await other.getByLabel('Message', { exact: true }).press('Enter')
    await other.getByRole('heading', { name: 'In a chat of its own' }).waitFor()
    await page.getByRole('button', { name: SAVED }).waitFor()
    await other.close()
    await page.reload()
    await vi.waitFor(async () => expect(await shown(page)).toEqual(sent), wait)
    expect(await page.getByRole('link', { name: /message/ }).count()).toBe(2)
    const laptop = await openWebDevice(url)
    await bringKeyIn(laptop.page, await takeKeyOut(page))
    await laptop.page.getByRole('link', { name: /With room/ }).click()
    await vi.waitFor(async () => expect(await shown(laptop.page)).toEqual(sent), wait)
    expect(faults).toEqual([])
  },
  120_000,
)

it.skipIf(!hasChromium)(
  '[WEB11] leaving an account ends the reply that is being written, and nothing of it is left',
  async () => {
    const { url } = await serveWebClient()
    const { page, faults } = await openWebDevice(url)
    await startChatting(page)
    await switchNetwork(page)
    // It is spoken for a minute.
    await write(page, 'word '.repeat(2_000))
    await page.getByRole('button', { name: 'Stop the reply' }).waitFor()
    page.on('dialog', (dialog) => void dialog.accept())
    await page.getByRole('button', { name: 'Settings' }).click()
    await page.getByRole('button', { name: /Leave this account/ }).click()
    await page.getByRole('button', { name: 'Start chatting' }).waitFor()
    expect(
      await page.evaluate(() =>
        // How the page looks, and a number.
        Object.keys(localStorage).filter((key) => !['onyx-sync.theme', 'onyx-sync.changes'].includes(key)),
      ),
    ).toEqual([])
    await startChatting(page)
    await page.getByText('No chats yet').waitFor()
    await page.getByRole('button', { name: SAVED }).waitFor()
    expect(await textsOf(page)).toEqual([])
    expect(faults).toEqual([])
  },
  60_000,
)

it.skipIf(!hasChromium).each([
  { off: 5 * HOUR_MS, words: /5 hours ahead/ },
  { off: -3 * 24 * HOUR_MS, words: /3 days behind/ },
])(
  '[WEB26] with a clock that is $words it says so, and how to mend it; what is done meanwhile is kept, and saved once it is right',
  async ({ off, words }) => {
    const { url } = await serveWebClient()
    const { page, context, faults } = await openWebDevice('about:blank')
    await setClock(context, off)
    await page.goto(url)
    await page.getByRole('button', { name: 'Start chatting' }).click()
    const bar = page.locator('.sync-bar')
    await bar.getByText(words).waitFor()
    await bar
      .getByText(/The clock of this device is .+: set it right to go on \(the server has .+\)/)
      .waitFor()
    await write(page, 'At some other hour')
    await page.getByText('Settings → Model').waitFor()
    await page.getByRole('button', { name: 'Rename the chat' }).click()
    await page.getByLabel('Title of the chat').fill('Another time')
    await page.keyboard.press('Enter')
    await page.getByText(/edits kept on this device, not saved yet/).waitFor()
    expect(await page.getByText('On this device', { exact: true }).count()).toBe(2)
    expect(await violations(page)).toEqual([])
    await page.reload()
    await bar.getByText(words).waitFor()
    await vi.waitFor(
      async () => expect(await page.getByText('On this device', { exact: true }).count()).toBe(2),
      wait,
    )
    const before = await textsOf(page)
    expect(before).toHaveLength(2)

    await page.evaluate(() => Object.assign(window, { clockIsOffByMs: 0 }))
    // Unless it has just begun to by itself.
    await page
      .getByRole('button', { name: 'Try now' })
      .click({ timeout: 2_000 })
      .catch(() => {})
    await page.getByRole('button', { name: SAVED }).waitFor()
    expect(await page.getByText('Saved', { exact: true }).count()).toBe(2)
    const laptop = await openWebDevice(url)
    await bringKeyIn(laptop.page, await takeKeyOut(page))
    await laptop.page.getByRole('link', { name: /Another time/ }).click()
    await vi.waitFor(async () => expect(await textsOf(laptop.page)).toEqual(before), wait)
    expect(faults).toEqual([])
  },
  60_000,
)

/** Keeps a page from doing anything else, as a script that is stuck, until what it returns is called. */
async function hang(page: Page): Promise<() => Promise<void>> {
  let release = () => {}
  const released = new Promise<void>((resolve) => {
    release = resolve
  })
  let isAsked = () => {}
  const asked = new Promise<void>((resolve) => {
    isAsked = resolve
  })
  await page.route('**/hanging', async (route) => {
    isAsked()
    await released
    await route.fulfill({ status: 204 })
  })
  const hanging = page.evaluate(() => {
    const request = new XMLHttpRequest()
    request.open('GET', '/hanging', false)
    request.send()
  })
  await asked
  // Where the page is ended instead.
  hanging.catch(() => {})
  return () => {
    release()
    return hanging
  }
}

it.skipIf(!hasChromium)(
  '[WEB8][TABS12] a tab that has the database and hangs is named in the others, and they go on when it answers or is closed',
  async () => {
    const { url } = await serveWebClient()
    const { page: first, context, faults } = await openWebDevice(url)
    await startChatting(first)
    await write(first, 'From the first tab')
    await first.getByText('Settings → Model').waitFor()
    await first.getByRole('button', { name: SAVED }).waitFor()
    const second = await context.newPage()
    await second.goto(url)
    const link = second.getByRole('link', { name: /From the first tab/ })
    await link.waitFor()
    const beginning = await context.newPage()
    await beginning.goto(url)
    await beginning.getByRole('link', { name: /From the first tab/ }).waitFor()

    const goOn = await hang(first)
    const third = await context.newPage()
    await third.goto(url)
    // Neither the chat nor a new one can be opened now.
    await link.click()
    await write(second, 'While it hangs')
    await write(beginning, 'A beginning')
    const notKept = (page: Page) => page.getByRole('region', { name: 'Not kept yet' })
    await notKept(second).getByText('While it hangs').waitFor()
    await notKept(beginning).getByText('A beginning').waitFor()
    await second
      .getByText(/Another tab of this page doesn’t answer: close it/)
      .first()
      .waitFor()
    expect(await second.getByText(/kept on this device|Everything is saved/).count()).toBe(0)
    expect(await violations(second)).toEqual([])
    await third.getByText(/Another tab of this page has them open and doesn’t answer/).waitFor()
    expect(await notKept(second).getByText('While it hangs').count()).toBe(1)
    await goOn()
    await third.getByRole('link', { name: /From the first tab/ }).waitFor()
    await vi.waitFor(
      async () => expect(await shown(second)).toEqual(['From the first tab', 'While it hangs']),
      wait,
    )
    await second.getByRole('button', { name: SAVED }).waitFor()

    await beginning.getByRole('heading', { name: 'A beginning' }).waitFor()
    expect(await shown(beginning)).toEqual(['A beginning'])
    await notKept(beginning).waitFor({ state: 'detached' })

    const devTools = await context.newCDPSession(first)
    await hang(first)
    await write(second, 'Until it is closed')
    await second
      .getByText(/Another tab of this page doesn’t answer: close it/)
      .first()
      .waitFor()
    // What only closes the tab here leaves its process, which has the locks: a browser asks its user to end that.
    const crashed = first.waitForEvent('crash')
    devTools.send('Page.crash').catch(() => {})
    await crashed
    const all = ['From the first tab', 'While it hangs', 'Until it is closed']
    await vi.waitFor(async () => expect(await shown(second)).toEqual(all), wait)
    await second.getByRole('button', { name: SAVED }).waitFor()
    await second.reload()
    await vi.waitFor(async () => expect(await shown(second)).toEqual(all), wait)
    expect(faults).toEqual([])
  },
  120_000,
)
