import {
  DEFAULT_LIMITS,
  decodeContent,
  formatAddress,
  KIND,
  parseAddress,
  parseEvent,
  parseUpdateHeader,
} from '@onyx-sync/shared'
import type { LogAnswer, LogReader } from './log-reader.js'

/** The newest events of a document are read, and no more: what a page shows, and checks, has an end. */
export const MAX_EVENTS = 2_000

/** How much the server's log of a document holds: counted, not checked. */
export interface LogCount {
  readonly events: number
  readonly checkpoints: number
  /** Of the events as JSON. */
  readonly bytes: number
  /** By the authors' clocks. Milliseconds since the Unix epoch; 0 where there is none. */
  readonly newestAt: number
  readonly hasMore: boolean
}

/** What an account has on a server besides documents, by names that are no addresses. */
export const OTHER_EVENTS = [
  { name: 'training', kind: KIND.training, title: 'Training data' },
  { name: 'deletions', kind: KIND.deletion, title: 'Deletion requests' },
] as const

/**
 * The events of a document that this account may read, or its own ones of {@link OTHER_EVENTS}. Rejects as
 * {@link LogReader.read}.
 */
export async function readLog(reader: LogReader, pubkey: string, address: string): Promise<LogAnswer> {
  const other = OTHER_EVENTS.find(({ name }) => name === address)
  if (other !== undefined) return reader.read({ kinds: [other.kind], authors: [pubkey], limit: MAX_EVENTS })
  const parsed = parseAddress(address)
  if (parsed === undefined) throw new Error(`${address} is no address of a document`)
  const { kind, owner, identifier } = parsed
  // Members of a chat write events of their own. Settings are their owner's alone.
  const whose = kind === KIND.settings ? { authors: [owner] } : { '#d': [identifier] }
  const { events, hasMore } = await reader.read({ kinds: [kind], ...whose, limit: MAX_EVENTS })
  return { events: events.filter((event) => isNotOfAnother(event, address)), hasMore }
}

/** Chats of others may have the same id. What can't be read stays, for its check to say what is wrong. */
function isNotOfAnother(value: unknown, address: string): boolean {
  try {
    const event = parseEvent(value, DEFAULT_LIMITS)
    return formatAddress(parseUpdateHeader(event, DEFAULT_LIMITS).address) === address
  } catch {
    return true
  }
}

export function countLog({ events, hasMore }: LogAnswer): LogCount {
  const encoder = new TextEncoder()
  let [checkpoints, bytes, newestAt] = [0, 0, 0]
  for (const value of events) {
    bytes += encoder.encode(JSON.stringify(value)).byteLength
    try {
      const event = parseEvent(value, DEFAULT_LIMITS)
      newestAt = Math.max(newestAt, event.created_at * 1_000)
      const { encoding } = parseUpdateHeader(event, DEFAULT_LIMITS)
      if (decodeContent(event.content, encoding, DEFAULT_LIMITS).checkpoint) checkpoints++
    } catch {
      // The document's own page says what is wrong with it.
    }
  }
  return { events: events.length, checkpoints, bytes, newestAt, hasMore }
}
