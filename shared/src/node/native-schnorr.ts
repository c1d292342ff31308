import { setNewest } from '../collections.js'
import { bindLibrary, createContext, LIBRARY_NAMES, type Library } from './native-library.js'
import type { Schnorr } from './schnorr.js'

/** `SECP256K1_CONTEXT_VERIFY`: what newer versions take for "none", and older ones need for verifying. */
const CONTEXT_VERIFY = 0x101
/** `secp256k1_xonly_pubkey` is opaque and has this size in every version. */
const PARSED_KEY_BYTES = 64
/** Keys whose parsed form is kept. */
const KEPT_KEYS = 4_096

/**
 * The system's libsecp256k1, in C. Rejects, with what was tried, where the system has none, or none with the
 * Schnorr module, or where koffi, which calls it, isn't installed.
 *
 * @param libraryNames names or paths for the system's loader, tried in turn
 */
export function createNativeSchnorr(libraryNames = LIBRARY_NAMES): Promise<Schnorr> {
  return bindLibrary(libraryNames, bind)
}

function bind(library: Library, libraryName: string): Schnorr {
  const parseKey = library.func(
    'int secp256k1_xonly_pubkey_parse(const void *context, _Out_ uint8_t *parsed, const uint8_t *bytes)',
  )
  const verify = library.func(
    'int secp256k1_schnorrsig_verify(const void *context, const uint8_t *signature, const uint8_t *message, size_t length, const uint8_t *parsedKey)',
  )
  const context = createContext(library, libraryName, CONTEXT_VERIFY)
  const keys = new Map<string, Buffer>()
  /** The key as the library computes with it: finding its second coordinate is an eighth of a check. */
  const parsed = (publicKey: Uint8Array): Buffer | undefined => {
    const name = Buffer.from(publicKey.buffer, publicKey.byteOffset, publicKey.byteLength).toString('latin1')
    const known = keys.get(name)
    if (known !== undefined) return known
    const made = Buffer.alloc(PARSED_KEY_BYTES)
    if (parseKey(context, made, publicKey) !== 1) return undefined
    setNewest(keys, name, made, KEPT_KEYS)
    return made
  }
  return {
    kind: 'native',
    name: `${libraryName} (native)`,
    verify(signature, message, publicKey) {
      const key = parsed(publicKey)
      return key !== undefined && verify(context, signature, message, message.byteLength, key) === 1
    },
  }
}
