import { bytesToHex } from '@onyx-sync/shared'
import type { Epoch } from '../ports/event-log.js'
import type { EntryOf, LogEntry, LogIndex } from '../ports/inspectable-log.js'
import type { ModerationEntry, ModerationStore } from '../ports/moderation-store.js'
import type { LogSnapshot, OperableLog } from '../ports/operable-log.js'

/** Version of what stands in a backup. A newer one is refused by name. */
export const BACKUP_FORMAT = 1

/**
 * How each index gets into a backup. `events`: as themselves, in files of their own. `copied`: entry by entry,
 * because it doesn't follow from the events that are left. `ranges`: likewise, written shorter. `derived`: from
 * the events, when they are restored. `rebuilt`: by the server, when it needs it.
 */
export const BACKED_UP = {
  event: 'events',
  id: 'derived',
  supersededId: 'copied',
  feed: 'ranges',
  grant: 'copied',
  documentLog: 'derived',
  ownerLog: 'derived',
  training: 'derived',
  trainingFeed: 'derived',
  listed: 'derived',
  coordinate: 'derived',
  deletedCoordinate: 'copied',
  record: 'copied',
  shared: 'copied',
  change: 'copied',
  writer: 'copied',
  deletedId: 'derived',
  expiry: 'derived',
  vanished: 'copied',
  held: 'copied',
  state: 'rebuilt',
} as const satisfies Readonly<Record<LogIndex, 'events' | 'copied' | 'ranges' | 'derived' | 'rebuilt'>>

type IndexKept<How> = { [I in LogIndex]: (typeof BACKED_UP)[I] extends How ? I : never }[LogIndex]

/** An entry that stands in a backup by itself. */
export type CopiedEntry = EntryOf<IndexKept<'copied'>>

/** Positions, as ranges with both ends. */
export type Ranges = readonly (readonly [from: number, through: number])[]

/** The first line of what a server sends for a backup. */
export interface BackupHeader {
  readonly format: number
  /** Id of the database. */
  readonly database: string
  /** Position of the newest event. */
  readonly head: number
  readonly epochs: readonly Epoch[]
  /** The server's own secret key, hex. Devices trust merged states that are signed with it. */
  readonly serverKey: string
}

/** One line of what a server sends for a backup, after the header. */
export type BackupLine =
  /** Positions of the events that are there, of those that were not asked for. */
  | { readonly live: Ranges }
  /** An event as it was signed. */
  | { readonly seq: number; readonly event: unknown }
  /** An event that is no JSON any more. */
  | { readonly seq: number; readonly damaged: string }
  | { readonly entry: CopiedEntry }
  /** A key, an address or a setting about which operators decided. */
  | { readonly moderation: ModerationEntry }
  | { readonly feed: { readonly reader: string; readonly seqs: Ranges } }
  /** Entries that could not be read, and are left out. */
  | { readonly unreadable: number }

/** Ranges in one line. */
const RANGES_PER_LINE = 1_000

/**
 * Everything of a log that a backup needs, as lines of JSON: the header, which positions up to `after` still
 * have events, the events after it in the order of the log, what else belongs to the log, and what operators decided. All of it is as
 * it was at one moment, at which everything that had got its `OK` was there.
 */
export async function* backupLines(
  log: OperableLog,
  moderation: Pick<ModerationStore, 'load'>,
  after: number,
): AsyncGenerator<string> {
  const snapshot = await log.snapshot()
  try {
    const decided = await moderation.load()
    const { head, epochs } = snapshot
    const serverKey = bytesToHex(log.serverSecretKey)
    const header: BackupHeader = { format: BACKUP_FORMAT, database: log.databaseId, head, epochs, serverKey }
    yield JSON.stringify(header)
    for await (const live of rangesOf(snapshot.positions(after))) yield JSON.stringify({ live })
    for await (const { seq, json } of snapshot.events(after)) yield eventLine(seq, json)
    yield* otherLines(snapshot)
    for (const entry of decided) yield JSON.stringify({ moderation: entry })
  } finally {
    await snapshot.close()
  }
}

/** A line that holds an event as it is stored, without reading it. Damaged bytes must not end the line. */
function eventLine(seq: number, json: string): string {
  const isLine = json.startsWith('{') && json.endsWith('}') && !json.includes('\n')
  return isLine ? `{"seq":${seq},"event":${json}}` : JSON.stringify({ seq, damaged: json })
}

async function* otherLines(snapshot: LogSnapshot): AsyncGenerator<string> {
  let unreadable = 0
  for (const index of Object.keys(BACKED_UP) as LogIndex[]) {
    if (BACKED_UP[index] !== 'copied') continue
    for await (const entry of snapshot.scan(index)) {
      if (entry.index === 'unreadable' || isDamaged(entry)) unreadable++
      else yield JSON.stringify({ entry })
    }
  }
  let reader: string | undefined
  let seqs: number[] = []
  async function* feed(): AsyncGenerator<string> {
    for await (const ranges of rangesOf(seqs)) yield JSON.stringify({ feed: { reader, seqs: ranges } })
    seqs = []
  }
  for await (const entry of snapshot.scan('feed')) {
    if (entry.index === 'unreadable') {
      unreadable++
      continue
    }
    if (entry.reader !== reader || seqs.length >= RANGES_PER_LINE) yield* feed()
    reader = entry.reader
    seqs.push(entry.seq)
  }
  yield* feed()
  if (unreadable > 0) yield JSON.stringify({ unreadable })
}

/** A record whose value is no JSON has nothing that could be kept. */
function isDamaged(entry: LogEntry): boolean {
  return entry.index === 'record' && entry.record === undefined
}

async function* rangesOf(seqs: AsyncIterable<number> | Iterable<number>): AsyncGenerator<Ranges> {
  let ranges: [number, number][] = []
  for await (const seq of seqs) {
    const last = ranges[ranges.length - 1]
    if (last !== undefined && last[1] === seq - 1) last[1] = seq
    else if (ranges.length < RANGES_PER_LINE) ranges.push([seq, seq])
    else {
      yield ranges
      ranges = [[seq, seq]]
    }
  }
  if (ranges.length > 0) yield ranges
}
