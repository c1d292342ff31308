import type { EventTemplate, NostrEvent } from './event.js'

/**
 * Holds the account's key. The two methods are those of nostr-tools' `Signer`, so its `PlainKeySigner`,
 * NIP-07's `window.nostr` and its NIP-46 `BunkerSigner` fit as they are.
 */
export interface Signer {
  /** The account's public key: 64 lower-case hex characters. */
  getPublicKey(): Promise<string>
  /** The event with `id`, `pubkey` and `sig`. May take long (a person confirms) and may fail. */
  signEvent(template: EventTemplate): Promise<NostrEvent>
}

/** A timer that {@link Clock.clearTimeout} accepts. */
export type TimerHandle = unknown

/** Wall clock and timers. Everything that waits takes one, so a simulation can run on virtual time. */
export interface Clock {
  /** Milliseconds since the Unix epoch. May be wrong and may jump. */
  now(): number
  setTimeout(callback: () => void, delayMs: number): TimerHandle
  clearTimeout(handle: TimerHandle): void
}

/** Source of randomness for ids and jitter. Not for keys: those come from the signer. */
export interface Random {
  /** A number in [0, 1). */
  next(): number
  /** `length` random bytes. */
  bytes(length: number): Uint8Array
}

/** Where a component reports what it does. Fields must never hold a secret or the content of a document. */
export interface Logger {
  debug(message: string, fields?: Record<string, unknown>): void
  info(message: string, fields?: Record<string, unknown>): void
  warn(message: string, fields?: Record<string, unknown>): void
  error(message: string, fields?: Record<string, unknown>): void
}

/** Checks that an event is what its author signed. */
export interface EventVerifier {
  /** Shown in logs: which implementation runs. */
  readonly name: string
  /** Throws `EVENT_ID_MISMATCH` or `EVENT_SIGNATURE_INVALID`; returns when both hold (NIP-01). */
  verify(event: NostrEvent): void
}
