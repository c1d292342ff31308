import type { DiskUse } from '../ports/operable-log.js'
import { megabytes, runCommand } from './command.js'
import { openData } from './data-access.js'

const HELP = `onyx-sync-server compact: gives back the room of what was deleted

Usage: onyx-sync-server compact [options]

LevelDB does this by itself, bit by bit. Rewriting all files at once makes them as small as
they can be, and needs about as much free disk as the database takes. If a server runs on
the data, that server does it and goes on serving.

  --data DIR    directory of the database (default ./data)
  --json        print one JSON object for scripts
  --help        show this

Exit codes: 0 done; 1 it could not be done; 2 an option can't be read.

Examples:
  onyx-sync-server compact --data /var/lib/onyx-sync
  onyx-sync-server compact --json | jq .after.bytes
`

/** Runs the subcommand. @returns the exit code */
export function runCompact(args: readonly string[]): Promise<number> {
  return runCommand(
    {
      name: 'compact',
      help: HELP,
      options: { data: { type: 'string' } } as const,
      async run({ data = './data' }, isJson) {
        const startedAt = performance.now()
        const access = await openData(data, { checkTables: true })
        try {
          for await (const line of access.ask({ op: 'compact' })) {
            const { before, after } = JSON.parse(line) as { before: DiskUse; after: DiskUse }
            const seconds = Math.round(performance.now() - startedAt) / 1000
            const json = { data, online: access.isOnline, before, after, seconds }
            process.stdout.write(`${isJson ? JSON.stringify(json) : toText(json)}\n`)
          }
          return 0
        } finally {
          await access.close()
        }
      },
    },
    args,
  )
}

function toText({ before, after, seconds }: { before: DiskUse; after: DiskUse; seconds: number }): string {
  return `before     ${megabytes(before.bytes)} in ${before.files} files
after      ${megabytes(after.bytes)} in ${after.files} files
took       ${seconds.toFixed(1)} s`
}
