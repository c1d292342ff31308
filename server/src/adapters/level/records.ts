import { EMPTY_ROSTER, membersOf, ownerOfAddress, type Roster } from '@onyx-sync/shared'
import type { DocumentRecord, IndexEntry } from '../../ports/event-log.js'
import { textAt } from './bytes.js'

/** What isn't said for most documents, which nobody was let into. */
interface Further {
  readonly roster?: Roster
  /** Where they don't follow from the roster. */
  readonly members?: DocumentRecord['members']
  readonly deleted?: NonNullable<DocumentRecord['deleted']>
}

/**
 * A record as its value in LevelDB, JSON: `[rosterSeq, headSeq, contentSeq, eventCount, byteCount, rosterSeqs, further?]`. Each
 * event of a document writes it anew, so what the key says isn't in it again.
 */
export function encodeRecord(record: DocumentRecord): Uint8Array {
  const { roster, members, deleted } = record
  const { rosterSeq, headSeq, contentSeq, eventCount, byteCount, rosterSeqs } = record
  const value: unknown[] = [rosterSeq, headSeq, contentSeq, eventCount, byteCount, rosterSeqs]
  const isAlone = roster.baseAt === 0 && roster.entries.length + members.length === 0
  if (!isAlone || deleted !== undefined) {
    const follow = JSON.stringify(members) === JSON.stringify(membersOf(roster))
    const further: Further = {
      roster,
      ...(follow ? {} : { members }),
      ...(deleted === undefined ? {} : { deleted }),
    }
    value.push(further)
  }
  return Buffer.from(JSON.stringify(value), 'utf8')
}

/**
 * A record out of its value. Throws `SyntaxError` where that is something else, as it may be once a bit of it is another: a
 * document that was taken for one that isn't there would be begun anew, and one that was deleted would come back.
 */
export function decodeRecord(address: string, value: Uint8Array): DocumentRecord {
  let stored: unknown
  try {
    stored = JSON.parse(textAt(value, 0))
  } catch {
    // What was wrong with the JSON helps nobody.
  }
  const record = Array.isArray(stored) ? fromList(address, stored) : fromObject(stored as ObjectRecord | null)
  if (record !== undefined) return record
  throw new SyntaxError(
    `what is known of ${address} is damaged: stop the server, and run "onyx-sync-server verify --repair"`,
  )
}

function fromList(address: string, stored: readonly unknown[]): DocumentRecord | undefined {
  const [rosterSeq, headSeq, contentSeq, eventCount, byteCount, rosterSeqs, further = {}] = stored
  if (!isCount(rosterSeq) || !isCount(headSeq) || !isCount(contentSeq)) return undefined
  if (!isCount(eventCount) || !isCount(byteCount)) return undefined
  if (!Array.isArray(rosterSeqs) || !rosterSeqs.every(isCount)) return undefined
  if (typeof further !== 'object' || further === null) return undefined
  const { roster = EMPTY_ROSTER, members, deleted, ...unknown } = further as Further
  // What is under another name than its own: a document that was deleted must not seem to be there.
  if (Object.keys(unknown).length > 0) return undefined
  if (!isRoster(roster) || !(members === undefined || isListOfKeys(members))) return undefined
  if (!(deleted === undefined || isPlace(deleted))) return undefined
  return {
    address,
    owner: ownerOfAddress(address),
    members: members ?? membersOf(roster),
    roster,
    rosterSeqs,
    ...{ rosterSeq, headSeq, contentSeq, eventCount, byteCount },
    ...(deleted === undefined ? {} : { deleted }),
  }
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value)
}

/** Whether that is a list, and each item says of a key what it says. */
function isListOfKeys(value: unknown): value is readonly { readonly pubkey: string }[] {
  return Array.isArray(value) && value.every((item) => typeof item?.pubkey === 'string')
}

function isPlace(value: Partial<IndexEntry> | null): boolean {
  return isCount(value?.seq) && isCount(value.created_at) && typeof value.id === 'string'
}

function isRoster(value: Partial<Roster> | null): boolean {
  return isCount(value?.baseAt) && isListOfKeys(value?.entries)
}

/** A record as formats up to 4 had it. */
type ObjectRecord = DocumentRecord | ListedRecord

/** A record as it was written when every event of the owner stated the whole list of members. */
interface ListedRecord extends Omit<DocumentRecord, 'members' | 'roster' | 'rosterSeqs'> {
  readonly members: readonly { readonly pubkey: string; readonly extra?: readonly string[] }[]
  readonly membersStatedAt: number
  readonly membersSeq: number
  readonly roster?: undefined
}

function fromObject(record: ObjectRecord | null | undefined): DocumentRecord | undefined {
  if (!isListOfKeys(record?.members)) return undefined
  if (!(record.deleted === undefined || isPlace(record.deleted))) return undefined
  if (record.roster !== undefined) return isRoster(record.roster) ? (record as DocumentRecord) : undefined
  const { membersStatedAt, membersSeq, members, ...rest } = record as ListedRecord
  const baseAt = Math.max(0, membersStatedAt)
  const entries = members
    .map(({ pubkey, extra = [] }) => ({ pubkey, role: 'write' as const, at: baseAt, relay: extra[0] ?? '' }))
    .sort((a, b) => (a.pubkey < b.pubkey ? -1 : 1))
  const roster: Roster = { baseAt, entries }
  return {
    ...rest,
    members: entries.map(({ pubkey, role }) => ({ pubkey, role })),
    roster,
    rosterSeqs: [membersSeq, ...entries.map(() => membersSeq)],
  }
}
