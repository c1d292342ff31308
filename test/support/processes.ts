import { type ChildProcess, execFile, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { afterThisTest } from './after-test.js'

const SERVER_BIN = fileURLToPath(new URL('../../server/bin/onyx-sync-server.js', import.meta.url))
const DEVICE_BIN = fileURLToPath(new URL('../../client/bin/onyx-sync.js', import.meta.url))

/** What still runs of a test is killed after it, before the directories that it was given are removed. */
function endAfterThisTest(child: ChildProcess): void {
  afterThisTest(async () => {
    if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return
    const ended = once(child, 'exit')
    child.kill('SIGKILL')
    await ended
  })
}

/** A real server process. */
export interface ServerProcess {
  readonly url: string
  readonly port: number
  readonly child: ChildProcess
  /** What it wrote to stdout so far. */
  stdout(): string
  /** Sends a signal and waits for the end. @returns the exit code, or the signal that ended it */
  stop(signal: NodeJS.Signals): Promise<number | NodeJS.Signals>
}

/** Starts the built server and waits for its line; ended after the test. `port` 0 picks a free one. */
export function startServer(data: string, port = 0, extra: readonly string[] = []): Promise<ServerProcess> {
  return launchServer(data, port, extra, endAfterThisTest)
}

/** As {@link startServer}; but ended by whoever started it, who may ask for its process at once. */
export function launchServer(
  data: string,
  port = 0,
  extra: readonly string[] = [],
  onSpawned: (child: ChildProcess) => void = () => {},
): Promise<ServerProcess> {
  const child = spawn(process.execPath, [SERVER_BIN, '--data', data, '--port', String(port), ...extra], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  onSpawned(child)
  let stdout = ''
  let stderr = ''
  child.stderr.on('data', (chunk) => {
    stderr += chunk
  })
  const ended = new Promise<number | NodeJS.Signals>((resolve) => {
    child.once('exit', (code, signal) => {
      resolve(code ?? (signal as NodeJS.Signals))
    })
  })
  return new Promise((resolve, reject) => {
    child.stdout.on('data', (chunk) => {
      stdout += chunk
      const match = /^onyx-sync listening on (ws:\/\/.*:(\d+)\/sync)$/m.exec(stdout)
      if (match === null) return
      resolve({
        url: match[1] as string,
        port: Number(match[2]),
        child,
        stdout: () => stdout,
        stop(signal) {
          child.kill(signal)
          return ended
        },
      })
    })
    ended.then((code) => reject(new Error(`the server ended with ${code} before it was ready: ${stderr}`)))
  })
}

/** How a command of the terminal device ended. */
export interface DeviceResult {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
  /** The parsed stdout of a command with `--json`. */
  readonly json: never
}

/** Starts a command of the built terminal device. */
export function spawnDevice(args: readonly string[]): ChildProcess {
  const child = spawn(process.execPath, [DEVICE_BIN, ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
  endAfterThisTest(child)
  return child
}

/** Starts a command of the built server. */
export function spawnServerCommand(...args: readonly string[]): ChildProcess {
  const child = spawn(process.execPath, [SERVER_BIN, ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
  endAfterThisTest(child)
  return child
}

/** How a command of the server ended. */
export interface ServerResult {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** Runs a command of the built server that ends by itself, whatever its exit code. */
export function runServerCommand(...args: readonly string[]): Promise<ServerResult> {
  return run([process.execPath, SERVER_BIN, ...args])
}

const IS_ROOT = process.getuid?.() === 0
/** Takes away what makes root write where files say that nobody may. */
const WITHOUT_OVERRIDE = ['setpriv', '--bounding-set=-all', '--inh-caps=-all']

/** Whether {@link runBoundCommand} works here. */
export function canBeBound(): boolean {
  if (process.platform === 'win32') return false
  return !IS_ROOT || spawnSync('setpriv', ['--version']).status === 0
}

/** As {@link runServerCommand}, by a user whom the permissions of files bind, even where the tests are run by root. */
export function runBoundCommand(...args: readonly string[]): Promise<ServerResult> {
  return run([...(IS_ROOT ? WITHOUT_OVERRIDE : []), process.execPath, SERVER_BIN, ...args])
}

function run([command = '', ...args]: readonly string[]): Promise<ServerResult> {
  return new Promise((resolve) => {
    const child = execFile(command, args, (_error, stdout, stderr) => {
      resolve({ code: child.exitCode, stdout, stderr })
    })
    endAfterThisTest(child)
  })
}

/** Runs a command of the built terminal device to its end, whatever its exit code. */
export function runDevice(...args: readonly string[]): Promise<DeviceResult> {
  return new Promise((resolve) => {
    const child = execFile(process.execPath, [DEVICE_BIN, ...args], (_error, stdout, stderr) => {
      resolve({
        code: child.exitCode,
        stdout,
        stderr,
        get json(): never {
          return JSON.parse(stdout) as never
        },
      })
    })
  })
}

/** A terminal device on a database: commands that must succeed, and the JSON they print. */
export function terminalDevice(db: string) {
  return async <T>(...args: readonly string[]): Promise<T> => {
    const result = await runDevice(...args, '--db', db, '--json')
    if (result.code !== 0)
      throw new Error(`onyx-sync ${args.join(' ')} ended with ${result.code}: ${result.stderr}`)
    return result.json
  }
}
