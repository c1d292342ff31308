/** How an implementation of BIP-340 is run: in C, as WebAssembly, or in JavaScript. */
export type SchnorrKind = 'native' | 'wasm' | 'pure'

/** One implementation of BIP-340 verification. */
export interface Schnorr {
  readonly kind: SchnorrKind
  /** Shown in the log and in the metrics. */
  readonly name: string
  /**
   * Whether `signature` (64 bytes) is one of `message` (32 bytes) by the x-only `publicKey` (32 bytes). Any
   * bytes of these lengths get an answer; other lengths must not come here. Doesn't keep what it is given.
   */
  verify(signature: Uint8Array, message: Uint8Array, publicKey: Uint8Array): boolean
}

/** One implementation of BIP-340 signing. */
export interface SchnorrSigning {
  readonly kind: SchnorrKind
  /** Shown in the log. */
  readonly name: string
  /** Copies a key of 32 bytes, for as many signatures as are wanted. Throws where it is none. */
  keep(secretKey: Uint8Array): SigningKey
}

/** A secret key, as an implementation signs with it. */
export interface SigningKey {
  /**
   * A signature (64 bytes) of `message` (32 bytes). `randomness` (32 bytes) is BIP-340's auxiliary one, fresh for each.
   * Other lengths must not come here. Throws where the implementation doesn't sign.
   */
  sign(message: Uint8Array, randomness: Uint8Array): Uint8Array
  /** Overwrites the copy. Nothing may be signed with it any more. */
  wipe(): void
}
