import { isHex64 } from '@onyx-sync/shared'
import type { EventPlace, Overview } from '../core/inspect.js'
import { megabytes, runCommand } from './command.js'
import { type DataAccess, openData } from './data-access.js'
import { createProgress } from './progress.js'
import { UsageError } from './usage.js'
import { count, printable } from './verify-output.js'

const NAME = 'inspect'

const HELP = `onyx-sync-server inspect: shows what is in a database

Usage: onyx-sync-server inspect [options]

Documents and accounts by size, events by kind, what checkpoints have taken out of the log,
parts of edits that wait. If a server runs on the data, that server is asked.

  --data DIR           directory of the database (default ./data)
  --document ADDRESS   one document: its members, and its events without their content
  --event ID           one event, as its author signed it
  --top N              how many documents and accounts are listed (default 10)
  --json               print one JSON object for scripts
  --help               show this

Exit codes: 0 done; 1 it could not be done, or there is no such document or event;
2 an option can't be read.

Examples:
  onyx-sync-server inspect --data /var/lib/onyx-sync
  onyx-sync-server inspect --top 100 --json | jq '.largestAccounts[].pubkey'
  onyx-sync-server inspect --document 30001:202f…3183:oslo
`

/** Runs the subcommand. @returns the exit code */
export function runInspect(args: readonly string[]): Promise<number> {
  const options = {
    data: { type: 'string' },
    document: { type: 'string' },
    event: { type: 'string' },
    top: { type: 'string' },
  } as const
  return runCommand(
    {
      name: NAME,
      help: HELP,
      options,
      async run({ data = './data', document, event, top = '10' }, isJson) {
        if (!/^\d{1,6}$/.test(top)) throw new UsageError(`--top must be a whole number, not ${top}`, NAME)
        if (event !== undefined && !isHex64(event)) {
          throw new UsageError('--event must be an id: 64 lower-case hex characters', NAME)
        }
        if (event !== undefined && document !== undefined) {
          throw new UsageError('give either --document or --event', NAME)
        }
        const access = await openData(data)
        try {
          if (event !== undefined) await showEvent(access, event, isJson)
          else if (document !== undefined) await showDocument(access, document, isJson)
          else await showOverview(access, Number(top), isJson)
          return 0
        } finally {
          await access.close()
        }
      },
    },
    args,
  )
}

function print(text: string): void {
  process.stdout.write(`${text}\n`)
}

async function showEvent(access: DataAccess, id: string, isJson: boolean): Promise<void> {
  for await (const line of access.ask({ op: 'event', id })) {
    const { stored } = JSON.parse(line) as { stored: { seq: number; bytes: number; json: string } }
    const { seq, bytes, json } = stored
    if (isJson) print(JSON.stringify({ seq, bytes, event: parsed(json) }))
    else print(`position   ${count(seq)}, ${count(bytes)} bytes\n\n${printable(json)}`)
  }
}

/** A damaged event is shown as text. */
function parsed(json: string): unknown {
  try {
    return JSON.parse(json)
  } catch {
    return json
  }
}

interface DocumentLine {
  readonly address: string
  readonly owner: string
  readonly members: readonly string[]
  readonly events: number
  readonly bytes: number
  readonly head: number
  readonly state?: { readonly bytes: number; readonly through: number }
}

async function showDocument(access: DataAccess, address: string, isJson: boolean): Promise<void> {
  let document: DocumentLine | undefined
  const log: EventPlace[] = []
  for await (const text of access.ask({ op: 'document', address })) {
    const line = JSON.parse(text) as { document?: DocumentLine; event?: EventPlace }
    document ??= line.document
    if (line.event !== undefined) log.push(line.event)
  }
  if (document === undefined) return
  if (isJson) {
    print(JSON.stringify({ ...document, log }))
    return
  }
  const { owner, members, events, bytes, head, state } = document
  const kept =
    state === undefined
      ? 'none kept'
      : `${count(state.bytes)} bytes kept, through position ${count(state.through)}`
  print(`document   ${printable(address)}`)
  print(`owner      ${owner}`)
  print(`members    ${members.length === 0 ? 'none' : members.join('\n           ')}`)
  print(`log        ${count(events)} events, ${count(bytes)} bytes, newest at position ${count(head)}`)
  print(`state      ${kept}`)
  print('\n  position  time of the author    bytes  author    event')
  for (const place of log) print(`  ${rowOf(place)}`)
}

function rowOf({ seq, id, author, createdAt, bytes, checkpoint }: EventPlace): string {
  const time = new Date(createdAt * 1000).toISOString().slice(0, 19)
  const what = checkpoint === undefined ? '  damaged' : checkpoint ? '  checkpoint' : ''
  return `${String(seq).padStart(8)}  ${time}  ${String(bytes).padStart(7)}  ${author.slice(0, 8)}  ${id}${what}`
}

async function showOverview(access: DataAccess, top: number, isJson: boolean): Promise<void> {
  const progress = createProgress<number>(
    process.stderr,
    () => performance.now(),
    (entries) => `inspect    ${count(entries)} entries read`,
  )
  try {
    for await (const text of access.ask({ op: 'overview', top })) {
      const line = JSON.parse(text) as { progress?: number; overview?: Overview }
      if (line.progress !== undefined) progress.tell(line.progress)
      if (line.overview === undefined) continue
      progress.end()
      const overview = { ...line.overview, online: access.isOnline }
      print(isJson ? JSON.stringify(overview) : overviewText(overview))
    }
  } finally {
    progress.end()
  }
}

function overviewText(overview: Overview): string {
  const { database, head, epochs, disk, events, eventsByKind, documents, documentBytes } = overview
  const kinds = Object.entries(eventsByKind).map(([kind, total]) => `${count(total)} of kind ${kind}`)
  const lines = [
    `database   ${database}, position ${count(head)}, written by ${count(epochs)} ${epochs === 1 ? 'run' : 'runs'} of a server`,
    `disk       ${megabytes(disk.bytes)} in ${count(disk.files)} files`,
    `events     ${count(events)}${kinds.length === 0 ? '' : `: ${kinds.join(', ')}`}`,
    `documents  ${count(documents)}, events of ${megabytes(documentBytes)}`,
    `accounts   ${count(overview.accounts)}; members of others' chats: ${count(overview.memberships)}`,
    `superseded ${count(overview.supersededIds)} events, of which the id is known`,
    `waiting    ${count(overview.heldParts)} parts, ${megabytes(overview.heldBytes)}`,
  ]
  if (documents > 0) {
    lines.push('', 'largest documents:', '       bytes   events  members  address')
    for (const one of overview.largestDocuments) {
      lines.push(
        `${column(one.bytes, 12)}${column(one.events, 9)}${column(one.members, 9)}  ${printable(one.address)}`,
      )
    }
    lines.push('', 'largest accounts:', '       bytes   events  documents  key')
    for (const one of overview.largestAccounts) {
      lines.push(
        `${column(one.bytes, 12)}${column(one.events, 9)}${column(one.documents, 11)}  ${one.pubkey}`,
      )
    }
  }
  return lines.join('\n')
}

function column(value: number, width: number): string {
  return count(value).padStart(width)
}
