import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { Figure } from './bench.js'

/** From `test/bench/dist`. */
const EXPECTED = fileURLToPath(new URL('../expected.json', import.meta.url))

/** What a ratio was when somebody last looked. Less is better. */
interface Expectation {
  readonly measured: number
  /** So many times as much is still taken for noise. */
  readonly margin: number
}

/** By bench and by the name of the figure. */
type Expectations = Readonly<Record<string, Readonly<Record<string, Expectation>>>>

/** What comparing came to. */
export interface CheckReport {
  readonly isOk: boolean
  readonly lines: readonly string[]
}

/**
 * Compares figures with committed ones, of the benches that ran. Only ratios are committed: times are another machine's.
 * One that is missing is not a failure, because a peer may not be installed; it is told.
 */
export function check(results: Readonly<Record<string, readonly Figure[]>>): CheckReport {
  const expected = JSON.parse(readFileSync(EXPECTED, 'utf8')) as Expectations
  const lines: string[] = []
  let isOk = true
  for (const [bench, figures] of Object.entries(results)) {
    for (const [name, { measured, margin }] of Object.entries(expected[bench] ?? {})) {
      const value = figures.find((figure) => figure.name === name)?.value
      const limit = measured * margin
      const was = `${measured} when it was committed, at most ${limit.toFixed(2)}`
      if (value === undefined) lines.push(`not measured: ${bench}, ${name} (${was})`)
      else if (value <= limit) lines.push(`ok: ${bench}, ${name}: ${value.toFixed(2)} (${was})`)
      else {
        isOk = false
        lines.push(`WORSE: ${bench}, ${name}: ${value.toFixed(2)} (${was})`)
      }
    }
  }
  if (lines.length === 0)
    lines.push('none of these benches has a committed ratio: see test/bench/expected.json')
  return { isOk, lines }
}
