import {
  applyUpdate,
  createCoverage,
  createSliceStream,
  EMPTY_ROSTER,
  hasReceived,
  hasRightId,
  isSameRoster,
  joinRoster,
  KIND,
  type Logger,
  mergeUpdates,
  type NostrEvent,
  parseAddress,
  type Roster,
  type RosterStatement,
  type SliceableUpdates,
} from '@onyx-sync/shared'
import * as Y from 'yjs'
import type { Turns } from '../ports/turns.js'
import type { Compaction } from './compaction.js'
import { type DocumentRecords, isMostly, type Logged } from './document-records.js'
import type { Journal } from './journal.js'
import { type Loaded, NOT_LOCAL } from './loaded-documents.js'
import type { ComingParts } from './part-stream.js'
import { CUT_BYTES, createPace, readInSteps, SLICE_BYTES, takeInSlices } from './slices.js'
import type { Unchecked } from './unchecked.js'
import { createWriteBrake, type WriteBrake } from './write-brake.js'

/** An update as it came from the server. */
export interface RemoteUpdate {
  readonly address: string
  /** In parts, where it came in parts and is large: together they are the update. */
  readonly updates: readonly Uint8Array[]
  /** Whose event it came in; undefined where that isn't known. */
  readonly author: string | undefined
  /** Yjs client ids under which it writes. */
  readonly clientIds: readonly number[]
  /** What the owner's event says about members; undefined on others' events. */
  readonly statement: RosterStatement | undefined
  /** What it says of the size of the document's log; undefined where that is known already, or not told. */
  readonly logged: Logged | undefined
  /** Each throws unless the author signed its part of this. Called for everything that would change something. */
  readonly checks: readonly (() => void)[]
  /** The event that it came in, where that may be checked after it is applied. */
  readonly signed?: NostrEvent | undefined
}

/** Takes in what came from the server. */
export interface RemoteUpdates {
  /** Checks who signed it, where it would change something. @returns whether it is what its author signed, as far as that had to be looked at */
  check(entry: Loaded, remote: RemoteUpdate): Promise<boolean>
  /** Applies an update that was checked to its document, and hands to the journal what is to be kept of it. @returns whether that could be done */
  apply(entry: Loaded, remote: RemoteUpdate): boolean
  /**
   * Checks and applies a large one, in slices with turns between them, for as long as it is meant. Each is handed to the
   * journal as it is applied, so that at every moment the log is what the document is.
   * @returns as `check`
   */
  applyInSlices(entry: Loaded, remote: RemoteUpdate, isMeant: (entry: Loaded) => boolean): Promise<boolean>
  /**
   * Applies the parts of a state as they come, in the same way, each of which was checked. For a document that is not here.
   * Rejects where one can't be applied.
   * @returns whether all that came was applied
   */
  applyAsItComes(entry: Loaded, parts: ComingParts, isMeant: (entry: Loaded) => boolean): Promise<boolean>
  /** All that was received of a document is applied: one that was only listed is here now, if anything of it was new. */
  noteArrival(entry: Loaded): void
}

export interface RemoteUpdatesParts {
  readonly pubkey: string
  readonly records: DocumentRecords
  readonly journal: Journal
  readonly compaction: Compaction
  readonly logger: Logger
  readonly turns: Turns
  onLogged?(address: string, isCheckpoint: boolean): void
  /** Events that are applied before they are checked; undefined where there are none. */
  unchecked?(): Pick<Unchecked, 'hasRoom' | 'add'> | undefined
  /** A key wrote to a document under client ids that were not in it before. */
  onWriters?(address: string, author: string, clientIds: readonly number[]): void
  /**
   * Hands the rows of what changed in a document to the journal, in the tick in which its log got it. Otherwise a commit does
   * so, of all that it writes in one go.
   */
  gatherRows(entry: Loaded): void
}

/** What checking a signature costs, as bytes of an update that cost as much to apply. */
const CHECK_BYTES = SLICE_BYTES / 4

export function createRemoteUpdates(parts: RemoteUpdatesParts): RemoteUpdates {
  const { pubkey, records, journal, compaction, logger, turns } = parts
  const pace = createPace(turns)
  /** Documents of which something came that was new. */
  const arrived = new Set<string>()
  /** What is applied first and checked then. */
  const later = new WeakSet<RemoteUpdate>()

  /** What is decided about the members with this event, if that is anything new. */
  function newRosterOf({ address, statement }: RemoteUpdate): Roster | undefined {
    if (statement === undefined) return undefined
    const known = records.roster(address)
    const roster = joinRoster(known, statement)
    return isSameRoster(known, roster) ? undefined : roster
  }

  /** Once the event is known to be on the server. */
  function noteLogged(doc: Y.Doc, { address, updates, logged: told }: RemoteUpdate, share?: number): void {
    if (told === undefined) return
    const logged = told.as === 'checkpoint' ? { ...told, share: share ?? shareOf(doc, updates) } : told
    if (logged.as !== 'event' && records.logBytes(address) < 0) {
      const onServer = new Y.Doc()
      for (const update of updates) applyUpdate(onServer, update)
      if (!hasOthersBeyond(records, address, doc, onServer)) records.change(address, { logBytes: 0 })
    }
    records.noteLogged(address, logged)
    parts.onLogged?.(address, isMostly(logged))
  }

  /** Whether all of it is here: nobody has to say then that it is its author's. An echo of one's own event, for instance. */
  function isKnown({ doc }: Loaded, remote: RemoteUpdate): boolean {
    return (
      records.get(remote.address) !== undefined &&
      newRosterOf(remote) === undefined &&
      // A document that holds nothing needs no comparing, which would decode the update twice.
      !isBlank(doc) &&
      remote.updates.every((update) => hasReceived(doc, update))
    )
  }

  function setAside({ address }: RemoteUpdate, error: unknown): false {
    logger.error('a received event was set aside', { address, error: String(error) })
    return false
  }

  /**
   * Whether its signature may be checked after it is applied (SPEC IDL1): of what this account's own devices wrote in chats
   * that nobody else was ever let into. What decides about members, or stands for others' events, is checked before.
   */
  function mayWait(remote: RemoteUpdate): boolean {
    const { address, author, logged, signed } = remote
    if (signed === undefined || parts.unchecked?.()?.hasRoom !== true) return false
    const isPlainEdit = author === pubkey && logged?.as === 'event' && newRosterOf(remote) === undefined
    const isOwnChat = records.isOwn(address) && parseAddress(address)?.kind === KIND.chat
    const isHere = records.get(address)?.body === 'held'
    if (!isPlainEdit || !isOwnChat || !isHere || !isSameRoster(records.roster(address), EMPTY_ROSTER))
      return false
    return hasRightId(signed)
  }

  /** What was known already came with something that was given up: it is here now. */
  function noteHere(address: string): void {
    if (records.get(address)?.body === 'arriving') arrived.add(address)
  }

  async function checkAll(remote: RemoteUpdate): Promise<boolean> {
    try {
      for (const check of remote.checks) {
        check()
        await pace.did(CHECK_BYTES)
      }
      return true
    } catch (error) {
      return setAside(remote, error)
    }
  }

  /**
   * What goes into the log: the bytes as received, not what the document emits. One that waits emits nothing (trap Y3). A
   * document that was only listed is not here before all of it is (HLD4). @returns the positions of the rows
   */
  function keep(entry: Loaded, updates: readonly Uint8Array[]): readonly number[] {
    const { address } = entry
    records.noteArriving(address)
    entry.dirty = true
    return updates.map((update) => {
      const seq = journal.nextSeq()
      journal.add({ update: { seq, address, update } })
      compaction.added(address, seq, update.byteLength)
      return seq
    })
  }

  /** Applies and keeps a slice of something large. Resolves at once, or when the disk has caught up. */
  function takeSlice(entry: Loaded, slice: Uint8Array, brake: WriteBrake): Promise<void> {
    entry.receive(() => applyUpdate(entry.doc, slice, NOT_LOCAL))
    keep(entry, [slice])
    parts.gatherRows(entry)
    return brake.handedOver(slice.byteLength)
  }

  function noteUnchecked({ address, signed }: RemoteUpdate, seqs: readonly number[]): void {
    const entry = parts
      .unchecked?.()
      ?.add(address, signed as NostrEvent, seqs[0] as number, seqs[seqs.length - 1] as number)
    if (entry !== undefined) journal.add({ outboxPut: [entry] })
  }

  function noteApplied(remote: RemoteUpdate, fresh: readonly number[]): void {
    const { address, author, clientIds } = remote
    const roster = newRosterOf(remote)
    if (roster !== undefined) records.changeRoster(address, roster)
    if (author !== undefined && fresh.length > 0) parts.onWriters?.(address, author, fresh)
    if (author === pubkey) records.noteOwnWriters(address, clientIds)
  }

  /** Slice by slice. @returns whether `look` ended it */
  async function forEachSlice(
    { doc }: Loaded,
    slices: SliceableUpdates,
    look: (slice: Uint8Array) => boolean | Promise<void>,
  ): Promise<boolean> {
    let isEnded = false
    await takeInSlices(doc, slices, turns, (slice) => {
      if (isEnded) return
      const looked = look(mergeUpdates(slice))
      if (looked === true) isEnded = true
      else if (looked !== false) return looked
    })
    return isEnded
  }

  return {
    async check(entry, remote) {
      if (isKnown(entry, remote)) return true
      if (!mayWait(remote)) return checkAll(remote)
      later.add(remote)
      return true
    },

    apply(entry, remote) {
      const { address, updates } = remote
      const { doc } = entry
      if (isKnown(entry, remote)) {
        noteHere(address)
        noteLogged(doc, remote)
        return true
      }
      if (later.has(remote) && records.get(address)?.body !== 'held')
        return setAside(remote, 'it is not checked, and its document has left')
      const isContained = !isBlank(doc) && updates.every((update) => hasReceived(doc, update))
      const fresh = freshIds(doc, remote)
      try {
        if (!isContained) for (const update of updates) applyUpdate(doc, update, NOT_LOCAL)
      } catch (error) {
        return setAside(remote, error)
      }
      arrived.add(address)
      records.ensure(address)
      const seqs = isContained ? [] : keep(entry, updates)
      if (later.has(remote) && seqs.length > 0) noteUnchecked(remote, seqs)
      noteApplied(remote, fresh)
      noteLogged(doc, remote)
      return true
    },

    noteArrival(entry) {
      const { address } = entry
      if (!arrived.delete(address)) return
      records.noteArrival(address)
      // Its row in the list says so.
      entry.dirty = true
    },

    async applyAsItComes(entry, coming, isMeant) {
      const { doc, address } = entry
      const slices = createSliceStream(CUT_BYTES, SLICE_BYTES, (client) => Y.getState(doc.store, client))
      const brake = createWriteBrake(journal)

      async function applyAll(ready: Iterable<readonly Uint8Array[] | undefined>): Promise<boolean> {
        for (const slice of ready) {
          await turns.next()
          if (!isMeant(entry)) return false
          const update = slice === undefined ? undefined : mergeUpdates(slice)
          // What came of it on an earlier connection.
          if (update === undefined || hasReceived(doc, update)) continue
          await takeSlice(entry, update, brake)
        }
        return true
      }

      for (;;) {
        const part = await coming.next()
        if (part === undefined) break
        if (!(await applyAll(slices.add(part)))) return false
      }
      if (!coming.isWhole || !(await applyAll(slices.end()))) return false
      arrived.add(address)
      return true
    },

    async applyInSlices(entry, remote, isMeant) {
      const { doc, address } = entry
      const fresh = freshIds(doc, remote)
      const coverage = remote.logged?.as === 'checkpoint' ? createCoverage() : undefined
      const slices = await readInSteps(remote.updates, turns)
      const isNews =
        isBlank(doc) ||
        records.get(address) === undefined ||
        newRosterOf(remote) !== undefined ||
        (await forEachSlice(entry, slices, (slice) => !hasReceived(doc, slice)))
      if (isNews && !(await checkAll(remote))) return false
      const brake = createWriteBrake(journal)
      try {
        await forEachSlice(entry, slices, (slice) => {
          if (!isMeant(entry)) return true
          coverage?.add(slice)
          if (!isNews || hasReceived(doc, slice)) return false
          return takeSlice(entry, slice, brake)
        })
      } catch (error) {
        return setAside(remote, error)
      }
      if (!isMeant(entry)) return true
      if (isNews) {
        arrived.add(address)
        noteApplied(remote, fresh)
      } else noteHere(address)
      noteLogged(doc, remote, coverage?.share(doc))
      return true
    },
  }
}

/**
 * Whether a document of somebody else holds what others wrote and the server hasn't got. Their client ids are
 * then free to be taken there, and a checkpoint by this account would take them (SPEC YID3).
 */
export function hasOthersBeyond(
  records: DocumentRecords,
  address: string,
  doc: Y.Doc,
  server: Y.Doc,
): boolean {
  if (records.isOwn(address)) return false
  const own = records.ownWriters(address)
  return [...doc.store.clients.keys()].some(
    (client) => !own.has(client) && Y.getState(doc.store, client) > Y.getState(server.store, client),
  )
}

/** Client ids that come into a document with one edit: its author's. A whole state may hold what others wrote. */
function freshIds({ store }: Y.Doc, { logged, clientIds }: RemoteUpdate): readonly number[] {
  return logged?.as === 'event' ? clientIds.filter((id) => Y.getState(store, id) === 0) : []
}

function shareOf(doc: Y.Doc, updates: readonly Uint8Array[]): number {
  const coverage = createCoverage()
  for (const update of updates) coverage.add(update)
  return coverage.share(doc)
}

function isBlank({ store }: Y.Doc): boolean {
  return store.clients.size === 0 && store.pendingStructs === null && store.pendingDs === null
}
