import {
  createAuthTemplate,
  EOSE_RESET,
  encodeClient,
  KIND,
  parseRelayMessage,
  type RelayMessage,
  SyncError,
  type TimerHandle,
  toSyncError,
} from '@onyx-sync/shared'
import type { Connection } from '../ports/transport.js'
import { createBackoff } from './backoff.js'
import { createLogRequests } from './log-requests.js'
import { readServerInfo, type ServerInfo } from './server-info.js'
import type {
  ConnectionState,
  Session,
  SessionOptions,
  SessionStatus,
  SubscriptionHandlers,
} from './session-api.js'
import { createSilenceWatch } from './silence-watch.js'

const SUBSCRIPTION_ID = 'sync'
const PING_ID = 'ping'
/** Close codes by which a server says: don't come back as you are. */
const STOP_CODES = { from: 4400, to: 4499 }

export function createSession(options: SessionOptions): Session {
  const { url, signer, transport, clock, logger } = options
  const stableAfterMs = options.stableAfterMs ?? 10_000
  const backoff = createBackoff(options.random)
  let status: SessionStatus = { state: 'offline', problem: undefined, retryAtMs: undefined, mode: undefined }
  let connection: Connection | undefined
  /** Counts attempts, so that what belongs to an earlier one is told apart. */
  let attempt = 0
  let retryTimer: TimerHandle
  let stableTimer: TimerHandle
  let authEventId: string | undefined
  /** The server, once it is known to keep every update; asked before anything is sent to it. */
  let syncServer: ServerInfo | undefined
  /** The asking of the attempt at hand: an answer that never comes must not keep the next one from asking. */
  let checking: Promise<ServerInfo> = Promise.reject()
  checking.catch(() => {})
  /** Whether a plain relay goes on only after a login, and why it refused one. */
  let login: { isNeeded: boolean; refusal: string | undefined } = { isNeeded: false, refusal: undefined }
  /** Ends that asking with its attempt. Node's fetch can wait long for a server that was killed. */
  let asking = new AbortController()
  let isPaused = false
  /** Subscriptions beside the one for everything, by id. */
  const others = new Map<string, SubscriptionHandlers>()
  const logs = createLogRequests({ open, shut, onIncoming: options.onIncoming })
  const watch = createSilenceWatch({
    ...options,
    ask() {
      // Closed with its answer: a server that reads both at once owes none to what is closed already.
      const close = () => shut(PING_ID)
      open(PING_ID, [{ kinds: [KIND.settings], limit: 0 }], { onEvent() {}, onEose: close, onClosed() {} })
    },
    onSilent(timeoutMs) {
      retry(new SyncError('CONNECTION_FAILED', `${url} did not answer within ${timeoutMs / 1000} s`))
    },
  })

  function setStatus(state: ConnectionState, change: Partial<SessionStatus> = {}): void {
    status = { ...status, state, retryAtMs: undefined, ...change }
    options.onChange()
  }

  function dial(): void {
    const current = ++attempt
    authEventId = undefined
    login = { isNeeded: false, refusal: undefined }
    setStatus('connecting')
    expectResponse()
    // Once known it is known, whatever became of other askings.
    asking = new AbortController()
    checking = syncServer === undefined ? checkServer() : Promise.resolve(syncServer)
    checking.catch(() => {})
    const ifCurrent =
      <A extends unknown[]>(handler: (...args: A) => void) =>
      (...args: A) => {
        if (current === attempt) handler(...args)
      }
    connection = transport.dial(url, {
      onOpen: ifCurrent(() => opened(current)),
      onMessage: ifCurrent((text) => {
        expectResponse()
        handleText(text, current)
      }),
      onClose: ifCurrent((code, reason) => closed(code, reason)),
    })
  }

  /** Finds out what the server is: a plain one gets no increments, of which it would keep only the newest. */
  async function checkServer(): Promise<ServerInfo> {
    let info: ServerInfo
    try {
      info = readServerInfo(await transport.fetchInfo(url, asking.signal))
    } catch (error) {
      throw toSyncError(error, 'CONNECTION_FAILED')
    }
    if (info.mode === 'plain') await loadPlain()
    options.onServerLimits({ maxEventBytes: info.maxEventBytes })
    options.onSummaries(info.tellsSummaries)
    if (info.mode === 'sync') {
      syncServer = info
      options.onServerKey(info.key)
    }
    return info
  }

  async function loadPlain(): Promise<void> {
    if (options.plain === undefined) {
      throw new SyncError(
        'RELAY_UNSUITABLE',
        `${url} is a relay without "yjs_sync": it would keep only the newest of a chat's updates`,
      )
    }
    try {
      await options.plain.load()
    } catch (error) {
      throw toSyncError(error, 'CONNECTION_FAILED', 'what syncs with a plain relay could not be loaded')
    }
  }

  /** Goes on with what the server is, once that is known and while the attempt is the one at hand. */
  function whenKnown(current: number, goOn: (info: ServerInfo) => void): void {
    checking.then(
      (info) => {
        if (current === attempt) goOn(info)
      },
      (error: unknown) => {
        if (current !== attempt) return
        const problem = toSyncError(error, 'CONNECTION_FAILED')
        if (problem.code === 'RELAY_UNSUITABLE') giveUp(problem)
        else retry(problem)
      },
    )
  }

  function opened(current: number): void {
    setStatus('authenticating')
    // A plain relay may never ask for a login; a sync server speaks first.
    whenKnown(current, ({ mode, maxQueryEvents }) => {
      if (mode !== 'plain') return
      logger.info('this is a plain relay: documents are synced by whole states', { url })
      setStatus('catching-up', { mode })
      expectResponse()
      options.onPlainRelay()
      options.plain?.mode?.open(sendPlain, maxQueryEvents)
    })
  }

  function sendPlain(text: string): void {
    connection?.send(text)
    if (status.state === 'catching-up') expectResponse()
  }

  /** Starts the deadline for the server's next word anew. Once live, silence is fine, but not for ever. */
  function expectResponse(): void {
    watch.expect(status.state === 'live' ? 'nothing' : 'answer')
  }

  function handleText(text: string, current: number): void {
    let message: RelayMessage | undefined
    try {
      message = parseRelayMessage(text)
    } catch (error) {
      logger.warn('the server sent something unreadable', { error: String(error) })
      return
    }
    if (message !== undefined) handleMessage(message, current)
  }

  function handleMessage(message: RelayMessage, current: number): void {
    if (status.mode === 'plain') {
      // Now it is this side that works.
      if (message.type === 'EOSE' && status.state === 'catching-up') watch.stop()
      options.plain?.mode?.take(message)
    }
    switch (message.type) {
      case 'AUTH':
        authenticate(message.challenge, current).catch((error: unknown) => {
          if (current === attempt)
            retry(toSyncError(error, 'SIGNER_FAILED', 'the signer did not sign the login'))
        })
        return
      case 'OK':
        if (message.eventId === authEventId) authenticated(message.accepted, message.reason, current)
        else options.onAnswer(message.eventId, message.accepted, message.reason)
        return
      case 'EVENT':
        others.get(message.subscriptionId)?.onEvent(message.event, message.cursor)
        if (message.subscriptionId !== SUBSCRIPTION_ID || isPaused) return
        if (isPresence(message.event)) options.onPresence(message.event)
        else options.onIncoming({ type: 'event', event: message.event, cursor: message.cursor })
        return
      case 'EOSE':
        others.get(message.subscriptionId)?.onEose(message.hints)
        if (message.subscriptionId !== SUBSCRIPTION_ID || isPaused) return
        // Now it is this side that works; applying what came may take long.
        if (status.state !== 'live') watch.stop()
        options.onIncoming({ type: 'eose', hints: message.hints })
        return
      case 'CLOSED':
        closedBesides(message)
        if (message.subscriptionId === SUBSCRIPTION_ID) subscriptionEnded(message.reason)
        return
      case 'NOTICE':
        logger.warn('notice from the server', { text: message.text })
        return
    }
  }

  async function authenticate(challenge: string, current: number): Promise<void> {
    // A person may have to confirm in a remote signer: no deadline here, the server has its own.
    watch.stop()
    const event = await signer.signEvent(createAuthTemplate(url, challenge, clock.now()))
    if (current !== attempt) return
    if (event.pubkey !== options.pubkey) {
      const problem = `the signer signs as ${event.pubkey}, this device belongs to ${options.pubkey}`
      giveUp(new SyncError('IDENTITY_MISMATCH', problem))
      return
    }
    expectResponse()
    authEventId = event.id
    connection?.send(encodeClient.auth(event))
  }

  function authenticated(accepted: boolean, reason: string, current: number): void {
    if (!accepted) {
      whenKnown(current, ({ mode }) => {
        login.refusal = reason
        if (mode === 'sync' || login.isNeeded) loginRefused(reason)
        else logger.warn('the relay refused the login, and may serve without one', { reason })
      })
      return
    }
    whenKnown(current, ({ mode }) => {
      if (mode === 'plain') {
        options.plain?.mode?.loggedIn()
        return
      }
      options.onSyncServer()
      setStatus('catching-up', { mode })
      options.prepare().then(
        () => {
          if (current === attempt) subscribe()
        },
        (error: unknown) => {
          if (current === attempt) retry(toSyncError(error, 'CONNECTION_FAILED'))
        },
      )
    })
  }

  /** A clock can be set right, a server can recover; a login that is wrong stays wrong (trap C11). */
  function loginRefused(reason: string): void {
    const message = `the server refused the login: ${reason}`
    if (/^(error|rate-limited):/.test(reason)) retry(new SyncError('CONNECTION_FAILED', message))
    else if (/\bclock\b/.test(reason)) retry(new SyncError('AUTH_CLOCK_SKEW', message))
    else giveUp(new SyncError('AUTH_INVALID', message))
  }

  function subscribe(): void {
    setStatus('catching-up')
    expectResponse()
    askForAll(options.refusesStates())
  }

  function askForAll(refusesStates: boolean): void {
    isPaused = false
    const rest = { after: options.getCursor(), ...(refusesStates ? { states: false } : {}) }
    const filters = options.getFilters().map((filter) => ({ ...filter, ...rest }))
    connection?.send(encodeClient.req(SUBSCRIPTION_ID, ...filters))
  }

  function closedBesides({ subscriptionId, reason }: { subscriptionId: string; reason: string }): void {
    const handlers = others.get(subscriptionId)
    others.delete(subscriptionId)
    handlers?.onClosed(reason)
  }

  function subscriptionEnded(reason: string): void {
    if (reason.startsWith('invalid:') && status.state === 'catching-up' && options.getCursor() !== '') {
      // A cursor of another kind of server, or of a version before: as good as one of another database.
      options.onIncoming({ type: 'eose', hints: [EOSE_RESET] })
      return
    }
    retry(new SyncError('CONNECTION_FAILED', `the server ended the subscription: ${reason}`))
  }

  function open(
    id: string,
    filters: readonly Record<string, unknown>[],
    handlers: SubscriptionHandlers,
  ): void {
    if (connection === undefined) return
    others.set(id, handlers)
    connection.send(encodeClient.req(id, ...filters))
  }

  function shut(id: string): void {
    if (others.delete(id)) connection?.send(encodeClient.close(id))
  }

  function closed(code: number, reason: string): void {
    const problem = new SyncError(
      'CONNECTION_FAILED',
      `the connection to ${url} ${code === 1006 ? 'broke or could not be made' : `was closed with ${code}`}${reason === '' ? '' : `: ${reason}`}`,
    )
    if (status.mode === 'plain') options.plain?.mode?.down(code)
    if (code >= STOP_CODES.from && code <= STOP_CODES.to) giveUp(problem)
    else retry(problem)
  }

  /** Ends the connection at hand. */
  function hangUp(): void {
    attempt++
    clock.clearTimeout(retryTimer)
    watch.stop()
    clock.clearTimeout(stableTimer)
    const old = connection
    connection = undefined
    isPaused = false
    others.clear()
    logs.forget()
    old?.close(1000, '')
    asking.abort()
    options.plain?.mode?.down(undefined)
    options.onDown()
  }

  function retry(problem: SyncError): void {
    if (status.state === 'offline' || status.state === 'stopped') return
    hangUp()
    const delayMs = backoff.next()
    logger.info('not connected', { code: problem.code, reason: problem.message, retryInMs: delayMs })
    setStatus('waiting', {
      problem: { code: problem.code, message: problem.message },
      retryAtMs: clock.now() + delayMs,
    })
    retryTimer = clock.setTimeout(dial, delayMs)
  }

  function giveUp(problem: SyncError): void {
    hangUp()
    logger.error('not connecting again', { code: problem.code, reason: problem.message })
    setStatus('stopped', { problem: { code: problem.code, message: problem.message } })
  }

  return {
    get status() {
      return status
    },
    start() {
      if (status.state !== 'offline' && status.state !== 'stopped') return
      status = { ...status, state: 'offline', problem: undefined, retryAtMs: undefined }
      backoff.reset()
      dial()
    },
    stop() {
      if (status.state === 'offline') return
      hangUp()
      setStatus('offline', { problem: undefined })
    },
    wake() {
      if (status.state === 'live') watch.ping()
      if (status.state !== 'waiting') return
      clock.clearTimeout(retryTimer)
      backoff.reset()
      dial()
    },
    resubscribe: subscribe,
    pause() {
      isPaused = true
      connection?.send(encodeClient.close(SUBSCRIPTION_ID))
    },
    // What this device sent is told by its id, so that it knows what came back (trap C2).
    resume: () => askForAll(true),
    open,
    shut,
    fetchLog(address) {
      if (connection !== undefined) logs.ask(address)
    },
    caughtUp() {
      const current = connection
      if (current === undefined || status.state !== 'catching-up') return
      setStatus('live', { problem: undefined })
      expectResponse()
      stableTimer = clock.setTimeout(() => backoff.reset(), stableAfterMs)
      options.onLive((text) => current.send(text), status.mode ?? 'sync')
    },
    fail(error) {
      // It may be another server by now, with another key.
      syncServer = undefined
      retry(toSyncError(error, 'STORE_FAILED'))
    },
    needLogin() {
      login.isNeeded = true
      if (login.refusal !== undefined) loginRefused(login.refusal)
    },
  }
}

function isPresence(event: unknown): boolean {
  return (event as { readonly kind?: unknown } | null)?.kind === KIND.presence
}
