import { SyncError } from '@onyx-sync/shared'
import type { EventLog } from '../ports/event-log.js'
import type { CheckedEvent } from './check-event.js'
import type { Hub } from './hub.js'
import { assertNotVanished } from './vanish-check.js'

/**
 * Takes an ephemeral event of a further kind: it is passed on to who is subscribed now, and kept nowhere (NIP-01).
 * Rejects with the `SyncError` that refuses it; `taken` is called before anybody gets it. Source: SPEC KND4.
 */
export async function passOn(
  { log, hub }: { readonly log: Pick<EventLog, 'vanishedUntil'>; readonly hub: Hub },
  { event, json, owner, plain }: CheckedEvent,
  taken: () => void,
): Promise<void> {
  const keys = [...new Set([event.pubkey, owner])]
  const untils = await log.vanishedUntil(keys).catch((cause: unknown) => {
    throw new SyncError('STORE_FAILED', 'the event could not be passed on; send it again', { cause })
  })
  for (const until of untils) assertNotVanished(event, until)
  taken()
  hub.passOn({ event, json }, plain?.readers ?? [])
}
