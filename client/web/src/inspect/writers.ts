import { DEFAULT_LIMITS, KIND, parseEvent, parseWritersEvent } from '@onyx-sync/shared'
import { fastVerifier } from '../device/fast-verifier.js'
import type { CheckedEvent } from './check-event.js'
import type { LogReader } from './log-reader.js'

/** Who wrote under one Yjs client id, and who says so. */
export interface Writer {
  readonly client: number
  /** The key by the signed events of the log; undefined where only checkpoints have it. */
  readonly signedBy: string | undefined
  /** The key by the server's own list; undefined where that has none. */
  readonly byServer: string | undefined
  /** How far it has written, as the events that were read tell it. */
  readonly clock: number
}

/** What the server's list said, and whether its key signed it. */
export interface ServerWriters {
  readonly writers: ReadonlyMap<number, string>
  /** The key that signed it; undefined where the server sent none that is signed. */
  readonly signer: string | undefined
}

/** Asks the server whose the client ids of a chat are, and checks its signature. Source: SPEC ATT2. */
export async function readServerWriters(reader: LogReader, address: string): Promise<ServerWriters> {
  const { events } = await reader.read({ kinds: [KIND.writers], '#a': [address] })
  const writers = new Map<number, string>()
  let signer: string | undefined
  for (const value of events) {
    const event = parseEvent(value, DEFAULT_LIMITS)
    fastVerifier.verify(event)
    signer ??= event.pubkey
    // One server has one key: what another has signed is not its word.
    if (event.pubkey !== signer) continue
    for (const told of parseWritersEvent(event, DEFAULT_LIMITS)) {
      if (told.address !== address) continue
      for (const [key, clients] of Object.entries(told.writers))
        for (const id of clients) writers.set(id, key)
    }
  }
  return { writers, signer }
}

/**
 * Puts both together, by client id. A checkpoint repeats what others wrote, so its signature says nothing of who did.
 */
export function joinWriters(events: readonly CheckedEvent[], server: ServerWriters['writers']): Writer[] {
  const signed = new Map<number, string>()
  const clocks = new Map<number, number>([...server.keys()].map((client) => [client, 0]))
  for (const { event, content } of events) {
    if (event === undefined || content === undefined) continue
    for (const { client, to } of content.clocks) {
      clocks.set(client, Math.max(clocks.get(client) ?? 0, to))
      if (!content.isCheckpoint && !signed.has(client)) signed.set(client, event.pubkey)
    }
  }
  return [...clocks]
    .map(([client, clock]) => ({
      client,
      clock,
      signedBy: signed.get(client),
      byServer: server.get(client),
    }))
    .sort((a, b) => b.clock - a.clock)
}
