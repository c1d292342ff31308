import {
  type Clock,
  checkRosterSize,
  DEFAULT_LIMITS,
  decideRoster,
  EMPTY_ROSTER,
  hasPending,
  isSameRoster,
  type Logger,
  membersOf,
  missingFrom,
  type Random,
} from '@onyx-sync/shared'
import * as Y from 'yjs'
import {
  type BodyState,
  type OutboxEntry,
  RESTORE,
  type StoredDocument,
  type SyncStore,
} from '../ports/store.js'
import type { Turns } from '../ports/turns.js'
import { type CompactionOptions, createCompaction } from './compaction.js'
import { deletedError, isDeleted } from './deletions.js'
import { createDocumentRecords, readRoster } from './document-records.js'
import type { DocumentInfo, Documents } from './documents-api.js'
import { createHiddenRows } from './hidden-rows.js'
import { type CommittedRows, createJournal, type RowChange } from './journal.js'
import { type CreateProjection, createLoadedDocuments, type Loaded } from './loaded-documents.js'
import { createReceiving } from './receiving.js'
import { createRecentEdits } from './recent-edits.js'
import { createRemoteUpdates, hasOthersBeyond } from './remote-updates.js'
import type { Unchecked } from './unchecked.js'

export interface DocumentsOptions {
  /** The account: 64 lower-case hex characters. */
  readonly pubkey: string
  readonly store: SyncStore
  readonly createProjection: CreateProjection
  /** Query rows of what is in the outbox and in no document. */
  projectOutbox?(outbox: ReadonlyMap<string, OutboxEntry | null>): readonly RowChange[]
  readonly logger: Logger
  readonly clock: Clock
  readonly random: Random
  readonly turns: Turns
  /** Documents kept loaded though nobody pins them. @default 32 */
  readonly maxLoaded?: number
  readonly compaction?: CompactionOptions
  /** What a document is that was made here, or came from the server, and wasn't known. @default 'held' */
  bodyOfNew?(address: string, isMadeHere: boolean): BodyState
  /** Whether received content of a document belongs on this device. @default always */
  accepts?(address: string): boolean
  /** Position of a document's oldest edit that is on disk and not signed; undefined if none is. */
  firstUnsigned(address: string): number | undefined
  /** See `RemoteUpdatesParts.unchecked`. */
  unchecked?(): Unchecked | undefined
  /** See `JournalHooks.sign`. */
  signAhead?(edits: readonly OutboxEntry[]): Promise<void> | undefined
  onCommitted(outboxPut: readonly OutboxEntry[], rows: CommittedRows): void
  onFailed(error: unknown): void
  /** An event of the document came from the server and is not set aside. */
  onLogged?(address: string, isCheckpoint: boolean): void
  /** A key, this account's included, wrote to a document under client ids that were not in it before. */
  onWriters?(address: string, author: string, clientIds: readonly number[]): void
}

export async function createDocuments(options: DocumentsOptions): Promise<Documents> {
  const { store, logger, turns } = options
  let committing: Loaded[] = []
  /** Loaded documents in which updates wait for others. */
  const waiting = new Set<string>()
  const underWay = new Set<Promise<unknown>>()
  /** Documents whose bodies have gone, perhaps not from the disk yet. */
  const leaving = new Set<string>()
  /** Of documents that are arriving: how they are to be in the list once they are here. */
  const awaitedRows = new Map<string, RowChange>()

  const hiddenRows = createHiddenRows(store)
  const recentEdits = createRecentEdits()

  async function resetAll(stale: readonly Loaded[]): Promise<void> {
    for (const { projection } of stale) await projection.reset(store.loadRows.bind(store))
  }

  const journal = createJournal(store, await store.lastSeq(), {
    sign: (edits) => options.signAhead?.(edits),
    prepare() {
      const stale = [...loaded.values()].filter((entry) => entry.dirty && entry.projection.isStale)
      return stale.length > 0 ? resetAll(stale) : hiddenRows.prepare()
    },
    collectRows(unwritten) {
      committing = [...loaded.values()].filter((entry) => entry.dirty)
      for (const entry of committing) entry.dirty = false
      // What was deleted for good shows nothing any more, though edits of it may still come to be refused.
      const rows = committing.filter(({ address }) => !isGone(address)).flatMap(takeRows)
      return [...rows, ...hiddenRows.collect(unwritten)]
    },
    outboxRows: (outbox) => options.projectOutbox?.(outbox) ?? [],
    committed(outboxPut, rows) {
      committing = []
      loaded.evict()
      options.onCommitted(outboxPut, rows)
      // After the outbox has heard of the new edits: their rows must stay.
      compaction.committed()
    },
    failed(error) {
      for (const entry of committing) entry.dirty = true
      options.onFailed(error)
    },
  })
  const records = createDocumentRecords({
    pubkey: options.pubkey,
    stored: await store.loadDocuments(),
    journal,
    bodyOfNew: (address, isMadeHere) => options.bodyOfNew?.(address, isMadeHere) ?? 'held',
  })

  const loaded = createLoadedDocuments({
    store,
    createProjection: options.createProjection,
    logger,
    random: options.random,
    turns,
    maxLoaded: options.maxLoaded ?? 32,
    async beforeRead(address) {
      // A body that has gone, and is on disk still, must not come back: what is brought later would be taken for
      // known.
      if (leaving.has(address)) await journal.flush()
      leaving.delete(address)
    },
    onEdited(address, clientIds, update) {
      records.ensure(address, true)
      records.noteOwnWriters(address, clientIds)
      options.onWriters?.(address, options.pubkey, clientIds)
      queue(address, update)
      // The app may edit the Y.Doc it holds, without edit(): what it did must reach the disk all the same.
      journal.flush().catch(() => {})
    },
    onLoaded(address, doc, rows, badSeqs) {
      noteWaiting({ address, doc })
      compaction.loaded(address, rows, badSeqs)
    },
    onUnloaded: (address) => compaction.unloaded(address),
  })

  const compaction = createCompaction({
    ...options.compaction,
    journal,
    clock: options.clock,
    find: (address) => loaded.get(address)?.doc,
    isReceiving: (address) => receiving.has(address),
    // What is not written yet is newer than all that is.
    firstUnsigned: (address) => options.firstUnsigned(address) ?? journal.firstUnwritten(address),
    isUnchecked: (address) => options.unchecked?.()?.has(address) === true,
  })

  const isGone = (address: string): boolean => isDeleted(records.get(address)?.body)

  /** Rows are derived and can be rebuilt: a document that can't be projected must not hold up its edits. */
  function takeRows({ address, doc, projection }: Loaded): readonly RowChange[] {
    try {
      return withListedRow(address, projection.take())
    } catch (error) {
      logger.error('a document could not be put into query tables', { doc: doc.guid, error: String(error) })
      return []
    }
  }

  /** A chat that is arriving stays in the list as it was, until all of it is here. */
  function withListedRow(address: string, changes: readonly RowChange[]): readonly RowChange[] {
    const isArriving = records.get(address)?.body === 'arriving'
    const chat = changes.find(({ table }) => table === 'chats') ?? awaitedRows.get(address)
    if (chat === undefined || (!isArriving && !awaitedRows.has(address))) return changes
    const others = changes.filter(({ table }) => table !== 'chats')
    if (isArriving) awaitedRows.set(address, chat)
    else awaitedRows.delete(address)
    return isArriving ? others : [...others, chat]
  }

  /** What is here of a chat that was to be brought, and will not be brought to its end now. */
  function dropArriving(): void {
    for (const { address, body } of records.all()) if (body === 'arriving') dropBody(address, 'listed')
  }

  function dropBody(address: string, body: 'listed' | 'evicted' | 'deleted'): boolean {
    const entry = loaded.get(address)
    if (entry !== undefined && committing.includes(entry)) return false
    if (records.get(address) === undefined || !loaded.drop(address)) return false
    waiting.delete(address)
    awaitedRows.delete(address)
    compaction.forget(address)
    leaving.add(address)
    journal.add({ evict: address })
    // What it has of the log is counted anew when it comes again.
    records.change(address, { body, logBytes: 0 })
    return true
  }

  const remotes = createRemoteUpdates({
    ...options,
    records,
    journal,
    compaction,
    gatherRows: (entry) => journal.add({ rows: takeRows(entry) }),
  })

  const receiving = createReceiving({
    ...{ loaded, records, remotes, journal, turns, isGone, noteWaiting, dropArriving },
    accepts: options.accepts ?? (() => true),
  })

  function noteWaiting({ address, doc }: Pick<Loaded, 'address' | 'doc'>): void {
    if (hasPending(doc)) waiting.add(address)
    else waiting.delete(address)
  }

  function queue(address: string, update: Uint8Array, event = ''): void {
    const seq = journal.nextSeq()
    journal.add({
      update: { seq, address, update },
      outboxPut: [{ ...pendingEntry(address, seq), event }],
    })
    recentEdits.note(seq, update)
    compaction.added(address, seq, update.byteLength)
  }

  /** Throws `DELETED`, also where it was deleted for good while it was loaded: what is left of it would pass for all of it. */
  async function loadUnlessGone(address: string): Promise<Loaded> {
    const entry = await loaded.load(address)
    if (isGone(address)) throw deletedError(address)
    return entry
  }

  async function readNow<T>(address: string, look: (doc: Y.Doc) => T): Promise<T> {
    return look((await loadUnlessGone(address)).doc)
  }

  async function editNow<T>(address: string, change: (doc: Y.Doc) => T, origin?: unknown): Promise<T> {
    const { doc } = await loadUnlessGone(address)
    const result = doc.transact(() => change(doc), origin ?? null)
    await journal.flush()
    return result
  }

  /** Whoever flushes waits for work that was begun. */
  function noteUnderWay<T>(work: Promise<T>): Promise<T> {
    underWay.add(work)
    const ended = () => underWay.delete(work)
    work.then(ended, ended)
    return work
  }

  function toInfo(document: StoredDocument): DocumentInfo {
    const roster = readRoster(document)
    return {
      address: document.address,
      members: membersOf(roster),
      roster,
      logBytes: records.logBytes(document.address),
      checkpointBytes: document.checkpointBytes,
      body: document.body,
    }
  }

  // What the last process had begun to bring.
  dropArriving()

  return {
    journal,
    async flush() {
      // Not Promise.allSettled, which older Hermes VMs lack.
      await Promise.all([...underWay].map((work) => work.catch(() => {})))
      await journal.flush()
    },
    list: () => [...records.all()].map(toInfo),
    info: (address) => {
      const document = records.get(address)
      return document === undefined ? undefined : toInfo(document)
    },

    read: readNow,

    async open(address) {
      const entry = await loadUnlessGone(address)
      entry.pins++
      let released = false
      return {
        doc: entry.doc,
        edit(change, origin) {
          const result = entry.doc.transact(() => change(entry.doc), origin ?? null)
          return noteUnderWay(journal.flush().then(() => result))
        },
        release() {
          if (!released) entry.pins--
          released = true
        },
      }
    },

    edit: (address, change, origin) => noteUnderWay(editNow(address, change, origin)),

    applyRemote: receiving.applyRemote,
    applyAsItComes: receiving.applyAsItComes,

    async rebuildRows(address) {
      const entry = await loaded.load(address)
      entry.projection.invalidate()
      entry.dirty = true
      await journal.flush()
    },

    sizeOf: (address) => readNow(address, (doc) => Y.encodeStateAsUpdate(doc).byteLength),

    setBody(address, body) {
      if (records.ensure(address).body !== body) records.change(address, { body })
    },

    markDeleted(address, deletedAtMs) {
      records.ensure(address)
      records.change(address, { body: 'deleting' })
      hiddenRows.hide(address, deletedAtMs)
    },

    dropBody,

    incomplete: () =>
      [...new Set([...waiting, ...compaction.damaged()])].filter((address) => !isGone(address)),
    refetched: compaction.refetched,
    forgetLogBytes: records.forgetLogBytes,
    noteCheckpointBytes: (address, checkpointBytes) => records.change(address, { checkpointBytes }),

    missingOn: (server, address) =>
      readNow(address, (doc) => {
        if (hasOthersBeyond(records, address, doc, server)) records.change(address, { logBytes: -1 })
        return missingFrom(doc, server, records.isOwn(address) ? undefined : records.ownWriters(address))
      }),

    recentEdit: recentEdits.get,

    sendAgain(address, update) {
      // Also with who is a member no more: what they wrote is in it, and they may be let in again.
      const wasShared = !isSameRoster(records.roster(address), EMPTY_ROSTER)
      queue(address, update, records.isOwn(address) && wasShared ? RESTORE : '')
    },

    async decideMembers(address, decisions, alongside = {}) {
      if (isGone(address)) throw deletedError(address)
      records.ensure(address, true)
      const nowSeconds = Math.floor(options.clock.now() / 1000)
      const roster = decideRoster(records.roster(address), decisions, nowSeconds)
      checkRosterSize(roster.entries.length, DEFAULT_LIMITS)
      records.changeRoster(address, roster)
      // An event that carries nothing but the statement: the update of an empty document is a valid one.
      queue(address, Y.encodeStateAsUpdate(new Y.Doc()))
      journal.add(alongside)
      await journal.flush()
    },

    stop: compaction.stop,
  }
}

function pendingEntry(address: string, seq: number): OutboxEntry {
  return {
    id: `edit-${seq}`,
    lane: address,
    seq,
    throughSeq: seq,
    edits: 1,
    state: 'pending',
    event: '',
    reason: '',
  }
}
