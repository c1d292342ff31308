import { schnorr } from '@noble/curves/secp256k1.js'
import type { Schnorr } from './schnorr.js'

/** noble's, in JavaScript: slow, and there wherever Node is. */
export function createPureSchnorr(): Schnorr {
  return {
    kind: 'pure',
    name: 'noble (JavaScript)',
    verify: (signature, message, publicKey) => schnorr.verify(signature, message, publicKey),
  }
}
