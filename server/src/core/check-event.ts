import {
  type DeletionRequest,
  decodeUpdateEvent,
  type EventVerifier,
  formatAddress,
  isDocumentKind,
  KIND,
  type Limits,
  type NostrEvent,
  parseDeletion,
  parseEvent,
  type RosterStatement,
  SyncError,
  stringifyEvent,
  utf8Length,
} from '@onyx-sync/shared'
import type { DocumentContent } from '../ports/document-content.js'
import type { DecodedContent } from '../ports/merger.js'
import { checkExpiration } from './expiry.js'
import { checkPlain, isForAnyone, type PlainPlace, plainPlaceOf } from './plain-events.js'
import { checkVanish } from './vanish-check.js'

/** An event that is what its author signed and says something this server can keep. */
export interface CheckedEvent {
  readonly event: NostrEvent
  /** Canonical JSON: what is stored and forwarded. */
  readonly json: string
  /** Bytes that this takes in UTF-8. */
  readonly bytes: number
  /** Undefined for events of no document. */
  readonly content: DocumentContent | undefined
  /** Whose it is: the document's owner, else the author. */
  readonly owner: string
  /** What an owner's event says about a chat's members; undefined on all others. */
  readonly statement: RosterStatement | undefined
  /** Whether its author wants to vanish. */
  readonly isVanish?: true
  /** What is to be deleted; undefined on all events of other kinds than 5. */
  readonly deletion?: DeletionRequest
  /** Where an event of a further kind belongs; absent on all others. */
  readonly plain?: PlainPlace
}

/** What an event is checked with. */
export interface EventChecks {
  /** Keys that have authenticated on the connection. */
  readonly keys: ReadonlySet<string>
  readonly verifier: EventVerifier
  readonly limits: Limits
  /** The server's clock; without it expiration isn't looked at. */
  readonly nowMs?: number
  /** Public URLs of the server, any of which a request to vanish may name. */
  relayUrls?(): readonly string[]
  /** Whether a kind without a meaning of its own here is taken. @default none is */
  isExtraKind?(kind: number): boolean
}

/** Kinds of events that belong to no document. */
const OTHER_KINDS: readonly number[] = [KIND.training, KIND.deletion, KIND.vanish]

/** A lone half of a surrogate pair: UTF-8 can't tell two of them apart, so two documents would share a log. */
const LONE_SURROGATE = /\p{Surrogate}/u

/** An event of a document of which all was checked but its content, which is large. */
export type UndecodedEvent = Pick<CheckedEvent, 'event' | 'json' | 'bytes'>

/** Bytes of the largest update that is decoded between two looks at the sockets: a few milliseconds. */
const INLINE_UPDATE_BYTES = 256 * 1024
/**
 * Characters of the longest content that is. DEFLATE of a size that isn't known beforehand is undone in steps, of which
 * a megabyte has a thousand.
 */
const INLINE_CONTENT_LENGTH = 24 * 1024

/** The limits within which content is decoded at once, where something else can decode what is larger. */
export function inlineLimits(limits: Limits): Limits {
  return { ...limits, maxUpdateBytes: Math.min(limits.maxUpdateBytes, INLINE_UPDATE_BYTES) }
}

/**
 * Everything that can be said of an event without looking at what is stored, cheapest first: shape and size,
 * some key authenticated, kind, id and signature, author authenticated, tags, Yjs content. Throws a
 * `SyncError` whose reason is the answer. Source: SPEC ING1.
 */
export function checkEvent(value: unknown, checks: EventChecks): CheckedEvent {
  const begun = beginCheck(value, checks)
  return 'owner' in begun ? begun : finishCheck(begun, decodeContentOf(begun.event, checks.limits))
}

/** The same, but for the content of an event that goes beyond `inline`. */
export function beginCheck(
  value: unknown,
  checks: EventChecks,
  inline: Limits = checks.limits,
): CheckedEvent | UndecodedEvent {
  const formed = checkForm(value, checks)
  checks.verifier.verify(formed.event)
  return checkSigned(formed, checks, inline)
}

/** The first half of it: everything that can be said without the signature. */
export function checkForm(value: unknown, checks: EventChecks): UndecodedEvent {
  const undecoded = checkShape(value, checks)
  const { event } = undecoded
  const isPlain = checks.isExtraKind?.(event.kind) === true
  if (!isPlain && !isDocumentKind(event.kind) && !OTHER_KINDS.includes(event.kind)) {
    throw new SyncError('KIND_NOT_ACCEPTED', `kind ${event.kind} is not accepted here`)
  }
  return undecoded
}

/** The second half, of an event whose id and signature hold. */
export function checkSigned(
  undecoded: UndecodedEvent,
  checks: EventChecks,
  inline: Limits = checks.limits,
): CheckedEvent | UndecodedEvent {
  const { event } = undecoded
  const isPlain = checks.isExtraKind?.(event.kind) === true
  checkIsAuthor(event, checks)
  const { limits, nowMs } = checks
  if (nowMs !== undefined) checkExpiration(event, nowMs)
  if (isPlain) return checkedPlain(undecoded)
  if (!isDocumentKind(event.kind)) {
    const checked = { ...undecoded, content: undefined, owner: event.pubkey, statement: undefined }
    if (event.kind === KIND.vanish) {
      const nowSeconds = Math.floor((nowMs ?? Date.now()) / 1000)
      checkVanish(event, checks.relayUrls?.() ?? [], nowSeconds + limits.maxAuthSkewSeconds)
      return { ...checked, isVanish: true }
    }
    return event.kind === KIND.deletion ? { ...checked, deletion: parseDeletion(event) } : checked
  }
  if (event.content.length > INLINE_CONTENT_LENGTH && inline !== limits) return undecoded
  try {
    return finishCheck(undecoded, decodeContentOf(event, inline))
  } catch (error) {
    // Whether it is too large for everybody is found where it is decoded.
    if (inline !== limits && error instanceof SyncError && error.code === 'TOO_LARGE') return undecoded
    throw error
  }
}

/** An event with its content. Throws where that can't be taken. */
export function finishCheck(undecoded: UndecodedEvent, decoded: DecodedContent): CheckedEvent {
  if (LONE_SURROGATE.test(decoded.content.address)) {
    throw new SyncError('EVENT_TAGS_INVALID', 'the d tag must be well-formed Unicode')
  }
  return { ...undecoded, ...decoded }
}

function checkedPlain(undecoded: UndecodedEvent): CheckedEvent {
  const { event } = undecoded
  checkPlain(event)
  const plain = plainPlaceOf(event)
  if (plain === undefined) throw new SyncError('INTERNAL', `kind ${event.kind} has rules of its own`)
  return { ...undecoded, content: undefined, owner: plain.owner, statement: undefined, plain }
}

/** What the content of a document's event and its tags say. Throws what {@link decodeUpdateEvent} throws. */
export function decodeContentOf(event: NostrEvent, limits: Limits): DecodedContent {
  const { address, roster, framed, clientIds, part } = decodeUpdateEvent(event, limits)
  const content = { address: formatAddress(address), framed, clientIds, part }
  return { content, owner: address.owner, statement: roster }
}

/** An event of the right shape and size, and its canonical JSON, from a connection that has some key. */
export function checkShape(value: unknown, { keys, limits }: EventChecks): UndecodedEvent {
  const event = parseEvent(value, limits)
  const json = stringifyEvent(event)
  const bytes = utf8Length(json)
  checkSize(bytes, limits.maxEventBytes)
  // Before the signature: a stranger must not make this server work for him.
  if (keys.size === 0) throw new SyncError('AUTH_REQUIRED', 'authenticate (NIP-42) before you publish')
  return { event, json, bytes }
}

/** That an event is what its author signed, and that the author has authenticated on the connection. */
export function checkAuthor(event: NostrEvent, checks: EventChecks): void {
  checks.verifier.verify(event)
  checkIsAuthor(event, checks)
}

function checkIsAuthor(event: NostrEvent, { keys }: EventChecks): void {
  if (!keys.has(event.pubkey) && !isForAnyone(event)) {
    throw new SyncError(
      'WRITE_RESTRICTED',
      'events are taken from their author only; authenticate this key too',
    )
  }
}

function checkSize(bytes: number, maxBytes: number): void {
  if (bytes > maxBytes) {
    throw new SyncError('TOO_LARGE', `the event has ${bytes} bytes, at most ${maxBytes} are allowed`)
  }
}
