import { SyncError } from './errors.js'
import { isHex64, isHex128 } from './hex.js'
import type { Limits } from './limits.js'

/** An event before it is signed (NIP-01). `created_at` is Unix seconds. */
export interface EventTemplate {
  kind: number
  created_at: number
  tags: string[][]
  content: string
}

/** A signed event (NIP-01): `id` and `pubkey` 64, `sig` 128 lower-case hex characters. */
export interface NostrEvent extends EventTemplate {
  id: string
  pubkey: string
  sig: string
}

const MAX_KIND = 65_535
const EVENT_FIELDS = 'id, pubkey, created_at, kind, tags, content, sig'

function malformed(message: string): SyncError {
  return new SyncError('EVENT_MALFORMED', message)
}

/**
 * An event of exactly NIP-01's seven fields, each of the right shape. Further fields are left out, since no
 * signature covers them. Throws `EVENT_MALFORMED` or `TOO_LARGE`. Neither id nor signature is checked here.
 */
export function parseEvent(value: unknown, limits: Limits): NostrEvent {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw malformed(`an event is a JSON object with the fields ${EVENT_FIELDS}`)
  }
  const { id, pubkey, created_at, kind, tags, content, sig } = value as Record<string, unknown>
  if (!isHex64(id)) throw malformed('id must be 64 lower-case hex characters')
  if (!isHex64(pubkey)) throw malformed('pubkey must be 64 lower-case hex characters')
  if (!isHex128(sig)) throw malformed('sig must be 128 lower-case hex characters')
  if (!Number.isSafeInteger(created_at) || (created_at as number) < 0) {
    throw malformed('created_at must be a whole number of seconds, 0 or more')
  }
  if (!Number.isInteger(kind) || (kind as number) < 0 || (kind as number) > MAX_KIND) {
    throw malformed(`kind must be a whole number from 0 to ${MAX_KIND}`)
  }
  if (typeof content !== 'string') throw malformed('content must be a string')
  return {
    id,
    pubkey,
    created_at: created_at as number,
    kind: kind as number,
    tags: parseTags(tags, limits),
    content,
    sig,
  }
}

function parseTags(value: unknown, limits: Limits): string[][] {
  if (!Array.isArray(value)) throw malformed('tags must be an array of arrays of strings')
  if (value.length > limits.maxTags) {
    throw new SyncError('TOO_LARGE', `${value.length} tags are more than the ${limits.maxTags} allowed`)
  }
  for (const tag of value) {
    if (!Array.isArray(tag) || tag.length === 0)
      throw malformed('each tag must be an array of at least one string')
    for (const item of tag) {
      if (typeof item !== 'string') throw malformed('tags must hold strings only')
      if (item.length > limits.maxTagValueLength) {
        throw new SyncError('TOO_LARGE', `a tag value is longer than ${limits.maxTagValueLength} characters`)
      }
    }
  }
  return value as string[][]
}

/** An event as canonical JSON: NIP-01's fields only, in a fixed order. What is stored and forwarded. */
export function stringifyEvent(event: NostrEvent): string {
  const { id, pubkey, created_at, kind, tags, content, sig } = event
  return JSON.stringify({ id, pubkey, created_at, kind, tags, content, sig })
}

/** Values of the first item after the name, for every tag of that name, in order. */
export function tagValues(event: { readonly tags: readonly string[][] }, name: string): string[] {
  const values: string[] = []
  for (const tag of event.tags) if (tag[0] === name && tag[1] !== undefined) values.push(tag[1])
  return values
}
