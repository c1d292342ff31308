import {
  type Clock,
  encodeClient,
  getOrCreate,
  type Limits,
  type Logger,
  parseAddress,
  plainStateIdentifier,
  type Random,
  type Signer,
  SyncError,
  stringifyEvent,
  type TimerHandle,
  toSyncError,
} from '@onyx-sync/shared'
import type { SyncStore } from '../ports/store.js'
import { createBackoff } from './backoff.js'
import { signChecked } from './checked-signing.js'
import type { Documents } from './documents-api.js'
import type { WholeLanes } from './outbox-whole.js'
import type { Pacing } from './pacing.js'
import { createPlainDraft, type PlainDraft } from './plain-draft.js'
import type { PlainNote } from './plain-note.js'
import { createTimeSlots } from './time-slots.js'

/**
 * Publishes documents on a plain relay: each as one event with its whole state, under an address of this device.
 * An event is signed when it is published and never resent: what is tried again is a newer state. An edit counts as
 * saved when a state that holds it got `OK true`, and not before.
 */
export interface PlainPublisher {
  /** Documents of which the relay lacks something that is not among the unsaved edits. */
  readonly lacking: number
  /** Everything that the relay has is applied here: from now on may be published. */
  start(send: (text: string) => void): void
  stop(): void
  /** Publishes a document as soon as its pacing allows, or at once. */
  publish(address: string, isUrgent: boolean): void
  /** The relay lacks something of a document. */
  noteLack(address: string): void
  /** Tries all of them again that the relay lacks. */
  retry(): void
  /** The relay has this event under this device's address of a document. @returns whether this device made it */
  noteOwnCopy(address: string, eventId: string, createdAt: number): boolean
  /** The relay's answer. @returns whether it was to an event from here */
  answered(eventId: string, accepted: boolean, reason: string): boolean
  /** The relay closed the connection because of the size of a message. */
  wasTooBig(): void
}

export interface PlainPublisherOptions {
  readonly pubkey: string
  readonly deviceId: string
  readonly signer: Signer
  readonly store: SyncStore
  readonly documents: Documents
  readonly whole: WholeLanes
  readonly pacing: Pacing
  readonly note: PlainNote
  readonly clock: Clock
  readonly random: Random
  readonly limits: Limits
  readonly logger: Logger
  /** Largest event that the relay says it takes, bytes of JSON. */
  maxEventBytes(): number
  /** Reads this device's own copy again, and calls back when it is applied. */
  reread(identifier: string, done: () => void): void
  /** The relay wants a login before it takes events. */
  onLoginNeeded(): void
  onChange(): void
  onProblem(error: SyncError | undefined): void
}

interface Publishing {
  readonly address: string
  state: 'idle' | 'working' | 'waiting'
  isUrgent: boolean
  /** Counts what the relay was found to lack; what was lacking when a draft was made is in it. */
  lacks: number
  /** How much of that the relay has. */
  lacksSaved: number
  timer: TimerHandle
  answerTimer: TimerHandle
  /** `created_at` of the newest event that may be there. */
  lastCreatedAt: number
  /** The event under this device's address, as far as it is known. */
  copyId: string
  inFlight: PlainDraft | undefined
}

/** How long the answer to an event may take. Milliseconds. */
const ANSWER_TIMEOUT_MS = 30_000

export function createPlainPublisher(options: PlainPublisherOptions): PlainPublisher {
  const { pubkey, deviceId, signer, documents, whole, pacing, clock, logger } = options
  const backoff = createBackoff(options.random, { baseMs: 1_000, capMs: 60_000 })
  const slots = createTimeSlots(clock)
  const publishings = new Map<string, Publishing>()
  const makeDraft = createPlainDraft(options)
  let send: ((text: string) => void) | undefined
  let epoch = 0
  /** What the relay turned out to take, where it doesn't say. */
  let learnedMaxBytes = Number.POSITIVE_INFINITY

  function of(address: string): Publishing {
    return getOrCreate(publishings, address, () => ({
      address,
      state: 'idle',
      isUrgent: false,
      lacks: 0,
      lacksSaved: 0,
      timer: undefined,
      answerTimer: undefined,
      lastCreatedAt: 0,
      copyId: '',
      inFlight: undefined,
    }))
  }

  function isNeeded({ address, lacks, lacksSaved }: Publishing): boolean {
    const refusedThrough = whole.refusal(address)?.throughSeq
    if (refusedThrough === undefined && lacks > lacksSaved) return true
    return whole
      .unsaved(address)
      .some(({ state, seq }) => state !== 'refused' && seq > (refusedThrough ?? Number.NEGATIVE_INFINITY))
  }

  function pump(publishing: Publishing): void {
    if (send === undefined || publishing.state !== 'idle' || !isNeeded(publishing)) return
    const delayMs = publishing.isUrgent ? 0 : pacing.delayMs(publishing.address)
    if (delayMs > 0) {
      publishing.timer ??= clock.setTimeout(() => {
        publishing.timer = undefined
        pump(publishing)
      }, delayMs)
      return
    }
    publishing.state = 'working'
    publishing.isUrgent = false
    const startedIn = epoch
    transmit(publishing, startedIn).catch((error: unknown) => {
      if (startedIn !== epoch) return
      const problem = toSyncError(error, 'STORE_FAILED')
      logger.warn('a state could not be published', { code: problem.code, reason: problem.message })
      options.onProblem(problem)
      retryLater(publishing)
    })
  }

  async function transmit(publishing: Publishing, startedIn: number): Promise<void> {
    const { address } = publishing
    const { lacks } = publishing
    const createdAt = slots.take(publishing.lastCreatedAt + 1)
    const draft = await makeDraft(address, createdAt)
    // What was just edited is in it, too: it is on this disk before anybody has it (trap C2).
    await documents.journal.flush()
    if (startedIn !== epoch) return
    const reason = whyNot(address, draft)
    if (reason !== '') {
      refuse(publishing, { ...draft, lacks }, reason)
      return
    }
    if (draft.isHeldUp && draft.ids.size === 0 && lacks <= publishing.lacksSaved) {
      // Nothing of what is unsaved could be read back from this device's disk.
      throw new SyncError('DATABASE_UNREADABLE', `the log of ${address} lacks what is still to be sent`)
    }
    const signedAtMs = clock.now()
    const event = await signChecked(signer, pubkey, draft.template, options.limits)
    pacing.noteSignature(clock.now() - signedAtMs)
    if (startedIn !== epoch || send === undefined) return
    options.onProblem(undefined)
    pacing.spend(address)
    publishing.lastCreatedAt = createdAt
    publishing.inFlight = { ...draft, event, lacks }
    send(encodeClient.event(event))
    awaitAnswer(publishing)
    options.onChange()
  }

  /** Some relays say nothing of an event that they can't take, or only a `NOTICE` that doesn't name it. */
  function awaitAnswer(publishing: Publishing): void {
    publishing.answerTimer = clock.setTimeout(() => {
      publishing.inFlight = undefined
      options.onProblem(new SyncError('CONNECTION_FAILED', 'the relay did not answer to a state'))
      retryLater(publishing)
    }, ANSWER_TIMEOUT_MS)
  }

  /** Why a state is not even sent; empty if it is. */
  function whyNot(address: string, { bytes }: PlainDraft): string {
    const maxBytes = Math.min(options.maxEventBytes(), learnedMaxBytes)
    if (bytes > maxBytes)
      return `invalid: the whole state is ${bytes} bytes as an event, ${maxBytes} are allowed`
    const isOwn = parseAddress(address)?.owner === pubkey
    const role = documents.info(address)?.members.find((member) => member.pubkey === pubkey)?.role
    if (isOwn || role === 'write') return ''
    return role === 'read'
      ? 'restricted: the role of this account in the chat is "read"'
      : 'restricted: this account is not a member of the chat any more'
  }

  function refuse(publishing: Publishing, draft: PlainDraft, reason: string): void {
    const { address } = publishing
    logger.warn('a state was refused', { address, reason })
    const event = draft.event === undefined ? JSON.stringify(draft.template) : stringifyEvent(draft.event)
    whole.refuse(address, { reason, event, throughSeq: draft.throughSeq })
    publishing.state = 'idle'
    options.onChange()
    pump(publishing)
  }

  function retryLater(publishing: Publishing): void {
    publishing.state = 'waiting'
    const startedIn = epoch
    clock.setTimeout(() => {
      if (startedIn !== epoch || publishing.state !== 'waiting') return
      publishing.state = 'idle'
      pump(publishing)
    }, backoff.next())
  }

  function saved(publishing: Publishing, { event, ids, lacks }: PlainDraft): void {
    whole.settle(publishing.address, ids)
    documents.journal.add(options.note.set())
    whole.forgive(publishing.address)
    publishing.copyId = event?.id ?? ''
    publishing.lacksSaved = lacks ?? publishing.lacksSaved
    publishing.state = 'idle'
    backoff.reset()
    // If this isn't written, a restart publishes the same once more.
    documents.journal.flush().catch(() => {})
    options.onChange()
    pump(publishing)
  }

  /** The relay holds something newer under this device's address: it is merged before anything is sent again. */
  function mergeAndSendAgain(publishing: Publishing, draft: PlainDraft, reason: string): void {
    logger.info('the relay has a newer state of this device', { address: publishing.address, reason })
    publishing.state = 'waiting'
    const startedIn = epoch
    const address = parseAddress(publishing.address)
    if (address === undefined) return
    options.reread(plainStateIdentifier(address, deviceId, pubkey), () => {
      if (startedIn !== epoch) return
      if (publishing.copyId === draft.event?.id) saved(publishing, draft)
      else {
        // Not only what is unsaved here: what the newer one lacks is gone from the relay.
        publishing.lacks++
        retryLater(publishing)
      }
    })
  }

  function takeInFlight(eventId: string): { publishing: Publishing; draft: PlainDraft } | undefined {
    for (const publishing of publishings.values()) {
      const draft = publishing.inFlight
      if (draft?.event?.id !== eventId) continue
      publishing.inFlight = undefined
      clock.clearTimeout(publishing.answerTimer)
      return { publishing, draft }
    }
    return undefined
  }

  function settleAll(): void {
    epoch++
    for (const publishing of publishings.values()) {
      clock.clearTimeout(publishing.timer)
      clock.clearTimeout(publishing.answerTimer)
      publishing.timer = undefined
      publishing.inFlight = undefined
      publishing.state = 'idle'
    }
  }

  return {
    get lacking() {
      return [...publishings.values()].filter(
        ({ address, lacks, lacksSaved }) =>
          lacks > lacksSaved &&
          whole.refusal(address) === undefined &&
          whole.unsaved(address).every(({ state }) => state === 'refused'),
      ).length
    },

    start(sendText) {
      settleAll()
      send = sendText
      backoff.reset()
      for (const publishing of publishings.values()) pump(publishing)
    },

    stop() {
      settleAll()
      send = undefined
      // What this relay lacks, and has, is seen anew with the next connection.
      publishings.clear()
    },

    publish(address, isUrgent) {
      const publishing = of(address)
      publishing.isUrgent ||= isUrgent
      pump(publishing)
    },

    noteLack(address) {
      const publishing = of(address)
      publishing.lacks++
      pump(publishing)
      options.onChange()
    },

    retry() {
      for (const publishing of publishings.values()) {
        whole.forgive(publishing.address)
        pump(publishing)
      }
    },

    noteOwnCopy(address, eventId, createdAt) {
      const publishing = of(address)
      const isOurs = eventId === publishing.inFlight?.event?.id || eventId === publishing.copyId
      if (createdAt >= publishing.lastCreatedAt || isOurs) publishing.copyId = eventId
      publishing.lastCreatedAt = Math.max(publishing.lastCreatedAt, createdAt)
      return isOurs
    },

    answered(eventId, accepted, reason) {
      const found = takeInFlight(eventId)
      if (found === undefined) return false
      const { publishing, draft } = found
      // Never the same event twice: what is a duplicate is another one, which is newer.
      if (/^(duplicate|replaced):/.test(reason)) mergeAndSendAgain(publishing, draft, reason)
      else if (accepted) saved(publishing, draft)
      else if (/^(rate-limited|error|auth-required):/.test(reason)) {
        options.onProblem(new SyncError('CONNECTION_FAILED', `the relay put off a state: ${reason}`))
        if (reason.startsWith('auth-required:')) options.onLoginNeeded()
        retryLater(publishing)
      } else refuse(publishing, draft, reason)
      return true
    },

    wasTooBig() {
      const largest = Math.max(0, ...[...publishings.values()].map(({ inFlight }) => inFlight?.bytes ?? 0))
      if (largest > 0) learnedMaxBytes = Math.min(learnedMaxBytes, largest - 1)
    },
  }
}
