import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type BrowserContext, type CDPSession, chromium } from 'playwright-core'
import { build, preview } from 'vite'
import { atMost, type Bench, type Figure, reported } from './bench.js'
import { createWriter } from './text.js'

const CHROMIUM = process.env.CHROMIUM ?? '/usr/bin/chromium'
const PAGE = fileURLToPath(new URL('../page', import.meta.url))
const SIZES = [1_000, 10_000]
const STORES = ['opfs', 'indexeddb'] as const
const APPENDS = 20

/** Where the page keeps its database. */
export type BenchStore = (typeof STORES)[number]

/** What the page of this bench offers as `bench`. Times are milliseconds of the page's clock. */
export interface BenchPage {
  /** Opens the database and the device, and lists the chats. */
  open(store: BenchStore): Promise<number>
  /** Appends messages to the chat, in one edit. */
  add(first: number, texts: readonly string[]): Promise<void>
  /** From rendering `useMessages` until the last 50 are painted. */
  show(): Promise<number>
  openChat(): Promise<number>
  /** The mean of one message. */
  append(texts: readonly string[]): Promise<number>
}

const write = createWriter('browser')

/** Whether a long chat is shown quickly where users see it: both stores of a browser, React, a real page. */
export const browserChat: Bench = {
  name: 'browser',
  summary: 'chats of 1,000 and 10,000 messages in Chromium, with React: showing the last 50, appending',
  async run({ isQuick, directory, progress }) {
    if (!existsSync(CHROMIUM)) {
      process.stderr.write(`  there is no ${CHROMIUM}: install it, or name another one as CHROMIUM\n`)
      return []
    }
    progress('bundling the page')
    const files = { configFile: false, logLevel: 'error', root: PAGE } as const
    await build({ ...files, build: { outDir: directory, emptyOutDir: false } })
    const pages = await preview({
      ...files,
      build: { outDir: directory },
      preview: { host: '127.0.0.1', port: 0 },
    })
    try {
      const url = pages.resolvedUrls?.local[0] ?? ''
      const figures: Figure[] = []
      for (const size of isQuick ? SIZES.map((each) => each / 10) : SIZES) {
        for (const store of STORES) {
          progress(`a chat of ${size} messages, ${store}`)
          // A profile on the disk: that of a private window would be in memory.
          const profile = join(directory, `profile-${store}-${size}`)
          const options = { executablePath: CHROMIUM, args: ['--no-sandbox'] }
          const context = await chromium.launchPersistentContext(profile, options)
          try {
            figures.push(...(await measure(context, url, { store, size, isLargest: size === SIZES.at(-1) })))
          } finally {
            await context.close()
          }
        }
      }
      return figures
    } finally {
      await pages.close()
    }
  },
}

async function measure(
  context: BrowserContext,
  url: string,
  {
    store,
    size,
    isLargest,
  }: { readonly store: BenchStore; readonly size: number; readonly isLargest: boolean },
): Promise<readonly Figure[]> {
  const page = await context.newPage()
  await page.goto(url)
  const bench = await page.evaluateHandle('bench')
  await bench.evaluate((it, where) => (it as BenchPage).open(where), store)
  for (let first = 0; first < size; first += 500) {
    const texts = Array.from({ length: Math.min(500, size - first) }, (_, n) =>
      write(n % 2 === 0 ? 100 : 700),
    )
    await bench.evaluate((it, given) => (it as BenchPage).add(given.first, given.texts), { first, texts })
  }
  // A page that was just opened: nothing of the chat is in memory but what the database itself keeps there.
  await page.reload()
  const again = await page.evaluateHandle('bench')
  const [openedMs, openedCpuMs] = await withCpu(context, () =>
    again.evaluate((it, where) => (it as BenchPage).open(where), store),
  )
  const cdp = await context.newCDPSession(page)
  await cdp.send('Performance.enable', { timeDomain: 'threadTicks' })
  const beforeMs = await processorTime(cdp)
  const shownMs = await again.evaluate((it) => (it as BenchPage).show())
  const workedMs = (await processorTime(cdp)) - beforeMs
  const openChatMs = await again.evaluate((it) => (it as BenchPage).openChat())
  const texts = Array.from({ length: APPENDS }, () => write(60))
  const [appendMs, appendCpuMs] = await withCpu(context, () =>
    again.evaluate((it, given) => (it as BenchPage).append(given), texts),
  )
  const of = `${size.toLocaleString('en')} messages, ${store}`
  return [
    reported(`${of}: the database and the list are open`, openedMs, 'ms'),
    reported(`${of}: the same, processor time of the browser`, openedCpuMs, 'ms'),
    reported(`${of}: the last 50 are painted`, shownMs, 'ms'),
    isLargest
      ? atMost(`${of}: the same, processor time of the page`, workedMs, 100, 'ms')
      : reported(`${of}: the same, processor time of the page`, workedMs, 'ms'),
    reported(`${of}: the whole chat is opened`, openChatMs, 'ms'),
    reported(`${of}: one more is appended, durably`, appendMs, 'ms'),
    // One more is appended before the measured ones.
    reported(`${of}: the same, processor time of the browser`, appendCpuMs / (APPENDS + 1), 'ms'),
  ]
}

/** What the work gives, and the processor time of all processes of the browser meanwhile: databases have their own. */
async function withCpu<T>(context: BrowserContext, work: () => Promise<T>): Promise<[T, number]> {
  const cdp = await context.browser()?.newBrowserCDPSession()
  const spent = async () => {
    const { processInfo } = (await cdp?.send('SystemInfo.getProcessInfo')) ?? { processInfo: [] }
    return processInfo.reduce((sum, { cpuTime }) => sum + cpuTime * 1_000, 0)
  }
  const before = await spent()
  const result = await work()
  const after = await spent()
  await cdp?.detach()
  return [result, after - before]
}

/** Processor time of the page's thread so far, which other work on the machine hardly touches. */
async function processorTime(cdp: CDPSession): Promise<number> {
  const { metrics } = await cdp.send('Performance.getMetrics')
  return 1_000 * (metrics.find(({ name }) => name === 'TaskDuration')?.value ?? Number.NaN)
}
