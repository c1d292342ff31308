import { SyncError, silentLogger } from '@onyx-sync/shared'
import { chooseVerifier } from '@onyx-sync/shared/node'
import { openLevelLog } from '../adapters/level/level-log.js'
import { verifyLog } from '../core/verify.js'
import type { Fault } from '../core/verify-findings.js'
import type { InspectableLog } from '../ports/inspectable-log.js'
import { runCommand } from './command.js'
import { EXIT } from './usage.js'
import { verifyToJson, verifyToText } from './verify-output.js'
import { createProgressLine } from './verify-progress.js'

/** Faults that are kept to be shown; all are counted. */
const KEPT_FAULTS = 1_000

const HELP = `onyx-sync-server verify: checks a database from end to end

Usage: onyx-sync-server verify [options]

Checks the signature of every event, that every index is what the events give, and that
the merged states kept beside the log are, to the byte, those that the events give.
The server must not be running on it. It takes up to two seconds for a thousand events where
the system has no libsecp256k1, and a fraction of that where it has.

  --data DIR    directory of the database (default ./data)
  --repair      mend what follows from the events: indexes, counts, merged states.
                Events are never changed
  --json        print one JSON object for scripts
  --help        show this

Exit codes: 0 sound, or sound after the repair; 1 it could not be checked; 2 an option
can't be read; 3 something is wrong.

Examples:
  onyx-sync-server verify
  onyx-sync-server verify --data /var/lib/onyx-sync
  onyx-sync-server verify --data /var/lib/onyx-sync --repair
  onyx-sync-server verify --data /backups/monday --json | jq .sound
`

/** Runs the subcommand. @returns the exit code */
export function runVerify(args: readonly string[]): Promise<number> {
  const options = { data: { type: 'string' }, repair: { type: 'boolean' } } as const
  return runCommand(
    {
      name: 'verify',
      help: HELP,
      options,
      run: ({ data = './data', repair = false }, isJson) => verifyDirectory(data, repair, isJson),
    },
    args,
  )
}

async function verifyDirectory(data: string, repair: boolean, isJson: boolean): Promise<number> {
  const log = await open(data)
  const progress = createProgressLine(process.stderr, () => performance.now())
  const startedAt = performance.now()
  const faults: Fault[] = []
  try {
    const verifier = await chooseVerifier('auto', silentLogger)
    const report = await verifyLog(log, {
      verifier,
      repair,
      onFault: (fault) => {
        if (faults.length < KEPT_FAULTS) faults.push(fault)
      },
      onProgress: progress.tell,
    })
    progress.end()
    const outcome = { data, report, faults, seconds: (performance.now() - startedAt) / 1000 }
    const text = isJson ? JSON.stringify(verifyToJson(outcome)) : verifyToText(outcome)
    process.stdout.write(`${text}\n`)
    return report.isSound ? 0 : EXIT.unsound
  } finally {
    progress.end()
    await log.close()
  }
}

async function open(data: string): Promise<InspectableLog> {
  try {
    return await openLevelLog(data, undefined, { mustExist: true, checkTables: true })
  } catch (error) {
    if (!(error instanceof SyncError) || error.code !== 'DATA_LOCKED') throw error
    throw new SyncError(
      'DATA_LOCKED',
      `a server is running on ${data}, or another check: stop it first, or check a copy that was made while none ran`,
      { cause: error },
    )
  }
}
