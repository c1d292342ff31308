import { type ChildProcess, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { type Browser, chromium, type Page } from 'playwright-core'
import { CHROMIUM } from './browser.js'

/** A browser of our own, with a profile that outlives it. */
export interface BrowserProcess {
  readonly browser: Browser
  /** A tab of the profile, at this address. */
  open(url: string): Promise<Page>
  /** Ends all of its processes at once, as a crash does (SIGKILL). */
  kill(): Promise<void>
  /** Ends it as its user does. */
  quit(): Promise<void>
}

/** Starts a browser on a profile, without a window. */
export async function startBrowserProcess(profile: string): Promise<BrowserProcess> {
  const flags = [
    '--headless=new',
    '--no-sandbox',
    '--no-first-run',
    '--disable-gpu',
    '--disable-dev-shm-usage',
  ]
  const args = [...flags, '--remote-debugging-port=0', `--user-data-dir=${profile}`, 'about:blank']
  // A process group of its own: its children are killed with it, and nothing else is.
  const child = spawn(CHROMIUM, args, { detached: true, stdio: ['ignore', 'ignore', 'pipe'] })
  const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  const browser = await chromium.connectOverCDP(await debuggerOf(child))
  return {
    browser,
    async open(url) {
      const context = browser.contexts()[0]
      const page = await (context as NonNullable<typeof context>).newPage()
      await page.goto(url)
      return page
    },
    async kill() {
      if (child.exitCode === null && child.signalCode === null)
        process.kill(-(child.pid as number), 'SIGKILL')
      await gone
      await browser.close().catch(() => {})
    },
    async quit() {
      const session = await browser.newBrowserCDPSession()
      await session.send('Browser.close').catch(() => {})
      await gone
    },
  }
}

/** The address that it prints. */
async function debuggerOf(child: ChildProcess): Promise<string> {
  for await (const line of createInterface({ input: child.stderr as NodeJS.ReadableStream })) {
    const address = /DevTools listening on (ws:\S+)/.exec(line)?.[1]
    if (address !== undefined) return address
  }
  throw new Error('the browser ended before it could be debugged')
}
