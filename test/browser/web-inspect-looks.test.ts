import { expect, it } from 'vitest'
import { violationsInBothSchemes } from '../support/axe.js'
import { hasChromium } from '../support/browser.js'
import { testKey } from '../support/events.js'
import { connect } from '../support/servers.js'
import {
  bringKeyIn,
  edit,
  openWebDevice,
  SAVED,
  serveWebClient,
  startChatting,
  switchNetwork,
  takePicture,
  useWebBrowser,
} from '../support/web-client.js'
import { inspect, rowOf, writeAndWait } from '../support/web-inspector.js'

useWebBrowser()

it.skipIf(!hasChromium)(
  '[WEB22] an operator sees how the server does as it changes; for anybody else there is nothing to see',
  async () => {
    const operator = testKey(9)
    const { server, url } = await serveWebClient({ operators: [operator.publicKey] })
    const { page, faults } = await openWebDevice(`${url}inspect`)
    await page.getByRole('link', { name: 'To the beginning' }).click()
    await bringKeyIn(page, Buffer.from(operator.secretKey).toString('hex'))
    await page.getByRole('button', { name: SAVED }).waitFor()
    const tab = await inspect(page, faults)
    await tab.getByRole('link', { name: 'Operator' }).click()
    const chart = (name: string) => tab.getByRole('img', { name: new RegExp(`^${name}: `) })
    await chart('Storage')
      .and(tab.getByLabel(/^Storage: [\d.]+ K?B/))
      .waitFor()
    expect(await tab.getByRole('img').count()).toBe(12)
    const label = (await chart('Connections').getAttribute('aria-label')) ?? ''
    const before = Number(/\d+/.exec(label)?.[0])
    expect(before).toBeGreaterThan(0)
    const other = await connect(server, testKey(1))
    await tab.getByLabel(`Connections: ${before + 1}, at most ${before + 1}`).waitFor()
    other.socket.terminate()
    await tab.getByLabel(`Connections: ${before}, at most ${before + 1}`).waitFor()
    await tab.getByRole('switch', { name: 'Network' }).click()
    await tab.getByText('The network is switched off.').waitFor()
    expect(faults).toEqual([])

    const stranger = await openWebDevice(url)
    await startChatting(stranger.page)
    const calls: string[] = []
    stranger.page.context().on('request', (request) => {
      if (request.method() === 'POST') calls.push(request.url())
    })
    const theirs = await inspect(stranger.page)
    await rowOf(theirs, /^Settings/)
    // Nobody asks for them what they don't ask for.
    expect(calls).toEqual([])
    await theirs.getByRole('link', { name: 'Operator' }).click()
    await theirs.getByText('Only operators of this server see how it does').waitFor()
    expect(await theirs.getByRole('img').count()).toBe(0)
    expect(calls).toHaveLength(1)

    const unmanaged = await serveWebClient()
    const nobody = await openWebDevice(unmanaged.url)
    await startChatting(nobody.page)
    const empty = await inspect(nobody.page, nobody.faults)
    await empty.getByRole('link', { name: 'Operator' }).click()
    await empty.getByText('This server has no operators').waitFor()
    expect(nobody.faults).toEqual([])
  },
  60_000,
)

it.skipIf(!hasChromium).each([
  { name: 'wide', viewport: { width: 1180, height: 760 } },
  { name: 'phone', viewport: { width: 390, height: 780 } },
] as const)(
  '[WEB23] axe finds no violation in the inspector, in light and in dark, nothing is wider than the page, and all of it is reached by keys ($name)',
  async ({ name, viewport }) => {
    const operator = testKey(9)
    const { url } = await serveWebClient({ operators: [operator.publicKey] })
    const { page, faults } = await openWebDevice(url, { viewport })
    await bringKeyIn(page, Buffer.from(operator.secretKey).toString('hex'))
    await page.getByRole('button', { name: SAVED }).waitFor()
    await page.getByRole('link', { name: 'New chat' }).click()
    await writeAndWait(page, 'What should I pack for Oslo?')
    const tab = await inspect(page, faults)
    const check = async (what: string) => {
      expect(await violationsInBothSchemes(tab), what).toEqual([])
      expect(await tab.evaluate(() => document.documentElement.scrollWidth), what).toBe(viewport.width)
    }
    await rowOf(tab, /What should I pack/)
    await check('documents')

    const focused = () => tab.evaluate(() => document.activeElement?.textContent ?? '')
    const tabTo = async (text: RegExp) => {
      for (let presses = 0; presses < 40; presses++) {
        await tab.keyboard.press('Tab')
        if (text.test(await focused())) return
      }
      throw new Error(`${text} is not reached with Tab`)
    }
    await tab.evaluate(() => (document.activeElement as HTMLElement | null)?.blur())
    await tabTo(/^Skip to the content$/)
    await tab.keyboard.press('Enter')
    await tabTo(/^What should I pack/)
    await tab.keyboard.press('Enter')
    await tab.getByText(/events checked in this page: all valid/).waitFor()
    await tab.evaluate(() => scrollTo(0, 0))
    if (name === 'wide') await takePicture(tab, 'inspector-events')
    await tabTo(/^[0-9a-f]{8} in full$/)
    await tab.keyboard.press('Enter')
    await tab.locator('details[open] pre').waitFor()
    await check('events')
    await tab.getByRole('link', { name: 'Who wrote what' }).click()
    await tab.getByText('checked in this page').waitFor()
    await check('writers')
    await tab.getByRole('link', { name: 'Timeline' }).click()
    await tab.getByRole('slider').waitFor()
    await check('timeline')
    await switchNetwork(page)
    await edit(page, 'What should I pack', 'What should I pack for Bergen?')
    await tab.getByRole('link', { name: 'Outbox' }).click()
    await tab.getByText('1 edit not saved yet').waitFor()
    await check('outbox')
    await switchNetwork(page)
    await tab.getByRole('link', { name: 'Wire', exact: true }).click()
    await tab.locator('summary').first().click()
    await check('wire')
    await tab.getByRole('link', { name: 'Operator' }).click()
    await tab.getByRole('img').nth(11).waitFor()
    await check('operator')
    expect(faults).toEqual([])
  },
  60_000,
)
