import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import type { Bench, BenchContext, Figure } from './bench.js'
import { browserChat } from './browser.js'
import { catchUp } from './catch-up.js'
import { chatSize } from './chat-size.js'
import { check } from './check.js'
import { closedLoop } from './closed-loop.js'
import { coldStart } from './cold-start.js'
import { connections } from './connections.js'
import { documentMemory } from './document-memory.js'
import { fairness } from './fairness.js'
import { fanOut } from './fan-out.js'
import { growth } from './growth.js'
import { ingest } from './ingest.js'
import { latency } from './latency.js'
import { longChat } from './long-chat.js'
import { loop } from './loop.js'
import { newDevice } from './new-device.js'
import { plot } from './plot.js'
import { reconnect } from './reconnect.js'
import { relays } from './relays.js'
import { stream } from './stream.js'

const BENCHES: readonly Bench[] = [
  reconnect,
  newDevice,
  longChat,
  chatSize,
  browserChat,
  stream,
  ingest,
  fanOut,
  relays,
  latency,
  catchUp,
  closedLoop,
  connections,
  documentMemory,
  coldStart,
  growth,
  fairness,
  loop,
]

const HELP = `Measures onyx-sync. Nothing here is a test: figures depend on the machine.

Usage: npm run bench -- [name]… [--quick] [--json] [--plot DIR] [--check] [--strfry FILE]

${BENCHES.map(({ name, summary }) => `  ${name.padEnd(12)} ${summary}`).join('\n')}

  --quick     a small part of the size, to see that it runs
  --json      one JSON object on standard output
  --plot DIR  draw what was measured side by side: an SVG for each bench
  --check     compare ratios with those of test/bench/expected.json; exit 1 when one is far worse
  --strfry FILE  compare with strfry too, a relay in C++: where its program is (bench relays)
  --help      show this

Examples:
  npm run bench
  npm run bench -- new-device --json
  npm run bench -- latency relays --plot docs/images
  npm ci --prefix test/bench/peers && npm run bench -- latency --check
  npm run bench -- relays --strfry ~/strfry/strfry
`

const isTerminal = process.stderr.isTTY === true

function progress(text: string): void {
  if (isTerminal) process.stderr.write(`\r\x1b[2K${text}`)
}

async function runBench(
  bench: Bench,
  options: Pick<BenchContext, 'isQuick' | 'serverOptions' | 'strfry'>,
): Promise<readonly Figure[]> {
  const directory = mkdtempSync(join(tmpdir(), 'onyx-sync-bench-'))
  try {
    return await bench.run({ ...options, directory, progress })
  } finally {
    progress('')
    rmSync(directory, { recursive: true, force: true })
  }
}

function print({ name, value, unit, bound, ok, spread }: Figure): void {
  const text = format(value)
  const range = spread === undefined ? '' : `   (${spread.map(format).join(' to ')})`
  const verdict =
    bound === undefined ? '' : `   ${ok === true ? 'ok' : 'ABOVE'} (at most ${bound.toLocaleString('en')})`
  process.stdout.write(`  ${name.padEnd(52)} ${`${text} ${unit}`.trim().padStart(12)}${range}${verdict}\n`)
}

function format(value: number): string {
  return Number.isInteger(value) ? value.toLocaleString('en') : value.toFixed(value < 10 ? 2 : 1)
}

function draw(directory: string, { name, summary }: Bench, figures: readonly Figure[]): void {
  const svg = plot(`${name}: ${summary}`, figures)
  if (svg === undefined) return
  mkdirSync(directory, { recursive: true })
  const file = join(directory, `bench-${name}.svg`)
  writeFileSync(file, svg)
  process.stderr.write(`${file}\n`)
}

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      quick: { type: 'boolean' },
      json: { type: 'boolean' },
      check: { type: 'boolean' },
      plot: { type: 'string' },
      node: { type: 'string', multiple: true },
      strfry: { type: 'string' },
      help: { type: 'boolean', short: 'h' },
    },
  })
  if (values.help === true) {
    process.stdout.write(HELP)
    return 0
  }
  const unknown = positionals.find((name) => !BENCHES.some((bench) => bench.name === name))
  if (unknown !== undefined) {
    process.stderr.write(`there is no bench ${unknown}\n\n${HELP}`)
    return 2
  }
  const chosen = positionals.length === 0 ? BENCHES : BENCHES.filter(({ name }) => positionals.includes(name))
  if (values.strfry !== undefined && !existsSync(values.strfry)) {
    process.stderr.write(`there is no program at ${values.strfry} (--strfry)\n`)
    return 2
  }
  const options = {
    isQuick: values.quick === true,
    serverOptions: { nodeArgs: values.node ?? [] },
    strfry: values.strfry,
  }
  const results: Record<string, readonly Figure[]> = {}
  for (const bench of chosen) {
    if (values.json !== true) process.stdout.write(`${bench.name}: ${bench.summary}\n`)
    const figures = await runBench(bench, options)
    results[bench.name] = figures
    if (values.json !== true) figures.forEach(print)
    if (values.plot !== undefined) draw(values.plot, bench, figures)
  }
  if (values.json === true) {
    const machine = { node: process.version, cpus: cpus().length, model: cpus()[0]?.model }
    process.stdout.write(`${JSON.stringify({ machine, results }, null, 2)}\n`)
  }
  if (values.check !== true) return 0
  const { isOk, lines } = check(results)
  process.stderr.write(lines.map((line) => `${line}\n`).join(''))
  return isOk ? 0 : 1
}

process.exitCode = await main()
