import { KIND, type NostrEvent, parseDeletion, tagValues } from '@onyx-sync/shared'
import type { Journal, JournalChange } from './journal.js'
import type { Outbox } from './outbox.js'
import { confirmedEntry, entryIdOf, eventIdsOf } from './outbox-events.js'
import { TRAINING_LANE } from './outbox-lanes.js'

/**
 * Training data that other devices of the account contributed. It comes with everything else and is kept as this device
 * keeps its own, so that any device lists it, can take it back, and brings it to a server that was set back. Source: SPEC
 * TRN4.
 */
export interface Contributions {
  /** Reads what the server sent. Undefined for what is none of this account's, or known. Throws for a wrong signature. */
  open(event: NostrEvent): NostrEvent | undefined
  /** Takes it in, at once. @returns what to write together with the cursor that covers it */
  apply(event: NostrEvent): JournalChange
  /** Lets go of what a request of this account deletes, whichever device made it. @returns what to write */
  deleted(request: NostrEvent): JournalChange
}

export interface ContributionsOptions {
  readonly pubkey: string
  readonly journal: Journal
  readonly outbox: Outbox
  verify(event: NostrEvent): void
}

export function createContributions({
  pubkey,
  journal,
  outbox,
  verify,
}: ContributionsOptions): Contributions {
  /** An operator's device gets those of others, too, and a key may have notes that are no contributions. */
  function isNews(event: NostrEvent): boolean {
    const isOwn = event.pubkey === pubkey && tagValues(event, 't').includes('training')
    const [quality = ''] = tagValues(event, 'quality')
    if (!isOwn || !/^[1-5]$/.test(quality)) return false
    // One that was taken back comes once more if it was on its way back by then.
    return !outbox.hasEntry(TRAINING_LANE, entryIdOf(event)) && !outbox.asksToDelete(event.id)
  }

  return {
    open(event) {
      if (!isNews(event)) return undefined
      verify(event)
      return event
    },

    apply(event) {
      if (!isNews(event)) return {}
      let seq: number | undefined
      // One that waits here is the same event already where another device made it in the same second, or this one did before
      // it was set back to a backup.
      const outboxDelete = outbox.forget(TRAINING_LANE, (entry) => {
        const isSame = entry.state === 'pending' && eventIdsOf(entry, pubkey).includes(event.id)
        if (isSame) seq = entry.seq
        return isSame
      })
      const entry = confirmedEntry(TRAINING_LANE, seq ?? journal.nextSeq(), event)
      outbox.keep([entry])
      return { outboxDelete, outboxPut: [entry] }
    },

    deleted(request) {
      if (request.kind !== KIND.deletion || request.pubkey !== pubkey) return {}
      const named = new Set(parseDeletion(request).ids)
      const rows: string[] = []
      // Not what was withdrawn here: that stays listed. The server may have what this device has heard nothing of since it sent
      // it, and another device may have taken that back.
      const gone = outbox.forget(TRAINING_LANE, (entry) => {
        const isMeant = entry.state !== 'withdrawn' && eventIdsOf(entry, pubkey).some((id) => named.has(id))
        if (isMeant) rows.push(`${TRAINING_LANE}-${entry.seq}`)
        return isMeant
      })
      // By its first id too, under which its row goes.
      return { outboxDelete: [...gone, ...rows] }
    },
  }
}
