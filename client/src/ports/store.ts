/** One Yjs update of one document, as it was made or received (trap Y3). */
export interface StoredUpdate {
  /** Order of arrival on this device: ascending over all documents, never reused. */
  readonly seq: number
  /** Address of the document (`30001:<owner>:<id>`). */
  readonly address: string
  readonly update: Uint8Array
}

/**
 * How far an outbox entry is. `pending`: made here, not signed. `staged`: signed and kept, so that every
 * resend is the same event. `refused`: the server said no for good. `saved`: durable on the server, but not
 * yet covered by this device's cursor; a server that is set back to a backup now would lose it unnoticed.
 * `confirmed`: it came back from the server; kept only where no document holds the content (training data).
 * `withdrawn`: training data of which the user doesn't agree any more that it is sent; kept to be shown.
 * `unchecked`: nothing that is sent, but a received event that is in the log from `seq` through `throughSeq`, and whose
 * signature has still to be checked.
 */
export type OutboxState = 'pending' | 'staged' | 'refused' | 'saved' | 'confirmed' | 'withdrawn' | 'unchecked'

/** Marks an update that brings back what the server has lost, whoever wrote it. */
export const RESTORE = 'restore'

/** Something the server has still to get. */
export interface OutboxEntry {
  readonly id: string
  /** First in, first out per `lane`. For a document its address, else `training`. */
  readonly lane: string
  /** Order within the lane: the `seq` of the first update it stands for, or its own. */
  readonly seq: number
  /** The last `seq` it stands for; equal to `seq` for one edit. The content is in the log, not here again. */
  readonly throughSeq: number
  /** Edits it stands for: what a user is told is unsent. At least 1. */
  readonly edits: number
  readonly state: OutboxState
  /**
   * JSON of the signed event, an array of them for an edit in parts, or of the template for what is `pending`
   * outside a document. For what is `pending` in a document {@link RESTORE} or empty.
   */
  readonly event: string
  /** Why it was refused; else empty. */
  readonly reason: string
}

/**
 * What of a document's body is on this device. `held`: all of it, as far as the device's cursor goes. `local`: what
 * was made here, while the server may have more. `listed`: nothing but a row in the list. `arriving`: some of it, which
 * is being brought, bit by bit, and goes should that end before all of it is here. `evicted`: nothing, by the app's wish. `deleting`, `deleted`: its owner deleted it for good; with `deleting` its log is still here, because edits
 * of it have not been refused by the server yet, or because it is open.
 */
export type BodyState = 'held' | 'local' | 'listed' | 'arriving' | 'evicted' | 'deleting' | 'deleted'

/** What the device keeps of one document besides its log. */
export interface StoredDocument {
  readonly address: string
  /**
   * JSON of the `Roster`: what the owner decided about members, as far as it is known. A device of an older version
   * kept a list here, of keys in objects with `pubkey` and `extra`.
   */
  readonly members: string
  /** Time of the newest decision in it, Unix seconds; -1 if none was seen. */
  readonly membersStatedAt: number
  /**
   * JSON of the Yjs client ids under which this account has written, as far as this device knows. Only kept
   * for documents of others: nobody else may send what was written under them.
   */
  readonly ownWriters: string
  /**
   * Bytes of the document's events on the server, as JSON, that this device has seen since the last checkpoint,
   * that one included. About: it is not written with every event. -1 where this account must not make a
   * checkpoint, because the document holds what others wrote and the server has lost.
   */
  readonly logBytes: number
  /**
   * About how large a checkpoint of the document is, bytes of the event as JSON: as last seen or made, or more
   * where none should be made before the log has grown. 0 if not known.
   */
  readonly checkpointBytes: number
  readonly body: BodyState
}

/** A row of a query table: `id` and the columns of that table (docs/SPEC.md "Query tables"). */
export type QueryRow = { readonly id: string } & Readonly<Record<string, string | number | boolean | null>>

/** The tables an app may query and observe. They are derived from documents and outbox, and can be rebuilt. */
export type QueryTable = 'chats' | 'messages' | 'settings' | 'training'

/** Rows of one document's log that give way to one with the state of the document. */
export interface LogCompaction {
  readonly address: string
  /**
   * Position of a row of this document: all its rows up to this one go, those of the same batch included, and
   * the new one takes this position. No position is given out for it.
   */
  readonly throughSeq: number
  /** Holds everything that the rows up to `throughSeq` hold. */
  readonly update: Uint8Array
}

/** Which messages of a chat to load: places in the chat, from 0, both included. */
export interface MessageRange {
  readonly from: number
  readonly through: number
}

/** What a search may find. */
export interface RowSearch {
  /** Most rows to find, from 1. */
  readonly limit: number
  /** Only rows of this document. */
  readonly address?: string
  /** No rows of these documents. */
  readonly exclude?: ReadonlySet<string>
}

/** One atomic change: after a crash all of it is there, or nothing (trap C1). */
export interface StoreBatch {
  readonly updates?: readonly StoredUpdate[]
  /** At most one for each document. */
  readonly compactions?: readonly LogCompaction[]
  /**
   * Documents whose bodies leave the device: their updates and their rows of `messages`, as they were before this
   * batch. What the batch itself puts stays.
   */
  readonly evict?: readonly string[]
  /** Entries to add, or to replace by id. */
  readonly outboxPut?: readonly OutboxEntry[]
  readonly outboxDelete?: readonly string[]
  /** Documents to add, or to replace by address. */
  readonly documents?: readonly StoredDocument[]
  /** Rows to add, or to replace by id; ids to delete (deleting a missing row is no error). */
  readonly rows?: readonly {
    readonly table: QueryTable
    readonly put: readonly QueryRow[]
    readonly delete: readonly string[]
  }[]
  /** Values to set by key. */
  readonly meta?: Readonly<Record<string, string>>
}

/** What can be read of the query tables; by a tab that hasn't the database itself, too. */
export type RowReader = Pick<SyncStore, 'loadRows' | 'loadMessages' | 'searchRows'>

/**
 * Where a device keeps everything. Adapters pass the suite in `test/contract/store-contract.ts`.
 * Every method rejects with `STORE_FAILED` when the database is closed, full or broken.
 */
export interface SyncStore {
  /** Tells this place from one that its data was copied to or restored in, where the adapter knows. */
  readonly installId?: string
  /** All key-value pairs: identity, cursor, device id. */
  loadMeta(): Promise<Record<string, string>>
  /** Highest `seq` ever given out among updates and outbox entries; 0 for a new store. */
  lastSeq(): Promise<number>
  loadDocuments(): Promise<StoredDocument[]>
  /**
   * The log of one document, by ascending `seq`. An update that can't be read back as it was written comes
   * empty, which no Yjs update is: its reader sets it aside, and the rest is served (trap Y9).
   */
  loadUpdates(address: string): Promise<StoredUpdate[]>
  /** Updates of one document with `fromSeq <= seq <= throughSeq`, ascending. */
  loadUpdateRange(address: string, fromSeq: number, throughSeq: number): Promise<StoredUpdate[]>
  /** All entries by ascending `seq`. */
  loadOutbox(): Promise<OutboxEntry[]>
  /** All rows of a query table, or those whose column has the value; unordered. */
  loadRows(
    table: QueryTable,
    where?: { readonly column: string; readonly equals: string },
  ): Promise<QueryRow[]>
  /** Rows of a chat's messages by ascending `position`, those of a range; what is outside of it isn't read. */
  loadMessages(address: string, range: MessageRange): Promise<QueryRow[]>
  /**
   * Rows whose title or text holds every word of the query, or begins with it; case and accents make no difference. In
   * scripts without spaces between words it may stand anywhere. Newest first, by last activity or creation.
   */
  searchRows(table: 'chats' | 'messages', query: string, options: RowSearch): Promise<QueryRow[]>
  /** Applies the batch atomically. Resolves when it would survive the process being killed, and on SQLite a power cut. */
  commit(batch: StoreBatch): Promise<void>
  /** Releases the database where the store opened it. Idempotent. */
  close(): Promise<void>
}
