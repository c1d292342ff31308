import { createSchnorrVerifier } from '@onyx-sync/client'
import { verifySchnorr } from 'tiny-secp256k1'

/** libsecp256k1 as WebAssembly, from tiny-secp256k1. */
export const wasmVerifier = createSchnorrVerifier(
  'tiny-secp256k1 (WebAssembly)',
  (signature, message, publicKey) => {
    try {
      return verifySchnorr(message, publicKey, signature)
    } catch {
      // It throws where the key is no point of the curve or a half of the signature is out of range.
      return false
    }
  },
)
