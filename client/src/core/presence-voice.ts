import {
  type Clock,
  createPresenceTemplate,
  type DocumentAddress,
  encodeClient,
  encodePresence,
  formatAddress,
  type Limits,
  type Logger,
  PRESENCE_RENEW_MS,
  type Random,
  type Signer,
  SyncError,
  type TimerHandle,
} from '@onyx-sync/shared'
import { createClientId } from './client-id.js'

/** What a device says of itself in a document: anything that JSON can hold, as one object. */
export type LocalState = Readonly<Record<string, unknown>>

/** What this device says of itself in one document: when it is sent, and under which client id. */
export interface Voice {
  /** 32 bits, random. Changes only when somebody else has taken it. */
  readonly clientId: number
  readonly state: LocalState | null
  /** Whether a client id is or was this one's. */
  owns(clientId: number): boolean
  /**
   * Sets the state, `null` for "gone". Returns whether that is a change. Throws `VALUE_INVALID` for what is no
   * JSON object, or too large.
   */
  set(state: LocalState | null): boolean
  /** A connection is live. */
  start(send: (text: string) => void): void
  /** The connection is gone. */
  stop(): void
  /** The server's answer to an event. Returns whether it was one of these. */
  answered(eventId: string, accepted: boolean, reason: string): boolean
}

export interface VoiceOptions {
  readonly address: DocumentAddress
  readonly pubkey: string
  readonly signer: Signer
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  readonly limits: Limits
}

/** Between two states of one document. Milliseconds. A removal doesn't wait. */
const MIN_INTERVAL_MS = 1_000
const LARGEST = { clientId: 2 ** 32 - 1, clock: 2 ** 31 - 1 }

export function createVoice(options: VoiceOptions): Voice {
  const { address, clock, random, logger } = options
  // Its own: a document's Yjs client id that is seen before its first use could be taken by another member.
  let clientId = createClientId(random)
  const ownIds = new Set([clientId])
  /** Of the last state said, see `PresenceEntry`. */
  let lastClock = 0
  let state: LocalState | null = null
  /** Counts states, so that one set while another is being signed is noticed. */
  let version = 0
  let send: ((text: string) => void) | undefined
  /** Whether the server was told of a state on this connection, and has to be told when it ends. */
  let isShown = false
  let isSigning = false
  let saidAtMs = Number.NEGATIVE_INFINITY
  let timer: TimerHandle
  const unanswered = new Set<string>()
  /** Once per connection, or a document that is closed to this account would be tried without end. */
  let isRenamed = false

  /** Says what is so now, as soon as it may. */
  function push(): void {
    clock.clearTimeout(timer)
    if (send === undefined || isSigning || (state === null && !isShown)) return
    // The clock may have been set back.
    const waitMs = Math.min(MIN_INTERVAL_MS, saidAtMs + MIN_INTERVAL_MS - clock.now())
    if (state !== null && waitMs > 0) timer = clock.setTimeout(push, waitMs)
    else void say(state, send)
  }

  async function say(said: LocalState | null, sendNow: (text: string) => void): Promise<void> {
    const startedAs = version
    isSigning = true
    saidAtMs = clock.now()
    const entry = { clientId, clock: ++lastClock, state: said }
    const createdAt = Math.floor(saidAtMs / 1000)
    try {
      const event = await options.signer.signEvent(
        createPresenceTemplate({ address, entries: [entry], createdAt }),
      )
      if (event.pubkey !== options.pubkey) throw new Error(`the signer signs as ${event.pubkey}`)
      if (send === sendNow) {
        isShown = said !== null
        unanswered.add(event.id)
        sendNow(encodeClient.event(event))
      }
    } catch (error) {
      logger.warn('presence was not signed', { error: String(error) })
    }
    isSigning = false
    if (version !== startedAs || send !== sendNow) push()
    else if (state !== null || isShown) timer = clock.setTimeout(push, PRESENCE_RENEW_MS)
  }

  return {
    get clientId() {
      return clientId
    },
    get state() {
      return state
    },
    owns: (id) => ownIds.has(id),

    set(value) {
      const next = value === null ? null : checkPresenceState(value, options.limits)
      if (JSON.stringify(next) === JSON.stringify(state)) return false
      state = next
      version++
      push()
      return true
    },

    start(newSend) {
      send = newSend
      isShown = false
      isRenamed = false
      // The server ended the last state with the next clock: go beyond it.
      lastClock++
      saidAtMs = Number.NEGATIVE_INFINITY
      push()
    },

    stop() {
      clock.clearTimeout(timer)
      send = undefined
      isShown = false
      unanswered.clear()
    },

    answered(eventId, accepted, reason) {
      if (!unanswered.delete(eventId)) return false
      if (accepted) return true
      logger.warn('presence was refused', { address: formatAddress(address), reason })
      if (!reason.startsWith('restricted:') || isRenamed) return true
      // The id may be somebody else's by now, or this device's own on a connection that died unnoticed.
      isRenamed = true
      clientId = createClientId(random)
      ownIds.add(clientId)
      lastClock = 0
      isShown = false
      saidAtMs = Number.NEGATIVE_INFINITY
      push()
      return true
    },
  }
}

/** A state as JSON has it. Throws `VALUE_INVALID` for what is no JSON object, or too large. */
export function checkPresenceState(value: LocalState, { maxPresenceBytes }: Limits): LocalState {
  let copy: unknown
  try {
    copy = JSON.parse(JSON.stringify(value))
  } catch {
    // Said below.
  }
  if (typeof copy !== 'object' || copy === null || Array.isArray(copy)) {
    throw new SyncError('VALUE_INVALID', 'a state of presence is a JSON object, or null for none')
  }
  const { byteLength } = encodePresence([{ ...LARGEST, state: copy as LocalState }])
  if (byteLength > maxPresenceBytes) {
    throw new SyncError(
      'VALUE_INVALID',
      `this state takes ${byteLength} bytes, at most ${maxPresenceBytes} are allowed`,
    )
  }
  return copy as LocalState
}
