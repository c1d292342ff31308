import { SyncError } from '@onyx-sync/shared'
import type { OutboxEntry } from '../ports/store.js'
import type { Lane } from './outbox-lanes.js'
import type { OutboxSender, OutboxSenderOptions } from './outbox-sender.js'
import type { Staged } from './staging.js'

/**
 * Signs edits before they are written, so that one commit keeps both and the event can go, instead of one for the edits and
 * one for their event. Where the signer turns out to be slow, the edits are written without it.
 */
export interface SigningAhead {
  /**
   * Signs what a commit is about to write, if it could be sent at once. @returns undefined where nothing is signed; a promise
   * that resolves soon and never rejects
   */
  sign(unwritten: readonly OutboxEntry[]): Promise<void> | undefined
  /** Takes note of an entry that is written. @returns whether it is one that was signed here */
  written(entry: OutboxEntry): boolean
}

export interface SigningAheadOptions
  extends Pick<OutboxSenderOptions, 'lanes' | 'journal' | 'stage' | 'pacing' | 'clock'> {
  readonly sender: Pick<OutboxSender, 'isFree' | 'failed' | 'place'>
}

/** How long a commit waits for a signer that was quick so far. Milliseconds. */
const MAX_WAIT_MS = 20

export function createSigningAhead(options: SigningAheadOptions): SigningAhead {
  const { lanes, journal, stage, pacing, clock, sender } = options
  const signed = new Set<string>()

  /** Undefined where that takes too long. Rejects as staging does. */
  function stageSoon(lane: Lane, entries: readonly OutboxEntry[]): Promise<Staged | undefined> {
    return new Promise((resolve, reject) => {
      const timer = clock.setTimeout(() => resolve(undefined), MAX_WAIT_MS)
      stage(lane.name, entries)
        .then(resolve, reject)
        .finally(() => clock.clearTimeout(timer))
    })
  }

  async function signFor(lane: Lane, entries: readonly OutboxEntry[]): Promise<void> {
    lane.state = 'staging'
    let staged: Staged | undefined
    try {
      staged = await stageSoon(lane, entries)
    } catch (error) {
      // Anything else is tried again as soon as the edits are written: what is large is read back from the disk.
      if (error instanceof SyncError && error.code === 'SIGNER_FAILED') {
        sender.failed(lane.name, error)
        return
      }
    }
    const ids = staged?.taken.map(({ id }) => id) ?? []
    if (staged?.entry.state !== 'staged' || !journal.replaceUnwritten(ids, staged.entry)) {
      lane.state = 'idle'
      return
    }
    // The lane stays as it is until this is written: nothing of it may be signed meanwhile.
    signed.add(staged.entry.id)
    pacing.spend(lane.name)
    lane.hasMore = staged.taken.length < entries.length
  }

  return {
    sign(unwritten) {
      const [first] = unwritten
      // One commit waits for one signature: that of somebody who writes, not of chats that are brought in by the hundred.
      if (first === undefined || unwritten.some(({ lane }) => lane !== first.lane)) return undefined
      if (!pacing.isSignerQuick() || !sender.isFree(first.lane)) return undefined
      return signFor(lanes.get(first.lane), unwritten)
    },

    written(entry) {
      if (!signed.delete(entry.id)) return false
      sender.place(entry, [])
      lanes.get(entry.lane).state = 'idle'
      return true
    },
  }
}
