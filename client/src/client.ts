import {
  bytesToHex,
  DEFAULT_LIMITS,
  isHex64,
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
import { createWebSocketTransport } from './adapters/websocket-transport.js'
import type { SyncClient, SyncClientOptions, SyncStatus } from './client-api.js'
import { checkBatching, checkHeartbeat, checkRandom, checkUrl } from './client-options.js'
import { type Checkpointer, createCheckpointer } from './core/checkpointer.js'
import { createDocuments } from './core/documents.js'
import { createInbox, type Inbox, META_CURSOR } from './core/inbox.js'
import { createOutbox, type Outbox } from './core/outbox.js'
import type { EditState } from './core/outbox-queries.js'
import { createPacing } from './core/pacing.js'
import { createPresence } from './core/presence.js'
import { createServerTrust, META_SERVER_KEY } from './core/server-trust.js'
import { createSession, type Session } from './core/session.js'
import { createStaging } from './core/staging.js'
import { createChats } from './model/chats.js'
import { createProjection } from './model/projection.js'
import { createSettings } from './model/settings.js'
import { createStreams } from './model/stream.js'
import { createTraining } from './model/training.js'
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
const META_PUBKEY = 'pubkey'
const META_DEVICE = 'deviceId'

/**
 * Opens a device. Rejects with `IDENTITY_MISMATCH` if the database belongs to another account (its data is
 * neither shown nor sent, trap C14), `KEY_INVALID`, `RANDOM_WEAK`, or `STORE_FAILED`.
 */
export async function createSyncClient(options: SyncClientOptions): Promise<SyncClient> {
  const { store, signer, url } = options
  const clock = options.clock ?? systemClock
  const random = options.random ?? systemRandom
  const logger = options.logger ?? silentLogger
  const limits = options.limits ?? DEFAULT_LIMITS
  const verifier = options.verifier ?? pureVerifier
  checkRandom(random)
  const upkeep = checkUpkeep(options)
  const { pubkey, deviceId, cursor, serverKey } = await openAccount(store, signer, random)
  const batching = checkBatching(options.batching)
  const listeners = new Set<(status: SyncStatus) => void>()
  let localProblem: SyncStatus['problem']
  let isClosed = false
  let outbox: Outbox | undefined
  let session: Session | undefined
  let checkpointer: Checkpointer | undefined

  function noteProblem(error: unknown): void {
    const { code, message } = toSyncError(error, 'STORE_FAILED')
    localProblem = { code, message }
    changed()
  }

  const documents = await createDocuments({
    pubkey,
    store,
    createProjection,
    logger,
    clock,
    random,
    compaction: upkeep.compaction,
    firstUnsigned: (address) => outbox?.firstUnsigned(address),
    onCommitted(outboxPut: readonly OutboxEntry[]) {
      if (localProblem?.code === 'STORE_FAILED') localProblem = undefined
      outbox?.added(outboxPut)
      changed()
    },
    onFailed: noteProblem,
    onLogged: (address, isCheckpoint) => checkpointer?.logged(address, isCheckpoint),
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
    onChange: changed,
    onProblem(error) {
      if (error !== undefined) noteProblem(error)
      else if (localProblem?.code !== 'STORE_FAILED') localProblem = undefined
    },
  })

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

  const inbox: Inbox = createInbox({
    pubkey,
    documents,
    outbox,
    verifier,
    clock,
    logger,
    limits,
    trust,
    cursor,
    onCaughtUp: () => session?.caughtUp(),
    onReset: () => session?.resubscribe(),
    onIncomplete: (address) => session?.fetchLog(address),
    onFailed: (error) => session?.fail(error),
  })

  const presence = createPresence({ pubkey, signer, verifier, clock, random, logger, limits })

  if (url !== undefined) {
    session = createSession({
      url: checkUrl(url),
      pubkey,
      signer,
      transport: options.transport ?? createWebSocketTransport(),
      clock,
      random,
      logger,
      ...checkHeartbeat(options.heartbeat),
      getCursor: () => inbox.cursor,
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
          presence.answered(eventId, accepted, reason) || checkpointer?.answered(eventId, accepted, reason)
        if (!isTaken) outbox?.answered(eventId, accepted, reason)
      },
      onLive(send) {
        localProblem = undefined
        outbox?.start(send)
        presence.start(send)
        checkpointer?.start(send)
      },
      onDown() {
        presence.stop()
        checkpointer?.stop()
        inbox.abandon()
        outbox?.stop()
      },
      onChange: changed,
    })
  }

  function readStatus(): SyncStatus {
    const connection = session?.status
    const counts = outbox?.counts() ?? { unsent: 0, refused: 0 }
    return {
      connection: connection?.state ?? 'offline',
      unsent: counts.unsent + documents.journal.unwrittenEdits(),
      refused: counts.refused,
      isCaughtUp: connection?.state === 'live',
      problem: connection?.problem ?? localProblem ?? describe(trust.problem),
      retryAtMs: connection?.retryAtMs,
      cursor: inbox.cursor,
      documents: documents.list().length,
      setAside: inbox.setAside,
      progress: inbox.progress,
    }
  }

  let isNotifying = false
  /** Once per tick at most: a burst of changes is one change to whoever looks. */
  function changed(): void {
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

  const streams = createStreams({ deviceId, documents, store, clock, random })
  const chats = createChats({ pubkey, deviceId, documents, streams, store, clock, random })
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
    settings: createSettings(pubkey, documents),
    training: createTraining(chats, documents, clock),
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
    retryRefused: () => outbox?.retryRefused(),

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
): Promise<{ pubkey: string; deviceId: string; cursor: string; serverKey: string | undefined }> {
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
    await store.commit({ meta: { [META_PUBKEY]: pubkey, [META_DEVICE]: deviceId } })
  }
  return { pubkey, deviceId, cursor: meta[META_CURSOR] ?? '', serverKey: meta[META_SERVER_KEY] }
}
