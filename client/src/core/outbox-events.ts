import { type EventTemplate, type NostrEvent, stringifyEvent } from '@onyx-sync/shared'
import { getEventHash } from 'nostr-tools/pure'
import type { OutboxEntry } from '../ports/store.js'

const encoder = new TextEncoder()

/** The signed events of an entry: one, or the parts of one edit in their order. */
export function eventsOf(entry: Pick<OutboxEntry, 'event'>): readonly NostrEvent[] {
  const parsed = JSON.parse(entry.event) as NostrEvent | NostrEvent[]
  return Array.isArray(parsed) ? parsed : [parsed]
}

/** An event of no document that the server is known to have, kept for a server that is set back. */
export function confirmedEntry(lane: string, seq: number, event: NostrEvent): OutboxEntry {
  const place = { id: entryIdOf(event), lane, seq, throughSeq: seq, edits: 1 }
  return { ...place, state: 'confirmed', event: stringifyEvent(event), reason: '' }
}

/** Ids of the signed events of an entry; of one of no document that waits to be signed, the id that its event is to have. */
export function eventIdsOf({ state, event }: Pick<OutboxEntry, 'state' | 'event'>, pubkey: string): string[] {
  if (state !== 'pending') return eventsOf({ event }).map(({ id }) => id)
  return [getEventHash({ ...(JSON.parse(event) as EventTemplate), pubkey })]
}

/** Id of the entry of a signed event; of one in parts its first. */
export function entryIdOf(event: NostrEvent): string {
  return `event-${event.id}`
}

/** Signed events as an entry keeps them: JSON of the one, or of an array of the parts. */
export function eventsToJson(events: readonly NostrEvent[]): string {
  const [json = '', ...others] = events.map(stringifyEvent)
  return others.length === 0 ? json : `[${[json, ...others].join(',')}]`
}

/** Why an event can't be sent, as a server would say it; empty when it can. */
export function whyTooLarge(event: NostrEvent, maxBytes: number): string {
  const bytes = eventBytes(event)
  return bytes <= maxBytes ? '' : `invalid: the edit is ${bytes} bytes as an event, ${maxBytes} are allowed`
}

/** Size of an event as canonical JSON, bytes of UTF-8. */
export function eventBytes(event: NostrEvent): number {
  return encoder.encode(stringifyEvent(event)).byteLength
}
