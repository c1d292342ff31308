import { applyUpdate, SyncError, type TimerHandle } from '@onyx-sync/shared'
import * as Y from 'yjs'
import type { OpenDocument } from '../core/documents-api.js'
import type { Device } from '../device-api.js'
import type { Push } from './protocol.js'

/** The documents that tabs have open, where the database is. */
export interface HostDocuments {
  /**
   * Has a tab hear of a document from now on. @returns what the tab lacks, given what it has; all of it durable. Rejects
   * with `STORE_FAILED` while the disk refuses something of it
   */
  open(tab: string, address: string, stateVector: Uint8Array | null): Promise<Uint8Array>
  /**
   * Applies what a tab edited, and resolves when it is durable. What is there already changes nothing. `onApplied` is
   * called when it is in the document. Rejects with `UPDATE_INVALID` or `STORE_FAILED`.
   */
  edit(tab: string, address: string, update: Uint8Array, onApplied: () => void): Promise<void>
  close(tab: string, address: string): void
  /** A tab has gone. */
  forget(tab: string): void
  /** Lets go of everything. */
  stop(): void
}

/** The origin of a tab's edits in the document where the database is. */
class FromTab {
  constructor(readonly tab: string) {}
}

interface Entry {
  readonly address: string
  /** Tabs that have it open. */
  readonly tabs: Set<string>
  /** Edits that are on their way to the disk. */
  edits: number
  readonly opening: Promise<OpenDocument>
  /** Changes that tabs haven't heard of, because they aren't known to be durable. */
  untold: (readonly [string, Uint8Array])[]
  isTelling: boolean
  timer: TimerHandle | undefined
  stop(): void
}

function apply(doc: Y.Doc, tab: string, update: Uint8Array): void {
  try {
    Y.decodeUpdate(update)
    applyUpdate(doc, update, new FromTab(tab))
  } catch (cause) {
    throw new SyncError('UPDATE_INVALID', 'what another tab edited is no update of a document', { cause })
  }
}

/** How long to wait when the disk refuses what tabs are to hear of. Milliseconds. */
const RETRY_MS = 1_000

export function createHostDocuments(
  { bodies, documents, clock }: Pick<Device, 'bodies' | 'documents' | 'clock'>,
  tell: (push: Push) => void,
): HostDocuments {
  const entries = new Map<string, Entry>()

  function make(address: string): Entry {
    let stopListening = () => {}
    let isStopped = false
    const entry: Entry = {
      address,
      tabs: new Set(),
      edits: 0,
      untold: [],
      isTelling: false,
      timer: undefined,
      opening: bodies.open(address).then((opened) => {
        const onUpdate = (update: Uint8Array, origin: unknown) => {
          entry.untold.push([origin instanceof FromTab ? origin.tab : '', update])
          void tellSoon(entry)
        }
        opened.doc.on('update', onUpdate)
        stopListening = () => {
          opened.doc.off('update', onUpdate)
          opened.release()
        }
        if (isStopped) stopListening()
        return opened
      }),
      stop() {
        isStopped = true
        clock.clearTimeout(entry.timer)
        stopListening()
      },
    }
    entry.opening.catch(() => {
      if (entries.get(address) === entry) entries.delete(address)
    })
    entries.set(address, entry)
    return entry
  }

  /**
   * Tabs hear of what is durable only: what they show of others, and build on, is there for the next leader as well. So
   * a tab's own edits, which it keeps until they are durable, never hang on something that is lost.
   */
  async function tellSoon(entry: Entry): Promise<void> {
    if (entry.isTelling) return
    entry.isTelling = true
    // What an update goes into the journal with follows in the same tick.
    await Promise.resolve()
    const list = entry.untold.splice(0)
    try {
      await documents.journal.flush()
      const isForOthers = list.some(([by]) => [...entry.tabs].some((tab) => tab !== by))
      if (isForOthers) tell({ updates: { address: entry.address, list } })
    } catch {
      entry.untold.unshift(...list)
      clock.clearTimeout(entry.timer)
      entry.timer = clock.setTimeout(() => void tellSoon(entry), RETRY_MS)
      entry.isTelling = false
      return
    }
    entry.isTelling = false
    if (entry.untold.length > 0) void tellSoon(entry)
  }

  function leave(tab: string, entry: Entry): void {
    entry.tabs.delete(tab)
    rest(entry)
  }

  function rest(entry: Entry): void {
    if (entry.tabs.size + entry.edits > 0 || entries.get(entry.address) !== entry) return
    entries.delete(entry.address)
    entry.stop()
  }

  return {
    async open(tab, address, stateVector) {
      const entry = entries.get(address) ?? make(address)
      entry.tabs.add(tab)
      const { doc } = await entry.opening
      // Whatever changes from this tick on the tab is told of.
      const update = Y.encodeStateAsUpdate(doc, stateVector ?? undefined)
      try {
        await documents.journal.flush()
      } catch (error) {
        // What isn't on the disk can be lost with this tab, and with it whatever the other one adds to it.
        if (documents.journal.hasUnwritten(address)) throw error
      }
      return update
    },

    async edit(tab, address, update, onApplied) {
      const entry = entries.get(address) ?? make(address)
      // The tab may have closed it before it has been opened here.
      entry.edits++
      try {
        apply((await entry.opening).doc, tab, update)
        onApplied()
        await documents.journal.flush()
      } finally {
        entry.edits--
        rest(entry)
      }
    },

    close(tab, address) {
      const entry = entries.get(address)
      if (entry !== undefined) leave(tab, entry)
    },

    forget(tab) {
      for (const entry of [...entries.values()]) if (entry.tabs.has(tab)) leave(tab, entry)
    },

    stop() {
      for (const entry of entries.values()) entry.stop()
      entries.clear()
    },
  }
}
