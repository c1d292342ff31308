import type { Logger } from '@onyx-sync/shared'
import { createOthers, type Others, type OthersOptions } from './presence-others.js'
import { createVoice, type LocalState, type Voice, type VoiceOptions } from './presence-voice.js'

/** Somebody who is in a document now. */
export interface PresenceState {
  /** Tells the devices of one account apart. */
  readonly clientId: number
  /** Who signed it: 64 lower-case hex characters. */
  readonly pubkey: string
  /** What they say of themselves, for instance `{ typing: true }`. Their words: nobody has checked them. */
  readonly state: LocalState
  /** Whether it is this device. */
  readonly isLocal: boolean
}

/** Who is in one document, and what this device says of itself there. Nothing of it is ever stored. */
export interface DocumentPresence {
  readonly address: string
  /** This device's awareness client: random, of its own. Another takes its place if somebody else has the id. */
  readonly clientId: number
  /**
   * Says what this device does, or with `null` that it is gone. There is one state per device and document,
   * and a new one replaces it as a whole. It is sent at most once a second, the newest then, and said again
   * by itself while it holds, also after a reconnect; each time the signer is asked. Throws `VALUE_INVALID`
   * for what is no JSON object, or has more than `maxPresenceBytes`.
   */
  setLocal(state: LocalState | null): void
  /** Everybody who is there, this device first if it has a state. */
  states(): readonly PresenceState[]
  /** Calls back when {@link DocumentPresence.states} has changed, once per tick. @returns a function that ends it */
  onChange(listener: (states: readonly PresenceState[]) => void): () => void
  /**
   * Stops listening. With the last one that is open for the document, this device's state goes too. Nothing
   * of this object does anything afterwards.
   */
  leave(): void
}

/** Presence in one document, however often an app has it open. */
export interface Room {
  readonly voice: Voice
  readonly others: Others
  readonly isOpen: boolean
  open(): DocumentPresence
}

export interface RoomOptions extends VoiceOptions, Omit<OthersOptions, 'isOwn' | 'onChange'> {
  /** The address as text. */
  readonly name: string
  readonly logger: Logger
}

export function createRoom(options: RoomOptions): Room {
  const { name, pubkey, logger } = options
  const voice = createVoice(options)
  const others = createOthers({ ...options, isOwn: voice.owns, onChange: notify })
  const listeners = new Set<(states: readonly PresenceState[]) => void>()
  let uses = 0
  let isNotifying = false

  function states(): PresenceState[] {
    const { clientId, state } = voice
    const own = state === null ? [] : [{ clientId, pubkey, state, isLocal: true }]
    return [...own, ...others.list().map((other) => ({ ...other, isLocal: false }))]
  }

  function notify(): void {
    if (isNotifying || listeners.size === 0) return
    isNotifying = true
    queueMicrotask(() => {
      isNotifying = false
      const now = states()
      for (const listener of listeners) {
        try {
          listener(now)
        } catch (error) {
          logger.error('a listener for presence failed', { error: String(error) })
        }
      }
    })
  }

  function open(): DocumentPresence {
    const own = new Set<() => void>()
    let isLeft = false
    uses++
    return {
      address: name,
      get clientId() {
        return voice.clientId
      },
      setLocal(state) {
        if (!isLeft && voice.set(state)) notify()
      },
      states: () => (isLeft ? [] : states()),
      onChange(listener) {
        if (isLeft) return () => {}
        // A function of its own, so that one listener may be given twice.
        const call = (now: readonly PresenceState[]) => listener(now)
        const off = () => {
          listeners.delete(call)
          own.delete(off)
        }
        listeners.add(call)
        own.add(off)
        return off
      },
      leave() {
        if (isLeft) return
        isLeft = true
        for (const off of own) off()
        uses--
        if (uses > 0) return
        voice.set(null)
        others.clear()
      },
    }
  }

  return {
    voice,
    others,
    open,
    get isOpen() {
      return uses > 0
    },
  }
}
