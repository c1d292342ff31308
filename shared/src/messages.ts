import { SyncError } from './errors.js'
import type { NostrEvent } from './event.js'
import type { Limits } from './limits.js'

/** What a client says (NIP-01, NIP-42, NIP-45, NIP-77). Events and filters are not checked yet. */
export type ClientMessage =
  | { readonly type: 'EVENT'; readonly event: unknown }
  | { readonly type: 'REQ' | 'COUNT'; readonly subscriptionId: string; readonly filters: readonly unknown[] }
  | { readonly type: 'CLOSE'; readonly subscriptionId: string }
  | { readonly type: 'AUTH'; readonly event: unknown }
  | {
      readonly type: 'NEG-OPEN'
      readonly subscriptionId: string
      readonly filter: unknown
      readonly message: unknown
    }
  | { readonly type: 'NEG-MSG'; readonly subscriptionId: string; readonly message: unknown }
  | { readonly type: 'NEG-CLOSE'; readonly subscriptionId: string }

/** What a server says. Events are not checked yet. */
export type RelayMessage =
  | { readonly type: 'AUTH'; readonly challenge: string }
  | {
      readonly type: 'EVENT'
      readonly subscriptionId: string
      readonly event: unknown
      readonly cursor?: string
    }
  | { readonly type: 'OK'; readonly eventId: string; readonly accepted: boolean; readonly reason: string }
  | { readonly type: 'EOSE'; readonly subscriptionId: string; readonly hints: readonly string[] }
  | { readonly type: 'CLOSED'; readonly subscriptionId: string; readonly reason: string }
  | { readonly type: 'NOTICE'; readonly text: string }

/** Hints of an `EOSE` (NIP-67, and the sync extension's two). */
export const EOSE_FINISH = 'finish'
export const EOSE_MORE = 'more'
/** The cursor named another database or one that was set back: everything was sent from the beginning. */
export const EOSE_RESET = 'reset'
const CURSOR_HINT = 'cursor:'

/** The hint that carries a cursor. */
export function cursorHint(cursor: string): string {
  return CURSOR_HINT + cursor
}

/** The cursor among an `EOSE`'s hints, if there is one. */
export function cursorOfHints(hints: readonly string[]): string | undefined {
  return hints.find((hint) => hint.startsWith(CURSOR_HINT))?.slice(CURSOR_HINT.length)
}

function malformed(message: string): SyncError {
  return new SyncError('MESSAGE_MALFORMED', message)
}

function parseArray(text: string): unknown[] {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    throw malformed('a message must be JSON')
  }
  if (!Array.isArray(value) || typeof value[0] !== 'string') {
    throw malformed('a message is a JSON array that begins with its type, such as ["REQ", "id", {}]')
  }
  return value
}

/** A client's message. Throws `MESSAGE_MALFORMED`; answer it with a `NOTICE`. */
export function parseClientMessage(text: string, limits: Limits): ClientMessage {
  const [type, ...rest] = parseArray(text)
  switch (type) {
    case 'EVENT':
      return { type, event: rest[0] }
    case 'AUTH':
      return { type, event: rest[0] }
    case 'REQ':
    case 'COUNT':
      return { type, subscriptionId: parseSubscriptionId(type, rest[0], limits), filters: rest.slice(1) }
    case 'CLOSE':
    case 'NEG-CLOSE':
      return { type, subscriptionId: parseSubscriptionId(type, rest[0], limits) }
    case 'NEG-OPEN': {
      const [id, filter, message] = rest
      return { type, subscriptionId: parseSubscriptionId(type, id, limits), filter, message }
    }
    case 'NEG-MSG':
      return { type, subscriptionId: parseSubscriptionId(type, rest[0], limits), message: rest[1] }
    default:
      throw malformed(`unknown message type ${JSON.stringify(String(type).slice(0, 32))}`)
  }
}

function parseSubscriptionId(type: string, value: unknown, limits: Limits): string {
  if (typeof value !== 'string' || value.length < 1 || value.length > limits.maxSubscriptionIdLength) {
    throw malformed(
      `${type}: a subscription id is a string of 1–${limits.maxSubscriptionIdLength} characters`,
    )
  }
  return value
}

/** A server's message. Throws `MESSAGE_MALFORMED`; unknown types return undefined and are to be ignored. */
export function parseRelayMessage(text: string): RelayMessage | undefined {
  const [type, first, second, third] = parseArray(text)
  switch (type) {
    case 'AUTH':
      return { type, challenge: parseString(type, first) }
    case 'EVENT':
      return {
        type,
        subscriptionId: parseString(type, first),
        event: second,
        ...(typeof third === 'string' ? { cursor: third } : {}),
      }
    case 'OK':
      if (typeof second !== 'boolean') throw malformed('OK: the third element must be a boolean')
      return {
        type,
        eventId: parseString(type, first),
        accepted: second,
        reason: typeof third === 'string' ? third : '',
      }
    case 'EOSE': {
      const hints = Array.isArray(second) ? second.filter((hint) => typeof hint === 'string') : []
      return { type, subscriptionId: parseString(type, first), hints }
    }
    case 'CLOSED':
      return {
        type,
        subscriptionId: parseString(type, first),
        reason: typeof second === 'string' ? second : '',
      }
    case 'NOTICE':
      return { type, text: parseString(type, first) }
    default:
      return undefined
  }
}

function parseString(type: string, value: unknown): string {
  if (typeof value !== 'string') throw malformed(`${type}: the second element must be a string`)
  return value
}

/** Encoders of what a client says. Each returns the text of one WebSocket message. */
export const encodeClient = {
  event: (event: NostrEvent): string => JSON.stringify(['EVENT', event]),
  auth: (event: NostrEvent): string => JSON.stringify(['AUTH', event]),
  req: (subscriptionId: string, ...filters: readonly Record<string, unknown>[]): string =>
    JSON.stringify(['REQ', subscriptionId, ...filters]),
  close: (subscriptionId: string): string => JSON.stringify(['CLOSE', subscriptionId]),
} as const

/** Encoders of what a server says. Each returns the text of one WebSocket message. */
export const encodeRelay = {
  auth: (challenge: string): string => JSON.stringify(['AUTH', challenge]),
  ok: (eventId: string, accepted: boolean, reason: string): string =>
    JSON.stringify(['OK', eventId, accepted, reason]),
  /** `eventJson` is the stored text: it goes out without being parsed and written again. */
  event: (subscriptionId: string, eventJson: string, cursor?: string): string =>
    cursor === undefined
      ? `["EVENT",${JSON.stringify(subscriptionId)},${eventJson}]`
      : `["EVENT",${JSON.stringify(subscriptionId)},${eventJson},${JSON.stringify(cursor)}]`,
  eose: (subscriptionId: string, hints: readonly string[]): string =>
    JSON.stringify(['EOSE', subscriptionId, hints]),
  closed: (subscriptionId: string, reason: string): string =>
    JSON.stringify(['CLOSED', subscriptionId, reason]),
  notice: (text: string): string => JSON.stringify(['NOTICE', text]),
  count: (subscriptionId: string, count: number): string =>
    JSON.stringify(['COUNT', subscriptionId, { count }]),
  /** `message` is hex. */
  negMsg: (subscriptionId: string, message: string): string =>
    JSON.stringify(['NEG-MSG', subscriptionId, message]),
  /** `mostRecords`, where a query is refused as too large: how many records it may have. */
  negErr: (subscriptionId: string, reason: string, mostRecords?: number): string =>
    JSON.stringify(['NEG-ERR', subscriptionId, reason, ...(mostRecords === undefined ? [] : [mostRecords])]),
} as const
