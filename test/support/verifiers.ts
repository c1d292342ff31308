import { readFileSync } from 'node:fs'
import { createNativeSchnorr } from '../../server/src/adapters/verifiers/native-schnorr.js'
import { createPureSchnorr } from '../../server/src/adapters/verifiers/pure-schnorr.js'
import type { Schnorr } from '../../server/src/adapters/verifiers/schnorr.js'
import { createWasmSchnorr } from '../../server/src/adapters/verifiers/wasm-schnorr.js'

/** One line of BIP-340's test vectors. */
export interface SchnorrVector {
  readonly name: string
  readonly publicKey: Buffer
  readonly message: Buffer
  readonly signature: Buffer
  readonly isValid: boolean
}

/** BIP-340's test vectors with messages of 32 bytes. */
export const BIP340_VECTORS: readonly SchnorrVector[] = readFileSync(
  new URL('../vectors/bip340-test-vectors.csv', import.meta.url),
  'utf8',
)
  .trim()
  .split(/\r?\n/)
  .slice(1)
  .map((line) => {
    const [index, , publicKey, , message, signature, result, comment] = line.split(',') as string[]
    const bytes = (hex: string | undefined) => Buffer.from(hex as string, 'hex')
    return {
      name: `${index} ${comment ?? ''}`.trim(),
      publicKey: bytes(publicKey),
      message: bytes(message),
      signature: bytes(signature),
      isValid: result === 'TRUE',
    }
  })

/** Why this system can't run the native one; undefined where it can. */
export let nativeMissing: string | undefined

/** Every implementation that this system can run. */
export const SCHNORRS: Readonly<Record<string, Schnorr>> = await loadAll()

async function loadAll(): Promise<Record<string, Schnorr>> {
  const found: Record<string, Schnorr> = { pure: createPureSchnorr(), wasm: await createWasmSchnorr() }
  try {
    return { ...found, native: await createNativeSchnorr() }
  } catch (error) {
    nativeMissing = String(error)
    return found
  }
}
