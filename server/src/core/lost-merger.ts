import { SyncError } from '@onyx-sync/shared'
import { type Merger, MergerLost } from '../ports/merger.js'

/** How often work is begun again because others' work ended what merges. */
const MAX_TIMES_AGAIN = 8

/**
 * Runs work that builds on what the merger has held since a generation, by default since now: rejects with {@link MergerLost}
 * where it has begun anew. What ended it may have been others' work, between two steps; nothing else tells of that.
 */
export function runWhileItLasts(merger: Merger, generation = merger.generation): Merger['run'] {
  return (...work) =>
    generation === merger.generation
      ? merger.run(...work)
      : Promise.reject(new MergerLost('bystander', `${work[0]}: what it builds on was lost`))
}

/**
 * Does something with a merger, and does it again where others' work ended that. Throws `MERGE_FAILED` with `failure` where
 * it was this work's doing.
 */
export async function beginAgain<T>(work: () => Promise<T>, failure: string): Promise<T> {
  for (let again = 0; ; again++) {
    try {
      return await work()
    } catch (error) {
      if (!(error instanceof MergerLost)) throw error
      if (error.reason === 'bystander' && again < MAX_TIMES_AGAIN) continue
      throw new SyncError('MERGE_FAILED', failure, { cause: error })
    }
  }
}
