import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { bundlePage, serveFolder } from './browser.js'

const path = (relative: string) => fileURLToPath(new URL(relative, import.meta.url))

/** The strictest policy that a page with SQLite can have. */
const POLICY =
  "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; connect-src 'self'"

/** The page for tests of stores, bundled and served, and a place for browser profiles. */
export interface StoreSite {
  readonly url: string
  readonly folder: string
  /** Serves the same once more, as another origin, with this policy or the same. */
  serveAgain(policy?: string): ReturnType<typeof serveFolder>
  close(): void
}

export async function openStoreSite(): Promise<StoreSite> {
  const folder = mkdtempSync(join(tmpdir(), 'onyx-sync-stores-'))
  const site = join(folder, 'site')
  await bundlePage(path('../browser/store-page'), site, { vitest: path('./page-vitest.ts') })
  const serveAgain = (policy = POLICY) => serveFolder(site, { 'content-security-policy': policy })
  const pages = await serveAgain()
  return {
    url: pages.url,
    folder,
    serveAgain,
    close() {
      pages.close()
      // A browser that has just ended may still be putting its profile in order.
      rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
    },
  }
}
