/** What a server sends, as updates of documents. */
import {
  type DecodedStateEvent,
  type DecodedUpdateEvent,
  formatAddress,
  joinUpdates,
  KIND,
  type NostrEvent,
  stringifyEvent,
} from '@onyx-sync/shared'
import type { RemoteUpdate } from './remote-updates.js'
import { SLICE_BYTES } from './slices.js'

/** Whether something received is a state event. */
export function isState(event: unknown): boolean {
  return (event as { readonly kind?: unknown } | null)?.kind === KIND.state
}

/** An author's event as an update. `verify` is called if it changes something. */
export function toRemoteUpdate(
  event: NostrEvent,
  decoded: DecodedUpdateEvent,
  verify: () => void,
): RemoteUpdate {
  const { roster, clientIds } = decoded
  return {
    address: formatAddress(decoded.address),
    updates: [decoded.framed.update],
    author: event.pubkey,
    clientIds,
    statement: roster,
    logged: { as: decoded.framed.checkpoint ? 'checkpoint' : 'event', bytes: stringifyEvent(event).length },
    checks: [verify],
  }
}

/** A document of a state event as an update; the event's signature was checked. */
export function stateToUpdate({
  address,
  update,
  log,
}: DecodedStateEvent['documents'][number]): RemoteUpdate {
  return {
    address: formatAddress(address),
    updates: [update],
    author: undefined,
    clientIds: [],
    statement: undefined,
    logged: log === undefined ? undefined : { as: 'log', bytes: log.bytes },
    // The one signature of the state event is checked already.
    checks: [],
  }
}

/** The parts of one edit or state, as one update. */
export function joinParts(parts: readonly RemoteUpdate[]): RemoteUpdate {
  const last = parts[parts.length - 1] as RemoteUpdate
  const loggedBytes = parts.reduce((sum, { logged }) => sum + (logged?.bytes ?? 0), 0)
  const { logged } = last
  const updates = parts.flatMap((part) => part.updates)
  const bytes = updates.reduce((sum, { byteLength }) => sum + byteLength, 0)
  return {
    ...last,
    logged: logged === undefined || logged.as === 'log' ? logged : { ...logged, bytes: loggedBytes },
    updates: bytes > SLICE_BYTES ? updates : [joinUpdates(updates)],
    clientIds: [...new Set(parts.flatMap(({ clientIds }) => clientIds))],
    checks: parts.flatMap(({ checks }) => checks),
  }
}
