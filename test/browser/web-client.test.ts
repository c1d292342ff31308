import { expect, it, vi } from 'vitest'
import { hasChromium } from '../support/browser.js'
import { hangWhenRemoving, whatIsKept } from '../support/kept-in-page.js'
import {
  bringKeyIn,
  edit,
  keepFromOpfs,
  openWebDevice,
  SAVED,
  serveWebClient,
  startChatting,
  switchNetwork,
  takeKeyOut,
  takePicture,
  textsOf,
  useWebBrowser,
  wait,
  write,
} from '../support/web-client.js'

const browser = useWebBrowser()

it.skipIf(!hasChromium)(
  '[WEB5] an account in one click, a message that is answered, and a second device by the key: edits made offline on both come to the same',
  async () => {
    const { url } = await serveWebClient()
    const phone = await openWebDevice(url)
    await startChatting(phone.page)
    await write(phone.page, 'What should I pack for Oslo?')
    await phone.page.getByText('You said:').waitFor()
    await vi.waitFor(
      async () => expect(await phone.page.getByText('Saved', { exact: true }).count()).toBe(2),
      wait,
    )
    await phone.page.getByRole('button', { name: SAVED }).waitFor()

    const laptop = await openWebDevice(url)
    await bringKeyIn(laptop.page, await takeKeyOut(phone.page))
    await laptop.page.getByRole('link', { name: /What should I pack for Oslo/ }).click()
    await laptop.page.getByText('You said:').waitFor()
    expect(await laptop.page.getByText('Received', { exact: true }).count()).toBe(2)

    await switchNetwork(phone.page)
    await switchNetwork(laptop.page)
    for (const { page } of [phone, laptop])
      await page.getByRole('button', { name: 'Offline, by your switch' }).waitFor()
    await edit(phone.page, 'What should I pack', 'What should I pack for Oslo? It is May.')
    await edit(laptop.page, 'What should I pack', 'Please: What should I pack for Oslo?')
    await write(laptop.page, 'And for Bergen?')
    await phone.page.getByRole('button', { name: 'Rename the chat' }).click()
    await phone.page.getByLabel('Title of the chat').fill('Norway in May')
    await phone.page.keyboard.press('Enter')
    await laptop.page.locator('blockquote', { hasText: 'And for Bergen?' }).waitFor()
    for (const { page } of [phone, laptop]) {
      await page.getByText(/edits? kept on this device, not saved yet/).waitFor()
      await page.getByText('On this device', { exact: true }).first().waitFor()
    }

    await switchNetwork(phone.page)
    await switchNetwork(laptop.page)
    for (const { page } of [phone, laptop]) {
      await page.getByText('Please: What should I pack for Oslo? It is May.').waitFor()
      await page.getByRole('heading', { name: 'Norway in May' }).waitFor()
      await page.getByRole('button', { name: SAVED }).waitFor()
      expect(await page.getByText('On this device', { exact: true }).count()).toBe(0)
    }
    await vi.waitFor(async () => expect(await textsOf(phone.page)).toEqual(await textsOf(laptop.page)), wait)
    expect(await textsOf(phone.page)).toHaveLength(4)
    expect([...phone.faults, ...laptop.faults]).toEqual([])
  },
  90_000,
)

it.skipIf(!hasChromium)(
  '[WEB6] says "saved" of what the server has on its disk only, also after a reload, and says when it comes back',
  async () => {
    const { server, url } = await serveWebClient()
    const { page } = await openWebDevice(url)
    await startChatting(page)
    await write(page, 'Before')
    await vi.waitFor(async () => expect(await page.getByText('Saved', { exact: true }).count()).toBe(2), wait)
    // It opens without the server from here on.
    await page.evaluate(() => navigator.serviceWorker.ready)
    await server.close()
    await page.getByRole('button', { name: /Offline, reconnecting in \d+ s/ }).waitFor()
    await write(page, 'After')
    await vi.waitFor(
      async () => expect(await page.getByText('On this device', { exact: true }).count()).toBe(2),
      wait,
    )
    await page.reload()
    await vi.waitFor(async () => expect(await textsOf(page)).toHaveLength(4), wait)
    expect(await page.getByText('On this device', { exact: true }).count()).toBe(2)
    expect(await page.getByText('Saved', { exact: true }).count()).toBe(2)
    await page.getByText(/kept on this device, not saved yet/).waitFor()
    expect(await page.getByRole('button', { name: SAVED }).count()).toBe(0)
  },
  60_000,
)

it.skipIf(!hasChromium)(
  '[WEB7] two devices on one page, by hand and shown by themselves: each with its own database and switch, of an account made for them',
  async () => {
    const { url } = await serveWebClient()
    const { page, faults } = await openWebDevice(`${url}two`, {
      viewport: { width: 1280, height: 800 },
    })
    const [phone, laptop] = [
      page.frameLocator('iframe[title=Phone]'),
      page.frameLocator('iframe[title=Laptop]'),
    ]
    for (const frame of [phone, laptop]) await frame.getByRole('button', { name: SAVED }).waitFor()
    await phone.getByRole('link', { name: 'New chat' }).click()
    await write(phone, 'What should I pack for Oslo?')
    await laptop.getByRole('link', { name: /What should I pack/ }).click()
    await laptop.getByText('Settings → Model').waitFor()
    await switchNetwork(phone)
    await laptop.getByRole('button', { name: SAVED }).waitFor()
    await switchNetwork(laptop)
    await edit(phone, 'What should I pack', 'What should I pack for Oslo? It is May.')
    await edit(laptop, 'What should I pack', 'Hello! What should I pack for Oslo?')
    await phone.getByText('What should I pack for Oslo? It is May.').waitFor()
    await laptop.getByText('Hello! What should I pack for Oslo?').waitFor()
    await takePicture(page, 'two-devices')
    await switchNetwork(phone)
    await switchNetwork(laptop)
    for (const frame of [phone, laptop]) {
      await frame.getByText('Hello! What should I pack for Oslo? It is May.').waitFor()
      await frame.getByRole('button', { name: SAVED }).waitFor()
    }
    await page.getByRole('button', { name: 'Show me a conflict' }).click()
    await page.getByText('Both have come to the same').waitFor()
    for (const frame of [phone, laptop]) {
      await frame.getByRole('heading', { name: 'Oslo in May' }).waitFor()
      await frame.getByText('And for Bergen?').waitFor()
      await frame.getByRole('button', { name: SAVED }).waitFor()
      expect((await textsOf(frame))[0]).toBe('Hello! What should I pack for Oslo? It is May.')
    }
    expect(await textsOf(phone)).toEqual(await textsOf(laptop))
    // The browser's own account is none of theirs.
    const own = await page.context().newPage()
    await own.goto(url)
    await own.getByRole('button', { name: 'Start chatting' }).waitFor()
    await own.close()

    const untilNew = async () => {
      for (const frame of [phone, laptop]) {
        await frame.getByText('No chats yet. Write the first message.').waitFor()
        await frame.getByRole('button', { name: SAVED }).waitFor()
      }
    }
    await page.getByRole('button', { name: 'Start over' }).click()
    await untilNew()
    // And where the page goes while the first of both databases is taken away.
    const before = await whatIsKept(page)
    await page.evaluate(hangWhenRemoving)
    const removing = page.waitForEvent('console', { predicate: (line) => line.text() === 'removing' })
    await page.getByRole('button', { name: 'Start over' }).click()
    await removing
    await page.reload()
    await untilNew()
    const kept = await whatIsKept(page)
    expect(kept.values).toEqual(before.values)
    expect(kept.databases).toHaveLength(before.databases.length)
    // Each database has one of that name.
    const isOld = (name: string) => name !== 'ready' && before.files.includes(name)
    expect(kept.files.filter(isOld)).toEqual([])
    expect(faults).toEqual([])
  },
  90_000,
)

it.skipIf(!hasChromium)(
  '[WEB8] all tabs are one device, also when the first is closed; where storage is denied nothing is opened and the page says so',
  async () => {
    const { url } = await serveWebClient()
    const { page, context, faults } = await openWebDevice(url)
    await startChatting(page)
    await write(page, 'From the first tab')
    await page.getByText('Settings → Model').waitFor()
    const tab = await context.newPage()
    await tab.goto(page.url())
    await tab.getByText('Settings → Model').waitFor()
    await switchNetwork(tab)
    await page.getByRole('button', { name: 'Offline, by your switch' }).waitFor()
    await write(tab, 'From the second')
    await page.locator('blockquote', { hasText: 'From the second' }).waitFor()
    await page.getByText('On this device', { exact: true }).nth(1).waitFor()
    await page.close()
    await write(tab, 'And alone')
    await tab.locator('blockquote', { hasText: 'And alone' }).waitFor()
    await vi.waitFor(
      async () => expect(await tab.getByText('On this device', { exact: true }).count()).toBe(4),
      wait,
    )
    await switchNetwork(tab)
    await tab.getByRole('button', { name: SAVED }).waitFor()
    await vi.waitFor(async () => expect(await tab.getByText('Saved', { exact: true }).count()).toBe(6), wait)
    expect(faults).toEqual([])

    for (const denied of ['settings', 'database'] as const) {
      const other = await browser().newContext({ serviceWorkers: 'block' })
      await other.addInitScript((what) => {
        const get = () => {
          throw new DOMException('denied', 'SecurityError')
        }
        if (what === 'settings') Object.defineProperty(window, 'localStorage', { get })
        Object.defineProperty(window, 'indexedDB', { value: undefined })
      }, denied)
      await keepFromOpfs(other)
      const closed = await other.newPage()
      await closed.goto(url)
      if (denied === 'database') await closed.getByRole('button', { name: 'Start chatting' }).click()
      await closed.getByRole('heading', { name: 'This browser keeps nothing for this page' }).waitFor()
      await other.close()
    }
  },
  60_000,
)
