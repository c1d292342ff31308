import { parseArgs } from 'node:util'
import { formatAction, SCENARIOS, type Scenario } from './history.js'
import { runKept, STANDARD_LENGTH, scenarioHistory, shrink, simulate } from './simulate.js'

const HELP = `onyx-sync simulate: a server and devices in one process, on virtual time. Each seed is one history of
edits, cuts, crashes, full disks, wrong clocks and restored backups; at its end every promise is checked.

Usage: npm run simulate -- [options]

  --seeds N     how many seeds to run (default: 500)
  --from N      the first seed (default: 1)
  --length N    actions per history (default: ${STANDARD_LENGTH})
  --scenario S  what they are about: ${SCENARIOS.join(', ')} (default: standard)
  --trace       print what happens, for one seed
  --keep LIST   with one seed: only these actions of its history, such as 0,3,17-20
  --json        print one JSON object at the end
  --help        show this

Examples:
  npm run simulate -- --seeds 2000
  npm run simulate -- --scenario deleting --seeds 500
  npm run simulate -- --from 1368 --seeds 1 --trace

Exit codes: 0 every promise held; 1 one was broken (its seed, the shortest history found and the command that
replays it are printed); 2 the options make no sense.`

interface Options {
  readonly from: number
  readonly seeds: number
  readonly length: number
  readonly scenario: Scenario
  readonly isTrace: boolean
  readonly keep: readonly number[] | undefined
  readonly isJson: boolean
}

class UsageError extends Error {}

function parse(argv: readonly string[]): Options | undefined {
  let values: Record<string, string | boolean | undefined>
  try {
    const text = { type: 'string' } as const
    const flag = { type: 'boolean' } as const
    const options = {
      seeds: text,
      from: text,
      length: text,
      keep: text,
      scenario: text,
      trace: flag,
      json: flag,
      help: flag,
    }
    values = parseArgs({ args: [...argv], options }).values
  } catch (error) {
    throw new UsageError((error as Error).message)
  }
  if (values.help === true) return undefined
  const keep = typeof values.keep === 'string' ? parseList(values.keep) : undefined
  return {
    from: parseCount('from', values.from ?? '1'),
    seeds: parseCount('seeds', values.seeds ?? (keep === undefined && values.trace !== true ? '500' : '1')),
    length: parseCount('length', values.length ?? String(STANDARD_LENGTH)),
    scenario: parseScenario(String(values.scenario ?? 'standard')),
    isTrace: values.trace === true,
    keep,
    isJson: values.json === true,
  }
}

function parseCount(name: string, value: string | boolean): number {
  const count = Number(value)
  if (!Number.isSafeInteger(count) || count < 1)
    throw new UsageError(`--${name} is a whole number, 1 or more`)
  return count
}

function parseScenario(value: string): Scenario {
  const found = SCENARIOS.find((scenario) => scenario === value)
  if (found === undefined) throw new UsageError(`--scenario is one of ${SCENARIOS.join(', ')}`)
  return found
}

function parseList(text: string): number[] {
  return text.split(',').flatMap((part) => {
    const match = /^(\d+)(?:-(\d+))?$/.exec(part.trim())
    if (match === null) throw new UsageError('--keep is a list such as 0,3,17-20')
    const first = Number(match[1])
    const last = Number(match[2] ?? match[1])
    return Array.from({ length: Math.max(0, last - first + 1) }, (_, index) => first + index)
  })
}

/** `3,17-20` for 3, 17, 18, 19, 20. */
function formatList(indices: readonly number[]): string {
  const parts: string[] = []
  for (let start = 0; start < indices.length; ) {
    let end = start
    while (indices[end + 1] === (indices[end] as number) + 1) end++
    parts.push(start === end ? `${indices[start]}` : `${indices[start]}-${indices[end]}`)
    start = end + 1
  }
  return parts.join(',')
}

const print = (line: string) => process.stdout.write(`${line}\n`)
const BAR_WIDTH = 30

/** A bar that is drawn over itself on a terminal; elsewhere a line now and then. */
function createProgress(total: number): (progress: { done: number; failed: number; events: number }) => void {
  const startedAt = performance.now()
  let shownAt = startedAt
  return ({ done, failed, events }) => {
    const now = performance.now()
    const isLast = done === total
    if (!isLast && now - shownAt < (process.stderr.isTTY ? 100 : 10_000)) return
    shownAt = now
    const seconds = (now - startedAt) / 1000
    const filled = Math.round((BAR_WIDTH * done) / total)
    const bar = '#'.repeat(filled).padEnd(BAR_WIDTH, '.')
    const rates = `${(done / seconds).toFixed(0)} seeds/s  ${Math.round(events / seconds / 1000)}k events/s`
    const line = `[${bar}] ${done}/${total}  ${failed} failed  ${rates}`
    process.stderr.write(process.stderr.isTTY ? `\r${line}${isLast ? '\n' : ''}` : `${line}\n`)
  }
}

async function runOne(options: Options): Promise<number> {
  const { from, length, scenario } = options
  const keep = options.keep ?? scenarioHistory(scenario, from, length).map((_, index) => index)
  const result = await runKept(from, length, keep, options.isTrace ? print : undefined, scenario)
  if (options.isJson) print(JSON.stringify({ seed: options.from, ...result }))
  else if (result.problems.length === 0) print(`seed ${options.from}: every promise held`)
  else for (const problem of result.problems) print(`  ${problem}`)
  return result.problems.length === 0 ? 0 : 1
}

async function runMany(options: Options): Promise<number> {
  const { from, seeds, length, scenario } = options
  const startedAt = performance.now()
  const result = await simulate({ from, seeds, length, scenario, onProgress: createProgress(seeds) })
  const seconds = (performance.now() - startedAt) / 1000
  const [first] = result.failures
  const shrunk = first === undefined ? undefined : await shrink(first.seed, length, undefined, scenario)
  if (options.isJson) {
    print(
      JSON.stringify({
        ...result,
        seconds,
        shrunk: shrunk === undefined ? null : { seed: first?.seed, ...shrunk },
      }),
    )
    return first === undefined ? 0 : 1
  }
  if (first === undefined || shrunk === undefined) {
    print(`every promise held in ${result.done} histories (${result.events} events, ${seconds.toFixed(1)} s)`)
    return 0
  }
  print(
    `${result.failures.length} of ${result.done} histories broke a promise: seeds ${result.failures.map(({ seed }) => seed).join(', ')}`,
  )
  print(`\nseed ${first.seed}, the shortest history found in ${shrunk.runs} runs:`)
  const history = scenarioHistory(scenario, first.seed, length)
  for (const index of shrunk.keep)
    print(`  ${String(index).padStart(3)}  ${formatAction(history[index] ?? { type: 'wait', ms: 0 })}`)
  print('breaks:')
  for (const problem of shrunk.problems) print(`  ${problem}`)
  print(
    `\nreplay it: npm run simulate -- --from ${first.seed} --length ${length}${scenario === 'standard' ? '' : ` --scenario ${scenario}`} --keep ${formatList(shrunk.keep)} --trace`,
  )
  return 1
}

async function main(): Promise<number> {
  try {
    const options = parse(process.argv.slice(2))
    if (options === undefined) {
      print(HELP)
      return 0
    }
    return options.keep !== undefined || options.isTrace ? await runOne(options) : await runMany(options)
  } catch (error) {
    if (!(error instanceof UsageError)) throw error
    process.stderr.write(`${error.message}\nTry "npm run simulate -- --help".\n`)
    return 2
  }
}

// Whoever reads the output may stop reading: "… | head" is no error.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0)
  throw error
})

process.exitCode = await main()
