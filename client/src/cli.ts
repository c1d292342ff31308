import { parseArgs } from 'node:util'
import { SyncError } from '@onyx-sync/shared'
import { UsageError } from './cli/command.js'
import { runCommand } from './cli/commands.js'
import { HELP, helpText } from './cli/help.js'

const OPTIONS = {
  db: { type: 'string' },
  'key-file': { type: 'string' },
  nsec: { type: 'string' },
  'mnemonic-file': { type: 'string' },
  derivation: { type: 'string' },
  id: { type: 'string' },
  title: { type: 'string' },
  role: { type: 'string' },
  quality: { type: 'string' },
  url: { type: 'string' },
  timeout: { type: 'string' },
  hold: { type: 'string' },
  format: { type: 'string' },
  chat: { type: 'string' },
  out: { type: 'string' },
  insecure: { type: 'boolean' },
  watch: { type: 'boolean' },
  all: { type: 'boolean' },
  yes: { type: 'boolean' },
  json: { type: 'boolean' },
  help: { type: 'boolean', short: 'h' },
} as const

/** Splits the words of the command from its arguments: `chat send oslo hi` → `chat send`, `oslo`, `hi`. */
function splitCommand(positionals: readonly string[]): {
  command: string | undefined
  args: readonly string[]
} {
  const [first, second, ...rest] = positionals
  if (first === undefined) return { command: undefined, args: [] }
  const both = `${first} ${second}`
  if (second !== undefined && (HELP[both] !== undefined || HELP[first] === undefined)) {
    return { command: both, args: rest }
  }
  return { command: first, args: positionals.slice(1) }
}

function parse(argv: readonly string[]) {
  try {
    return parseArgs({ args: [...argv], options: OPTIONS, allowPositionals: true })
  } catch (error) {
    throw new UsageError((error as Error).message)
  }
}

/** Writes and waits, so that what goes into a pipe isn't cut when the process exits. */
function write(stream: NodeJS.WriteStream, line: string): Promise<void> {
  return new Promise((resolve) => stream.write(`${line}\n`, () => resolve()))
}

async function main(argv: readonly string[]): Promise<number> {
  let isJson = argv.includes('--json')
  try {
    const { values, positionals } = parse(argv)
    const { command, args } = splitCommand(positionals)
    isJson = values.json === true
    if (values.help === true || command === undefined) {
      await write(values.help === true ? process.stdout : process.stderr, helpText(command))
      return values.help === true ? 0 : 1
    }
    const progress = (line: string) => {
      if (!isJson) process.stderr.write(`${line}\n`)
    }
    const outcome = await runCommand({ command, args, options: values }, progress)
    if (isJson) await write(process.stdout, JSON.stringify(outcome.json))
    else if (outcome.text !== '') await write(process.stdout, outcome.text)
    if (outcome.complaint !== undefined) await write(process.stderr, `onyx-sync: ${outcome.complaint}`)
    return outcome.exitCode
  } catch (error) {
    await complain(error, isJson)
    return 1
  }
}

async function complain(error: unknown, isJson: boolean): Promise<void> {
  const code = error instanceof SyncError ? error.code : error instanceof UsageError ? 'USAGE' : 'INTERNAL'
  const message = error instanceof Error ? error.message : String(error)
  if (isJson) await write(process.stdout, JSON.stringify({ error: { code, message } }))
  await write(process.stderr, `onyx-sync: ${message}`)
  if (error instanceof UsageError) {
    await write(
      process.stderr,
      `Try "onyx-sync ${error.command === undefined ? '' : `${error.command} `}--help".`,
    )
  }
  if (code === 'INTERNAL' && error instanceof Error && process.env.ONYX_SYNC_DEBUG !== undefined) {
    await write(process.stderr, String(error.stack))
  }
}

// Whoever reads the output may stop reading: "… | head" is no error.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0)
  throw error
})

const exitCode = await main(process.argv.slice(2))
// All is written and closed. A socket to a server that hangs would keep the process for half a minute more.
process.exit(exitCode)
