import type { EventVerifier, Random } from '@onyx-sync/shared'
import type { OutboxEntry, SyncStore } from '../ports/store.js'
import type { Turns } from '../ports/turns.js'
import type { RollBack } from './roll-back.js'
import { checkEntry, forgedError } from './unchecked.js'

/**
 * Checks what the last process applied and could not check any more, before anything reads it. What is forged is taken out
 * as `rollBack` does. @returns an error for the user where something was
 */
export async function checkLeftovers(
  store: SyncStore,
  verifier: EventVerifier,
  turns: Turns,
  random: Random,
  rollBack: RollBack,
): Promise<ReturnType<typeof forgedError> | undefined> {
  const left = (await store.loadOutbox()).filter(({ state }) => state === 'unchecked')
  const forged: OutboxEntry[] = []
  let error: ReturnType<typeof forgedError> | undefined
  for (const entry of left) {
    await turns.next()
    try {
      checkEntry(verifier, entry)
    } catch (cause) {
      forged.push(entry)
      error ??= forgedError(entry.lane, cause)
    }
  }
  if (forged.length > 0) await rollBack(store, random, forged)
  else if (left.length > 0) await store.commit({ outboxDelete: left.map(({ id }) => id) })
  return error
}
