import type { Clock, Logger, Random, Signer } from '@onyx-sync/shared'
import { createWebSocketTransport } from './adapters/websocket-transport.js'
import type { SyncClientOptions } from './client-api.js'
import { checkHeartbeat } from './client-options.js'
import type { Checkpointer } from './core/checkpointer.js'
import type { Holding } from './core/holding.js'
import type { Inbox } from './core/inbox.js'
import type { LatePlainMode } from './core/late-plain.js'
import type { Outbox } from './core/outbox.js'
import type { PlainNote } from './core/plain-note.js'
import type { Presence } from './core/presence.js'
import type { ServerTrust } from './core/server-trust.js'
import { createSession } from './core/session.js'
import type { Session } from './core/session-api.js'

/** What a connection is for, and how it is made. */
export interface ConnectDeviceParts extends Pick<SyncClientOptions, 'transport' | 'heartbeat'> {
  readonly url: string
  readonly pubkey: string
  readonly signer: Signer
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  readonly inbox: Inbox
  readonly holding: Holding
  readonly outbox: Outbox
  readonly presence: Presence
  readonly checkpointer: Checkpointer | undefined
  readonly plain: LatePlainMode | undefined
  readonly trust: ServerTrust
  readonly note: PlainNote
  /** The largest event that the server takes, bytes of JSON. */
  noteMaxEventBytes(bytes: number): void
  onLive(): void
  onChange(): void
}

/** Brings together what is said on a device's connection and who has to hear it. */
export function connectDevice(parts: ConnectDeviceParts): Session {
  const { inbox, holding, outbox, presence, checkpointer, plain, trust, note } = parts
  return createSession({
    ...parts,
    ...checkHeartbeat(parts.heartbeat),
    transport: parts.transport ?? createWebSocketTransport(),
    onSyncServer() {
      if (note.isSet) inbox.compareAll()
    },
    getCursor: () => inbox.cursor,
    getFilters: holding.filters,
    prepare: holding.prepare,
    onSummaries: holding.onSummaries,
    onPlainRelay: holding.onPlainRelay,
    refusesStates: () => trust.refusesStates,
    onServerKey(key) {
      trust.introduced(key)
      presence.setServerKey(key)
    },
    onServerLimits: ({ maxEventBytes }) => parts.noteMaxEventBytes(maxEventBytes),
    onIncoming: inbox.receive,
    onPresence: presence.receive,
    onAnswer(eventId, accepted, reason) {
      const isTaken =
        presence.answered(eventId, accepted, reason) ||
        checkpointer?.answered(eventId, accepted, reason) ||
        plain?.mode?.answered(eventId, accepted, reason)
      if (!isTaken) outbox.answered(eventId, accepted, reason)
    },
    onLive(send, mode) {
      parts.onLive()
      if (mode === 'plain') {
        holding.caughtUpPlainly()
        // No increments, and no presence, which would be shown to anybody.
        plain?.mode?.start(send)
        outbox.start(send, plain?.mode?.publish)
        return
      }
      outbox.start(send)
      presence.start(send)
      holding.live()
      checkpointer?.start(send)
    },
    onDown() {
      holding.down()
      presence.stop()
      checkpointer?.stop()
      inbox.abandon()
      outbox.stop()
    },
  })
}
