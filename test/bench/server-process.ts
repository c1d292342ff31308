import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

/** Where the built command is, from `test/bench/dist`. */
const SERVER_BIN = fileURLToPath(new URL('../../../server/bin/onyx-sync-server.js', import.meta.url))
/** The same in modules, which a profile names. */
const SERVER_MODULES = fileURLToPath(new URL('../../../server/dist/cli.js', import.meta.url))
/**
 * All clients of a bench share one address, and some a key, and do in seconds what people do in days: how much is let in
 * of that is not what is measured.
 */
const WITHOUT_RATES = [
  'max-connections-per-address',
  'max-unauthenticated-per-address',
  'max-handshakes-per-minute',
  'max-auths-per-minute',
  'max-unauthenticated-messages-per-minute',
  'max-messages-per-minute-per-address',
  'max-bytes-per-minute-per-address',
  'max-messages-per-minute',
  'max-bytes-per-minute',
  'max-events-per-minute',
  'max-requests-per-minute',
].flatMap((limit) => [`--${limit}`, '1000000000000'])
/** Linux counts processor time in hundredths of a second. */
const TICKS_PER_SECOND = 100
const PAGE_BYTES = 4096

/** A server that is measured: a process of its own, looked at from outside. */
export interface MeasuredServer {
  readonly url: string
  /** Processor time it has used, all threads, seconds. */
  cpuSeconds(): number
  /** Memory it holds, bytes. */
  residentBytes(): number
  /** Ends it and waits. */
  stop(): Promise<void>
}

/** How to start the built server. */
export interface MeasuredServerOptions {
  readonly data: string
  /** Options of the command. */
  readonly args?: readonly string[]
  /** Options of Node. */
  readonly nodeArgs?: readonly string[]
  /** The Node to run it with. @default this one */
  readonly node?: string
}

/** Starts the built server, on a free port of 127.0.0.1 if none is given in `args`, and waits until it is ready. */
export function startMeasuredServer(options: MeasuredServerOptions): Promise<MeasuredServer> {
  const { data, args = [], nodeArgs = [], node } = options
  const port = args.includes('--port') ? [] : ['--port', '0']
  const isProfiled = nodeArgs.some((arg) => arg.startsWith('--cpu-prof'))
  const script = isProfiled ? SERVER_MODULES : SERVER_BIN
  return startMeasured([...nodeArgs, script, '--data', data, ...port, ...WITHOUT_RATES, ...args], node)
}

/**
 * Starts any server that Node runs and that says `listening on ws://…` once it is ready. Needs Linux' `/proc`. Rejects
 * with what it said when it ends before that.
 *
 * @param node the Node to run it with
 */
export function startMeasured(command: readonly string[], node = process.execPath): Promise<MeasuredServer> {
  return startProgram(node, command, (output) => /listening on (ws:\S+)\n/.exec(output)?.[1])
}

/**
 * Starts any server. Needs Linux' `/proc`. Rejects with what it said when it ends before it is ready.
 *
 * @param urlIn its address, once what it has said so far tells that it is ready
 */
export function startProgram(
  program: string,
  args: readonly string[],
  urlIn: (output: string) => string | undefined,
): Promise<MeasuredServer> {
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] })
  const { pid } = child
  let output = ''
  let isReady = false
  // A bench that fails must not leave its servers running.
  const kill = () => child.kill('SIGKILL')
  process.once('exit', kill)
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()))
  void ended.then(() => process.off('exit', kill))
  const stop = () => {
    child.kill('SIGTERM')
    return ended
  }
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    const read = (chunk: Buffer): void => {
      if (isReady) return
      output += chunk
      const url = urlIn(output)
      if (url === undefined) return
      isReady = true
      resolve({
        url,
        cpuSeconds: () => cpuSecondsOf(pid as number),
        residentBytes: () => Number(readProc(pid as number, 'statm').split(' ')[1]) * PAGE_BYTES,
        stop,
      })
    }
    child.stdout.on('data', read)
    child.stderr.on('data', read)
    void ended.then(() => reject(new Error(`the server ended: ${output}`)))
  })
}

function cpuSecondsOf(pid: number): number {
  // Behind the name, which may hold anything, come state, …; user and system time are the 12th and 13th.
  const fields = readProc(pid, 'stat').split(') ')[1]?.split(' ') ?? []
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND
}

function readProc(pid: number, name: string): string {
  return readFileSync(`/proc/${pid}/${name}`, 'utf8')
}
