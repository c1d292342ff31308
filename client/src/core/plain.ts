import {
  type Clock,
  type EventVerifier,
  type Limits,
  type Logger,
  membersOf,
  plainStateIdentifier,
  type Random,
  type RelayMessage,
  type Signer,
  type SyncError,
  tagValues,
} from '@onyx-sync/shared'
import type { SyncStore } from '../ports/store.js'
import type { Documents } from './documents-api.js'
import type { Outbox } from './outbox.js'
import { createPacing } from './pacing.js'
import { createPlainInbox, type ReceivedState } from './plain-inbox.js'
import type { PlainNote } from './plain-note.js'
import { createPlainPublisher } from './plain-publisher.js'
import { createPlainReader } from './plain-reader.js'

/**
 * Syncs with a relay that keeps only the newest event of each address. What a {@link Inbox} and an {@link Outbox} are
 * to a sync server, this is to a plain relay: it reads the states of all devices and publishes this one's.
 */
export interface PlainMode {
  /** Documents of which the relay lacks something that is not among the unsaved edits. */
  readonly lacking: number
  /** Received events that were set aside. */
  readonly setAside: number
  /** A connection to a plain relay is open: reads everything. */
  open(send: (text: string) => void, maxQueryEvents: number): void
  /** A message of the relay. */
  take(message: RelayMessage): void
  /** This account is logged in now: what the relay refused for lack of that is asked for again. */
  loggedIn(): void
  /** Everything is read and applied, and events may be sent. */
  start(send: (text: string) => void): void
  /** Publishes a document as soon as its pacing allows, or at once. */
  publish(address: string, isUrgent: boolean): void
  /** The relay's answer. @returns whether it was to an event from here */
  answered(eventId: string, accepted: boolean, reason: string): boolean
  /** Tries again what the relay refused. */
  retry(): void
  /** The connection is gone, closed with this code. */
  down(code: number | undefined): void
}

export interface PlainModeOptions {
  readonly pubkey: string
  readonly deviceId: string
  readonly signer: Signer
  readonly store: SyncStore
  readonly documents: Documents
  readonly outbox: Outbox
  readonly verifier: EventVerifier
  readonly clock: Clock
  readonly random: Random
  readonly limits: Limits
  readonly logger: Logger
  /** Time between two states of a document. Milliseconds. */
  readonly intervalMs: number
  readonly note: PlainNote
  maxEventBytes(): number
  /** Everything that the relay has is applied and stored. */
  onCaughtUp(): void
  /** The relay doesn't serve this connection before a login. */
  onLoginNeeded(): void
  /** The connection is to be given up; nothing is lost. */
  onFailed(error: unknown): void
  onChange(): void
  onProblem(error: SyncError | undefined): void
}

/** A WebSocket's close code for a message that was too big (RFC 6455). */
const TOO_BIG = 1009

export function createPlainMode(options: PlainModeOptions): PlainMode {
  const { pubkey, deviceId, documents, outbox, clock, logger } = options
  let send: ((text: string) => void) | undefined
  let maxQueryEvents = Number.POSITIVE_INFINITY
  let epoch = 0
  /** Whether everything is being read; then the end of that tells what the relay lacks. */
  let isReading = false
  /** What was being read is outdated before it has ended. */
  let mustReadAgain = false
  /** Whose states were asked for, by chat, when everything was last read. */
  const askedFor = new Map<string, string>()
  let waitsForLogin = false
  let hasWarned = false

  const publisher = createPlainPublisher({
    ...options,
    whole: outbox.whole,
    pacing: createPacing({ clock, burst: 1, intervalMs: options.intervalMs }),
    reread: (identifier, done) => reader.reread(identifier, done),
  })

  const inbox = createPlainInbox({
    ...options,
    onApplied: applied,
    onBatch: lookAtMembers,
  })

  const reader = createPlainReader({
    ...options,
    send: (text) => send?.(text),
    maxQueryEvents: () => maxQueryEvents,
    sharedAddresses: () =>
      documents
        .list()
        .filter(({ members }) => members.length > 0)
        .map(({ address }) => address),
    onEvent: inbox.receive,
    settled: inbox.settled,
    onRead: () => void hasRead().catch(options.onFailed),
    onClosed(reason) {
      if (!reason.startsWith('auth-required:')) {
        options.onFailed(new Error(`the relay ended the subscription: ${reason}`))
        return
      }
      waitsForLogin = true
      options.onLoginNeeded()
    },
  })

  function writersOf(address: string): string {
    const members = documents.info(address)?.members ?? []
    return members.flatMap(({ pubkey, role }) => (role === 'write' ? [pubkey] : [])).join(' ')
  }

  /** Reads everything anew where others than before may write to one of these documents. */
  function lookAtMembers(addresses: readonly string[]): void {
    if (addresses.every((address) => writersOf(address) === (askedFor.get(address) ?? ''))) return
    // Members' states were left out as long as nobody had said that they are members.
    if (isReading) mustReadAgain = true
    else read()
  }

  function read(): void {
    if (send === undefined) return
    isReading = true
    mustReadAgain = false
    askedFor.clear()
    for (const { address } of documents.list()) askedFor.set(address, writersOf(address))
    inbox.beginReading()
    reader.read()
  }

  async function hasRead(): Promise<void> {
    const startedIn = epoch
    await inbox.settled()
    if (startedIn !== epoch) return
    if (mustReadAgain) {
      read()
      return
    }
    const lacking = await inbox.lacking()
    if (startedIn !== epoch) return
    isReading = false
    for (const address of lacking) {
      // What is unsaved is published as a whole anyway.
      if (!outbox.whole.unsaved(address).some(({ state }) => state !== 'refused')) publisher.noteLack(address)
    }
    options.onCaughtUp()
  }

  function applied(state: ReceivedState): void {
    const { event, name, address } = state
    warnOnce(state)
    const isOwnCopy =
      event.pubkey === pubkey && tagValues(event, 'd')[0] === plainStateIdentifier(address, deviceId, pubkey)
    if (!isOwnCopy || publisher.noteOwnCopy(name, event.id, event.created_at) || isReading) return
    // A clone of this device has replaced its state, which may hold what the other one lacks.
    const startedIn = epoch
    inbox.holdsAll(state).then((holdsAll) => {
      if (startedIn === epoch && !holdsAll) publisher.noteLack(name)
    }, options.onFailed)
  }

  function warnOnce({ roster }: ReceivedState): void {
    if (hasWarned || roster === undefined || membersOf(roster).length === 0) return
    hasWarned = true
    logger.warn('a plain relay enforces no members: it may show a shared chat to anybody')
  }

  return {
    get lacking() {
      return publisher.lacking
    },
    get setAside() {
      return inbox.setAside
    },

    open(sendText, limit) {
      send = sendText
      maxQueryEvents = limit
      waitsForLogin = false
      read()
    },

    take: reader.take,

    loggedIn() {
      if (!waitsForLogin) return
      waitsForLogin = false
      read()
    },

    start(sendText) {
      publisher.start(sendText)
    },

    publish(address, isUrgent) {
      lookAtMembers([address])
      publisher.publish(address, isUrgent)
    },
    answered: publisher.answered,
    retry: publisher.retry,

    down(code) {
      epoch++
      if (code === TOO_BIG) publisher.wasTooBig()
      send = undefined
      isReading = false
      reader.stop()
      inbox.abandon()
      publisher.stop()
    },
  }
}
