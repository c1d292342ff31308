import { SyncError } from '@onyx-sync/shared'
import type { CompactionOptions } from './core/compaction.js'

/** Options of the device's own upkeep, as an app or a test gives them. */
export interface UpkeepOptions {
  readonly compaction?: CompactionOptions
}

/** The same, checked. Throws `VALUE_INVALID`. */
export function checkUpkeep({ compaction }: UpkeepOptions): Required<UpkeepOptions> {
  checkBytes('compaction.minBytes', compaction?.minBytes)
  checkRatio('compaction.ratio', compaction?.ratio, 0.1)
  return { compaction: compaction ?? {} }
}

function checkBytes(name: string, value: number | undefined): void {
  if (value === undefined || (Number.isSafeInteger(value) && value >= 1)) return
  throw new SyncError('VALUE_INVALID', `${name} is a whole number of bytes from 1, not ${value}`)
}

function checkRatio(name: string, value: number | undefined, min: number): void {
  if (value === undefined || (value >= min && value <= 1_000)) return
  throw new SyncError('VALUE_INVALID', `${name} is a number from ${min} to 1000, not ${value}`)
}
