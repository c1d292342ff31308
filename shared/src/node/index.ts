/**
 * BIP-340 on Node by the fastest implementation that is there. Kept apart from the main entry, which a phone or a browser
 * loads: koffi and tiny-secp256k1 are imported when they are asked for, and need not be installed.
 */
export { SCHNORR_CHOICES, type SchnorrChoice } from './choose-fastest.js'
export { chooseVerifier } from './choose-verifier.js'
export { createEventSigner, type EventSigner, type EventSignerOptions } from './event-signer.js'
export {
  CHECK_BYTES,
  type ChosenVerifier,
  createEventVerifier,
  isSigned,
  writeCheck,
} from './event-verifier.js'
export { createNativeSchnorr } from './native-schnorr.js'
export { createNativeSigning } from './native-signing.js'
export { createPureSchnorr, createPureSigning } from './pure-schnorr.js'
export type { Schnorr, SchnorrKind, SchnorrSigning, SigningKey } from './schnorr.js'
export { createWasmSchnorr, createWasmSigning } from './wasm-schnorr.js'
