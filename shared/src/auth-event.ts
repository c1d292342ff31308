import { makeAuthEvent } from 'nostr-tools/nip42'
import { SyncError } from './errors.js'
import { type EventTemplate, type NostrEvent, tagValues } from './event.js'
import { KIND } from './kinds.js'
import type { Limits } from './limits.js'
import type { EventVerifier } from './ports.js'

/** The event that proves a key to one server for one connection (NIP-42). `nowMs` is the device's clock. */
export function createAuthTemplate(relayUrl: string, challenge: string, nowMs: number): EventTemplate {
  return { ...makeAuthEvent(relayUrl, challenge), created_at: Math.floor(nowMs / 1000) }
}

/** What an AUTH event is checked against. */
export interface AuthExpectation {
  /** The challenge of this very connection. */
  readonly challenge: string
  /** Public URLs of this server, any of which the event may name. */
  readonly relayUrls: readonly string[]
  /** The server's clock, milliseconds. */
  readonly nowMs: number
}

/**
 * The key that an AUTH event proves. Throws `AUTH_INVALID`, or `AUTH_CLOCK_SKEW` with the server's time so
 * that an app can tell its user to set the clock; or what the verifier throws. Source: NIP-42, SPEC AUTH2.
 */
export function checkAuthEvent(
  event: NostrEvent,
  expected: AuthExpectation,
  verifier: EventVerifier,
  limits: Limits,
): string {
  if (event.kind !== KIND.auth) {
    throw new SyncError('AUTH_INVALID', `an AUTH event has kind ${KIND.auth}, this one ${event.kind}`)
  }
  if (!tagValues(event, 'challenge').includes(expected.challenge)) {
    throw new SyncError('AUTH_INVALID', 'the challenge tag is not the challenge of this connection')
  }
  const allowed = expected.relayUrls.map(normalizeRelayUrl)
  const named = tagValues(event, 'relay')
  if (!named.some((url) => allowed.includes(normalizeRelayUrl(url)))) {
    throw new SyncError(
      'AUTH_INVALID',
      `the relay tag names ${named[0] ?? 'nothing'}, this server is ${expected.relayUrls[0]}`,
    )
  }
  const nowSeconds = Math.floor(expected.nowMs / 1000)
  const skewSeconds = event.created_at - nowSeconds
  if (Math.abs(skewSeconds) > limits.maxAuthSkewSeconds) {
    throw new SyncError(
      'AUTH_CLOCK_SKEW',
      `created_at is ${Math.abs(skewSeconds)} s ${skewSeconds > 0 ? 'ahead of' : 'behind'} the server's clock ` +
        `(${nowSeconds}, ${new Date(expected.nowMs).toISOString()}): set the device's clock`,
    )
  }
  verifier.verify(event)
  return event.pubkey
}

const LOOPBACK_HOSTS = new Set(['localhost', '127.0.0.1', '[::1]'])

/**
 * A relay URL in the form in which two are compared: scheme, host, port and path; no trailing slash, query or
 * fragment. The names of the loopback interface count as one, since they are the same machine. Returns the
 * text unchanged when it is no URL.
 */
export function normalizeRelayUrl(text: string): string {
  let url: URL
  try {
    url = new URL(text)
  } catch {
    return text
  }
  const scheme = url.protocol.replace(/^http/, 'ws')
  const host = LOOPBACK_HOSTS.has(url.hostname) ? 'localhost' : url.hostname
  const port = url.port === '' ? (scheme === 'wss:' ? '443' : '80') : url.port
  return `${scheme}//${host}:${port}${url.pathname.replace(/\/+$/, '')}`
}
