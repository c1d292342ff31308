import { silentLogger } from '@onyx-sync/shared'
import { chooseVerifier } from '@onyx-sync/shared/node'
import { openLevelLog } from '../adapters/level/level-log.js'
import { copyLevelModeration } from '../adapters/level/level-moderation.js'
import { repairInto } from '../adapters/level/level-repair.js'
import { verifyLog } from '../core/verify.js'
import { required, runCommand } from './command.js'
import { EXIT } from './usage.js'
import { count, printable } from './verify-output.js'
import { createProgressLine } from './verify-progress.js'

const NAME = 'repair'

const HELP = `onyx-sync-server repair: saves what can be read of damaged files

Usage: onyx-sync-server repair --data DIR --out DIR [options]

For a database that can't be opened any more. Where there is a backup, restore it instead:
what a repair can't read is lost, and devices bring only what they still have. Copies the
files, makes a database of what can be read, checks every signature, and mends indexes.
It gets a new id, so that devices compare all that they have with it.
The damaged directory is left as it is. The server must not be running on it.

  --data DIR    directory of the damaged database
  --out DIR     directory of the new one, made if missing; must be empty
  --json        print one JSON object for scripts
  --help        show this

Exit codes: 0 done, and everything that is left fits together; 1 it could not be done; 2 an
option can't be read; 3 done, but something is wrong with what is left: see verify.

Examples:
  onyx-sync-server repair --data /var/lib/onyx-sync --out /var/lib/onyx-sync-2
`

/** Runs the subcommand. @returns the exit code */
export function runRepair(args: readonly string[]): Promise<number> {
  return runCommand(
    {
      name: NAME,
      help: HELP,
      options: { data: { type: 'string' }, out: { type: 'string' } } as const,
      async run(values, isJson) {
        const data = required(NAME, 'data', values.data)
        const out = required(NAME, 'out', values.out)
        await repairInto(data, out)
        copyLevelModeration(data, out)
        const progress = createProgressLine(process.stderr, () => performance.now())
        const verifier = await chooseVerifier('auto', silentLogger)
        const log = await openLevelLog(out, undefined, { mustExist: true, newIdentity: true })
        try {
          const report = await verifyLog(log, { verifier, repair: true, onProgress: progress.tell })
          progress.end()
          const { events, documents, isSound: sound, faultCount, mendedCount } = report
          const json = { data: out, events, documents, sound, faultCount, mendedCount }
          process.stdout.write(`${isJson ? JSON.stringify(json) : toText(json)}\n`)
          return sound ? 0 : EXIT.unsound
        } finally {
          progress.end()
          await log.close()
        }
      },
    },
    args,
  )
}

interface Repaired {
  readonly data: string
  readonly events: number
  readonly documents: number
  readonly sound: boolean
  readonly faultCount: number
  readonly mendedCount: number
}

function toText({ data, events, documents, sound, faultCount, mendedCount }: Repaired): string {
  const lines = [
    `data       ${printable(data)}`,
    `events     ${count(events)} could be read, every signature checked`,
    `documents  ${count(documents)}`,
    `indexes    ${count(mendedCount)} faults mended`,
  ]
  if (!sound)
    lines.push('', `${count(faultCount - mendedCount)} faults left; run onyx-sync-server verify on it`)
  return lines.join('\n')
}
