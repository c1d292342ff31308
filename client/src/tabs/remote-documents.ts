import { applyUpdate, type Clock, type Random, SyncError, type TimerHandle } from '@onyx-sync/shared'
import * as Y from 'yjs'
import { createClientId } from '../core/client-id.js'
import type { Documents, OpenDocument } from '../core/documents-api.js'
import { NOT_LOCAL } from '../core/loaded-documents.js'
import type { ModelDocuments } from '../core/model-documents.js'
import type { TabLink } from './link.js'
import type { RemoteState } from './remote-state.js'
import { isBytes } from './shapes.js'

/**
 * The documents of a database that another tab has: copies of those that are used here, which hear of what becomes
 * durable there, and give what is edited here to it. In the tab that leads what is opened is no copy: it goes with that
 * tab, and nobody has to take it over.
 */
export interface RemoteDocuments extends ModelDocuments {
  /** Takes in updates of a document, each with the tab that made it. */
  take(address: string, list: readonly (readonly [string, Uint8Array])[]): void
  /** Another tab leads: it is told what is open here, and says what is new. */
  reopen(): void
  /** What is to be kept has changed. */
  tidy(): void
  /** Lets go of a document at once that nobody uses. */
  letGo(address: string): void
  stop(): void
}

export interface RemoteDocumentsParts {
  readonly link: TabLink
  readonly state: RemoteState
  readonly me: string
  readonly clock: Clock
  readonly random: Random
  /** The documents themselves, in the tab that leads. */
  here(): Documents | undefined
  /** Whether a document is to stay though nobody has it open. */
  isKept(address: string): boolean
}

interface Replica {
  readonly address: string
  /** A copy; where the database is here the document itself, once it is filled. */
  doc: Y.Doc
  /** Undefined for a copy. */
  opened: OpenDocument | undefined
  pins: number
  /** Resolves when it has been filled for the first time. */
  filled: Promise<void>
  isFilled: boolean
  /** The edit that was given away last. */
  lastEdit: Promise<unknown> | undefined
  timer: TimerHandle | undefined
}

/** How long a document stays that nobody uses: what reads or writes one bit by bit needn't fetch it each time. */
const LINGER_MS = 2_000
/** Between two tries to have a document said anew. */
const RETRY_MS = 1_000

export function createRemoteDocuments(parts: RemoteDocumentsParts): RemoteDocuments {
  const { link, state, me, clock, random, here, isKept } = parts
  const replicas = new Map<string, Replica>()
  const underWay = new Set<Promise<unknown>>()

  function make(address: string): Replica {
    const doc = new Y.Doc()
    // Of its own, as for every load: a document is never written to from two places under one id (trap Y5).
    doc.clientID = createClientId(random)
    const replica: Replica = {
      ...{ address, doc, opened: undefined, pins: 0, isFilled: false, lastEdit: undefined, timer: undefined },
      filled: Promise.resolve(),
    }
    doc.on('update', (update: Uint8Array, origin: unknown) => {
      if (origin === NOT_LOCAL) return
      replica.lastEdit = link.call('edit', [address, update], 'kept')
      // Who edited waits for it, or doesn't care; the status tells of a disk that fails.
      replica.lastEdit.catch(() => {})
    })
    replicas.set(address, replica)
    const documents = here()
    const filling = documents === undefined ? fill(replica) : openHere(replica, documents)
    replica.filled = filling.then(() => {
      replica.isFilled = true
    })
    replica.filled.catch(() => drop(replica))
    return replica
  }

  async function fill({ address, doc }: Replica): Promise<void> {
    const update = await link.call('open', [address, Y.encodeStateVector(doc)])
    if (!isBytes(update)) throw new SyncError('INTERNAL', 'the tab that leads gave no document')
    applyUpdate(doc, update, NOT_LOCAL)
  }

  async function openHere(replica: Replica, documents: Documents): Promise<void> {
    const opened = await documents.open(replica.address)
    replica.doc.destroy()
    replica.doc = opened.doc
    replica.opened = opened
  }

  function drop(replica: Replica): void {
    if (replicas.get(replica.address) !== replica) return
    clock.clearTimeout(replica.timer)
    replicas.delete(replica.address)
    if (replica.opened !== undefined) {
      replica.opened.release()
      return
    }
    replica.doc.destroy()
    link.call('close', [replica.address]).catch(() => {})
  }

  function isUsed({ address, pins }: Replica): boolean {
    return pins > 0 || isKept(address)
  }

  function unpin(replica: Replica): void {
    replica.pins--
    rest(replica)
  }

  function rest(replica: Replica): void {
    clock.clearTimeout(replica.timer)
    if (isUsed(replica)) return
    replica.timer = clock.setTimeout(() => {
      if (!isUsed(replica)) drop(replica)
    }, LINGER_MS)
  }

  /** The document, pinned. */
  async function use(address: string): Promise<Replica> {
    const replica = replicas.get(address) ?? make(address)
    replica.pins++
    try {
      await replica.filled
      return replica
    } catch (error) {
      replica.pins--
      throw error
    }
  }

  async function flushNow(): Promise<void> {
    await Promise.all([link.flush(), here()?.journal.flush()])
  }

  /** What was edited in this tick is durable when it resolves. */
  async function durable(replica: Replica, before: Promise<unknown> | undefined): Promise<void> {
    // An edit inside of another transaction is given away when that ends, in this tick.
    await Promise.resolve()
    if (replica.lastEdit === before) await flushNow()
    else await replica.lastEdit
  }

  function noteUnderWay<T>(work: Promise<T>): Promise<T> {
    underWay.add(work)
    const ended = () => underWay.delete(work)
    work.then(ended, ended)
    return work
  }

  async function editNow<T>(address: string, change: (doc: Y.Doc) => T, origin?: unknown): Promise<T> {
    const replica = await use(address)
    try {
      const before = replica.lastEdit
      const result = replica.doc.transact(() => change(replica.doc), origin ?? null)
      await durable(replica, before)
      return result
    } finally {
      unpin(replica)
    }
  }

  function again(replica: Replica): void {
    fill(replica).catch((error: SyncError) => {
      if (error.code === 'CLIENT_CLOSED' || replicas.get(replica.address) !== replica) return
      clock.setTimeout(() => replicas.get(replica.address) === replica && again(replica), RETRY_MS)
    })
  }

  return {
    journal: { flush: flushNow },
    async flush() {
      await Promise.allSettled(underWay)
      await flushNow()
    },
    list: state.documents,
    info: state.document,

    async read(address, look) {
      const replica = await use(address)
      try {
        return look(replica.doc)
      } finally {
        unpin(replica)
      }
    },

    async open(address): Promise<OpenDocument> {
      const replica = await use(address)
      let isReleased = false
      return {
        doc: replica.doc,
        edit(change, origin) {
          const before = replica.lastEdit
          const result = replica.doc.transact(() => change(replica.doc), origin ?? null)
          return noteUnderWay(durable(replica, before).then(() => result))
        },
        release() {
          if (!isReleased) unpin(replica)
          isReleased = true
        },
      }
    },

    edit: (address, change, origin) => noteUnderWay(editNow(address, change, origin)),

    async decideMembers(address, decisions) {
      await link.call('decide', [address, decisions], 'kept')
    },

    take(address, list) {
      const replica = replicas.get(address)
      if (replica === undefined || replica.opened !== undefined) return
      replica.doc.transact(() => {
        for (const [by, update] of list) if (by !== me) applyUpdate(replica.doc, update, NOT_LOCAL)
      }, NOT_LOCAL)
    },
    reopen() {
      // Those that were being opened are asked for again by the link.
      for (const replica of replicas.values())
        if (replica.isFilled && replica.opened === undefined) again(replica)
    },
    tidy() {
      for (const replica of replicas.values()) if (!isUsed(replica)) rest(replica)
    },
    letGo(address) {
      const replica = replicas.get(address)
      if (replica !== undefined && !isUsed(replica)) drop(replica)
    },
    stop() {
      for (const { timer } of replicas.values()) clock.clearTimeout(timer)
      replicas.clear()
    },
  }
}
