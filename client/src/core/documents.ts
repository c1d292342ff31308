import {
  type Clock,
  getOrCreate,
  hasPending,
  hasReceived,
  type Logger,
  type Member,
  missingFrom,
  parseAddress,
  type Random,
} from '@onyx-sync/shared'
import * as Y from 'yjs'
import { type OutboxEntry, RESTORE, type StoredDocument, type SyncStore } from '../ports/store.js'
import { createJournal, type Journal, type JournalChange, type RowChange } from './journal.js'

/** Turns one document into rows of query tables, by what changed. */
export interface Projection {
  /**
   * Whether the rows on disk may differ from what the document showed when it was loaded. They are then read
   * and handed to {@link reset} before the next {@link take}.
   */
  readonly isStale: boolean
  /** Sets what is on disk now, so that the next {@link take} yields the whole difference. */
  reset(load: SyncStore['loadRows']): Promise<void>
  /** Row changes since the last call; none while updates are pending (trap Y4). */
  take(): readonly RowChange[]
}

/** Makes the projection of a document that was just loaded. `stale` as in {@link Projection.isStale}. */
export type CreateProjection = (address: string, doc: Y.Doc, stale: boolean) => Projection

/** An update as it came from the server. */
export interface RemoteUpdate {
  readonly address: string
  readonly update: Uint8Array
  /** Whose event it came in; undefined where that isn't known. */
  readonly author: string | undefined
  /** Yjs client ids under which it writes. */
  readonly clientIds: readonly number[]
  /** Members as the owner's event states them, and its `created_at`; undefined on others' events. */
  readonly members: { readonly list: readonly Member[]; readonly statedAt: number } | undefined
  /** When the members were stated last, as far as the server knows; undefined where it doesn't say. */
  readonly statedAt: number | undefined
  /** Throws unless the author signed this. Called for everything that would change something. */
  verify(): void
}

/** What is known of a document without loading it. */
export interface DocumentInfo {
  readonly address: string
  readonly members: readonly Member[]
  readonly membersStatedAt: number
}

/** The device's documents: loads, caches, edits and persists them. */
export interface Documents {
  readonly journal: Journal
  /** Resolves when every edit begun so far, also on a `Y.Doc` itself, is durable. Rejects with `STORE_FAILED`. */
  flush(): Promise<void>
  list(): readonly DocumentInfo[]
  info(address: string): DocumentInfo | undefined
  /** Looks at a document, loaded for as long as `look` runs. It must not keep the document. */
  read<T>(address: string, look: (doc: Y.Doc) => T): Promise<T>
  /** The document, kept loaded until released: every edit and every remote update changes this very object. */
  open(address: string): Promise<OpenDocument>
  /**
   * Changes a document in one transaction. Resolves with what `change` returned once the edit is durable on
   * this device; rejects with `STORE_FAILED` when it isn't (it is then kept in memory, and retried with the
   * next write). If `change` throws before it changed something, nothing happened.
   */
  edit<T>(address: string, change: (doc: Y.Doc) => T): Promise<T>
  /**
   * Applies updates and records them as received. Resolves when durable, together with what `settle` adds in
   * the same batch; the number of updates set aside because they were not what their author signed is
   * returned.
   */
  applyRemote(updates: readonly RemoteUpdate[], settle: () => JournalChange): Promise<number>
  /** Documents of which something is missing: an update that others wait for, or a row that can't be read. */
  incomplete(): readonly string[]
  /**
   * What this account has to send of a document to a server that was set back, given what the server has;
   * undefined if nothing. Of its own documents an account sends everything, of others' what it has written
   * itself: anything else the server would refuse as forged (trap Y6).
   */
  missingOn(server: Y.Doc, address: string): Promise<Uint8Array | undefined>
  /** Queues an update that is in the document already, so that the server gets it (after a reset). */
  sendAgain(address: string, update: Uint8Array): void
  /** Takes note that an own event restates the members at this time, Unix seconds. */
  noteStatement(address: string, statedAt: number): void
  /** States the members of a document that this account owns, with the next event. */
  setMembers(address: string, members: readonly Member[]): Promise<void>
}

/** A document that stays loaded. */
export interface OpenDocument {
  readonly doc: Y.Doc
  /** Lets the document be unloaded again. Idempotent. */
  release(): void
}

export interface DocumentsOptions {
  /** The account: 64 lower-case hex characters. */
  readonly pubkey: string
  readonly store: SyncStore
  readonly createProjection: CreateProjection
  readonly logger: Logger
  readonly clock: Clock
  readonly random: Random
  /** Documents kept loaded though nobody pins them. @default 32 */
  readonly maxLoaded?: number
  onCommitted(outboxPut: readonly OutboxEntry[]): void
  onFailed(error: unknown): void
}

interface Loaded {
  readonly doc: Y.Doc
  readonly projection: Projection
  pins: number
  /** Changed since the last successful commit: must stay in memory. */
  dirty: boolean
}

/** Origin of transactions whose updates came from the server or the disk. */
const NOT_LOCAL = Symbol('not a local edit')

export async function createDocuments(options: DocumentsOptions): Promise<Documents> {
  const { store, createProjection, logger } = options
  const maxLoaded = options.maxLoaded ?? 32
  const known = new Map<string, StoredDocument>()
  for (const document of await store.loadDocuments()) known.set(document.address, document)
  const loaded = new Map<string, Loaded>()
  const loading = new Map<string, Promise<Loaded>>()
  let committing: Loaded[] = []
  /** Loaded documents in which updates wait for others. */
  const waiting = new Set<string>()
  /** Documents of which a stored row could not be applied when they were loaded. */
  const damaged = new Set<string>()
  const underWay = new Set<Promise<unknown>>()

  const journal = createJournal(store, await store.lastSeq(), {
    async prepare() {
      for (const entry of loaded.values()) {
        if (entry.dirty && entry.projection.isStale) await entry.projection.reset(store.loadRows.bind(store))
      }
    },
    collectRows() {
      committing = [...loaded.values()].filter((entry) => entry.dirty)
      for (const entry of committing) entry.dirty = false
      return committing.flatMap(takeRows)
    },
    committed(outboxPut) {
      committing = []
      evict()
      options.onCommitted(outboxPut)
    },
    failed(error) {
      for (const entry of committing) entry.dirty = true
      options.onFailed(error)
    },
  })

  /** Rows are derived and can be rebuilt: a document that can't be projected must not hold up its edits. */
  function takeRows({ doc, projection }: Loaded): readonly RowChange[] {
    try {
      return projection.take()
    } catch (error) {
      logger.error('a document could not be put into query tables', { doc: doc.guid, error: String(error) })
      return []
    }
  }

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

  /** As load(), but the caller may use the document in the same tick: it can't have been unloaded meanwhile. */
  async function loadNow(address: string): Promise<Loaded> {
    for (;;) {
      const entry = await load(address)
      if (loaded.get(address) === entry) return entry
    }
  }

  async function readFromStore(address: string): Promise<Loaded> {
    const updates = await store.loadUpdates(address)
    let isDamaged = false
    // A fresh clientID for every load: a restored backup or a cloned database that went on under its old one
    // would diverge with equal state vectors (trap Y5). It comes from the port, so that a simulation repeats.
    const doc = new Y.Doc()
    doc.clientID = createClientId(options.random)
    doc.transact(() => {
      for (const { seq, update } of updates) {
        try {
          Y.applyUpdate(doc, update, NOT_LOCAL)
        } catch (error) {
          isDamaged = true
          damaged.add(address)
          // One bad row is set aside, the rest is served (trap Y9).
          logger.error('a stored update can not be applied', { address, seq, error: String(error) })
        }
      }
    }, NOT_LOCAL)
    const entry: Loaded = {
      doc,
      projection: createProjection(address, doc, isDamaged || hasPending(doc)),
      pins: 0,
      dirty: false,
    }
    doc.on('update', (update: Uint8Array, origin: unknown) => {
      if (origin === NOT_LOCAL) return
      entry.dirty = true
      ensureKnown(address)
      noteOwnWriters(address, [doc.clientID])
      queue(address, update)
      // The app may edit the Y.Doc it holds, without edit(): what it did must reach the disk all the same.
      journal.flush().catch(() => {})
    })
    loaded.set(address, entry)
    noteWaiting(address, doc)
    return entry
  }

  function noteWaiting(address: string, doc: Y.Doc): void {
    if (hasPending(doc)) waiting.add(address)
    else waiting.delete(address)
  }

  function putDocument(document: StoredDocument): void {
    known.set(document.address, document)
    journal.add({ document })
  }

  function ensureKnown(address: string): StoredDocument {
    const document = known.get(address)
    if (document !== undefined) return document
    const created = { address, members: '[]', membersStatedAt: -1, ownWriters: '[]' }
    putDocument(created)
    return created
  }

  function isOwn(address: string): boolean {
    return parseAddress(address)?.owner === options.pubkey
  }

  function noteStatement(address: string, membersStatedAt: number): void {
    const before = known.get(address)
    if (before === undefined || before.membersStatedAt >= membersStatedAt) return
    putDocument({ ...before, membersStatedAt })
  }

  function noteOwnWriters(address: string, clientIds: readonly number[]): void {
    if (isOwn(address)) return
    const document = ensureKnown(address)
    const before = JSON.parse(document.ownWriters) as number[]
    const news = clientIds.filter((id) => !before.includes(id))
    if (news.length > 0) putDocument({ ...document, ownWriters: JSON.stringify([...before, ...news]) })
  }

  function queue(address: string, update: Uint8Array, event = ''): void {
    const seq = journal.nextSeq()
    journal.add({
      update: { seq, address, update },
      outboxPut: [{ ...pendingEntry(address, seq), event }],
    })
  }

  function evict(): void {
    for (const [address, entry] of loaded) {
      if (loaded.size <= maxLoaded) break
      if (entry.dirty || entry.pins > 0) continue
      loaded.delete(address)
      entry.doc.destroy()
    }
  }

  function applyOne(entry: Loaded, remote: RemoteUpdate): boolean {
    const { address, update, members } = remote
    const before = known.get(address)
    const statesMembers = members !== undefined && members.statedAt >= (before?.membersStatedAt ?? -1)
    const newMembers = statesMembers ? JSON.stringify(members.list) : undefined
    // Also the same members stated at a later time: an older statement that arrives after it must not win.
    const isNews =
      (newMembers !== undefined &&
        (newMembers !== before?.members || (members?.statedAt ?? -1) > before.membersStatedAt)) ||
      (remote.statedAt ?? -1) > (before?.membersStatedAt ?? -1)
    // A document that holds nothing needs no comparing, which would decode the update twice.
    const isContained = !isBlank(entry.doc) && hasReceived(entry.doc, update)
    // What changes nothing needs no check of its signature: an echo of one's own event, for instance.
    if (isContained && !isNews && before !== undefined) return true
    try {
      remote.verify()
      if (!isContained) Y.applyUpdate(entry.doc, update, NOT_LOCAL)
    } catch (error) {
      logger.error('a received event was set aside', { address, error: String(error) })
      return false
    }
    if (!isContained) {
      entry.dirty = true
      // The bytes as received, not what the document emits: an update that only waits for others emits
      // nothing, and would be lost (trap Y3).
      journal.add({ update: { seq: journal.nextSeq(), address, update } })
    }
    const document = ensureKnown(address)
    if (members !== undefined && newMembers !== undefined) {
      putDocument({ ...document, members: newMembers, membersStatedAt: members.statedAt })
    } else if (remote.statedAt !== undefined && isOwn(address)) noteStatement(address, remote.statedAt)
    if (remote.author === options.pubkey) noteOwnWriters(address, remote.clientIds)
    return true
  }

  async function readNow<T>(address: string, look: (doc: Y.Doc) => T): Promise<T> {
    return look((await loadNow(address)).doc)
  }

  async function editNow<T>(address: string, change: (doc: Y.Doc) => T): Promise<T> {
    const { doc } = await loadNow(address)
    const result = doc.transact(() => change(doc))
    await journal.flush()
    return result
  }

  function toInfo(document: StoredDocument): DocumentInfo {
    return {
      address: document.address,
      members: JSON.parse(document.members) as Member[],
      membersStatedAt: document.membersStatedAt,
    }
  }

  return {
    journal,
    async flush() {
      await Promise.allSettled(underWay)
      await journal.flush()
    },
    list: () => [...known.values()].map(toInfo),
    info: (address) => {
      const document = known.get(address)
      return document === undefined ? undefined : toInfo(document)
    },

    read: readNow,

    async open(address) {
      const entry = await loadNow(address)
      entry.pins++
      let released = false
      return {
        doc: entry.doc,
        release() {
          if (!released) entry.pins--
          released = true
        },
      }
    },

    edit(address, change) {
      const edited = editNow(address, change)
      underWay.add(edited)
      const ended = () => underWay.delete(edited)
      edited.then(ended, ended)
      return edited
    },

    async applyRemote(updates, settle) {
      const byAddress = new Map<string, RemoteUpdate[]>()
      for (const update of updates) getOrCreate(byAddress, update.address, () => []).push(update)
      let setAside = 0
      for (const [address, list] of byAddress) {
        const entry = await loadNow(address)
        entry.doc.transact(() => {
          for (const remote of list) if (!applyOne(entry, remote)) setAside++
        }, NOT_LOCAL)
        noteWaiting(address, entry.doc)
      }
      // The cursor comes last, after all it covers, and goes in the same batch (trap C3).
      journal.add(settle())
      await journal.flush()
      return setAside
    },

    incomplete: () => [...new Set([...waiting, ...damaged])],

    missingOn: (server, address) =>
      readNow(address, (doc) => {
        const own = JSON.parse(known.get(address)?.ownWriters ?? '[]') as number[]
        return missingFrom(doc, server, isOwn(address) ? undefined : new Set(own))
      }),

    sendAgain(address, update) {
      const isShared = (known.get(address)?.members ?? '[]') !== '[]'
      queue(address, update, isOwn(address) && isShared ? RESTORE : '')
    },

    noteStatement,

    async setMembers(address, members) {
      const document = ensureKnown(address)
      const stated = document.membersStatedAt
      // Later than the last one, also within one second: the echo of that must not undo this statement.
      const membersStatedAt = Math.max(Math.floor(options.clock.now() / 1000), stated + 1)
      putDocument({ ...document, members: JSON.stringify(members), membersStatedAt })
      // An event that carries nothing but the statement: the update of an empty document is a valid one.
      queue(address, Y.encodeStateAsUpdate(new Y.Doc()))
      await journal.flush()
    },
  }
}

function isBlank({ store }: Y.Doc): boolean {
  return store.clients.size === 0 && store.pendingStructs === null && store.pendingDs === null
}

/** 32 random bits: the space in which Yjs tells writers apart. */
export function createClientId(random: Random): number {
  const bytes = random.bytes(4)
  return new DataView(bytes.buffer, bytes.byteOffset, 4).getUint32(0)
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
