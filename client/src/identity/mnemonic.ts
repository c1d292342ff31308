import { sha256 } from '@noble/hashes/sha2.js'
import { SyncError } from '@onyx-sync/shared'
import { privateKeyFromSeedWords, validateWords } from 'nostr-tools/nip06'

/** How a private key is made from a mnemonic: by NIP-06, or as the Onyx app does (SHA-256 of the words). */
export type Derivation = 'nip06' | 'onyx'

/**
 * The private key of a mnemonic, 32 bytes. Words are separated by single spaces first, as both ways expect them. Throws
 * `KEY_INVALID`, without the words, for what is no BIP-39 mnemonic.
 */
export function secretKeyFromMnemonic(mnemonic: string, derivation: Derivation): Uint8Array {
  const words = mnemonic.trim().split(/\s+/).join(' ')
  if (!validateWords(words))
    throw new SyncError('KEY_INVALID', 'the mnemonic is not a valid list of BIP-39 words')
  return derivation === 'onyx' ? sha256(new TextEncoder().encode(words)) : privateKeyFromSeedWords(words)
}
