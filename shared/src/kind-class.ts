import { isDocumentKind, KIND } from './kinds.js'

/** How a relay keeps events of a kind (NIP-01). */
export type KindClass = 'regular' | 'replaceable' | 'ephemeral' | 'addressable'

/** The class of a kind, by its range. What NIP-01 puts into none counts as regular: every event is kept. */
export function classOfKind(kind: number): KindClass {
  if (kind === 0 || kind === 3 || (kind >= 10_000 && kind < 20_000)) return 'replaceable'
  if (kind >= 20_000 && kind < 30_000) return 'ephemeral'
  return kind >= 30_000 && kind < 40_000 ? 'addressable' : 'regular'
}

/** Direct message (NIP-04): for its author and its receiver. */
export const DIRECT_MESSAGE_KIND = 4

/** Reposts (NIP-18), which may hold the event that they repost. */
export const REPOST_KINDS: readonly number[] = [6, 16]

const GIFT_WRAP_KINDS: readonly number[] = [1059, 21_059]

/** Whether a kind is that of gift wraps, stored or ephemeral: signed by a throw-away key, for one receiver (NIP-59). */
export function isGiftWrapKind(kind: number): boolean {
  return GIFT_WRAP_KINDS.includes(kind)
}

const OWN_KINDS: ReadonlySet<number> = new Set(Object.values(KIND))
/** Room for what a later version of this project sends. */
const RESERVED_KINDS = { from: 20_000, through: 20_009 }
/** Proof of key for one HTTP request (NIP-98): whoever had it could make the request. */
const HTTP_AUTH_KIND = 27_235
/** Seals, and what they hold: these travel inside of gift wraps only (NIP-59, NIP-17). */
const SEALED_KINDS: readonly number[] = [13, 14, 15]

/** Whether a kind has a meaning of its own here, so that NIP-01's plain rules don't hold for it. */
export function isOwnKind(kind: number): boolean {
  return OWN_KINDS.has(kind)
}

/** Why a server can't be told to take a kind by NIP-01's plain rules; undefined where it can. */
export function whyNotExtraKind(kind: number): string | undefined {
  if (!Number.isInteger(kind) || kind < 0 || kind > 65_535) return 'a kind is a whole number from 0 to 65535'
  if (isDocumentKind(kind)) return `kind ${kind} is that of documents, and always taken`
  if (isOwnKind(kind) || (kind >= RESERVED_KINDS.from && kind <= RESERVED_KINDS.through)) {
    return `kind ${kind} has a meaning of its own here`
  }
  if (kind === HTTP_AUTH_KIND)
    return `kind ${kind} proves a key to an HTTP server, and must reach nobody else`
  if (SEALED_KINDS.includes(kind)) return `kind ${kind} travels inside of gift wraps only: take 1059`
  return undefined
}

/** Characters of the identifier of an addressable event. */
export const MAX_COORDINATE_IDENTIFIER = 1_024

/** What names a replaceable or addressable event, in the form of an `a` tag; undefined for other kinds (NIP-01). */
export function coordinateOf(event: {
  readonly kind: number
  readonly pubkey: string
  readonly tags: readonly (readonly string[])[]
}): string | undefined {
  const { kind, pubkey, tags } = event
  const kindClass = classOfKind(kind)
  if (kindClass === 'replaceable') return `${kind}:${pubkey}:`
  if (kindClass !== 'addressable') return undefined
  return `${kind}:${pubkey}:${tags.find(([name]) => name === 'd')?.[1] ?? ''}`
}
