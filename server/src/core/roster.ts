import { type Member, utf8Length } from '@onyx-sync/shared'
import type { DocumentRecord } from '../ports/event-log.js'
import type { CheckedEvent, DocumentContent } from './check-event.js'

/** What one event does to its document. */
export interface RosterChange {
  readonly record: DocumentRecord
  /** Keys that became members by this event. */
  readonly joined: readonly string[]
  /** Keys that were members until this event. */
  readonly left: readonly string[]
}

/** Whether a key may write to a document now. Without a record there is none, and only its owner may begin it. */
export function mayWrite(author: string, owner: string, record: DocumentRecord | undefined): boolean {
  return author === owner || record?.members.some((member) => member.pubkey === author) === true
}

/**
 * The document after an event. The owner's newest event decides who is a member, by `created_at`; of two
 * with the same time the one that arrives later. A member's event, and an owner's that was written before the
 * present roster, leave it alone. `bringsNews` says whether the event has content that the document lacked.
 * Source: SPEC EVT5, PERM2.
 */
export function applyToDocument(
  previous: DocumentRecord | undefined,
  checked: CheckedEvent & { readonly content: DocumentContent },
  seq: number,
  bringsNews: boolean,
): RosterChange {
  const oldMembers = previous?.members ?? []
  const oldStatedAt = previous?.membersStatedAt ?? -1
  const { event, statedMembers } = checked
  const isDecisive = statedMembers !== undefined && event.created_at >= oldStatedAt
  const members: readonly Member[] = isDecisive ? statedMembers : oldMembers
  const changesMembers = JSON.stringify(members) !== JSON.stringify(oldMembers)
  const record: DocumentRecord = {
    address: checked.content.address,
    owner: checked.owner,
    members,
    membersStatedAt: isDecisive ? event.created_at : oldStatedAt,
    membersSeq: isDecisive ? seq : (previous?.membersSeq ?? 0),
    rosterSeq: changesMembers ? seq : (previous?.rosterSeq ?? 0),
    headSeq: seq,
    contentSeq: bringsNews || changesMembers ? seq : (previous?.contentSeq ?? seq),
    eventCount: (previous?.eventCount ?? 0) + 1,
    byteCount: (previous?.byteCount ?? 0) + utf8Length(checked.json),
  }
  if (!isDecisive) return { record, joined: [], left: [] }
  const before = new Set(oldMembers.map((member) => member.pubkey))
  const after = new Set(members.map((member) => member.pubkey))
  return {
    record,
    joined: [...after].filter((key) => !before.has(key)),
    left: [...before].filter((key) => !after.has(key)),
  }
}
