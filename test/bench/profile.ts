import { spawnSync } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { type CpuProfile, callTreeOf, flameGraph, hottest } from './flame-graph.js'

const HELP = `Shows where the time of the server goes while a bench runs.

Usage: npm run profile -- <bench> [--quick] [--out DIR]

Runs the bench with a profile of each server that is a process of its own, writes a flame
graph of each (SVG, for a browser) and prints the functions that took the most time.

  --out DIR   where the profiles and graphs go (default ./profiles)
  --quick     a small part of the size
  --help      show this

Examples:
  npm run profile -- ingest
  npm run profile -- fan-out --out /tmp/profiles
`

const BENCH_CLI = fileURLToPath(new URL('cli.js', import.meta.url))
const SHOWN = 25

function main(): number {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      out: { type: 'string', default: 'profiles' },
      quick: { type: 'boolean' },
      help: { type: 'boolean', short: 'h' },
    },
  })
  const [bench] = positionals
  if (values.help === true || bench === undefined) {
    process.stdout.write(HELP)
    return values.help === true ? 0 : 2
  }
  const directory = join(values.out, bench)
  rmSync(directory, { recursive: true, force: true })
  mkdirSync(directory, { recursive: true })
  const nodeArgs = ['--cpu-prof', '--cpu-prof-interval=500', `--cpu-prof-dir=${directory}`]
  const args = [
    bench,
    ...nodeArgs.map((arg) => `--node=${arg}`),
    ...(values.quick === true ? ['--quick'] : []),
  ]
  const { status } = spawnSync(process.execPath, [BENCH_CLI, ...args], { stdio: 'inherit' })
  if (status !== 0) return status ?? 1
  const files = readdirSync(directory).filter((name) => name.endsWith('.cpuprofile'))
  if (files.length === 0) {
    process.stderr.write(`${bench} runs no server that is a process of its own; nothing was profiled\n`)
    return 1
  }
  for (const [index, file] of files.sort().entries()) {
    const tree = callTreeOf(JSON.parse(readFileSync(join(directory, file), 'utf8')) as CpuProfile)
    const title = `${bench}, server ${index + 1} of ${files.length}: ${(tree.totalUs / 1e6).toFixed(1)} s of processor time`
    const svg = join(directory, `${index + 1}.svg`)
    writeFileSync(svg, flameGraph(tree, title))
    process.stdout.write(`\n${title}\n${svg}\n`)
    for (const { what, share } of hottest(tree, SHOWN)) {
      process.stdout.write(`  ${(share * 100).toFixed(1).padStart(5)} %  ${what}\n`)
    }
  }
  return 0
}

process.exitCode = main()
