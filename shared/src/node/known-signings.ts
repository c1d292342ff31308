import { bytesToHex, hexToBytes } from '../hex.js'
import type { SchnorrSigning } from './schnorr.js'

/** What a key signs a message as, with this randomness: all of it is decided by BIP-340. Lower-case hex. */
interface KnownSigning {
  readonly what: string
  readonly secretKey: string
  readonly randomness: string
  readonly message: string
  readonly signature: string
}

/** From the test vectors of BIP-340: a key whose point has an even y, and one whose point has an odd one. */
const KNOWN_SIGNINGS: readonly KnownSigning[] = [
  {
    what: 'BIP-340 vector 1',
    secretKey: 'b7e151628aed2a6abf7158809cf4f3c762e7160f38b4da56a784d9045190cfef',
    randomness: '0000000000000000000000000000000000000000000000000000000000000001',
    message: '243f6a8885a308d313198a2e03707344a4093822299f31d0082efa98ec4e6c89',
    signature:
      '6896bd60eeae296db48a229ff71dfe071bde413e6d43f917dc8dcf8c78de33418906d11ac976abccb20b091292bff4ea897efcb639ea871cfa95f6de339e4b0a',
  },
  {
    what: 'BIP-340 vector 3',
    secretKey: '0b432b2677937381aef05bb02a66ecd012773062cf3fa2549e44f58ed2401710',
    randomness: 'ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff',
    message: 'ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff',
    signature:
      '7eb0509757e246f19449885651611cb965ecc1a187dd51b64fda1edc9637d5ec97582b9cb13db3933705b32ba982af5af25fd78881ebb32771fc5922efc66ea3',
  },
]

/** What an implementation signs otherwise than BIP-340's test vectors; undefined if nothing. */
export function firstWrongSigning({ keep }: SchnorrSigning): string | undefined {
  for (const { what, secretKey, randomness, message, signature } of KNOWN_SIGNINGS) {
    try {
      const key = keep(hexToBytes(secretKey))
      const signed = bytesToHex(key.sign(hexToBytes(message), hexToBytes(randomness)))
      key.wipe()
      if (signed !== signature) return `${what}: it signs as ${signed}`
    } catch (error) {
      return `${what}: it throws ${String(error)}`
    }
  }
  return undefined
}
