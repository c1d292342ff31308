import type { EventVerifier, NostrEvent } from '@onyx-sync/shared'

/** Checks events, and where there are many, several at a time. */
export interface SpreadVerifier extends EventVerifier {
  /**
   * Checks an event with others that come in the same tick, in another thread where that pays. Resolves where
   * {@link EventVerifier.verify} returns, and rejects with what it throws; in no order.
   */
  later(event: NostrEvent): Promise<void>
}

/** What a relay checks events with: it may be able to check several at a time. */
export type RelayVerifier = EventVerifier & Partial<SpreadVerifier>
