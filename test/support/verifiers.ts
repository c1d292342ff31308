import { readFileSync } from 'node:fs'
import {
  createNativeSchnorr,
  createNativeSigning,
  createPureSchnorr,
  createPureSigning,
  createWasmSchnorr,
  createWasmSigning,
  type Schnorr,
  type SchnorrSigning,
} from '@onyx-sync/shared/node'

/** One line of BIP-340's test vectors. */
export interface SchnorrVector {
  readonly name: string
  /** What the signature was made with, where that is told: 32 bytes each. */
  readonly signedWith?: { readonly secretKey: Buffer; readonly randomness: Buffer }
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
    const [index, secretKey, publicKey, randomness, message, signature, result, comment] = line.split(
      ',',
    ) as string[]
    const bytes = (hex: string | undefined) => Buffer.from(hex as string, 'hex')
    return {
      name: `${index} ${comment ?? ''}`.trim(),
      ...(secretKey === ''
        ? {}
        : { signedWith: { secretKey: bytes(secretKey), randomness: bytes(randomness) } }),
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

/** And as it signs, by the same names. */
export const SIGNINGS: Readonly<Record<string, SchnorrSigning>> = {
  pure: createPureSigning(),
  wasm: await createWasmSigning(),
  ...(nativeMissing === undefined ? { native: await createNativeSigning() } : {}),
}

async function loadAll(): Promise<Record<string, Schnorr>> {
  const found: Record<string, Schnorr> = { pure: createPureSchnorr(), wasm: await createWasmSchnorr() }
  try {
    return { ...found, native: await createNativeSchnorr() }
  } catch (error) {
    nativeMissing = String(error)
    return found
  }
}
