import { KIND, parseAddress, SyncError } from '@onyx-sync/shared'
import type { QueryRow } from '../ports/store.js'

/**
 * Which documents a device holds. `'all'`, or every chat that one of these names; `{}` holds none. Settings are
 * always held, and so is what was made here and what is open.
 */
export type HoldChoice =
  | 'all'
  | {
      /** So many chats that were active last. Whole number, 0 or more. Deleted ones don't count. */
      readonly recent?: number
      /** Chats that were active in the last so many days. Above 0. */
      readonly activeWithinDays?: number
      /** Chats by id, or by address where they are somebody else's. */
      readonly ids?: readonly string[]
      /** Documents by kind: with 30001 every chat. */
      readonly kinds?: readonly number[]
    }

const DAY_MS = 86_400_000
const FIELDS = ['recent', 'activeWithinDays', 'ids', 'kinds']

/** The choice, checked, and with nothing else in it. Throws `VALUE_INVALID`. */
export function checkHoldChoice(choice: HoldChoice): HoldChoice {
  if (choice === 'all') return choice
  if (typeof choice !== 'object' || choice === null) throw invalid('is "all" or an object')
  const unknown = Object.keys(choice).find((name) => !FIELDS.includes(name))
  if (unknown !== undefined) throw invalid(`has ${FIELDS.join(', ')}, not ${JSON.stringify(unknown)}`)
  const { recent, activeWithinDays, ids, kinds } = choice
  if (recent !== undefined && !(Number.isSafeInteger(recent) && recent >= 0)) {
    throw invalid('has a whole number of chats as recent')
  }
  if (activeWithinDays !== undefined && !(Number.isFinite(activeWithinDays) && activeWithinDays > 0)) {
    throw invalid('has a number of days above 0 as activeWithinDays')
  }
  if (ids !== undefined && !(Array.isArray(ids) && ids.every((id) => typeof id === 'string'))) {
    throw invalid('has a list of chat ids or addresses as ids')
  }
  const known: readonly number[] = [KIND.chat, KIND.settings]
  if (kinds !== undefined && !(Array.isArray(kinds) && kinds.every((kind) => known.includes(kind)))) {
    throw invalid(`has a list of ${known.join(' and ')} as kinds`)
  }
  return {
    ...(recent === undefined ? {} : { recent }),
    ...(activeWithinDays === undefined ? {} : { activeWithinDays }),
    ...(ids === undefined ? {} : { ids: [...ids] }),
    ...(kinds === undefined ? {} : { kinds: [...kinds] }),
  }
}

function invalid(what: string): SyncError {
  return new SyncError('VALUE_INVALID', `what a device holds ${what}`)
}

/** The choice as it was kept; undefined where nothing, or nothing readable, was. */
export function readHoldChoice(text: string | undefined): HoldChoice | undefined {
  try {
    return text === undefined ? undefined : checkHoldChoice(JSON.parse(text) as HoldChoice)
  } catch {
    return undefined
  }
}

/** Whether chats come and go by themselves as time passes. */
export function movesByItself(choice: HoldChoice): boolean {
  return choice !== 'all' && (choice.recent !== undefined || choice.activeWithinDays !== undefined)
}

/** Addresses of the chats that a choice names, given the rows of `chats`. */
export function wantedChats(choice: HoldChoice, rows: readonly QueryRow[], nowMs: number): Set<string> {
  if (choice === 'all' || choice.kinds?.includes(KIND.chat)) return new Set(rows.map(({ id }) => id))
  const { recent = 0, activeWithinDays = 0, ids = [] } = choice
  const named = new Set(ids)
  const wanted = new Set(
    rows.filter(({ id }) => named.has(id) || named.has(identifierOf(id))).map(({ id }) => id),
  )
  const sinceMs = nowMs - activeWithinDays * DAY_MS
  const byActivity = rows
    .filter((row) => row.deleted_at === null)
    .sort((a, b) => activityOf(b) - activityOf(a) || (a.id < b.id ? -1 : 1))
  for (const [index, row] of byActivity.entries()) {
    if (index < recent || (activeWithinDays > 0 && activityOf(row) >= sinceMs)) wanted.add(row.id)
  }
  return wanted
}

function activityOf(row: QueryRow): number {
  return Number(row.last_activity_at)
}

function identifierOf(address: string): string {
  return parseAddress(address)?.identifier ?? ''
}
