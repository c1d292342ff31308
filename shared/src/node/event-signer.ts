import { randomBytes } from 'node:crypto'
import { schnorr } from '@noble/curves/secp256k1.js'
import { SyncError } from '../errors.js'
import type { EventTemplate, NostrEvent } from '../event.js'
import { bytesToHex } from '../hex.js'
import type { Logger } from '../ports.js'
import { silentLogger } from '../system.js'
import { chooseFastest, type Factories, type SchnorrChoice } from './choose-fastest.js'
import { eventId } from './event-id.js'
import { firstWrongSigning } from './known-signings.js'
import { createNativeSigning } from './native-signing.js'
import { createPureSigning } from './pure-schnorr.js'
import type { SchnorrSigning, SigningKey } from './schnorr.js'
import { createWasmSigning } from './wasm-schnorr.js'

/** Signs events with a key in memory, at once. */
export interface EventSigner {
  /** Shown in logs: which implementation signs. */
  readonly name: string
  /** Of its key: 64 lower-case hex characters. */
  readonly pubkey: string
  /**
   * The event of a template, with fresh randomness in its signature. Throws `RangeError` for a number that NIP-01 can't
   * write, and `SIGNER_FAILED` once the key is forgotten.
   */
  readonly sign: (template: EventTemplate) => NostrEvent
  /** Overwrites the key in memory. */
  readonly forget: () => void
}

export interface EventSignerOptions {
  /** @default 'auto' */
  readonly choice?: SchnorrChoice
  /** Never told anything of the key. @default keeps quiet */
  readonly logger?: Logger
  /** For tests. */
  readonly factories?: Factories<SchnorrSigning>
}

const FACTORIES: Factories<SchnorrSigning> = {
  native: () => createNativeSigning(),
  wasm: createWasmSigning,
  pure: createPureSigning,
}
const HASH_BYTES = 32

/**
 * A signer by the implementation that was chosen, or the next that is there and signs rightly (SPEC SIG8). Rejects with
 * `KEY_INVALID` for what is no secret key.
 *
 * @param secretKey 32 bytes, which are copied
 */
export async function createEventSigner(
  secretKey: Uint8Array,
  options: EventSignerOptions = {},
): Promise<EventSigner> {
  const { choice = 'auto', logger = silentLogger, factories = FACTORIES } = options
  // What is given may be overwritten while an implementation is loaded.
  const given = Uint8Array.from(secretKey)
  const publicKey = publicKeyOf(given)
  try {
    return await chooseFastest({
      ...{ what: 'signer', choice, logger, factories },
      tryOut(signing) {
        const key = tryKey(signing, given, publicKey)
        logger.info('events are signed by', { signer: signing.name })
        return signerOf(signing.name, key, bytesToHex(publicKey))
      },
    })
  } finally {
    given.fill(0)
  }
}

function publicKeyOf(secretKey: Uint8Array): Uint8Array {
  try {
    return schnorr.getPublicKey(secretKey)
  } catch {
    throw new SyncError('KEY_INVALID', 'a secret key has 32 bytes, is not zero and below the curve order')
  }
}

/** The key, once the implementation signs as BIP-340 says, and JavaScript finds a signature of this key right. */
function tryKey(signing: SchnorrSigning, secretKey: Uint8Array, publicKey: Uint8Array): SigningKey {
  const wrong = firstWrongSigning(signing)
  if (wrong !== undefined) throw new Error(wrong)
  const key = signing.keep(secretKey)
  try {
    const probe = randomBytes(HASH_BYTES)
    if (!schnorr.verify(key.sign(probe, randomBytes(HASH_BYTES)), probe, publicKey))
      throw new Error('its signature is wrong')
    return key
  } catch (error) {
    key.wipe()
    throw error
  }
}

function signerOf(name: string, key: SigningKey, pubkey: string): EventSigner {
  let isForgotten = false
  return {
    name,
    pubkey,
    sign({ kind, created_at, tags, content }) {
      if (isForgotten) throw new SyncError('SIGNER_FAILED', 'the key was forgotten')
      const unsigned = { pubkey, created_at, kind, tags: tags.map((tag) => [...tag]), content }
      const id = eventId(unsigned)
      if (id === undefined) throw new RangeError(`an event of kind ${kind} at ${created_at} has no id`)
      const signature = key.sign(Buffer.from(id, 'hex'), randomBytes(HASH_BYTES))
      return { id, ...unsigned, sig: Buffer.from(signature).toString('hex') }
    },
    forget() {
      isForgotten = true
      key.wipe()
    },
  }
}
