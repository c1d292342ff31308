import { hasPending, type Logger, type Random } from '@onyx-sync/shared'
import * as Y from 'yjs'
import type { StoredUpdate, SyncStore } from '../ports/store.js'
import type { Turns } from '../ports/turns.js'
import { createClientId } from './client-id.js'
import type { RowChange } from './journal.js'
import { applyRows } from './load-rows.js'
import { SLICE_BYTES } from './slices.js'

/** Turns one document into rows of query tables, by what changed. */
export interface Projection {
  /**
   * Takes the rows of what the document shows now for those that are on disk. To be gone through to its end before anything
   * changes, with turns for others between the steps; not for a document whose rows are stale.
   */
  adopt(): Iterable<undefined>
  /**
   * Whether the rows on disk may differ from what the document showed when it was loaded. They are then read
   * and handed to {@link reset} before the next {@link take}.
   */
  readonly isStale: boolean
  /** Sets what is on disk now, so that the next {@link take} yields the whole difference. */
  reset(load: SyncStore['loadRows']): Promise<void>
  /** The rows on disk may be anything: makes it stale. */
  invalidate(): void
  /** Row changes since the last call; none while updates are pending (trap Y4). */
  take(): readonly RowChange[]
}

/** Makes the projection of a document that was just loaded. `stale` as in {@link Projection.isStale}. */
export type CreateProjection = (address: string, doc: Y.Doc, stale: boolean) => Projection

/** A document in memory. */
export interface Loaded {
  readonly address: string
  readonly doc: Y.Doc
  readonly projection: Projection
  /**
   * Changes the document in one transaction by what didn't come from here: the server's word, or the disk's. Yjs doesn't
   * encode what it did, which costs as much again as applying it.
   */
  receive(change: () => void): void
  pins: number
  /** Changed since the last successful commit: must stay in memory. */
  dirty: boolean
}

/** Origin of transactions whose updates came from the server or the disk. */
export const NOT_LOCAL = Symbol('not a local edit')

/** The documents in memory: read once when somebody asks, kept while they are used, and a few longer. */
export interface LoadedDocuments {
  get(address: string): Loaded | undefined
  values(): Iterable<Loaded>
  /** Loads a document. The caller may use it in the same tick: it can't have been unloaded meanwhile. */
  load(address: string): Promise<Loaded>
  /** Unloads one document. @returns false, and does nothing, while it is used, loading, or has something to write */
  drop(address: string): boolean
  /** Unloads what nobody uses and what has nothing to write, least recently used first, above the bound. */
  evict(): void
}

export interface LoadedDocumentsOptions {
  readonly store: SyncStore
  readonly createProjection: CreateProjection
  readonly logger: Logger
  readonly random: Random
  readonly turns: Turns
  /** Documents kept loaded though nobody pins them. */
  readonly maxLoaded: number
  /** Called before a document is read; that waits for it. */
  beforeRead(address: string): Promise<void>
  /** The document was edited here, under these client ids: the update must be written. */
  onEdited(address: string, clientIds: readonly number[], update: Uint8Array): void
  /** It was read from these rows; those at `badSeqs` could not be applied. */
  onLoaded(address: string, doc: Y.Doc, rows: readonly StoredUpdate[], badSeqs: readonly number[]): void
  onUnloaded(address: string): void
}

export function createLoadedDocuments(options: LoadedDocumentsOptions): LoadedDocuments {
  const loaded = new Map<string, Loaded>()
  const loading = new Map<string, Promise<Loaded>>()

  async function load(address: string): Promise<Loaded> {
    const existing = loaded.get(address)
    if (existing !== undefined) {
      // Least recently used first, for evict().
      loaded.delete(address)
      loaded.set(address, existing)
      return existing
    }
    let promise = loading.get(address)
    if (promise === undefined) {
      promise = readFromStore(address).finally(() => loading.delete(address))
      loading.set(address, promise)
    }
    return promise
  }

  async function readFromStore(address: string): Promise<Loaded> {
    await options.beforeRead(address)
    const rows = await options.store.loadUpdates(address)
    // A fresh clientID for every load: a restored backup or a cloned database that went on under its old one
    // would diverge with equal state vectors (trap Y5). It comes from the port, so that a simulation repeats.
    const doc = new Y.Doc()
    doc.clientID = createClientId(options.random)
    const badSeqs: number[] = []
    // Nobody sees the document before all of it is there.
    await applyRows(doc, rows, options.turns, NOT_LOCAL, (seq, error) => {
      if (!badSeqs.includes(seq)) badSeqs.push(seq)
      options.logger.error('a stored update can not be applied', { address, seq, error: String(error) })
    })
    // It looks through all of it.
    if (rows.some(({ update }) => update.byteLength > SLICE_BYTES)) await options.turns.next()
    const isStale = badSeqs.length > 0 || hasPending(doc)
    const projection = options.createProjection(address, doc, isStale)
    if (!isStale) for (const _ of projection.adopt()) await options.turns.next()
    const receive = listenToEdits(doc, (update, transaction) => {
      entry.dirty = true
      options.onEdited(address, writersIn(transaction), update)
    })
    const entry: Loaded = { address, doc, projection, receive, pins: 0, dirty: false }
    loaded.set(address, entry)
    options.onLoaded(address, doc, rows, badSeqs)
    return entry
  }

  return {
    get: (address) => loaded.get(address),
    values: () => loaded.values(),
    async load(address) {
      for (;;) {
        const entry = await load(address)
        if (loaded.get(address) === entry) return entry
      }
    },
    drop(address) {
      const entry = loaded.get(address)
      if (loading.has(address) || entry?.dirty === true || (entry?.pins ?? 0) > 0) return false
      loaded.delete(address)
      entry?.doc.destroy()
      if (entry !== undefined) options.onUnloaded(address)
      return true
    },
    evict() {
      for (const [address, entry] of loaded) {
        if (loaded.size <= options.maxLoaded) break
        if (entry.dirty || entry.pins > 0) continue
        loaded.delete(address)
        entry.doc.destroy()
        options.onUnloaded(address)
      }
    },
  }
}

/** Tells of the updates that were made here. @returns changes the document by others' updates, see {@link Loaded} */
function listenToEdits(
  doc: Y.Doc,
  onEdit: (update: Uint8Array, transaction: Y.Transaction) => void,
): Loaded['receive'] {
  const onUpdate = (update: Uint8Array, origin: unknown, _doc: Y.Doc, transaction: Y.Transaction) => {
    if (origin !== NOT_LOCAL) onEdit(update, transaction)
  }
  const listen = () => doc.on('update', onUpdate)
  // Whoever is told of what was received may answer with an edit.
  doc.on('beforeTransaction', ({ origin }: Y.Transaction) => origin !== NOT_LOCAL && listen())
  listen()
  return (change) => {
    // Within a transaction, or while others are told of one, that one's update is still to be encoded.
    const isAlone = doc._transaction === null && doc._transactionCleanups.length === 0
    if (isAlone) doc.off('update', onUpdate)
    try {
      doc.transact(change, NOT_LOCAL)
    } finally {
      listen()
    }
  }
}

/** The client ids that wrote in a transaction: not this document's own where an edit of another tab was applied. */
function writersIn({ beforeState, afterState }: Y.Transaction): number[] {
  return [...afterState].filter(([id, clock]) => clock > (beforeState.get(id) ?? 0)).map(([id]) => id)
}
