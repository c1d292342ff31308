import { type Clock, createDeletionTemplate, KIND } from '@onyx-sync/shared'
import type { Journal } from '../core/journal.js'
import type { Outbox } from '../core/outbox.js'
import { eventsOf } from '../core/outbox-events.js'
import { DELETION_LANE, TRAINING_LANE } from '../core/outbox-lanes.js'
import type { OutboxEntry } from '../ports/store.js'
import type { RowFeed } from './row-feed.js'
import type { Settings } from './settings.js'

/** The preference that holds the account's consent. */
export const CONSENT_PREFERENCE = 'trainingConsent'

/** The consent of the account's user to contribute training data, on this device. */
export interface Consent {
  /** Whether it is given, as far as this device knows. Rejects with `STORE_FAILED`. */
  isGiven(): Promise<boolean>
  /**
   * Where it isn't given, whichever device took it back: withdraws the contributions that aren't known to be on the
   * server. Part of the journal's next batch. Rejects with `STORE_FAILED`.
   */
  enforce(): Promise<void>
}

export interface ConsentParts {
  readonly settings: Settings
  readonly feed: RowFeed
  readonly clock: Clock
  readonly journal: Journal
  outbox(): Outbox
}

/** Follows the settings from here on, as long as the feed is there. */
export function createConsent({ settings, feed, clock, journal, outbox }: ConsentParts): Consent {
  const isGiven = async () => (await settings.get(CONSENT_PREFERENCE)) === true

  async function enforce(): Promise<void> {
    if (await isGiven()) return
    const withdrawn = outbox().withdrawUnsaved(TRAINING_LANE)
    // What was signed may have arrived, without this device having heard of it.
    const signed = withdrawn.filter(({ state }) => state === 'staged').flatMap(eventsOf)
    if (signed.length === 0) return
    const ids = signed.map((event) => event.id)
    journal.add({ outboxPut: [deletionEntry(ids, journal, clock)] })
  }

  // To show it soon. Whatever this doesn't reach, the outbox asks about before it signs or sends.
  feed.onRows('settings', (rows) => {
    const isMeant = [...rows.keys()].some((id) => id.endsWith(`/preferences/${CONSENT_PREFERENCE}`))
    // What isn't written now goes with the next batch, and the app hears of the disk from the journal.
    if (isMeant)
      void enforce()
        .then(journal.flush)
        .catch(() => {})
  })

  return { isGiven, enforce }
}

/** An entry of the outbox that asks the server to delete training data by the ids of its events (NIP-09). */
export function deletionEntry(ids: readonly string[], journal: Journal, clock: Clock): OutboxEntry {
  const createdAt = Math.floor(clock.now() / 1000)
  const event = JSON.stringify(createDeletionTemplate({ ids, kinds: [KIND.training], createdAt }))
  const seq = journal.nextSeq()
  const place = { id: `deletion-${seq}`, lane: DELETION_LANE, seq, throughSeq: seq, edits: 1 }
  return { ...place, state: 'pending', event, reason: '' }
}
