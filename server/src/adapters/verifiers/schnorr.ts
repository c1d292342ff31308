/** One implementation of BIP-340 verification. */
export interface Schnorr {
  /** How it is done: in C, as WebAssembly, or in JavaScript. */
  readonly kind: 'native' | 'wasm' | 'pure'
  /** Shown in the log and in the metrics. */
  readonly name: string
  /**
   * Whether `signature` (64 bytes) is one of `message` (32 bytes) by the x-only `publicKey` (32 bytes). Any
   * bytes of these lengths get an answer; other lengths must not come here. Doesn't keep what it is given.
   */
  verify(signature: Uint8Array, message: Uint8Array, publicKey: Uint8Array): boolean
}
