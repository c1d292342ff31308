import { schnorr, secp256k1 } from '@noble/curves/secp256k1.js'
import { keepBytes } from './kept-key.js'
import type { Schnorr, SchnorrSigning } from './schnorr.js'

const NAME = 'noble (JavaScript)'

/** noble's, in JavaScript: slow, and there wherever Node is. */
export function createPureSchnorr(): Schnorr {
  return {
    kind: 'pure',
    name: NAME,
    verify: (signature, message, publicKey) => schnorr.verify(signature, message, publicKey),
  }
}

/** Signs by the same. */
export function createPureSigning(): SchnorrSigning {
  return {
    kind: 'pure',
    name: NAME,
    keep(secretKey) {
      if (!secp256k1.utils.isValidSecretKey(secretKey)) throw new Error(`${NAME} takes it for no secret key`)
      return keepBytes(secretKey, (kept, message, randomness) => schnorr.sign(message, kept, randomness))
    },
  }
}
