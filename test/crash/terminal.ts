import { mkdirSync, watch } from 'node:fs'
import { basename, dirname } from 'node:path'
import type { SeededRandom } from '@onyx-sync/testing'
import { BrokenPromise } from './plan.js'
import { type Child, DEVICE_BIN, type Scope, sleep } from './processes.js'

/** How a command of the terminal device ended. */
export interface CommandEnd {
  /** What it printed, parsed: a whole line or nothing. */
  readonly json: unknown
  /** It was there when the kill came, and is gone by it. */
  readonly wasKilled: boolean
  /** `null` when it was killed. */
  readonly code: number | null
}

/** How often commands were to be killed, and what that hit. */
export interface Aim {
  /** Commands that were to be killed. */
  readonly aimed: number
  /** Those that were still there. */
  readonly landed: number
  /** Of these, the ones that had printed their result. */
  readonly afterResult: number
}

/** The built terminal command on one database, one process per command. */
export interface Terminal {
  readonly db: string
  readonly aim: Aim
  /** Runs a command to its end. Throws {@link BrokenPromise} when it doesn't exit with 0 and a result. */
  run<T>(...args: readonly string[]): Promise<T>
  /** Runs a command to its end, which may be exit code 2 for `sync`. */
  whole(...args: readonly string[]): Promise<CommandEnd>
  /** Runs a command and kills it at a random moment, if it is still there then. */
  cut(random: SeededRandom, ...args: readonly string[]): Promise<CommandEnd>
}

/** How far a whole run of a command went, the last time. */
export interface Course {
  readonly ms: number
  /** Changes in the database's directory: files made, written, shortened, deleted. */
  readonly changes: number
}

export interface TerminalOptions {
  readonly db: string
  readonly fault?: string | undefined
  /** By command, shared by terminals: each is to be run once to its end before it can be cut. */
  readonly courses: Map<string, Course>
}

/** Between two changes a command computes, signs, or waits for the server. */
const PAUSE_MS = 40
/** A command ends some milliseconds after its result came. */
const EXIT_MS = 6

/** A terminal device that learns how long its commands take from those that end by themselves. */
export function createTerminal(scope: Scope, { db, fault, courses }: TerminalOptions): Terminal {
  const aim = { aimed: 0, landed: 0, afterResult: 0 }
  mkdirSync(dirname(db), { recursive: true })

  /** @param meet is given the child and resolves when it is to be killed */
  async function go(
    args: readonly string[],
    meet?: (child: Child, onChange: (listener: (count: number) => void) => void) => Promise<unknown>,
  ): Promise<CommandEnd> {
    let changes = 0
    const listeners: ((count: number) => void)[] = []
    const watcher = watch(dirname(db), (_type, file) => {
      if (file?.startsWith(basename(db)) !== true) return
      changes++
      for (const listener of listeners) listener(changes)
    })
    try {
      const startedAt = performance.now()
      const child = scope.launch(DEVICE_BIN, [...args, '--db', db, '--json'], { fault })
      if (meet !== undefined) {
        aim.aimed++
        const moment = meet(child, (listener) => listeners.push(listener))
        await Promise.race([moment, child.ended])
        child.signal('SIGKILL')
      }
      const { code, signal } = await child.ended
      const end = { json: readResult(child), wasKilled: signal === 'SIGKILL', code }
      if (end.wasKilled) {
        aim.landed++
        if (end.json !== undefined) aim.afterResult++
        return end
      }
      courses.set(nameOf(args), { ms: performance.now() - startedAt, changes })
      // No broken promise: it would pass for a fault that was seen.
      if (child.stderr().includes('does not fit')) throw new Error(child.stderr())
      const isFine = code === 0 || (code === 2 && args[0] === 'sync')
      if (!isFine || end.json === undefined) {
        throw new BrokenPromise(
          'CRS6',
          `${args.join(' ').slice(0, 80)} ended with ${code}: ${child.stderr()}`,
        )
      }
      return end
    } finally {
      watcher.close()
    }
  }

  return {
    db,
    aim,
    whole: (...args) => go(args),
    async run<T>(...args: readonly string[]): Promise<T> {
      const { json, code } = await go(args)
      if (code !== 0)
        throw new BrokenPromise('CRS6', `${args[0]} ended with ${code}: ${JSON.stringify(json)}`)
      return json as T
    },
    cut(random, ...args) {
      const course = courses.get(nameOf(args))
      if (course === undefined) throw new Error(`${nameOf(args)} was not run as a whole before`)
      const kind = random.below(10)
      // Anywhere between its start and its end: mostly while it loads its code.
      if (kind < 3) {
        const ms = random.next() * course.ms
        return go(args, () => sleep(ms))
      }
      // While it works with its files, however long or short that takes; more often late, where it writes.
      if (kind < 7) {
        const count = 1 + Math.floor(Math.sqrt(random.next()) * course.changes)
        const ms = random.chance(0.5) ? 0 : random.below(PAUSE_MS)
        return go(args, async (_child, onChange) => {
          await new Promise<void>((resolve) => onChange((changes) => changes >= count && resolve()))
          if (ms > 0) await sleep(ms)
        })
      }
      // It has just said what it did.
      const ms = random.below(EXIT_MS)
      return go(args, async (child) => {
        await new Promise<void>((resolve) => child.onLine(() => resolve()))
        if (ms > 0) await sleep(ms)
      })
    },
  }
}

/** The words of a command, without what it is given. */
function nameOf([first = '', second = '']: readonly string[]): string {
  return first === 'chat' ? `${first} ${second}` : first
}

function readResult({ lines }: Child): unknown {
  const json = lines.length === 0 ? undefined : (JSON.parse(lines[0] as string) as { error?: unknown })
  return json?.error === undefined ? json : undefined
}
