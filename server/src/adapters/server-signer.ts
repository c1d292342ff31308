import { randomBytes } from 'node:crypto'
import { schnorr } from '@noble/curves/secp256k1.js'
import { bytesToHex, type EventTemplate, type Logger, type NostrEvent } from '@onyx-sync/shared'
import { eventId } from './verifiers/event-verifier.js'

/** Makes an event of a template, signed with the server's key. */
export type SignEvent = (template: EventTemplate) => NostrEvent

export interface ServerSigner {
  /** Of the server's key: 64 lower-case hex characters. */
  readonly pubkey: string
  readonly sign: SignEvent
}

type SignSchnorr = (message: Uint8Array, secretKey: Uint8Array, randomness: Uint8Array) => Uint8Array

/**
 * Signs events with the server's key, by libsecp256k1 as WebAssembly, or by JavaScript where the engine can't run
 * that: a state of some megabytes takes several signatures while somebody waits. Ids are hashed by Node's OpenSSL.
 *
 * @param secretKey 32 bytes
 */
export async function createServerSigner(secretKey: Uint8Array, logger: Logger): Promise<ServerSigner> {
  const publicKey = schnorr.getPublicKey(secretKey)
  const pubkey = bytesToHex(publicKey)
  const signSchnorr = await chooseSign(secretKey, publicKey, logger)
  const sign: SignEvent = ({ kind, created_at, tags, content }) => {
    const unsigned = { pubkey, created_at, kind, tags, content }
    const id = eventId(unsigned)
    if (id === undefined) throw new RangeError(`an event of kind ${kind} at ${created_at} has no id`)
    const sig = bytesToHex(signSchnorr(Buffer.from(id, 'hex'), secretKey, randomBytes(32)))
    return { id, ...unsigned, sig }
  }
  return { pubkey, sign }
}

/** WebAssembly's, once JavaScript's has found a signature of it right. */
async function chooseSign(
  secretKey: Uint8Array,
  publicKey: Uint8Array,
  logger: Logger,
): Promise<SignSchnorr> {
  try {
    const { signSchnorr } = await import('tiny-secp256k1')
    const probe = randomBytes(32)
    if (!schnorr.verify(signSchnorr(probe, secretKey, randomBytes(32)), probe, publicKey)) {
      throw new Error('its signature is wrong')
    }
    return signSchnorr
  } catch (error) {
    logger.warn('the server signs with JavaScript, which is slower', { reason: String(error) })
    return schnorr.sign
  }
}
