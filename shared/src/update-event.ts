import { addressToDTag, type DocumentAddress, formatAddress, parseAddress } from './address.js'
import { type ContentEncoding, encodingTag, parseEncodingTag } from './content-encoding.js'
import { SyncError } from './errors.js'
import { type EventTemplate, type NostrEvent, tagValues } from './event.js'
import { isDocumentKind, KIND, SETTINGS_IDENTIFIER } from './kinds.js'
import type { Limits } from './limits.js'
import { type Part, parsePartTag, partTag } from './part-tag.js'
import { parseRoster, type Roster, type RosterStatement, rosterTags } from './roster.js'
import { checkUpdate, type UpdateSummary } from './update-check.js'
import { decodeContent, encodeContent, type FramedUpdate } from './update-codec.js'

/** What goes into an update event besides time and signature. */
export interface UpdateEventInput {
  readonly address: DocumentAddress
  /** Who will sign: 64 lower-case hex characters. */
  readonly author: string
  readonly framed: FramedUpdate
  /** Who the members are, as far as is known; only an owner's event of a chat says it, elsewhere it is left out. */
  readonly roster: Roster
  /** Unix seconds. Never decides a merge. */
  readonly createdAt: number
  /** Which part of an edit this is; undefined for an edit in one event. */
  readonly part?: Part | undefined
}

/** An update event, ready to sign. Throws `VALUE_INVALID` for a part that can't be. Source: SPEC EVT1–EVT6. */
export function createUpdateTemplate(input: UpdateEventInput): EventTemplate {
  const { address, author, framed, roster, createdAt, part } = input
  const { content, encoding } = encodeContent(framed)
  const tags = [['d', addressToDTag(address)], ['-'], encodingTag(encoding)]
  if (part !== undefined) tags.push(partTag(part))
  if (author !== address.owner) tags.push(['a', formatAddress(address)])
  else if (address.kind === KIND.chat) tags.push(...rosterTags(roster))
  return { kind: address.kind, created_at: createdAt, tags, content }
}

/** What the tags of an update event say. */
export interface UpdateHeader {
  readonly address: DocumentAddress
  readonly encoding: ContentEncoding
  /** What the owner says about a chat's members; undefined on other events, which say nothing. */
  readonly roster: RosterStatement | undefined
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
    roster: isOwner ? parseOwnersRoster(event, limits) : undefined,
    part: parsePartTag(event, limits),
  }
}

function parseOwnersRoster(event: NostrEvent, limits: Limits): RosterStatement | undefined {
  const roster = parseRoster(event, limits)
  return event.kind === KIND.settings ? undefined : roster
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
