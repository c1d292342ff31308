import { type EventVerifier, type NostrEvent, SyncError } from '@onyx-sync/shared'
import type { OutboxEntry } from '../ports/store.js'
import type { Turns } from '../ports/turns.js'
import type { Journal } from './journal.js'
import { eventsOf, eventsToJson } from './outbox-events.js'

/**
 * When signatures of received events are checked. `'before'`: before they are applied. `'idle'`: those of this account's
 * own devices in its own chats right after that, one between two turns of the app. Source: SPEC "Checking when idle".
 */
export type CheckingPolicy = 'before' | 'idle'

/** Key in the store's meta: `before` on a device that was given a forged event. */
export const META_CHECKING = 'checking'

/** How many may wait: bounds what a device that is opened again checks first. The rest is checked before it is applied. */
export const MAX_UNCHECKED = 64
/** Checked events whose record goes with one batch. */
const MAX_BATCH = 16

/** Received events that are applied and not checked yet. */
export interface Unchecked {
  readonly isEmpty: boolean
  /** Whether one more may wait. */
  readonly hasRoom: boolean
  /** Whether anything of a document is not checked, or anything at all was forged: nothing of it goes anywhere. */
  has(address: string): boolean
  /**
   * Takes note of an event whose update is now in the rows from one position of the log to another.
   * @returns what to write in the batch of these rows
   */
  add(address: string, event: NostrEvent, firstSeq: number, lastSeq: number): OutboxEntry
  /** Resolves with true once nothing is left to check, with false if something is forged. */
  whenEmpty(): Promise<boolean>
  stop(): void
}

export interface UncheckedParts {
  readonly verifier: EventVerifier
  readonly turns: Turns
  readonly journal: Pick<Journal, 'add' | 'flush'>
  /** Everything of this document is checked. */
  onChecked(address: string): void
  /** One is forged, and nothing must go anywhere from now on. Called once, and again with all of them by `onForged`. */
  onAlarm(error: SyncError): void
  /** All are checked, and these are what nobody signed. */
  onForged(entries: readonly OutboxEntry[]): void
}

export function createUnchecked(parts: UncheckedParts): Unchecked {
  const { verifier, turns, journal } = parts
  const waiting = new Map<string, OutboxEntry>()
  const forged: OutboxEntry[] = []
  const whenEmpty: ((isRight: boolean) => void)[] = []
  let isChecking = false
  let isStopped = false

  function isWaiting(address: string): boolean {
    for (const { lane } of waiting.values()) if (lane === address) return true
    return false
  }

  function look(entry: OutboxEntry): void {
    try {
      checkEntry(verifier, entry)
    } catch (error) {
      forged.push(entry)
      if (forged.length > 1) return
      parts.onAlarm(forgedError(entry.lane, error))
      for (const settle of whenEmpty.splice(0)) settle(false)
      return
    }
    journal.add({ outboxDelete: [entry.id] })
  }

  async function check(): Promise<void> {
    let checked = 0
    for (;;) {
      await turns.next()
      const [entry] = waiting.values()
      if (entry === undefined || isStopped) return
      look(entry)
      waiting.delete(entry.id)
      if (forged.length === 0 && !isWaiting(entry.lane)) parts.onChecked(entry.lane)
      // Should this not be written, the device that is opened again checks once more.
      if (++checked % MAX_BATCH === 0 || waiting.size === 0) journal.flush().catch(() => {})
    }
  }

  function begin(): void {
    if (isChecking) return
    isChecking = true
    void check().then(() => {
      isChecking = false
      if (isStopped) return
      if (waiting.size > 0) begin()
      else if (forged.length > 0) parts.onForged(forged)
      else for (const settle of whenEmpty.splice(0)) settle(true)
    })
  }

  return {
    get isEmpty() {
      return waiting.size === 0 && forged.length === 0
    },
    get hasRoom() {
      return waiting.size < MAX_UNCHECKED && forged.length === 0 && !isStopped
    },
    has: (address) => forged.length > 0 || isWaiting(address),
    add(address, event, firstSeq, lastSeq) {
      const entry: OutboxEntry = {
        id: `unchecked-${firstSeq}`,
        lane: address,
        seq: firstSeq,
        throughSeq: lastSeq,
        edits: 1,
        state: 'unchecked',
        event: eventsToJson([event]),
        reason: '',
      }
      waiting.set(entry.id, entry)
      begin()
      return entry
    },
    whenEmpty: () =>
      waiting.size === 0 || forged.length > 0
        ? Promise.resolve(forged.length === 0)
        : new Promise((resolve) => whenEmpty.push(resolve)),
    stop() {
      isStopped = true
    },
  }
}

/** Throws unless the event of an entry is what its author signed. */
export function checkEntry(verifier: EventVerifier, entry: OutboxEntry): void {
  for (const event of eventsOf(entry)) verifier.verify(event)
}

/** What a forged event is to whoever uses the device. */
export function forgedError(address: string, cause: unknown): SyncError {
  return new SyncError(
    'EVENT_FORGED',
    `the server sent an event of ${address} that this account did not sign. It is taken out again, and this device is closed for that: open it anew. From now on it checks before it applies`,
    { cause },
  )
}
