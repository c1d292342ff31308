import {
  createCoverage,
  hasReceived,
  isSameRoster,
  joinRoster,
  type Logger,
  type Roster,
  type RosterStatement,
} from '@onyx-sync/shared'
import * as Y from 'yjs'
import type { Compaction } from './compaction.js'
import { type DocumentRecords, isMostly, type Logged } from './document-records.js'
import type { Journal } from './journal.js'
import { type Loaded, NOT_LOCAL } from './loaded-documents.js'

/** An update as it came from the server. */
export interface RemoteUpdate {
  readonly address: string
  readonly update: Uint8Array
  /** Whose event it came in; undefined where that isn't known. */
  readonly author: string | undefined
  /** Yjs client ids under which it writes. */
  readonly clientIds: readonly number[]
  /** What the owner's event says about members; undefined on others' events. */
  readonly statement: RosterStatement | undefined
  /** What it says of the size of the document's log; undefined where that is known already, or not told. */
  readonly logged: Logged | undefined
  /** Throws unless the author signed this. Called for everything that would change something. */
  verify(): void
}

/** Takes in what came from the server. */
export interface RemoteUpdates {
  /**
   * Applies an update to its document, and hands to the journal what is to be kept of it. @returns whether the
   * event is what its author signed, as far as that had to be looked at
   */
  apply(entry: Loaded, remote: RemoteUpdate): boolean
}

export interface RemoteUpdatesParts {
  readonly pubkey: string
  readonly records: DocumentRecords
  readonly journal: Journal
  readonly compaction: Compaction
  readonly logger: Logger
  onLogged?(address: string, isCheckpoint: boolean): void
  /** A key wrote to a document under client ids that were not in it before. */
  onWriters?(address: string, author: string, clientIds: readonly number[]): void
}

export function createRemoteUpdates(parts: RemoteUpdatesParts): RemoteUpdates {
  const { pubkey, records, journal, compaction, logger } = parts

  /** What is decided about the members with this event, if that is anything new. */
  function newRosterOf({ address, statement }: RemoteUpdate): Roster | undefined {
    if (statement === undefined) return undefined
    const known = records.roster(address)
    const roster = joinRoster(known, statement)
    return isSameRoster(known, roster) ? undefined : roster
  }

  /** Once the event is known to be on the server. */
  function noteLogged(doc: Y.Doc, { address, update, logged: told }: RemoteUpdate): void {
    if (told === undefined) return
    const logged = told.as === 'checkpoint' ? { ...told, share: shareOf(doc, update) } : told
    if (logged.as !== 'event' && records.logBytes(address) < 0) {
      const onServer = new Y.Doc()
      Y.applyUpdate(onServer, update)
      if (!hasOthersBeyond(records, address, doc, onServer)) records.change(address, { logBytes: 0 })
    }
    records.noteLogged(address, logged)
    parts.onLogged?.(address, isMostly(logged))
  }

  return {
    apply(entry, remote) {
      const { address, update } = remote
      const roster = newRosterOf(remote)
      // A document that holds nothing needs no comparing, which would decode the update twice.
      const isContained = !isBlank(entry.doc) && hasReceived(entry.doc, update)
      // What changes nothing needs no check of its signature: an echo of one's own event, for instance.
      const isKnown = records.get(address) !== undefined
      if (isContained && roster === undefined && isKnown) {
        noteLogged(entry.doc, remote)
        return true
      }
      const fresh = freshIds(entry.doc, remote)
      try {
        remote.verify()
        if (!isContained) Y.applyUpdate(entry.doc, update, NOT_LOCAL)
      } catch (error) {
        logger.error('a received event was set aside', { address, error: String(error) })
        return false
      }
      records.noteArrival(address)
      if (!isContained) {
        entry.dirty = true
        const seq = journal.nextSeq()
        // The bytes as received, not what the document emits: an update that only waits for others emits
        // nothing, and would be lost (trap Y3).
        journal.add({ update: { seq, address, update } })
        compaction.added(address, seq, update.byteLength)
      }
      if (roster !== undefined) records.changeRoster(address, roster)
      if (remote.author !== undefined && fresh.length > 0) parts.onWriters?.(address, remote.author, fresh)
      if (remote.author === pubkey) records.noteOwnWriters(address, remote.clientIds)
      noteLogged(entry.doc, remote)
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

function shareOf(doc: Y.Doc, update: Uint8Array): number {
  const coverage = createCoverage()
  coverage.add(update)
  return coverage.share(doc)
}

function isBlank({ store }: Y.Doc): boolean {
  return store.clients.size === 0 && store.pendingStructs === null && store.pendingDs === null
}
