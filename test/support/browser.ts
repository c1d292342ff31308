import { existsSync, readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { extname, join, normalize } from 'node:path'
import {
  type Browser,
  type BrowserContext,
  type BrowserContextOptions,
  chromium,
  type LaunchOptions,
} from 'playwright-core'
import { build } from 'vite'

/** Debian's browser, or the one that `CHROMIUM` names: nothing is downloaded for the tests. */
export const CHROMIUM = process.env.CHROMIUM ?? '/usr/bin/chromium'
export const hasChromium = existsSync(CHROMIUM)

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html',
  '.js': 'text/javascript',
  '.wasm': 'application/wasm',
}

/** In a container its own sandbox has no rights to begin with. */
const LAUNCH: LaunchOptions = { executablePath: CHROMIUM, args: ['--no-sandbox'] }

/** A browser without a window. */
export function startChromium(): Promise<Browser> {
  return chromium.launch(LAUNCH)
}

/** The same with a profile in a folder. */
export function startChromiumIn(profile: string, options: BrowserContextOptions): Promise<BrowserContext> {
  return chromium.launchPersistentContext(profile, { ...LAUNCH, ...options })
}

/**
 * Bundles a page for the browser, with React's development build, in which strict mode does what it is for. `alias` puts
 * other modules in the place of some.
 */
export async function bundlePage(
  root: string,
  outDir: string,
  alias: Readonly<Record<string, string>> = {},
): Promise<void> {
  await build({
    configFile: false,
    logLevel: 'error',
    root,
    resolve: { alias },
    build: { outDir, emptyOutDir: true, minify: false, reportCompressedSize: false },
    define: { 'process.env.NODE_ENV': JSON.stringify('development') },
  })
}

/** Serves the files of a folder on 127.0.0.1, each with these headers. */
export async function serveFolder(
  folder: string,
  headers: Readonly<Record<string, string>> = {},
): Promise<{ readonly url: string; close(): void }> {
  const server = createServer((request, response) => {
    const path = normalize(new URL(request.url ?? '/', 'http://page').pathname)
    const file = join(folder, path === '/' ? 'index.html' : path)
    if (!existsSync(file)) {
      response.writeHead(path === '/favicon.ico' ? 204 : 404).end()
      return
    }
    const type = TYPES[extname(file)] ?? 'application/octet-stream'
    response.writeHead(200, { ...headers, 'content-type': type })
    response.end(readFileSync(file))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}/`,
    close() {
      server.closeAllConnections()
      server.close()
    },
  }
}
