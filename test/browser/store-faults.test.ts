import { existsSync, readdirSync, statSync, truncateSync } from 'node:fs'
import { join } from 'node:path'
import type { Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { hasChromium } from '../support/browser.js'
import { type BrowserProcess, startBrowserProcess } from '../support/browser-process.js'
import { openStoreSite, type StoreSite } from '../support/store-site.js'
import type { StorePage } from './store-page/main.js'

declare const stores: StorePage

const KINDS = ['opfs', 'indexeddb'] as const

let site: StoreSite
let chromium: BrowserProcess

beforeAll(async () => {
  if (!hasChromium) return
  site = await openStoreSite()
  chromium = await startBrowserProcess(join(site.folder, 'profile'))
}, 60_000)

afterAll(async () => {
  await chromium?.kill()
  site?.close()
})

const read = (page: Page) => page.evaluate(() => stores.read())
const close = (page: Page) => page.evaluate(() => stores.close())
const commit = (page: Page, seq: number, bytes = 100) =>
  page.evaluate(([which, size]) => stores.commit(which, size), [seq, bytes] as const)
const open = (page: Page, ...args: Parameters<StorePage['open']>) =>
  page.evaluate((given) => stores.open(...given), args)

/** A database with one update, closed. */
async function makeDatabase(page: Page, ...args: Parameters<StorePage['open']>): Promise<void> {
  expect(KINDS).toContain(await open(page, ...args))
  expect(await commit(page, 1)).toBe('saved')
  await close(page)
}

/** The log that Chromium's IndexedDB writes to; undefined before there is any. */
function logOf(profile: string): string | undefined {
  const folder = join(profile, 'Default', 'IndexedDB')
  if (!existsSync(folder)) return undefined
  const files = readdirSync(folder, { recursive: true }).map((name) => join(folder, String(name)))
  return files
    .filter((name) => name.endsWith('.log'))
    .sort()
    .at(-1)
}

/** Leaves the last record in it as a process does that is killed while it writes it. */
function tearLog(profile: string): void {
  const log = logOf(profile) as string
  truncateSync(log, statSync(log).size - 30)
}

describe.skipIf(!hasChromium)('a database in Chromium', () => {
  it.each(KINDS)(
    '[STO51] [C1] %s: what a commit has answered is there after the browser was killed at once, 8 of 8 times',
    async (storage) => {
      const profile = join(site.folder, `killed-${storage}`)
      for (let round = 1; round <= 8; round++) {
        const doomed = await startBrowserProcess(profile)
        try {
          const page = await doomed.open(site.url)
          expect(await open(page, 'killed', { storage })).toBe(storage)
          const before = Array.from({ length: round - 1 }, (_, index) => index + 1)
          expect(await read(page)).toMatchObject({ seqs: before })
          expect(await commit(page, round)).toBe('saved')
        } finally {
          await doomed.kill()
        }
      }
    },
    120_000,
  )

  it('[STO65] [C1] indexeddb: what was written behind a record that a kill left unfinished is there after the next kill', async () => {
    const profile = join(site.folder, 'torn')
    let last = 0
    for (let round = 1; round <= 4; round++) {
      const before = logOf(profile)
      const doomed = await startBrowserProcess(profile)
      try {
        const page = await doomed.open(site.url)
        expect(await open(page, 'torn', { storage: 'indexeddb' })).toBe('indexeddb')
        // Chromium does so beside what the page does, which nobody tells the page. On a busy machine it takes longer.
        await vi.waitFor(() => expect(logOf(profile)).not.toBe(before), { timeout: 20_000 })
        const { seqs } = (await read(page)) as { seqs: number[] }
        // Nothing of the round before, which ended well, and at most the last commit of one whose log was torn.
        expect(seqs.length).toBeGreaterThanOrEqual(round % 2 === 0 ? last - 1 : last)
        last = seqs.length + 2
        expect(await commit(page, last - 1, 4_000)).toBe('saved')
        expect(await commit(page, last, 4_000)).toBe('saved')
      } finally {
        await doomed.kill()
      }
      if (round % 2 === 1) tearLog(profile)
    }
  }, 60_000)

  it('[STO51] in OPFS a commit is answered after what it wrote has been flushed', async () => {
    const page = await chromium.open(site.url)
    expect(await open(page, 'flushed', { worker: 'listening' })).toBe('opfs')
    for (let seq = 1; seq <= 3; seq++) {
      await page.evaluate(() => stores.fileCalls())
      expect(await commit(page, seq)).toBe('saved')
      const calls = await page.evaluate(() => stores.fileCalls())
      expect(calls.indexOf('write')).toBeLessThan(calls.indexOf('flush'))
      // SQLite fills the last sector of its log up, and flushes in the midst of what fills it.
      expect(calls.slice(calls.lastIndexOf('flush') + 1).length, calls.join()).toBeLessThanOrEqual(1)
    }
    await page.close()
  })

  it('[STO51] [C1] killed in the midst of commits, each is there whole or not at all', async () => {
    for (let round = 0; round < 4; round++) {
      const profile = join(site.folder, `amidst-${round}`)
      const doomed = await startBrowserProcess(profile)
      const saved: number[] = []
      try {
        const page = await doomed.open(site.url)
        page.on('console', (message) => saved.push(Number(/^saved (\d+)$/.exec(message.text())?.[1])))
        expect(await open(page, 'amidst')).toBe('opfs')
        await page.evaluate(() => stores.commitFor(60_000))
        await expect.poll(() => saved.length, { timeout: 20_000 }).toBeGreaterThan(20 + round * 7)
      } finally {
        await doomed.kill()
      }
      const after = await startBrowserProcess(profile)
      try {
        const page = await after.open(site.url)
        expect(await open(page, 'amidst')).toBe('opfs')
        const found = (await read(page)) as { seqs: number[]; cursor: string }
        expect(found.seqs.length).toBeGreaterThanOrEqual(saved.length)
        // All up to the last, and the key that went with it.
        expect(found.seqs).toEqual(found.seqs.map((_, index) => index + 1))
        expect(found.cursor).toBe(String(found.seqs.length))
      } finally {
        await after.kill()
      }
    }
  }, 120_000)

  it('[STO51] [C1] killed while it is opened and closed, nothing that was answered is missing', async () => {
    const profile = join(site.folder, 'cycles')
    let last = 0
    for (let round = 0; round < 6; round++) {
      const doomed = await startBrowserProcess(profile)
      try {
        const page = await doomed.open(site.url)
        const saved = new Promise<void>((resolve) => {
          let left = 2 + round
          page.on('console', (message) => {
            const seq = Number(/^saved (\d+)$/.exec(message.text())?.[1])
            if (!(seq > 0)) return
            last = seq
            left--
            if (left === 0) resolve()
          })
        })
        expect(await open(page, 'cycles')).toBe('opfs')
        const { seqs } = (await read(page)) as { seqs: number[] }
        // One more may be there than was answered.
        const there = Array.from({ length: Math.max(last, seqs.length) }, (_, index) => index + 1)
        expect(seqs).toEqual(there)
        expect(seqs.length).toBeLessThanOrEqual(last + 1)
        await close(page)
        void page.evaluate((first) => stores.cycle('cycles', first), seqs.length + 1).catch(() => {})
        await saved
        // At another moment of closing and opening each time.
        await new Promise((resolve) => setTimeout(resolve, round * 15))
      } finally {
        await doomed.kill()
      }
    }
  }, 120_000)

  it.each(KINDS)(
    '[STO52] [C15] %s: without room a commit fails as a whole, and with room again they go on',
    async (storage) => {
      const pages = await site.serveAgain()
      try {
        const page = await chromium.open(pages.url)
        const cdp = await page.context().newCDPSession(page)
        const { origin } = new URL(pages.url)
        // Chromium reserves room ahead, and remembers for a while how much there was.
        await cdp.send('Storage.overrideQuotaForOrigin', { origin, quotaSize: 30_000_000 })
        expect(await open(page, 'full', { storage })).toBe(storage)
        expect(await commit(page, 1)).toBe('saved')
        const { saved, refused } = await page.evaluate(() => stores.fill(2))
        expect(refused).toMatchObject({ code: 'STORE_FAILED', message: expect.stringContaining('uota') })
        const kept = [1, ...saved]
        expect(await read(page)).toEqual({ seqs: kept, cursor: String(kept.length) })
        await cdp.send('Storage.overrideQuotaForOrigin', { origin })
        expect(await commit(page, 250, 3_000_000)).toBe('saved')
        expect(await read(page)).toEqual({ seqs: [...kept, 250], cursor: '250' })
        await close(page)
        expect(await open(page, 'full')).toBe(storage)
        expect(await read(page)).toEqual({ seqs: [...kept, 250], cursor: '250' })
        await page.close()
      } finally {
        pages.close()
      }
    },
  )

  it('[STO49] in OPFS, too, a database is open in one tab at a time', async () => {
    const [first, second] = [await chromium.open(site.url), await chromium.open(site.url)]
    expect(await open(first, 'tabs')).toBe('opfs')
    expect(await open(second, 'tabs')).toMatchObject({ code: 'DATABASE_LOCKED' })
    // Of others each has its own, also where file systems take capitals for small letters.
    expect(await open(second, 'Tabs/é.')).toBe('opfs')
    expect(await read(second)).toMatchObject({ seqs: [] })
    await close(second)
    expect(await second.evaluate(() => stores.hasFolder('%54abs%2f%c3%a9.'))).toBe(true)
    await commit(first, 1)
    await first.close()
    expect(await open(second, 'tabs')).toBe('opfs')
    expect(await read(second)).toMatchObject({ seqs: [1] })
    await second.close()
  })

  it('[STO49] files that somebody holds without a lock are waited for, then refused, and stay as they are', async () => {
    const page = await chromium.open(site.url)
    await makeDatabase(page, 'held')
    expect(await page.evaluate(() => stores.hold('held'))).toBe(4)
    expect(await open(page, 'held')).toMatchObject({ code: 'DATABASE_LOCKED' })
    await page.evaluate(() => stores.letGo())
    expect(await open(page, 'held')).toBe('opfs')
    expect(await read(page)).toMatchObject({ seqs: [1] })
    await page.close()
  })

  it('[STO53] a fault of the browser while it is opened takes nothing away', async () => {
    const page = await chromium.open(site.url)
    await makeDatabase(page, 'faulty')
    const files = await page.evaluate(() => stores.listFiles('faulty'))
    const failed = await open(page, 'faulty', { worker: 'faulty' })
    expect(failed).toMatchObject({ code: 'DATABASE_UNREADABLE', message: expect.stringContaining('goes by') })
    expect(await page.evaluate(() => stores.listFiles('faulty'))).toEqual(files)
    expect(await open(page, 'faulty')).toBe('opfs')
    expect(await read(page)).toMatchObject({ seqs: [1] })
    await page.close()
  })

  it.each(KINDS)(
    '[STO54] %s: a newer database is refused, one without a migration too, and both stay as they are',
    async (storage) => {
      const page = await chromium.open(site.url)
      const name = `version-${storage}`
      await makeDatabase(page, name, { storage })
      expect(await open(page, name, { app: 'nextWithoutMigration' })).toMatchObject({
        code: 'DATABASE_UNREADABLE',
      })
      expect(await open(page, name, { app: 'next' })).toBe(storage)
      expect(await read(page)).toMatchObject({ seqs: [1] })
      await close(page)
      expect(await open(page, name)).toMatchObject({ code: 'DATABASE_NEWER' })
      expect(await open(page, name, { app: 'next' })).toBe(storage)
      expect(await read(page)).toMatchObject({ seqs: [1] })
      await page.close()
    },
  )

  it.each([
    ['the header of its file', 600, 0],
    ['the sum of the header', 1, 516],
    ['what SQLite begins with', 64, 4_096],
  ])(
    '[STO55] with damage to %s it is refused with the way out, and not one byte changes',
    async (_, bytes, at) => {
      const page = await chromium.open(site.url)
      const name = `damaged-${at}`
      await makeDatabase(page, name)
      await page.evaluate((given) => stores.damageFile(...given), [name, at, bytes] as const)
      const files = await page.evaluate((of) => stores.listFiles(of), name)
      const refused = await open(page, name)
      expect(refused).toMatchObject({ code: 'DATABASE_UNREADABLE' })
      expect(refused).toMatchObject({ message: expect.stringContaining('deleteBrowserDatabase()') })
      expect(await page.evaluate((of) => stores.listFiles(of), name)).toEqual(files)
      await page.evaluate((of) => stores.remove(of), name)
      expect(await open(page, name)).toBe('opfs')
      expect(await read(page)).toMatchObject({ seqs: [] })
      await page.close()
    },
  )

  it('[STO55] damage that only shows when it is read is reported with the way out', async () => {
    const page = await chromium.open(site.url)
    await open(page, 'damaged-inside')
    for (let seq = 1; seq <= 5; seq++) await commit(page, seq, 20_000)
    await close(page)
    // All pages but the first, which has the list of tables.
    await page.evaluate(() => stores.damageFile('damaged-inside', 2 * 4_096, 2_000_000))
    const opened = await open(page, 'damaged-inside')
    const failed = opened === 'opfs' ? await read(page) : opened
    expect(failed).toMatchObject({ message: expect.stringContaining('deleteBrowserDatabase()') })
    await page.close()
  })

  it('[STO55] files that are gone are not replaced by new ones', async () => {
    const page = await chromium.open(site.url)
    await makeDatabase(page, 'gone')
    await page.evaluate(() => stores.removeFiles('gone'))
    expect(await open(page, 'gone')).toMatchObject({ code: 'DATABASE_UNREADABLE' })
    expect(await open(page, 'gone')).toMatchObject({ code: 'DATABASE_UNREADABLE' })
    await page.close()
  })

  it('[STO55] in IndexedDB what is damaged, or some other program’s, is refused and kept', async () => {
    const page = await chromium.open(site.url)
    await makeDatabase(page, 'damaged-loki', { storage: 'indexeddb' })
    await page.evaluate(() => stores.damageIndexedDb('damaged-loki'))
    expect(await open(page, 'damaged-loki')).toMatchObject({ code: 'DATABASE_UNREADABLE' })
    await page.evaluate(() => stores.damageIndexedDb('other', 'things'))
    expect(await open(page, 'other')).toMatchObject({ code: 'DATABASE_UNREADABLE' })
    expect(await page.evaluate(() => stores.countIndexedDb('other', 'things'))).toBe(1)
    await page.close()
  })

  it('[STO56] where workers have no OPFS it is IndexedDB, for good; where they had, no second one is made', async () => {
    const page = await chromium.open(site.url)
    await makeDatabase(page, 'old-browser', { worker: 'noOpfs' })
    expect(await open(page, 'old-browser')).toBe('indexeddb')
    expect(await read(page)).toMatchObject({ seqs: [1] })
    await close(page)

    await makeDatabase(page, 'new-browser')
    expect(await open(page, 'new-browser', { worker: 'noOpfs' })).toMatchObject({
      code: 'DATABASE_UNREADABLE',
    })
    // Not even where nobody can see that there is one.
    await page.evaluate(() => {
      navigator.storage.getDirectory = () => Promise.reject(new DOMException('no', 'SecurityError'))
    })
    expect(await open(page, 'new-browser', { worker: 'noOpfs' })).toMatchObject({
      code: 'DATABASE_UNREADABLE',
    })
    expect(await page.evaluate(() => stores.remove('new-browser'))).toMatchObject({
      code: 'DATABASE_UNREADABLE',
    })
    expect(await open(page, 'yet-another', { worker: 'noOpfs' })).toBe('indexeddb')
    await close(page)
    expect(await page.evaluate(() => stores.remove('yet-another'))).toBeUndefined()
    await page.close()
  })

  it('[STO50] where the browser keeps nothing at all it is refused, and the user is told what to do', async () => {
    const page = await chromium.open(site.url)
    await page.evaluate(() => Object.defineProperty(window, 'indexedDB', { value: undefined }))
    const refused = await open(page, 'nowhere', { worker: 'noOpfs' })
    expect(refused).toMatchObject({ code: 'DATABASE_UNREADABLE' })
    expect(refused).toMatchObject({ message: expect.stringContaining('allow the site to store data') })
    await page.close()
  })

  it('[STO57] a policy without WebAssembly, or a worker that is missing, is named', async () => {
    const strict = await site.serveAgain(
      "default-src 'none'; script-src 'self'; worker-src 'self'; connect-src 'self'",
    )
    try {
      const page = await chromium.open(strict.url)
      const refused = { code: 'DATABASE_UNREADABLE', message: expect.stringContaining('Content') }
      expect(await open(page, 'no-wasm')).toMatchObject(refused)
      expect(await open(page, 'no-worker', { worker: 'missing' })).toMatchObject(refused)
      expect(await open(page, 'no-wasm', { storage: 'indexeddb' })).toBe('indexeddb')
      await page.close()
    } finally {
      strict.close()
    }
  })

  it.each(KINDS)(
    '[STO58] %s: a database that is removed is gone, but not while a page has it',
    async (storage) => {
      const [page, other] = [await chromium.open(site.url), await chromium.open(site.url)]
      const name = `removed-${storage}`
      const remove = (from: Page) => from.evaluate((of) => stores.remove(of), name)
      await open(page, name, { storage })
      await commit(page, 1)
      expect(await remove(other)).toMatchObject({ code: 'DATABASE_LOCKED' })
      expect(await read(page)).toMatchObject({ seqs: [1] })
      await close(page)
      expect(await remove(other)).toBeUndefined()
      expect(await remove(other)).toBeUndefined()
      expect(await page.evaluate((of) => stores.hasFolder(of), name)).toBe(false)
      expect(await open(page, name)).toBe('opfs')
      expect(await read(page)).toMatchObject({ seqs: [] })
      await page.close()
      await other.close()
    },
  )

  it('[STO58] a removal that was broken off is finished by the next opening', async () => {
    const page = await chromium.open(site.url)
    await makeDatabase(page, 'half-removed')
    await page.evaluate(() => stores.beginRemoval('half-removed'))
    expect(await open(page, 'half-removed')).toBe('opfs')
    expect(await read(page)).toMatchObject({ seqs: [] })
    await commit(page, 5)
    await close(page)
    expect(await open(page, 'half-removed')).toBe('opfs')
    expect(await read(page)).toMatchObject({ seqs: [5] })
    await page.close()
  })

  it('[STO59] it says whether the browser promises to keep it', async () => {
    const page = await chromium.open(site.url)
    await open(page, 'kept')
    const promised = await page.evaluate(() => stores.persisted())
    expect(promised).toBe(await page.evaluate(() => navigator.storage.persisted()))
    await page.close()
  })
})
