import { SyncError } from './errors.js'
import { hexToBytes, isHex64, isHex128 } from './hex.js'
import { firstWrongAnswer, type VerifySchnorr } from './known-signatures.js'
import type { EventVerifier } from './ports.js'
import { hasRightId, idMismatch, signatureInvalid } from './pure-verifier.js'

/**
 * Checks events with an implementation of BIP-340, such as a native library of an app. Lengths and lower case are looked at
 * first, and the id is hashed here: libraries differ in what they make of the rest. Throws where it gives a wrong answer on
 * known signatures. Source: SPEC SIG2, SIG4.
 *
 * @param name shown in logs
 */
export function createSchnorrVerifier(name: string, verify: VerifySchnorr): EventVerifier {
  const wrong = firstWrongAnswer(verify)
  if (wrong !== undefined) throw new SyncError('INTERNAL', `${name} fails its self-test: ${wrong}`)
  return {
    name,
    verify(event) {
      const { id, pubkey, sig } = event
      if (!isHex64(id) || !isHex64(pubkey) || !hasRightId(event)) {
        throw idMismatch()
      }
      if (!isHex128(sig) || !verify(hexToBytes(sig), hexToBytes(id), hexToBytes(pubkey))) {
        throw signatureInvalid()
      }
    },
  }
}
