import { addressToDTag, type DocumentAddress, formatAddress, parseAddress } from './address.js'
import { encodingTag, parseEncodingTag } from './content-encoding.js'
import { SyncError } from './errors.js'
import { type EventTemplate, type NostrEvent, tagValues } from './event.js'
import { KIND, SETTINGS_IDENTIFIER } from './kinds.js'
import type { Limits } from './limits.js'
import { checkUpdate } from './update-check.js'
import { decodeContent, encodeContent } from './update-codec.js'
import { type Member, parseMembers } from './update-event.js'

/** The `t` tag by which the states of an account are found on a plain relay. */
export const PLAIN_STATE_TAG = 'onyx-sync'

/** The kind of every state on a plain relay, also of settings: kind 10001 there is the user's NIP-51 pin list. */
export const PLAIN_STATE_KIND = KIND.chat

/** Tag with the time at which the owner stated the members, Unix seconds: `created_at` is that of publishing. */
const MEMBERS_AT_TAG = 'members_at'

const DEVICE_ID = /^[0-9a-f]{16}$/
const SECONDS = /^(0|[1-9][0-9]{0,15})$/

/** The whole state of one document as one device publishes it on a plain relay. */
export interface PlainState {
  readonly address: DocumentAddress
  /** The device that published it: 16 lower-case hex characters. */
  readonly device: string
  /** The whole state, Yjs update format V1. */
  readonly update: Uint8Array
  /**
   * Who may read and write the chat besides its owner, and when that was stated, Unix seconds. Undefined where
   * nothing was ever stated, and in events of others than the owner.
   */
  readonly members: { readonly list: readonly Member[]; readonly statedAt: number } | undefined
}

/** What goes into a state's event besides the signature. */
export interface PlainStateInput extends PlainState {
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
  const { address, author, device, update, members, createdAt } = input
  const { content, encoding } = encodeContent({ update, checkpoint: true })
  const tags = [
    ['d', plainStateIdentifier(address, device, author)],
    ['a', formatAddress(address)],
    ['t', PLAIN_STATE_TAG],
    ['-'],
    encodingTag(encoding),
  ]
  if (members !== undefined && address.owner === author) {
    tags.push([MEMBERS_AT_TAG, String(members.statedAt)])
    for (const member of members.list) tags.push(['p', member.pubkey, ...member.extra])
  }
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
  return { address, device, update, members: parseStatement(event, address) }
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

function parseStatement(event: NostrEvent, address: DocumentAddress): PlainState['members'] {
  if (address.owner !== event.pubkey || address.kind === KIND.settings) return undefined
  const [statedAt] = tagValues(event, MEMBERS_AT_TAG)
  if (statedAt === undefined) return undefined
  if (!SECONDS.test(statedAt)) throw invalid(`${MEMBERS_AT_TAG} is a time in Unix seconds`)
  return { list: parseMembers(event), statedAt: Number(statedAt) }
}
