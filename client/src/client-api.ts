import type { Clock, EventVerifier, Limits, Logger, Random, Signer, SyncErrorCode } from '@onyx-sync/shared'
import type * as Y from 'yjs'
import type { CheckpointOptions } from './core/checkpointer.js'
import type { CompactionOptions } from './core/compaction.js'
import type { HoldChoice } from './core/hold-choice.js'
import type { EditState, RefusedEntry, RefusedExport } from './core/outbox-queries.js'
import type { DocumentPresence } from './core/presence-room.js'
import type { SyncMode } from './core/server-info.js'
import type { TrustPolicy } from './core/server-trust.js'
import type { ConnectionState } from './core/session-api.js'
import type { CheckingPolicy } from './core/unchecked.js'
import type { Chats } from './model/chats-api.js'
import type { ImportReport } from './model/import/import-chats.js'
import type { ImportedChat } from './model/import/imported-chat.js'
import type { Settings } from './model/settings.js'
import type { Training } from './model/training.js'
import type { SyncStore } from './ports/store.js'
import type { Transport } from './ports/transport.js'

/** What a device is made of. */
export interface SyncClientOptions {
  /** Where everything is kept, one account per database: `watermelonStore(database)`. Closed with the client. */
  readonly store: SyncStore
  /** Holds the account's key. Only asked to sign when there is a connection. */
  readonly signer: Signer
  /** The server's address, `ws(s)://host[:port]/sync`. Without one the device works wholly offline. */
  readonly url?: string
  /**
   * Whether `ws:` may be used to another machine, which is not encrypted. For networks that are: a VPN, Tor.
   * @default false: `CONNECTION_INSECURE`, except for loopback
   */
  readonly allowInsecure?: boolean
  /**
   * Whom to believe that something is a document's merged state. `'server'`: its key, pinned at the first
   * contact; a new device then checks a few signatures instead of thousands. `'authors'`: only what authors
   * signed. @default 'server'
   */
  readonly trust?: TrustPolicy
  /** The server's own key (NIP-11 `self`), 64 lower-case hex characters. @default the one it names first */
  readonly serverKey?: string
  /**
   * What to do with a relay that may keep only the newest event of each address. `'use'`: sync by whole states,
   * slower and with more data; `status.mode` says `'plain'`. Such a relay may show everything to anybody.
   * `'refuse'`: stop with `RELAY_UNSUITABLE`. @default 'use'
   */
  readonly plainRelays?: 'use' | 'refuse'
  /** @default the platform's WebSocket and fetch; on Node 20 `createNodeTransport()` of the `/node` entry */
  readonly transport?: Transport
  /**
   * Checks received events before they are applied; on Node take `createNodeVerifier()` of the `/node` entry, many times as
   * fast. @default noble's BIP-340 in JavaScript
   */
  readonly verifier?: EventVerifier
  /**
   * When signatures of received events are checked, see {@link CheckingPolicy}. `'idle'` shows edits of the account's own
   * devices sooner where a check takes long, as in a phone's JavaScript engine. Should one of them turn out forged, the
   * device takes it out, closes, and says `EVENT_FORGED` ({@link SyncClient.onProblem}): open it anew. @default 'before'
   */
  readonly checking?: CheckingPolicy
  /** @default the platform's */
  readonly clock?: Clock
  /** @default Web Crypto */
  readonly random?: Random
  /** @default silent */
  readonly logger?: Logger
  /** @default {@link DEFAULT_LIMITS} */
  readonly limits?: Limits
  /** How soon a connection that looks open and is dead gets noticed. @default after 25 s, within 10 s */
  readonly heartbeat?: Heartbeat
  /** How edits are gathered into events. @default 3 at once, then one every 500 ms */
  readonly batching?: Batching
  /**
   * When this device publishes the state of a document, so that the server can drop the events it stands for.
   * Each asks the signer once: `false` where that is a bother, and another device does it.
   * @default for a log of 32 KiB that is three times as large as the state
   */
  readonly checkpoints?: CheckpointOptions | false
  /** When a document's rows in the log are replaced by one. For tests only: the defaults fit any device. */
  readonly compaction?: CompactionOptions
  /**
   * Which documents this device holds; of the others it has the list, where the server offers that. Can be changed
   * with {@link SyncClient.hold}. @default as chosen before; `'all'` on a new device
   */
  readonly hold?: HoldChoice
  /**
   * An id of this install that is kept outside of the database, such as in SecureStore. A database that another install
   * has used is a copy, and gets a device id of its own. @default what the store knows: on Node, which file it is
   */
  readonly installId?: string
  /** For tests only: documents kept loaded besides those in use. @default 32 */
  readonly maxLoadedDocuments?: number
  /** For tests only, see `OutboxOptions.inFlightPerLane`. @default 1 */
  readonly inFlightPerDocument?: number
}

/**
 * Asks the server for a sign of life when it has been silent (trap C9). Shorter finds a dead connection sooner
 * and wakes a phone's radio more often; longer than a minute, and routers on the way forget the connection.
 */
export interface Heartbeat {
  /** Silence on a live connection after which the server is asked. Milliseconds, above 0. @default 25_000 */
  readonly afterMs?: number
  /** How long the answer may take before the connection is replaced. Milliseconds, above 0. @default 10_000 */
  readonly timeoutMs?: number
}

/**
 * Gathers a document's edits into few events: each costs a signature here, room on the server for good, and a
 * check on every other device. Edits are durable on this device at once, whatever this says; and while
 * somebody waits in {@link SyncClient.synced} or {@link SyncClient.saved}, nothing is held back.
 */
export interface Batching {
  /** Events of one document that may follow each other at once, after a pause. A whole number from 1. @default 3 */
  readonly burst?: number
  /**
   * How long a document then waits before each further event. Where signing is slow it waits longer, twenty
   * times what a signature takes, but never more than 5 s for that. Longer makes fewer events, shorter shows
   * others sooner what is being written; 0 sends as fast as the server answers. Milliseconds. @default 500
   */
  readonly intervalMs?: number
}

/** How a device stands. A new object for every change, the same one until then. */
export interface SyncStatus {
  readonly connection: ConnectionState
  /**
   * Edits that are on this device only. 0 means: everything is on the server's disk, or was refused. At a plain
   * relay each document of which the relay lacks something else counts as one more.
   */
  readonly unsent: number
  /** Edits that the server refused; see {@link SyncClient.refused}. */
  readonly refused: number
  /**
   * Whether everything that the server has is applied, stored here and checked, on the connection that is live now; of
   * what this device holds.
   */
  readonly isCaughtUp: boolean
  /** What is in the way, or what went wrong last; undefined when all is well. */
  readonly problem: { readonly code: SyncErrorCode; readonly message: string } | undefined
  /** When the next attempt to connect is due, milliseconds since the epoch; only while waiting. */
  readonly retryAtMs: number | undefined
  /**
   * How this device syncs with its server. `'sync'`: the server keeps every update. `'plain'`: it is a relay that
   * may keep only the newest event of each address, so devices sync by whole states there. Undefined as long as
   * the server hasn't said; between connections what it was last.
   */
  readonly mode: SyncMode | undefined
  /** The server's position that this device has reached; empty before the first catch-up. Opaque. */
  readonly cursor: string
  /** Documents on this device, those included that are only listed. */
  readonly documents: number
  /** While a device catches up by merged states: documents it has, of those that changed. */
  readonly progress: { readonly done: number; readonly total: number } | undefined
  /** Received events that were set aside because they weren't what an author signed. */
  readonly setAside: number
}

/** Names one edit of this device. */
export interface EditRef {
  readonly address: string
  /** Position in the device's log. */
  readonly seq: number
}

/** One device of one account. Reads and writes are local, always; the network only brings devices together. */
export interface SyncClient {
  /** The account: 64 lower-case hex characters. */
  readonly pubkey: string
  /** This install: random, made once with the database. */
  readonly deviceId: string
  readonly chats: Chats
  readonly settings: Settings
  readonly training: Training
  /**
   * The `Y.Doc` of any document of the account by its address, settings included, kept loaded until released. One that
   * isn't there begins empty, and is there once it is edited. Its edits are stored and sent like any other.
   */
  openDocument(address: string): Promise<{ readonly doc: Y.Doc; release(): void }>
  /**
   * Puts chats from elsewhere into the account's, as `readImport` or `importOnyx` give them. Twice is the same as once,
   * also on two devices that are offline. Resolves when everything is durable on this device.
   */
  import(chats: readonly ImportedChat[]): Promise<ImportReport>
  /**
   * Makes the query tables anew from what they are derived from. Happens by itself after an update of this package that
   * changes them. @returns how many documents it were
   */
  rebuild(): Promise<number>
  /**
   * Who is in a document now, by its address, on which devices, and what they do; and what is told of this one.
   * For as long as there is a connection, and never stored. Call `leave()` on it when the document is no longer
   * shown. Throws `VALUE_INVALID` for what is no address, and `CLIENT_CLOSED`.
   */
  presence(address: string): DocumentPresence
  readonly status: SyncStatus
  /** Calls back on every change of {@link SyncClient.status}. @returns a function that ends it */
  onStatus(listener: (status: SyncStatus) => void): () => void
  /** Begins to sync, and keeps at it until {@link SyncClient.disconnect}. */
  connect(): void
  disconnect(): void
  /**
   * Call when the app comes to the foreground or the network changes: tries at once where it was waiting, and
   * finds out quickly whether a connection that looks open is dead.
   */
  wake(): void
  /**
   * Resolves with true once this device is caught up and nothing is unsent; with false when `timeoutMs` is
   * over or the server won't be reached any more. Needs {@link SyncClient.connect}.
   */
  synced(options?: { readonly timeoutMs?: number }): Promise<boolean>
  /**
   * Chooses anew which documents this device holds. Resolves when the choice is kept; bodies come, and go, when
   * there is a connection, and go only when all of them is saved. Rejects with `VALUE_INVALID` or `STORE_FAILED`.
   */
  hold(choice: HoldChoice): Promise<void>
  /** Resolves when every edit made so far, also on a `Y.Doc` itself, is durable here. Rejects with `STORE_FAILED`. */
  flush(): Promise<void>
  /** The newest edit that this device made to a document; keep it to ask for its state later, also after a restart. */
  lastEdit(address: string): EditRef
  /** How far one edit is, or with an address everything of a document. */
  stateOf(edit: EditRef | string): EditState
  /**
   * Resolves with true once every edit made before the call is on the server's disk; with false when
   * `timeoutMs` is over, or when one of them was refused. Waits for a connection if need be.
   */
  saved(options?: { readonly timeoutMs?: number }): Promise<boolean>
  /**
   * What would be left behind if the app were closed or the account logged out now; undefined when nothing
   * would. `message` is for people: "3 edits not saved yet".
   */
  unsaved():
    | { readonly edits: number; readonly documents: readonly string[]; readonly message: string }
    | undefined
  /** Calls back when the device's clock, its key or its disk is what is in the way, once per occurrence. */
  onProblem(listener: (problem: NonNullable<SyncStatus['problem']>) => void): () => void
  /** What the server refused, with its reason. */
  refused(): RefusedEntry[]
  /** What the server refused, with its content, for the user to keep elsewhere. */
  exportRefused(): RefusedExport[]
  /** Sends again what was refused. */
  retryRefused(): void
  /**
   * Closes this device because its user leaves. Rejects with `UNSAVED_EDITS`, and changes nothing, while something is on
   * this device only, unless `discard` says that it may be lost. Deleting the database is up to the app.
   */
  logOut(options?: { readonly discard?: boolean }): Promise<void>
  /** Writes what is still waiting, disconnects, and closes the store. */
  close(): Promise<void>
}
