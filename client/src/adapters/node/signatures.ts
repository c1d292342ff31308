import { type EventVerifier, type Logger, type Signer, silentLogger } from '@onyx-sync/shared'
import { chooseVerifier, createEventSigner, type SchnorrChoice } from '@onyx-sync/shared/node'

export interface NodeSignatureOptions {
  /**
   * What computes: libsecp256k1 of the system (`'native'`, needs the package koffi), the same as WebAssembly (`'wasm'`,
   * needs tiny-secp256k1) or JavaScript (`'pure'`). `'auto'` is the fastest that is there; one that is missing or broken is
   * passed over for the next. @default 'auto'
   */
  readonly choice?: SchnorrChoice
  /** Hears what was chosen, and why what is faster was not; never anything of a key. @default keeps quiet */
  readonly logger?: Logger
}

/** A signer on Node that has its key in memory. */
export interface NodeSigner extends Signer {
  /** Shown in logs: which implementation signs. */
  readonly name: string
  /** Overwrites the key in memory. What is to be signed after that is refused with `SIGNER_FAILED`. */
  forget(): void
}

/** The fastest verifier that is there (SPEC SIG7), for the option `verifier`. */
export function createNodeVerifier(options: NodeSignatureOptions = {}): Promise<EventVerifier> {
  const { choice = 'auto', logger = silentLogger } = options
  return chooseVerifier(choice, logger)
}

/**
 * Signs with a key in memory by the fastest implementation that is there (SPEC SIG8), for the option `signer`. Rejects
 * with `KEY_INVALID` for what is no secret key.
 *
 * @param secretKey 32 bytes, which are copied
 */
export async function createNodeSigner(
  secretKey: Uint8Array,
  options: NodeSignatureOptions = {},
): Promise<NodeSigner> {
  const { name, pubkey, sign, forget } = await createEventSigner(secretKey, options)
  return {
    name,
    getPublicKey: async () => pubkey,
    signEvent: async (template) => sign(template),
    forget,
  }
}
