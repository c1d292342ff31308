import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { hasChromium } from '../support/browser.js'
import { startBrowserProcess } from '../support/browser-process.js'
import { openStoreSite } from '../support/store-site.js'
import type { StorePage } from './store-page/main.js'

declare const stores: StorePage

// Before the tests are declared: there is one for each case that the page knows.
const site = hasChromium ? await openStoreSite() : undefined
const chromium = site && (await startBrowserProcess(join(site.folder, 'profile')))
const page = await chromium?.open(site?.url ?? '')
const cases = (await page?.evaluate(() => stores.cases())) ?? []

afterAll(async () => {
  await chromium?.kill()
  site?.close()
})

describe.skipIf(!hasChromium)('the store contract in Chromium, under a strict policy', () => {
  const inContract = cases.filter(({ suite }) => suite !== 'this page')

  it('has all its cases, for both stores and the databases under them, and sees one that fails', async () => {
    expect(inContract.length).toBeGreaterThan(50)
    expect(new Set(inContract.map(({ suite }) => suite)).size).toBe(5)
    const failed = await page?.evaluate(() => stores.runCase('this page', 'reports what fails'))
    expect(failed).toContain('[1]')
  })

  it.each(inContract)('$suite: $name', async ({ suite, name }) => {
    const wrong = await page?.evaluate(([of, which]) => stores.runCase(of, which), [suite, name] as const)
    expect(wrong).toBeUndefined()
  })
})
