import { parseArgs } from 'node:util'
import { type Logger, SyncError } from '@onyx-sync/shared'
import { EXIT, UsageError } from './commands/usage.js'
import { runVerify } from './commands/verify.js'
import { createSyncServer } from './server.js'
import { VERSION } from './version.js'

/** Signals closer together than this are one. Milliseconds. */
const REPEATED_SIGNAL_MS = 500

const HELP = `onyx-sync-server ${VERSION}: keeps and merges Yjs documents that travel as signed Nostr events

Usage: onyx-sync-server [options]
       onyx-sync-server verify [options]   check a database; see verify --help

  --host HOST   interface to listen on (default 127.0.0.1)
  --port PORT   TCP port, 0 for a free one (default 7447)
  --data DIR    directory of the database, made if missing (default ./data)
  --url URL     public URL that clients use; may be given several times (default ws://HOST:PORT/sync)
  --help        show this
  --version     show the version

Prints one line when it is ready; everything else goes to standard error.

Examples:
  onyx-sync-server
  onyx-sync-server --port 0 --data /tmp/try
  onyx-sync-server --host 0.0.0.0 --data /var/lib/onyx-sync --url wss://sync.example.com/sync
`

interface Arguments {
  readonly host: string
  readonly port: number
  readonly data: string
  readonly url: readonly string[] | undefined
}

function readArguments(args: readonly string[]): Arguments | 'help' | 'version' {
  let values: ReturnType<typeof parse>
  try {
    values = parse(args)
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error))
  }
  if (values.help === true) return 'help'
  if (values.version === true) return 'version'
  const { host = '127.0.0.1', port = '7447', data = './data', url } = values
  if (!/^\d{1,5}$/.test(port) || Number(port) > 65_535) {
    throw new UsageError(`--port must be a whole number from 0 to 65535, not ${JSON.stringify(port)}`)
  }
  return { host, port: Number(port), data, url }
}

function parse(args: readonly string[]) {
  return parseArgs({
    args: [...args],
    allowPositionals: false,
    options: {
      host: { type: 'string' },
      port: { type: 'string' },
      data: { type: 'string' },
      url: { type: 'string', multiple: true },
      help: { type: 'boolean', short: 'h' },
      version: { type: 'boolean', short: 'v' },
    },
  }).values
}

const log = (level: string) => (message: string, fields?: Record<string, unknown>) => {
  const details = fields === undefined ? '' : ` ${JSON.stringify(fields)}`
  process.stderr.write(`${new Date().toISOString()} ${level} ${message}${details}\n`)
}

const stderrLogger: Logger = { debug: () => {}, info: log('info'), warn: log('warn'), error: log('error') }

async function serve(args: readonly string[]): Promise<void> {
  const parsed = readArguments(args)
  if (parsed === 'help' || parsed === 'version') {
    process.stdout.write(parsed === 'help' ? HELP : `${VERSION}\n`)
    return
  }
  const { host, port, data, url } = parsed
  if (url === undefined && (host === '0.0.0.0' || host === '::')) {
    stderrLogger.warn('clients on other machines need --url: they prove their key for the URL they dial')
  }
  const server = createSyncServer({
    host,
    port,
    data,
    logger: stderrLogger,
    ...(url === undefined ? {} : { url }),
  })
  let stoppedAtMs: number | undefined
  const stop = (signal: NodeJS.Signals): void => {
    if (stoppedAtMs !== undefined) {
      // One Ctrl-C reaches the process twice when npm, which runs it, passes its own on.
      if (Date.now() - stoppedAtMs < REPEATED_SIGNAL_MS) return
      stderrLogger.warn(`${signal} again: stopping at once`)
      process.exit(EXIT.failed)
    }
    stoppedAtMs = Date.now()
    server.close().then(
      () => process.exit(0),
      (error: unknown) => {
        stderrLogger.error('closing failed', { error: String(error) })
        process.exit(EXIT.failed)
      },
    )
  }
  process.on('SIGTERM', stop)
  process.on('SIGINT', stop)
  await server.listen()
  const address = server.address
  if (stoppedAtMs !== undefined || address === undefined) return
  const shown = address.host.includes(':') ? `[${address.host}]` : address.host
  process.stdout.write(`onyx-sync listening on ws://${shown}:${address.port}/sync\n`)
}

async function run([command, ...rest]: readonly string[]): Promise<void> {
  if (command === 'verify') process.exitCode = await runVerify(rest)
  else await serve(command === undefined ? [] : [command, ...rest])
}

// Whoever reads the output may stop reading: "… | head" is no error.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error
})

run(process.argv.slice(2)).catch((error: unknown) => {
  if (error instanceof UsageError) {
    const { command, message } = error
    process.stderr.write(
      `onyx-sync-server: ${message}\nTry ${command === undefined ? '' : `${command} `}--help.\n`,
    )
    process.exitCode = EXIT.usage
  } else {
    const detail = error instanceof SyncError ? error.message : error instanceof Error ? error.stack : error
    process.stderr.write(`onyx-sync-server: ${detail}\n`)
    process.exitCode = EXIT.failed
  }
})
