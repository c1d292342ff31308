import { expect, it, vi } from 'vitest'
import { violationsInBothSchemes } from '../support/axe.js'
import { hasChromium } from '../support/browser.js'
import {
  openWebDevice,
  SAVED,
  serveWebClient,
  startChatting,
  switchNetwork,
  takePicture,
  useWebBrowser,
  wait,
  write,
} from '../support/web-client.js'

useWebBrowser()

const LOOKS = [
  { name: 'wide', viewport: { width: 1180, height: 760 }, isPhone: false },
  { name: 'phone', viewport: { width: 390, height: 780 }, isPhone: true },
] as const

it.skipIf(!hasChromium).each(LOOKS)(
  '[WEB14] axe finds no violation on any screen, in light and in dark, and the console no error ($name)',
  async ({ name, viewport, isPhone }) => {
    const { url } = await serveWebClient()
    const { page, faults } = await openWebDevice(url, {
      viewport,
      hasTouch: isPhone,
      deviceScaleFactor: isPhone ? 2 : 1,
    })
    const check = async (what: string) => expect(await violationsInBothSchemes(page), what).toEqual([])
    await page.getByRole('button', { name: 'Start chatting' }).waitFor()
    await check('welcome')
    await page.getByRole('button', { name: 'I have a key' }).click()
    await page.getByLabel('Secret key or words').fill('a b c d e f g h i j k l')
    await check('a key')
    await page.getByRole('button', { name: 'Back' }).click()

    await startChatting(page)
    if (isPhone) {
      await check('the list')
      await page.getByRole('link', { name: 'New chat' }).click()
    }
    await page.getByRole('heading', { name: 'What’s on your mind?' }).waitFor()
    await check('a new chat')
    for (const text of ['What should I pack for Oslo?', 'Ideas for the summer party']) {
      await write(page, text)
      await page.locator('blockquote', { hasText: text }).waitFor()
      await page.getByText('Settings → Model').waitFor()
      if (isPhone) await page.getByRole('link', { name: 'All chats' }).click()
      await page.getByRole('link', { name: 'New chat' }).click()
    }
    await page.getByRole('button', { name: 'Show me a table and some code' }).click()
    await page.getByText('await reply.complete()').waitFor()
    await page.getByRole('button', { name: SAVED }).waitFor()
    await write(page, 'And what time is it?')
    await page.getByText('Thoughts').waitFor()
    await page.getByText('by this device').waitFor()
    await page.getByRole('button', { name: SAVED }).waitFor()
    await switchNetwork(page)
    await write(page, 'Now without a network')
    await page.locator('blockquote', { hasText: 'Now without a network' }).waitFor()
    await page.getByText(/edits kept on this device, not saved yet/).waitFor()
    await page.getByText('Thoughts').click()
    await check('a chat')
    await page.getByText('Thoughts').click()
    await takePicture(page, `chat-${name}`)
    await page.emulateMedia({ colorScheme: 'dark' })
    await takePicture(page, `chat-${name}-dark`)
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBe(viewport.width)
    const { x, width } = (await page.getByRole('button', { name: 'Send' }).boundingBox()) ?? {
      x: 0,
      width: 0,
    }
    expect(x + width).toBeLessThan(viewport.width)
    if (isPhone) await page.getByRole('button', { name: 'Message actions' }).last().click()
    await page.getByRole('button', { name: 'Rate message' }).last().click()
    await page.getByText('5, excellent').waitFor()
    await check('a rating')
    await page.getByRole('button', { name: 'Close' }).click()
    await page.getByRole('button', { name: 'Share and more' }).click()
    await page.getByLabel('Share with a public key').waitFor()
    await check('sharing')
    await page.getByRole('button', { name: 'Close' }).click()
    await page.getByRole('button', { name: /Offline, by your switch/ }).click()
    await page.getByText('What the words mean').waitFor()
    await check('sync')
    await page.getByRole('button', { name: 'Close' }).click()
    if (isPhone) await page.getByRole('link', { name: 'All chats' }).click()
    await check('the list of chats')
    await page.getByLabel('Search chats and messages').fill('network')
    await page
      .getByRole('link', { name: /Now without/ })
      .first()
      .waitFor()
    await check('a search')
    await page.getByLabel('Search chats and messages').fill('')
    await page.getByRole('button', { name: 'Settings' }).click()
    await page.getByRole('button', { name: /keep your secret key/ }).click()
    await page.getByRole('img', { name: /QR code/ }).waitFor()
    await check('settings')
    expect(faults).toEqual([])
  },
  90_000,
)

it.skipIf(!hasChromium)(
  '[WEB14] two devices: no violation, in light and in dark',
  async () => {
    const { url } = await serveWebClient()
    const { page } = await openWebDevice(`${url}two`)
    await page.frameLocator('iframe[title=Laptop]').getByRole('button', { name: SAVED }).waitFor()
    // axe looks into frames of the same origin by itself where it is in them too.
    for (const frame of page.frames()) expect(await violationsInBothSchemes(page, frame)).toEqual([])
  },
  60_000,
)

it.skipIf(!hasChromium)(
  '[WEB15] everything can be done with the keyboard: begin, write, edit, delete and undo, search',
  async () => {
    const { url } = await serveWebClient()
    const { page, faults } = await openWebDevice(url)
    const press = async (...keys: string[]) => {
      for (const key of keys) await page.keyboard.press(key)
    }
    const focused = () =>
      page.evaluate(
        () => document.activeElement?.getAttribute('aria-label') ?? document.activeElement?.textContent ?? '',
      )
    const tabTo = async (label: string) => {
      for (let presses = 0; presses < 60; presses++) {
        if ((await focused()) === label) return
        await press('Tab')
      }
      throw new Error(`${label} can't be reached with Tab`)
    }
    await page.getByRole('button', { name: 'Start chatting' }).waitFor()
    await tabTo('Start chatting')
    await press('Enter')
    await page.getByRole('button', { name: SAVED }).waitFor()
    // The cursor is where one writes.
    await page.keyboard.type('One line')
    await press('Shift+Enter')
    await page.keyboard.type('and another')
    await press('Enter')
    const own = page.locator('.message[data-role=user]')
    await own.getByText('and another').waitFor()
    await page.getByText('Settings → Model').waitFor()
    await page.getByRole('button', { name: SAVED }).waitFor()
    await page.getByRole('heading', { name: 'One line and another' }).waitFor()
    await press('Shift+Tab')
    for (let presses = 0; presses < 20 && (await focused()) !== 'Edit message'; presses++)
      await press('Shift+Tab')
    // That was the reply's; the one before is its own.
    await press('Shift+Tab')
    for (let presses = 0; presses < 20 && (await focused()) !== 'Edit message'; presses++)
      await press('Shift+Tab')
    await press('Enter', 'Control+End')
    await page.keyboard.type(', changed')
    await press('Enter')
    await own.getByText('and another, changed').waitFor()
    for (let presses = 0; presses < 60 && (await focused()) !== 'Delete message'; presses++)
      await press('Tab')
    await press('Enter')
    await page.getByText('Message deleted.').waitFor()
    // What is shown follows a moment later, where there is much else to do.
    await vi.waitFor(async () => expect(await page.getByRole('article').count()).toBe(1), wait)
    await tabTo('Undo')
    await press('Enter')
    await page.getByRole('article').nth(1).waitFor()
    await tabTo('Search chats and messages')
    await page.keyboard.type('changed')
    await page.getByRole('link', { name: /and another, changed/ }).waitFor()
    expect(faults).toEqual([])
  },
  60_000,
)
