import { lockDirectory } from './backup-directory.js'
import { type BackupProgress, type BackupReport, runBackup } from './backup-run.js'
import { megabytes, required, runCommand } from './command.js'
import { openData } from './data-access.js'
import { createProgress } from './progress.js'
import { EXIT } from './usage.js'
import { count, printable } from './verify-output.js'

const NAME = 'backup'

const HELP = `onyx-sync-server backup: copies a database, also while a server runs on it

Usage: onyx-sync-server backup --out DIR [options]

Writes every signed event, in order, and what else the database needs, as lines of JSON.
It is as of one moment: everything that had got its OK when it began is in it. If a server
runs on the data, that server is asked, over a socket in its data directory.

Into a directory that has a backup of this database only what is new is brought, and what
was deleted since is removed. A backup that was killed goes on where it was; the one before
holds until the new one is complete.

The backup has everything: people's chats, and the server's own secret key. Keep it as safe
as the data itself. Files are readable by their owner only.

  --out DIR     directory of the backup, made if missing
  --data DIR    directory of the database (default ./data)
  --full        bring every event anew
  --json        print one JSON object for scripts
  --help        show this

Exit codes: 0 done; 1 it could not be made; 2 an option can't be read; 3 done, but something
in the database is damaged: see verify.

Examples:
  onyx-sync-server backup --data /var/lib/onyx-sync --out /backups/onyx-sync
  onyx-sync-server backup --out /backups/today --json | jq .events
  onyx-sync-server backup --out /backups/onyx-sync && rsync -a --delete /backups/onyx-sync far:
`

/** Runs the subcommand. @returns the exit code */
export function runBackupCommand(args: readonly string[]): Promise<number> {
  const options = {
    out: { type: 'string' },
    data: { type: 'string' },
    full: { type: 'boolean' },
  } as const
  return runCommand(
    {
      name: NAME,
      help: HELP,
      options,
      async run({ data = './data', full = false, ...values }, isJson) {
        const directory = required(NAME, 'out', values.out)
        const startedAt = performance.now()
        const access = await openData(data, { checkTables: true })
        const progress = createProgress<BackupProgress>(process.stderr, () => performance.now(), describe)
        try {
          const unlock = lockDirectory(directory)
          try {
            const report = await runBackup({ access, directory, full, onProgress: progress.tell })
            progress.end()
            const seconds = (performance.now() - startedAt) / 1000
            const json = toJson(report, directory, access.isOnline, seconds)
            process.stdout.write(`${isJson ? JSON.stringify(json) : toText(json)}\n`)
            return report.damaged + report.unreadable === 0 ? 0 : EXIT.unsound
          } finally {
            unlock()
          }
        } finally {
          progress.end()
          await access.close()
        }
      },
    },
    args,
  )
}

function describe({ seq, head, events, bytes }: BackupProgress, elapsedMs: number): string {
  const rate = count(Math.round((events * 1000) / elapsedMs))
  return `backup     ${count(events)} events, ${megabytes(bytes)}, at position ${count(seq)} of ${count(head)}, ${rate} a second`
}

function toJson(report: BackupReport, directory: string, online: boolean, seconds: number) {
  const { manifest, events, newEvents, keptEvents, bytes, damaged, unreadable } = report
  return {
    backup: directory,
    database: manifest.database,
    head: manifest.head,
    online,
    events,
    newEvents,
    keptEvents,
    files: manifest.events.length + 1,
    bytes,
    damaged,
    unreadable,
    seconds: Math.round(seconds * 1000) / 1000,
  }
}

function toText(json: ReturnType<typeof toJson>): string {
  const { backup, database, head, online, events, newEvents, files, bytes, damaged, unreadable, seconds } =
    json
  const lines = [
    `backup     ${printable(backup)}  (database ${database}, position ${count(head)})`,
    `events     ${count(events)}; ${count(newEvents)} of them new`,
    `size       ${megabytes(bytes)} in ${count(files)} files`,
    `took       ${seconds.toFixed(1)} s, ${online ? 'through the running server' : 'no server was running'}`,
  ]
  if (damaged + unreadable > 0) {
    lines.push(
      '',
      `damaged: ${count(damaged)} events and ${count(unreadable)} entries of the database can't be read; run onyx-sync-server verify`,
    )
  }
  return lines.join('\n')
}
