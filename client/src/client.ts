import {
  bytesToHex,
  DEFAULT_LIMITS,
  EMPTY_ROSTER,
  isHex64,
  isSameRoster,
  parseAddress,
  pureVerifier,
  type Random,
  type Signer,
  SyncError,
  type SyncErrorCode,
  silentLogger,
  systemClock,
  systemRandom,
  toSyncError,
} from '@onyx-sync/shared'
import { checkPlatform } from './adapters/platform-check.js'
import { createWebSocketTransport } from './adapters/websocket-transport.js'
import type { SyncClient, SyncClientOptions, SyncStatus } from './client-api.js'
import { checkBatching, checkHeartbeat, checkRandom, checkUrl } from './client-options.js'
import { type Authorship, createAuthorship } from './core/authorship.js'
import { createBodyLoader } from './core/body-loader.js'
import { createChatList, META_LIST_CURSOR } from './core/chat-list.js'
import { type Checkpointer, createCheckpointer } from './core/checkpointer.js'
import { createDeletions, type Deletions, isDeleted } from './core/deletions.js'
import { createDocumentLog } from './core/document-log.js'
import { createDocuments, type Documents } from './core/documents.js'
import { checkHoldChoice, readHoldChoice } from './core/hold-choice.js'
import type { Scope } from './core/hold-filters.js'
import { createHolding, type Holding, META_HOLD, META_SCOPE } from './core/holding.js'
import { createInbox, type Inbox, META_CURSOR } from './core/inbox.js'
import type { CommittedRows } from './core/journal.js'
import { createOutbox, type Outbox } from './core/outbox.js'
import type { EditState } from './core/outbox-queries.js'
import { createPacing } from './core/pacing.js'
import { createPlainMode, type PlainMode } from './core/plain.js'
import { createPlainNote, META_PLAIN } from './core/plain-note.js'
import { createPresence } from './core/presence.js'
import { META_ROWS_VERSION, ROWS_VERSION, rebuildRows } from './core/rebuild.js'
import { createServerTrust, META_SERVER_KEY } from './core/server-trust.js'
import { createSession, type Session } from './core/session.js'
import { createStaging } from './core/staging.js'
import { createChats } from './model/chats.js'
import { createConsent } from './model/consent.js'
import { createImporter } from './model/import/import-chats.js'
import { createLocalState, type LocalState } from './model/local-state.js'
import { createProjection } from './model/projection.js'
import { createRowFeed } from './model/row-feed.js'
import { createSettings } from './model/settings.js'
import { createStreams } from './model/stream.js'
import { createTraining } from './model/training.js'
import { projectTraining } from './model/training-rows.js'
import type { OutboxEntry, SyncStore } from './ports/store.js'
import { checkUpkeep } from './upkeep-options.js'

/** Problems that an app's user can do something about: those of this device, not of the network. */
const DEVICE_PROBLEMS: ReadonlySet<SyncErrorCode> = new Set([
  'AUTH_CLOCK_SKEW',
  'AUTH_INVALID',
  'IDENTITY_MISMATCH',
  'SIGNER_FAILED',
  'STORE_FAILED',
  'SERVER_KEY_CHANGED',
])
/** Least time between two whole states of a document on a plain relay. Milliseconds. */
const PLAIN_INTERVAL_MS = 2_000
const META_PUBKEY = 'pubkey'
const META_DEVICE = 'deviceId'
const META_INSTALL = 'installId'

/**
 * Opens a device. Rejects with `IDENTITY_MISMATCH` if the database belongs to another account (its data is
 * neither shown nor sent, trap C14), `KEY_INVALID`, `PLATFORM_LACKING`, `RANDOM_WEAK`, or `STORE_FAILED`.
 */
export async function createSyncClient(options: SyncClientOptions): Promise<SyncClient> {
  const { store, signer, url } = options
  const clock = options.clock ?? systemClock
  const random = options.random ?? systemRandom
  const logger = options.logger ?? silentLogger
  const limits = options.limits ?? DEFAULT_LIMITS
  const verifier = options.verifier ?? pureVerifier
  checkPlatform(undefined, { needsRandom: options.random === undefined })
  checkRandom(random)
  if (url !== undefined) checkUrl(url, options.allowInsecure)
  const upkeep = checkUpkeep(options)
  const given = options.hold === undefined ? undefined : checkHoldChoice(options.hold)
  const { pubkey, deviceId, cursor, serverKey, plainNote, meta } = await openAccount(
    store,
    signer,
    random,
    options.installId ?? store.installId,
  )
  const chosen = readHoldChoice(meta[META_HOLD])
  const batching = checkBatching(options.batching)
  const listeners = new Set<(status: SyncStatus) => void>()
  const feed = createRowFeed()
  let localProblem: SyncStatus['problem']
  let isClosed = false
  let outbox: Outbox | undefined
  let session: Session | undefined
  let authorship: Authorship | undefined
  let holding: Holding | undefined
  let checkpointer: Checkpointer | undefined
  let local: LocalState | undefined
  let deletions: Deletions | undefined

  function noteProblem(error: unknown): void {
    const { code, message } = toSyncError(error, 'STORE_FAILED')
    localProblem = { code, message }
    changed()
  }

  function onProblem(error: SyncError | undefined): void {
    if (error !== undefined) noteProblem(error)
    else if (localProblem?.code !== 'STORE_FAILED') localProblem = undefined
  }

  const documents = await createDocuments({
    pubkey,
    store,
    createProjection,
    projectOutbox: projectTraining,
    logger,
    clock,
    random,
    compaction: upkeep.compaction,
    firstUnsigned: (address) => outbox?.firstUnsigned(address),
    accepts: (address) => holding?.accepts(address) !== false,
    bodyOfNew: (address, isMadeHere) => holding?.bodyOfNew(address, isMadeHere) ?? 'held',
    onCommitted(outboxPut: readonly OutboxEntry[], rows: CommittedRows) {
      if (localProblem?.code === 'STORE_FAILED') localProblem = undefined
      outbox?.added(outboxPut)
      feed.publish(rows)
      deletions?.tidy()
      changed()
    },
    onFailed: noteProblem,
    onLogged: (address, isCheckpoint) => checkpointer?.logged(address, isCheckpoint),
    onWriters: (address, author, clientIds) => authorship?.note(address, author, clientIds),
  })

  const trust = createServerTrust({
    policy: options.trust ?? 'server',
    configured: options.serverKey,
    stored: serverKey,
    logger,
    pin(pubkey) {
      documents.journal.add({ meta: { [META_SERVER_KEY]: pubkey } })
    },
  })

  const writers = createAuthorship({
    ...{ pubkey, meta, trust, verifier, limits, clock },
    session: () => session,
    wasShared: (address) => !isSameRoster(documents.info(address)?.roster ?? EMPTY_ROSTER, EMPTY_ROSTER),
    journal: documents.journal,
  })
  authorship = writers

  const settings = createSettings({ pubkey, documents, store, feed, random })
  const consent = createConsent({
    ...{ settings, feed, clock, journal: documents.journal },
    outbox: () => outbox as Outbox,
  })

  let serverMaxEventBytes = limits.maxEventBytes
  const pacing = createPacing({ clock, ...batching })
  outbox = createOutbox({
    journal: documents.journal,
    stage: createStaging({
      pubkey,
      signer,
      store,
      documents,
      clock,
      random,
      limits,
      maxEventBytes: () => serverMaxEventBytes,
      onSigned: (durationMs) => pacing.noteSignature(durationMs),
    }),
    pacing,
    clock,
    random,
    logger,
    maxEventBytes: () => serverMaxEventBytes,
    entries: await store.loadOutbox(),
    ...(options.inFlightPerDocument === undefined ? {} : { inFlightPerLane: options.inFlightPerDocument }),
    beforeContribution: consent.enforce,
    onChange: changed,
    onProblem,
  })

  const note = createPlainNote(plainNote)
  let plain: PlainMode | undefined
  function editState(address: string): EditState {
    const isWritten = !documents.journal.unwrittenLanes().includes(address)
    const state = outbox?.stateOf(address) ?? 'saved'
    return isWritten || state === 'refused' ? state : 'local'
  }

  if (upkeep.checkpoints !== false) {
    checkpointer = createCheckpointer({
      ...upkeep.checkpoints,
      pubkey,
      signer,
      documents,
      clock,
      random,
      limits,
      logger,
      maxEventBytes: () => serverMaxEventBytes,
      editState,
    })
  }

  deletions = createDeletions({
    ...{ pubkey, documents, outbox, logger },
    verify: (event) => verifier.verify(event),
  })
  const inbox: Inbox = createInbox({
    pubkey,
    documents,
    outbox,
    deletions,
    verifier,
    clock,
    logger,
    limits,
    trust,
    cursor,
    accepts: (address) => holding?.accepts(address) !== false,
    onCompared: () => note.clear(),
    onCaughtUp() {
      holding?.caughtUp()
      session?.caughtUp()
    },
    onReset: () => session?.resubscribe(),
    onIncomplete: (address) => session?.fetchLog(address),
    onFailed: (error) => session?.fail(error),
  })

  holding = createHolding({
    documents,
    store,
    trust,
    list: createChatList({
      documents,
      store,
      trust,
      verifier,
      limits,
      cursor: meta[META_LIST_CURSOR] ?? '',
      onChange: () => holding?.look(),
      onFailed: (error) => session?.fail(error),
    }),
    loader: createBodyLoader({ trust, verifier, limits, logger }),
    clock,
    limits,
    choice: given ?? chosen ?? 'all',
    scope: scopeOf(meta, cursor),
    isChoiceNew: given !== undefined && JSON.stringify(given) !== JSON.stringify(chosen),
    mayLack: () => note.isSet,
    session: () => session,
    inbox: () => inbox,
    outbox: () => outbox as Outbox,
    onChange: changed,
  })
  if (given !== undefined) documents.journal.add({ meta: { [META_HOLD]: JSON.stringify(given) } })

  const presence = createPresence({ pubkey, signer, verifier, clock, random, logger, limits })

  if (options.plainRelays !== 'refuse') {
    plain = createPlainMode({
      pubkey,
      deviceId,
      signer,
      store,
      documents,
      outbox,
      verifier,
      clock,
      random,
      limits,
      logger,
      note,
      intervalMs: Math.max(PLAIN_INTERVAL_MS, batching.intervalMs ?? 0),
      maxEventBytes: () => serverMaxEventBytes,
      onCaughtUp: () => session?.caughtUp(),
      onLoginNeeded: () => session?.needLogin(),
      onFailed: (error) => session?.fail(error),
      onChange: changed,
      onProblem,
    })
  }

  if (url !== undefined) {
    session = createSession({
      url,
      pubkey,
      signer,
      transport: options.transport ?? createWebSocketTransport(),
      clock,
      random,
      logger,
      ...checkHeartbeat(options.heartbeat),
      plain,
      onSyncServer() {
        if (note.isSet) inbox.compareAll()
      },
      getCursor: () => inbox.cursor,
      getFilters: () => holding?.filters() ?? [],
      prepare: () => holding?.prepare() ?? Promise.resolve(),
      onSummaries: (isOffered) => holding?.onSummaries(isOffered),
      onPlainRelay: () => holding?.onPlainRelay(),
      refusesStates: () => trust.refusesStates,
      onServerKey(key) {
        trust.introduced(key)
        presence.setServerKey(key)
      },
      onServerLimits({ maxEventBytes }) {
        serverMaxEventBytes = Math.min(limits.maxEventBytes, maxEventBytes)
      },
      onIncoming: (incoming) => inbox.receive(incoming),
      onPresence: presence.receive,
      onAnswer(eventId, accepted, reason) {
        const isTaken =
          presence.answered(eventId, accepted, reason) ||
          checkpointer?.answered(eventId, accepted, reason) ||
          plain?.answered(eventId, accepted, reason)
        if (!isTaken) outbox?.answered(eventId, accepted, reason)
      },
      onLive(send, mode) {
        localProblem = undefined
        if (mode === 'plain') {
          holding?.caughtUpPlainly()
          // No increments, and no presence, which would be shown to anybody.
          plain?.start(send)
          outbox?.start(send, plain?.publish)
          return
        }
        outbox?.start(send)
        presence.start(send)
        holding?.live()
        checkpointer?.start(send)
      },
      onDown() {
        holding?.down()
        presence.stop()
        checkpointer?.stop()
        inbox.abandon()
        outbox?.stop()
      },
      onChange: changed,
    })
  }

  let lastStatus: SyncStatus | undefined

  /** The same object until something differs: whoever renders by it asks often. */
  function readStatus(): SyncStatus {
    const now = composeStatus()
    if (lastStatus === undefined || JSON.stringify(lastStatus) !== JSON.stringify(now)) lastStatus = now
    return lastStatus
  }

  function composeStatus(): SyncStatus {
    const connection = session?.status
    const counts = outbox?.counts() ?? { unsent: 0, refused: 0 }
    return {
      connection: connection?.state ?? 'offline',
      unsent: counts.unsent + documents.journal.unwrittenEdits() + (plain?.lacking ?? 0),
      refused: counts.refused,
      isCaughtUp: connection?.state === 'live' && holding?.isSettled === true,
      problem: connection?.problem ?? localProblem ?? describe(trust.problem),
      retryAtMs: connection?.retryAtMs,
      mode: connection?.mode,
      cursor: inbox.cursor,
      documents: documents.list().filter(({ body }) => !isDeleted(body)).length,
      setAside: inbox.setAside + (plain?.setAside ?? 0),
      progress: inbox.progress,
    }
  }

  let isNotifying = false
  /** Once per tick at most: a burst of changes is one change to whoever looks. */
  function changed(): void {
    if (session?.status.state === 'live' && holding?.isSettled === true)
      void local?.takeAllForRead(() => store.loadRows('chats'))
    if (isNotifying || listeners.size === 0) return
    isNotifying = true
    queueMicrotask(() => {
      isNotifying = false
      const status = readStatus()
      for (const listener of listeners) listener(status)
    })
  }

  /** Looks at every change of the status until `look` decides; false when `timeoutMs` is over first. */
  function until(
    look: (status: SyncStatus) => boolean | undefined,
    timeoutMs: number | undefined,
    /** Looks again when this has settled; a boolean that it gives decides. */
    ready: Promise<boolean | undefined>,
  ): Promise<boolean> {
    return new Promise((resolve) => {
      const settle = (result: boolean) => {
        stopListening()
        clock.clearTimeout(timer)
        resolve(result)
      }
      const check = (status: SyncStatus) => {
        const result = look(status)
        if (result !== undefined) settle(result)
      }
      const timer = timeoutMs === undefined ? undefined : clock.setTimeout(() => settle(false), timeoutMs)
      const stopListening = client.onStatus(check)
      void ready.then((result) => (typeof result === 'boolean' ? settle(result) : check(readStatus())))
    })
  }

  function requireSession(): Session {
    if (isClosed) throw new SyncError('CLIENT_CLOSED', 'this client is closed')
    if (session === undefined) throw new SyncError('VALUE_INVALID', 'this client has no url to connect to')
    return session
  }

  // What the last process was about to take off the device.
  deletions.tidy()
  const bodies = withBodies(documents, holding, () => deletions?.tidy())
  const streams = createStreams({ deviceId, documents: bodies, store, clock, random })
  local = createLocalState(documents.journal, meta)
  const chats = createChats({
    ...{ pubkey, deviceId, streams, store, feed, local, clock, random },
    documents: bodies,
    evict: (address) => (holding as Holding).evict(address),
    loadLog: createDocumentLog({ verifier, limits, clock, logger, session: () => session }),
    authorsOf: writers.find,
    deleteForever: (address) => (deletions as Deletions).deleteChat(address, Math.floor(clock.now() / 1000)),
  })
  const rebuild = () =>
    rebuildRows({
      store,
      documents,
      async outboxRows() {
        const entries = await store.loadOutbox()
        return projectTraining(new Map(entries.map((entry) => [entry.id, entry])))
      },
    })
  // Another version of this code made the rows. Before anything reads them.
  if (meta[META_ROWS_VERSION] !== ROWS_VERSION) await rebuild().catch(noteProblem)
  // Where it can't be written now, the edit is kept in memory, the status says why, and opening goes on.
  await streams.markInterrupted().catch(noteProblem)

  /** Everything made so far, what was only pushed into a stream included, is durable here when it resolves. */
  function flush(): Promise<void> {
    streams.write()
    return documents.flush()
  }

  const client: SyncClient = {
    pubkey,
    deviceId,
    chats,
    settings,
    training: createTraining({ chats, settings, consent, documents, outbox, store, feed, clock }),
    openDocument: async (address) => {
      if (parseAddress(address) === undefined)
        throw new SyncError('VALUE_INVALID', `${JSON.stringify(address)} is no address of a document`)
      return bodies.open(address)
    },
    import: createImporter({ pubkey, documents: bodies, local }),
    rebuild,
    presence(address) {
      if (isClosed) throw new SyncError('CLIENT_CLOSED', 'this client is closed')
      return presence.open(address)
    },
    get status() {
      return readStatus()
    },
    onStatus(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    connect: () => requireSession().start(),
    disconnect: () => session?.stop(),
    wake: () => session?.wake(),

    synced({ timeoutMs } = {}) {
      requireSession()
      const begun = settled(flush())
      const endHurry = outbox?.hurry()
      return until(
        (status) => {
          if (begun.isSettled && status.isCaughtUp && status.unsent === 0) return true
          return status.connection === 'stopped' ? false : undefined
        },
        timeoutMs,
        begun.promise,
      ).finally(endHurry)
    },

    hold: async (choice) => holding?.choose(checkHoldChoice(choice)),
    flush,
    lastEdit: (address) => ({ address, seq: outbox?.lastEdit(address) ?? 0 }),
    stateOf: (edit) =>
      typeof edit === 'string' ? editState(edit) : (outbox?.stateOf(edit.address, edit.seq) ?? 'saved'),

    saved({ timeoutMs } = {}) {
      // What is not on this device's disk yet has no position that could be waited for.
      let awaited: ReadonlyMap<string, number> | undefined
      let isOver = false
      let endHurry: (() => void) | undefined
      const begun = flush().then(
        () => {
          awaited = outbox?.unsavedPositions() ?? new Map()
          if (!isOver) endHurry = outbox?.hurry(awaited)
        },
        () => {},
      )
      return until(
        () => {
          if (awaited === undefined) return undefined
          const states = [...awaited].map(([lane, seq]) => outbox?.stateUpTo(lane, seq))
          if (states.includes('refused')) return false
          return states.every((state) => state === 'saved') ? true : undefined
        },
        timeoutMs,
        // Where the disk refused them, they can't be said to be saved.
        begun.then(() => (awaited === undefined ? false : undefined)),
      ).finally(() => {
        isOver = true
        endHurry?.()
      })
    },

    unsaved() {
      const { unsent, refused } = readStatus()
      const edits = unsent + refused
      if (edits === 0) return undefined
      const list = new Set([
        ...(outbox?.unsavedPositions().keys() ?? []),
        ...documents.journal.unwrittenLanes(),
      ])
      return { edits, documents: [...list], message: `${edits} edit${edits === 1 ? '' : 's'} not saved yet` }
    },

    onProblem(listener) {
      // By code: the words of a clock that is off name the time, and so differ with each attempt.
      let last: string | undefined
      return client.onStatus(({ problem }) => {
        if (problem !== undefined && problem.code !== last && DEVICE_PROBLEMS.has(problem.code))
          listener(problem)
        last = problem?.code
      })
    },

    refused: () => outbox?.refused() ?? [],
    exportRefused: () => outbox?.exportRefused() ?? [],
    retryRefused() {
      outbox?.retryRefused()
      plain?.retry()
    },

    async logOut({ discard = false } = {}) {
      // What was only pushed into a stream counts too.
      await flush().catch(noteProblem)
      const left = client.unsaved()
      if (left !== undefined && !discard) {
        throw new SyncError(
          'UNSAVED_EDITS',
          `${left.message}: connect and wait for saved(), or log out with discard: true to lose them`,
        )
      }
      await client.close()
    },

    async close() {
      if (isClosed) return
      isClosed = true
      session?.stop()
      presence.close()
      documents.stop()
      // An edit that was begun may still be loading its document (trap C7).
      await flush().finally(() => store.close())
    },
  }
  return client
}

/** The documents as an app uses them: what isn't here is brought first. */
function withBodies(documents: Documents, holding: Holding, onReleased: () => void): Documents {
  return {
    ...documents,
    read: (address, look) => holding.using(address, () => documents.read(address, look)),
    edit: (address, change, origin) => holding.using(address, () => documents.edit(address, change, origin)),
    decideMembers: (address, decisions) =>
      holding.using(address, () => documents.decideMembers(address, decisions)),
    async open(address) {
      const opened = await holding.using(address, () => documents.open(address))
      return {
        ...opened,
        release() {
          opened.release()
          onReleased()
          holding.look()
        },
      }
    },
  }
}

/** A device from before it could choose has everything up to its cursor. */
function scopeOf(meta: Readonly<Record<string, string>>, cursor: string): Scope | undefined {
  const scope = meta[META_SCOPE]
  if (scope === 'all' || scope === 'some') return scope
  return cursor === '' ? undefined : 'all'
}

function describe(error: SyncError | undefined): SyncStatus['problem'] {
  return error === undefined ? undefined : { code: error.code, message: error.message }
}

/** Tells whether a promise has settled, however it did. */
function settled(work: Promise<unknown>): {
  readonly isSettled: boolean
  readonly promise: Promise<undefined>
} {
  const state = { isSettled: false, promise: Promise.resolve(undefined) }
  const note = () => {
    state.isSettled = true
    return undefined
  }
  state.promise = work.then(note, note)
  return state
}

async function openAccount(
  store: SyncStore,
  signer: Signer,
  random: Random,
  installId: string | undefined,
): Promise<{
  pubkey: string
  deviceId: string
  cursor: string
  serverKey: string | undefined
  plainNote: string | undefined
  meta: Readonly<Record<string, string>>
}> {
  const pubkey = await signer.getPublicKey()
  if (!isHex64(pubkey))
    throw new SyncError('KEY_INVALID', 'the signer gave no public key of 64 lower-case hex characters')
  const meta = await store.loadMeta()
  const owner = meta[META_PUBKEY]
  if (owner !== undefined && owner !== pubkey) {
    throw new SyncError(
      'IDENTITY_MISMATCH',
      `this database belongs to ${owner}, the signer to ${pubkey}: use a database of its own for each account`,
    )
  }
  let deviceId = meta[META_DEVICE]
  if (owner === undefined || deviceId === undefined) {
    deviceId = bytesToHex(random.bytes(8))
    await store.commit({
      meta: { [META_PUBKEY]: pubkey, [META_DEVICE]: deviceId, [META_ROWS_VERSION]: ROWS_VERSION },
    })
    return openAccount(store, signer, random, installId)
  }
  if (installId !== undefined && meta[META_INSTALL] !== installId) {
    // A copy of a database that another install has used: the two must not pass for one device (trap Y5). Under which
    // client ids it writes is new with each loading anyway.
    if (meta[META_INSTALL] !== undefined) deviceId = bytesToHex(random.bytes(8))
    await store.commit({ meta: { [META_INSTALL]: installId, [META_DEVICE]: deviceId } })
  }
  return {
    pubkey,
    deviceId,
    cursor: meta[META_CURSOR] ?? '',
    serverKey: meta[META_SERVER_KEY],
    plainNote: meta[META_PLAIN],
    meta,
  }
}
