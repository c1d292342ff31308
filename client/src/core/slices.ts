import { readSliceable, type SliceableUpdates } from '@onyx-sync/shared'
import * as Y from 'yjs'
import type { Turns } from '../ports/turns.js'

/**
 * What of an update is applied, encoded or packed in one go, bytes: a few milliseconds of work, on a slow phone a few tens.
 */
export const SLICE_BYTES = 32 * 1024
/** What is cut is cut smaller: a script that has just begun is many times slower than later on. */
export const CUT_BYTES = SLICE_BYTES / 2

/** Gives others a turn whenever about so much was done as applying a slice costs. */
export interface Pace {
  /** Takes note of work, as the bytes of an update that would cost the same to apply. Resolves at once, or after a turn. */
  did(bytes: number): Promise<void>
}

export function createPace(turns: Turns): Pace {
  let done = 0
  return {
    async did(bytes) {
      done += bytes
      if (done < SLICE_BYTES) return
      done = 0
      await turns.next()
    },
  }
}

/** What is looked through in one go. */
const STEP_BYTES = SLICE_BYTES

/** Looks updates through, with turns now and then. */
export async function readInSteps(updates: readonly Uint8Array[], turns: Turns): Promise<SliceableUpdates> {
  const reading = readSliceable(updates, STEP_BYTES)
  for (;;) {
    const step = reading.next()
    if (step.done === true) return step.value
    await turns.next()
  }
}

/**
 * Gives the slices of updates to `take` one after another, with turns between them, see `SliceableUpdates`: each to be
 * applied in a transaction of its own; what `take` returns is waited for. Meanwhile the document may change. Rejects with what `take` throws.
 */
export async function takeInSlices(
  doc: Y.Doc,
  updates: SliceableUpdates,
  turns: Turns,
  take: (slice: readonly Uint8Array[]) => void | Promise<void>,
): Promise<void> {
  let isFirst = true
  for (const slice of updates.slices(CUT_BYTES, (client) => Y.getState(doc.store, client))) {
    // What fits into one slice is done at once.
    if (!isFirst) await turns.next()
    isFirst = false
    await take(slice)
  }
}
