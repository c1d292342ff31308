import type { Roster } from '@onyx-sync/shared'
import type { DocumentRecord } from '../../ports/event-log.js'

/** A record as it was written when every event of the owner stated the whole list of members. */
interface ListedRecord extends Omit<DocumentRecord, 'members' | 'roster' | 'rosterSeqs'> {
  readonly members: readonly { readonly pubkey: string; readonly extra?: readonly string[] }[]
  readonly membersStatedAt: number
  readonly membersSeq: number
  readonly roster?: undefined
}

/** A document's record out of its JSON; undefined where that is something else. Throws `SyntaxError`. */
export function parseRecord(json: string): DocumentRecord | undefined {
  const record = JSON.parse(json) as DocumentRecord | ListedRecord | null
  if (!Array.isArray(record?.members)) return undefined
  if (record.roster !== undefined) return record as DocumentRecord
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
