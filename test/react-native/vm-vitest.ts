/** What the tests use of Vitest, for a VM in which Vitest itself can't run: they are bundled with this in its place. */
import { fn, restoreAllMocks, spyOn } from '@vitest/spy'
import { expect, failureText } from '../support/chai-expect.js'

export { expect }
export const vi = { fn, restoreAllMocks, spyOn }

type Run = () => Promise<void> | void
interface Case {
  readonly file: string
  readonly name: string
  readonly run: Run
  readonly after: readonly Run[]
}

declare const print: (line: string) => void

const cases: Case[] = []
let file = ''
let names: readonly string[] = []
let after: readonly Run[] = []

/** Takes the tests of a file, which `load` declares. One that can't be loaded is a test that fails. */
export function fileOf(path: string, load: () => void): void {
  file = path
  names = []
  after = []
  try {
    load()
  } catch (error) {
    it('is loaded', () => {
      throw error
    })
  }
}

export function describe(name: string, declare: () => void): void {
  const outer = { names, after }
  names = [...names, name]
  declare()
  names = outer.names
  after = outer.after
}

/** Between name and test there may be options, such as how long it may take: here nothing is timed. */
export function it(name: string, ...rest: [...options: unknown[], run: Run]): void {
  const run = rest.find((each): each is Run => typeof each === 'function') as Run
  cases.push({ file, name: [...names, name].join(' > '), run, after })
}

it.each =
  (rows: readonly unknown[]) =>
  (name: string, run: (...values: readonly unknown[]) => Promise<void> | void) => {
    for (const row of rows) {
      const values = Array.isArray(row) ? row : [row]
      it(
        values.reduce<string>((text, value) => text.replace(/%[sdj]/, String(value)), name),
        () => run(...values),
      )
    }
  }

export function afterEach(work: Run): void {
  after = [...after, work]
}

/**
 * Runs every test that was declared, but those whose names hold one of `leftOut`. Prints what fails, and last
 * `{"passed":…,"failed":…,"leftOut":[…]}` with what of `leftOut` there was.
 */
export async function runAll(leftOut: readonly string[]): Promise<void> {
  const passedByFile = new Map<string, { count: number; ms: number }>()
  let failed = 0
  const found = new Set<string>()
  for (const test of cases) {
    const out = leftOut.find((text) => test.name.includes(text))
    if (out !== undefined) {
      found.add(out)
      continue
    }
    const startedAt = Date.now()
    const passed = passedByFile.get(test.file) ?? { count: 0, ms: 0 }
    passedByFile.set(test.file, passed)
    try {
      try {
        await test.run()
      } finally {
        for (const work of test.after) await work()
      }
      passed.count++
    } catch (error) {
      failed++
      print(`FAILED ${test.file}: ${test.name}\n${failureText(error)}\n`)
    }
    passed.ms += Date.now() - startedAt
  }
  let sum = 0
  for (const [name, { count, ms }] of passedByFile) {
    print(`${name}: ${count} passed, ${(ms / 1000).toFixed(1)} s`)
    sum += count
  }
  print(JSON.stringify({ passed: sum, failed, leftOut: [...found] }))
}
