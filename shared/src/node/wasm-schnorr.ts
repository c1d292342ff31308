import { keepBytes } from './kept-key.js'
import type { Schnorr, SchnorrSigning } from './schnorr.js'

const NAME = 'tiny-secp256k1 (WebAssembly)'

/** libsecp256k1 as WebAssembly, from tiny-secp256k1. Rejects where that isn't installed, or the engine can't run it. */
export async function createWasmSchnorr(): Promise<Schnorr> {
  const { verifySchnorr } = await import('tiny-secp256k1')
  return {
    kind: 'wasm',
    name: NAME,
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

/** Signs by the same; rejects likewise. */
export async function createWasmSigning(): Promise<SchnorrSigning> {
  const { isPrivate, signSchnorr } = await import('tiny-secp256k1')
  return {
    kind: 'wasm',
    name: NAME,
    keep(secretKey) {
      if (!isPrivate(secretKey)) throw new Error(`${NAME} takes it for no secret key`)
      return keepBytes(secretKey, (kept, message, randomness) => signSchnorr(message, kept, randomness))
    },
  }
}
