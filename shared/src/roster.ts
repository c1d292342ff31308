import { SyncError } from './errors.js'
import { type NostrEvent, tagValues } from './event.js'
import { isHex64 } from './hex.js'
import { KIND } from './kinds.js'
import type { Limits } from './limits.js'

/** What a member may do: `read`, or `write`, which includes reading. */
export type Role = 'read' | 'write'

/** A key that may read a chat besides its owner. */
export interface Member {
  /** 64 lower-case hex characters. */
  readonly pubkey: string
  readonly role: Role
}

/** What the owner decided last about one key. */
export interface RosterEntry {
  readonly pubkey: string
  /** `none`: the key was removed. */
  readonly role: Role | 'none'
  /** When that was decided, Unix seconds. */
  readonly at: number
  /** Where the member can be reached, as the `p` tag said it; carried along. */
  readonly relay: string
}

/**
 * What the owner of a chat decided about its members, key by key, each with its time. Two rosters are joined by
 * the newer decision about each key, so that nobody undoes what they don't know of. Source: SPEC PERM4, ADR 8.
 */
export interface Roster {
  /** Keys that aren't named were no members at this time, Unix seconds. */
  readonly baseAt: number
  /** By key. None is older than `baseAt`. */
  readonly entries: readonly RosterEntry[]
}

/** What one event of the owner says about the members. */
export interface RosterStatement extends Roster {
  /**
   * False where the event doesn't say when it was decided: then its `p` tags are the whole list, decided when the
   * event was made.
   */
  readonly isDated: boolean
}

/** Tag with {@link Roster.baseAt}. An event that has it says of each key when it was decided. */
export const MEMBERS_AT_TAG = 'members_at'
const REMOVED_TAG = 'removed'

/** Nobody was ever let in. */
export const EMPTY_ROSTER: Roster = { baseAt: 0, entries: [] }

const SECONDS = /^(0|[1-9][0-9]{0,14})$/
const RANKS = { none: 0, read: 1, write: 2 } as const

/** The members, by key; those that were removed are left out. */
export function membersOf({ entries }: Roster): Member[] {
  return entries.flatMap(({ pubkey, role }) => (role === 'none' ? [] : [{ pubkey, role }]))
}

/** Whether two rosters say the same. */
export function isSameRoster(a: Roster, b: Roster): boolean {
  return a.baseAt === b.baseAt && JSON.stringify(a.entries) === JSON.stringify(b.entries)
}

/** Time of the newest decision in a roster, Unix seconds; 0 where there is none. */
export function decidedAt({ baseAt, entries }: Roster): number {
  return entries.reduce((newest, { at }) => Math.max(newest, at), baseAt)
}

/**
 * What is decided after a statement is heard of. Dated ones may come in any order and any number of times: of each
 * key the newest decision counts, and of two of the same second the one that allows less. One that isn't dated
 * replaces everything that isn't newer, itself included, and has no effect if it is older than the last of its kind.
 */
export function joinRoster(known: Roster, stated: RosterStatement): Roster {
  if (!stated.isDated) return replaceList(known, stated)
  const baseAt = Math.max(known.baseAt, stated.baseAt)
  const pairs = new Map<string, [RosterEntry | undefined, RosterEntry | undefined]>()
  for (const entry of known.entries) pairs.set(entry.pubkey, [entry, undefined])
  for (const entry of stated.entries) pairs.set(entry.pubkey, [pairs.get(entry.pubkey)?.[0], entry])
  const entries: RosterEntry[] = []
  for (const [a, b] of pairs.values()) {
    const entry = a === undefined || b === undefined ? (a ?? b) : newer(a, b)
    // Who is named by one of the two only was no member at the time of the other.
    const otherAt = a === undefined ? known.baseAt : b === undefined ? stated.baseAt : -1
    if (entry !== undefined && entry.at > otherAt) entries.push(entry)
  }
  return { baseAt, entries: normalized(entries, baseAt) }
}

function replaceList(known: Roster, { baseAt, entries }: Roster): Roster {
  if (baseAt < known.baseAt) return known
  const kept = new Map(known.entries.filter(({ at }) => at > baseAt).map((entry) => [entry.pubkey, entry]))
  const all = [...kept.values(), ...entries.filter(({ pubkey }) => !kept.has(pubkey))]
  return { baseAt, entries: normalized(all, baseAt) }
}

function newer(a: RosterEntry, b: RosterEntry): RosterEntry {
  if (a.at !== b.at) return a.at > b.at ? a : b
  if (a.role !== b.role) return RANKS[a.role] < RANKS[b.role] ? a : b
  return a.relay >= b.relay ? a : b
}

function normalized(entries: readonly RosterEntry[], baseAt: number): RosterEntry[] {
  return entries
    .filter(({ role, at }) => role !== 'none' || at > baseAt)
    .sort((a, b) => (a.pubkey < b.pubkey ? -1 : 1))
}

/** A roster in which the owner has decided about some keys now. Each decision is later than what was known. */
export function decideRoster(
  roster: Roster,
  decisions: readonly { readonly pubkey: string; readonly role: Role | 'none' }[],
  nowSeconds: number,
): Roster {
  const known = new Map(roster.entries.map((entry) => [entry.pubkey, entry]))
  const entries = decisions.map(({ pubkey, role }) => {
    const before = known.get(pubkey)
    // Also within one second, and with a clock that is behind.
    const at = Math.max(nowSeconds, (before?.at ?? roster.baseAt) + 1)
    return { pubkey, role, at, relay: before?.relay ?? '' }
  })
  return joinRoster(roster, { baseAt: roster.baseAt, entries, isDated: true })
}

/** The tags by which an owner's event of a chat says all of it. */
export function rosterTags({ baseAt, entries }: Roster): string[][] {
  return [
    [MEMBERS_AT_TAG, String(baseAt)],
    ...entries.map(({ pubkey, role, at, relay }) =>
      role === 'none' ? [REMOVED_TAG, pubkey, String(at)] : ['p', pubkey, relay, role, String(at)],
    ),
  ]
}

function invalid(message: string): SyncError {
  return new SyncError('EVENT_TAGS_INVALID', message)
}

/** What an event of a chat's owner says about the members. Throws `EVENT_TAGS_INVALID` or `TOO_LARGE`. */
export function parseRoster(event: NostrEvent, limits: Limits): RosterStatement {
  const [atText, ...others] = tagValues(event, MEMBERS_AT_TAG)
  const isDated = atText !== undefined
  if (others.length > 0) throw invalid(`${MEMBERS_AT_TAG} is given at most once`)
  const baseAt = isDated ? parseSeconds(atText) : event.created_at
  const entries = new Map<string, RosterEntry>()
  for (const tag of event.tags) {
    const entry = parseEntry(tag, isDated, baseAt)
    if (entry === undefined || entry.pubkey === event.pubkey || entries.has(entry.pubkey)) continue
    if (event.kind === KIND.settings) throw invalid('settings belong to one account: they carry no p tags')
    if (entry.at < baseAt) throw invalid(`no decision about a member is older than ${MEMBERS_AT_TAG}`)
    entries.set(entry.pubkey, entry)
  }
  checkRosterSize(entries.size, limits)
  return { baseAt, entries: normalized([...entries.values()], baseAt), isDated }
}

/** Throws `TOO_LARGE` where a roster has more keys than are allowed. */
export function checkRosterSize(size: number, limits: Limits): void {
  if (size <= limits.maxMembers) return
  const message = `a chat has at most ${limits.maxMembers} members, those that were removed included; these are ${size}`
  throw new SyncError('TOO_LARGE', message)
}

function parseEntry(tag: readonly string[], isDated: boolean, baseAt: number): RosterEntry | undefined {
  const [name, pubkey, relay = '', roleText, atText] = tag
  const isRemoval = isDated && name === REMOVED_TAG
  if (name !== 'p' && !isRemoval) return undefined
  if (!isHex64(pubkey)) throw invalid(`a ${name} tag names a key as 64 lower-case hex characters`)
  if (isRemoval) return { pubkey, role: 'none', at: parseSeconds(relay), relay: '' }
  // A plain client's further value is a name that it gives to the key.
  if (!isDated) return { pubkey, role: roleText === 'read' ? 'read' : 'write', at: baseAt, relay }
  if (roleText !== undefined && roleText !== 'read' && roleText !== 'write') {
    throw invalid(`the role in a p tag is "read" or "write", not ${JSON.stringify(roleText.slice(0, 40))}`)
  }
  return {
    pubkey,
    role: roleText ?? 'write',
    at: atText === undefined ? baseAt : parseSeconds(atText),
    relay,
  }
}

function parseSeconds(text: string): number {
  if (!SECONDS.test(text)) throw invalid('the time of a decision about members is in Unix seconds')
  return Number(text)
}
