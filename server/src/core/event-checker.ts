import { type Limits, SyncError } from '@onyx-sync/shared'
import { type Merger, MergerLost } from '../ports/merger.js'
import type { Brake } from './brake.js'
import {
  beginCheck,
  type CheckedEvent,
  type EventChecks,
  finishCheck,
  inlineLimits,
  type UndecodedEvent,
} from './check-event.js'

/**
 * Checks the events of one connection, in order. Content that takes longer is decoded beside the event loop; what the
 * connection says next waits meanwhile. Source: SPEC MRG3.
 */
export interface EventChecker {
  /** Whether something is being decoded, and what comes has to be given to `waits`. */
  readonly isBusy: boolean
  waits(message: () => void): void
  /** Calls one of them once, at once where it can. */
  check(
    value: unknown,
    checks: EventChecks,
    done: (checked: CheckedEvent) => void,
    refused: (error: unknown) => void,
  ): void
}

export function createEventChecker(merger: Merger, limits: Limits, brake: Brake): EventChecker {
  const inline = merger.isApart ? inlineLimits(limits) : limits
  let isBusy = false
  const waiting: (() => void)[] = []

  async function decode(undecoded: UndecodedEvent): Promise<CheckedEvent> {
    for (let attempts = 0; ; attempts++) {
      try {
        return finishCheck(undecoded, await merger.run('decode', undecoded.event, limits))
      } catch (error) {
        if (!(error instanceof MergerLost)) throw error
        if (error.reason === 'bystander' && attempts < MAX_ATTEMPTS) continue
        throw new SyncError('MERGE_FAILED', 'decoding the update takes too long: split the edit', {
          cause: error,
        })
      }
    }
  }

  function goOn(): void {
    isBusy = false
    while (!isBusy) {
      const next = waiting.shift()
      if (next === undefined) {
        brake.release()
        return
      }
      next()
    }
  }

  return {
    get isBusy() {
      return isBusy
    },
    waits(message) {
      waiting.push(message)
    },
    check(value, checks, done, refused) {
      let begun: CheckedEvent | UndecodedEvent
      try {
        begun = beginCheck(value, checks, inline)
      } catch (error) {
        return refused(error)
      }
      if ('owner' in begun) return done(begun)
      isBusy = true
      brake.hold()
      decode(begun).then(done).catch(refused).finally(goOn)
    },
  }
}

/** How often decoding is begun again because others' work ended what decodes. */
const MAX_ATTEMPTS = 8
