import { once } from 'node:events'
import { createWriteStream } from 'node:fs'
import { open, rename, rm } from 'node:fs/promises'
import type { Writable } from 'node:stream'
import { finished } from 'node:stream/promises'
import { type EventVerifier, silentLogger, toSyncError } from '@onyx-sync/shared'
import { chooseVerifier } from '@onyx-sync/shared/node'
import { checkStored } from '../core/verify-events.js'
import { runCommand } from './command.js'
import { type DataAccess, openData } from './data-access.js'
import { createProgress } from './progress.js'
import { EXIT, UsageError } from './usage.js'
import { count } from './verify-output.js'

const NAME = 'export'

const HELP = `onyx-sync-server export: writes training data contributions

Usage: onyx-sync-server export --training [options]

Writes the events of kind 1, as their authors signed them, one a line of JSON, by author and
newest first. What users have taken back isn't in the database any more. Each id and
signature is checked; an event that is not what its author signed is left out. If a server
runs on the data, that server is asked.

  --training    what is written; must be given
  --out FILE    write to a file, readable by its owner only (default: standard output)
  --data DIR    directory of the database (default ./data)
  --json        print one JSON object on what was done; needs --out
  --help        show this

Exit codes: 0 done; 1 it could not be done; 2 an option can't be read; 3 done, but events
were left out.

Examples:
  onyx-sync-server export --training > training.jsonl
  onyx-sync-server export --training | jq -r 'select(.tags[] == ["quality","5"]) | .content'
  onyx-sync-server export --training --data /var/lib/onyx-sync --out training.jsonl --json
`

/** Runs the subcommand. @returns the exit code */
export function runExport(args: readonly string[]): Promise<number> {
  const options = {
    training: { type: 'boolean' },
    out: { type: 'string' },
    data: { type: 'string' },
  } as const
  return runCommand(
    {
      name: NAME,
      help: HELP,
      options,
      async run({ training, out, data = './data' }, isJson) {
        if (training !== true) throw new UsageError('say what to export: --training', NAME)
        if (isJson && out === undefined) throw new UsageError('--json needs --out', NAME)
        const access = await openData(data)
        try {
          const report =
            out === undefined ? await write(access, process.stdout) : await writeFile(access, out)
          if (isJson) process.stdout.write(`${JSON.stringify({ out, ...report })}\n`)
          else process.stderr.write(`${count(report.events)} events${refusedText(report.refused)}\n`)
          return report.refused === 0 ? 0 : EXIT.unsound
        } finally {
          await access.close()
        }
      },
    },
    args,
  )
}

function refusedText(refused: number): string {
  return refused === 0 ? '' : `; ${count(refused)} left out, because they are not what their author signed`
}

/** What an export came to. */
interface ExportReport {
  readonly events: number
  readonly refused: number
}

/** Nothing is there under the name before all of it is on disk. */
async function writeFile(access: DataAccess, path: string): Promise<ExportReport> {
  const temporary = `${path}.partial`
  try {
    const stream = createWriteStream(temporary, { mode: 0o600 })
    await once(stream, 'open')
    const report = await write(access, stream)
    stream.end()
    await finished(stream)
    const file = await open(temporary, 'r')
    await file.sync()
    await file.close()
    await rename(temporary, path)
    return report
  } catch (error) {
    await rm(temporary, { force: true })
    throw toSyncError(error, 'CONFIG_INVALID', `cannot write ${path}`)
  }
}

async function write(access: DataAccess, stream: Writable): Promise<ExportReport> {
  const progress = createProgress<number>(
    process.stderr,
    () => performance.now(),
    (events, elapsedMs) =>
      `export     ${count(events)} events, ${count(Math.round((events * 1000) / elapsedMs))} a second`,
  )
  const verifier = await chooseVerifier('auto', silentLogger)
  let [events, refused] = [0, 0]
  try {
    for await (const json of access.ask({ op: 'training' })) {
      if (!isSigned(json, verifier)) refused++
      else {
        events++
        if (!stream.write(`${json}\n`)) await drained(stream)
        // Whoever reads it has read enough: "… | head".
        if (stream.destroyed || stream.errored !== null) break
      }
      progress.tell(events)
    }
  } finally {
    progress.end()
  }
  return { events, refused }
}

function isSigned(json: string, verifier: EventVerifier): boolean {
  try {
    checkStored(json, verifier)
    return true
  } catch {
    return false
  }
}

function drained(stream: Writable): Promise<void> {
  return new Promise((resolve) => {
    const events = ['drain', 'close', 'error'] as const
    const done = (): void => {
      for (const event of events) stream.off(event, done)
      resolve()
    }
    for (const event of events) stream.on(event, done)
  })
}
