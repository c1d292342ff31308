import * as decoding from 'lib0/decoding'
import { type Awareness, encodeAwarenessUpdate } from 'y-protocols/awareness'
import { type DocumentAddress, formatAddress, parseAddress } from './address.js'
import { decodeBase64, encodeBase64 } from './base64.js'
import { SyncError } from './errors.js'
import { type EventTemplate, type NostrEvent, tagValues } from './event.js'
import { KIND } from './kinds.js'
import type { Limits } from './limits.js'

/** How often a state that still holds is said again. Milliseconds. */
export const PRESENCE_RENEW_MS = 15_000
/** A state that was not said again for so long counts as gone. Milliseconds. Source: y-protocols. */
export const PRESENCE_TIMEOUT_MS = 30_000

/** What one awareness client says of itself. */
export interface PresenceEntry {
  /** Whole number below 2³². Random, and never the Yjs client id of a document. */
  readonly clientId: number
  /** Goes up with each state of this client. Whole number up to 2³¹ − 1; for a removal 2³¹ at most. */
  readonly clock: number
  /** A JSON object; `null` for "gone". */
  readonly state: Readonly<Record<string, unknown>> | null
}

/** A presence event taken apart. */
export interface Presence {
  readonly address: DocumentAddress
  /** The awareness update as it was sent. */
  readonly update: Uint8Array
  /** At least one, each client once. */
  readonly entries: readonly PresenceEntry[]
}

/** What goes into a presence event besides time and signature. */
export interface PresenceEventInput {
  readonly address: DocumentAddress
  readonly entries: readonly PresenceEntry[]
  /** Unix seconds. Decides nothing. */
  readonly createdAt: number
}

const MAX_CLIENT_ID = 2 ** 32 - 1
/** A removal is one above the state that it ends. */
const MAX_CLOCK = 2 ** 31
/** UTF-8 has no lone half of a surrogate pair. */
const LONE_SURROGATE = /[\ud800-\udfff]/u

/** A presence event, ready to sign. Source: SPEC PRS1. */
export function createPresenceTemplate({ address, entries, createdAt }: PresenceEventInput): EventTemplate {
  return {
    kind: KIND.presence,
    created_at: createdAt,
    tags: [['a', formatAddress(address)], ['-']],
    content: encodeBase64(encodePresence(entries)),
  }
}

/**
 * One y-protocols awareness update. The library writes it, but from a stand-in for its `Awareness`: a real one
 * runs a timer on the wall clock, which keeps a process alive and knows nothing of our clock port.
 */
export function encodePresence(entries: readonly PresenceEntry[]): Uint8Array {
  const meta = new Map(entries.map(({ clientId, clock }) => [clientId, { clock, lastUpdated: 0 }]))
  const states = new Map(entries.map(({ clientId, state }) => [clientId, state]))
  const standIn = { meta, states } as unknown as Awareness
  return encodeAwarenessUpdate(standIn, [...meta.keys()], states as Awareness['states'])
}

/**
 * The document and the states of a presence event, checked. Neither id nor signature is. Throws
 * `KIND_NOT_ACCEPTED`, `EVENT_TAGS_INVALID`, `TOO_LARGE` or `PRESENCE_INVALID`. Source: SPEC PRS1.
 */
export function parsePresence(event: NostrEvent, limits: Limits): Presence {
  if (event.kind !== KIND.presence) {
    throw new SyncError('KIND_NOT_ACCEPTED', `kind ${event.kind} carries no presence`)
  }
  const address = parseDocument(event)
  // Four characters for three bytes; looked at before anything is decoded.
  if (event.content.length > Math.ceil(limits.maxPresenceBytes / 3) * 4) throw tooLarge(limits)
  let update: Uint8Array
  try {
    update = decodeBase64(event.content)
  } catch (cause) {
    throw new SyncError('PRESENCE_INVALID', 'content must be standard padded base64', { cause })
  }
  if (update.byteLength > limits.maxPresenceBytes) throw tooLarge(limits)
  return { address, update, entries: decodeEntries(update, limits) }
}

function tooLarge({ maxPresenceBytes }: Limits): SyncError {
  return new SyncError('TOO_LARGE', `presence has at most ${maxPresenceBytes} bytes: say less`)
}

function parseDocument(event: NostrEvent): DocumentAddress {
  const aTags = tagValues(event, 'a')
  const address = aTags.length === 1 ? parseAddress(aTags[0] as string) : undefined
  if (address === undefined || LONE_SURROGATE.test(address.identifier)) {
    throw new SyncError('EVENT_TAGS_INVALID', 'exactly one a tag is needed, with the address of a document')
  }
  return address
}

/**
 * Read by hand: the library's reader takes any number of clients, any JSON as a state and bytes behind the
 * end, and leaves out a client whose clock is 0.
 */
function decodeEntries(update: Uint8Array, { maxPresenceClients }: Limits): PresenceEntry[] {
  const entries: PresenceEntry[] = []
  try {
    const decoder = decoding.createDecoder(update)
    const count = decoding.readVarUint(decoder)
    if (count > maxPresenceClients) {
      throw new SyncError(
        'TOO_LARGE',
        `one event tells of at most ${maxPresenceClients} clients, not ${count}`,
      )
    }
    for (let index = 0; index < count; index++) entries.push(decodeEntry(decoder))
    if (count === 0) throw new Error('no client')
    if (decoding.hasContent(decoder)) throw new Error('bytes after the update')
    if (new Set(entries.map(({ clientId }) => clientId)).size < count) throw new Error('a client twice')
  } catch (cause) {
    if (cause instanceof SyncError) throw cause
    throw new SyncError('PRESENCE_INVALID', 'content must hold exactly one y-protocols awareness update', {
      cause,
    })
  }
  return entries
}

function decodeEntry(decoder: decoding.Decoder): PresenceEntry {
  const clientId = decoding.readVarUint(decoder)
  const clock = decoding.readVarUint(decoder)
  const state = JSON.parse(decoding.readVarString(decoder)) as unknown
  if (typeof state !== 'object' || Array.isArray(state)) throw new Error('a state is a JSON object or null')
  if (clientId > MAX_CLIENT_ID || clock > (state === null ? MAX_CLOCK : MAX_CLOCK - 1)) {
    throw new Error(`client ${clientId} with clock ${clock} is out of range`)
  }
  return { clientId, clock, state: state as PresenceEntry['state'] }
}
