import {
  type Clock,
  type EventVerifier,
  formatAddress,
  type Limits,
  type Logger,
  PRESENCE_TIMEOUT_MS,
  parseAddress,
  parseEvent,
  parsePresence,
  type Random,
  type Signer,
  SyncError,
} from '@onyx-sync/shared'
import type { ReceivedPresence } from './presence-others.js'
import { createRoom, type DocumentPresence, type Room } from './presence-room.js'

/** Presence of a device, in all documents. Source: SPEC "Presence". */
export interface Presence {
  /** Throws `VALUE_INVALID` for what is no address of a document. */
  open(address: string): DocumentPresence
  /** What the server says its own key is; undefined if it says none. */
  setServerKey(pubkey: string | undefined): void
  /** A connection is live: what holds is said, again if need be. */
  start(send: (text: string) => void): void
  /** The connection is gone. Others stay until nothing has renewed them for a while. */
  stop(): void
  /** An event of kind 20001 that came from the server, not checked in any way. */
  receive(event: unknown): void
  /** The server's answer to an event. Returns whether it was one of these. */
  answered(eventId: string, accepted: boolean, reason: string): boolean
  /** Ends all timers. */
  close(): void
}

export interface PresenceOptions {
  readonly pubkey: string
  readonly signer: Signer
  readonly verifier: EventVerifier
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  readonly limits: Limits
}

/** Events that are kept for documents that may be opened. */
const MAX_RECENT = 512

export function createPresence(options: PresenceOptions): Presence {
  const { clock, logger, limits } = options
  /** Stay when they are left: who comes back comes under the same client id. */
  const rooms = new Map<string, Room>()
  /**
   * The last event of each sender and client, oldest first, so that whoever opens a document sees at once who
   * is there. Signatures are checked only then: a phone needn't check those of documents that nobody looks at.
   */
  const recent = new Map<string, ReceivedPresence & { readonly name: string }>()
  let serverKey: string | undefined
  let send: ((text: string) => void) | undefined

  function make(name: string): Room {
    const address = parseAddress(name)
    if (address === undefined) {
      throw new SyncError('VALUE_INVALID', `${JSON.stringify(name)} is not the address of a document`)
    }
    const room = createRoom({ ...options, name, address, serverKey: () => serverKey })
    if (send !== undefined) room.voice.start(send)
    rooms.set(name, room)
    return room
  }

  /** Nothing that is received is worth more than a line in the log. */
  function guarded(take: () => void): void {
    try {
      take()
    } catch (error) {
      logger.warn('received presence was set aside', { error: String(error) })
    }
  }

  function remember(received: ReceivedPresence & { readonly name: string }): void {
    const { name, event, entries } = received
    const key = `${name} ${event.pubkey} ${entries.map(({ clientId }) => clientId).join()}`
    recent.delete(key)
    recent.set(key, received)
    const [oldest] = recent.keys()
    if (recent.size > MAX_RECENT && oldest !== undefined) recent.delete(oldest)
  }

  return {
    open(name) {
      const room = rooms.get(name) ?? make(name)
      if (!room.isOpen) {
        const oldestMs = clock.now() - PRESENCE_TIMEOUT_MS
        for (const received of recent.values()) {
          if (received.name !== name || received.atMs <= oldestMs) continue
          guarded(() => room.others.apply(received))
        }
      }
      return room.open()
    },

    setServerKey(pubkey) {
      serverKey = pubkey
    },

    start(newSend) {
      send = newSend
      for (const { voice } of rooms.values()) voice.start(newSend)
    },

    stop() {
      send = undefined
      // Who goes while there is no connection is never heard of.
      recent.clear()
      for (const { voice } of rooms.values()) voice.stop()
    },

    receive(value) {
      guarded(() => {
        const event = parseEvent(value, limits)
        const { address, entries } = parsePresence(event, limits)
        const received = { name: formatAddress(address), event, entries, atMs: clock.now() }
        remember(received)
        const room = rooms.get(received.name)
        if (room?.isOpen) room.others.apply(received)
      })
    },

    answered(eventId, accepted, reason) {
      for (const { voice } of rooms.values()) if (voice.answered(eventId, accepted, reason)) return true
      return false
    },

    close() {
      for (const { voice, others } of rooms.values()) {
        voice.stop()
        others.clear()
      }
    },
  }
}
