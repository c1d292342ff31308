import { concatBytes, decodeBase64, encodeBase64 } from '@onyx-sync/shared'
import type {
  BodyState,
  OutboxEntry,
  OutboxState,
  QueryRow,
  QueryTable,
  StoredDocument,
  StoredUpdate,
} from '../../ports/store.js'
import type { Turns } from '../../ports/turns.js'
import { crc32 } from '../crc32.js'
import { QUERY_COLUMNS } from '../query-columns.js'

/** A row as it lies in the database. */
export type RawRow = { readonly id: string } & Readonly<Record<string, string | number | boolean | null>>

/** One row to change. `insert` fails when the row is there already; `put` replaces; a missing row may be deleted. */
export type RawChange =
  | { readonly kind: 'insert' | 'put'; readonly table: string; readonly row: RawRow }
  | { readonly kind: 'delete'; readonly table: string; readonly id: string }

/** Characters of base64 in one row. A row has to stay under 512 KB, or Android can't read it back. */
const MAX_BASE64_LENGTH = 480_000
/** Characters of base64 that are looked at and decoded in one go. */
const CHUNK_LENGTH = 48_000
/** Characters of text in one row; up to 3 bytes of UTF-8 each. */
const MAX_TEXT_LENGTH = 160_000

/** Ids in `sync_meta`: what the port's users set, and what this adapter keeps for itself. */
const META_PREFIX = 'key:'
/** Id of the row with the highest `seq` ever given out; its updates and entries may be gone. */
export const LAST_SEQ_ID = 'last_seq'

export function updateToRows({ seq, address, update }: StoredUpdate): RawRow[] {
  const parts = splitText(encodeBase64(update), MAX_BASE64_LENGTH)
  return parts.map((data, part) =>
    raw(`${seq}/${part}`, { seq, address, part, parts: parts.length, data, crc: crc32(data) }),
  )
}

/** What stands for an update that can't be read back: no Yjs update is empty, so whoever applies it notices. */
const DAMAGED = new Uint8Array(0)

/**
 * Updates by ascending `seq`; one whose rows aren't what was written comes empty (trap Y9). Between the rows of a long
 * update others have their turn.
 */
export async function rowsToUpdates(rows: readonly RawRow[], turns: Turns): Promise<StoredUpdate[]> {
  const updates: StoredUpdate[] = []
  let decoded = 0
  /** Lets others have their turn now and then, be it one long row or many short ones. */
  async function pace(length: number): Promise<void> {
    decoded += length
    if (decoded <= CHUNK_LENGTH) return
    decoded = length
    await turns.next()
  }
  for (const group of groupParts(rows, 'seq')) {
    const { seq, address } = group[0] as RawRow
    updates.push({ seq: Number(seq), address: String(address), update: await groupToUpdate(group, pace) })
  }
  return updates.sort((a, b) => a.seq - b.seq)
}

async function groupToUpdate(
  group: readonly RawRow[],
  pace: (length: number) => Promise<void>,
): Promise<Uint8Array> {
  try {
    assertWhole(group)
    const parts: Uint8Array[] = []
    for (const { data, crc } of group) {
      const text = String(data)
      let found = 0
      // Texts are cut where four characters of base64 end, so that each part can be read alone.
      for (const chunk of splitText(text, CHUNK_LENGTH)) {
        await pace(chunk.length)
        found = crc32(chunk, found)
        parts.push(decodeBase64(chunk))
      }
      if (crc !== found) return DAMAGED
    }
    return concatBytes(parts)
  } catch {
    return DAMAGED
  }
}

export function outboxToRows(entry: OutboxEntry): RawRow[] {
  const { id, lane, seq, throughSeq, edits, state, reason } = entry
  const parts = splitText(entry.event, MAX_TEXT_LENGTH)
  const columns = { entry_id: id, lane, seq, through_seq: throughSeq, edits, state, parts: parts.length }
  return parts.map((event, part) =>
    raw(`${id}/${part}`, { ...columns, reason: part === 0 ? reason : '', part, event }),
  )
}

/** Entries in no particular order. Throws when a part is missing. */
export function rowsToOutbox(rows: readonly RawRow[]): OutboxEntry[] {
  return groupParts(rows, 'entry_id').map((group) => {
    const first = group[0] as RawRow
    return {
      id: String(first.entry_id),
      lane: String(first.lane),
      seq: Number(first.seq),
      throughSeq: Number(first.through_seq),
      edits: Number(first.edits),
      state: first.state as OutboxState,
      event: joinParts(group, 'event'),
      reason: String(first.reason),
    }
  })
}

export function documentToRow(document: StoredDocument): RawRow {
  return raw(document.address, {
    address: document.address,
    members: document.members,
    members_stated_at: document.membersStatedAt,
    own_writers: document.ownWriters,
    body: document.body,
    log_bytes: document.logBytes,
    checkpoint_bytes: document.checkpointBytes,
  })
}

export function rowToDocument(row: RawRow): StoredDocument {
  return {
    address: String(row.address),
    members: String(row.members),
    membersStatedAt: Number(row.members_stated_at),
    ownWriters: String(row.own_writers),
    logBytes: Number(row.log_bytes),
    checkpointBytes: Number(row.checkpoint_bytes),
    body: row.body as BodyState,
  }
}

export function metaToRow(key: string, value: string): RawRow {
  return raw(META_PREFIX + key, { key: META_PREFIX + key, value })
}

export function rowsToMeta(rows: readonly RawRow[]): Record<string, string> {
  const own = rows.filter(({ id }) => id.startsWith(META_PREFIX))
  return Object.fromEntries(own.map(({ id, value }) => [id.slice(META_PREFIX.length), String(value)]))
}

export function lastSeqToRow(seq: number): RawRow {
  return raw(LAST_SEQ_ID, { key: LAST_SEQ_ID, value: String(seq) })
}

export function queryRowToRaw(row: QueryRow): RawRow {
  return raw(row.id, row)
}

export function rawToQueryRow(table: QueryTable, row: RawRow): QueryRow {
  const queryRow: Record<string, string | number | boolean | null> = {}
  for (const { name, type } of QUERY_COLUMNS[table]) {
    const value = row[name] ?? null
    // SQLite has no booleans.
    queryRow[name] = type === 'boolean' && value !== null ? Boolean(value) : value
  }
  return { ...queryRow, id: row.id }
}

/** `synced` keeps the rows out of WatermelonDB's own `synchronize()`, should the app use that as well. */
function raw(id: string, columns: Omit<RawRow, 'id'>): RawRow {
  return { ...columns, id, _status: 'synced', _changed: '' }
}

/** At least one part, none cut between the halves of a surrogate pair: alone they wouldn't survive UTF-8. */
function splitText(text: string, maxLength: number): string[] {
  if (text.length <= maxLength) return [text]
  const parts: string[] = []
  for (let start = 0; start < text.length; ) {
    let end = Math.min(start + maxLength, text.length)
    const last = text.charCodeAt(end - 1)
    if (end < text.length && last >= 0xd800 && last <= 0xdbff) end--
    parts.push(text.slice(start, end))
    start = end
  }
  return parts
}

function groupParts(rows: readonly RawRow[], column: string): RawRow[][] {
  const groups = new Map<unknown, RawRow[]>()
  for (const row of rows) {
    const group = groups.get(row[column])
    if (group === undefined) groups.set(row[column], [row])
    else group.push(row)
  }
  for (const group of groups.values()) group.sort((a, b) => Number(a.part) - Number(b.part))
  return [...groups.values()]
}

function assertWhole(group: readonly RawRow[]): void {
  const first = group[0] as RawRow
  const isWhole = group.length === Number(first.parts) && group.every((row, index) => row.part === index)
  if (!isWhole) throw new Error(`the database is damaged: row ${first.id} has parts missing`)
}

function joinParts(group: readonly RawRow[], column: string): string {
  assertWhole(group)
  return group.map((row) => row[column]).join('')
}
