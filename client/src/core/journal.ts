import { getOrCreate, SyncError } from '@onyx-sync/shared'
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

/** Changes that wait for the next commit. A `null` row or entry stands for its deletion. */
interface Changes {
  updates: StoredUpdate[]
  compactions: Map<string, LogCompaction>
  /** Documents whose bodies go before anything else of this. */
  evict: Set<string>
  outbox: Map<string, OutboxEntry | null>
  /** Ids of entries in `outbox` that hold edits of this batch, signed already. */
  signedAhead: Set<string>
  documents: Map<string, StoredDocument>
  rows: Map<QueryTable, Map<string, QueryRow | null>>
  meta: Record<string, string>
}

/** Query-table changes of one document. */
export interface RowChange {
  readonly table: QueryTable
  readonly put: readonly QueryRow[]
  readonly delete: readonly string[]
}

/** Rows that are not on the disk yet, by table and id; `null` stands for one that goes. */
export type UnwrittenRows = ReadonlyMap<QueryTable, ReadonlyMap<string, QueryRow | null>>

/** What a commit did to the query tables. */
export interface CommittedRows {
  /** By table and id the row as it is now; `null` where it is gone. */
  readonly tables: ReadonlyMap<QueryTable, ReadonlyMap<string, QueryRow | null>>
  /** Documents whose rows of `messages` went as a whole, before anything in `tables`. */
  readonly evicted: ReadonlySet<string>
  /** Documents of which something is known anew, such as who their members are. */
  readonly documents: ReadonlySet<string>
}

/** What the journal asks of the documents when it is about to write. */
export interface JournalHooks {
  /**
   * Called first, with the edits that the batch holds. What it resolves for is waited for, and may have put a signed entry in
   * their place ({@link Journal.replaceUnwritten}). Never rejects.
   */
  sign?(edits: readonly OutboxEntry[]): Promise<void> | undefined
  /**
   * Anything asynchronous that {@link collectRows} needs. Edits may still come in meanwhile, so it is called again
   * until it has nothing to wait for.
   */
  prepare(): Promise<void> | undefined
  /** Row changes since the last call, taken in the same tick as the updates that cause them. */
  collectRows(unwritten: UnwrittenRows): readonly RowChange[]
  /** Row changes that follow from entries of the outbox, by id; `null` stands for one that goes. */
  outboxRows?(outbox: ReadonlyMap<string, OutboxEntry | null>): readonly RowChange[]
  /** Called after each durable commit with the outbox entries it added or replaced, and what it did to the rows. */
  committed(outboxPut: readonly OutboxEntry[], rows: CommittedRows): void
  /** Called when a commit failed. Its changes are kept and go with the next one. */
  failed(error: unknown): void
}

/** Something to write with the next batch. */
export interface JournalChange {
  readonly update?: StoredUpdate
  /** Takes the place of an earlier one of the document that isn't written yet. */
  readonly compaction?: LogCompaction
  readonly outboxPut?: readonly OutboxEntry[]
  readonly outboxDelete?: readonly string[]
  readonly document?: StoredDocument
  readonly rows?: readonly RowChange[]
  /**
   * A document whose body leaves the device, with what was added of it before and not written yet. Nothing of that
   * may be an edit.
   */
  readonly evict?: string
  readonly meta?: Readonly<Record<string, string>>
}

/**
 * The one way to the store: everything that changes on a device is added here and written in atomic batches,
 * in order. One batch is under way at a time; what comes meanwhile goes together with the next.
 *
 * A failed batch is not dropped but put back in front: an edit that is in memory must reach the disk before
 * any later one, or a document on disk would have a gap that nothing fills (traps Y2, C15).
 */
export interface Journal {
  /** The next position in the device's log. */
  nextSeq(): number
  /** The newest position that was given out. */
  lastSeq(): number
  add(change: JournalChange): void
  /**
   * Puts a signed entry in the place of edits that aren't written yet. They count as edits that aren't until it is written.
   * @returns false, and does nothing, where one of them isn't waiting for the next batch
   */
  replaceUnwritten(ids: readonly string[], entry: OutboxEntry): boolean
  /** Edits that were made and are not on this device's disk yet. */
  unwrittenEdits(): number
  /** Lanes of the outbox, such as a document's address, that those edits belong to. */
  unwrittenLanes(): readonly string[]
  /** Whether anything of a document's log, whoever made it, is not on this device's disk yet. */
  hasUnwritten(address: string): boolean
  /** Position of the oldest of those edits in one lane; undefined if it has none. */
  firstUnwritten(lane: string): number | undefined
  /** Writes nothing from now on: what is flushed is rejected with `CLIENT_CLOSED`. */
  end(): void
  /** Resolves when everything added so far is durable. Rejects with `STORE_FAILED`; call again to retry. */
  flush(): Promise<void>
}

export function createJournal(store: SyncStore, lastSeq: number, hooks: JournalHooks): Journal {
  let seq = lastSeq
  let pending = emptyChanges()
  let writing: Changes | undefined
  let scheduled: Promise<void> | undefined
  let tail: Promise<void> = Promise.resolve()
  let isEnded = false

  function throwIfEnded(): void {
    if (isEnded) throw new SyncError('CLIENT_CLOSED', 'this device is closed, and keeps nothing any more')
  }

  async function commit(): Promise<void> {
    throwIfEnded()
    const signing = hooks.sign?.(editsOf(pending).filter(({ state }) => state === 'pending'))
    if (signing !== undefined) await signing
    try {
      for (let reading = hooks.prepare(); reading !== undefined; reading = hooks.prepare()) await reading
    } catch (error) {
      hooks.failed(error)
      throw error
    }
    throwIfEnded()
    // From here to the hand-over nothing awaits, so that rows and updates are of the same moment (trap C1).
    scheduled = undefined
    mergeRows(pending, hooks.collectRows(pending.rows))
    mergeRows(pending, hooks.outboxRows?.(pending.outbox) ?? [])
    const changes = pending
    if (isEmpty(changes)) return
    pending = emptyChanges()
    writing = changes
    try {
      await store.commit(toBatch(changes))
      writing = undefined
    } catch (error) {
      writing = undefined
      pending = mergeChanges(changes, pending)
      hooks.failed(error)
      throw error
    }
    const outboxPut = [...changes.outbox.values()].filter((entry) => entry !== null)
    const documents = new Set(changes.documents.keys())
    hooks.committed(outboxPut, { tables: changes.rows, evicted: changes.evict, documents })
  }

  function unwritten(): OutboxEntry[] {
    return [...(writing === undefined ? [] : editsOf(writing)), ...editsOf(pending)]
  }

  return {
    nextSeq: () => ++seq,
    lastSeq: () => seq,

    add({ update, compaction, outboxPut = [], outboxDelete = [], document, rows = [], evict, meta }) {
      if (evict !== undefined) dropBody(pending, evict)
      if (update !== undefined) pending.updates.push(update)
      if (compaction !== undefined) pending.compactions.set(compaction.address, compaction)
      for (const id of outboxDelete) pending.outbox.set(id, null)
      for (const entry of outboxPut) pending.outbox.set(entry.id, entry)
      if (document !== undefined) pending.documents.set(document.address, document)
      mergeRows(pending, rows)
      Object.assign(pending.meta, meta)
    },

    replaceUnwritten(ids, entry) {
      if (ids.some((id) => pending.outbox.get(id)?.state !== 'pending')) return false
      for (const id of ids) pending.outbox.delete(id)
      pending.outbox.set(entry.id, entry)
      pending.signedAhead.add(entry.id)
      return true
    },

    unwrittenLanes: () => unwritten().map(({ lane }) => lane),

    unwrittenEdits: () => unwritten().reduce((sum, { edits }) => sum + edits, 0),

    hasUnwritten: (address) =>
      [writing, pending].some((changes) => changes?.updates.some((update) => update.address === address)),

    firstUnwritten(lane) {
      const seqs = unwritten().flatMap((entry) => (entry.lane === lane ? [entry.seq] : []))
      return seqs.length === 0 ? undefined : Math.min(...seqs)
    },

    end() {
      isEnded = true
    },

    flush() {
      if (scheduled === undefined) {
        const next = tail.then(commit)
        scheduled = next
        tail = next.catch(() => {
          if (scheduled === next) scheduled = undefined
        })
      }
      return scheduled
    },
  }
}

function emptyChanges(): Changes {
  return {
    updates: [],
    compactions: new Map(),
    evict: new Set(),
    outbox: new Map(),
    signedAhead: new Set(),
    documents: new Map(),
    rows: new Map(),
    meta: {},
  }
}

function isEmpty(changes: Changes): boolean {
  return (
    changes.updates.length === 0 &&
    changes.compactions.size === 0 &&
    changes.evict.size === 0 &&
    changes.outbox.size === 0 &&
    changes.documents.size === 0 &&
    changes.rows.size === 0 &&
    Object.keys(changes.meta).length === 0
  )
}

/** Entries of edits that this would write for the first time. */
function editsOf({ outbox, signedAhead }: Changes): OutboxEntry[] {
  return [...outbox.values()].filter(
    (entry): entry is OutboxEntry => entry?.state === 'pending' || signedAhead.has(entry?.id ?? ''),
  )
}

function mergeRows(changes: Changes, rowChanges: readonly RowChange[]): void {
  for (const { table, put, delete: deleted } of rowChanges) {
    if (put.length + deleted.length === 0) continue
    const rows = getOrCreate(changes.rows, table, () => new Map())
    for (const id of deleted) rows.set(id, null)
    for (const row of put) rows.set(row.id, row)
  }
}

/** What is left of a body in changes that are not written yet must not outlive it. */
function dropBody(changes: Changes, address: string): void {
  changes.compactions.delete(address)
  changes.updates = changes.updates.filter((update) => update.address !== address)
  const messages = changes.rows.get('messages') ?? new Map<string, QueryRow | null>()
  for (const [id, row] of messages) if (row?.address === address) messages.delete(id)
  changes.evict.add(address)
}

function mergeChanges(older: Changes, newer: Changes): Changes {
  for (const address of newer.evict) dropBody(older, address)
  const rows = new Map(older.rows)
  for (const [table, changed] of newer.rows)
    rows.set(table, new Map([...(rows.get(table) ?? []), ...changed]))
  return {
    updates: [...older.updates, ...newer.updates],
    compactions: new Map([...older.compactions, ...newer.compactions]),
    evict: new Set([...older.evict, ...newer.evict]),
    outbox: new Map([...older.outbox, ...newer.outbox]),
    signedAhead: new Set([...older.signedAhead, ...newer.signedAhead]),
    documents: new Map([...older.documents, ...newer.documents]),
    rows,
    meta: { ...older.meta, ...newer.meta },
  }
}

function toBatch(changes: Changes): StoreBatch {
  const rows = [...changes.rows].map(([table, changed]) => ({
    table,
    put: [...changed.values()].filter((row) => row !== null),
    delete: [...changed].filter(([, row]) => row === null).map(([id]) => id),
  }))
  return {
    updates: changes.updates,
    compactions: [...changes.compactions.values()],
    ...(changes.evict.size === 0 ? {} : { evict: [...changes.evict] }),
    outboxPut: [...changes.outbox.values()].filter((entry) => entry !== null),
    outboxDelete: [...changes.outbox].filter(([, entry]) => entry === null).map(([id]) => id),
    documents: [...changes.documents.values()],
    rows,
    meta: changes.meta,
  }
}
