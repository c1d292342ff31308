import { type NostrEvent, stringifyEvent } from '@onyx-sync/shared'
import type { OutboxEntry } from '../ports/store.js'

const encoder = new TextEncoder()

/** The signed events of an entry: one, or the parts of one edit in their order. */
export function eventsOf(entry: Pick<OutboxEntry, 'event'>): readonly NostrEvent[] {
  const parsed = JSON.parse(entry.event) as NostrEvent | NostrEvent[]
  return Array.isArray(parsed) ? parsed : [parsed]
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
