import { getOrCreate, type TimerHandle } from '@onyx-sync/shared'
import type { OutboxEntry } from '../ports/store.js'

/** The lanes of training data and of deletion requests: events that belong to no document. */
export const TRAINING_LANE = 'training'
export const DELETION_LANE = 'deletions'

/** Whether a lane holds events that are sent as they are; any other is that of a document. */
export function isEventLane(name: string): boolean {
  return name === TRAINING_LANE || name === DELETION_LANE
}

/** What is to be sent of one document, and how far its sending is. */
export interface Lane {
  readonly name: string
  /** By ascending `seq`. */
  entries: OutboxEntry[]
  /**
   * `staging` outlives a connection: signing goes on, and must not begin twice for the same edits. `waiting`:
   * until the next try.
   */
  state: 'idle' | 'staging' | 'waiting'
  /** Entries that were sent on this connection and not answered yet, by id. */
  readonly inFlight: Set<string>
  /** Whether the event staged last left out edits that waited, because they didn't fit. */
  hasMore: boolean
  /** Goes on with the lane when its pacing allows the next event; undefined while nothing waits for that. */
  pacingTimer: TimerHandle | undefined
}

/** The entries of the outbox as they are in memory, lane by lane. Nothing is stored here. */
export interface Lanes {
  /** All lanes, in the order in which they came up. */
  all(): IterableIterator<Lane>
  /** A lane, made if there is none of that name. */
  get(name: string): Lane
  /** What is in a lane; of a document that never had an edit here nothing, and no lane is made for asking. */
  entriesOf(name: string): readonly OutboxEntry[]
  /** Adds an entry at its place, or replaces the one of the same id. */
  put(entry: OutboxEntry): void
  remove(name: string, ids: readonly string[]): void
  /** The highest `seq` that was ever put into a lane; 0 if there was none. */
  lastSeq(name: string): number
}

/** Lanes with the given entries, in any order. */
export function createLanes(entries: readonly OutboxEntry[]): Lanes {
  const lanes = new Map<string, Lane>()
  const lastSeqs = new Map<string, number>()

  function get(name: string): Lane {
    return getOrCreate(lanes, name, () => ({
      name,
      entries: [],
      state: 'idle',
      inFlight: new Set(),
      hasMore: false,
      pacingTimer: undefined,
    }))
  }

  function put(entry: OutboxEntry): void {
    lastSeqs.set(entry.lane, Math.max(lastSeqs.get(entry.lane) ?? 0, entry.throughSeq))
    const { entries: list } = get(entry.lane)
    const last = list[list.length - 1]
    if (last === undefined || entry.seq > last.throughSeq) {
      // A new edit: the newest of all, so nothing has to be looked for.
      list.push(entry)
      return
    }
    const index = list.findIndex((other) => other.id === entry.id)
    if (index >= 0) list[index] = entry
    else {
      list.push(entry)
      list.sort((a, b) => a.seq - b.seq)
    }
  }

  for (const entry of entries) put(entry)
  return {
    all: () => lanes.values(),
    get,
    entriesOf: (name) => lanes.get(name)?.entries ?? [],
    put,
    remove(name, ids) {
      const removed = new Set(ids)
      const lane = get(name)
      lane.entries = lane.entries.filter((entry) => !removed.has(entry.id))
    },
    lastSeq: (name) => lastSeqs.get(name) ?? 0,
  }
}
