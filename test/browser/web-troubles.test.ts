import { expect, it } from 'vitest'
import { hasChromium } from '../support/browser.js'
import {
  openWebDevice,
  SAVED,
  serveWebClient,
  startChatting,
  switchNetwork,
  textsOf,
  useWebBrowser,
  write,
} from '../support/web-client.js'

useWebBrowser()

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
      await page.evaluate(() => Object.keys(localStorage).filter((key) => key !== 'onyx-sync.theme')),
    ).toEqual([])
    await startChatting(page)
    await page.getByText('No chats yet').waitFor()
    await page.getByRole('button', { name: SAVED }).waitFor()
    expect(await textsOf(page)).toEqual([])
    expect(faults).toEqual([])
  },
  60_000,
)
