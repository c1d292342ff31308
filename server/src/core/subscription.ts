import {
  type Clock,
  cursorHint,
  EOSE_FINISH,
  EOSE_MORE,
  EOSE_RESET,
  encodeRelay,
  type Filter,
  isExpired,
  type Logger,
  matchFilter,
  SyncError,
} from '@onyx-sync/shared'
import type { EventLog } from '../ports/event-log.js'
import { type Merger, MergerLost } from '../ports/merger.js'
import type { Peer } from '../ports/peer.js'
import type { Counters } from './counters.js'
import { type CursorCodec, type CursorPosition, visiblePosition } from './cursor.js'
import type { Hub, LiveEvent, Subscriber } from './hub.js'
import type { MergedStates } from './merged-state.js'
import { grantedDocuments, type NewsItem, readNews, relevantNews } from './news.js'
import type { ServedKinds } from './plain-events.js'
import { queryEvents } from './query.js'
import type { Reading, Replacements } from './replacements.js'
import { type ReplayedState, type ReplayScope, replayStates, type StateBatch } from './replay.js'
import type { StateSigner } from './state-signer.js'
import {
  isReadable,
  type Loaded,
  loadInPages,
  parseEvents,
  readableAmong,
  type StoredEvent,
} from './stored-events.js'
import type { WriterEvents } from './writer-events.js'

/** One `REQ` that is being answered. */
export interface Subscription {
  /** Sends nothing more. */
  close(): void
}

export interface SubscriptionOptions {
  readonly id: string
  readonly filters: readonly Filter[]
  /**
   * Keys it reads for: those authenticated when it was asked for. A key that authenticates later doesn't
   * change it, because what that key could see before would be missing under a cursor that claims to cover it.
   */
  readonly keys: readonly string[]
  /**
   * Whether one of the keys is an operator's: without `sync` it is brought the training data of all authors.
   * A cursor stands for what concerns its keys.
   */
  readonly isOperator: boolean
  /** The kinds that are served. */
  readonly kinds: ServedKinds
  /** With it: bring up to date from this position. Without: stored events by NIP-01's rules. */
  readonly sync?: { readonly codec: CursorCodec; readonly from: CursorPosition }
  readonly log: EventLog
  readonly states: MergedStates
  readonly merger: Merger
  readonly stateSigner: StateSigner
  readonly writerEvents: WriterEvents
  /** Events of one document from which on its merged state may be sent in their place. */
  readonly minStateEvents: number
  readonly hub: Hub
  readonly replacements: Replacements
  readonly peer: Peer
  readonly logger: Logger
  readonly clock: Clock
  readonly counters: Counters
  /** The `EOSE` was said, in this tick. Called once. */
  onEose(): void
  /** Reading the log failed: nothing more will be sent. */
  onFailed(error: unknown): void
}

/** Bytes in a socket above which no more is read for it until it has drained. */
const HIGH_WATER_BYTES = 1024 * 1024
/** How often an answer looks whether something in it was replaced meanwhile: others may be replacing all the time. */
const MAX_REPLACED_ROUNDS = 4

/**
 * Answers one `REQ`: what is stored, `EOSE`, what comes. Source: SPEC REQ1–REQ6, REP1–REP6.
 *
 * It joins the hub before it reads, so nothing falls between the two (trap S3). Live events that come while
 * it reads are not kept: the log is the buffer. `position` says up to where everything was sent, and reading
 * goes on until it is the head of the log; only then, in that very tick, do live events go out directly. The
 * same reading is used again when a key gains a document, and when the socket is too full for live events,
 * so a slow reader costs no memory.
 */
export function createSubscription(options: SubscriptionOptions): Subscription {
  const { id, filters, keys, kinds, sync, log, hub, replacements, peer, logger, clock, counters } = options
  const keySet = new Set(keys)
  const isOperator = options.isOperator && sync === undefined
  let isOpen = true
  /** Defined while it reads. */
  let reading: Reading | undefined
  let isEoseSent = false
  /** A plain `REQ` begins at the head of the log, once nothing is just being replaced. */
  let position = sync?.from.seq ?? 0
  /** What the cursor of `EOSE` covers: as far as `position`, but nothing of others shows in it. */
  let visible = position
  /** Counts revocations, so that a permission looked up before one isn't used after it. */
  let revocations = 0
  /** What left the log while it reads, and may be in a page that was read before. */
  const goneDocuments = new Set<string>()
  const goneSeqs = new Set<number>()

  const subscriber: Subscriber = {
    keys,
    isOperator,
    revoked() {
      revocations++
    },
    withdrawn({ documents, events }) {
      if (reading === undefined) return
      for (const { address } of documents) goneDocuments.add(address)
      for (const { seq } of events) goneSeqs.add(seq)
    },
    deliver(events, hasGrants) {
      // While it reads, the end of the reading finds these in the log.
      if (!isOpen || reading !== undefined) return
      // An edit in many parts is more than a socket should be given at once.
      if (hasGrants || peer.queuedBytes() > HIGH_WATER_BYTES || isMuch(events)) {
        read(follow)
        return
      }
      for (const live of events) if (live.logged.seq > position) sendLive(live)
      position = Math.max(position, events[events.length - 1]?.logged.seq ?? 0)
    },
    untold() {
      if (isOpen && reading === undefined) read(follow)
    },
    passed({ event, message }) {
      // A reader that is too slow, or has not got what is stored yet, misses what is kept nowhere.
      if (!isOpen || !isEoseSent || peer.queuedBytes() > HIGH_WATER_BYTES) return
      if (!filters.some((filter) => matchFilter(filter, event))) return
      counters.eventsSent++
      peer.send(message(id, undefined))
    },
  }

  function isMuch(events: readonly LiveEvent[]): boolean {
    return (
      events.length > 1 && events.reduce((sum, { logged }) => sum + logged.json.length, 0) > HIGH_WATER_BYTES
    )
  }

  function sendLive(live: LiveEvent): void {
    if (!filters.some((filter) => matchFilter(filter, live.event))) return
    counters.eventsSent++
    peer.send(live.message(id, sync?.codec.format(live.logged.seq)))
  }

  function read(what: () => Promise<void>): void {
    reading = replacements.beginReading(keys)
    void guarded(what)
  }

  async function guarded(what: () => Promise<void>): Promise<void> {
    try {
      const replacing = reading?.replaced()
      if (replacing !== undefined) await replacing
      await what()
    } catch (error) {
      // A closed database during shutdown is no news to a subscription that is closed too.
      if (!isOpen) return
      close()
      options.onFailed(error)
    }
  }

  async function start(): Promise<void> {
    await sendWriters()
    if (sync === undefined) await answer()
    await follow()
  }

  /** Whose the client ids of documents are that the filters name. Source: SPEC ATT2. */
  async function sendWriters(): Promise<void> {
    const asked = options.writerEvents.asked(filters)
    if (asked.length === 0) return
    const { read, sign } = options.writerEvents
    for await (const batch of read([...(await whenReadable(asked))])) {
      const readable = await whenReadable(batch.map(({ address }) => address))
      if (!isOpen) return
      const documents = batch.filter(({ address }) => readable.has(address) && !goneDocuments.has(address))
      const json = documents.length === 0 ? undefined : sign(documents, filters)
      if (json !== undefined) peer.send(encodeRelay.event(id, json))
    }
  }

  /** Of a plain `REQ`. What was replaced while it was read is in it as what took its place (SPEC REQ9). */
  async function answer(): Promise<void> {
    position = log.head
    const hasMore = await sendStored()
    for (let rounds = 0; isOpen && rounds < MAX_REPLACED_ROUNDS; rounds++) {
      const replacing = reading?.replaced()
      if (replacing === undefined) break
      await replacing
      await readOn()
    }
    sendEose([hasMore ? EOSE_MORE : EOSE_FINISH])
  }

  /** @returns whether a limit kept something back */
  async function sendStored(): Promise<boolean> {
    const scope = { log, logger, clock, kinds, keys: keySet, isOperator, through: position }
    const events = queryEvents(scope, filters)
    try {
      for (;;) {
        const { value, done } = await events.next()
        if (done === true) return value
        await send(value, () => undefined)
        if (!isOpen) return false
      }
    } finally {
      await events.return(false)
    }
  }

  /** Reads on from `position` until there is nothing more; then the subscription is live. */
  async function follow(): Promise<void> {
    while (isOpen && position < log.head) {
      await readOn()
      finishCatchUp()
    }
    finishCatchUp()
    endReading()
    goneDocuments.clear()
    goneSeqs.clear()
  }

  /** Sends what is new up to the head of the log as it is now. */
  async function readOn(): Promise<void> {
    const through = log.head
    await sendNews(position, through)
    if (sync !== undefined && !isEoseSent) visible = await visiblePosition(log, keys, visible, through)
    position = through
  }

  function finishCatchUp(): void {
    if (sync === undefined || isEoseSent || !isOpen) return
    const hints = [EOSE_FINISH, cursorHint(sync.codec.format(visible))]
    sendEose(sync.from.isReset ? [...hints, EOSE_RESET] : hints)
  }

  function sendEose(hints: readonly string[]): void {
    if (!isOpen) return
    isEoseSent = true
    peer.send(encodeRelay.eose(id, hints))
    options.onEose()
  }

  async function sendNews(after: number, through: number): Promise<void> {
    const granted = await grantedDocuments(log, keys, after, through)
    const skipped = new Set<number>()
    if (sync !== undefined) await sendStates({ after, through, granted }, skipped)
    const wanted = (page: readonly Loaded<NewsItem>[]) =>
      parseEvents(logger, page).filter(({ seq, event, address, isWhole }) => {
        const grantedAt = address === undefined ? undefined : granted.get(address)
        // Comes, or came, with the whole document.
        if (!isWhole && grantedAt !== undefined && seq <= grantedAt) return false
        if (!kinds.isServed(event.kind)) return false
        return !isExpired(event, clock.now()) && filters.some((filter) => matchFilter(filter, event))
      })
    const relevant = await relevantNews(log, keys, filters, after, through, granted)
    for (const seq of relevant.unwanted) skipped.add(seq)
    const news = readNews(log, keys, after, through, relevant.granted, skipped, relevant.only, isOperator)
    for await (const page of loadInPages(log, news)) {
      await send(wanted(page), ({ covered }) => (isEoseSent ? sync?.codec.format(covered) : undefined))
      if (!isOpen) return
    }
  }

  /** Sends documents as merged states where that is cheaper, and notes which events that makes superfluous. */
  async function sendStates(
    range: Pick<ReplayScope, 'after' | 'through' | 'granted'>,
    skipped: Set<number>,
  ): Promise<void> {
    const scope = {
      log,
      states: options.states,
      merger: options.merger,
      minEvents: options.minStateEvents,
      logger,
      keys,
      filters,
      ...range,
    }
    for await (const batch of replayStates(scope, skipped)) {
      if (await sendBatch(batch)) continue
      // Something in it is too large for a state event and can't be cut: of that document the events are sent.
      for (const document of batch.documents) {
        if (await sendBatch({ ...batch, documents: [document] })) continue
        for (const seq of document.stoodFor) skipped.delete(seq)
      }
      if (!isOpen) return
    }
  }

  /** Returns whether the documents could be sent, as far as they may be read; if not, some of them may have been. */
  async function sendBatch(batch: StateBatch): Promise<boolean> {
    while (isOpen) {
      const readable = await whenReadable(batch.documents.map(({ address }) => address))
      const checkedAt = revocations
      const isTold = ({ address }: ReplayedState) => readable.has(address) && !goneDocuments.has(address)
      const documents = batch.documents.filter(isTold)
      if (!isOpen || documents.length === 0) return true
      try {
        for await (const json of options.stateSigner.sign({ ...batch, documents })) {
          if (peer.queuedBytes() > HIGH_WATER_BYTES) await peer.drained()
          if (!isOpen) return true
          // What may be read has changed since it was signed.
          if (checkedAt !== revocations || !documents.every(isTold)) break
          counters.statesSent++
          peer.send(encodeRelay.event(id, json))
        }
      } catch (error) {
        if (error instanceof MergerLost || (error instanceof SyncError && error.code === 'TOO_LARGE'))
          return false
        throw error
      }
      if (checkedAt === revocations && documents.every(isTold)) return true
    }
    return true
  }

  /** Waits for the socket, then tells which documents may be read, as of the tick in which it resolves. */
  async function whenReadable(addresses: readonly (string | undefined)[]): Promise<ReadonlySet<string>> {
    let readable: ReadonlySet<string> = new Set()
    let checkedAt = -1
    if (peer.queuedBytes() > HIGH_WATER_BYTES) await peer.drained()
    while (isOpen && checkedAt !== revocations) {
      checkedAt = revocations
      readable = await readableAmong(log, keySet, addresses)
    }
    return readable
  }

  /**
   * Sends events as fast as the socket takes them. Whether each may be read is looked up after the last wait
   * before it is sent, so a key that has lost a document gets nothing more of it (trap S9).
   */
  async function send<E extends StoredEvent>(
    events: readonly E[],
    cursorOf: (stored: E) => string | undefined,
  ): Promise<void> {
    let readable: ReadonlySet<string> = new Set()
    let checkedAt = -1
    for (const stored of events) {
      if (peer.queuedBytes() > HIGH_WATER_BYTES) await peer.drained()
      while (isOpen && checkedAt !== revocations) {
        checkedAt = revocations
        readable = await readableAmong(
          log,
          keySet,
          events.flatMap(({ about }) => about),
        )
      }
      if (!isOpen) return
      if (!isReadable(stored, keySet, readable, isOperator) || isGone(stored)) continue
      counters.eventsSent++
      peer.send(encodeRelay.event(id, stored.json, cursorOf(stored)))
    }
  }

  function isGone({ seq, address }: StoredEvent): boolean {
    return goneSeqs.has(seq) || (address !== undefined && goneDocuments.has(address))
  }

  function endReading(): void {
    reading?.end()
    reading = undefined
  }

  function close(): void {
    if (!isOpen) return
    isOpen = false
    endReading()
    counters.subscriptions--
    hub.leave(subscriber)
  }

  counters.subscriptions++
  hub.join(subscriber)
  read(start)
  return { close }
}
