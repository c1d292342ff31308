import { type Logger, SyncError, utf8Length } from '@onyx-sync/shared'
import type { CoordinateState, EventLog, WithdrawnEvent } from '../ports/event-log.js'
import type { CheckedEvent } from './check-event.js'
import { loadEvents, type StoredEvent, withdrawnOf } from './stored-events.js'

/** Decides which event of a name stays, for the replaceable and addressable events of one batch (NIP-01). */
export interface Versions {
  /**
   * Takes an event in, or throws the `SyncError` that refuses it: it was deleted by its name, or what is there is
   * newer. Of one name a batch has one event. Source: SPEC KND3, KND7.
   */
  admit(checked: CheckedEvent): void
  /** What the events that were taken in replace. */
  readonly withdrawn: readonly WithdrawnEvent[]
  /** Bytes of what is replaced, by owner. */
  readonly freedBytes: ReadonlyMap<string, number>
}

/** Reads what the log has of every name in a batch. */
export async function createVersions(
  log: EventLog,
  logger: Logger,
  batch: readonly CheckedEvent[],
): Promise<Versions> {
  const names = [...new Set(batch.flatMap(({ plain }) => plain?.coordinate ?? []))]
  const found = names.length === 0 ? [] : await log.coordinates(names)
  const states = new Map(names.map((name, index) => [name, found[index] as CoordinateState]))
  const stored = await loadEvents(
    log,
    logger,
    found.flatMap(({ current }) => current ?? []),
  )
  const storedBySeq = new Map<number, StoredEvent>(stored.map((event) => [event.seq, event]))
  const withdrawn: WithdrawnEvent[] = []
  const freedBytes = new Map<string, number>()
  return {
    withdrawn,
    freedBytes,
    admit({ event, owner, plain }) {
      if (plain?.coordinate === undefined) return
      const { current, deletedUntil } = states.get(plain.coordinate) as CoordinateState
      if (deletedUntil !== undefined && event.created_at <= deletedUntil) {
        throw new SyncError('DELETED', `its author deleted everything of this name up to ${deletedUntil}`)
      }
      if (current === undefined) return
      const isNewer =
        event.created_at > current.created_at ||
        (event.created_at === current.created_at && event.id < current.id)
      if (!isNewer) {
        throw new SyncError('REPLACED', `the one of ${current.created_at} that is here is newer`)
      }
      const old = storedBySeq.get(current.seq)
      // One that can't be read any more stays on the disk; it is found by nothing but its damage.
      if (old === undefined) return
      withdrawn.push(withdrawnOf(old))
      freedBytes.set(owner, (freedBytes.get(owner) ?? 0) + utf8Length(old.json))
    },
  }
}
