import {
  type Clock,
  cursorOfHints,
  type DecodedUpdateEvent,
  type DocumentAddress,
  decodeUpdateEvent,
  EOSE_RESET,
  type EventVerifier,
  formatAddress,
  getOrCreate,
  isDocumentKind,
  type Limits,
  type Logger,
  type Member,
  type NostrEvent,
  parseAddress,
  parseEvent,
} from '@onyx-sync/shared'
import * as Y from 'yjs'
import type { Documents, RemoteUpdate } from './documents.js'
import type { Outbox } from './outbox.js'

/** Key of the cursor in the store's meta. */
export const META_CURSOR = 'cursor'

/** What a subscription brings, in the order of its arrival. */
export type Incoming =
  | { readonly type: 'event'; readonly event: unknown; readonly cursor: string | undefined }
  | { readonly type: 'eose'; readonly hints: readonly string[] }

/** Applies what the server sends: checks it, stores it with its cursor, and notices a server that was set back. */
export interface Inbox {
  /** The cursor to ask with. The one on disk never covers more than what is on disk with it (trap C3). */
  readonly cursor: string
  /** Events set aside since the start because they weren't what an author signed. */
  readonly setAside: number
  receive(incoming: Incoming): void
  /** Forgets what was received on a connection that is gone and not applied yet; it will come again. */
  abandon(): void
}

export interface InboxOptions {
  readonly pubkey: string
  readonly documents: Documents
  readonly outbox: Outbox
  readonly verifier: EventVerifier
  readonly clock: Clock
  readonly logger: Logger
  readonly limits: Limits
  /** The cursor as it is on disk; empty before the first catch-up. */
  readonly cursor: string
  /** Everything up to the server's EOSE is applied and stored. */
  onCaughtUp(): void
  /** The server doesn't know the cursor: ask again, from the beginning. */
  onReset(): void
  /** Something of this document is missing, though everything is applied: bring its whole log. */
  onIncomplete(address: DocumentAddress): void
  /** What was received can't be stored now. The connection is to be given up; nothing is lost. */
  onFailed(error: unknown): void
}

/** Events applied in one batch: bounds what a burst keeps in memory and how long a batch blocks. */
const MAX_BATCH = 128

/** The update of an empty document: carries a statement of members and no content. */
const EMPTY_UPDATE = Y.encodeStateAsUpdate(new Y.Doc())

/** What the server turned out to have, gathered while everything comes again after a reset. */
interface ServerState {
  readonly documents: Map<string, Y.Doc>
  /** Time of the owner's newest statement of members, by document. */
  readonly membersStatedAt: Map<string, number>
  readonly eventIds: Set<string>
}

export function createInbox(options: InboxOptions): Inbox {
  const { documents, outbox, verifier, clock, logger, limits } = options
  let cursor = options.cursor
  let setAside = 0
  let queue: Incoming[] = []
  let isDraining = false
  let epoch = 0
  let isCaughtUp = false
  /** Documents whose log was asked for on this connection: what it didn't mend the first time it can't mend. */
  const askedFor = new Set<string>()
  /** Defined from the moment a reset is noticed until everything has come again. */
  let serverState: ServerState | undefined

  async function drain(): Promise<void> {
    if (isDraining) return
    isDraining = true
    try {
      while (queue.length > 0) {
        const startedIn = epoch
        const batch = takeBatch()
        await applyEvents(batch.events, batch.cursor)
        if (startedIn !== epoch) continue
        if (batch.eose !== undefined) await finishReplay(batch.eose)
        if (isCaughtUp) askForMissing()
        // Lets timers and the app run between batches.
        await new Promise<void>((resolve) => clock.setTimeout(resolve, 0))
      }
    } catch (error) {
      queue = []
      options.onFailed(error)
    } finally {
      isDraining = false
    }
    if (queue.length > 0) void drain()
  }

  function takeBatch(): {
    events: unknown[]
    cursor: string | undefined
    eose: readonly string[] | undefined
  } {
    const events: unknown[] = []
    let lastCursor: string | undefined
    while (queue.length > 0 && events.length < MAX_BATCH) {
      const incoming = queue.shift() as Incoming
      if (incoming.type === 'eose') return { events, cursor: lastCursor, eose: incoming.hints }
      events.push(incoming.event)
      lastCursor = incoming.cursor ?? lastCursor
    }
    return { events, cursor: lastCursor, eose: undefined }
  }

  async function applyEvents(events: readonly unknown[], newCursor: string | undefined): Promise<void> {
    const updates: RemoteUpdate[] = []
    const eventIds: string[] = []
    for (const value of events) {
      try {
        const event = parseEvent(value, limits)
        serverState?.eventIds.add(event.id)
        eventIds.push(event.id)
        // Training data is only ever written by this account: there is nothing of it to apply.
        if (!isDocumentKind(event.kind)) continue
        const decoded = decodeUpdateEvent(event, limits)
        updates.push(toRemoteUpdate(event, decoded))
        if (serverState !== undefined) noteServerHas(serverState, event, decoded)
      } catch (error) {
        setAside++
        logger.error('a received event was set aside', { error: String(error) })
      }
    }
    // After a reset no cursor is stored before what the server lacks is queued: a crash in between would
    // leave a device that believes the server has it all.
    await store(updates, eventIds, serverState === undefined ? newCursor : undefined)
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

  function toRemoteUpdate(event: NostrEvent, decoded: DecodedUpdateEvent): RemoteUpdate {
    return {
      address: formatAddress(decoded.address),
      update: decoded.framed.update,
      author: event.pubkey,
      clientIds: decoded.clientIds,
      members:
        decoded.members === undefined ? undefined : { list: decoded.members, statedAt: event.created_at },
      verify: () => verifier.verify(event),
    }
  }

  async function store(
    updates: readonly RemoteUpdate[],
    eventIds: readonly string[],
    newCursor: string | undefined,
  ): Promise<void> {
    if (eventIds.length === 0 && (newCursor === undefined || newCursor === cursor)) return
    setAside += await documents.applyRemote(updates, () => {
      // In memory at once: should this batch fail, it stays in the journal and goes with the next one, and
      // until then the server is asked from here on. Asked from before, a server that was set back meanwhile
      // could hand out a cursor that hides what it lost.
      if (newCursor !== undefined) cursor = newCursor
      return {
        ...outbox.confirm(eventIds),
        ...(newCursor === undefined ? {} : { meta: { [META_CURSOR]: newCursor } }),
      }
    })
    for (const { address, members } of updates) {
      // Rights that came (back): what was refused for lack of them can go now.
      if (members?.list.some((member) => member.pubkey === options.pubkey)) outbox.retryRefused(address)
    }
  }

  async function finishReplay(hints: readonly string[]): Promise<void> {
    const newCursor = cursorOfHints(hints)
    if (hints.includes(EOSE_RESET) && serverState === undefined) {
      // Another database, or this one from a backup. The old cursor stays on disk until what the server lacks
      // is queued: a crash in between begins the same again.
      logger.warn('the server does not know this cursor; everything is compared')
      serverState = { documents: new Map(), membersStatedAt: new Map(), eventIds: new Set() }
      options.onReset()
      return
    }
    const startedIn = epoch
    if (serverState !== undefined) await queueMissing(serverState)
    // The connection may have gone meanwhile; the next one asks from the old cursor and begins again.
    if (startedIn !== epoch) return
    serverState = undefined
    await store([], [], newCursor)
    // What an earlier batch could not write.
    await documents.journal.flush()
    if (startedIn !== epoch) return
    isCaughtUp = true
    options.onCaughtUp()
  }

  /** Queues everything that the server lacks. Content is compared, so nothing is doubled. */
  async function queueMissing(state: ServerState): Promise<void> {
    for (const { address, members, membersStatedAt } of documents.list()) {
      const serverDoc = state.documents.get(address) ?? new Y.Doc()
      const missing =
        (await documents.missingOn(serverDoc, address)) ??
        (lacksStatement(state, address, members, membersStatedAt) ? EMPTY_UPDATE : undefined)
      if (missing === undefined) continue
      outbox.dropPending(address)
      documents.sendAgain(address, missing)
    }
    for (const entry of outbox.savedEntries()) {
      const { id } = JSON.parse(entry.event) as NostrEvent
      if (!state.eventIds.has(id)) outbox.restage(entry)
    }
    await documents.journal.flush()
  }

  /** Whether this account's statement of who may read a chat got lost with the server's data. */
  function lacksStatement(
    state: ServerState,
    address: string,
    members: readonly Member[],
    statedAt: number,
  ): boolean {
    const isOwn = parseAddress(address)?.owner === options.pubkey
    return isOwn && members.length > 0 && (state.membersStatedAt.get(address) ?? -1) < statedAt
  }

  return {
    get cursor() {
      // While everything is compared, the server is asked from the beginning.
      return serverState === undefined ? cursor : ''
    },
    get setAside() {
      return setAside
    },
    receive(incoming) {
      queue.push(incoming)
      void drain()
    },
    abandon() {
      epoch++
      queue = []
      serverState = undefined
      isCaughtUp = false
      askedFor.clear()
    },
  }
}

function noteServerHas(state: ServerState, event: NostrEvent, decoded: DecodedUpdateEvent): void {
  const address = formatAddress(decoded.address)
  Y.applyUpdate(
    getOrCreate(state.documents, address, () => new Y.Doc()),
    decoded.framed.update,
  )
  if (decoded.members === undefined) return
  const statedAt = state.membersStatedAt.get(address) ?? -1
  state.membersStatedAt.set(address, Math.max(statedAt, event.created_at))
}
