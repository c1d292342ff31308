import {
  type Clock,
  type EventVerifier,
  type NostrEvent,
  PRESENCE_TIMEOUT_MS,
  type PresenceEntry,
  type TimerHandle,
} from '@onyx-sync/shared'

/** A presence event as it came. Its signature is not checked yet. */
export interface ReceivedPresence {
  readonly event: NostrEvent
  readonly entries: readonly PresenceEntry[]
  /** When it came, milliseconds of this device's clock. */
  readonly atMs: number
}

/** What others said in one document. */
export interface Others {
  /**
   * Takes in what is new. Only then is the signature checked; throws what the verifier throws, with nothing
   * changed.
   */
  apply(received: ReceivedPresence): void
  /** Those who are there. */
  list(): { readonly clientId: number; readonly pubkey: string; readonly state: Record<string, unknown> }[]
  /** Forgets everything, and tells nobody. */
  clear(): void
}

export interface OthersOptions {
  readonly clock: Clock
  readonly verifier: EventVerifier
  /** The server's own key, once it is known: what it signs is believed where it says that somebody is gone. */
  serverKey(): string | undefined
  /** Whether a client id is this device's own. */
  isOwn(clientId: number): boolean
  onChange(): void
}

interface Other {
  /** Who signed the first state seen: the client is theirs until it is gone. */
  readonly pubkey: string
  readonly clock: number
  /** `null` once it is gone; kept for a while, so that an older state doesn't bring it back. */
  readonly state: Readonly<Record<string, unknown>> | null
  readonly timer: TimerHandle
}

/** Clients of one document that are remembered: a bound for what a server may make up. */
const MAX_OTHERS = 1_024

export function createOthers({ clock, verifier, serverKey, isOwn, onChange }: OthersOptions): Others {
  const others = new Map<number, Other>()

  function isNews({ clientId, clock: newClock, state }: PresenceEntry, signer: string): boolean {
    const known = others.get(clientId)
    if (isOwn(clientId)) return false
    if (known === undefined) return state !== null && signer !== serverKey() && others.size < MAX_OTHERS
    if (signer === serverKey()) return state === null && known.state !== null && newClock >= known.clock
    // Whoever comes first has the id, until it is gone.
    if (signer !== known.pubkey) return known.state === null && state !== null
    return state === null ? known.state !== null && newClock >= known.clock : newClock > known.clock
  }

  function take({ clientId, clock: newClock, state }: PresenceEntry, signer: string, atMs: number): boolean {
    const known = others.get(clientId)
    clock.clearTimeout(known?.timer)
    const pubkey = state === null && known !== undefined ? known.pubkey : signer
    // Never longer than from now on, whatever the clock did.
    const leftMs = Math.min(PRESENCE_TIMEOUT_MS, atMs + PRESENCE_TIMEOUT_MS - clock.now())
    const timer = clock.setTimeout(() => drop(clientId), leftMs)
    others.set(clientId, { pubkey, clock: newClock, state, timer })
    return known?.pubkey !== pubkey || JSON.stringify(known.state) !== JSON.stringify(state)
  }

  /** Nothing renewed it: its device, its network or the server is gone. */
  function drop(clientId: number): void {
    const known = others.get(clientId)
    others.delete(clientId)
    if (known !== undefined && known.state !== null) onChange()
  }

  return {
    apply({ event, entries, atMs }) {
      const news = entries.filter((entry) => isNews(entry, event.pubkey))
      if (news.length === 0) return
      verifier.verify(event)
      const changes = news.map((entry) => take(entry, event.pubkey, atMs))
      if (changes.includes(true)) onChange()
    },
    list: () =>
      [...others].flatMap(([clientId, { pubkey, state }]) =>
        state === null ? [] : [{ clientId, pubkey, state }],
      ),
    clear() {
      for (const { timer } of others.values()) clock.clearTimeout(timer)
      others.clear()
    },
  }
}
