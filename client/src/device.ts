import {
  DEFAULT_LIMITS,
  EMPTY_ROSTER,
  isSameRoster,
  pureVerifier,
  type SyncError,
  silentLogger,
  systemClock,
  systemRandom,
} from '@onyx-sync/shared'
import { checkPlatform } from './adapters/platform-check.js'
import { platformInflate } from './adapters/platform-inflate.js'
import { platformTurns, turnsOf } from './adapters/platform-turns.js'
import type { SyncClientOptions, SyncStatus } from './client-api.js'
import { checkBatching, checkRandom, checkUrl } from './client-options.js'
import { createStatusBoard } from './client-status.js'
import { connectDevice } from './connect-device.js'
import { type Authorship, createAuthorship } from './core/authorship.js'
import { createBodyLoader } from './core/body-loader.js'
import { createChatList, META_LIST_CURSOR } from './core/chat-list.js'
import { type Checkpointer, createCheckpointer } from './core/checkpointer.js'
import { createContributions } from './core/contributions.js'
import { createDeletions, type Deletions, isDeleted } from './core/deletions.js'
import { createDocumentLog } from './core/document-log.js'
import { createDocuments } from './core/documents.js'
import { checkHoldChoice, readHoldChoice } from './core/hold-choice.js'
import type { Scope } from './core/hold-filters.js'
import { createHolding, type Holding, META_HOLD, META_SCOPE } from './core/holding.js'
import { createInbox, type Inbox } from './core/inbox.js'
import type { CommittedRows } from './core/journal.js'
import { createLatePlainMode, type LatePlainMode } from './core/late-plain.js'
import { checkLeftovers } from './core/leftovers.js'
import { createOutbox, type Outbox } from './core/outbox.js'
import type { EditState } from './core/outbox-queries.js'
import { createPacing } from './core/pacing.js'
import { createPlainNote } from './core/plain-note.js'
import { createPresence } from './core/presence.js'
import { META_ROWS_VERSION, ROWS_VERSION } from './core/rows-version.js'
import { createServerTrust, META_SERVER_KEY } from './core/server-trust.js'
import type { Session } from './core/session-api.js'
import { createStaging } from './core/staging.js'
import { createUnchecked, META_CHECKING, type Unchecked } from './core/unchecked.js'
import { withBodies } from './core/with-bodies.js'
import type { Device } from './device-api.js'
import { createDeviceProblems } from './device-problems.js'
import { createChats } from './model/chats.js'
import { createConsent } from './model/consent.js'
import { createLocalState, type LocalState } from './model/local-state.js'
import { createProjection } from './model/projection.js'
import { createRowFeed } from './model/row-feed.js'
import { createSettings } from './model/settings.js'
import { createStreams } from './model/stream.js'
import { projectTraining } from './model/training-rows.js'
import { openAccount } from './open-account.js'
import type { OutboxEntry } from './ports/store.js'
import type { RareCode } from './rare-code.js'
import { checkChecking, checkUpkeep } from './upkeep-options.js'

/** Least time between two whole states of a document on a plain relay. Milliseconds. */
const PLAIN_INTERVAL_MS = 2_000

/** Puts a device together and opens it. Rejects as `createSyncClient` does. */
export async function openDevice(
  options: SyncClientOptions,
  { rollBack, rebuildRows, createPlainMode, createHistory }: RareCode,
  /** Whether messages that were being written when the device was last open are marked as interrupted here and now. */
  marksInterrupted = true,
): Promise<Device> {
  const { store, signer, url } = options
  const clock = options.clock ?? systemClock
  const random = options.random ?? systemRandom
  // In a world with a clock of its own nothing may hang on how fast this machine is.
  const turns = options.clock === undefined ? platformTurns(clock) : turnsOf(clock)
  const inflate = platformInflate()
  const logger = options.logger ?? silentLogger
  const limits = options.limits ?? DEFAULT_LIMITS
  const verifier = options.verifier ?? pureVerifier
  checkPlatform(undefined, { needsRandom: options.random === undefined })
  checkRandom(random)
  if (url !== undefined) checkUrl(url, options.allowInsecure)
  const upkeep = checkUpkeep(options)
  const policy = checkChecking(options.checking)
  const given = options.hold === undefined ? undefined : checkHoldChoice(options.hold)
  const open = () => openAccount(store, signer, random, options.installId ?? store.installId)
  let account = await open()
  const wasForged = await checkLeftovers(store, verifier, turns, random, rollBack)
  if (wasForged !== undefined) {
    logger.error(wasForged.message)
    account = await open()
  }
  const { pubkey, deviceId, cursor, serverKey, plainNote, meta } = account
  const checking = meta[META_CHECKING] === 'before' ? 'before' : policy
  const chosen = readHoldChoice(meta[META_HOLD])
  const batching = checkBatching(options.batching)
  const feed = createRowFeed()
  const status = createStatusBoard(clock, composeStatus)
  const problems = createDeviceProblems(wasForged)
  let outbox: Outbox | undefined
  let session: Session | undefined
  let authorship: Authorship | undefined
  let holding: Holding | undefined
  let checkpointer: Checkpointer | undefined
  let local: LocalState | undefined
  let deletions: Deletions | undefined
  let unchecked: Unchecked | undefined
  let onForged: (rollBack: () => Promise<void>) => void = () => {}

  function isUnchecked(address: string): boolean {
    return unchecked?.has(address) === true
  }

  const whenChecked = () => unchecked?.whenEmpty() ?? Promise.resolve(true)

  function noteProblem(error: unknown): void {
    problems.note(error)
    changed()
  }

  function onProblem(error: SyncError | undefined): void {
    if (error === undefined) problems.over()
    else noteProblem(error)
  }

  const documents = await createDocuments({
    pubkey,
    store,
    createProjection,
    projectOutbox: projectTraining,
    logger,
    clock,
    random,
    turns,
    compaction: upkeep.compaction,
    ...(options.maxLoadedDocuments === undefined ? {} : { maxLoaded: options.maxLoadedDocuments }),
    firstUnsigned: (address) => outbox?.firstUnsigned(address),
    unchecked: () => (checking === 'idle' ? unchecked : undefined),
    accepts: (address) => holding?.accepts(address) !== false,
    bodyOfNew: (address, isMadeHere) => holding?.bodyOfNew(address, isMadeHere) ?? 'held',
    signAhead: (edits) => outbox?.signAhead(edits),
    onCommitted(outboxPut: readonly OutboxEntry[], rows: CommittedRows) {
      problems.stored()
      outbox?.added(outboxPut)
      feed.publish(rows)
      deletions?.tidy()
      changed()
    },
    onFailed: noteProblem,
    onLogged: (address, isCheckpoint) => checkpointer?.logged(address, isCheckpoint),
    onWriters: (address, author, clientIds) => authorship?.note(address, author, clientIds),
  })

  unchecked = createUnchecked({
    ...{ verifier, turns, journal: documents.journal },
    onChecked(address) {
      outbox?.released(address)
      changed()
    },
    onAlarm(error) {
      logger.error(error.message)
      problems.forged(error)
      session?.stop()
      changed()
    },
    onForged(entries) {
      onForged(async () => {
        documents.journal.end()
        await rollBack(store, random, entries)
      })
    },
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
  // A server that made up events is not believed to sum up what others signed.
  if (meta[META_CHECKING] === 'before') trust.distrust()

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
  const note = createPlainNote(plainNote)
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
    notePlain: () => note.set(),
    isHeld: isUnchecked,
    ...(options.inFlightPerDocument === undefined ? {} : { inFlightPerLane: options.inFlightPerDocument }),
    beforeContribution: consent.enforce,
    onChange: changed,
    onProblem,
  })

  let plain: LatePlainMode | undefined
  function editState(address: string): EditState {
    const isWritten = !documents.journal.unwrittenLanes().includes(address)
    const state = outbox?.stateOf(address) ?? 'saved'
    return isWritten || state === 'refused' ? state : 'local'
  }

  function editsSoFar(address: string): () => EditState {
    const { journal } = documents
    const through = journal.lastSeq()
    return () => {
      // What others may not have signed is no more on the server than what is under way.
      if (isUnchecked(address)) return 'local'
      const isWritten = (journal.firstUnwritten(address) ?? Number.POSITIVE_INFINITY) > through
      const state = outbox?.stateUpTo(address, through) ?? 'saved'
      return isWritten || state === 'refused' ? state : 'local'
    }
  }

  if (upkeep.checkpoints !== false) {
    checkpointer = createCheckpointer({
      ...upkeep.checkpoints,
      pubkey,
      signer,
      documents,
      clock,
      random,
      turns,
      limits,
      logger,
      maxEventBytes: () => serverMaxEventBytes,
      editsSoFar,
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
    contributions: createContributions({
      ...{ pubkey, outbox, journal: documents.journal },
      verify: (event) => verifier.verify(event),
    }),
    verifier,
    logger,
    limits,
    turns,
    trust,
    inflate,
    cursor,
    accepts: (address) => holding?.accepts(address) !== false,
    whenChecked,
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
    deviceId,
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
      onTold: (addresses) => holding?.told(addresses),
      onFailed: (error) => session?.fail(error),
    }),
    loader: createBodyLoader({ trust, verifier, limits, logger, inflate }),
    clock,
    limits,
    choice: given ?? chosen ?? 'all',
    scope: scopeOf(meta, cursor),
    isChoiceNew: given !== undefined && JSON.stringify(given) !== JSON.stringify(chosen),
    mayLack: () => note.isSet,
    session: () => session,
    inbox: () => inbox,
    outbox: () => outbox as Outbox,
    isUnchecked,
    onChange: changed,
  })
  if (given !== undefined) documents.journal.add({ meta: { [META_HOLD]: JSON.stringify(given) } })

  const presence = createPresence({ pubkey, signer, verifier, clock, random, logger, limits })

  if (options.plainRelays !== 'refuse') {
    plain = createLatePlainMode(createPlainMode, {
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
    session = connectDevice({
      ...{ url, pubkey, signer, transport: options.transport, clock, random, logger },
      ...{ inbox, holding, outbox, presence, checkpointer, plain, trust, note },
      heartbeat: options.heartbeat,
      noteMaxEventBytes(bytes) {
        serverMaxEventBytes = Math.min(limits.maxEventBytes, bytes)
      },
      onLive() {
        // What the disk refuses is no business of the network's.
        if (documents.journal.unwrittenEdits() === 0) problems.clear()
      },
      onChange: changed,
    })
  }

  function composeStatus(): SyncStatus {
    const connection = session?.status
    const counts = outbox?.counts() ?? { unsent: 0, refused: 0 }
    return {
      connection: connection?.state ?? 'offline',
      unsent: counts.unsent + documents.journal.unwrittenEdits() + (plain?.mode?.lacking ?? 0),
      refused: counts.refused,
      isCaughtUp: connection?.state === 'live' && holding?.isSettled === true && unchecked?.isEmpty !== false,
      problem: problems.foremost(connection?.problem, trust.problem),
      retryAtMs: connection?.retryAtMs,
      mode: connection?.mode,
      cursor: inbox.cursor,
      documents: documents.list().filter(({ body }) => !isDeleted(body)).length,
      setAside: inbox.setAside + (plain?.mode?.setAside ?? 0),
      progress: inbox.progress,
    }
  }

  function changed(): void {
    if (session?.status.state === 'live' && holding?.isSettled === true)
      void local?.takeAllForRead(() => store.loadRows('chats'))
    status.changed()
  }

  // What the last process was about to take off the device.
  deletions.tidy()
  documents.journal.flush().catch(() => {})
  const bodies = withBodies(documents, holding, () => deletions?.tidy())
  const streams = createStreams({ deviceId, documents: bodies, store, clock, random })
  local = createLocalState(documents.journal, meta)
  const loadLog = createDocumentLog({ verifier, limits, clock, logger, session: () => session })
  const chats = createChats({
    ...{ pubkey, deviceId, streams, store, feed, local, clock, random },
    documents: bodies,
    evict: (address) => (holding as Holding).evict(address),
    loadLog,
    createHistory,
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
  if (marksInterrupted) await streams.markInterrupted().catch(noteProblem)

  /** Everything made so far, what was only pushed into a stream included, is durable here when it resolves. */
  function flush(): Promise<void> {
    streams.write()
    return documents.flush()
  }

  return {
    ...{ pubkey, deviceId, meta, clock, store, feed, local, documents, bodies, outbox },
    ...{ holding, presence, session, plain, streams, settings, consent, chats, status },
    ...{ noteProblem, editState, loadLog, authorsOf: writers.find, rebuild, flush },
    ...{ whenChecked, stopChecking: () => unchecked?.stop() },
    whenForged(close) {
      onForged = close
    },
  }
}

/** A device from before it could choose has everything up to its cursor. */
function scopeOf(meta: Readonly<Record<string, string>>, cursor: string): Scope | undefined {
  const scope = meta[META_SCOPE]
  if (scope === 'all' || scope === 'some') return scope
  return cursor === '' ? undefined : 'all'
}
