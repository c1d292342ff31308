import type { EventLog } from '@onyx-sync/server'

/** A log of which a reading, or a write, can be held up to do something else in the midst of it. */
export interface HeldLog {
  readonly log: EventLog
  /** Before the next page of events is loaded. */
  beforeLoad(work: () => Promise<unknown>): void
  /** The next commit is written, and fails nevertheless: as where the disk takes it, but not its fsync. */
  failAfterCommit(): void
}

export function holdingLog(log: EventLog): HeldLog {
  let work: (() => Promise<unknown>) | undefined
  let isFailing = false
  const load: EventLog['load'] = async (...args) => {
    const held = work
    work = undefined
    await held?.()
    return log.load(...args)
  }
  const commit: EventLog['commit'] = async (...args) => {
    await log.commit(...args)
    if (!isFailing) return
    isFailing = false
    throw new Error('EIO: the disk did not say that it has it')
  }
  return {
    // Not spread: its head and its epochs have to stay those of the log underneath.
    log: Object.assign(Object.create(log) as EventLog, { load, commit }),
    beforeLoad(held) {
      work = held
    },
    failAfterCommit() {
      isFailing = true
    },
  }
}
