import type { DocumentSummary, Member, Roster } from '@onyx-sync/shared'

/**
 * Stands among readers for every key that may use the server. Longer than a key, so that no key is taken for it, and
 * none of its entries lies among those of a key.
 */
export const EVERYBODY = 'ff'.repeat(33)

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
  /** When it expires (NIP-40), Unix seconds; absent where it doesn't. Never of a document's event. */
  readonly expiresAt?: number
  /** Its readers find it by kind, whoever's it is: an event of a kind that is served by NIP-01's plain rules. */
  readonly isListed?: true
  /** What names it, `kind:pubkey:identifier`, where a newer one of the same name takes its place. */
  readonly coordinate?: string
}

/** What the log knows of one document. */
export interface DocumentRecord {
  readonly address: string
  readonly owner: string
  /** Members by what the owner decided, by key; the owner is not among them. */
  readonly members: readonly Member[]
  /** What the owner decided, removals included. */
  readonly roster: Roster
  /**
   * Positions of the owner's events that say so: of the newest for the time from which on the roster is known, then
   * for each of its entries; 0 before there is one. None of them is superseded.
   */
  readonly rosterSeqs: readonly number[]
  /** Position of the event that last changed any of it; 0 if there never was one. */
  readonly rosterSeq: number
  /** Position of the document's newest event. */
  readonly headSeq: number
  /**
   * Position of the newest event that changed something, be it content or members. A checkpoint that only
   * repeats what is there comes later and is no news to anybody who has read up to here, but counts as a change where somebody
   * was reading the document when it was stored.
   */
  readonly contentSeq: number
  /** Events in the document's log. */
  readonly eventCount: number
  /** Bytes of their JSON. */
  readonly byteCount: number
  /**
   * The event that deleted the document for good. The record is all that is left then: it has no events, and its
   * members are those who could read it and may know that it is gone.
   */
  readonly deleted?: IndexEntry
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

/** The key that a Yjs client id belongs to in one document. */
export interface Writer {
  readonly address: string
  /** 32 bits. */
  readonly clientId: number
  readonly pubkey: string
}

/** A document's events that a checkpoint stands for: they leave the log, and their ids stay known for a while. */
export interface Superseded {
  readonly address: string
  readonly events: readonly IndexEntry[]
  /** In whose feeds they are, as far as that is known: what is left behind in others' is passed over. */
  readonly readers: readonly string[]
}

/** An event of no document that leaves the log, for good or because another takes its place. */
export interface WithdrawnEvent extends IndexEntry {
  readonly kind: number
  readonly owner: string
  readonly readers: readonly string[]
  readonly expiresAt?: number
  readonly isListed?: true
  readonly coordinate?: string
}

/** An event that its author deleted, known here or not: it is never taken again from that author. */
export interface DeletedId {
  readonly pubkey: string
  readonly id: string
  /** Position of the deletion request. */
  readonly seq: number
}

/** A key that asked to vanish: nothing that it signed up to a time is taken again. */
export interface Vanished {
  readonly pubkey: string
  /** Unix seconds. */
  readonly until: number
  /** Position of the request. */
  readonly seq: number
}

/** A replaceable or addressable event that its author deleted by its name: none up to a time is taken again. */
export interface DeletedCoordinate {
  /** `kind:pubkey:identifier`. */
  readonly coordinate: string
  /** Unix seconds. */
  readonly until: number
  /** Position of the deletion request. */
  readonly seq: number
}

/** What the log knows of the events of one name. */
export interface CoordinateState {
  /** The newest; undefined where there is none. */
  readonly current: IndexEntry | undefined
  /** Up to when they were deleted, Unix seconds; undefined where nobody asked for that. */
  readonly deletedUntil: number | undefined
}

/** Where a reader's newest change of a document moves to, in the order of changes. */
export interface Move {
  readonly reader: string
  readonly address: string
  /** Where it was; undefined if the reader had none. */
  readonly from: number | undefined
  /** Where it is now; undefined if the reader lost the document. */
  readonly to: number | undefined
}

/** Names the parts that are one edit. */
export interface PartGroup {
  readonly author: string
  readonly address: string
  /** As the `part` tag names it: 8–64 hex characters. */
  readonly group: string
}

/** A part of an edit whose other parts have not all arrived: durable and known, but in no log yet. */
export interface HeldPart extends PartGroup {
  readonly index: number
  readonly id: string
  /** Canonical JSON of the event. */
  readonly json: string
}

/** What is known of a part that is held, without reading it. */
export interface HeldPlace {
  readonly index: number
  readonly id: string
  /** Bytes of its JSON. */
  readonly bytes: number
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
  /** Client ids that belong to somebody from now on. */
  readonly writers?: readonly Writer[]
  readonly moves?: readonly Move[]
  readonly superseded?: readonly Superseded[]
  readonly held?: readonly HeldPart[]
  /** Groups whose parts are complete, and among `events`, or given up. */
  readonly released?: readonly PartGroup[]
  /**
   * Documents that are deleted for good, which `documents` say: their events, their ids, whom client ids belong
   * to, parts that wait, and what is derived of them all go. A state or summary that is kept meanwhile does, too.
   */
  readonly deletedDocuments?: readonly { readonly address: string; readonly readers: readonly string[] }[]
  readonly withdrawn?: readonly WithdrawnEvent[]
  readonly deletedIds?: readonly DeletedId[]
  /** Ids that count as deleted no more. */
  readonly forgottenIds?: readonly { readonly pubkey: string; readonly id: string }[]
  readonly vanished?: readonly Vanished[]
  readonly deletedCoordinates?: readonly DeletedCoordinate[]
  /** Names that count as deleted no more. */
  readonly forgottenCoordinates?: readonly string[]
}

/** Merged state of a document as it was kept: derived from its log, and as good as rebuilt. */
export interface KeptState {
  /** Every event up to this position is in it. */
  readonly throughSeq: number
  /** Yjs updates, format V1, that together are the whole state: one, or pieces of it as they are sent (SPEC RPL4). */
  readonly updates: readonly Uint8Array[]
}

/** Summary of a document as it was kept: derived from its log, and as good as made anew. */
export interface KeptSummary {
  /** Every event up to this position is in it. */
  readonly throughSeq: number
  readonly summary: DocumentSummary
}

/** Entries in their order, page by page: what comes next is read when somebody asks for it. */
export type Pages<T> = AsyncIterable<readonly T[]>

/** Entries in a page of what a log lists: first so many, since a question may want only a few. One of fewer is the last. */
export const MIN_PAGE_ENTRIES = 16
/** And at most so many. */
export const MAX_PAGE_ENTRIES = 64

/** A place in an index: enough to order and to page without loading the event. */
export interface IndexEntry {
  readonly seq: number
  readonly id: string
  readonly created_at: number
}

/**
 * How many ids of superseded events a log knows at least, per document: a resend of one of them is still a
 * duplicate. One that comes later than that is stored again, which doubles nothing in the document.
 */
export const KEPT_SUPERSEDED_IDS = 512

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

  /** For each id, whether the log holds that event, held it until it was superseded, or holds it as a part. */
  has(ids: readonly string[]): Promise<boolean[]>
  /** Undefined for a document that was never there. Rejects with `SyntaxError` where what is known of one is damaged. */
  documents(addresses: readonly string[]): Promise<(DocumentRecord | undefined)[]>
  /** For each event, whether its author deleted it. */
  areDeleted(events: readonly { readonly pubkey: string; readonly id: string }[]): Promise<boolean[]>
  /** For each key, up to when it wanted everything gone, Unix seconds; undefined where it asked for no such thing. */
  vanishedUntil(pubkeys: readonly string[]): Promise<(number | undefined)[]>
  /** Resolves when everything would survive a power cut (fsync). On rejection nothing of it is visible. */
  commit(commit: Commit): Promise<void>

  /** Whom client ids of documents belong to, in the order asked for; undefined where nobody is known. */
  writers(clients: readonly Omit<Writer, 'pubkey'>[]): Promise<(string | undefined)[]>
  /** All client ids of a document that belong to somebody, ascending. */
  writersOf(address: string): Pages<Writer>
  /** The parts that are held of a group, by ascending index. */
  heldParts(group: PartGroup): Promise<readonly HeldPlace[]>
  /** JSON of a part that is held; undefined if there is none. */
  loadHeld(group: PartGroup, index: number): Promise<string | undefined>
  /** All groups of an author of which parts are held, with the bytes of their JSON; in no order. */
  heldGroups(author: string): Promise<(PartGroup & { readonly bytes: number })[]>

  /**
   * JSON of events by position, in the order asked for; undefined where there is none. Where they are large, of the first
   * ones only: at least one, and few more than have `maxLength` characters together.
   *
   * @param maxLength @default Infinity, so all of them
   */
  load(seqs: readonly number[], maxLength?: number): Promise<(string | undefined)[]>
  /** Positions of events by id; undefined where there is none, or no more. */
  locate(ids: readonly string[]): Promise<(number | undefined)[]>
  /** One key's feed, `after < seq <= through`, ascending. */
  feed(reader: string, after: number, through: number): Pages<number>
  /** Position of the newest entry in one key's feed, `seq <= through`; 0 if there is none. */
  lastInFeed(reader: string, through: number): Promise<number>
  /** Grants of one key, `after < seq <= through`, ascending. */
  grants(reader: string, after: number, through: number): Promise<Grant[]>
  /**
   * Documents that changed for a reader after a position, each once, ascending by the position of their newest
   * event. What a reader gained in that range is among them.
   */
  changedDocuments(reader: string, after: number): Pages<{ readonly address: string; readonly seq: number }>
  /** A document's log, ascending, `after < seq <= through`. */
  documentLog(address: string, after: number, through: number): Pages<IndexEntry>
  /** Everything one owner has of one kind, newest first, equal times by lowest id, `since`/`until` inclusive. */
  ownerLog(owner: string, kind: number, since: number, until: number): Pages<IndexEntry>
  /** Training contributions of all authors, newest first, equal times by lowest id, `since`/`until` inclusive. */
  training(since: number, until: number): Pages<IndexEntry>
  /** Positions of training contributions of all authors, `after < seq <= through`, ascending. */
  trainingFeed(after: number, through: number): Pages<number>
  /** Everything of one kind that is listed for a reader, or {@link EVERYBODY}; ordered and bounded as an owner's. */
  listed(reader: string, kind: number, since: number, until: number): Pages<IndexEntry>
  /** What is known of names of replaceable and addressable events, in the order asked for. */
  coordinates(names: readonly string[]): Promise<CoordinateState[]>
  /** Everything of one owner, of all kinds, in no order. */
  ownedBy(owner: string): Pages<IndexEntry>
  /** Events that expire up to a time, Unix seconds, ascending by it. Also those that have and are still here. */
  expiring(through: number): Pages<{ readonly expiresAt: number; readonly seq: number }>
  /** Addresses of the documents of others that a key may read now. */
  sharedWith(reader: string): Promise<string[]>

  /** Addresses of all documents; for checking the whole database, not for serving. */
  allDocuments(): Pages<string>
  /** What {@link keepState} kept last; undefined if nothing, or nothing readable. */
  keptState(address: string): Promise<KeptState | undefined>
  /** Keeps a document's merged state, in the order of the calls; a power cut may lose it. Not of a deleted one. */
  keepState(address: string, state: KeptState): Promise<void>
  /** What {@link keepSummary} kept last of each document; undefined if nothing, or nothing readable. */
  keptSummaries(addresses: readonly string[]): Promise<(KeptSummary | undefined)[]>
  /** Keeps a document's summary, in the order of the calls; a power cut may lose it. Not of a deleted one. */
  keepSummary(kept: KeptSummary): Promise<void>

  /** Waits for a commit under way, then releases the database. */
  close(): Promise<void>
}
