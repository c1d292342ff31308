import { createCoverage, decodeUpdateEvent, type Limits, type NostrEvent } from '@onyx-sync/shared'
import type { OutboxEntry } from '../ports/store.js'
import { eventsOf } from './outbox-events.js'
import type { RemoteUpdate } from './remote-updates.js'
import type { Pace } from './slices.js'

/**
 * Which of this device's events a merged state holds, by id: what was saved, and didn't come back before a connection ended,
 * isn't sent on the next one as an event when a state says the same in fewer bytes. Only for entries that are saved. An
 * event that decides about members isn't among them: a state doesn't say what is decided.
 */
export async function eventsInState(
  { updates }: RemoteUpdate,
  saved: readonly OutboxEntry[],
  limits: Limits,
  pace: Pace,
): Promise<string[]> {
  if (saved.length === 0) return []
  const coverage = createCoverage()
  const isIn = (event: NostrEvent): boolean => {
    const { roster, framed } = decodeUpdateEvent(event, limits)
    const decides = roster !== undefined && (roster.baseAt > 0 || roster.entries.length > 0)
    return !decides && coverage.holds(framed.update)
  }
  try {
    for (const update of updates) {
      coverage.add(update)
      await pace.did(update.byteLength)
    }
    return saved
      .flatMap(eventsOf)
      .filter(isIn)
      .map(({ id }) => id)
  } catch {
    // A state that can't be read is dealt with where it is applied. An event that is sent again does no harm.
    return []
  }
}
