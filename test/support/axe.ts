import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import type { AxeResults, RunOptions } from 'axe-core'
import type { Frame, Page } from 'playwright-core'

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')

/** What axe finds wrong with what is shown now, each with its place. `rules` keeps it to these. */
export async function violations(page: Page | Frame, rules?: readonly string[]): Promise<string[]> {
  if (!(await page.evaluate(() => 'axe' in window))) await page.evaluate(AXE)
  const options: RunOptions = {
    resultTypes: ['violations'],
    ...(rules === undefined ? {} : { runOnly: { type: 'rule', values: [...rules] } }),
  }
  const found = await page.evaluate(
    (how) => (window as unknown as { axe: { run(options: RunOptions): Promise<AxeResults> } }).axe.run(how),
    options,
  )
  return found.violations.flatMap(({ id, nodes }) => nodes.map(({ html }) => `${id}: ${html}`))
}

/** The rules of axe that are on by themselves and look at colours. */
const OF_COLOURS = ['color-contrast', 'link-in-text-block']

/** The same in light and in dark, between which only colours change. The page is in light after it. */
export async function violationsInBothSchemes(page: Page, frame: Page | Frame = page): Promise<string[]> {
  await page.emulateMedia({ colorScheme: 'dark' })
  const inDark = await violations(frame, OF_COLOURS)
  await page.emulateMedia({ colorScheme: 'light' })
  return [...inDark.map((each) => `in dark, ${each}`), ...(await violations(frame))]
}
