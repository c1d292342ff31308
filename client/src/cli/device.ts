import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { type Logger, SyncError, silentLogger } from '@onyx-sync/shared'
import { createSyncClient } from '../client.js'
import type { SyncClient } from '../client-api.js'
import type { HoldChoice } from '../core/hold-choice.js'
import type { SyncMode } from '../core/server-info.js'
import { type Derivation, secretKeyFromMnemonic } from '../identity/mnemonic.js'
import { createNodeTransport, createNodeVerifier, openNodeStore } from '../node.js'
import type { SyncStore } from '../ports/store.js'
import {
  createKeyFileSigner,
  createSecretKey,
  parseSecretKey,
  publicKeyOf,
  readKeyFile,
  writeKeyFile,
} from './key-file.js'

/** Keys of the store's meta that only the terminal device uses. */
const META_KEY_FILE = 'cli.keyFile'
const META_URL = 'cli.url'
const META_MODE = 'cli.mode'
const META_PUBKEY = 'pubkey'

/** Where `init` takes the key from. */
export interface InitOptions {
  readonly db: string
  readonly keyFile?: string
  readonly nsec?: string
  readonly mnemonic?: string
  readonly derivation: Derivation
}

/** What `init` made or found. */
export interface InitResult {
  readonly pubkey: string
  readonly db: string
  readonly keyFile: string
}

/**
 * Makes a device, or finds the one that is there. Rejects with `KEY_INVALID` when a key is given and the key
 * file holds another, and as the store does.
 */
export async function initDevice(options: InitOptions): Promise<InitResult> {
  const db = resolve(options.db)
  const keyFile = resolve(options.keyFile ?? `${db}.key`)
  const given =
    options.nsec !== undefined
      ? parseSecretKey(options.nsec)
      : options.mnemonic !== undefined
        ? secretKeyFromMnemonic(options.mnemonic, options.derivation)
        : undefined
  const owner = await readOwner(db)
  const secretKey = chooseKey(keyFile, given, owner)
  const pubkey = publicKeyOf(secretKey)
  if (owner !== undefined && owner !== pubkey) {
    throw new SyncError(
      'IDENTITY_MISMATCH',
      `${db} belongs to ${owner}, this key to ${pubkey}: name another --db`,
    )
  }
  // Before the database, so that no account is ever without its key.
  if (!existsSync(keyFile)) writeKeyFile(keyFile, secretKey)
  const store = await openNodeStore({ file: db })
  try {
    const client = await createSyncClient({ store, signer: createKeyFileSigner(keyFile, pubkey) })
    await store.commit({ meta: { [META_KEY_FILE]: keyFile } })
    return { pubkey: client.pubkey, db, keyFile }
  } finally {
    await store.close()
  }
}

/** The account that a database belongs to; undefined where there is none yet. */
async function readOwner(db: string): Promise<string | undefined> {
  if (!existsSync(db)) return undefined
  const store = await openNodeStore({ file: db })
  try {
    return (await store.loadMeta())[META_PUBKEY]
  } finally {
    await store.close()
  }
}

function chooseKey(keyFile: string, given: Uint8Array | undefined, owner: string | undefined): Uint8Array {
  if (existsSync(keyFile)) {
    const kept = readKeyFile(keyFile)
    if (given === undefined || publicKeyOf(given) === publicKeyOf(kept)) return kept
    throw new SyncError(
      'KEY_INVALID',
      `${keyFile} holds another key than the one given: name a new file with --key-file`,
    )
  }
  if (given !== undefined) return given
  if (owner === undefined) return createSecretKey()
  throw new SyncError(
    'KEY_INVALID',
    `there is no key file ${keyFile} for the account ${owner}: name it with --key-file`,
  )
}

/** A device opened for one command. */
export interface Device {
  readonly client: SyncClient
  readonly store: SyncStore
  /** The server to sync with: the one given, else the one used last. */
  readonly url: string | undefined
}

/** Opens a device that `init` made. Rejects with `DATABASE_UNREADABLE` if there is none, and as the store does. */
export async function openDevice(options: {
  readonly db: string
  readonly keyFile?: string
  readonly url?: string
  readonly isOnline: boolean
  readonly allowInsecure?: boolean
  readonly hold?: HoldChoice
  readonly logger?: Logger
}): Promise<Device> {
  const db = resolve(options.db)
  if (!existsSync(db)) {
    throw new SyncError(
      'DATABASE_UNREADABLE',
      `there is no device at ${db}: make one with "onyx-sync init --db ${options.db}"`,
    )
  }
  const store = await openNodeStore({ file: db })
  try {
    const meta = await store.loadMeta()
    const pubkey = meta[META_PUBKEY]
    if (pubkey === undefined) {
      throw new SyncError(
        'DATABASE_UNREADABLE',
        `${db} has no account yet: run "onyx-sync init --db ${options.db}"`,
      )
    }
    const keyFile = resolve(options.keyFile ?? meta[META_KEY_FILE] ?? `${db}.key`)
    const url = options.url ?? meta[META_URL]
    if (options.isOnline && url === undefined) {
      throw new SyncError(
        'VALUE_INVALID',
        'name the server with --url, for example --url ws://127.0.0.1:7447/sync',
      )
    }
    const { logger = silentLogger } = options
    const client = await createSyncClient({
      store,
      signer: createKeyFileSigner(keyFile, pubkey),
      logger,
      ...(options.hold === undefined ? {} : { hold: options.hold }),
      ...(options.isOnline
        ? {
            url: url as string,
            allowInsecure: options.allowInsecure === true,
            transport: createNodeTransport(),
            // What has no connection gets nothing to check: it needs not wait for one.
            verifier: await createNodeVerifier({ logger }),
          }
        : {}),
    })
    return { client, store, url }
  } catch (error) {
    await store.close()
    throw error
  }
}

/** Remembers the server for the next `sync`, and what it is for `status`. */
export async function rememberServer(
  store: SyncStore,
  url: string,
  mode: SyncMode | undefined,
): Promise<void> {
  const meta = await store.loadMeta()
  const now = { [META_URL]: url, [META_MODE]: mode ?? '' }
  if (meta[META_URL] !== url || meta[META_MODE] !== now[META_MODE]) await store.commit({ meta: now })
}

/** What the server of the last `sync` was; undefined before the first. */
export async function lastMode(store: SyncStore): Promise<SyncMode | undefined> {
  const mode = (await store.loadMeta())[META_MODE]
  return mode === 'sync' || mode === 'plain' ? mode : undefined
}
