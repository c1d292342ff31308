import type {
  DeletedCoordinate,
  DeletedId,
  DocumentRecord,
  EventLog,
  Grant,
  HeldPart,
  IndexEntry,
  Vanished,
  Writer,
} from './event-log.js'

/** What a log and its indexes consist of, entry by entry. */
export interface LogEntries {
  /** The log itself: the JSON may be damaged. */
  readonly event: { readonly seq: number; readonly json: string }
  /** What is known of an id: the position of its event, or why it has none. */
  readonly id: { readonly id: string; readonly place: number | 'superseded' | 'held' }
  /** Remembers when an id was superseded, so that it is forgotten in that order. Not every log needs it. */
  readonly supersededId: { readonly address: string; readonly seq: number; readonly id: string }
  readonly feed: { readonly reader: string; readonly seq: number }
  readonly grant: Grant
  readonly documentLog: IndexEntry & { readonly address: string }
  readonly ownerLog: IndexEntry & { readonly owner: string; readonly kind: number }
  /** A training contribution among those of all authors: by its time, and by its position. */
  readonly training: IndexEntry
  readonly trainingFeed: { readonly seq: number }
  readonly listed: IndexEntry & { readonly reader: string; readonly kind: number }
  /** The newest event of a name. */
  readonly coordinate: IndexEntry & { readonly coordinate: string }
  readonly deletedCoordinate: DeletedCoordinate
  /** Undefined where it is damaged. */
  readonly record: { readonly address: string; readonly record: DocumentRecord | undefined }
  /** A document of somebody else that a key may read now. */
  readonly shared: { readonly reader: string; readonly address: string }
  /** A reader's documents by their newest event. */
  readonly change: { readonly reader: string; readonly seq: number; readonly address: string }
  readonly writer: Writer
  readonly deletedId: DeletedId
  readonly vanished: Vanished
  readonly expiry: { readonly expiresAt: number; readonly seq: number }
  readonly held: { readonly part: HeldPart }
  /** Where the merged state of a document is kept. */
  readonly state: { readonly address: string }
}

export type LogIndex = keyof LogEntries

/** An entry with the name of its index. */
export type EntryOf<I extends LogIndex> = I extends LogIndex ? { readonly index: I } & LogEntries[I] : never

/** An entry of any index. */
export type LogEntry = EntryOf<LogIndex>

/** An entry that is not of the form its index has. */
export interface UnreadableEntry {
  readonly index: 'unreadable'
  readonly of: LogIndex
  /** Its key, as hex. */
  readonly key: string
}

/** What follows from the events and may be written anew. Events, parts and writers are no such thing. */
export type DerivedEntry = EntryOf<Exclude<LogIndex, 'event' | 'held' | 'writer'>>

/** Entries that say all they say in a few fields, so that one can ask for them as a whole. */
export type PlaceEntry = Exclude<DerivedEntry, EntryOf<'record' | 'state'>>

/** Changes to what is derived. Drops come first; a put replaces what is under the same key. */
export interface Mending {
  readonly drop: readonly (DerivedEntry | UnreadableEntry)[]
  readonly put: readonly (PlaceEntry | EntryOf<'record'>)[]
}

/** An event log that can be looked at entry by entry, and mended. For checking it, not for serving. */
export interface InspectableLog extends EventLog {
  /**
   * All entries of one index, as they were when the reading began. Events come by ascending position; those
   * of one address or reader come together, and of these by ascending position.
   */
  scan<I extends LogIndex>(index: I): AsyncIterable<EntryOf<I> | UnreadableEntry>
  /** For each entry, whether the index has it, equal in every field. */
  hasEntries(entries: readonly PlaceEntry[]): Promise<boolean[]>
  /** Atomic and durable, like a commit. */
  mend(mending: Mending): Promise<void>
}
