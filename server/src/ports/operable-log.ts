import type { Epoch } from './event-log.js'
import type { EntryOf, InspectableLog, LogEntry, LogIndex, UnreadableEntry } from './inspectable-log.js'

/** A log as it is at one moment, whatever is written meanwhile. Holds disk space until it is closed. */
export interface LogSnapshot {
  /** Position of the newest event at that moment; 0 when empty. */
  readonly head: number
  /** Epochs that had events, oldest first. */
  readonly epochs: readonly Epoch[]
  /** All entries of one index, in the order of {@link InspectableLog.scan}. */
  scan<I extends LogIndex>(index: I): AsyncIterable<EntryOf<I> | UnreadableEntry>
  /** Positions at which there are events, `seq <= through`, ascending. */
  positions(through: number): AsyncIterable<number>
  /** Events as they lie in the log, `after < seq`, ascending. The JSON may be damaged. */
  events(after: number): AsyncIterable<{ readonly seq: number; readonly json: string }>
  close(): Promise<void>
}

/** What the files of a log take on disk. */
export interface DiskUse {
  /** Bytes of all files together. */
  readonly bytes: number
  readonly files: number
}

/** A log on disk that its operator can copy while it is used, measure, and tidy. */
export interface OperableLog extends InspectableLog {
  snapshot(): Promise<LogSnapshot>
  diskUse(): Promise<DiskUse>
  /** Rewrites the files without what was deleted or replaced. Reads and writes go on, more slowly. */
  compact(): Promise<void>
}

/** How far a restore has come; kept with what it has written. */
export interface RestoreProgress {
  /** Names the backup that is restored: SHA-256 of its manifest, hex. */
  readonly backup: string
  /** Files of the backup that are in as a whole. */
  readonly files: number
  /** Lines of the next one that are in. */
  readonly lines: number
  /** Events that are in. */
  readonly events: number
  /** Events that were left out, because they are not what their author signed. */
  readonly refused: number
}

/** Who a restored log is. */
export interface LogIdentity {
  readonly databaseId: string
  /** 32 bytes. */
  readonly serverSecretKey: Uint8Array
  readonly epochs: readonly Epoch[]
}

/** A new log that is filled from a backup. No server opens it before it is finished. */
export interface RestoreTarget {
  /** What an earlier run has brought in; undefined for a new one. */
  readonly progress: RestoreProgress | undefined
  /** Atomic and durable together with the progress. */
  write(entries: readonly LogEntry[], progress: RestoreProgress): Promise<void>
  /** Gives the log its identity, and opens it for checking. It stays unfinished. */
  open(identity: LogIdentity): Promise<OperableLog>
  /** Nothing is missing: from now on it is a log like any other. Durable. */
  finish(): Promise<void>
  close(): Promise<void>
}
