import { SyncError } from '@onyx-sync/shared'
import type {
  LogCompaction,
  OutboxEntry,
  QueryRow,
  QueryTable,
  StoreBatch,
  StoredDocument,
  StoredUpdate,
  SyncStore,
} from '../ports/store.js'
import { checkBatch } from './check-batch.js'
import { searchPlainly } from './plain-search.js'
import { checkLookupColumn } from './query-columns.js'

/**
 * A {@link SyncStore} that lives and ends with the process: for tests, and for a device that must leave no
 * trace. Rows are copied in and out. Each method does all its work before it returns its promise.
 */
export function createMemoryStore(): SyncStore {
  const updatesBySeq = new Map<number, StoredUpdate>()
  const outboxById = new Map<string, OutboxEntry>()
  const documentsByAddress = new Map<string, StoredDocument>()
  const rowsByTable: Record<QueryTable, Map<string, QueryRow>> = {
    chats: new Map(),
    messages: new Map(),
    settings: new Map(),
    training: new Map(),
  }
  const meta = new Map<string, string>()
  let lastSeq = 0
  let isClosed = false

  function assertOpen(): void {
    if (isClosed) throw new SyncError('STORE_FAILED', 'the store is closed')
  }

  function updatesBetween(address: string, fromSeq: number, throughSeq: number): StoredUpdate[] {
    assertOpen()
    return [...updatesBySeq.values()]
      .filter((stored) => stored.address === address && stored.seq >= fromSeq && stored.seq <= throughSeq)
      .sort((a, b) => a.seq - b.seq)
      .map(copyUpdate)
  }

  function evict(addresses: ReadonlySet<string>): void {
    for (const [seq, { address }] of updatesBySeq) if (addresses.has(address)) updatesBySeq.delete(seq)
    for (const [id, { address }] of rowsByTable.messages) {
      if (addresses.has(String(address))) rowsByTable.messages.delete(id)
    }
  }

  function apply(batch: StoreBatch): void {
    assertOpen()
    const checked = checkBatch(batch)
    const added = [...checked.updates, ...checked.compactions.map(compactedRow)]
    for (const { seq, address } of added) {
      const isReplaced = checked.compactions.some(
        (compaction) => compaction.throughSeq === seq && updatesBySeq.get(seq)?.address === address,
      )
      if (updatesBySeq.has(seq) && !isReplaced)
        throw new SyncError('STORE_FAILED', `there is an update with seq ${seq} already`)
    }
    // From here on nothing can fail: all or nothing.
    if (batch.evict !== undefined) evict(new Set(batch.evict))
    for (const { address, throughSeq } of checked.compactions) {
      for (const { seq } of updatesBetween(address, 0, throughSeq)) updatesBySeq.delete(seq)
    }
    for (const update of added) updatesBySeq.set(update.seq, copyUpdate(update))
    for (const id of batch.outboxDelete ?? []) outboxById.delete(id)
    for (const entry of batch.outboxPut ?? []) outboxById.set(entry.id, { ...entry })
    for (const document of batch.documents ?? []) documentsByAddress.set(document.address, { ...document })
    for (const [key, value] of Object.entries(batch.meta ?? {})) meta.set(key, value)
    for (const [table, rowsAfter] of checked.rowsByTable) {
      for (const [id, row] of rowsAfter) {
        if (row === null) rowsByTable[table].delete(id)
        else rowsByTable[table].set(id, row)
      }
    }
    lastSeq = Math.max(lastSeq, checked.topSeq)
  }

  return {
    async loadMeta() {
      assertOpen()
      return Object.fromEntries(meta)
    },
    async lastSeq() {
      assertOpen()
      return lastSeq
    },
    async loadDocuments() {
      assertOpen()
      return [...documentsByAddress.values()].map((document) => ({ ...document }))
    },
    async loadUpdates(address) {
      return updatesBetween(address, 0, Number.MAX_SAFE_INTEGER)
    },
    async loadUpdateRange(address, fromSeq, throughSeq) {
      return updatesBetween(address, fromSeq, throughSeq)
    },
    async loadOutbox() {
      assertOpen()
      return [...outboxById.values()].sort(byOutboxOrder).map((entry) => ({ ...entry }))
    },
    async loadRows(table, where) {
      assertOpen()
      if (where !== undefined) checkLookupColumn(table, where.column)
      return [...rowsByTable[table].values()]
        .filter((row) => where === undefined || row[where.column] === where.equals)
        .map((row) => ({ ...row }))
    },
    async loadMessages(address, { from, through }) {
      assertOpen()
      return [...rowsByTable.messages.values()]
        .filter((row) => row.address === address && isBetween(row.position, from, through))
        .sort(byPosition)
        .map((row) => ({ ...row }))
    },
    async searchRows(table, query, options) {
      assertOpen()
      return searchPlainly(table, rowsByTable[table].values(), query, options).map((row) => ({ ...row }))
    },
    async commit(batch) {
      apply(batch)
    },
    async close() {
      isClosed = true
    },
  }
}

/** Outbox entries by ascending `seq`; two of one `seq` by id, so that every adapter gives the same order. */
export function byOutboxOrder(a: OutboxEntry, b: OutboxEntry): number {
  return a.seq - b.seq || (a.id < b.id ? -1 : a.id > b.id ? 1 : 0)
}

function isBetween(value: unknown, from: number, through: number): boolean {
  return Number(value) >= from && Number(value) <= through
}

/** Rows of messages in the order of the chat; two of one place, which should not be, by id. */
export function byPosition(a: QueryRow, b: QueryRow): number {
  return Number(a.position) - Number(b.position) || (a.id < b.id ? -1 : a.id > b.id ? 1 : 0)
}

/** The row that a compaction leaves. */
export function compactedRow({ address, throughSeq, update }: LogCompaction): StoredUpdate {
  return { seq: throughSeq, address, update }
}

function copyUpdate(stored: StoredUpdate): StoredUpdate {
  return { ...stored, update: stored.update.slice() }
}
