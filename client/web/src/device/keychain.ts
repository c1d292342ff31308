import { openStoredKeySigner, type SecretStorage, SyncError } from '@onyx-sync/client'
import type { Change } from './durable-values.js'
import { keptValues } from './kept-values.js'
import type { Slot } from './slot.js'

/** Whose chats are on this device, and where its key is. */
export interface Account {
  readonly pubkey: string
  /** `key`: in this browser. `extension`: with a signer extension (NIP-07), which signs when it is asked. */
  readonly kind: 'key' | 'extension'
}

/** What a signer extension offers to a page. Source: NIP-07. */
export interface NostrExtension {
  getPublicKey(): Promise<string>
  signEvent(template: unknown): Promise<unknown>
}

type Signer = Parameters<typeof import('@onyx-sync/client').createSyncClient>[0]['signer']

const HEX = /^[0-9a-f]{64}$/

/** The extension, where the browser has one. It may come a moment after the page. */
export function nostrExtension(): NostrExtension | undefined {
  return (globalThis as { nostr?: NostrExtension }).nostr
}

/**
 * The account and the key of one device, on the disk before they are used. Nothing here is ever sent; whoever can run scripts
 * on this origin, or read the browser's profile, has the key. Throws `STORE_FAILED` where the browser gives no storage.
 */
export function createKeychain(slot: Slot) {
  const accountName = `onyx-sync.account${slot.suffix}`
  const keyName = `onyx-sync.secret-key${slot.suffix}`

  const secrets: SecretStorage = {
    getItemAsync: async (name) => keptValues.get(name) ?? null,
    setItemAsync: (name, value) => keptValues.setOnceKept([name, value]),
    deleteItemAsync: (name) => keptValues.set([name, undefined]),
  }

  async function keep(account: Account): Promise<Account> {
    await keptValues.setOnceKept([accountName, JSON.stringify(account)])
    return account
  }

  return {
    /** Under which name of the storage the account is, for those who listen to other tabs. */
    accountName,

    /** The account of this device; undefined where there is none yet. */
    account(): Account | undefined {
      const text = keptValues.get(accountName)
      if (text === undefined) return undefined
      const { pubkey, kind } = JSON.parse(text) as Account
      return HEX.test(pubkey) ? { pubkey, kind } : undefined
    },

    /** Keeps a key, or draws a new one where none is given. Rejects with `KEY_INVALID` and `STORE_FAILED`. */
    async takeKey(secretKey?: Uint8Array): Promise<Account> {
      const signer = await openStoredKeySigner({
        storage: secrets,
        name: keyName,
        ...(secretKey && { secretKey }),
      })
      return keep({ pubkey: await signer.getPublicKey(), kind: 'key' })
    },

    /** Leaves the key with the extension. Rejects as that does, such as when its user says no. */
    async takeExtension(): Promise<Account> {
      const extension = nostrExtension()
      if (extension === undefined)
        throw new SyncError('SIGNER_FAILED', 'this browser has no signer extension')
      const pubkey = await extension.getPublicKey()
      if (!HEX.test(pubkey)) throw new SyncError('KEY_INVALID', 'the extension gave something that is no key')
      return keep({ pubkey, kind: 'extension' })
    },

    async signer({ kind, pubkey }: Account): Promise<Signer> {
      if (kind === 'key') return openStoredKeySigner({ storage: secrets, name: keyName })
      return {
        getPublicKey: async () => pubkey,
        async signEvent(template) {
          const extension = nostrExtension()
          if (extension === undefined)
            throw new SyncError('SIGNER_FAILED', 'the signer extension is gone: switch it on again')
          return extension.signEvent(template) as ReturnType<Signer['signEvent']>
        },
      }
    },

    /** The secret key, 64 hex characters; undefined where an extension has it. */
    reveal: () => keptValues.get(keyName),

    /** Forgets account and key, and changes others with them. What isn't kept elsewhere is gone. */
    async forget(...others: readonly Change[]): Promise<void> {
      await keptValues.set([accountName, undefined], [keyName, undefined], ...others)
    },
  }
}

export type Keychain = ReturnType<typeof createKeychain>

/** A new key, for an account that is on two devices from its beginning. */
export function newSecretKey(): Uint8Array {
  return crypto.getRandomValues(new Uint8Array(32))
}
