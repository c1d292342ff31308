import type { OutboxEntry } from '../ports/store.js'
import { eventsOf } from './outbox-events.js'

/** How far the events of one entry are. It has several where an edit was cut into parts. */
export interface EntryProgress {
  readonly entryId: string
  readonly lane: string
  readonly eventIds: readonly string[]
  /** Sent on this connection, and not answered yet. */
  readonly awaited: Set<string>
  /** The server has it, as it said on this connection. */
  readonly accepted: Set<string>
  /** Has not come back from the server, and isn't hidden there. */
  readonly outstanding: Set<string>
}

/** Which events belong to which entry, and how far they are. Only in memory: a restart sends all of them again. */
export interface OutboxProgress {
  /** The progress of an entry, from the beginning if it wasn't followed yet. */
  follow(entry: OutboxEntry): EntryProgress
  /** The progress that an event is part of; undefined for an event of no entry that is followed. */
  of(eventId: string): EntryProgress | undefined
  /** The entry is done with, or becomes another one. */
  forget(entryId: string): void
  /** A connection is gone: answers to what was sent on it will not come. */
  connectionLost(): void
}

export function createOutboxProgress(): OutboxProgress {
  const byEntry = new Map<string, EntryProgress>()
  const byEvent = new Map<string, EntryProgress>()
  return {
    follow(entry) {
      const followed = byEntry.get(entry.id)
      if (followed !== undefined) return followed
      const eventIds = eventsOf(entry).map(({ id }) => id)
      const progress: EntryProgress = {
        entryId: entry.id,
        lane: entry.lane,
        eventIds,
        awaited: new Set(),
        accepted: new Set(),
        outstanding: new Set(eventIds),
      }
      byEntry.set(entry.id, progress)
      for (const id of eventIds) byEvent.set(id, progress)
      return progress
    },
    of: (eventId) => byEvent.get(eventId),
    forget(entryId) {
      for (const id of byEntry.get(entryId)?.eventIds ?? []) byEvent.delete(id)
      byEntry.delete(entryId)
    },
    connectionLost() {
      for (const { awaited, accepted } of byEntry.values()) {
        awaited.clear()
        accepted.clear()
      }
    },
  }
}
