import { closeSync, fsyncSync, mkdirSync, openSync, readFileSync, writeSync } from 'node:fs'
import { dirname } from 'node:path'
import { isHex64, type Signer, SyncError } from '@onyx-sync/shared'
import { decode, nsecEncode } from 'nostr-tools/nip19'
import { generateSecretKey, getPublicKey } from 'nostr-tools/pure'
import { createNodeSigner } from '../adapters/node/signatures.js'

/** A new random private key, 32 bytes. */
export const createSecretKey: () => Uint8Array = generateSecretKey

/** A private key written as `nsec1…` (NIP-19) or 64 hex characters. Throws `KEY_INVALID`, without the key. */
export function parseSecretKey(text: string): Uint8Array {
  const key = text.trim()
  try {
    const decoded = isHex64(key.toLowerCase())
      ? { type: 'nsec', data: Uint8Array.from(Buffer.from(key, 'hex')) }
      : decode(key)
    if (decoded.type === 'nsec') {
      const secretKey = decoded.data as Uint8Array
      // Throws for the few numbers that are no key, such as 0.
      getPublicKey(secretKey)
      return secretKey
    }
  } catch {
    // Said below, without the key.
  }
  throw new SyncError('KEY_INVALID', 'a private key is nsec1… or 64 hex characters')
}

/** Reads a key file. Throws `KEY_INVALID` if it is missing or holds no key. */
export function readKeyFile(file: string): Uint8Array {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException
    throw new SyncError(
      'KEY_INVALID',
      code === 'ENOENT'
        ? `there is no key file ${file}: name it with --key-file`
        : `the key file ${file} can't be read (${code})`,
      { cause },
    )
  }
  try {
    return parseSecretKey(text)
  } catch (cause) {
    throw new SyncError(
      'KEY_INVALID',
      `${file} holds no private key: it must be nsec1… or 64 hex characters`,
      { cause },
    )
  }
}

/** Writes a new key file that only its owner may read, durable before it returns. Throws if the file exists. */
export function writeKeyFile(file: string, secretKey: Uint8Array): void {
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 })
  const handle = openSync(file, 'wx', 0o600)
  try {
    writeSync(handle, `${nsecEncode(secretKey)}\n`)
    fsyncSync(handle)
  } finally {
    closeSync(handle)
  }
}

/** The public key of a private one: 64 lower-case hex characters. */
export const publicKeyOf: (secretKey: Uint8Array) => string = getPublicKey

/** A signer that reads the key file only when there is something to sign. */
export function createKeyFileSigner(file: string, pubkey: string): Signer {
  let signer: Promise<Signer> | undefined
  return {
    getPublicKey: async () => pubkey,
    signEvent: async (template) => {
      signer ??= createNodeSigner(readKeyFile(file))
      return (await signer).signEvent(template)
    },
  }
}
