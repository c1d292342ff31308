import { SyncError } from '@onyx-sync/shared'
import { runBackupCommand } from './commands/backup.js'
import { runCompact } from './commands/compact.js'
import { runExport } from './commands/export.js'
import { runInspect } from './commands/inspect.js'
import { runRepair } from './commands/repair.js'
import { runRestoreCommand } from './commands/restore.js'
import { runServe } from './commands/serve.js'
import { EXIT, UsageError } from './commands/usage.js'
import { runVerify } from './commands/verify.js'

/** The commands, by name. Each gets the arguments behind its name, and gives its exit code, 0 if it gives none. */
const COMMANDS = new Map<string, (args: readonly string[]) => Promise<number | undefined>>([
  ['serve', (args) => runServe(args).then(() => undefined)],
  ['verify', runVerify],
  ['backup', runBackupCommand],
  ['restore', runRestoreCommand],
  ['repair', runRepair],
  ['inspect', runInspect],
  ['export', runExport],
  ['compact', runCompact],
])

async function run(args: readonly string[]): Promise<void> {
  const [name, ...rest] = args
  // Without a command, options are those of serving.
  const isNamed = name !== undefined && !name.startsWith('-')
  const command = COMMANDS.get(isNamed ? name : 'serve')
  if (command === undefined) {
    throw new UsageError(`${name} is no command; there are ${[...COMMANDS.keys()].join(', ')}`)
  }
  const exitCode = await command(isNamed ? rest : args)
  if (exitCode !== undefined) process.exitCode = exitCode
}

// Whoever reads the output may stop reading: "… | head" is no error.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error
})

run(process.argv.slice(2)).catch((error: unknown) => {
  if (error instanceof UsageError) {
    const { command, message } = error
    const lines = message.split('\n').map((line) => `onyx-sync-server: ${line}\n`)
    process.stderr.write(`${lines.join('')}Try ${command === undefined ? '' : `${command} `}--help.\n`)
    process.exitCode = EXIT.usage
  } else {
    const detail = error instanceof SyncError ? error.message : error instanceof Error ? error.stack : error
    process.stderr.write(`onyx-sync-server: ${detail}\n`)
    process.exitCode = EXIT.failed
  }
})
