import type { Clock, Limits } from '@onyx-sync/shared'
import type { Peer } from '../ports/peer.js'

/**
 * Stops reading from a connection that has too much under way, or goes on although it was told to wait. What it
 * sends meanwhile waits in the network: nothing of it is refused or lost. Source: SPEC FAIR1, RATE4.
 */
export interface Brake {
  /** An event was taken and is not answered yet. @param bytes its size @returns what to call once it is */
  begin(bytes: number): () => void
  /** Something was refused because it was too much. */
  refused(): void
  /** Something was not. */
  accepted(): void
  /** Nothing more is read until `release`: what comes next must wait for what is under way. */
  hold(): void
  release(): void
  end(): void
}

/** Refusals in a row that cost nothing but an answer: a device may have sent a batch before it heard the first. */
const FREE_REFUSALS = 256
/** How long nothing is read then. Milliseconds. */
const PENALTY_MS = 1_000

/** @param isAhead whether enough of the account is under way, be it on other connections */
export function createBrake(
  peer: Pick<Peer, 'pause' | 'resume'>,
  limits: Pick<Limits, 'maxUnansweredEvents' | 'maxUnansweredBytes'>,
  clock: Clock,
  isAhead: () => boolean = () => false,
): Brake {
  let events = 0
  let bytes = 0
  let refusals = 0
  let isFull = false
  let isPunished = false
  let isHeld = false
  let isPaused = false
  let timer: unknown

  function update(): void {
    const isWanted = isFull || isPunished || isHeld
    if (isWanted === isPaused) return
    isPaused = isWanted
    if (isPaused) peer.pause()
    else peer.resume()
  }

  return {
    begin(size) {
      events++
      bytes += size
      if (events >= limits.maxUnansweredEvents || bytes >= limits.maxUnansweredBytes || isAhead())
        isFull = true
      update()
      let isAnswered = false
      return () => {
        if (isAnswered) return
        isAnswered = true
        events--
        bytes -= size
        const isLow = events <= limits.maxUnansweredEvents / 2 && bytes <= limits.maxUnansweredBytes / 2
        // With none under way no answer would come that it could go on with.
        if (isLow && (events === 0 || !isAhead())) isFull = false
        update()
      }
    },
    refused() {
      refusals++
      if (refusals <= FREE_REFUSALS || isPunished) return
      isPunished = true
      update()
      timer = clock.setTimeout(() => {
        isPunished = false
        update()
      }, PENALTY_MS)
    },
    accepted() {
      refusals = 0
    },
    hold() {
      isHeld = true
      update()
    },
    release() {
      isHeld = false
      update()
    },
    end() {
      clock.clearTimeout(timer)
      isHeld = false
      isFull = false
      isPunished = false
      update()
    },
  }
}
