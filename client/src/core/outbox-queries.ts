import type { OutboxEntry } from '../ports/store.js'
import type { Lanes } from './outbox-lanes.js'

/** How much is not on the server yet. */
export interface OutboxCounts {
  /** Edits that are on this device only, signed or not. */
  readonly unsent: number
  /** Edits that the server refused. */
  readonly refused: number
}

/** An edit, or several merged ones, that the server refused. */
export interface RefusedEntry {
  readonly id: string
  /** The document's address, or `training`. */
  readonly lane: string
  readonly edits: number
  /** The server's words, with their NIP-01 prefix. */
  readonly reason: string
}

/**
 * How far an edit, or everything of a document, is. `local`: on this device's disk. `sent`: under way to the
 * server. `saved`: on the server's disk. `refused`: the server said no, see {@link OutboxQueries.refused}.
 */
export type EditState = 'local' | 'sent' | 'saved' | 'refused'

/** What a refused edit holds, for the user to keep elsewhere. */
export interface RefusedExport {
  readonly lane: string
  readonly reason: string
  /** The signed event as it was sent, JSON; an array of such events for an edit that was cut into parts. */
  readonly event: string
}

/** What of a lane the server hasn't saved. */
export interface UnsettledLane {
  readonly lane: string
  /** As {@link OutboxQueries.lastEdit}. */
  readonly lastEdit: number
  /** In order. Edits that were never signed, of which there may be many, are one. */
  readonly ranges: readonly PositionRange[]
}

/** First and last position, and how far what is there is. */
export type PositionRange = readonly [number, number, EditState]

/** What can be asked of the outbox. */
export interface OutboxQueries {
  counts(): OutboxCounts
  /**
   * How far the edit at a position of a lane is, or with no position everything of the lane: the state of
   * whatever is furthest behind, `refused` before all.
   */
  stateOf(lane: string, seq?: number): EditState
  /** As {@link OutboxQueries.stateOf}, for everything of a lane up to and including a position. */
  stateUpTo(lane: string, seq: number): EditState
  /** What is in each lane that isn't settled, in order; lanes that had an edit are named though nothing is left in them. */
  unsettled(): readonly UnsettledLane[]
  /** Position of the newest edit that is not saved yet, per lane. */
  unsavedPositions(): ReadonlyMap<string, number>
  /** Position of the oldest edit of a lane that is not signed: its content is only in the log. Undefined if none. */
  firstUnsigned(lane: string): number | undefined
  /** Position of the newest edit of a lane that this device made since its start or has not saved; 0 if none. */
  lastEdit(lane: string): number
  exportRefused(): RefusedExport[]
  refused(): RefusedEntry[]
  /** Entries that were on the server when it last spoke of them, of one lane or of all. */
  savedEntries(lane?: string): readonly OutboxEntry[]
}

export function createOutboxQueries(lanes: Lanes): OutboxQueries {
  function stateOfEntries(name: string, isMeant: (entry: OutboxEntry) => boolean): EditState {
    const lane = lanes.get(name)
    const unsaved = lane.entries.filter((entry) => !isSettled(entry.state) && isMeant(entry))
    if (unsaved.length === 0) return 'saved'
    if (unsaved.some(({ state }) => state === 'refused')) return 'refused'
    return unsaved.every(({ id }) => lane.inFlight.has(id)) ? 'sent' : 'local'
  }

  const allEntries = () => [...lanes.all()].flatMap(({ entries }) => entries)

  return {
    counts() {
      let unsent = 0
      let refused = 0
      for (const { entries } of lanes.all()) {
        for (const { state, edits } of entries) {
          if (state === 'pending' || state === 'staged') unsent += edits
          else if (state === 'refused') refused += edits
        }
      }
      return { unsent, refused }
    },

    stateOf: (name, seq) =>
      stateOfEntries(name, (entry) => seq === undefined || (entry.seq <= seq && seq <= entry.throughSeq)),
    stateUpTo: (name, seq) => stateOfEntries(name, (entry) => entry.seq <= seq),

    unsettled: () =>
      [...lanes.all()]
        .filter(({ name }) => lanes.lastSeq(name) > 0)
        .map(({ name, entries, inFlight }) => ({
          lane: name,
          lastEdit: lanes.lastSeq(name),
          ranges: toRanges(entries, inFlight),
        })),

    unsavedPositions() {
      const positions = new Map<string, number>()
      for (const { name, entries } of lanes.all()) {
        const unsaved = entries.filter(({ state }) => !isSettled(state))
        if (unsaved.length > 0) positions.set(name, Math.max(...unsaved.map(({ throughSeq }) => throughSeq)))
      }
      return positions
    },

    firstUnsigned: (name) => lanes.entriesOf(name).find(({ state }) => state === 'pending')?.seq,

    lastEdit: (name) => lanes.lastSeq(name),

    exportRefused: () =>
      allEntries()
        .filter(({ state }) => state === 'refused')
        .map(({ lane, reason, event }) => ({ lane, reason, event })),

    refused: () =>
      allEntries()
        .filter(({ state }) => state === 'refused')
        .map(({ id, lane, edits, reason }) => ({ id, lane, edits, reason })),

    savedEntries: (name) =>
      (name === undefined ? allEntries() : lanes.entriesOf(name)).filter(({ state }) => isOnServer(state)),
  }
}

/** Whether nothing is still to be sent of an entry, nor to be decided about it. */
function isSettled(state: OutboxEntry['state']): boolean {
  return isOnServer(state) || state === 'withdrawn'
}

function isOnServer(state: OutboxEntry['state']): boolean {
  return state === 'saved' || state === 'confirmed'
}

function toRanges(entries: readonly OutboxEntry[], inFlight: ReadonlySet<string>): PositionRange[] {
  const ranges: PositionRange[] = []
  let isLastPending = false
  for (const { id, seq, throughSeq, state } of entries) {
    if (isSettled(state)) continue
    const far: EditState = state === 'refused' ? 'refused' : inFlight.has(id) ? 'sent' : 'local'
    const last = ranges[ranges.length - 1]
    // Nothing between two of these can be on the server: a lane is first in, first out. Of others it can.
    if (state === 'pending' && isLastPending && last !== undefined)
      ranges[ranges.length - 1] = [last[0], throughSeq, last[2]]
    else ranges.push([seq, throughSeq, far])
    isLastPending = state === 'pending'
  }
  return ranges
}
