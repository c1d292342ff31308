import { addressToDTag, type DocumentAddress, formatAddress, parseAddress } from './address.js'
import { encodingTag, parseEncodingTag } from './content-encoding.js'
import { SyncError } from './errors.js'
import { type EventTemplate, type NostrEvent, tagValues } from './event.js'
import { KIND, SETTINGS_IDENTIFIER } from './kinds.js'
import type { Limits } from './limits.js'
import { MEMBERS_AT_TAG, parseRoster, type Roster, type RosterStatement, rosterTags } from './roster.js'
import { checkUpdate } from './update-check.js'
import { decodeContent, encodeContent } from './update-codec.js'

/** The `t` tag by which the states of an account are found on a plain relay. */
export const PLAIN_STATE_TAG = 'onyx-sync'

/** The kind of every state on a plain relay, also of settings: kind 10001 there is the user's NIP-51 pin list. */
export const PLAIN_STATE_KIND = KIND.chat

const DEVICE_ID = /^[0-9a-f]{16}$/

/** The whole state of one document as one device publishes it on a plain relay. */
interface StateParts {
  readonly address: DocumentAddress
  /** The device that published it: 16 lower-case hex characters. */
  readonly device: string
  /** The whole state, Yjs update format V1. */
  readonly update: Uint8Array
}

/** A state as it was read. */
export interface PlainState extends StateParts {
  /** What the owner says about the members. Undefined where that is nothing, and in events of others. */
  readonly roster: RosterStatement | undefined
}

/** What goes into a state's event besides the signature. */
export interface PlainStateInput extends StateParts {
  /** Undefined where nobody was ever let in. Left out in events of others than the owner. */
  readonly roster: Roster | undefined
  /** Who will sign: 64 lower-case hex characters. */
  readonly author: string
  /** Unix seconds. A relay keeps of each device and document the event with the highest. */
  readonly createdAt: number
}

/**
 * The `d` tag of a device's state of a document: `<chat id>/<device>`, or `settings/<device>`. In a chat of somebody
 * else, and in one whose id is `settings`, `/<owner>` follows: a relay would take two of the same for one.
 */
export function plainStateIdentifier(address: DocumentAddress, device: string, author: string): string {
  const isPlainName =
    address.owner === author && (address.kind === KIND.settings || address.identifier !== SETTINGS_IDENTIFIER)
  return `${addressToDTag(address)}/${device}${isPlainName ? '' : `/${address.owner}`}`
}

/** A state's event, ready to sign. Source: SPEC PLN3. */
export function createPlainStateTemplate(input: PlainStateInput): EventTemplate {
  const { address, author, device, update, roster, createdAt } = input
  const { content, encoding } = encodeContent({ update, checkpoint: true })
  const tags = [
    ['d', plainStateIdentifier(address, device, author)],
    ['a', formatAddress(address)],
    ['t', PLAIN_STATE_TAG],
    ['-'],
    encodingTag(encoding),
  ]
  if (roster !== undefined && address.owner === author) tags.push(...rosterTags(roster))
  return { kind: PLAIN_STATE_KIND, created_at: createdAt, tags, content }
}

/** Whether an event says of itself that it is a state on a plain relay. Any other is none of ours. */
export function isPlainState(event: Pick<NostrEvent, 'kind' | 'tags'>): boolean {
  return event.kind === PLAIN_STATE_KIND && tagValues(event, 't').includes(PLAIN_STATE_TAG)
}

function invalid(message: string): SyncError {
  return new SyncError('EVENT_TAGS_INVALID', message)
}

/**
 * A state's event, taken apart and checked but for id and signature, and for whether its author may write to the
 * document. Throws `EVENT_TAGS_INVALID`, `ENCODING_UNKNOWN`, `UPDATE_INVALID` or `TOO_LARGE`. Source: SPEC PLN3.
 */
export function parsePlainState(event: NostrEvent, limits: Limits): PlainState {
  if (!isPlainState(event)) throw invalid(`a state is of kind ${PLAIN_STATE_KIND} with the t tag "onyx-sync"`)
  const aTags = tagValues(event, 'a')
  const address = aTags.length === 1 ? parseAddress(aTags[0] as string) : undefined
  if (address === undefined) throw invalid('exactly one a tag with the address of a document is needed')
  const device = parseDevice(event, address)
  if (address.kind === KIND.settings && address.owner !== event.pubkey)
    throw invalid('settings belong to one account')
  const { update, checkpoint } = decodeContent(event.content, parseEncodingTag(event), limits)
  if (!checkpoint) throw new SyncError('UPDATE_INVALID', 'a state is framed as SyncStep2')
  checkUpdate(update, address.kind, limits)
  return { address, device, update, roster: parseStatement(event, address, limits) }
}

function parseDevice(event: NostrEvent, address: DocumentAddress): string {
  const [identifier, ...others] = tagValues(event, 'd')
  const start = addressToDTag(address).length + 1
  const device = identifier?.slice(start, start + 16) ?? ''
  const isOurs = DEVICE_ID.test(device) && identifier === plainStateIdentifier(address, device, event.pubkey)
  if (!isOurs || others.length > 0)
    throw invalid('the d tag of a state is "<chat id>/<device>", followed by "/<owner>" in others\' chats')
  return device
}

function parseStatement(event: NostrEvent, address: DocumentAddress, limits: Limits): PlainState['roster'] {
  if (address.owner !== event.pubkey || address.kind === KIND.settings) return undefined
  // `created_at` is the time of publishing here, and decides nothing.
  return tagValues(event, MEMBERS_AT_TAG).length === 0 ? undefined : parseRoster(event, limits)
}
