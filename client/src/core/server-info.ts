import { isHex64 } from '@onyx-sync/shared'

/**
 * How a device syncs. `sync`: with a server that keeps every update (`"yjs_sync": 1`). `plain`: with a relay that
 * may keep only the newest event of each address, by whole states, one for each device (SPEC PLN1).
 */
export type SyncMode = 'sync' | 'plain'

/** What a server's NIP-11 document says that matters to a device. */
export interface ServerInfo {
  readonly mode: SyncMode
  /** Largest event, bytes of JSON; infinite where it doesn't say. */
  readonly maxEventBytes: number
  /** Most events that one query brings; infinite where it doesn't say. */
  readonly maxQueryEvents: number
  /** Whether it tells of documents without their bodies. */
  readonly tellsSummaries: boolean
  /** The server's own public key, if it names one. */
  readonly key: string | undefined
}

/** Room that the envelope of an event takes in a message. */
const ENVELOPE_BYTES = 16

/** Reads a NIP-11 document, parsed JSON; undefined for a relay that has none. */
export function readServerInfo(info: unknown): ServerInfo {
  const { yjs_sync, yjs_summaries, limitation, self } = (info ?? {}) as Record<string, unknown>
  const { max_message_length, max_content_length, max_limit } = (limitation ?? {}) as Record<string, unknown>
  return {
    mode: yjs_sync === 1 ? 'sync' : 'plain',
    tellsSummaries: yjs_sync === 1 && yjs_summaries === 1,
    maxEventBytes: Math.min(bound(max_message_length, ENVELOPE_BYTES), bound(max_content_length, 0)),
    maxQueryEvents: bound(max_limit, 0),
    key: isHex64(self) ? self : undefined,
  }
}

function bound(value: unknown, taken: number): number {
  return typeof value === 'number' && value > taken ? value - taken : Number.POSITIVE_INFINITY
}
