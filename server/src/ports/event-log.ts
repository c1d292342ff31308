import type { Member } from '@onyx-sync/shared'

/** One event as the log keeps it. */
export interface LoggedEvent {
  /** Position in the log: 1, 2, 3 … without gaps among committed events. Given by the log's writer. */
  readonly seq: number
  readonly id: string
  readonly pubkey: string
  readonly kind: number
  readonly createdAt: number
  /** Canonical JSON of the event. */
  readonly json: string
  /** Address of the document the event belongs to; undefined for events of no document (kind 1). */
  readonly address: string | undefined
  /** Whose it is: the document's owner, else the author. */
  readonly owner: string
  /** Keys in whose feed it appears: owner and members at the time of writing. */
  readonly readers: readonly string[]
}

/** What the log knows of one document. */
export interface DocumentRecord {
  readonly address: string
  readonly owner: string
  /** Members by the owner's newest event, the owner not among them. */
  readonly members: readonly Member[]
  /** `created_at` of the owner's event that stated the members; -1 before there is one. */
  readonly membersStatedAt: number
  /** Position of the document's newest event. */
  readonly headSeq: number
  /** Events in the document's log. */
  readonly eventCount: number
  /** Bytes of their JSON. */
  readonly byteCount: number
}

/** A key that became a member: from this position on, the whole document is news to it. */
export interface Grant {
  readonly reader: string
  readonly address: string
  readonly seq: number
}

/**
 * A stretch of the log that one run of a server wrote. A log that is set back to a backup goes on in another
 * epoch than the one it had, so a position together with its epoch names one place in one history.
 */
export interface Epoch {
  /** Random, 16 hex characters. */
  readonly id: string
  /** Position of its first event. */
  readonly fromSeq: number
}

/** One atomic write: all of it is on disk or none. */
export interface Commit {
  /** In log order, positions following `head` without a gap. */
  readonly events: readonly LoggedEvent[]
  /** The epoch that begins with the first of these events; absent where the current one goes on. */
  readonly epoch?: Epoch
  /** New versions of the records of every document touched. */
  readonly documents: readonly DocumentRecord[]
  /** Keys that gained a document. */
  readonly grants: readonly Grant[]
  /** Keys that lost one: the document is no longer among what they may query. */
  readonly revocations: readonly { readonly reader: string; readonly address: string }[]
}

/** A place in an index: enough to order and to page without loading the event. */
export interface IndexEntry {
  readonly seq: number
  readonly id: string
  readonly created_at: number
}

/**
 * The log of signed events and the indexes that are derived from it. Positions come from the log itself; the
 * rest is a projection that could be rebuilt from it. One process has it open.
 */
export interface EventLog {
  /** Names this database for cursors: random, made once. A copy or a backup keeps it. */
  readonly databaseId: string
  /** Position of the newest durable event; 0 when empty. */
  readonly head: number
  /** Epochs that have events, oldest first. */
  readonly epochs: readonly Epoch[]
  /** The server's own secret key, 32 bytes, made once with the database. Never leaves the process. */
  readonly serverSecretKey: Uint8Array

  /** For each id, whether the log holds that event. */
  has(ids: readonly string[]): Promise<boolean[]>
  documents(addresses: readonly string[]): Promise<(DocumentRecord | undefined)[]>
  /** Resolves when everything would survive a power cut (fsync). On rejection nothing of it is visible. */
  commit(commit: Commit): Promise<void>

  /** JSON of events by position, in the order asked for; undefined where there is none. */
  load(seqs: readonly number[]): Promise<(string | undefined)[]>
  /** Positions of events by id; undefined where there is none. */
  locate(ids: readonly string[]): Promise<(number | undefined)[]>
  /** One key's feed, `after < seq <= through`, ascending. */
  feed(reader: string, after: number, through: number): AsyncIterable<number>
  /** Grants of one key, `after < seq <= through`, ascending. */
  grants(reader: string, after: number, through: number): Promise<Grant[]>
  /** Positions of a document's log, ascending, up to and including `through`. */
  documentLog(address: string, through: number): AsyncIterable<IndexEntry>
  /** Everything one owner has of one kind, newest first, equal times by lowest id, `since`/`until` inclusive. */
  ownerLog(owner: string, kind: number, since: number, until: number): AsyncIterable<IndexEntry>
  /** Addresses of the documents of others that a key may read now. */
  sharedWith(reader: string): Promise<string[]>

  /** Waits for a commit under way, then releases the database. */
  close(): Promise<void>
}
