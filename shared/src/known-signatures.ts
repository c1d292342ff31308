import { hexToBytes } from './hex.js'

/**
 * Whether `signature` (64 bytes) is one of `message` (32 bytes) by the x-only `publicKey` (32 bytes), by BIP-340. Any bytes
 * of these lengths get an answer; others don't come here.
 */
export type VerifySchnorr = (signature: Uint8Array, message: Uint8Array, publicKey: Uint8Array) => boolean

/** A signature of which it is known whether it holds. Lower-case hex. */
export interface KnownSignature {
  readonly what: string
  readonly publicKey: string
  readonly message: string
  readonly signature: string
  readonly isValid: boolean
}

/**
 * From the test vectors of BIP-340: for each way in which a signature can be wrong one, and some that hold.
 * What implementations are tried with before they are trusted.
 */
export const KNOWN_SIGNATURES: readonly KnownSignature[] = [
  {
    what: 'a signature (BIP-340 vector 0)',
    publicKey: 'f9308a019258c31049344f85f89d5229b531c845836f99b08601f113bce036f9',
    message: '0000000000000000000000000000000000000000000000000000000000000000',
    signature:
      'e907831f80848d1069a5371b402410364bdf1c5f8307b0084c55f1ce2dca821525f66a4a85ea8b71e482a74f382d2ce5ebeee8fdb2172f477df4900d310536c0',
    isValid: true,
  },
  {
    what: 'a message above the field size (BIP-340 vector 3)',
    publicKey: '25d1dff95105f5253c4022f628a996ad3a0d95fbf21d468a1b33f8c160d8f517',
    message: 'ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff',
    signature:
      '7eb0509757e246f19449885651611cb965ecc1a187dd51b64fda1edc9637d5ec97582b9cb13db3933705b32ba982af5af25fd78881ebb32771fc5922efc66ea3',
    isValid: true,
  },
  {
    what: 'a signature without a known key (BIP-340 vector 4)',
    publicKey: 'd69c3509bb99e412e68b0fe8544e72837dfa30746d8be2aa65975f29d22dc7b9',
    message: '4df3c3f68fcc83b27e9d42c90431a72499f17875c81a599b566c9889b9696703',
    signature:
      '00000000000000000000003b78ce563f89a0ed9414f5aa28ad0d96d6795f9c6376afb1548af603b3eb45c9f8207dee1060cb71c04e80f593060b07d28308d7f4',
    isValid: true,
  },
  {
    what: 'a key that is no point (BIP-340 vector 5)',
    publicKey: 'eefdea4cdb677750a420fee807eacf21eb9898ae79b9768766e4faa04a2d4a34',
    message: '243f6a8885a308d313198a2e03707344a4093822299f31d0082efa98ec4e6c89',
    signature:
      '6cff5c3ba86c69ea4b7376f31a9bcb4f74c1976089b2d9963da2e5543e17776969e89b4c5564d00349106b8497785dd7d1d713a8ae82b32fa79d5f7fc407d39b',
    isValid: false,
  },
  {
    what: 'a nonce point with an odd y (BIP-340 vector 6)',
    publicKey: 'dff1d77f2a671c5f36183726db2341be58feae1da2deced843240f7b502ba659',
    message: '243f6a8885a308d313198a2e03707344a4093822299f31d0082efa98ec4e6c89',
    signature:
      'fff97bd5755eeea420453a14355235d382f6472f8568a18b2f057a14602975563cc27944640ac607cd107ae10923d9ef7a73c643e166be5ebeafa34b1ac553e2',
    isValid: false,
  },
  {
    what: 'a negated message (BIP-340 vector 7)',
    publicKey: 'dff1d77f2a671c5f36183726db2341be58feae1da2deced843240f7b502ba659',
    message: '243f6a8885a308d313198a2e03707344a4093822299f31d0082efa98ec4e6c89',
    signature:
      '1fa62e331edbc21c394792d2ab1100a7b432b013df3f6ff4f99fcb33e0e1515f28890b3edb6e7189b630448b515ce4f8622a954cfe545735aaea5134fccdb2bd',
    isValid: false,
  },
  {
    what: 'a nonce point at infinity (BIP-340 vector 9)',
    publicKey: 'dff1d77f2a671c5f36183726db2341be58feae1da2deced843240f7b502ba659',
    message: '243f6a8885a308d313198a2e03707344a4093822299f31d0082efa98ec4e6c89',
    signature:
      '0000000000000000000000000000000000000000000000000000000000000000123dda8328af9c23a94c1feecfd123ba4fb73476f0d594dcb65c6425bd186051',
    isValid: false,
  },
  {
    what: 'a first half that is no x (BIP-340 vector 11)',
    publicKey: 'dff1d77f2a671c5f36183726db2341be58feae1da2deced843240f7b502ba659',
    message: '243f6a8885a308d313198a2e03707344a4093822299f31d0082efa98ec4e6c89',
    signature:
      '4a298dacae57395a15d0795ddbfd1dcb564da82b0f269bc70a74f8220429ba1d69e89b4c5564d00349106b8497785dd7d1d713a8ae82b32fa79d5f7fc407d39b',
    isValid: false,
  },
  {
    what: 'a first half equal to the field size (BIP-340 vector 12)',
    publicKey: 'dff1d77f2a671c5f36183726db2341be58feae1da2deced843240f7b502ba659',
    message: '243f6a8885a308d313198a2e03707344a4093822299f31d0082efa98ec4e6c89',
    signature:
      'fffffffffffffffffffffffffffffffffffffffffffffffffffffffefffffc2f69e89b4c5564d00349106b8497785dd7d1d713a8ae82b32fa79d5f7fc407d39b',
    isValid: false,
  },
  {
    what: 'a second half equal to the group order (BIP-340 vector 13)',
    publicKey: 'dff1d77f2a671c5f36183726db2341be58feae1da2deced843240f7b502ba659',
    message: '243f6a8885a308d313198a2e03707344a4093822299f31d0082efa98ec4e6c89',
    signature:
      '6cff5c3ba86c69ea4b7376f31a9bcb4f74c1976089b2d9963da2e5543e177769fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141',
    isValid: false,
  },
  {
    what: 'a key above the field size (BIP-340 vector 14)',
    publicKey: 'fffffffffffffffffffffffffffffffffffffffffffffffffffffffefffffc30',
    message: '243f6a8885a308d313198a2e03707344a4093822299f31d0082efa98ec4e6c89',
    signature:
      '6cff5c3ba86c69ea4b7376f31a9bcb4f74c1976089b2d9963da2e5543e17776969e89b4c5564d00349106b8497785dd7d1d713a8ae82b32fa79d5f7fc407d39b',
    isValid: false,
  },
]

/** What an implementation gets wrong of {@link KNOWN_SIGNATURES}; undefined if nothing. */
export function firstWrongAnswer(verify: VerifySchnorr): string | undefined {
  for (const { what, publicKey, message, signature, isValid } of KNOWN_SIGNATURES) {
    try {
      const answer = verify(hexToBytes(signature), hexToBytes(message), hexToBytes(publicKey))
      if (answer !== isValid) return `${what}: it says ${answer}`
    } catch (error) {
      return `${what}: it throws ${String(error)}`
    }
  }
  return undefined
}
