import type { SigningKey } from './schnorr.js'

/** The key of an implementation that takes its bytes with each call: a copy of them, which `wipe` overwrites. */
export function keepBytes(
  secretKey: Uint8Array,
  sign: (secretKey: Uint8Array, message: Uint8Array, randomness: Uint8Array) => Uint8Array,
): SigningKey {
  const kept = Uint8Array.from(secretKey)
  return {
    sign: (message, randomness) => sign(kept, message, randomness),
    // Zero is no key: what is asked to sign with it throws.
    wipe: () => kept.fill(0),
  }
}
