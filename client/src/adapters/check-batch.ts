import { SyncError } from '@onyx-sync/shared'
import type { LogCompaction, QueryRow, QueryTable, StoreBatch, StoredUpdate } from '../ports/store.js'
import { normalizeRow, QUERY_TABLES } from './query-columns.js'

/** What a batch makes of one query table: by id the row as it will be, or `null` for "is not there". */
export type RowsAfter = ReadonlyMap<string, QueryRow | null>

/** The parts of a batch that every adapter reads alike. */
export interface CheckedBatch {
  /** Updates to add, without those that a compaction of the same batch replaces. */
  readonly updates: readonly StoredUpdate[]
  readonly compactions: readonly LogCompaction[]
  /** Only tables the batch touches. */
  readonly rowsByTable: ReadonlyMap<QueryTable, RowsAfter>
  /** Highest `seq` the batch gives out; 0 if none. */
  readonly topSeq: number
}

/**
 * Checks a batch before anything is written, and settles what it means where it names one thing twice: parts
 * come in order, and within one part `put` wins over `delete` (so "delete all, put these" replaces).
 * Throws `VALUE_INVALID`. The result shares nothing with the batch, which the caller may reuse.
 */
export function checkBatch(batch: StoreBatch): CheckedBatch {
  let topSeq = 0
  const seen = new Set<number>()
  const compactions = checkCompactions(batch)
  for (const { seq, update } of batch.updates ?? []) {
    checkSeq(seq)
    if (seen.has(seq)) throw new SyncError('VALUE_INVALID', `the batch holds two updates with seq ${seq}`)
    checkBytes(update)
    seen.add(seq)
    topSeq = Math.max(topSeq, seq)
  }
  for (const { seq, throughSeq } of batch.outboxPut ?? []) {
    checkSeq(seq)
    checkSeq(throughSeq)
    topSeq = Math.max(topSeq, seq, throughSeq)
  }
  const rowsByTable = new Map<QueryTable, Map<string, QueryRow | null>>()
  for (const { table, put, delete: deleted } of batch.rows ?? []) {
    if (!QUERY_TABLES.includes(table))
      throw new SyncError('VALUE_INVALID', `there is no query table "${table}"`)
    const rows = rowsByTable.get(table) ?? new Map<string, QueryRow | null>()
    rowsByTable.set(table, rows)
    for (const id of deleted) rows.set(id, null)
    for (const row of put) {
      const normalized = normalizeRow(table, row)
      rows.set(normalized.id, normalized)
    }
  }
  const updates = (batch.updates ?? []).filter(
    ({ address, seq }) => seq > (compactions.get(address)?.throughSeq ?? 0),
  )
  const kept = new Set(updates.map(({ seq }) => seq))
  for (const { address, throughSeq } of compactions.values()) {
    if (kept.has(throughSeq))
      throw new SyncError('VALUE_INVALID', `position ${throughSeq} is not one of ${address}`)
    kept.add(throughSeq)
    topSeq = Math.max(topSeq, throughSeq)
  }
  return { updates, compactions: [...compactions.values()], rowsByTable, topSeq }
}

function checkCompactions(batch: StoreBatch): Map<string, LogCompaction> {
  const byAddress = new Map<string, LogCompaction>()
  for (const compaction of batch.compactions ?? []) {
    const { address, throughSeq, update } = compaction
    checkSeq(throughSeq)
    checkBytes(update)
    if (byAddress.has(address))
      throw new SyncError('VALUE_INVALID', `the batch compacts the log of ${address} twice`)
    byAddress.set(address, compaction)
  }
  return byAddress
}

/** Anything else would be kept as an empty string by WatermelonDB, without a word. */
function checkBytes(update: Uint8Array): void {
  if (!(update instanceof Uint8Array)) throw new SyncError('VALUE_INVALID', 'an update is a Uint8Array')
}

function checkSeq(seq: number): void {
  if (!Number.isSafeInteger(seq) || seq < 1) {
    throw new SyncError('VALUE_INVALID', `a seq is a whole number from 1 on, not ${seq}`)
  }
}
