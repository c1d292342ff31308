import { decidedAt, EMPTY_ROSTER, parseAddress, type Roster } from '@onyx-sync/shared'
import type { BodyState, StoredDocument } from '../ports/store.js'
import type { Journal } from './journal.js'

/** Bytes of JSON: of one event, of one that stands for those before it, or of the whole log. */
export interface Logged {
  readonly as: 'event' | 'checkpoint' | 'log'
  readonly bytes: number
  /** Of a checkpoint: how much of the document it holds, 0 to 1; it stands for about that much of the log. @default 1 */
  readonly share?: number
}

/**
 * Whether it may be taken for a checkpoint of the whole document. Not so is what an owner brings back to a server that was
 * set back, which is framed like one (SPEC YID3).
 */
export function isMostly({ as, share = 1 }: Logged): boolean {
  return as === 'checkpoint' && share > 0.5
}

/** What the device knows of each document besides its log. Changes go to the disk with the journal's next batch. */
export interface DocumentRecords {
  all(): Iterable<StoredDocument>
  get(address: string): StoredDocument | undefined
  /** The record of a document, made if it wasn't there. */
  ensure(address: string, isMadeHere?: boolean): StoredDocument
  /** Content of a document is coming: a body that was only listed is on its way. */
  noteArriving(address: string): void
  /** All content of a document has come: a body that was only listed is here from now on. */
  noteArrival(address: string): void
  change(address: string, change: Partial<Omit<StoredDocument, 'address'>>): void
  /** Whether the document belongs to this account. */
  isOwn(address: string): boolean
  /** Takes note of client ids under which this account has written to a document of somebody else. */
  noteOwnWriters(address: string, clientIds: readonly number[]): void
  /** Those client ids; empty for a document of this account. */
  ownWriters(address: string): ReadonlySet<number>
  /** What the owner decided about members, as far as it is known; of an unknown document, nothing. */
  roster(address: string): Roster
  changeRoster(address: string, roster: Roster): void
  /** Takes note of what is in the document's log on the server. */
  noteLogged(address: string, logged: Logged): void
  /** See {@link StoredDocument.logBytes}; 0 for a document that isn't known. */
  logBytes(address: string): number
  /** Begins to count anew, because the server sends everything again. */
  forgetLogBytes(): void
}

/** A count on the disk that is off by less than this part of it is left as it is. */
const TOLERATED_PART = 0.25

/** The roster of a stored document, also of one that an older version stored. */
export function readRoster({ members, membersStatedAt }: StoredDocument): Roster {
  const stored = JSON.parse(members) as Roster | readonly { pubkey: string; extra?: readonly string[] }[]
  if (!isList(stored)) return stored
  const baseAt = Math.max(0, membersStatedAt)
  const entries = stored
    .map(({ pubkey, extra = [] }) => ({ pubkey, role: 'write' as const, at: baseAt, relay: extra[0] ?? '' }))
    .sort((a, b) => (a.pubkey < b.pubkey ? -1 : 1))
  return { baseAt, entries }
}

function isList<T>(stored: Roster | readonly T[]): stored is readonly T[] {
  return Array.isArray(stored)
}

export interface DocumentRecordsParts {
  readonly pubkey: string
  readonly stored: readonly StoredDocument[]
  readonly journal: Journal
  /** What a document is that wasn't known. */
  bodyOfNew(address: string, isMadeHere: boolean): BodyState
}

export function createDocumentRecords(parts: DocumentRecordsParts): DocumentRecords {
  const { pubkey, stored, journal } = parts
  const known = new Map(stored.map((document) => [document.address, document]))
  /** Where the count has moved on from what is on the disk. */
  const logBytesNow = new Map<string, number>()

  function ensure(address: string, isMadeHere = false): StoredDocument {
    const document = known.get(address)
    if (document !== undefined) return document
    const created: StoredDocument = {
      address,
      members: '[]',
      membersStatedAt: -1,
      ownWriters: '[]',
      logBytes: 0,
      checkpointBytes: 0,
      body: parts.bodyOfNew(address, isMadeHere),
    }
    known.set(address, created)
    journal.add({ document: created })
    return created
  }

  function logBytes(address: string): number {
    return logBytesNow.get(address) ?? known.get(address)?.logBytes ?? 0
  }

  function change(address: string, changes: Partial<StoredDocument>): void {
    const document = { ...ensure(address), logBytes: logBytes(address), ...changes }
    logBytesNow.delete(address)
    known.set(address, document)
    journal.add({ document })
  }

  const isOwn = (address: string) => parseAddress(address)?.owner === pubkey

  return {
    all: () => known.values(),
    get: (address) => known.get(address),
    ensure,
    change,
    isOwn,

    noteArriving(address) {
      const { body } = ensure(address)
      if (body === 'listed' || body === 'evicted') change(address, { body: 'arriving' })
    },

    noteArrival(address) {
      const { body } = ensure(address)
      if (body === 'listed' || body === 'evicted' || body === 'arriving') change(address, { body: 'held' })
    },

    noteOwnWriters(address, clientIds) {
      if (isOwn(address)) return
      const before = JSON.parse(ensure(address).ownWriters) as number[]
      const news = clientIds.filter((id) => !before.includes(id))
      if (news.length > 0) change(address, { ownWriters: JSON.stringify([...before, ...news]) })
    },

    ownWriters: (address) => new Set(JSON.parse(known.get(address)?.ownWriters ?? '[]') as number[]),

    roster(address) {
      const document = known.get(address)
      return document === undefined ? EMPTY_ROSTER : readRoster(document)
    },

    changeRoster(address, roster) {
      change(address, { members: JSON.stringify(roster), membersStatedAt: decidedAt(roster) })
    },

    noteLogged(address, logged) {
      const { as, bytes, share = 1 } = logged
      const before = logBytes(address)
      if (before < 0) return
      if (as === 'checkpoint') {
        const left = Math.round((1 - share) * before)
        change(address, {
          logBytes: left + bytes,
          ...(isMostly(logged) ? { checkpointBytes: bytes } : {}),
        })
        return
      }
      const now = as === 'log' ? bytes : before + bytes
      const onDisk = ensure(address).logBytes
      if (Math.abs(now - onDisk) > onDisk * TOLERATED_PART) change(address, { logBytes: now })
      else logBytesNow.set(address, now)
    },

    logBytes,

    forgetLogBytes() {
      for (const address of known.keys()) logBytesNow.set(address, 0)
    },
  }
}
