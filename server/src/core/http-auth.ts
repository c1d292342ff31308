import {
  type Clock,
  type EventVerifier,
  type Limits,
  type NostrEvent,
  normalizeRelayUrl,
  parseEvent,
  SyncError,
  tagValues,
} from '@onyx-sync/shared'

/** Kind of an event that authorizes one HTTP request (NIP-98). */
export const HTTP_AUTH_KIND = 27_235

/** How far the time of such an event may be off, either way, seconds. */
const MAX_SKEW_SECONDS = 60

/** One HTTP request, as far as an authorization is about it. */
export interface AuthorizedRequest {
  /** Value of its `Authorization` header; undefined without one. */
  readonly authorization: string | undefined
  readonly method: string
  /** SHA-256 of its body, 64 lower-case hex characters. */
  readonly bodyHash: string
}

export interface HttpAuthOptions {
  readonly verifier: EventVerifier
  readonly clock: Clock
  readonly limits: Limits
  /** Whether a key may ask at all: looked at before its signature is checked. */
  isAllowed(pubkey: string): boolean
  /** Public URLs of this server, any of which the event may name. */
  urls(): readonly string[]
}

/**
 * Checks authorizations of HTTP requests: an event of kind 27235 in base64, that names this server, the method and
 * the hash of this very body, signed within 60 s by a key that is allowed to ask, and not used before. Throws
 * `AUTH_REQUIRED` or `AUTH_INVALID` with what is wrong. Source: NIP-98, SPEC MAN1.
 */
export function createHttpAuth(options: HttpAuthOptions) {
  const { verifier, clock, limits } = options
  /** Ids that were used, with the second from which on their time is too old anyway. */
  const used = new Map<string, number>()

  function assertUnused(event: NostrEvent, nowSeconds: number): void {
    for (const [id, until] of used) if (until < nowSeconds) used.delete(id)
    if (used.has(event.id)) throw invalid('this authorization was used before: sign another one')
    used.set(event.id, event.created_at + MAX_SKEW_SECONDS)
  }

  /** @returns the key that authorizes the request */
  return ({ authorization, method, bodyHash }: AuthorizedRequest): string => {
    const event = parseHeader(authorization, limits)
    if (event.kind !== HTTP_AUTH_KIND) throw invalid(`the event has kind ${HTTP_AUTH_KIND}`)
    if (!options.isAllowed(event.pubkey)) throw invalid('this key is no operator of this server')
    const [url = ''] = tagValues(event, 'u')
    if (!options.urls().map(normalizeRelayUrl).includes(normalizeRelayUrl(url)))
      throw invalid(`the u tag is the URL of this server, ${options.urls()[0]}`)
    if (tagValues(event, 'method')[0]?.toUpperCase() !== method) throw invalid(`the method tag is ${method}`)
    if (tagValues(event, 'payload')[0] !== bodyHash)
      throw invalid('the payload tag is the SHA-256 of the body, in hex')
    const nowSeconds = Math.floor(clock.now() / 1000)
    if (Math.abs(event.created_at - nowSeconds) > MAX_SKEW_SECONDS) {
      throw invalid(`created_at is more than ${MAX_SKEW_SECONDS} s off the server's clock (${nowSeconds})`)
    }
    verifier.verify(event)
    assertUnused(event, nowSeconds)
    return event.pubkey
  }
}

function parseHeader(authorization: string | undefined, limits: Limits): NostrEvent {
  const base64 = /^nostr +([A-Za-z0-9+/_=-]+)$/i.exec(authorization ?? '')?.[1]
  if (base64 === undefined)
    throw new SyncError('AUTH_REQUIRED', 'send "Authorization: Nostr <base64 of an event of kind 27235>"')
  try {
    const bytes = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0))
    return parseEvent(JSON.parse(new TextDecoder().decode(bytes)), limits)
  } catch (cause) {
    throw new SyncError('AUTH_INVALID', 'the authorization is no event in base64', { cause })
  }
}

function invalid(message: string): SyncError {
  return new SyncError('AUTH_INVALID', message)
}
