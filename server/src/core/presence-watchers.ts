import { encodeRelay, type Filter, getOrCreate, KIND, matchFilter, type NostrEvent } from '@onyx-sync/shared'
import type { Peer } from '../ports/peer.js'
import type { Counters } from './counters.js'

/** A presence event as it is passed on. */
export interface PresenceEvent {
  readonly event: NostrEvent
  /** Canonical JSON. */
  readonly json: string
}

/** An open subscription, as far as presence is concerned. */
export interface WatchOptions {
  /** The subscription's id. */
  readonly id: string
  readonly filters: readonly Filter[]
  /** Keys it reads for. */
  readonly keys: readonly string[]
  readonly peer: Peer
}

/** A subscription that is told of presence once its `EOSE` has been said. */
export interface Watch {
  /** Called once, in the tick in which the `EOSE` was said. */
  eoseSaid(): void
  close(): void
}

/** A subscription whose `EOSE` has been said. Once it is closed, nothing of this does anything. */
export interface Watcher {
  readonly keys: readonly string[]
  /** Whether a filter names the kind. */
  readonly asksWhoIsThere: boolean
  /** Sends an event from before it was live, if a filter that names the kind matches it. */
  sendPresent(event: PresenceEvent): void
  /** From now on it gets what is delivered. */
  goLive(): void
}

/** Knows which subscriptions presence may concern, by key. */
export interface Watchers {
  /** `onEose` is called in turn, with the subscription as one that listens. */
  add(options: WatchOptions, onEose: (watcher: Watcher) => void): Watch
  /** Whether anybody with one of these keys listens. */
  hasAny(readers: Iterable<string>): boolean
  /** Tells everybody with one of these keys whose filters match. */
  deliver(event: PresenceEvent, readers: Iterable<string>): void
}

/** Bytes in a socket above which presence is left out: it is worth nothing late, and is said again soon. */
const MAX_QUEUED_BYTES = 1024 * 1024

export function createWatchers(counters: Counters): Watchers {
  type Send = (event: PresenceEvent) => void
  /** Those that are live, by each of their keys. */
  const liveByKey = new Map<string, Set<Send>>()

  function add(options: WatchOptions, onEose: (watcher: Watcher) => void): Watch {
    const { id, filters, keys, peer } = options
    if (!filters.some(({ kinds }) => kinds === undefined || kinds.includes(KIND.presence))) {
      return { eoseSaid() {}, close() {} }
    }
    const asking = filters.filter(({ kinds }) => kinds?.includes(KIND.presence) === true)
    let isOpen = true

    function sendIf(matching: readonly Filter[], { event, json }: PresenceEvent): void {
      if (!isOpen || peer.queuedBytes() > MAX_QUEUED_BYTES) return
      if (!matching.some((filter) => matchFilter(filter, event))) return
      counters.eventsSent++
      peer.send(encodeRelay.event(id, json))
    }
    const send: Send = (event) => sendIf(filters, event)

    return {
      eoseSaid() {
        onEose({
          keys,
          asksWhoIsThere: asking.length > 0,
          sendPresent: (event) => sendIf(asking, event),
          goLive() {
            if (isOpen) for (const key of keys) getOrCreate(liveByKey, key, () => new Set()).add(send)
          },
        })
      },
      close() {
        isOpen = false
        for (const key of keys) {
          const live = liveByKey.get(key)
          live?.delete(send)
          if (live?.size === 0) liveByKey.delete(key)
        }
      },
    }
  }

  return {
    add,
    hasAny(readers) {
      for (const key of readers) if (liveByKey.has(key)) return true
      return false
    },
    deliver(event, readers) {
      const found = new Set<Send>()
      for (const key of readers) for (const send of liveByKey.get(key) ?? []) found.add(send)
      for (const send of found) send(event)
    },
  }
}
