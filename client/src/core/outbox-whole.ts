import type { OutboxEntry } from '../ports/store.js'
import type { Journal } from './journal.js'
import type { Lanes } from './outbox-lanes.js'
import type { OutboxProgress } from './outbox-progress.js'
import type { OutboxQueries, PositionRange } from './outbox-queries.js'

/**
 * The lanes of documents as a plain relay empties them: there a document is published as a whole, whatever its
 * entries are. The entries stay as they are until a state with all of them is saved, so that a sync server gets
 * them if that comes first.
 */
export interface WholeLanes {
  /** Entries of a document that are not on any server, by ascending position. */
  unsaved(address: string): readonly OutboxEntry[]
  /** These entries are saved: they go, with the journal's next batch. */
  settle(address: string, ids: ReadonlySet<string>): void
  /** The relay doesn't take a document as it is. Kept in memory only: each connection tries anew. */
  refuse(address: string, refusal: Refusal): void
  /** Forgets the refusal of a document, or of all. */
  forgive(address?: string): void
  refusal(address: string): Refusal | undefined
  /** The queries, with what was refused here. */
  wrap(queries: OutboxQueries): OutboxQueries
}

/** Why a relay doesn't take a document. */
export interface Refusal {
  /** The relay's words or ours, with their NIP-01 prefix. */
  readonly reason: string
  /** Position of the newest edit that the refused state held; what comes after it is tried. */
  readonly throughSeq: number
  /** JSON of the event; not signed where it was not sent. */
  readonly event: string
}

export function createWholeLanes(
  lanes: Lanes,
  journal: Journal,
  progress: Pick<OutboxProgress, 'forget'>,
): WholeLanes {
  const refusals = new Map<string, Refusal>()

  const isUnsaved = ({ state }: OutboxEntry) => state !== 'saved' && state !== 'confirmed'
  const unsaved = (address: string) => lanes.get(address).entries.filter(isUnsaved)
  /** Entries of a document that a sync server has refused are listed as that. */
  const waitingIn = (address: string) => unsaved(address).filter(({ state }) => state !== 'refused')
  const editsOf = (entries: readonly OutboxEntry[]) => entries.reduce((sum, { edits }) => sum + edits, 0)

  function refusedIn(address: string): OutboxEntry[] {
    const throughSeq = refusals.get(address)?.throughSeq ?? -1
    return waitingIn(address).filter(({ seq }) => seq <= throughSeq)
  }

  return {
    unsaved,
    refuse: (address, refusal) => refusals.set(address, refusal),
    refusal: (address) => refusals.get(address),
    forgive(address) {
      if (address === undefined) refusals.clear()
      else refusals.delete(address)
    },
    settle(address, ids) {
      for (const id of ids) progress.forget(id)
      lanes.remove(address, [...ids])
      journal.add({ outboxDelete: [...ids] })
    },
    wrap: (queries) => ({
      ...queries,
      counts() {
        const { unsent, refused } = queries.counts()
        let moved = 0
        let empty = 0
        for (const address of refusals.keys()) {
          const edits = editsOf(refusedIn(address))
          moved += edits
          // What other servers have saved, and this relay doesn't take.
          if (edits === 0) empty++
        }
        return { unsent: unsent - moved, refused: refused + moved + empty }
      },
      stateOf(lane, seq) {
        const state = queries.stateOf(lane, seq)
        if (state === 'saved' || state === 'refused') return state
        const isMeant = refusedIn(lane).some(
          (entry) => seq === undefined || (entry.seq <= seq && seq <= entry.throughSeq),
        )
        return isMeant ? 'refused' : state
      },
      stateUpTo(lane, seq) {
        const state = queries.stateUpTo(lane, seq)
        if (state === 'saved' || state === 'refused') return state
        return refusedIn(lane).some((entry) => entry.seq <= seq) ? 'refused' : state
      },
      unsettled: () =>
        queries.unsettled().map((lane) => {
          const through = refusals.get(lane.lane)?.throughSeq ?? -1
          return { ...lane, ranges: lane.ranges.flatMap((range) => refuseUpTo(range, through)) }
        }),
      refused: () => [
        ...queries.refused(),
        ...[...refusals].map(([lane, { reason }]) => ({
          id: `state-${lane}`,
          lane,
          edits: Math.max(1, editsOf(refusedIn(lane))),
          reason,
        })),
      ],
      exportRefused: () => [
        ...queries.exportRefused(),
        ...[...refusals].map(([lane, { reason, event }]) => ({ lane, reason, event })),
      ],
    }),
  }
}

/** A range of positions of which those up to one are refused. */
function refuseUpTo([first, last, state]: PositionRange, through: number): PositionRange[] {
  if (through < first) return [[first, last, state]]
  if (through >= last) return [[first, last, 'refused']]
  return [
    [first, through, 'refused'],
    [through + 1, last, state],
  ]
}
