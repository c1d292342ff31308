import {
  cursorOfHints,
  type DocumentAddress,
  decodeUpdateEvent,
  EOSE_RESET,
  type EventVerifier,
  type Inflate,
  isDocumentKind,
  KIND,
  type Limits,
  type Logger,
  type NostrEvent,
  parseAddress,
  parseEvent,
  parseStateEvent,
  SyncError,
} from '@onyx-sync/shared'
import type { Turns } from '../ports/turns.js'
import { createArrivals } from './arrivals.js'
import { createAssembly } from './assembly.js'
import { type Comparison, createComparison } from './comparison.js'
import type { Contributions } from './contributions.js'
import type { Deletions } from './deletions.js'
import type { Documents } from './documents-api.js'
import { eventsInState } from './events-in-state.js'
import type { JournalChange } from './journal.js'
import type { Outbox } from './outbox.js'
import { isState, joinParts, stateToUpdate, toRemoteUpdate } from './received-updates.js'
import type { RemoteUpdate } from './remote-updates.js'
import type { ServerTrust } from './server-trust.js'
import type { Incoming } from './session-api.js'
import { createPace } from './slices.js'

/** Key of the cursor in the store's meta. */
export const META_CURSOR = 'cursor'

type IncomingEvent = Extract<Incoming, { type: 'event' }>

/** Applies what the server sends: checks it, stores it with its cursor, and notices a server that was set back. */
export interface Inbox {
  /** The cursor to ask with. The one on disk never covers more than what is on disk with it (trap C3). */
  readonly cursor: string
  /** Events set aside since the start because they weren't what an author signed. */
  readonly setAside: number
  /** Documents brought up to date of those that changed, while catching up by merged states; else undefined. */
  readonly progress: { readonly done: number; readonly total: number } | undefined
  receive(incoming: Incoming): void
  /** Asks from the beginning with the next subscription, and has everything compared, as after a reset. */
  compareAll(): void
  /** Resolves when everything received so far is applied and stored, or given up. */
  idle(): Promise<void>
  /** What came in pieces will come again from the cursor: the subscription is asked for anew. Call when idle. */
  restart(): void
  /** Forgets what was received on a connection that is gone and not applied yet; it will come again. */
  abandon(): void
}

export interface InboxOptions {
  readonly pubkey: string
  readonly documents: Documents
  readonly outbox: Outbox
  readonly deletions: Deletions
  readonly contributions: Contributions
  readonly verifier: EventVerifier
  readonly logger: Logger
  readonly limits: Limits
  readonly turns: Turns
  readonly trust: ServerTrust
  /** Undoes the DEFLATE of merged states. @default JavaScript's */
  readonly inflate?: Inflate
  /** The cursor as it is on disk; empty before the first catch-up. */
  readonly cursor: string
  /** Whether content of a document belongs on this device. @default always */
  accepts?(address: string): boolean
  /** Everything up to the server's EOSE is applied and stored. */
  onCaughtUp(): void
  /** Resolves with true once nothing that was received is unchecked, with false if something was forged. */
  whenChecked?(): Promise<boolean>
  /** What the server lacked is queued. @returns what to write together with that */
  onCompared?(): JournalChange
  /** The server doesn't know the cursor: ask again, from the beginning. */
  onReset(): void
  /** Something of this document is missing, though everything is applied: bring its whole log. */
  onIncomplete(address: DocumentAddress): void
  /** What was received can't be stored now. The connection is to be given up; nothing is lost. */
  onFailed(error: unknown): void
}

/** Events applied in one batch: bounds what a burst keeps in memory and how long a batch blocks. */
const MAX_BATCH = 128

export function createInbox(options: InboxOptions): Inbox {
  const { pubkey, documents, outbox, deletions, contributions, verifier, logger, limits, trust, turns } =
    options
  const pace = createPace(turns)
  let cursor = options.cursor
  let setAside = 0
  let queue: Incoming[] = []
  let isDraining = false
  const whenIdle: (() => void)[] = []
  let epoch = 0
  let isCaughtUp = false
  let progress: Inbox['progress']
  /** Parts of edits, and of merged states: nothing is applied before its whole is there. */
  const edits = createAssembly<RemoteUpdate>()
  const states = createAssembly<RemoteUpdate>()
  const arrivals = createArrivals(documents)
  /** The newest cursor that came while parts were missing. */
  let heldCursor: string | undefined
  /**
   * Events that came since a cursor was stored. The outbox lets go of what it sent together with the cursor that
   * covers it, not before: between the two, a server could be set back to where it lacks the event, and the
   * old cursor would not tell.
   */
  let arrived: string[] = []
  /** Documents whose log was asked for on this connection: what it didn't mend the first time it can't mend. */
  const askedFor = new Set<string>()
  /** Defined from the moment a reset is noticed until everything has come again. */
  let comparison: Comparison | undefined

  async function drain(): Promise<void> {
    if (isDraining) return
    isDraining = true
    try {
      while (queue.length > 0) {
        const startedIn = epoch
        const batch = takeBatch()
        await applyEvents(batch.events, batch.cursor)
        if (startedIn !== epoch) continue
        if (batch.end?.type === 'eose') await finishReplay(batch.end.hints)
        if (batch.end?.type === 'log-end') documents.refetched(batch.end.address)
        if (isCaughtUp) askForMissing()
        // Lets timers and the app run between batches.
        if (queue.length > 0) await turns.next()
      }
    } catch (error) {
      queue = []
      options.onFailed(error)
    } finally {
      isDraining = false
    }
    if (queue.length > 0) void drain()
    else for (const settle of whenIdle.splice(0)) settle()
  }

  function takeBatch(): {
    events: IncomingEvent[]
    cursor: string | undefined
    end: Exclude<Incoming, IncomingEvent> | undefined
  } {
    const events: IncomingEvent[] = []
    let lastCursor: string | undefined
    while (queue.length > 0 && events.length < MAX_BATCH) {
      const incoming = queue.shift() as Incoming
      if (incoming.type !== 'event') return { events, cursor: lastCursor, end: incoming }
      events.push(incoming)
      lastCursor = incoming.cursor ?? lastCursor
      // A state event is many documents at once.
      if (isState(incoming.event)) break
    }
    return { events, cursor: lastCursor, end: undefined }
  }

  async function applyEvents(events: readonly IncomingEvent[], newCursor: string | undefined): Promise<void> {
    try {
      await applyBatch(events, newCursor)
    } finally {
      arrivals.release()
    }
  }

  async function applyBatch(events: readonly IncomingEvent[], newCursor: string | undefined): Promise<void> {
    const updates: RemoteUpdate[] = []
    const others: Apply[] = []
    const startedIn = epoch
    for (const { event, isRefetched = false } of events) {
      // What is wrong with a state ends the connection: the events in its place have to come first.
      if (isState(event)) updates.push(...(await openState(event)))
      else if (isOfNoDocument(event)) others.push(...open(event, readOther))
      else updates.push(...(await noteOwnInWhole(open(event, (read) => readUpdate(read, isRefetched)))))
      await pace.did(lengthOf(event))
      // The connection may have gone meanwhile, and with it what was put together of its parts.
      if (startedIn !== epoch) return
    }
    for (const update of updates) {
      if (options.accepts?.(update.address) !== false) comparison?.noteUpdate(update)
    }
    heldCursor = newCursor ?? heldCursor
    // Not past an edit of which parts are missing, and after a reset not before what the server lacks is
    // queued: a crash in between would leave a device that believes that it, or the server, has it all.
    const isHeld = edits.incomplete.length > 0 || comparison !== undefined
    const cursorNow = isHeld ? undefined : heldCursor
    if (!isHeld) heldCursor = undefined
    await store(updates, cursorNow, others)
  }

  /** What an author's event brings; nothing for one that can't be read, or that its author didn't sign where that is looked at. */
  function open<T>(value: unknown, read: (event: NostrEvent) => T[]): T[] {
    try {
      const event = parseEvent(value, limits)
      comparison?.noteEvent(event)
      arrived.push(event.id)
      return read(event)
    } catch (error) {
      setAside++
      logger.error('a received event was set aside', { error: String(error) })
      return []
    }
  }

  /** Nothing for one that is no update, or waits for other parts. */
  function readUpdate(event: NostrEvent, isRefetched: boolean): RemoteUpdate[] {
    if (!isDocumentKind(event.kind)) return []
    const decoded = decodeUpdateEvent(event, limits)
    const { part } = decoded
    const read = toRemoteUpdate(event, decoded, () => verifier.verify(event))
    // What comes a second time is counted already.
    const mayWait = comparison === undefined && part === undefined && !isRefetched
    const update = {
      ...read,
      ...(isRefetched ? { logged: undefined } : {}),
      ...(mayWait ? { signed: event } : {}),
    }
    if (part === undefined) return [update]
    const parts = edits.add(`${update.address} ${event.pubkey}`, part, update)
    return parts === undefined ? [] : [joinParts(parts)]
  }

  /** Of a deletion request, or training data. */
  function readOther(event: NostrEvent): Apply[] {
    if (event.kind === KIND.deletion) {
      const deletion = deletions.open(event)
      return [() => deletions.apply(deletion), () => contributions.deleted(event)]
    }
    const contributed = contributions.open(event)
    return contributed === undefined ? [] : [() => contributions.apply(contributed)]
  }

  async function openState(value: unknown): Promise<readonly RemoteUpdate[]> {
    try {
      return await readState(value)
    } catch (error) {
      // That this device can't read its own disk says nothing of the server.
      if (!isOwnFault(error)) trust.distrust()
      throw error
    }
  }

  async function readState(value: unknown): Promise<readonly RemoteUpdate[]> {
    const startedIn = epoch
    const event = parseEvent(value, limits)
    trust.check(event)
    verifier.verify(event)
    await pace.did(event.content.length)
    if (startedIn !== epoch) return []
    const state = parseStateEvent(event, limits, options.inflate)
    progress = state.progress
    const updates = state.documents.map(stateToUpdate)
    if (state.part === undefined) return noteOwnIn(updates)
    const update = updates[0] as RemoteUpdate
    // What is here is compared, and changed, as a whole.
    const mayArrive = comparison === undefined && options.accepts?.(update.address) !== false
    const arriving = mayArrive ? arrivals.take(update, state.part) : undefined
    if (arriving !== undefined) return arriving
    const parts = states.add(update.address, state.part, update)
    return parts === undefined ? [] : noteOwnIn([joinParts(parts)])
  }

  /** As {@link noteOwnIn}, of checkpoints: the server has taken what they stand for off its log. */
  function noteOwnInWhole(
    received: readonly RemoteUpdate[],
  ): Promise<readonly RemoteUpdate[]> | readonly RemoteUpdate[] {
    return received.some(({ logged }) => logged?.as === 'checkpoint') ? noteOwnIn(received) : received
  }

  /** Takes note of this device's events that states hold, as if they had come by themselves. */
  async function noteOwnIn(received: readonly RemoteUpdate[]): Promise<readonly RemoteUpdate[]> {
    const startedIn = epoch
    for (const state of received) {
      const ids = await eventsInState(state, outbox.savedEntries(state.address), limits, pace)
      if (startedIn !== epoch) return []
      arrived.push(...ids)
    }
    return received
  }

  /** Once per connection and document, or a gap that nobody can fill would be asked for without end (trap Y2). */
  function askForMissing(): void {
    for (const text of documents.incomplete()) {
      const address = parseAddress(text)
      if (address === undefined || askedFor.has(text)) continue
      askedFor.add(text)
      logger.warn('something of a document is missing; its log is asked for', { address: text })
      options.onIncomplete(address)
    }
  }

  async function store(
    updates: readonly RemoteUpdate[],
    newCursor: string | undefined,
    others: readonly Apply[] = [],
  ): Promise<void> {
    const isNews = newCursor !== undefined && (newCursor !== cursor || arrived.length > 0)
    if (updates.length === 0 && others.length === 0 && !isNews) return
    // Before anything waits: a connection that goes meanwhile takes along what came on it, and the cursor covers this.
    const covered = newCursor === undefined ? [] : arrived.splice(0)
    setAside += await documents.applyRemote(updates, () => {
      for (const apply of others) documents.journal.add(apply())
      // In memory at once: should this batch fail, it stays in the journal and goes with the next one, and
      // until then the server is asked from here on. Asked from before, a server that was set back meanwhile
      // could hand out a cursor that hides what it lost.
      if (newCursor === undefined) return {}
      cursor = newCursor
      return { ...outbox.confirm(covered), meta: { [META_CURSOR]: newCursor } }
    })
    if (others.length > 0) deletions.tidy()
    for (const { address, statement } of updates) {
      if (statement === undefined) continue
      const own = documents.info(address)?.members.find((member) => member.pubkey === options.pubkey)
      // Rights that came (back): what was refused for lack of them can go now.
      if (own?.role === 'write') outbox.retryRefused(address)
    }
  }

  function compareAll(): void {
    documents.forgetLogBytes()
    comparison = createComparison({ pubkey, documents, outbox, limits })
  }

  async function finishReplay(hints: readonly string[]): Promise<void> {
    const newCursor = cursorOfHints(hints)
    progress = undefined
    if (hints.includes(EOSE_RESET) && comparison === undefined) {
      // Another database, or this one from a backup. The old cursor stays on disk until what the server lacks
      // is queued: a crash in between begins the same again.
      logger.warn('the server does not know this cursor; everything is compared')
      compareAll()
      options.onReset()
      return
    }
    const startedIn = epoch
    // What the server lacks must not be something that it made up.
    if (comparison !== undefined && (await options.whenChecked?.()) === false) return
    await comparison?.queueMissing()
    // The connection may have gone meanwhile; the next one asks from the old cursor and begins again.
    if (startedIn !== epoch) return
    if (comparison !== undefined) documents.journal.add(options.onCompared?.() ?? {})
    comparison = undefined
    heldCursor = undefined
    await dropPartial()
    if (startedIn !== epoch) return
    await store([], newCursor)
    // What an earlier batch could not write.
    await documents.journal.flush()
    if (startedIn !== epoch) return
    isCaughtUp = true
    options.onCaughtUp()
  }

  /** A server sends an edit whole. Where it doesn't, the document is asked for once more. */
  async function dropPartial(): Promise<void> {
    for (const name of [...edits.incomplete, ...states.incomplete, ...(await arrivals.end())]) {
      const address = parseAddress(name.split(' ')[0] ?? '')
      logger.error('an edit came without some of its parts', { name })
      setAside++
      if (address !== undefined) options.onIncomplete(address)
    }
    edits.clear()
    states.clear()
  }

  return {
    get cursor() {
      // While everything is compared, the server is asked from the beginning.
      return comparison === undefined ? cursor : ''
    },
    get setAside() {
      return setAside
    },
    get progress() {
      return progress
    },
    receive(incoming) {
      queue.push(incoming)
      void drain()
    },
    compareAll,
    idle: () =>
      isDraining || queue.length > 0 ? new Promise((resolve) => whenIdle.push(resolve)) : Promise.resolve(),
    restart() {
      edits.clear()
      states.clear()
      void arrivals.end()
      heldCursor = undefined
      arrived = []
    },
    abandon() {
      epoch++
      queue = []
      comparison = undefined
      isCaughtUp = false
      progress = undefined
      heldCursor = undefined
      arrived = []
      edits.clear()
      states.clear()
      void arrivals.end()
      askedFor.clear()
    },
  }
}

/** Takes in what was received and checked. @returns what to write together with the cursor that covers it */
type Apply = () => JournalChange

function isOfNoDocument(event: unknown): boolean {
  const kind = (event as { readonly kind?: unknown } | null)?.kind
  return kind === KIND.deletion || kind === KIND.training
}

/** Whether something failed because of this device's own disk. */
function isOwnFault(error: unknown): boolean {
  return error instanceof SyncError && (error.code === 'STORE_FAILED' || error.code === 'DATABASE_UNREADABLE')
}

/** What there is to look through in an event, about as many bytes of an update. */
function lengthOf(event: unknown): number {
  const { content } = (event ?? {}) as { readonly content?: unknown }
  return typeof content === 'string' ? content.length : 0
}
