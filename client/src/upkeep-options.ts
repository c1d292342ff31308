import { SyncError } from '@onyx-sync/shared'
import type { CheckpointOptions } from './core/checkpointer.js'
import type { CompactionOptions } from './core/compaction.js'
import type { CheckingPolicy } from './core/unchecked.js'

/** Options of the device's own upkeep, as an app or a test gives them. */
export interface UpkeepOptions {
  readonly compaction?: CompactionOptions
  readonly checkpoints?: CheckpointOptions | false
}

/** The same, checked. Throws `VALUE_INVALID`. */
export function checkUpkeep({ compaction, checkpoints = {} }: UpkeepOptions): Required<UpkeepOptions> {
  checkBytes('compaction.minBytes', compaction?.minBytes)
  checkRatio('compaction.ratio', compaction?.ratio, 0.1)
  if (checkpoints !== false) {
    checkBytes('checkpoints.minLogBytes', checkpoints.minLogBytes)
    // Below this a log that is nothing but a checkpoint would soon be worth another.
    checkRatio('checkpoints.ratio', checkpoints.ratio, 1.5)
    checkWait(checkpoints.waitMs)
  }
  return { compaction: compaction ?? {}, checkpoints }
}

/** The same for when signatures are checked. */
export function checkChecking(policy: CheckingPolicy = 'before'): CheckingPolicy {
  if (policy === 'before' || policy === 'idle') return policy
  throw new SyncError('VALUE_INVALID', `checking is 'before' or 'idle', not ${JSON.stringify(policy)}`)
}

function checkBytes(name: string, value: number | undefined): void {
  if (value === undefined || (Number.isSafeInteger(value) && value >= 1)) return
  throw new SyncError('VALUE_INVALID', `${name} is a whole number of bytes from 1, not ${value}`)
}

/** Five times as long must not be more than timers can. */
function checkWait(value: number | undefined): void {
  if (value === undefined || (value > 0 && value <= 3_600_000)) return
  throw new SyncError(
    'VALUE_INVALID',
    `checkpoints.waitMs is in milliseconds, above 0 and at most an hour, not ${value}`,
  )
}

function checkRatio(name: string, value: number | undefined, min: number): void {
  if (value === undefined || (value >= min && value <= 1_000)) return
  throw new SyncError('VALUE_INVALID', `${name} is a number from ${min} to 1000, not ${value}`)
}
