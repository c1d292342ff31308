import { isHex64, type Logger, type NostrEvent, SyncError } from '@onyx-sync/shared'

/** Whom a device believes that something is a document's merged state. */
export type TrustPolicy = 'server' | 'authors'

/** Key of the pinned server key in the store's meta. */
export const META_SERVER_KEY = 'serverKey'

/** Knows the one key that may sign merged states. What authors signed needs none of this. */
export interface ServerTrust {
  /** Whether to ask for none. */
  readonly refusesStates: boolean
  /** Whether the server is the one whose word is taken, be it for merged states or for what a list shows. */
  readonly isServerKnown: boolean
  /** Why merged states are not taken from this server, where they are wanted. */
  readonly problem: SyncError | undefined
  /** The server named its own key (NIP-11 `self`). The first one is pinned, unless one was configured. */
  introduced(pubkey: string | undefined): void
  /** Throws `SERVER_KEY_CHANGED` unless the pinned key signed this; the signature itself is not looked at. */
  check(event: NostrEvent): void
  /** Something was wrong with a merged state: no more are asked for until the device starts again. */
  distrust(): void
}

export interface ServerTrustOptions {
  /** `'authors'`: only what authors signed is believed. */
  readonly policy: TrustPolicy
  /** Pinned by configuration: 64 lower-case hex characters. */
  readonly configured: string | undefined
  /** Pinned at an earlier contact. */
  readonly stored: string | undefined
  readonly logger: Logger
  /** Keeps a key for later starts. */
  pin(pubkey: string): void
}

export function createServerTrust(options: ServerTrustOptions): ServerTrust {
  const { policy, configured, logger } = options
  if (configured !== undefined && !isHex64(configured)) {
    throw new SyncError(
      'VALUE_INVALID',
      `serverKey is 64 lower-case hex characters, not ${JSON.stringify(configured)}`,
    )
  }
  let pinned = configured ?? options.stored
  let isKnown = false
  let isOther = false
  let hasFailed = false
  let problem: SyncError | undefined

  function changed(pubkey: string | undefined): SyncError {
    return new SyncError(
      'SERVER_KEY_CHANGED',
      `the server's key was ${pinned} and is ${pubkey ?? 'not named'} now: merged states are not taken from it. If it was replaced, give the new key as serverKey`,
    )
  }

  return {
    get problem() {
      return problem
    },
    get isServerKnown() {
      return policy !== 'authors' && isKnown
    },
    get refusesStates() {
      return policy === 'authors' || isOther || hasFailed
    },
    introduced(pubkey) {
      isOther = false
      isKnown = pubkey !== undefined && (pinned === undefined || pinned === pubkey)
      problem = undefined
      if (policy === 'authors') return
      if (pubkey !== undefined && pinned === undefined) {
        pinned = pubkey
        logger.warn('the key of this server is trusted from now on for merged states', { pubkey })
        options.pin(pubkey)
      }
      if (isKnown || pinned === undefined) return
      isOther = true
      problem = changed(pubkey)
      logger.warn(problem.message)
    },
    check({ pubkey }) {
      if (!isKnown || pubkey !== pinned) throw changed(pubkey)
    },
    distrust() {
      hasFailed = true
    },
  }
}
