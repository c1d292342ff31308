import { verifyEvent } from 'nostr-tools/pure'
import type { RawEvent } from './read-events.js'

/** An event, and what this page found out about it by itself. */
export interface CheckedEvent extends RawEvent {
  /** Whether its id is that of its content, and its signature that of its author. */
  readonly isGenuine: boolean
  /** As it was received. Bytes. */
  readonly bytes: number
  /** The document that it belongs to, as an address; a name for what belongs to none. */
  readonly document: string
  /** What it does there. */
  readonly what: string
}

/** After so many signatures the page gets a turn: each takes some milliseconds. */
const PER_TURN = 6

/** Checks each event with the page's own code, whatever the server says of it. */
export async function checkEvents(events: readonly RawEvent[]): Promise<CheckedEvent[]> {
  const checked: CheckedEvent[] = []
  for (const [index, event] of events.entries()) {
    if (index % PER_TURN === PER_TURN - 1) await new Promise((resolve) => setTimeout(resolve))
    checked.push({
      ...event,
      // The library looks at a mark that it leaves on objects: this one is fresh.
      isGenuine: verifyEvent(JSON.parse(JSON.stringify(event)) as Parameters<typeof verifyEvent>[0]),
      bytes: JSON.stringify(event).length,
      document: documentOf(event),
      what: await whatOf(event),
    })
  }
  return checked
}

function tagOf({ tags }: RawEvent, name: string): string | undefined {
  return tags.find(([key]) => key === name)?.[1]
}

/** Source: SPEC, Update events. */
function documentOf(event: RawEvent): string {
  const { kind, pubkey } = event
  if (kind === 10001) return `10001:${pubkey}:`
  if (kind === 30001) return tagOf(event, 'a') ?? `30001:${pubkey}:${tagOf(event, 'd') ?? ''}`
  return kind === 1 ? 'training' : `kind ${kind}`
}

async function whatOf(event: RawEvent): Promise<string> {
  const { kind, tags } = event
  if (kind === 1) return 'contribution'
  if (kind === 5) return 'deletion request'
  if (kind !== 30001 && kind !== 10001) return 'other'
  const part = tags.find(([name]) => name === 'part')
  if (part !== undefined) return 'part of an edit'
  try {
    return (await firstByte(event)) === 1 ? 'checkpoint' : 'edit'
  } catch {
    return 'unreadable'
  }
}

/** The kind of y-protocols message that the content is: 1 is a whole state, 2 an update. */
async function firstByte({ content, tags }: RawEvent): Promise<number | undefined> {
  const bytes = Uint8Array.from(atob(content), (character) => character.charCodeAt(0))
  if (!tags.some(([name, , how]) => name === 'encoding' && how === 'deflate')) return bytes[0]
  const inflated = new Blob([bytes]).stream().pipeThrough(new DecompressionStream('deflate-raw')).getReader()
  const { value } = await inflated.read()
  await inflated.cancel()
  return value?.[0]
}
