import { addressToDTag, type DocumentAddress, formatAddress, parseAddress } from './address.js'
import { type ContentEncoding, encodingTag, parseEncodingTag } from './content-encoding.js'
import { SyncError } from './errors.js'
import { type EventTemplate, type NostrEvent, tagValues } from './event.js'
import { isHex64 } from './hex.js'
import { isDocumentKind, KIND, SETTINGS_IDENTIFIER } from './kinds.js'
import type { Limits } from './limits.js'
import { type Part, parsePartTag, partTag } from './part-tag.js'
import { checkUpdate, type UpdateSummary } from './update-check.js'
import { decodeContent, encodeContent, type FramedUpdate } from './update-codec.js'

/** Who may read and write a chat besides its owner, as an owner's event states it. */
export interface Member {
  /** 64 lower-case hex characters. */
  readonly pubkey: string
  /** The `p` tag's further values (relay hint and what later versions add), carried along untouched. */
  readonly extra: readonly string[]
}

/** What goes into an update event besides time and signature. */
export interface UpdateEventInput {
  readonly address: DocumentAddress
  /** Who will sign: 64 lower-case hex characters. */
  readonly author: string
  readonly framed: FramedUpdate
  /** The chat's members; only an owner's event states them, from others they are left out. */
  readonly members: readonly Member[]
  /** Unix seconds. Never decides a merge. */
  readonly createdAt: number
  /** Which part of an edit this is; undefined for an edit in one event. */
  readonly part?: Part | undefined
}

/** An update event, ready to sign. Throws `VALUE_INVALID` for a part that can't be. Source: SPEC EVT1–EVT6. */
export function createUpdateTemplate(input: UpdateEventInput): EventTemplate {
  const { address, author, framed, members, createdAt, part } = input
  const { content, encoding } = encodeContent(framed)
  const tags = [['d', addressToDTag(address)], ['-'], encodingTag(encoding)]
  if (part !== undefined) tags.push(partTag(part))
  if (author !== address.owner) tags.push(['a', formatAddress(address)])
  else for (const member of members) tags.push(['p', member.pubkey, ...member.extra])
  return { kind: address.kind, created_at: createdAt, tags, content }
}

/** What the tags of an update event say. */
export interface UpdateHeader {
  readonly address: DocumentAddress
  readonly encoding: ContentEncoding
  /** The members that the owner states; undefined on a member's event, which states none. */
  readonly members: readonly Member[] | undefined
  /** Which part of an edit this is; undefined for an edit in one event. */
  readonly part: Part | undefined
}

function invalid(message: string): SyncError {
  return new SyncError('EVENT_TAGS_INVALID', message)
}

/**
 * The tags of an update event, checked. Throws `EVENT_TAGS_INVALID`, `ENCODING_UNKNOWN` or
 * `KIND_NOT_ACCEPTED`. Source: SPEC EVT1–EVT6.
 */
export function parseUpdateHeader(event: NostrEvent, limits: Limits): UpdateHeader {
  const { kind } = event
  if (!isDocumentKind(kind)) throw new SyncError('KIND_NOT_ACCEPTED', `kind ${kind} carries no document`)
  const identifier = parseIdentifier(event, kind, limits)
  const own: DocumentAddress = {
    kind,
    owner: event.pubkey,
    identifier: kind === KIND.settings ? '' : identifier,
  }
  const address = parseOwnership(event, own)
  const isOwner = address.owner === event.pubkey
  return {
    address,
    encoding: parseEncodingTag(event),
    members: isOwner ? parseMembers(event) : undefined,
    part: parsePartTag(event, limits),
  }
}

function parseIdentifier(event: NostrEvent, kind: number, limits: Limits): string {
  const dTags = event.tags.filter((tag) => tag[0] === 'd')
  const identifier = dTags[0]?.[1]
  if (dTags.length !== 1 || identifier === undefined)
    throw invalid('exactly one d tag with a value is needed')
  if (kind === KIND.settings && identifier !== SETTINGS_IDENTIFIER) {
    throw invalid(`the d tag of settings is "${SETTINGS_IDENTIFIER}"`)
  }
  if (identifier.length < 1 || identifier.length > limits.maxIdentifierLength) {
    throw invalid(`the d tag has 1–${limits.maxIdentifierLength} characters, this one ${identifier.length}`)
  }
  return identifier
}

function parseOwnership(event: NostrEvent, own: DocumentAddress): DocumentAddress {
  const aTags = tagValues(event, 'a')
  if (aTags.length === 0) return own
  const address = aTags.length === 1 ? parseAddress(aTags[0] as string) : undefined
  if (address === undefined || address.kind !== own.kind || address.identifier !== own.identifier) {
    throw invalid(
      'the a tag, given at most once, is "<kind>:<owner>:<chat id>" with the same kind and id as the event',
    )
  }
  return address
}

/** The members that the `p` tags of an owner's event state. Throws `EVENT_TAGS_INVALID`. */
export function parseMembers(event: NostrEvent): Member[] {
  const members: Member[] = []
  const seen = new Set([event.pubkey])
  for (const tag of event.tags) {
    if (tag[0] !== 'p') continue
    if (event.kind === KIND.settings) throw invalid('settings belong to one account: they carry no p tags')
    const pubkey = tag[1]
    if (!isHex64(pubkey)) throw invalid('a p tag names a key as 64 lower-case hex characters')
    if (seen.has(pubkey)) continue
    seen.add(pubkey)
    members.push({ pubkey, extra: tag.slice(2) })
  }
  return members
}

/** An update event taken apart. */
export interface DecodedUpdateEvent extends UpdateHeader, UpdateSummary {
  readonly framed: FramedUpdate
}

/**
 * The document and the Yjs update of an event whose id and signature hold. Everything is checked, nothing is
 * applied. Throws what {@link parseUpdateHeader}, {@link decodeContent} and {@link checkUpdate} throw.
 */
export function decodeUpdateEvent(event: NostrEvent, limits: Limits): DecodedUpdateEvent {
  const header = parseUpdateHeader(event, limits)
  const framed = decodeContent(event.content, header.encoding, limits)
  const summary = checkUpdate(framed.update, header.address.kind, limits)
  return { ...header, ...summary, framed }
}
