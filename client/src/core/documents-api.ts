import type { Member, Role, Roster } from '@onyx-sync/shared'
import type * as Y from 'yjs'
import type { BodyState, StoredDocument } from '../ports/store.js'
import type { Journal, JournalChange } from './journal.js'
import type { ComingParts } from './part-stream.js'
import type { RemoteUpdate } from './remote-updates.js'

/** What is known of a document without loading it. */
export interface DocumentInfo {
  readonly address: string
  readonly members: readonly Member[]
  /** What the owner decided about members, removals included, as far as it is known here. */
  readonly roster: Roster
  /** See {@link StoredDocument.logBytes}. */
  readonly logBytes: number
  /** See {@link StoredDocument.checkpointBytes}. */
  readonly checkpointBytes: number
  readonly body: BodyState
}

/** What the owner decides about one key. */
export interface MemberDecision {
  readonly pubkey: string
  /** `none` removes it. */
  readonly role: Role | 'none'
}

/** The device's documents: loads, caches, edits and persists them. */
export interface Documents {
  readonly journal: Journal
  /** Resolves when every edit begun so far, also on a `Y.Doc` itself, is durable. Rejects with `STORE_FAILED`. */
  flush(): Promise<void>
  list(): readonly DocumentInfo[]
  info(address: string): DocumentInfo | undefined
  /** Looks at a document, loaded for as long as `look` runs. It must not keep the document. */
  read<T>(address: string, look: (doc: Y.Doc) => T): Promise<T>
  /** The document, kept loaded until released: every edit and every remote update changes this very object. */
  open(address: string): Promise<OpenDocument>
  /**
   * Changes a document in one transaction. Resolves with what `change` returned once the edit is durable on
   * this device; rejects with `STORE_FAILED` when it isn't (it is then kept in memory, and retried with the
   * next write). If `change` throws before it changed something, nothing happened. `origin` is the transaction's,
   * for whoever tells edits apart, as undo does.
   */
  edit<T>(address: string, change: (doc: Y.Doc) => T, origin?: unknown): Promise<T>
  /**
   * Applies updates and records them as received. Resolves when durable, together with what `settle` adds in
   * the last batch; the number of updates set aside because they were not what their author signed is
   * returned. What is much goes in several batches, in order and with turns between them: should the device end in
   * between, the rest of it comes again. Documents whose body this device doesn't hold are left alone, unless `accepts`
   * says otherwise.
   */
  applyRemote(
    updates: readonly RemoteUpdate[],
    settle: () => JournalChange,
    accepts?: (address: string) => boolean,
  ): Promise<number>
  /**
   * Applies the parts of a state as they come, for a document whose body isn't here; it counts as arriving until
   * {@link Documents.applyRemote} brings an update of it with nothing more in it. Where not all came, or it isn't wanted any
   * more, what was applied leaves again. Rejects where a part can't be applied.
   * @returns undefined then; else it stays loaded until what is returned is called: if it is arriving still, it leaves
   */
  applyAsItComes(address: string, parts: ComingParts): Promise<(() => Promise<void>) | undefined>
  /** Writes the document's query rows anew, all of them, and deletes those it has no more. Resolves when durable. */
  rebuildRows(address: string): Promise<void>
  /** Bytes of a document's state as a Yjs update. */
  sizeOf(address: string): Promise<number>
  /** Takes note of what of a document's body is here, with the next batch; makes the document known. */
  setBody(address: string, body: BodyState): void
  /** Marks a document as deleted for good: with the next batch its rows say so, and its messages have none. */
  markDeleted(address: string, deletedAtMs: number): void
  /**
   * Lets a document's body leave the device with the next batch: its log and its rows. @returns false, and does
   * nothing, while the document is open, or changing. Whether all of it is saved is for the caller to know.
   */
  dropBody(address: string, body: 'listed' | 'evicted' | 'deleted'): boolean
  /** Documents of which something is missing: an update that others wait for, or a row that can't be read. */
  incomplete(): readonly string[]
  /** The whole log of a document came from the server, and all of it is applied. */
  refetched(address: string): void
  /** The server sends everything again: what it has is counted anew. */
  forgetLogBytes(): void
  /** Takes note of how large a checkpoint of a document is, or of how large to take it for. */
  noteCheckpointBytes(address: string, bytes: number): void
  /**
   * What this account has to send of a document to a server that was set back, given what the server has;
   * undefined if nothing. Of its own documents an account sends everything, of others' what it has written
   * itself: anything else the server would refuse as forged (trap Y6).
   */
  missingOn(server: Y.Doc, address: string): Promise<Uint8Array | undefined>
  /** An edit of this device that was queued a moment ago, by its position in the log; undefined for any other. */
  recentEdit(seq: number): Uint8Array | undefined
  /** Queues an update that is in the document already, so that the server gets it (after a reset). */
  sendAgain(address: string, update: Uint8Array): void
  /**
   * Decides about members of a document that this account owns; the next event says so. Resolves once that is
   * durable here, together with `alongside`. Rejects with `TOO_LARGE` where that would be too many.
   */
  decideMembers(
    address: string,
    decisions: readonly MemberDecision[],
    alongside?: JournalChange,
  ): Promise<void>
  /** Begins no upkeep of its own any more: the store is about to be closed. */
  stop(): void
}

/** A document that stays loaded. */
export interface OpenDocument {
  readonly doc: Y.Doc
  /** As {@link Documents.edit}, but the change is made before this returns; what `change` throws is thrown. */
  edit<T>(change: (doc: Y.Doc) => T, origin?: unknown): Promise<T>
  /** Lets the document be unloaded again. Idempotent. */
  release(): void
}
