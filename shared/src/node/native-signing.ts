import { randomBytes } from 'node:crypto'
import { bindLibrary, createContext, LIBRARY_NAMES, type Library } from './native-library.js'
import type { SchnorrSigning } from './schnorr.js'

/** `SECP256K1_CONTEXT_SIGN` and `SECP256K1_CONTEXT_VERIFY`; newer versions take both for "none". */
const CONTEXT_SIGN = 0x301
/** `secp256k1_keypair` is opaque and has this size in every version. */
const KEY_PAIR_BYTES = 96
const SIGNATURE_BYTES = 64

/** The system's libsecp256k1, in C. Rejects as {@link createNativeSchnorr} does. */
export function createNativeSigning(libraryNames = LIBRARY_NAMES): Promise<SchnorrSigning> {
  return bindLibrary(libraryNames, bind)
}

function bind(library: Library, libraryName: string): SchnorrSigning {
  const randomize = library.func('int secp256k1_context_randomize(void *context, const uint8_t *seed)')
  const createKeyPair = library.func(
    'int secp256k1_keypair_create(const void *context, _Out_ uint8_t *keyPair, const uint8_t *secretKey)',
  )
  const signWith = library.func(
    'int secp256k1_schnorrsig_sign32(const void *context, _Out_ uint8_t *signature, const uint8_t *message, const uint8_t *keyPair, const uint8_t *randomness)',
  )
  const context = createContext(library, libraryName, CONTEXT_SIGN)
  // What the library advises for whoever signs: how long it takes then says nothing of the key.
  if (randomize(context, randomBytes(32)) !== 1) throw new Error(`${libraryName} takes no randomness`)
  return {
    kind: 'native',
    name: `${libraryName} (native)`,
    keep(secretKey) {
      // Kept instead of the key, which it holds: to make it is a third of a signature.
      const keyPair = Buffer.alloc(KEY_PAIR_BYTES)
      let isKept = createKeyPair(context, keyPair, secretKey) === 1
      if (!isKept) throw new Error(`${libraryName} takes it for no secret key`)
      return {
        sign(message, randomness) {
          const signature = new Uint8Array(SIGNATURE_BYTES)
          // With a key pair of zeros the library would end the process.
          if (!isKept || signWith(context, signature, message, keyPair, randomness) !== 1)
            throw new Error(`${libraryName} did not sign`)
          return signature
        },
        wipe() {
          isKept = false
          keyPair.fill(0)
        },
      }
    },
  }
}
