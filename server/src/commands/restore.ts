import { silentLogger } from '@onyx-sync/shared'
import { chooseVerifier } from '@onyx-sync/shared/node'
import type { Manifest } from '../core/backup-manifest.js'
import type { RestoreProgress } from '../ports/operable-log.js'
import { required, runCommand } from './command.js'
import { createProgress } from './progress.js'
import { type RestoreReport, runRestore } from './restore-run.js'
import { EXIT } from './usage.js'
import { count, printable } from './verify-output.js'
import { createProgressLine } from './verify-progress.js'

const NAME = 'restore'

const HELP = `onyx-sync-server restore: makes a database out of a backup

Usage: onyx-sync-server restore --from DIR --data DIR [options]

Checks the id and the signature of every event and writes it into a new database, then
checks that everything in it fits together. An event that is not what its author signed
is left out and named. A restore that was killed goes on where it was, when it is run
again; until it is finished, no server opens the new database.

Devices notice by themselves that the server was set back, and bring what it lacks.

  --from DIR    directory of the backup
  --data DIR    directory of the new database, made if missing; must be empty
  --json        print one JSON object for scripts
  --help        show this

Exit codes: 0 done; 1 it could not be done; 2 an option can't be read; 3 done, but events
were left out, or something does not fit: see verify.

Examples:
  onyx-sync-server restore --from /backups/onyx-sync --data /var/lib/onyx-sync
  onyx-sync-server restore --from /backups/onyx-sync --data /tmp/try --json | jq .events
`

/** Runs the subcommand. @returns the exit code */
export function runRestoreCommand(args: readonly string[]): Promise<number> {
  return runCommand(
    {
      name: NAME,
      help: HELP,
      options: { from: { type: 'string' }, data: { type: 'string' } } as const,
      async run(values, isJson) {
        const from = required(NAME, 'from', values.from)
        const data = required(NAME, 'data', values.data)
        const startedAt = performance.now()
        const now = (): number => performance.now()
        let manifest: Manifest | undefined
        const progress = createProgress<RestoreProgress>(process.stderr, now, (value, elapsedMs) =>
          describe(value, manifest, elapsedMs),
        )
        const check = createProgressLine(process.stderr, now)
        try {
          const report = await runRestore({
            from,
            data,
            verifier: await chooseVerifier('auto', silentLogger),
            onProgress(value, of) {
              manifest = of
              progress.tell(value)
            },
            onCheck(value) {
              progress.end()
              check.tell(value)
            },
          })
          check.end()
          const json = toJson(report, data, (performance.now() - startedAt) / 1000)
          process.stdout.write(`${isJson ? JSON.stringify(json) : toText(json)}\n`)
          return json.sound && json.refusedEvents === 0 ? 0 : EXIT.unsound
        } finally {
          progress.end()
          check.end()
        }
      },
    },
    args,
  )
}

function describe(
  { events, refused }: RestoreProgress,
  manifest: Manifest | undefined,
  elapsedMs: number,
): string {
  const total = manifest?.events.reduce((sum, file) => sum + file.events, 0) ?? 0
  const rate = count(Math.round((events * 1000) / elapsedMs))
  const left = refused === 0 ? '' : `, ${count(refused)} left out`
  return `restore    ${count(events)} of ${count(total)} events${left}, ${rate} a second`
}

function toJson(report: RestoreReport, data: string, seconds: number) {
  const { manifest, events, resumedEvents, refusedEvents, refused, check } = report
  return {
    data,
    database: manifest.database,
    head: manifest.head,
    backupCreated: manifest.created,
    events,
    resumedEvents,
    refusedEvents,
    refused,
    documents: check.documents,
    sound: check.isSound,
    faultCount: check.faultCount,
    mendedCount: check.mendedCount,
    seconds: Math.round(seconds * 1000) / 1000,
  }
}

function toText(json: ReturnType<typeof toJson>): string {
  const { data, database, head, backupCreated, events, refusedEvents, refused, documents, seconds } = json
  const lines = [
    `data       ${printable(data)}  (database ${database}, position ${count(head)})`,
    `backup     of ${backupCreated}`,
    `events     ${count(events)}, every id and signature checked`,
    `documents  ${count(documents)}`,
    `took       ${seconds.toFixed(1)} s`,
  ]
  if (refusedEvents > 0) {
    lines.push('', `left out: ${count(refusedEvents)} events that are not what their author signed`)
    for (const { seq, message } of refused.slice(0, 20))
      lines.push(`  position ${seq}: ${printable(message)}`)
  }
  if (!json.sound) {
    const left = json.faultCount - json.mendedCount
    lines.push(
      '',
      `${count(left)} things do not fit together; run onyx-sync-server verify on the new database`,
    )
  }
  return lines.join('\n')
}
