/**
 * What a contract suite uses of Vitest, for a page of a real browser: the suite is bundled with this in the place of
 * `vitest`, and the test on Node runs its cases one by one and reports each as a test of its own.
 */
import { expect, failureText } from './chai-expect.js'

export { expect }

interface Case {
  readonly suite: string
  readonly name: string
  readonly run: () => Promise<void> | void
  readonly after: readonly (() => Promise<void> | void)[]
}

/** Every case that has been declared. */
export const cases: Case[] = []
let suite = ''
let after: (() => Promise<void> | void)[] = []

export function describe(name: string, declare: () => void): void {
  suite = name
  after = []
  declare()
}

export function it(name: string, run: Case['run']): void {
  cases.push({ suite, name, run, after })
}

export function afterEach(work: () => Promise<void> | void): void {
  after.push(work)
}

/** Runs a case. @returns what went wrong, or nothing */
export async function runCase(suiteName: string, name: string): Promise<string | undefined> {
  const found = cases.find((each) => each.suite === suiteName && each.name === name)
  if (found === undefined) return 'there is no such case'
  try {
    try {
      await found.run()
    } finally {
      for (const work of found.after) await work()
    }
    return undefined
  } catch (error) {
    return failureText(error)
  }
}
