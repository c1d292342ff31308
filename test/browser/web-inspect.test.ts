import { expect, it, vi } from 'vitest'
import { hasChromium } from '../support/browser.js'
import {
  edit,
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
import { inspect, nextSecond, rowOf, writeAndWait } from '../support/web-inspector.js'

useWebBrowser()

it.skipIf(!hasChromium)(
  '[WEB24] shows documents as the server’s log has them, and each event as checked in the page, beside the app in another tab',
  async () => {
    const { url } = await serveWebClient()
    const { page, faults } = await openWebDevice(url)
    await startChatting(page)
    await writeAndWait(page, 'What should I pack for Oslo?')
    await edit(page, 'What should I pack', 'What should I pack for Bergen?')
    await page.getByRole('button', { name: SAVED }).waitFor()
    const tab = await inspect(page, faults)

    const [kind, here, log, events, checkpoints, newest] = await rowOf(tab, /What should I pack/)
    expect(kind).toBe('Chat')
    expect(here).toMatch(/^[\d.,]+ (K?B)$/)
    expect(log).toMatch(/^[\d.,]+ KB$/)
    expect(Number(events)).toBeGreaterThan(2)
    expect(checkpoints).toBe('0')
    expect(newest).toMatch(String(new Date().getFullYear()))
    expect((await rowOf(tab, /^Settings/))[0]).toBe('Settings')
    expect(await rowOf(tab, /^Training data$/)).toEqual(['Events', '', '0 B', '0', '0', 'none'])
    await tab.getByRole('link', { name: 'Deletion requests' }).click()
    await tab.getByText('0 events checked in this page: all valid').waitFor()
    await tab.getByRole('link', { name: 'All documents' }).click()

    await tab.getByRole('link', { name: /What should I pack/ }).click()
    await tab.getByText(`${events} events checked in this page: all valid`).waitFor()
    // [SIG7] Beside the scripts, with the first check. Loading it tries it on known signatures.
    // As text, because the test runner would make an import of its own of it.
    const verifiers = () =>
      tab.evaluate(`(async () => {
        const entries = performance.getEntriesByType('resource').map(({ name }) => name)
        const script = entries.find((name) => /wasm-verifier-[^/]*\\.js$/.test(name))
        return script === undefined ? [] : Object.values(await import(script)).map(({ name }) => name)
      })()`)
    await vi.waitFor(async () => expect(await verifiers()).toEqual(['tiny-secp256k1 (WebAssembly)']))
    const rows = tab.getByRole('row').filter({ hasText: '30001' })
    expect(await rows.count()).toBe(Number(events))
    for (const text of await rows.allInnerTexts()) {
      expect(text).toMatch(/^Valid\tThis account\t/)
      expect(text).toMatch(/\d+ pieces?, \d+ deletions?/)
    }
    await rows.first().locator('summary').click()
    await rows.first().getByText('"sig": "').waitFor()

    await tab.getByRole('link', { name: 'Who wrote what' }).click()
    const writers = tab.getByRole('row').filter({ has: tab.getByRole('rowheader') })
    await tab.getByText('checked in this page: the key that the server names as its own.').waitFor()
    await vi.waitFor(async () => {
      expect(await writers.count()).toBeGreaterThan(0)
      for (const text of await writers.allInnerTexts())
        expect(text).toMatch(/^\d+\tThis account\tThis account\t[\d,]+ pieces?$/)
    }, wait)
    expect(faults).toEqual([])
  },
  90_000,
)

it.skipIf(!hasChromium)(
  '[WEB18] an event that was changed on its way is shown as invalid, with what is wrong, and isn’t read',
  async () => {
    const { url } = await serveWebClient()
    const { page, faults } = await openWebDevice(url)
    await startChatting(page)
    await writeAndWait(page, 'As it was signed')
    /** What is done to the next events that the inspector reads, one after another. */
    const changes: ((event: Record<string, unknown>) => unknown)[] = []
    await page.context().routeWebSocket(/\/sync$/, (socket) => {
      socket.connectToServer().onMessage((text) => {
        const message = JSON.parse(String(text)) as unknown[]
        const isRead = message[0] === 'EVENT' && String(message[1]).startsWith('inspect-')
        const change = isRead ? changes.shift() : undefined
        if (change !== undefined) message[2] = change(message[2] as Record<string, unknown>)
        socket.send(change === undefined ? text : JSON.stringify(message))
      })
    })
    const tab = await inspect(page, faults)
    await tab.getByRole('link', { name: /As it was signed/ }).click()
    await tab.getByText(/\d+ events checked in this page: all valid/).waitFor()
    changes.push(
      (event) => ({ ...event, created_at: 1_000_000_000 }),
      (event) => ({ ...event, sig: String(event.sig).replace(/^.{8}/, '00000000') }),
      () => ({ hello: 'there' }),
    )
    await tab.getByRole('button', { name: 'Read again' }).click()
    await tab.getByText(/\d+ events checked in this page: 3 invalid/).waitFor()
    const invalid = tab.locator('tr[data-verdict=invalid]')
    const texts = (await invalid.allInnerTexts()).sort()
    expect(texts).toHaveLength(3)
    expect(texts[0]).toMatch(/^Invalid: not an event/)
    expect(texts[1]).toMatch(/^Invalid: not signed by its author/)
    expect(texts[2]).toMatch(/^Invalid: the id is not that of the content/)
    for (const text of texts) expect(text).toMatch(/not read/)
    expect(changes).toEqual([])
    expect(faults).toEqual([])
  },
  60_000,
)

it.skipIf(!hasChromium)(
  '[WEB19] a slider goes back through a chat, says who changed what, and what was deleted can be put back',
  async () => {
    const { url } = await serveWebClient()
    const { page, faults } = await openWebDevice(url)
    await startChatting(page)
    await writeAndWait(page, 'What should I pack for Oslo?')
    await nextSecond()
    await edit(page, 'What should I pack', 'What should I pack for Bergen?')
    await page.getByRole('button', { name: SAVED }).waitFor()
    await nextSecond()
    const message = page.getByRole('article').filter({ hasText: 'for Bergen' }).first()
    await message.hover()
    await message.getByRole('button', { name: 'Delete message' }).click()
    await page.getByText('Message deleted.').waitFor()
    await page.getByRole('button', { name: SAVED }).waitFor()

    const tab = await inspect(page, faults)
    await tab.getByRole('link', { name: /What should I pack/ }).click()
    await tab.getByRole('link', { name: 'Timeline' }).click()
    const slider = tab.getByRole('slider')
    const then = tab.getByRole('region', { name: 'The chat as it was' })
    await slider.waitFor()
    const last = Number(await slider.getAttribute('max'))
    await tab.getByText('Deleted “What should I pack for Bergen?”').waitFor()
    expect(await then.getByText('for Bergen', { exact: false }).count()).toBe(0)
    // The slider works by keys, as any.
    await slider.focus()
    await tab.keyboard.press('ArrowLeft')
    await tab.getByText(`Edit ${last} of ${last + 1}`).waitFor()
    await then.getByRole('listitem').getByText('What should I pack for Bergen?').waitFor()
    await tab
      .getByText(/Changed “What should I pack for Oslo\?” to “What should I pack for Bergen\?”/)
      .waitFor()
    await tab.getByRole('button', { name: 'Earlier' }).click()
    await then.getByRole('listitem').getByText('What should I pack for Oslo?', { exact: true }).waitFor()
    await slider.focus()
    const told: string[] = []
    for (let at = last; at >= 0; at--) {
      await tab.keyboard.press(at === last ? 'End' : 'ArrowLeft')
      await tab.getByText(`Edit ${at + 1} of ${last + 1}`).waitFor()
      told.unshift(await tab.getByRole('region', { name: 'The edit' }).innerText())
    }
    expect(told.join()).toMatch(/You wrote “What should I pack for Oslo\?”.*Changed.*Deleted/s)
    expect(await then.getByText('for Bergen').count()).toBe(0)
    await tab.keyboard.press('End')
    await nextSecond()
    await tab.getByRole('button', { name: 'Put it back' }).click()
    await page.getByRole('article').filter({ hasText: 'for Bergen' }).first().waitFor()
    await tab.getByText('It is in the chat again.').waitFor()
    await slider.focus()
    await tab.keyboard.press('End')
    await then.getByRole('listitem').getByText('What should I pack for Bergen?').waitFor()
    expect((await textsOf(page))[0]).toContain('What should I pack for Bergen?')
    expect(faults).toEqual([])
  },
  60_000,
)

it.skipIf(!hasChromium)(
  '[WEB20] the outbox shows what isn’t saved and what was refused, with the server’s words and what to do',
  async () => {
    const { url } = await serveWebClient({ limits: { maxStoredDocuments: 1 } })
    const { page } = await openWebDevice(url)
    await startChatting(page)
    await writeAndWait(page, 'The first chat')
    const tab = await inspect(page)
    await tab.getByRole('link', { name: 'Outbox' }).click()
    await tab.getByText(SAVED).first().waitFor()
    await switchNetwork(page)
    await edit(page, 'The first chat', 'The first chat, offline')
    const row = tab.getByRole('row').filter({ hasText: 'The first chat' })
    await row.getByText('On this device; sent when there is a connection').waitFor()
    await tab.getByText('1 edit not saved yet').waitFor()
    await tab.getByRole('switch', { name: 'Network' }).click()
    await tab.getByText(SAVED).first().waitFor()
    await row.waitFor({ state: 'detached' })

    await page.getByRole('link', { name: 'New chat' }).click()
    await page.getByRole('heading', { name: 'What’s on your mind?' }).waitFor()
    await write(page, 'One too many')
    const refused = tab.getByRole('row').filter({ hasText: 'One too many' }).first()
    await refused.getByText(/^quota: .* has 1 documents, at most 1 are kept/).waitFor()
    await refused.getByText('blocked', { exact: true }).waitFor()
    await refused.getByText(/delete something for good, or ask the operator/).waitFor()
    const [download] = await Promise.all([
      tab.waitForEvent('download'),
      tab.getByRole('button', { name: 'Save as a file' }).click(),
    ])
    expect(download.suggestedFilename()).toBe('refused.json')
  },
  60_000,
)

it.skipIf(!hasChromium)(
  '[WEB21] shows what goes over the wire of this tab, where no secret key ever is',
  async () => {
    const { url } = await serveWebClient()
    const { page, faults } = await openWebDevice(url)
    await startChatting(page)
    await writeAndWait(page, 'Over the wire')
    const secret = await page.evaluate(() => localStorage.getItem('onyx-sync.secret-key') ?? '')
    expect(secret).toMatch(/^[0-9a-f]{64}$/)
    const nsec = await takeKeyOut(page)
    const tab = await inspect(page, faults)
    await rowOf(tab, /Over the wire/)
    await tab.getByRole('link', { name: 'Wire', exact: true }).click()
    await tab.getByText('not the device’s own, which another tab has').waitFor()
    const rows = tab.getByRole('row')
    const typed = (type: string, direction: RegExp) =>
      rows.filter({ has: tab.getByText(type, { exact: true }), hasText: direction })
    await typed('AUTH', /received/).waitFor()
    await typed('AUTH', /sent/).waitFor()
    await typed('REQ', /sent/).first().waitFor()
    await typed('EVENT', /received/)
      .first()
      .locator('summary')
      .click()
    await typed('EVENT', /received/)
      .first()
      .locator('pre')
      .getByText('"sig":')
      .waitFor()
    await tab.getByText(/^\d+ entries: [\d.,]+ K?B sent, [\d.,]+ K?B received$/).waitFor()

    // With the other tab gone this one has the device's connection too.
    await page.close()
    await rows.filter({ hasText: 'Device' }).filter({ hasText: 'REQ' }).first().waitFor()
    await tab.getByText('the device’s own, which this tab has').waitFor()
    for (const summary of await tab.locator('summary').all()) await summary.click()
    const all = (await tab.locator('table').innerText()).toLowerCase()
    expect(all).toContain('"kind":22242')
    expect(all).not.toContain(secret)
    expect(all).not.toContain(nsec)
    await tab.getByRole('button', { name: 'Clear' }).click()
    await tab.getByText('0 entries: 0 B sent, 0 B received').waitFor()
    expect(faults).toEqual([])
  },
  60_000,
)
