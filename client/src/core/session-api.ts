import type {
  Clock,
  DocumentAddress,
  Logger,
  Random,
  RelayMessage,
  Signer,
  SyncErrorCode,
} from '@onyx-sync/shared'
import type { Transport } from '../ports/transport.js'
import type { SyncMode } from './server-info.js'
import type { SilenceTimes } from './silence-watch.js'

/**
 * Where a device stands with its server. `offline`: not asked to connect. `waiting`: between attempts.
 * `stopped`: the server said not to come back, or can't serve this client.
 */
export type ConnectionState =
  | 'offline'
  | 'connecting'
  | 'authenticating'
  | 'catching-up'
  | 'live'
  | 'waiting'
  | 'stopped'

/** What the session tells of itself. */
export interface SessionStatus {
  readonly state: ConnectionState
  /** Why there is no connection, or why the last attempt failed; undefined once live. */
  readonly problem: { readonly code: SyncErrorCode; readonly message: string } | undefined
  /** When the next attempt is due, milliseconds since the epoch; only while `waiting`. */
  readonly retryAtMs: number | undefined
  /** What the server turned out to be; undefined as long as it hasn't said. */
  readonly mode: SyncMode | undefined
}

/** What the session needs of the part that syncs with a plain relay. */
export interface PlainLink {
  open(send: (text: string) => void, maxQueryEvents: number): void
  take(message: RelayMessage): void
  loggedIn(): void
  down(code: number | undefined): void
}

/** That part, once a plain relay was met. */
export interface LatePlainLink {
  readonly mode: PlainLink | undefined
  load(): Promise<void>
}

/** Keeps one authenticated connection with one subscription for everything, and brings it back when it breaks. */
export interface Session {
  readonly status: SessionStatus
  start(): void
  stop(): void
  /** Tries at once where it was waiting; checks at once whether a live connection still answers. */
  wake(): void
  /** Subscribes again from the inbox's cursor, on the same connection. */
  resubscribe(): void
  /**
   * Asks for the whole log of a document, without a cursor, because something of it is missing here. Does
   * nothing without a connection.
   */
  fetchLog(address: DocumentAddress): void
  /** Ends the one subscription for everything for a while; what still comes of it is ignored. Only while live. */
  pause(): void
  /** Asks for everything again, from the inbox's cursor, and stays live meanwhile. Events come as authors' own. */
  resume(): void
  /** Subscribes to something else on the connection at hand, and with it ends; a no-op without one. */
  open(id: string, filters: readonly Record<string, unknown>[], handlers: SubscriptionHandlers): void
  shut(id: string): void
  /** Everything up to the EOSE is applied: the session is live. */
  caughtUp(): void
  /** Gives the connection up and tries again later, because something here went wrong. */
  fail(error: unknown): void
  /** A plain relay doesn't go on before a login. The session waits for it, and for a challenge if need be. */
  needLogin(): void
}

/** What a subscription brings, in the order of its arrival. */
export type Incoming =
  | {
      readonly type: 'event'
      readonly event: unknown
      readonly cursor: string | undefined
      /** It came with the log of one document that was asked for. */
      readonly isRefetched?: true
    }
  | { readonly type: 'eose'; readonly hints: readonly string[] }
  /** The whole log of a document that was asked for has come. */
  | { readonly type: 'log-end'; readonly address: string }

/** Takes what a subscription beside the one for everything brings. Nothing is called once its connection is gone. */
export interface SubscriptionHandlers {
  onEvent(event: unknown, cursor: string | undefined): void
  onEose(hints: readonly string[]): void
  /** The server refused or ended it. */
  onClosed(reason: string): void
}

export interface SessionOptions extends SilenceTimes {
  readonly url: string
  /** The account: a signer that signs as another is not let near the server. */
  readonly pubkey: string
  readonly signer: Signer
  readonly transport: Transport
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  /** How long a connection must live to count as stable. Milliseconds. @default 10_000 */
  readonly stableAfterMs?: number
  /** Syncs with a plain relay, by whole states; undefined: such a relay is not used. */
  readonly plain: LatePlainLink | undefined
  /** A sync server is known as such and will be asked for everything after {@link SessionOptions.getCursor}. */
  onSyncServer(): void
  getCursor(): string
  /** What to ask for, without a cursor. */
  getFilters(): readonly Record<string, unknown>[]
  /** Called when the server is ready and known, before everything is asked for; that waits for it. */
  prepare(): Promise<void>
  /** Whether the server tells of documents without their bodies; called before anything is sent. */
  onSummaries(isOffered: boolean): void
  /** It is a plain relay, which is about to be asked for everything. */
  onPlainRelay(): void
  /** Whether documents must not come as merged states. */
  refusesStates(): boolean
  /** What the server says it takes; called before anything is sent. */
  onServerLimits(limits: { readonly maxEventBytes: number }): void
  /** The server's own public key, if it names one. */
  onServerKey(pubkey: string | undefined): void
  onIncoming(incoming: Incoming): void
  /** An event of presence, as it came. It belongs to no order and has no cursor. */
  onPresence(event: unknown): void
  onAnswer(eventId: string, accepted: boolean, reason: string): void
  /** The connection is authenticated and caught up: events may be sent. */
  onLive(send: (text: string) => void, mode: SyncMode): void
  /** The connection that was there is gone. */
  onDown(): void
  onChange(): void
}
