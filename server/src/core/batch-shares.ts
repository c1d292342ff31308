/** How many events of one account a batch takes, by what each account has published lately. */
export interface BatchShares {
  /** Notes an event of an account. */
  published(account: string): void
  /** @param waiting the accounts of which something waits to be written */
  share(waiting: Iterable<string>): number
}

/** Of one that is alone: enough for one fsync to serve a crowd, few enough to keep the wait short. */
export const MAX_BATCH_EVENTS = 512
/**
 * While several publish alike: what comes from the others meanwhile waits for the whole batch. With so few an event is a
 * tenth dearer than with as many as there are.
 */
const CROWDED_EVENTS = 32
/** While some seldom publish, and would wait. */
const NEAR_QUIET_EVENTS = 16
/** While one of them does wait: beside one's few events the batch is all that they wait for. */
const BESIDE_QUIET_EVENTS = 4
/** How much less than another one an account has published lately that counts as quiet. */
const QUIET_PART = 1 / 16
/** Events in a row after which an account counts as alone. */
const ALONE_AFTER_EVENTS = 2_048
/** Events after which what was published counts for half. */
const HALVED_AFTER_EVENTS = 1_024

/** Shares for a server on which nobody has published yet. Source: SPEC FAIR3. */
export function createBatchShares(): BatchShares {
  /** Events of each account, those of long ago for less. */
  let lately = new Map<string, number>()
  let sinceHalved = 0
  let streak = { account: '', events: 0 }

  function halve(): void {
    sinceHalved = 0
    lately = new Map(
      [...lately].filter(([, events]) => events >= 1).map(([key, events]) => [key, events / 2]),
    )
  }

  return {
    published(account) {
      lately.set(account, (lately.get(account) ?? 0) + 1)
      if (++sinceHalved === HALVED_AFTER_EVENTS) halve()
      if (streak.account === account) streak.events++
      else streak = { account, events: 1 }
    },
    share(waiting) {
      if (streak.events >= ALONE_AFTER_EVENTS) return MAX_BATCH_EVENTS
      const quietBelow = Math.max(...lately.values()) * QUIET_PART
      for (const account of waiting) if ((lately.get(account) ?? 0) < quietBelow) return BESIDE_QUIET_EVENTS
      return Math.min(...lately.values()) < quietBelow ? NEAR_QUIET_EVENTS : CROWDED_EVENTS
    },
  }
}
