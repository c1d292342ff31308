import type { Journal } from './journal.js'
import { SLICE_BYTES } from './slices.js'

/** What may wait for the disk: it is written in one go, with its rows. The more that is, the fewer times a disk has to sync. */
const MAX_UNWRITTEN_BYTES = 8 * SLICE_BYTES

/** Has what was received written while more is applied, and waits for the disk before that becomes much. */
export interface WriteBrake {
  /** So many bytes more were handed to the journal. Never rejects: what can't be written stays there, and goes with what comes last. */
  handedOver(bytes: number): Promise<void>
}

export function createWriteBrake(journal: Journal): WriteBrake {
  let unwritten = 0
  return {
    async handedOver(bytes) {
      unwritten += bytes
      const written = journal.flush().catch(() => {})
      if (unwritten < MAX_UNWRITTEN_BYTES) return
      unwritten = 0
      await written
    },
  }
}
