import type { EventLog } from '../ports/event-log.js'

/**
 * Bounds how many pages of events an account has loaded at a time. Each is parsed and matched in one go when it
 * comes from the disk: an account that asks sixty questions at once would otherwise have sixty pages handled
 * between two looks at anybody's socket. Source: SPEC FAIR4.
 */
export interface ReadingTurns {
  /** The log as one account reads it. `account` is asked each time. */
  logFor(account: () => string): EventLog
}

/** Pages of one account under way at a time: one is read while the other is handled. */
const PAGES_PER_ACCOUNT = 2

export function createReadingTurns(log: EventLog): ReadingTurns {
  const readers = new Map<string, { running: number; readonly waiting: (() => void)[] }>()

  async function takeTurn<T>(account: string, read: () => Promise<T>): Promise<T> {
    const reader = readers.get(account) ?? { running: 0, waiting: [] }
    readers.set(account, reader)
    if (reader.running < PAGES_PER_ACCOUNT) reader.running++
    // Whoever ends hands its turn over, so nobody comes in between.
    else await new Promise<void>((resolve) => reader.waiting.push(resolve))
    try {
      return await read()
    } finally {
      const next = reader.waiting.shift()
      if (next !== undefined) next()
      else if (--reader.running === 0) readers.delete(account)
    }
  }

  return {
    logFor: (account) =>
      // A log that inherits everything else: its getters stay live.
      Object.create(log, {
        load: { value: (seqs: readonly number[]) => takeTurn(account(), () => log.load(seqs)) },
      }) as EventLog,
  }
}
