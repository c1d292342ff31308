import type { Schnorr } from './schnorr.js'

/** libsecp256k1 as WebAssembly, from tiny-secp256k1. Rejects where the engine can't run it. */
export async function createWasmSchnorr(): Promise<Schnorr> {
  const { verifySchnorr } = await import('tiny-secp256k1')
  return {
    kind: 'wasm',
    name: 'tiny-secp256k1 (WebAssembly)',
    verify(signature, message, publicKey) {
      try {
        return verifySchnorr(message, publicKey, signature)
      } catch {
        // It throws where the key is no point of the curve or a half of the signature is out of range.
        return false
      }
    },
  }
}
