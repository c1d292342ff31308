import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const SERVER_BIN = fileURLToPath(new URL('../../server/bin/onyx-sync-server.js', import.meta.url))
export const DEVICE_BIN = fileURLToPath(new URL('../../client/bin/onyx-sync.js', import.meta.url))
export const DEVICE_CHILD = fileURLToPath(new URL('./device-child.mjs', import.meta.url))
/** The commands in modules, of which a fault changes some. */
const IN_MODULES = new Map([
  [SERVER_BIN, fileURLToPath(new URL('../../server/dist/cli.js', import.meta.url))],
  [DEVICE_BIN, fileURLToPath(new URL('../../client/dist/cli.js', import.meta.url))],
])
const FAULTS = new URL('./faults.mjs', import.meta.url).href

/** How a process ended. */
export interface Ended {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

/** A real process, watched line by line. */
export interface Child {
  readonly pid: number
  /** Complete lines of stdout so far. */
  readonly lines: readonly string[]
  stderr(): string
  /** Calls back for each complete line of stdout, in order, from now on. */
  onLine(listener: (line: string) => void): void
  signal(signal: NodeJS.Signals): void
  /** Writes a line to its stdin. */
  tell(line: string): void
  readonly hasEnded: boolean
  /** Resolves when the process is gone and all it wrote was read. */
  readonly ended: Promise<Ended>
  /** `kill -9`, and waits until it is gone. */
  kill(): Promise<Ended>
}

/** Everything a test has to take away again, whatever happens. */
export interface Scope {
  /** A directory of its own. */
  directory(): string
  launch(script: string, args: readonly string[], options?: LaunchOptions): Child
  /** Does something at the end, last registered first, after the processes are gone. */
  defer(cleanup: () => unknown): void
  end(): Promise<void>
}

export interface LaunchOptions {
  /** Name of a fault in faults.mjs that the process is to have. */
  readonly fault?: string | undefined
  readonly env?: Readonly<Record<string, string>>
}

const running = new Set<ChildProcess>()
// Should the test process itself be ended in mid-run.
process.once('exit', () => {
  for (const child of running) child.kill('SIGKILL')
})

export function createScope(): Scope {
  const children: Child[] = []
  const cleanups: (() => unknown)[] = []
  return {
    directory() {
      const directory = mkdtempSync(join(tmpdir(), 'onyx-crash-'))
      cleanups.push(() => rmSync(directory, { recursive: true, force: true }))
      return directory
    },
    launch(script, args, options) {
      const child = launch(script, args, options)
      children.push(child)
      child.ended.finally(() => children.splice(children.indexOf(child), 1)).catch(() => {})
      return child
    },
    defer: (cleanup) => cleanups.push(cleanup),
    async end() {
      await Promise.all([...children].map((child) => child.kill()))
      for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
    },
  }
}

function launch(script: string, args: readonly string[], { fault, env }: LaunchOptions = {}): Child {
  const nodeArgs = fault === undefined ? [] : ['--import', FAULTS]
  const entry = (fault === undefined ? undefined : IN_MODULES.get(script)) ?? script
  const child = spawn(process.execPath, [...nodeArgs, entry, ...args], {
    stdio: ['pipe', 'pipe', 'pipe'],
    env: { ...process.env, ...env, ...(fault === undefined ? {} : { ONYX_CRASH_FAULT: fault }) },
  })
  running.add(child)
  const lines: string[] = []
  const listeners: ((line: string) => void)[] = []
  let rest = ''
  let stderr = ''
  let hasEnded = false
  child.stdout.setEncoding('utf8')
  child.stdout.on('data', (chunk: string) => {
    const parts = (rest + chunk).split('\n')
    rest = parts.pop() ?? ''
    for (const line of parts) {
      lines.push(line)
      for (const listener of listeners) listener(line)
    }
  })
  child.stderr.on('data', (chunk) => {
    stderr = (stderr + String(chunk)).slice(-20_000)
  })
  // A process that was killed has no use for what is written to it.
  child.stdin.on('error', () => {})
  const ended = new Promise<Ended>((resolve, reject) => {
    child.once('error', reject)
    // Not `exit`: what it wrote before may still be in the pipe, and counts.
    child.once('close', (code, signal) => {
      hasEnded = true
      running.delete(child)
      resolve({ code, signal })
    })
  })
  return {
    pid: child.pid as number,
    lines,
    stderr: () => stderr,
    onLine: (listener) => listeners.push(listener),
    signal: (signal) => child.kill(signal),
    tell: (line) => child.stdin.write(`${line}\n`),
    get hasEnded() {
      return hasEnded
    },
    ended,
    kill() {
      child.kill('SIGKILL')
      return ended
    },
  }
}

/** Resolves with the first line, written already or yet to come, that fits; rejects when the process ends first. */
export function waitForLine(
  child: Child,
  fits: (line: string) => boolean,
  timeoutMs = 30_000,
): Promise<string> {
  return new Promise((resolve, reject) => {
    const fail = (what: string) => {
      const last = child.lines.slice(-3).join(' | ').slice(0, 500)
      reject(new Error(`${what}; last lines: ${last}; stderr: ${child.stderr().slice(-1_500)}`))
    }
    const timer = setTimeout(() => fail(`the line did not come within ${timeoutMs} ms`), timeoutMs)
    const settle = (line: string) => {
      clearTimeout(timer)
      resolve(line)
    }
    const found = child.lines.find(fits)
    if (found !== undefined) {
      settle(found)
      return
    }
    child.onLine((line) => {
      if (fits(line)) settle(line)
    })
    child.ended.then(({ code, signal }) => {
      clearTimeout(timer)
      fail(`the process ended with ${code ?? signal}`)
    }, reject)
  })
}

/** A server process and where it listens. */
export interface CrashServer {
  readonly child: Child
  readonly url: string
}

const READY = /^onyx-sync listening on (ws:\/\/\S+)$/

/** Launches a server, ready or not. */
export function launchServer(
  scope: Scope,
  data: string,
  port: number,
  options: LaunchOptions = {},
  extra: readonly string[] = [],
): Child {
  return scope.launch(SERVER_BIN, ['--data', data, '--port', String(port), ...extra], options)
}

/** Whether a line is the server's word that it is ready. */
export function isReadyLine(line: string): boolean {
  return READY.test(line)
}

/** Starts a server and waits until it is ready. */
export async function startCrashServer(
  scope: Scope,
  data: string,
  port: number,
  options: LaunchOptions = {},
  extra: readonly string[] = [],
): Promise<CrashServer> {
  const child = launchServer(scope, data, port, options, extra)
  const line = await waitForLine(child, isReadyLine)
  return { child, url: READY.exec(line)?.[1] as string }
}

let nextPort = 17_000 + (process.pid % 1_000) * 14
/**
 * A free port that outgoing connections don't get: one that the kernel hands out could be taken while the
 * server is down, by a device that tries to reach it.
 */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = nextPort++
    if (await isFree(port)) return port
  }
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', () => resolve(false))
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)))
  })
}

/** Real milliseconds: the processes live in real time. */
export function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}

/** Waits until something is true, asking every few milliseconds. */
export async function until(
  what: string,
  isTrue: () => boolean | Promise<boolean>,
  timeoutMs: number,
): Promise<void> {
  const deadline = Date.now() + timeoutMs
  while (!(await isTrue())) {
    if (Date.now() > deadline) throw new Error(`not within ${timeoutMs} ms: ${what}`)
    await sleep(20)
  }
}
