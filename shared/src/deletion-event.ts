import { parseAddress } from './address.js'
import { SyncError } from './errors.js'
import { type EventTemplate, type NostrEvent, tagValues } from './event.js'
import { isHex64 } from './hex.js'
import { classOfKind, MAX_COORDINATE_IDENTIFIER } from './kind-class.js'
import { KIND } from './kinds.js'

/** What a deletion request names, each once, in the order of its tags (NIP-09). */
export interface DeletionRequest {
  /** Ids of events. */
  readonly ids: readonly string[]
  /** Addresses of documents, of the author's own. */
  readonly documents: readonly string[]
  /** Addresses of replaceable and addressable events of other kinds, of the author's own. */
  readonly coordinates: readonly string[]
}

/** What a deletion request is made of. */
export interface DeletionInput {
  readonly ids?: readonly string[]
  /** `kind:pubkey:identifier`. */
  readonly addresses?: readonly string[]
  /** Kinds of the events that `ids` name. */
  readonly kinds?: readonly number[]
  /** Unix seconds. */
  readonly createdAt: number
}

/** The template of a deletion request. The kinds of addresses are stated by themselves. Source: NIP-09. */
export function createDeletionTemplate(input: DeletionInput): EventTemplate {
  const { ids = [], addresses = [], createdAt } = input
  const kinds = new Set([...(input.kinds ?? []).map(String), ...addresses.map((address) => kindOf(address))])
  return {
    kind: KIND.deletion,
    created_at: createdAt,
    tags: [
      ...ids.map((id) => ['e', id]),
      ...addresses.map((address) => ['a', address]),
      ...[...kinds].map((kind) => ['k', kind]),
      ['-'],
    ],
    content: '',
  }
}

function kindOf(address: string): string {
  return address.slice(0, address.indexOf(':'))
}

/**
 * Reads a deletion request. Throws `EVENT_TAGS_INVALID` where it names nothing, or something that can't be
 * deleted, and `WRITE_RESTRICTED` where it names an address of somebody else. Whose events the ids are is not
 * known here. Source: NIP-09, SPEC DEL1.
 */
export function parseDeletion(event: Pick<NostrEvent, 'pubkey' | 'tags'>): DeletionRequest {
  const ids = new Set(tagValues(event, 'e'))
  const addresses = new Set(tagValues(event, 'a'))
  if (ids.size + addresses.size === 0) {
    throw new SyncError(
      'EVENT_TAGS_INVALID',
      'a deletion request names events in "e" or "a" tags; this has none',
    )
  }
  for (const id of ids) {
    if (!isHex64(id)) throw new SyncError('EVENT_TAGS_INVALID', 'an e tag holds 64 lower-case hex characters')
  }
  const documents: string[] = []
  const coordinates: string[] = []
  for (const address of addresses) {
    const owner = ownerOfCoordinate(address)
    if (owner === undefined) {
      throw new SyncError('EVENT_TAGS_INVALID', 'an a tag holds <kind>:<public key>:<identifier>')
    }
    if (owner !== event.pubkey) {
      throw new SyncError('WRITE_RESTRICTED', `only its owner may delete ${address}`)
    }
    ;(parseAddress(address) === undefined ? coordinates : documents).push(address)
  }
  return { ids: [...ids], documents, coordinates }
}

const COORDINATE = /^(0|[1-9]\d{0,4}):([0-9a-f]{64}):([\s\S]*)$/
const LONE_SURROGATE = /\p{Surrogate}/u
const DOCUMENT_KINDS: readonly string[] = [String(KIND.chat), String(KIND.settings)]

/** The key in the address of a replaceable or addressable event; undefined for anything else. */
function ownerOfCoordinate(text: string): string | undefined {
  const [, kindText = '', owner, identifier = ''] = COORDINATE.exec(text) ?? []
  if (owner === undefined) return undefined
  if (DOCUMENT_KINDS.includes(kindText)) return parseAddress(text)?.owner
  const kindClass = classOfKind(Number(kindText))
  if (kindClass === 'addressable') return owner
  return kindClass === 'replaceable' && identifier === '' ? owner : undefined
}

/**
 * Addresses of replaceable and addressable events, documents apart, that a deletion request names. Those that no
 * event here can have are left out. For requests that were checked when they were stored.
 */
export function coordinatesOfDeletion(event: Pick<NostrEvent, 'tags'>): string[] {
  return [...new Set(tagValues(event, 'a'))].filter((address) => {
    const [, kind = '', , identifier = ''] = COORDINATE.exec(address) ?? []
    const isPossible = identifier.length <= MAX_COORDINATE_IDENTIFIER && !LONE_SURROGATE.test(identifier)
    return kind !== '' && !DOCUMENT_KINDS.includes(kind) && isPossible
  })
}
