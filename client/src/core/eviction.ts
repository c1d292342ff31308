import type { SyncStore } from '../ports/store.js'
import type { ChatList } from './chat-list.js'
import type { Documents } from './documents-api.js'
import type { Outbox } from './outbox.js'

/** Lets bodies leave the device, and never what isn't anywhere else. Source: SPEC HLD7. */
export interface Eviction {
  /** What would be lost, or is in the way, if a body went now; undefined when nothing. */
  whyKept(address: string): string | undefined
  /** Lets a body go with the journal's next batch. Resolves with false where it has to stay after all. */
  letGo(address: string, body: 'listed' | 'evicted'): Promise<boolean>
}

export interface EvictionParts {
  readonly deviceId: string
  readonly documents: Documents
  readonly store: SyncStore
  readonly list: ChatList
  outbox(): Outbox
  /** Whether the device is to have everything. */
  holdsAll(): boolean
  /** Whether some call is using the document. */
  isUsed(address: string): boolean
  /** Whether what is here is as new as what the list has told. */
  isUpToDate(): boolean
  /** Whether something of a document is not checked yet. */
  isUnchecked(address: string): boolean
  /** Whether documents are on plain relays that a sync server may lack. */
  mayLack(): boolean
}

export function createEviction(parts: EvictionParts): Eviction {
  const { documents, store, list } = parts
  const { journal } = documents

  function whyKept(address: string): string | undefined {
    // Where it held some when it was asked to let go: without a list, nothing would bring the body back.
    if (parts.holdsAll()) return 'this device holds everything now'
    if (parts.isUsed(address)) return 'it is open, or being changed'
    if (parts.mayLack()) return 'the server may lack what only a plain relay has'
    if (documents.incomplete().includes(address)) return 'something of it has not arrived yet'
    if (parts.isUnchecked(address)) return 'something of it is still to be checked'
    if (journal.unwrittenLanes().includes(address) || parts.outbox().stateOf(address) !== 'saved') {
      return 'edits of it are not on the server yet'
    }
    if (
      parts
        .outbox()
        .savedEntries()
        .some(({ lane }) => lane === address)
    ) {
      return 'the server has not sent back yet what it saved'
    }
    return undefined
  }

  /** Whether this device is writing a message in it: once it is gone, nobody would say that the message has come to its end. */
  async function isStreamedInto(address: string): Promise<boolean> {
    const streaming = await store.loadRows('messages', { column: 'status', equals: 'streaming' })
    return streaming.some((row) => row.address === address && row.device === parts.deviceId)
  }

  async function letGo(address: string, body: 'listed' | 'evicted'): Promise<boolean> {
    const bytes = await documents.sizeOf(address)
    const [row] = await store.loadRows('chats', { column: 'address', equals: address })
    if (await isStreamedInto(address)) return false
    // Nothing awaits from here on: what was looked at above may have changed.
    if (whyKept(address) !== undefined || documents.info(address)?.body !== 'held') return false
    if (!documents.dropBody(address, body)) return false
    // The list may be ahead of what was here, and wouldn't tell again.
    if (!parts.isUpToDate()) list.forget()
    const left = list.rowOfGone(address, row)
    if (left !== undefined) {
      journal.add({ rows: [{ table: 'chats', put: [{ ...left, bytes, held: false }], delete: [] }] })
    }
    return true
  }

  return { whyKept, letGo }
}
