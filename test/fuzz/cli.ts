import { readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { keepInput, MAX_CORPUS_FILE_BYTES, readCorpus } from './corpus.js'
import { type Coverage, startCoverage } from './coverage.js'
import { describe, type FuzzResult, fuzz, MAX_INPUT_MS } from './engine.js'
import type { Target } from './target.js'

const HELP = `Tries to break what takes bytes from strangers, with inputs that chance and coverage choose.

Usage: npm run fuzz -- [target]… [options]

  --inputs N      fresh inputs for a target of middling cost; cheap ones get more, dear ones fewer (default 20000)
  --seed S        a whole number; the same seed tries the same (default 1)
  --seconds T     ends each target after so long, whatever is left
  --keep          writes inputs that reached new code into the corpus
  --replay FILE   runs the input in a file on the one target that is named
  --list          lists the targets
  --json          one JSON object on standard output
  --help          show this

Exit codes: 0 nothing found; 1 an input threw past its answer, took more than ${MAX_INPUT_MS} ms, or memory grew;
2 an option can't be read. An input that was found is written to test/fuzz/findings and named with the command
that repeats it.

Examples:
  npm run fuzz
  npm run fuzz -- updates sessions --inputs 1000000 --seed 7
  npm run fuzz -- updates --replay test/fuzz/findings/updates/0123456789abcdef
`

/** test/fuzz, seen from test/fuzz/dist/test/fuzz. */
const HOME = join(dirname(fileURLToPath(import.meta.url)), '../../..')
const CORPUS = join(HOME, 'corpus')
const FINDINGS = join(HOME, 'findings')
const isTerminal = process.stderr.isTTY === true
const BAR_WIDTH = 24
const PROGRESS_EVERY_MS = 200
const PROGRESS_LINE_EVERY_MS = 30_000

class UsageError extends Error {}

function wholeNumber(name: string, text: string): number {
  const number = Number(text)
  if (!Number.isSafeInteger(number) || number < 0)
    throw new UsageError(`--${name} takes a whole number, not ${text}`)
  return number
}

/** Says how far a target is: one line that changes on a terminal, elsewhere a line now and then. */
function createProgress(name: string, inputs: number): (done: number) => void {
  const startMs = Date.now()
  let lastMs = startMs
  return (done) => {
    const nowMs = Date.now()
    if (nowMs - lastMs < (isTerminal ? PROGRESS_EVERY_MS : PROGRESS_LINE_EVERY_MS)) return
    lastMs = nowMs
    const share = Math.min(1, done / Math.max(1, inputs))
    const perSecond = Math.round(done / ((nowMs - startMs) / 1000))
    const figures = `${done.toLocaleString('en')} of ${inputs.toLocaleString('en')}, ${perSecond.toLocaleString('en')} a second`
    const filled = Math.round(share * BAR_WIDTH)
    if (!isTerminal) process.stderr.write(`${name}: ${figures}\n`)
    else
      process.stderr.write(
        `\r\x1b[2K${name.padEnd(10)} [${'='.repeat(filled)}${' '.repeat(BAR_WIDTH - filled)}] ${figures}`,
      )
  }
}

function print(result: FuzzResult): void {
  const { target, inputs, seconds, coverage = 0, slowestMs, findings, interesting } = result
  process.stdout.write(
    `${target.padEnd(10)} ${inputs.toLocaleString('en').padStart(10)} inputs ${seconds.toFixed(1).padStart(7)} s` +
      `   ${(coverage * 100).toFixed(1).padStart(5)} % of its code   ${String(interesting.length).padStart(4)} that matter` +
      `   slowest ${slowestMs === 0 ? 'below 2' : slowestMs.toFixed(1)} ms   ${findings.length} found\n`,
  )
  for (const { kind, message, input } of findings) {
    process.stdout.write(`  ${kind}: ${message.replaceAll('\n', '\n    ')}\n`)
    if (input.byteLength === 0) continue
    const path = relative(process.cwd(), keepInput(FINDINGS, target, input))
    process.stdout.write(`    npm run fuzz -- ${target} --replay ${path}\n`)
  }
}

async function replay(target: Target, path: string): Promise<number> {
  const input = new Uint8Array(readFileSync(path))
  const begin = performance.now()
  try {
    await target.run(input)
  } catch (error) {
    process.stdout.write(`${target.name}: ${error instanceof Error ? error.stack : describe(error)}\n`)
    return 1
  }
  const tookMs = performance.now() - begin
  process.stdout.write(`${target.name}: ended in ${tookMs.toFixed(1)} ms\n`)
  return 0
}

interface Plan {
  readonly inputs: number
  readonly seed: number
  readonly seconds: number | undefined
  readonly isKept: boolean
}

async function runTarget(target: Target, plan: Plan, coverage: Coverage, collectGarbage: () => void) {
  const inputs = Math.ceil((plan.inputs * (target.percent ?? 100)) / 100)
  const result = await fuzz(target, {
    seed: plan.seed,
    inputs,
    corpus: readCorpus(CORPUS, target.name),
    meter: coverage.meter(target.modules),
    collectGarbage,
    untilMs: plan.seconds === undefined ? undefined : performance.now() + plan.seconds * 1000,
    progress: createProgress(target.name, inputs),
  })
  if (isTerminal) process.stderr.write('\r\x1b[2K')
  if (plan.isKept) {
    const small = result.interesting.filter(({ byteLength }) => byteLength <= MAX_CORPUS_FILE_BYTES)
    for (const input of small) keepInput(CORPUS, target.name, input)
  }
  return result
}

function summarize({ target, inputs, seconds, coverage, slowestMs, heapGrowthBytes, findings }: FuzzResult) {
  const found = findings.map(({ kind, message, input }) => ({
    kind,
    message,
    input: Buffer.from(input).toString('base64'),
  }))
  return { target, inputs, seconds, coverage, slowestMs, heapGrowthBytes, findings: found }
}

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      inputs: { type: 'string', default: '20000' },
      seed: { type: 'string', default: '1' },
      seconds: { type: 'string' },
      keep: { type: 'boolean', default: false },
      replay: { type: 'string' },
      list: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  })
  if (values.help) {
    process.stdout.write(HELP)
    return 0
  }
  // Before the targets are loaded, so that all their code is known.
  const coverage = startCoverage()
  const { TARGETS } = await import('./targets/index.js')
  if (values.list) {
    for (const { name, summary } of TARGETS) process.stdout.write(`${name.padEnd(10)} ${summary}\n`)
    return 0
  }
  const unknown = positionals.find((name) => !TARGETS.some((target) => target.name === name))
  if (unknown !== undefined) {
    throw new UsageError(
      `there is no target ${unknown}; there are ${TARGETS.map(({ name }) => name).join(', ')}`,
    )
  }
  const chosen = TARGETS.filter(({ name }) => positionals.length === 0 || positionals.includes(name))
  if (values.replay !== undefined) {
    const [target] = chosen
    if (target === undefined || chosen.length !== 1)
      throw new UsageError('--replay needs the name of one target')
    return await replay(target, values.replay)
  }
  const plan: Plan = {
    inputs: wholeNumber('inputs', values.inputs),
    seed: wholeNumber('seed', values.seed),
    seconds: values.seconds === undefined ? undefined : wholeNumber('seconds', values.seconds),
    isKept: values.keep,
  }
  setFlagsFromString('--expose-gc')
  const collectGarbage = runInNewContext('gc') as () => void
  const results: FuzzResult[] = []
  for (const target of chosen) {
    const result = await runTarget(target, plan, coverage, collectGarbage)
    results.push(result)
    if (!values.json) print(result)
  }
  coverage.stop()
  const inputs = results.reduce((sum, result) => sum + result.inputs, 0)
  const seconds = results.reduce((sum, result) => sum + result.seconds, 0)
  const findings = results.reduce((sum, result) => sum + result.findings.length, 0)
  const all = { node: process.version, seed: plan.seed, inputs, seconds, findings }
  if (values.json)
    process.stdout.write(`${JSON.stringify({ ...all, targets: results.map(summarize) }, null, 2)}\n`)
  else {
    process.stdout.write(
      `${inputs.toLocaleString('en')} inputs in ${seconds.toFixed(0)} s, seed ${plan.seed}, ${findings} found\n`,
    )
  }
  return findings === 0 ? 0 : 1
}

try {
  process.exitCode = await main()
} catch (error) {
  const { code } = error as { code?: string }
  if (!(error instanceof UsageError) && code?.startsWith('ERR_PARSE_ARGS') !== true) throw error
  process.stderr.write(`${(error as Error).message}\n\n${HELP}`)
  process.exitCode = 2
}
