import {
  EMPTY_ROSTER,
  isSameRoster,
  joinRoster,
  membersOf,
  type Roster,
  type RosterStatement,
} from '@onyx-sync/shared'
import type { DocumentContent } from '../ports/document-content.js'
import type { DocumentRecord } from '../ports/event-log.js'
import type { CheckedEvent } from './check-event.js'

/** What one event does to its document. */
export interface RosterChange {
  readonly record: DocumentRecord
  /** Keys that became members by this event. */
  readonly joined: readonly string[]
  /** Keys that were members until this event. */
  readonly left: readonly string[]
}

/** What the owner decided, and the positions of the events that say it; see {@link DocumentRecord.rosterSeqs}. */
export type StatedRoster = Pick<DocumentRecord, 'roster' | 'rosterSeqs'>

const UNSTATED: StatedRoster = { roster: EMPTY_ROSTER, rosterSeqs: [0] }

/** Whether a key may write to a document now. Without a record there is none, and only its owner may begin it. */
export function mayWrite(author: string, owner: string, record: DocumentRecord | undefined): boolean {
  return author === owner || roleOf(author, record) === 'write'
}

/** What a key that isn't the owner may do in a document; undefined for nothing. */
export function roleOf(pubkey: string, record: DocumentRecord | undefined) {
  return record?.members.find((member) => member.pubkey === pubkey)?.role
}

/** What is decided after an event at a position, and by which events. */
export function stateRoster(
  previous: StatedRoster = UNSTATED,
  statement: RosterStatement | undefined,
  seq: number,
): StatedRoster {
  if (statement === undefined) return previous
  const roster = joinRoster(previous.roster, statement)
  const before = new Map(previous.roster.entries.map(({ pubkey }, index) => [pubkey, index + 1]))
  const stated = new Map(statement.entries.map((entry) => [entry.pubkey, JSON.stringify(entry)]))
  const entrySeqs = roster.entries.map((entry) =>
    stated.get(entry.pubkey) === JSON.stringify(entry)
      ? seq
      : (previous.rosterSeqs[before.get(entry.pubkey) ?? 0] ?? seq),
  )
  const baseSeq = roster.baseAt === statement.baseAt ? seq : (previous.rosterSeqs[0] ?? seq)
  return { roster, rosterSeqs: [baseSeq, ...entrySeqs] }
}

/** Whether something was decided that wasn't before. Who restates the same list later decides nothing. */
export function isRosterChange(before: Roster, after: Roster, statement: RosterStatement): boolean {
  if (statement.isDated) return !isSameRoster(before, after)
  return JSON.stringify(membersOf(before)) !== JSON.stringify(membersOf(after))
}

/**
 * The document after an event. Of what the owner's event decides about members, that counts which is newer than
 * what is known; a member's event leaves it alone. `bringsNews` says whether the event has content that the
 * document lacked. Source: SPEC EVT5, PERM4.
 */
export function applyToDocument(
  previous: DocumentRecord | undefined,
  checked: CheckedEvent & { readonly content: DocumentContent },
  seq: number,
  bringsNews: boolean,
): RosterChange {
  const { statement } = checked
  const oldRoster = previous?.roster ?? EMPTY_ROSTER
  const { roster, rosterSeqs } = stateRoster(previous, statement, seq)
  const isChange = statement !== undefined && isRosterChange(oldRoster, roster, statement)
  const record: DocumentRecord = {
    address: checked.content.address,
    owner: checked.owner,
    members: membersOf(roster),
    roster,
    rosterSeqs,
    rosterSeq: isChange ? seq : (previous?.rosterSeq ?? 0),
    headSeq: seq,
    contentSeq: bringsNews || isChange ? seq : (previous?.contentSeq ?? seq),
    eventCount: (previous?.eventCount ?? 0) + 1,
    byteCount: (previous?.byteCount ?? 0) + checked.bytes,
  }
  const before = keysOf(oldRoster)
  const after = keysOf(roster)
  return {
    record,
    joined: [...after].filter((key) => !before.has(key)),
    left: [...before].filter((key) => !after.has(key)),
  }
}

function keysOf(roster: Roster): Set<string> {
  return new Set(membersOf(roster).map(({ pubkey }) => pubkey))
}
