import {
  createPlainStateTemplate,
  EMPTY_ROSTER,
  type EventTemplate,
  hasReceived,
  isSameRoster,
  type NostrEvent,
  parseAddress,
  SyncError,
  stringifyEvent,
} from '@onyx-sync/shared'
import * as Y from 'yjs'
import type { SyncStore } from '../ports/store.js'
import type { Documents } from './documents-api.js'
import type { WholeLanes } from './outbox-whole.js'

/** The whole state of a document, ready to be signed, and what it stands for. */
export interface PlainDraft {
  readonly template: EventTemplate
  /** Bytes of the event as JSON once it is signed. */
  readonly bytes: number
  /** Entries of the outbox that are saved when this is. */
  readonly ids: ReadonlySet<string>
  /** Position of the newest edit in it. */
  readonly throughSeq: number
  /** Whether there are entries that it doesn't hold, because this device's disk lost their content. */
  readonly isHeldUp: boolean
  readonly event?: NostrEvent
  /** See `Publishing.lacks`. */
  readonly lacks?: number
}

export interface PlainDraftOptions {
  readonly pubkey: string
  readonly deviceId: string
  readonly store: SyncStore
  readonly documents: Documents
  readonly whole: WholeLanes
}

const encoder = new TextEncoder()
const HEX_64 = '0'.repeat(64)

/** Makes drafts. Rejects with `STORE_FAILED`. */
export function createPlainDraft(options: PlainDraftOptions) {
  const { pubkey, deviceId, store, documents, whole } = options

  return async (address: string, createdAt: number): Promise<PlainDraft> => {
    const parsed = parseAddress(address)
    if (parsed === undefined) throw new SyncError('INTERNAL', `${address} is not a document's address`)
    const entries = whole.unsaved(address)
    const first = entries[0]
    const throughSeq = Math.max(0, ...entries.map((entry) => entry.throughSeq))
    const rows = first === undefined ? [] : await store.loadUpdateRange(address, first.seq, throughSeq)
    const state = await documents.read(address, (doc) => {
      // An edit counts as saved only when it is in what was saved: a row that the disk has lost is not in the
      // document. An entry that was signed may have no row of its own any more; then the document has it.
      const ids = new Set<string>()
      for (const entry of entries) {
        const own = rows.filter(({ seq }) => seq >= entry.seq && seq <= entry.throughSeq)
        const isThere = own.length > 0 || entry.state !== 'pending'
        if (isThere && own.every(({ update }) => isIn(doc, update))) ids.add(entry.id)
      }
      return { ids, update: Y.encodeStateAsUpdate(doc), info: documents.info(address) }
    })
    const { ids, update, info } = state
    const template = createPlainStateTemplate({
      address: parsed,
      author: pubkey,
      device: deviceId,
      update,
      roster: info === undefined || isSameRoster(info.roster, EMPTY_ROSTER) ? undefined : info.roster,
      createdAt,
    })
    const event = { ...template, pubkey, id: HEX_64, sig: HEX_64 + HEX_64 }
    const bytes = encoder.encode(stringifyEvent(event)).byteLength
    return { template, bytes, ids, throughSeq, isHeldUp: ids.size < entries.length }
  }
}

function isIn(doc: Y.Doc, update: Uint8Array): boolean {
  // A row that can't be read back comes empty.
  return update.byteLength > 0 && hasReceived(doc, update)
}
