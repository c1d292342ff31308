import { type Clock, getOrCreate, type Limits, SyncError } from '@onyx-sync/shared'
import { createMinuteBucket, type TokenBucket } from './token-bucket.js'

/**
 * How often everybody may do something, over all connections of an address and of a key. In memory only: after a
 * restart everybody begins with a full minute's share. Source: SPEC RATE1–RATE4.
 */
export interface RateLimits {
  /** Whether an address may make one more connection; if not, why. Counts the attempt. */
  admit(address: string): SyncError | undefined
  /** A connection that was admitted. Without an address, only its key is counted. */
  connect(address: string | undefined): ConnectionMeter
}

/** Counts what one connection does. Its methods return why something is too much, or undefined. */
export interface ConnectionMeter {
  /** Any message, before it is parsed. @param bytes its size */
  message(bytes: number): SyncError | undefined
  auth(): SyncError | undefined
  event(): SyncError | undefined
  request(): SyncError | undefined
  /** A key has logged in. The first one is whom the connection counts for. */
  authenticated(key: string): void
  end(): void
}

/** Nobody connected and nothing done for so long: all its buckets are full again. Milliseconds. */
const IDLE_MS = 60_000

interface Shares {
  connections: number
  unauthenticated: number
  usedAtMs: number
  readonly buckets: Map<keyof Limits, TokenBucket>
}

type What = readonly [limit: keyof Limits, what: string]

const HANDSHAKES: What = ['maxHandshakesPerMinute', 'connections from this address']
const AUTHS: What = ['maxAuthsPerMinute', 'logins from this address']
const STRANGERS: What = ['maxUnauthenticatedMessagesPerMinute', 'messages before a login from this address']
const ADDRESS_MESSAGES: What = ['maxMessagesPerMinutePerAddress', 'messages from this address']
const ADDRESS_BYTES: What = ['maxBytesPerMinutePerAddress', 'bytes from this address']
const MESSAGES: What = ['maxMessagesPerMinute', 'messages of this key']
const BYTES: What = ['maxBytesPerMinute', 'bytes of this key']
const EVENTS: What = ['maxEventsPerMinute', 'events of this key']
const REQUESTS: What = ['maxRequestsPerMinute', 'REQ and COUNT of this key']

export function createRateLimits({
  limits,
  clock,
}: {
  readonly limits: Limits
  readonly clock: Clock
}): RateLimits {
  const byAddress = new Map<string, Shares>()
  const byKey = new Map<string, Shares>()
  let sweptAtMs = clock.now()

  function sharesOf(map: Map<string, Shares>, name: string): Shares {
    const shares = getOrCreate(map, name, () => ({
      connections: 0,
      unauthenticated: 0,
      usedAtMs: 0,
      buckets: new Map(),
    }))
    shares.usedAtMs = clock.now()
    return shares
  }

  /** Forgets who is gone and has got a full share back: not before, or reconnecting would give a new one. */
  function sweep(): void {
    const nowMs = clock.now()
    if (Math.abs(nowMs - sweptAtMs) < IDLE_MS) return
    sweptAtMs = nowMs
    for (const map of [byAddress, byKey]) {
      for (const [name, { connections, usedAtMs }] of map) {
        if (connections === 0 && Math.abs(nowMs - usedAtMs) >= IDLE_MS) map.delete(name)
      }
    }
  }

  function take(shares: Shares | undefined, [limit, what]: What, cost = 1): SyncError | undefined {
    if (shares === undefined) return undefined
    shares.usedAtMs = clock.now()
    const bucket = getOrCreate(shares.buckets, limit, () => createMinuteBucket(clock, limits[limit]))
    if (bucket.take(cost)) return undefined
    const seconds = Math.max(1, Math.ceil(bucket.secondsUntil(cost)))
    return new SyncError(
      'RATE_LIMITED',
      `at most ${limits[limit]} ${what} a minute; wait ${seconds} s and go on`,
    )
  }

  return {
    admit(address) {
      sweep()
      const shares = sharesOf(byAddress, address)
      if (shares.connections >= limits.maxConnectionsPerAddress) {
        const message = `at most ${limits.maxConnectionsPerAddress} connections from this address; close one`
        return new SyncError('RATE_LIMITED', message)
      }
      if (shares.unauthenticated >= limits.maxUnauthenticatedPerAddress) {
        const message = `at most ${limits.maxUnauthenticatedPerAddress} connections without a login from this address; log in on one, or wait`
        return new SyncError('RATE_LIMITED', message)
      }
      return take(shares, HANDSHAKES)
    },

    connect(address) {
      const place = address === undefined ? undefined : sharesOf(byAddress, address)
      let account: Shares | undefined
      let isOpen = true
      if (place !== undefined) {
        place.connections++
        place.unauthenticated++
      }
      return {
        message: (bytes) =>
          take(place, ADDRESS_MESSAGES) ??
          take(place, ADDRESS_BYTES, bytes) ??
          (account === undefined
            ? take(place, STRANGERS)
            : (take(account, MESSAGES) ?? take(account, BYTES, bytes))),
        auth: () => take(place, AUTHS),
        event: () => take(account, EVENTS),
        request: () => take(account, REQUESTS),
        authenticated(key) {
          if (account !== undefined || !isOpen) return
          account = sharesOf(byKey, key)
          account.connections++
          if (place !== undefined) place.unauthenticated--
        },
        end() {
          if (!isOpen) return
          isOpen = false
          if (place !== undefined) {
            place.connections--
            if (account === undefined) place.unauthenticated--
          }
          if (account !== undefined) account.connections--
        },
      }
    },
  }
}
