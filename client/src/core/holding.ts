import {
  type Clock,
  type DocumentAddress,
  formatAddress,
  type Limits,
  parseAddress,
  SyncError,
} from '@onyx-sync/shared'
import type { BodyState, QueryRow, SyncStore } from '../ports/store.js'
import { type BodyLoader, type LoadedBodies, nextToBring } from './body-loader.js'
import type { ChatList } from './chat-list.js'
import { deletedError, isDeleted } from './deletions.js'
import type { Documents } from './documents-api.js'
import { createEviction } from './eviction.js'
import { type HoldChoice, movesByItself, wantedChats } from './hold-choice.js'
import { isChat, isHere, type Scope, scopeFilters } from './hold-filters.js'
import type { Inbox } from './inbox.js'
import type { JournalChange } from './journal.js'
import type { Outbox } from './outbox.js'
import type { ServerTrust } from './server-trust.js'
import type { Session } from './session-api.js'

/** Keys in the store's meta: what was chosen, and whether the one subscription is for all or for some. */
export const META_HOLD = 'hold'
export const META_SCOPE = 'scope'

/**
 * Decides which bodies are on the device, brings them, and lets them go. Source: SPEC "What a device holds".
 *
 * A chat counts as held from the batch that stored all of it, and the one cursor of the device never covers
 * anything of a held chat that isn't here. So a chat that is to be held comes from its beginning, while the
 * subscription for everything rests: whatever the server has when it says EOSE is beyond the cursor, and only with
 * the chat among those asked for does the cursor move on.
 */
export interface Holding {
  /** Filters of the subscription for everything, without a cursor. */
  filters(): Record<string, unknown>[]
  accepts(address: string): boolean
  bodyOfNew(address: string, isMadeHere: boolean): BodyState
  /** Whether nothing has to be brought or let go of now. */
  readonly isSettled: boolean
  /** Whether the server tells of documents without their bodies. */
  onSummaries(isOffered: boolean): void
  /** A plain relay is about to be asked for everything; it has no summaries. */
  onPlainRelay(): void
  /** Everything that a plain relay has is applied. */
  caughtUpPlainly(): void
  /** Before everything is asked for: a new device gets its list first. */
  prepare(): Promise<void>
  /** Everything is applied up to an EOSE of the subscription for everything. */
  caughtUp(): void
  live(): void
  down(): void
  /** Something may have to be brought or let go of. */
  look(): void
  /** The list has told of chats anew. */
  told(addresses: readonly string[]): void
  choose(choice: HoldChoice): Promise<void>
  /**
   * Uses a document, whose body is brought first where it isn't here, and doesn't leave meanwhile. Rejects with
   * `DOCUMENT_NOT_HELD` when it can't be brought now.
   */
  using<T>(address: string, use: () => Promise<T>): Promise<T>
  /** Lets a body go. Rejects with `DOCUMENT_IN_USE` or `VALUE_INVALID`. */
  evict(address: string): Promise<void>
}

export interface HoldingOptions {
  readonly deviceId: string
  readonly documents: Documents
  readonly store: SyncStore
  readonly trust: ServerTrust
  readonly list: ChatList
  readonly loader: BodyLoader
  readonly clock: Clock
  readonly limits: Limits
  readonly choice: HoldChoice
  /** The scope in force; undefined before the first contact. */
  readonly scope: Scope | undefined
  /** Whether the choice differs from the one before. */
  readonly isChoiceNew: boolean
  /** Whether something of a document is not checked yet. */
  isUnchecked(address: string): boolean
  /** Whether documents are on plain relays that a sync server may lack. */
  mayLack(): boolean
  session(): Session | undefined
  inbox(): Inbox
  outbox(): Outbox
  onChange(): void
}

export function createHolding(options: HoldingOptions): Holding {
  const { documents, store, trust, list, loader, limits } = options
  const { journal } = documents
  let { choice, scope, isChoiceNew: mustTrim } = options
  let isOffered = false
  let isLive = false
  /** Tells what belongs to an earlier connection. */
  let epoch = 0
  let isWorking = false
  let isDue = false
  /** Calls that use a document, by address. */
  const users = new Map<string, number>()
  /** Who waits for a body, by address. */
  const waiters = new Map<string, ((error: SyncError | undefined) => void)[]>()
  /** Chats that were brought because somebody used them. */
  const broughtForUse = new Set<string>()
  /** Chats that the server doesn't give to this account any more, on this connection. */
  const unavailable = new Set<string>()
  /** Whether the subscription for everything had its EOSE since it was asked for last. */
  let isUpToDate = false
  const whenUpToDate: (() => void)[] = []
  /** Events that were saved before the subscription was asked for anew. */
  let awaited: ReadonlySet<string> = new Set()

  const { whyKept, letGo } = createEviction({
    ...options,
    holdsAll: () => scopeNow() === 'all',
    isUsed: (address) => (users.get(address) ?? 0) > 0,
    isUpToDate: () => isUpToDate,
  })

  const canList = (): boolean => isOffered && trust.isServerKnown && list.isUsable
  const scopeNow = (): Scope => scope ?? (choice === 'all' ? 'all' : 'some')

  function accepts(address: string): boolean {
    const body = documents.info(address)?.body
    if (isDeleted(body)) return false
    return scopeNow() === 'all' || !isChat(address) || isHere(body)
  }

  function setScope(next: Scope): void {
    scope = next
    journal.add({ meta: { [META_SCOPE]: next } })
  }

  /** At the first contact. */
  function begin(first: Scope): void {
    setScope(first)
    if (first === 'some') return
    // What was made before is complete then: everything comes from the beginning.
    for (const { address, body } of documents.list()) {
      if (body === 'local') documents.setBody(address, 'held')
    }
  }

  /** Runs until nothing is left to do. One at a time; what happens meanwhile makes it look once more. */
  async function work(session: Session): Promise<void> {
    if (isWorking || !isLive) return
    isWorking = true
    const startedIn = epoch
    try {
      while (isDue && startedIn === epoch) {
        isDue = false
        await workOnce(session, startedIn)
      }
    } catch (error) {
      if (startedIn === epoch) session.fail(error)
    }
    // What a connection left behind doesn't speak for the next one.
    if (startedIn !== epoch) return
    isWorking = false
    options.onChange()
    if (isDue) void work(session)
  }

  async function workOnce(session: Session, startedIn: number): Promise<void> {
    if (choice !== 'all' && scope === 'all' && canList()) await narrow(session)
    if (startedIn !== epoch || scopeNow() === 'all') return
    const rows = await store.loadRows('chats')
    const wanted = wantedChats(choice, rows, options.clock.now())
    const newcomers = documents.list().filter(({ address, body }) => isNewcomer(address, body, wanted))
    if (startedIn !== epoch) return
    if (newcomers.length > 0) {
      await resting(session, startedIn, () =>
        bring(
          session,
          startedIn,
          nextToBring(newcomers, rows, (address) => waiters.has(address)),
        ),
      )
      isDue = true
    } else if (choice === 'all') {
      // Without a list it isn't known what else there is: it goes on with those that it holds (SPEC HLD11).
      if (canList()) await widen(session, startedIn)
    } else if (mustTrim || movesByItself(choice)) await trim(wanted)
  }

  function isNewcomer(address: string, body: BodyState, wanted: ReadonlySet<string>): boolean {
    if (!isChat(address) || body === 'held' || isDeleted(body) || unavailable.has(address)) return false
    if (body === 'local' || waiters.has(address)) return true
    // What the app let go of comes back only where everything is to be here.
    return wanted.has(address) && (body !== 'evicted' || choice === 'all')
  }

  /** Does something while the one cursor stands still, then asks for everything anew from there. */
  async function resting(session: Session, startedIn: number, what: () => Promise<void>): Promise<void> {
    session.pause()
    isUpToDate = false
    await options.inbox().idle()
    if (startedIn !== epoch) return
    await what()
    if (startedIn !== epoch) return
    options.inbox().restart()
    awaited = new Set(
      options
        .outbox()
        .savedEntries()
        .filter(({ lane, state }) => state === 'saved' && parseAddress(lane) !== undefined)
        .map(({ id }) => id),
    )
    session.resume()
  }

  async function bring(
    session: Session,
    startedIn: number,
    addresses: readonly DocumentAddress[],
  ): Promise<void> {
    const loaded = await loader.load(session, addresses)
    if (startedIn !== epoch) return
    const names = addresses.map(formatAddress)
    await adopt(startedIn, names, loaded)
    for (const address of names) settle(address)
  }

  async function adopt(startedIn: number, names: readonly string[], loaded: LoadedBodies): Promise<void> {
    const rows = new Map((await store.loadRows('chats')).map((row) => [row.id, row]))
    const brought = new Set(loaded.updates.map(({ address }) => address))
    // Once the connection is gone the cursor may have moved on without them.
    const isIn = (address: string): boolean => startedIn === epoch && names.includes(address)
    function markHeld(): JournalChange {
      const put: QueryRow[] = []
      for (const address of names.filter(isIn)) {
        const isMadeHere = documents.info(address)?.body === 'local'
        if (loaded.incomplete.has(address) || (!brought.has(address) && !isMadeHere)) {
          unavailable.add(address)
          continue
        }
        documents.setBody(address, 'held')
        const row = rows.get(address)
        // In case nothing of it shows: the rows of what changed come later and win.
        if (row !== undefined && row.held !== true) put.push({ ...row, bytes: null, held: true })
      }
      return { rows: [{ table: 'chats', put, delete: [] }] }
    }
    await documents.applyRemote(loaded.updates, markHeld, isIn)
  }

  function settle(address: string): void {
    const isThere = isHere(documents.info(address)?.body)
    const error = isThere ? undefined : notHeld(address, 'the server does not give it to this account')
    for (const settleOne of waiters.get(address) ?? []) settleOne(error)
    waiters.delete(address)
  }

  /** From all to some: all that is here stays held, and what comes anew is only listed. */
  async function narrow(session: Session): Promise<void> {
    const startedIn = epoch
    await resting(session, startedIn, async () => {
      setScope('some')
      await journal.flush()
    })
    if (startedIn === epoch) await list.follow(session, { isOnce: false })
    isDue = true
  }

  /** From some to all, once everything is here: with the cursor at rest the list is read to its end. */
  async function widen(session: Session, startedIn: number): Promise<void> {
    await resting(session, startedIn, async () => {
      list.stop(session)
      await list.follow(session, { isOnce: false })
      if (startedIn !== epoch) return
      const all = new Set(documents.list().map(({ address }) => address))
      if (documents.list().some(({ address, body }) => isNewcomer(address, body, all))) {
        isDue = true
        return
      }
      list.stop(session)
      setScope('all')
      await journal.flush()
    })
  }

  /** Lets go of what the choice doesn't name, as far as it can go now. */
  async function trim(wanted: ReadonlySet<string>): Promise<void> {
    // What the list told of them while they were here is theirs to show when they go.
    if (!isUpToDate) await new Promise<void>((resolve) => whenUpToDate.push(resolve))
    if (!isUpToDate) return
    let isLeft = false
    for (const { address, body } of documents.list()) {
      if (body !== 'held' || !isChat(address) || wanted.has(address)) continue
      const isGone = whyKept(address) === undefined && (await letGo(address, 'listed'))
      if (!isGone) isLeft = true
      // What is wanted was read a while ago: rows that were written since may call it back.
      else isDue = true
    }
    if (!isLeft) mustTrim = false
    await journal.flush()
  }

  function notHeld(address: string, why: string): SyncError {
    return new SyncError('DOCUMENT_NOT_HELD', `${address} is not on this device, only listed, and ${why}`)
  }

  /** Brings a body that isn't here; undefined where it is. */
  function require(address: string): Promise<void> | undefined {
    const body = documents.info(address)?.body
    if (isDeleted(body)) return Promise.reject(deletedError(address))
    if (body === undefined || isHere(body)) return undefined
    const session = options.session()
    const state = session?.status.state ?? 'offline'
    if (state === 'offline' || state === 'waiting' || state === 'stopped') {
      return Promise.reject(notHeld(address, 'there is no connection: connect, and open it then'))
    }
    if (state === 'live' && (scopeNow() === 'all' || !isLive)) {
      return Promise.reject(notHeld(address, 'the server does not give it to this account'))
    }
    unavailable.delete(address)
    broughtForUse.add(address)
    return new Promise((resolve, reject) => {
      const settleOne = (error: SyncError | undefined) => (error === undefined ? resolve() : reject(error))
      waiters.set(address, [...(waiters.get(address) ?? []), settleOne])
      look()
    })
  }

  function look(): void {
    const session = options.session()
    if (session === undefined || !isLive || (scope === 'all' && choice === 'all')) return
    isDue = true
    void work(session)
  }

  return {
    filters: () => scopeFilters(scopeNow(), documents, limits),
    accepts,
    bodyOfNew(address, isMadeHere) {
      if (!isMadeHere || !isChat(address) || scopeNow() === 'all') return 'held'
      // Another device may have made one of the same id: what the server has of it is brought.
      void Promise.resolve().then(look)
      return 'local'
    },
    get isSettled() {
      if (scope === 'all' && (choice === 'all' || !canList())) return true
      return !isWorking && !isDue
    },
    onSummaries(offered) {
      isOffered = offered
    },
    onPlainRelay() {
      if (scope === undefined) begin('all')
    },
    caughtUpPlainly() {
      for (const address of [...waiters.keys()]) settle(address)
    },
    async prepare() {
      const startedIn = epoch
      const session = options.session()
      if (scope === undefined) {
        begin(choice !== 'all' && canList() ? 'some' : 'all')
        await journal.flush()
      }
      const isNew = scope === 'all' && options.inbox().cursor === ''
      if (isNew && canList() && session !== undefined && startedIn === epoch) {
        await list.follow(session, { isOnce: true })
      }
    },
    caughtUp() {
      isUpToDate = true
      for (const settleOne of whenUpToDate.splice(0)) settleOne()
      const outbox = options.outbox()
      // As after a reconnect: what was saved before, and has not come, is asked about.
      for (const entry of outbox.savedEntries()) {
        if (entry.state !== 'saved' || !awaited.has(entry.id)) continue
        outbox.restage(entry)
        outbox.added([entry])
      }
      awaited = new Set()
      if (scopeNow() === 'all') for (const address of [...waiters.keys()]) settle(address)
      options.onChange()
    },
    live() {
      const session = options.session()
      if (session === undefined) return
      const startedIn = epoch
      isLive = true
      if (scopeNow() === 'all' || !canList()) {
        look()
        return
      }
      // Until the list is there, it isn't known what to bring.
      isDue = true
      void list.follow(session, { isOnce: false }).then(() => {
        if (startedIn === epoch) look()
      })
    },
    down() {
      epoch++
      isLive = false
      isWorking = false
      isUpToDate = false
      for (const settleOne of whenUpToDate.splice(0)) settleOne()
      isDue = false
      awaited = new Set()
      unavailable.clear()
      list.abandon()
      for (const address of [...waiters.keys()]) {
        const error = notHeld(address, 'the connection was lost: open it once more')
        for (const settleOne of waiters.get(address) ?? []) settleOne(error)
        waiters.delete(address)
      }
    },
    look,
    told(addresses) {
      // Those of a server that was set back are there again once somebody has brought them.
      for (const address of addresses) unavailable.delete(address)
      look()
    },
    async choose(next) {
      choice = next
      mustTrim = true
      journal.add({ meta: { [META_HOLD]: JSON.stringify(next) } })
      await journal.flush()
      look()
    },
    async using(address, use) {
      users.set(address, (users.get(address) ?? 0) + 1)
      try {
        // At once where it is here: whoever closes the client then waits for what was begun.
        const missing = require(address)
        if (missing !== undefined) await missing
        return await use()
      } finally {
        const left = (users.get(address) ?? 1) - 1
        if (left === 0) users.delete(address)
        else users.set(address, left)
        if (left === 0 && broughtForUse.delete(address)) look()
      }
    },
    async evict(address) {
      if (!isChat(address)) throw new SyncError('VALUE_INVALID', 'only chats can be evicted')
      if (scopeNow() === 'all') {
        throw new SyncError(
          'VALUE_INVALID',
          'this device holds everything: say with hold() what it shall hold',
        )
      }
      const body = documents.info(address)?.body
      if (body === 'listed' || body === 'evicted') return
      await documents.flush()
      if (isLive && !isUpToDate) await new Promise<void>((resolve) => whenUpToDate.push(resolve))
      const why = body === 'local' ? 'edits of it are not on the server yet' : whyKept(address)
      if (why === undefined && (await letGo(address, 'evicted'))) return journal.flush()
      throw new SyncError(
        'DOCUMENT_IN_USE',
        `${address} stays on this device: ${why ?? 'it is open, or changing'}`,
      )
    },
  }
}
