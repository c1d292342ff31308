import { type Clock, SyncError } from '@onyx-sync/shared'
import type { TabBus } from './bus.js'
import { createHeartbeat } from './heartbeat.js'
import { fromWireError, type Push, readForTab, type ToTab } from './protocol.js'

/**
 * A tab's line to the one that has the database. What was asked is asked again of the next one when the tab that led has
 * gone, in order, and under its number: whether it was done already is for that one to know.
 */
export interface TabLink {
  /** Whether a tab leads that this one is joined to. */
  readonly isAttached: boolean
  /** What was changed and isn't known to be durable, by ascending number. */
  unkept(): readonly UnkeptCall[]
  /**
   * Asks the tab that leads. What changes something that must not get lost is `kept`: where the disk refused it, it is
   * said so, and it is nevertheless asked again of the next one, until something later was durable. Rejects with what
   * that tab says, or `CLIENT_CLOSED`.
   */
  call(method: string, args: readonly unknown[], how?: 'kept'): Promise<unknown>
  /** Everything that this tab changed is durable when it resolves. Rejects with `STORE_FAILED`. */
  flush(): Promise<void>
  /** Asks who leads, and joins whoever says so. Resolves when joined for the first time. */
  start(): Promise<void>
  close(): void
}

/** A change that the tab that leads hasn't said to be durable. */
export interface UnkeptCall {
  readonly id: number
  readonly method: string
  readonly args: readonly unknown[]
}

export interface TabLinkParts {
  readonly bus: TabBus
  readonly pubkey: string
  readonly clock: Clock
  /** Whether this tab has the database, or is about to. */
  isHere(): boolean
  /** What is told on joining. */
  hello(): { readonly connects: boolean; readonly streams: readonly string[] }
  onPush(push: Push): void
  /** Joined to another leader; what was asked before has been asked again. */
  onAttached(): void
  /** The tab that leads doesn't take this one, or another version of the app leads; undefined when one does. */
  onProblem(error: SyncError | undefined): void
  /** Another tab has the database and doesn't answer; undefined when it does again. */
  onSilent(error: SyncError | undefined): void
  /** What is unkept has changed. */
  onChange(): void
  /** The account was logged out in another tab. */
  onOver(): void
}

interface Call {
  readonly method: string
  readonly args: readonly unknown[]
  readonly isKept: boolean
  resolve(value: unknown): void
  reject(error: SyncError): void
}

export function createTabLink(parts: TabLinkParts): TabLink {
  const { bus } = parts
  /** By number, ascending. */
  const calls = new Map<number, Call>()
  /** Those of them that the disk refused: their callers know, and the next leader has to hear of them all the same. */
  const refused = new Set<number>()
  let lastId = 0
  let term: string | undefined
  let leader: string | undefined
  /** Of the term; see `ToTab`. */
  let count = 0
  let isAttached = false
  let isClosed = false
  let first: { resolve(): void; reject(error: SyncError): void } | undefined

  function post(id: number, { method, args }: Call): void {
    if (term !== undefined && leader !== undefined) bus.post({ type: 'call', term, id, method, args }, leader)
  }

  function problem(error: SyncError): void {
    if (first === undefined) parts.onProblem(error)
    else first.reject(error)
    first = undefined
  }

  function attached(push: Push): void {
    isAttached = true
    parts.onPush(push)
    for (const [id, call] of calls) post(id, call)
    parts.onProblem(undefined)
    parts.onAttached()
    first?.resolve()
    first = undefined
  }

  function answered({ id, value, error }: Extract<ToTab, { type: 'answer' }>): void {
    const call = calls.get(id)
    if (call === undefined) return
    if (error === null) {
      calls.delete(id)
      // The disk takes things in order: what it refused before is there now, too.
      if (call.isKept)
        for (const other of [...refused]) if (other < id && refused.delete(other)) calls.delete(other)
      call.resolve(value)
    } else {
      if (call.isKept && error.code === 'STORE_FAILED') refused.add(id)
      else calls.delete(id)
      call.reject(fromWireError(error))
    }
    if (call.isKept) parts.onChange()
  }

  function call(method: string, args: readonly unknown[], how?: 'kept'): Promise<unknown> {
    if (isClosed) return Promise.reject(new SyncError('CLIENT_CLOSED', 'this client is closed'))
    return new Promise((resolve, reject) => {
      const id = ++lastId
      const made: Call = { method, args, isKept: how === 'kept', resolve, reject }
      calls.set(id, made)
      if (isAttached) post(id, made)
      if (made.isKept) parts.onChange()
    })
  }

  const heartbeat = createHeartbeat({
    clock: parts.clock,
    isElsewhere: () => !parts.isHere(),
    ask: () => bus.post({ type: 'hello' }),
    onSilent: (isSilent) => parts.onSilent(isSilent ? silence() : undefined),
  })

  const stop = bus.listen((raw) => {
    const message = readForTab(raw)
    if (message === undefined || isClosed) return
    heartbeat.heard()
    if (message === 'other version') {
      problem(
        new SyncError(
          'TAB_OUTDATED',
          'another tab has this database open with another version of this app: reload all its tabs',
        ),
      )
      return
    }
    if (message.type === 'lead') {
      if (message.term === term || message.count < count) return
      // While this tab has the database, no other leads: that one is gone, and the disk had refused to count its leading.
      if (parts.isHere() && message.from !== bus.me) return
      count = message.count
      term = message.term
      leader = message.from
      isAttached = false
      bus.post({ type: 'attach', term, pubkey: parts.pubkey, ...parts.hello() }, message.from)
    } else if (message.term === term) {
      if (message.type === 'attached' && !isAttached) attached(message.push)
      else if (message.type === 'refused') problem(fromWireError(message.error))
      else if (message.type === 'push' && isAttached) parts.onPush(message.push)
      else if (message.type === 'answer') answered(message)
      else if (message.type === 'over') parts.onOver()
    }
  })

  const unkept = () =>
    [...calls].filter(([, { isKept }]) => isKept).map(([id, { method, args }]) => ({ id, method, args }))

  return {
    get isAttached() {
      return isAttached
    },
    unkept,
    call,
    async flush() {
      if (unkept().length > 0) await call('flush', [], 'kept')
    },
    start: () =>
      new Promise<void>((resolve, reject) => {
        first = { resolve, reject }
        bus.post({ type: 'hello' })
      }),
    close() {
      if (isClosed) return
      isClosed = true
      bus.post({ type: 'bye' })
      stop()
      heartbeat.stop()
      const error = new SyncError('CLIENT_CLOSED', 'this client was closed')
      for (const { reject } of calls.values()) reject(error)
      calls.clear()
    },
  }
}

function silence(): SyncError {
  return new SyncError(
    'TAB_SILENT',
    'another tab has this database and does not answer: close it, and this one goes on; what is done here meanwhile is in this tab only',
  )
}
