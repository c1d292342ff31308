import type { Clock } from '@onyx-sync/shared'
import type { StatusBoard } from './client-status.js'
import type { Documents } from './core/documents-api.js'
import type { Holding } from './core/holding.js'
import type { LatePlainMode } from './core/late-plain.js'
import type { Outbox } from './core/outbox.js'
import type { EditState } from './core/outbox-queries.js'
import type { Presence } from './core/presence.js'
import type { Session } from './core/session-api.js'
import type { ChatsOptions } from './model/chats.js'
import type { Chats } from './model/chats-api.js'
import type { Consent } from './model/consent.js'
import type { LocalState } from './model/local-state.js'
import type { RowFeed } from './model/row-feed.js'
import type { Settings } from './model/settings.js'
import type { Streams } from './model/stream.js'
import type { SyncStore } from './ports/store.js'

/** What a device consists of once it is open. */
export interface Device {
  readonly pubkey: string
  readonly deviceId: string
  /** The store's meta, as it was when the device was opened. */
  readonly meta: Readonly<Record<string, string>>
  readonly clock: Clock
  readonly store: SyncStore
  readonly feed: RowFeed
  readonly local: LocalState
  readonly documents: Documents
  /** The same documents as an app uses them: what isn't here is brought first. */
  readonly bodies: Documents
  readonly outbox: Outbox
  readonly holding: Holding
  readonly presence: Presence
  /** Undefined for a device that never connects. */
  readonly session: Session | undefined
  readonly plain: LatePlainMode | undefined
  readonly streams: Streams
  readonly settings: Settings
  readonly consent: Consent
  readonly chats: Chats
  readonly status: StatusBoard
  /** Takes note of what went wrong on this device, to be shown. */
  noteProblem(error: unknown): void
  editState(address: string): EditState
  /** See `ChatsOptions`. */
  readonly loadLog: ChatsOptions['loadLog']
  readonly authorsOf: ChatsOptions['authorsOf']
  /** Makes the query tables anew. @returns how many documents it were */
  rebuild(): Promise<number>
  /** Everything made so far, what was only pushed into a stream included, is durable here when it resolves. */
  flush(): Promise<void>
  /** Resolves with true once nothing that was received is unchecked, and with false if something was forged. */
  whenChecked(): Promise<boolean>
  /** Begins no further check. What is left is checked when the device is opened again. */
  stopChecking(): void
  /**
   * Calls back once something turned out forged: this device must write what is left to write, call what it is given,
   * which takes that out of the database, and close. Source: SPEC IDL5.
   */
  whenForged(close: (rollBack: () => Promise<void>) => void): void
}
