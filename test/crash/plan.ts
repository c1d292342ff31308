import { randomBytes } from 'node:crypto'
import type { TestContext } from 'vitest'
import { createScope, type Scope } from './processes.js'

/** Kills of a run that nobody asked to be longer. */
const DEFAULT_KILLS = 204

/** How many processes to kill in all: `ONYX_CRASH_KILLS`. */
export const TOTAL_KILLS = readNumber('ONYX_CRASH_KILLS', DEFAULT_KILLS)

/** Of these, kills of commands of the terminal device and of their server. */
export const TERMINAL_KILLS = Math.ceil(TOTAL_KILLS / 5)
/** Kills of a server under load. */
export const SERVER_KILLS = Math.ceil((TOTAL_KILLS - TERMINAL_KILLS) / 2)
/** Kills of devices that go on editing, and of their server. */
export const DEVICE_KILLS = TOTAL_KILLS - TERMINAL_KILLS - SERVER_KILLS

/**
 * What is done and when: `ONYX_CRASH_SEED`, else another one each time. Real processes are never exactly where
 * they were: a seed repeats the plan, not the history. It is printed with every failure.
 */
export const SEED = process.env.ONYX_CRASH_SEED ?? randomBytes(4).toString('hex')

function readNumber(name: string, otherwise: number): number {
  const text = process.env[name]
  if (text === undefined || text === '') return otherwise
  const value = Number(text)
  if (!Number.isInteger(value) || value < 1)
    throw new Error(`${name} is a whole number above 0, not ${JSON.stringify(text)}`)
  return value
}

/** Runs a scenario and takes everything away after it; a failure names the seed. */
export async function withScope<T>(run: (scope: Scope) => Promise<T>, seed = SEED): Promise<T> {
  const scope = createScope()
  try {
    return await run(scope)
  } catch (error) {
    if (error instanceof Error) error.message += `\n  (ONYX_CRASH_SEED=${seed})`
    throw error
  } finally {
    await scope.end()
  }
}

/** Says how much was done: a suite whose kills hit nothing proves nothing. */
export function report({ task }: TestContext, numbers: object): void {
  process.stdout.write(`${task.name}: ${JSON.stringify({ seed: SEED, ...numbers })}\n`)
}

/** A promise that was broken, with its ids. */
export class BrokenPromise extends Error {
  constructor(ids: string, what: string) {
    super(`[${ids}] ${what}`)
  }
}
