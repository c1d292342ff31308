import type { Random } from '@onyx-sync/shared'
import { SyncError } from '@onyx-sync/shared'
import type { Batching, Heartbeat } from './client-api.js'
import { createClientId } from './core/client-id.js'

/** Above this, timers of all platforms fire at once. Milliseconds. */
const MAX_TIMER_MS = 2 ** 31 - 1

const RANDOM_DRAWS = 4

/**
 * Two documents opened under one client id diverge for good, so a source that yields only small words, or
 * always the same one, is refused with `RANDOM_WEAK` (trap Y15). A good source fails this once in 2^64 starts.
 */
export function checkRandom(random: Random): void {
  const words = Array.from({ length: RANDOM_DRAWS }, () => createClientId(random))
  if (words.some((word) => word >= 2 ** 16) && words.some((word) => word !== words[0])) return
  throw new SyncError(
    'RANDOM_WEAK',
    `the random source gave ${words.join(', ')} as 32-bit words: it needs one that fills every byte, such as crypto.getRandomValues`,
  )
}

/** The session's options for a heartbeat. Throws `VALUE_INVALID`. Source: SPEC CRS4. */
export function checkHeartbeat({ afterMs, timeoutMs }: Heartbeat = {}): {
  pingAfterMs?: number
  pingTimeoutMs?: number
} {
  for (const value of [afterMs, timeoutMs]) {
    if (value === undefined || (value > 0 && value <= MAX_TIMER_MS)) continue
    throw new SyncError(
      'VALUE_INVALID',
      `heartbeat is in milliseconds from 1 to ${MAX_TIMER_MS}, not ${value}`,
    )
  }
  return {
    ...(afterMs === undefined ? {} : { pingAfterMs: afterMs }),
    ...(timeoutMs === undefined ? {} : { pingTimeoutMs: timeoutMs }),
  }
}

/** The pacing of events. Throws `VALUE_INVALID`. Source: SPEC OUT16. */
export function checkBatching({ burst, intervalMs }: Batching = {}): Batching {
  if (burst !== undefined && !(Number.isSafeInteger(burst) && burst >= 1))
    throw new SyncError('VALUE_INVALID', `batching.burst is a whole number from 1, not ${burst}`)
  if (intervalMs !== undefined && !(intervalMs >= 0 && intervalMs <= MAX_TIMER_MS)) {
    throw new SyncError(
      'VALUE_INVALID',
      `batching.intervalMs is in milliseconds from 0 to ${MAX_TIMER_MS}, not ${intervalMs}`,
    )
  }
  return {
    ...(burst === undefined ? {} : { burst }),
    ...(intervalMs === undefined ? {} : { intervalMs }),
  }
}

/** Names of this very machine: nobody else can listen in between. */
const LOOPBACK = /^(localhost|[^.]+\.localhost|127(\.\d{1,3}){3}|\[::1\])$/

/**
 * A server's address as given. Throws `VALUE_INVALID`, and `CONNECTION_INSECURE` for one without TLS that leaves
 * this machine, unless that is allowed. Source: SPEC SES15.
 */
export function checkUrl(text: string, allowInsecure = false): string {
  let url: URL | undefined
  try {
    url = new URL(text)
  } catch {
    // Said below.
  }
  if (url === undefined || (url.protocol !== 'ws:' && url.protocol !== 'wss:')) {
    throw new SyncError(
      'VALUE_INVALID',
      `a server's address looks like wss://host/sync, not ${JSON.stringify(text)}`,
    )
  }
  if (url.protocol === 'ws:' && !allowInsecure && !LOOPBACK.test(url.hostname)) {
    throw new SyncError(
      'CONNECTION_INSECURE',
      `${text} is not encrypted: everybody on the way could read and change what is said; use wss:, or allow it (allowInsecure, --insecure)`,
    )
  }
  return text
}
