import type { Logger } from '@onyx-sync/shared'
import { createLineLogger } from '../adapters/line-logger.js'
import { type HelpLine, limitsHelp, optionsHelp } from '../config/help.js'
import { ConfigError, type ConfigRequest, type LoadedConfig, readConfigRequest } from '../config/load.js'
import type { ServerConfig } from '../config/schema.js'
import { createSyncServer, type SyncServer } from '../server.js'
import { VERSION } from '../version.js'
import { EXIT, UsageError } from './usage.js'

/** Signals closer together than this are one. Milliseconds. */
const REPEATED_SIGNAL_MS = 500

const BEFORE: readonly HelpLine[] = [
  {
    flag: '--config FILE',
    text: 'read options from a JSON file, as in {"port": 7447, "limits": {"maxFilters": 8}}',
  },
  {
    flag: '--print-config',
    text: 'print the configuration as it would be used, and where each value is from',
  },
]
const AFTER: readonly HelpLine[] = [
  { flag: '--help', text: 'show this' },
  { flag: '--version', text: 'show the version' },
]

const help =
  () => `onyx-sync-server ${VERSION}: keeps and merges Yjs documents that travel as signed Nostr events

Usage: onyx-sync-server [serve] [options]
       onyx-sync-server COMMAND [options]

Commands, each with help of its own, such as verify --help:
  verify     check a database
  backup     copy a database, also while a server runs on it
  restore    make a database out of a backup
  repair     save what can be read of damaged files
  inspect    show what is in a database
  export     write training data contributions
  compact    give back the room of what was deleted

Options. Each may also be set in a file (--config) or in the environment (--port as
ONYX_SYNC_PORT, and so on). A flag wins over the environment, that over the file.

${optionsHelp(BEFORE, AFTER)}

Limits. What each is for is in docs/SPEC.md.

${limitsHelp()}

Prints one line when it is ready, two with a web client; everything else goes to standard error.

Examples:
  onyx-sync-server
  onyx-sync-server --port 0 --data /tmp/try
  onyx-sync-server --host 0.0.0.0 --data /var/lib/onyx-sync --url wss://sync.example.com/sync
  onyx-sync-server --config /etc/onyx-sync.json --print-config
`

/** Runs the server until a signal ends it. Resolves when it listens, or when there was nothing to run. */
export async function runServe(args: readonly string[]): Promise<void> {
  const request = asUsage(() => readConfigRequest(args, process.env))
  if (request.help || request.version) {
    process.stdout.write(request.help ? help() : `${VERSION}\n`)
    return
  }
  const loaded = asUsage(() => request.load())
  if (request.printConfig) printConfig(loaded)
  else await serve(loaded.config)
}

function asUsage<T extends ConfigRequest | LoadedConfig>(read: () => T): T {
  try {
    return read()
  } catch (error) {
    if (error instanceof ConfigError) throw new UsageError(error.message)
    throw error
  }
}

/** `config` can be used as a file as it stands; `from` says where its values came from. */
function printConfig({ config, from }: LoadedConfig): void {
  process.stdout.write(`${JSON.stringify({ config, from }, undefined, 2)}\n`)
}

async function serve(config: ServerConfig): Promise<void> {
  const logger = createLineLogger({
    format: config.logFormat,
    level: config.logLevel,
    now: () => Date.now(),
    write: (line) => process.stderr.write(line),
  })
  if (config.url === undefined && (config.host === '0.0.0.0' || config.host === '::')) {
    logger.warn('clients on other machines need --url: they prove their key for the URL they dial')
  }
  const server = createSyncServer({ ...config, logger })
  let stoppedAtMs: number | undefined
  const stop = (signal: NodeJS.Signals): void => {
    if (stoppedAtMs !== undefined) {
      // One Ctrl-C reaches the process twice when npm, which runs it, passes its own on.
      if (Date.now() - stoppedAtMs < REPEATED_SIGNAL_MS) return
      logger.warn(`${signal} again: stopping at once`)
      process.exit(EXIT.failed)
    }
    stoppedAtMs = Date.now()
    server.close().then(
      () => process.exit(0),
      (error: unknown) => {
        logger.error('closing failed', { error: String(error) })
        process.exit(EXIT.failed)
      },
    )
  }
  process.on('SIGTERM', stop)
  process.on('SIGINT', stop)
  if (config.tls !== undefined) process.on('SIGHUP', () => rereadTls(server, logger))
  await server.listen()
  const address = server.address
  if (stoppedAtMs !== undefined || address === undefined) return
  const shown = address.host.includes(':') ? `[${address.host}]` : address.host
  const isPlain = config.tls === undefined
  process.stdout.write(`onyx-sync listening on ${isPlain ? 'ws' : 'wss'}://${shown}:${address.port}/sync\n`)
  if (config.web.directory !== undefined) {
    const host = ['0.0.0.0', '[::]'].includes(shown) ? 'localhost' : shown
    process.stdout.write(`open ${isPlain ? 'http' : 'https'}://${host}:${address.port}/ in a browser\n`)
  }
}

/** What a tool that renews certificates sends its signal for. */
function rereadTls(server: SyncServer, logger: Logger): void {
  try {
    server.reloadTls()
    logger.info('certificate and key were read again')
  } catch (error) {
    logger.error('certificate and key stay as they were', { error: String(error) })
  }
}
