import type { Page } from 'playwright-core'
import { expect, vi } from 'vitest'
import { SAVED, wait, write } from './web-client.js'

/** A second tab of the device, with the inspector in it. */
export async function inspect(page: Page, faults: string[] = []): Promise<Page> {
  const tab = await page.context().newPage()
  tab.on('pageerror', (error) => faults.push(String(error)))
  tab.on('console', (message) => message.type() === 'error' && faults.push(message.text()))
  await tab.goto(new URL('/inspect', page.url()).href)
  await tab.getByRole('heading', { name: 'Documents' }).waitFor()
  return tab
}

export async function writeAndWait(page: Page, text: string): Promise<void> {
  await write(page, text)
  await page.locator('blockquote', { hasText: text }).waitFor()
  await page.getByText('Settings → Model').first().waitFor()
  await page.getByRole('button', { name: SAVED }).waitFor()
}

/** What a row of the table of documents says, by its first words. */
export async function rowOf(tab: Page, title: RegExp): Promise<string[]> {
  const row = tab.getByRole('row').filter({ has: tab.getByRole('rowheader', { name: title }) })
  await vi.waitFor(async () => expect(await row.getByRole('cell').allInnerTexts()).not.toContain('…'), wait)
  return row.getByRole('cell').allInnerTexts()
}

/** Events have whole seconds, by which a history goes where no edit builds on the other. */
export async function nextSecond(): Promise<void> {
  const second = () => Math.floor(Date.now() / 1_000)
  const now = second()
  await vi.waitFor(() => expect(second()).toBeGreaterThan(now), wait)
}
