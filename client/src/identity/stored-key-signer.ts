import { bytesToHex, hexToBytes } from '@noble/hashes/utils.js'
import { type EventTemplate, type NostrEvent, type Random, SyncError, systemRandom } from '@onyx-sync/shared'
import { finalizeEvent, getPublicKey } from 'nostr-tools/pure'

/** Where a device keeps secrets; `expo-secure-store` as it is, or a keychain behind the same three functions. */
export interface SecretStorage {
  getItemAsync(name: string): Promise<string | null>
  setItemAsync(name: string, value: string): Promise<void>
  deleteItemAsync(name: string): Promise<void>
}

export interface StoredKeySignerOptions {
  readonly storage: SecretStorage
  /** Name of the secret in the storage: letters, digits, `.`, `-` and `_`. @default 'onyx-sync.secret-key' */
  readonly name?: string
  /** A key to keep, 32 bytes, where there is none yet; one is drawn where this isn't given. */
  readonly secretKey?: Uint8Array
  /** Draws a new key. @default the platform's `crypto.getRandomValues` */
  readonly random?: Random
}

/** A signer whose key is in the device's secret storage, and in memory only while it signs. */
export interface StoredKeySigner {
  getPublicKey(): Promise<string>
  signEvent(template: EventTemplate): Promise<NostrEvent>
  /** Whether the key was made by this call: then nobody has it but this device. */
  readonly isNew: boolean
}

const HEX_KEY = /^[0-9a-f]{64}$/

/**
 * Opens the key of this device, or makes one. Rejects with `KEY_INVALID` where what is stored is no key, or another
 * key is given than the one that is there (nothing is changed then), and `STORE_FAILED` where the storage refuses.
 */
export async function openStoredKeySigner(options: StoredKeySignerOptions): Promise<StoredKeySigner> {
  const { storage, name = 'onyx-sync.secret-key', random = systemRandom } = options
  const given = options.secretKey === undefined ? undefined : bytesToHex(options.secretKey)
  const stored = await read(storage, name)
  if (stored !== undefined && given !== undefined && stored !== given) {
    throw new SyncError(
      'KEY_INVALID',
      `there is another key under ${name}: forget that first, or choose another name`,
    )
  }
  const secret = stored ?? given ?? bytesToHex(random.bytes(32))
  const pubkey = publicKeyOf(secret)
  if (stored === undefined) await keep(storage, name, secret)
  return {
    isNew: stored === undefined && given === undefined,
    getPublicKey: async () => pubkey,
    async signEvent(template) {
      // Read anew, so that a key that was taken away signs nothing more.
      const now = await read(storage, name)
      if (now !== secret)
        throw new SyncError('SIGNER_FAILED', `the key under ${name} is gone or was replaced`)
      return finalizeEvent(
        { ...template, tags: template.tags.map((tag) => [...tag]) },
        hexToBytes(now),
      ) as NostrEvent
    },
  }
}

async function read(storage: SecretStorage, name: string): Promise<string | undefined> {
  let value: string | null
  try {
    value = await storage.getItemAsync(name)
  } catch (cause) {
    throw new SyncError('STORE_FAILED', `the secret storage can't be read: ${String(cause)}`, { cause })
  }
  if (value === null) return undefined
  // What it is instead is not said: it may be another secret.
  if (!HEX_KEY.test(value)) throw new SyncError('KEY_INVALID', `what is stored under ${name} is no key`)
  return value
}

async function keep(storage: SecretStorage, name: string, secret: string): Promise<void> {
  try {
    await storage.setItemAsync(name, secret)
  } catch (cause) {
    throw new SyncError('STORE_FAILED', 'the secret storage did not take the key', { cause })
  }
  // There are keychains that take a value and don't keep it; what is signed with such a key is lost with it.
  if ((await read(storage, name)) !== secret)
    throw new SyncError('STORE_FAILED', 'the secret storage took the key and does not have it')
}

function publicKeyOf(secret: string): string {
  try {
    return getPublicKey(hexToBytes(secret))
  } catch (cause) {
    throw new SyncError('KEY_INVALID', 'a secret key has 32 bytes, is not zero and below the curve order', {
      cause,
    })
  }
}
