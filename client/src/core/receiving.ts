import { getOrCreate } from '@onyx-sync/shared'
import type { Turns } from '../ports/turns.js'
import type { DocumentRecords } from './document-records.js'
import type { Documents } from './documents-api.js'
import type { Journal } from './journal.js'
import type { Loaded, LoadedDocuments } from './loaded-documents.js'
import { applySteps, type Received } from './remote-steps.js'
import type { RemoteUpdate, RemoteUpdates } from './remote-updates.js'

/** Keeps documents loaded while what came from the server is applied to them, and out of the way what is not wanted any more. */
export interface Receiving extends Pick<Documents, 'applyRemote' | 'applyAsItComes'> {
  /** Whether something is being applied to the document. */
  has(address: string): boolean
}

export interface ReceivingParts {
  readonly loaded: LoadedDocuments
  readonly records: DocumentRecords
  readonly remotes: RemoteUpdates
  readonly journal: Journal
  readonly turns: Turns
  /** Whether received content of a document belongs on this device. */
  accepts(address: string): boolean
  /** Whether the document was deleted for good. */
  isGone(address: string): boolean
  /** Takes note whether an update in the document waits for others. */
  noteWaiting(entry: Loaded): void
  /** Lets what is here of documents that will not be brought to their end leave again. */
  dropArriving(): void
}

export function createReceiving(parts: ReceivingParts): Receiving {
  const { loaded, records, remotes, journal, turns, isGone, noteWaiting, dropArriving } = parts
  const underWay = new Set<readonly Loaded[]>()

  return {
    has: (address) => [...underWay].some((entries) => entries.some((entry) => entry.address === address)),

    async applyRemote(updates, settle, accepts = parts.accepts) {
      const byAddress = new Map<string, RemoteUpdate[]>()
      for (const update of updates) {
        if (accepts(update.address) && !isGone(update.address))
          getOrCreate(byAddress, update.address, () => []).push(update)
      }
      const entries: Loaded[] = []
      underWay.add(entries)
      try {
        const received: Received[] = []
        for (const [address, list] of byAddress) {
          const entry = await loaded.load(address)
          entry.pins++
          entries.push(entry)
          for (const remote of list) received.push([entry, remote])
        }
        // A body may leave while others are loaded, and would come back in pieces.
        const isMeant = ({ address }: Loaded) => accepts(address) && !isGone(address)
        const setAside = await applySteps(received, { remotes, journal, turns, isMeant })
        for (const entry of entries) noteWaiting(entry)
        underWay.delete(entries)
        // The cursor comes last, after all it covers, and no later than its last batch (trap C3).
        journal.add(settle())
        await journal.flush()
        return setAside
      } finally {
        underWay.delete(entries)
        for (const entry of entries) entry.pins--
        dropArriving()
      }
    },

    async applyAsItComes(address, comingParts) {
      const entry = await loaded.load(address)
      entry.pins++
      const entries = [entry]
      underWay.add(entries)
      /** What nobody took over by then leaves again. What has something to write can't. */
      const release = async () => {
        if (underWay.delete(entries)) entry.pins--
        if (records.get(address)?.body !== 'arriving') return
        await journal.flush().catch(() => {})
        dropArriving()
        await journal.flush().catch(() => {})
      }
      const isMeant = () => parts.accepts(address) && !isGone(address)
      let isAll = false
      try {
        isAll = await remotes.applyAsItComes(entry, comingParts, isMeant)
      } finally {
        if (!isAll) await release()
      }
      return isAll ? release : undefined
    },
  }
}
