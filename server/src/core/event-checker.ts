import type { Limits } from '@onyx-sync/shared'
import type { Merger } from '../ports/merger.js'
import type { SpreadVerifier } from '../ports/spread-verifier.js'
import type { Brake } from './brake.js'
import {
  beginCheck,
  type CheckedEvent,
  checkForm,
  checkSigned,
  type EventChecks,
  finishCheck,
  inlineLimits,
  type UndecodedEvent,
} from './check-event.js'
import { beginAgain } from './lost-merger.js'

/**
 * Checks the events of one connection, in order. What takes longer is done beside the event loop: signatures that are
 * checked by other threads, and large content. What the connection says next waits meanwhile, but for events whose
 * signatures can be checked along with it. Source: SPEC MRG3, SIG6.
 */
export interface EventChecker {
  /** Whether something is being checked, and what comes has to be given to `waits`; for events ask `takesEvents`. */
  readonly isBusy: boolean
  /** Whether an event may be given to `check` although it is busy. */
  readonly takesEvents: boolean
  waits(message: () => void): void
  /** Calls one of them once, at once where it can. */
  check(
    value: unknown,
    checks: EventChecks,
    done: (checked: CheckedEvent) => void,
    refused: (error: unknown) => void,
  ): void
}

/** Events of one connection that are checked at a time. */
const MAX_UNDER_WAY = 128

/** @param later checks signatures beside the event loop; without it they are checked at once */
export function createEventChecker(
  merger: Merger,
  limits: Limits,
  brake: Brake,
  later?: SpreadVerifier['later'],
): EventChecker {
  const inline = merger.isApart ? inlineLimits(limits) : limits
  let underWay = 0
  let isDecoding = false
  const waiting: (() => void)[] = []
  /** Settles when all that was begun is decided. */
  let last: Promise<void> = Promise.resolve()

  const decode = (undecoded: UndecodedEvent): Promise<CheckedEvent> =>
    beginAgain(
      async () => finishCheck(undecoded, await merger.run('decode', undecoded.event, limits)),
      'decoding the update takes too long: split the edit',
    )

  /** Does something that takes time, after all that was begun before it. */
  function inOrder(work: () => void | Promise<void>, refused: (error: unknown) => void): void {
    underWay++
    if (underWay >= MAX_UNDER_WAY) brake.hold()
    last = last.then(work).catch(refused).then(decided)
  }

  function decided(): void {
    isDecoding = false
    underWay--
    while (underWay === 0) {
      const next = waiting.shift()
      if (next === undefined) break
      next()
    }
    if (waiting.length === 0 && underWay <= MAX_UNDER_WAY / 2) brake.release()
  }

  function goOn(
    begun: CheckedEvent | UndecodedEvent,
    done: (checked: CheckedEvent) => void,
  ): void | Promise<void> {
    if ('owner' in begun) return done(begun)
    isDecoding = true
    brake.hold()
    return decode(begun).then(done)
  }

  function checkLater(
    value: unknown,
    checks: EventChecks,
    verify: SpreadVerifier['later'],
    done: (checked: CheckedEvent) => void,
    refused: (error: unknown) => void,
  ): void {
    let verified: Promise<UndecodedEvent>
    try {
      const formed = checkForm(value, checks)
      verified = verify(formed.event).then(() => formed)
    } catch (error) {
      verified = Promise.reject(error)
    }
    // It is awaited when its turn comes.
    verified.catch(() => {})
    inOrder(async () => {
      const formed = await verified
      await goOn(checkSigned(formed, checks, inline), done)
    }, refused)
  }

  return {
    get isBusy() {
      return underWay > 0
    },
    get takesEvents() {
      return later !== undefined && !isDecoding && waiting.length === 0
    },
    waits(message) {
      waiting.push(message)
      brake.hold()
    },
    check(value, checks, done, refused) {
      if (later !== undefined) return checkLater(value, checks, later, done, refused)
      let begun: CheckedEvent | UndecodedEvent
      try {
        begun = beginCheck(value, checks, inline)
      } catch (error) {
        return refused(error)
      }
      if ('owner' in begun) return done(begun)
      const undecoded = begun
      isDecoding = true
      brake.hold()
      inOrder(() => goOn(undecoded, done), refused)
    },
  }
}
