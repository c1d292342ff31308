import { type DocumentAddress, formatAddress, parseAddress } from './address.js'
import { concatBytes } from './bytes.js'
import { encodingTag, packContent, parseEncodingTag, unpackContent } from './content-encoding.js'
import { type Deflate, type Inflate, updateTooLarge } from './deflate.js'
import { SyncError } from './errors.js'
import type { EventTemplate, NostrEvent } from './event.js'
import { KIND } from './kinds.js'
import type { Limits } from './limits.js'
import { type Part, parsePartTag, partTag } from './part-tag.js'
import { checkUpdate } from './update-check.js'
import { decodeSyncMessage, encodeSyncMessage } from './update-codec.js'

/** What a server tells of a document's log beside its state. */
export interface LogSummary {
  /** Bytes of the events in it, as JSON: what a checkpoint could save. */
  readonly bytes: number
  /** When the owner decided about the members last; 0 if that never was. Unix seconds. */
  readonly statedAt: number
}

/** One document in a state event. */
export interface StateDocument {
  readonly address: string
  /** The document's state, the part of it, or what the reader lacks of it: a Yjs update, format V1. */
  readonly update: Uint8Array
  /** Undefined where the server doesn't tell. */
  readonly log?: LogSummary | undefined
}

/** What goes into a state event besides its signature. */
export interface StateEventInput {
  /** At least one, each address once. */
  readonly documents: readonly StateDocument[]
  /** How many documents of how many this event and those before it bring up to date; undefined if not told. */
  readonly progress?: { readonly done: number; readonly total: number } | undefined
  /** Unix seconds. */
  readonly createdAt: number
  /** Which part of one document's state this is; undefined for whole states. */
  readonly part?: Part | undefined
}

/**
 * A state event, ready for the server to sign. How large it may be, and how many documents it may have, is for
 * the caller to mind. Throws `VALUE_INVALID` for documents or a part that can't be. Source: SPEC STE1.
 *
 * @param deflate one that the platform has. @default JavaScript's
 */
export function createStateTemplate(
  { documents, createdAt, part, progress }: StateEventInput,
  deflate?: Deflate,
): EventTemplate {
  checkInput(documents, part)
  const messages = documents.map(({ update }) => encodeSyncMessage({ update, checkpoint: true }))
  const { content, encoding } = packContent(concatBytes(messages), deflate)
  const tags = documents.map(({ address }, index) => ['a', address, String(messages[index]?.byteLength)])
  const logs = documents.flatMap(({ log }) => log ?? [])
  if (logs.length === documents.length) {
    for (const { bytes, statedAt } of logs) tags.push(['log', String(bytes), String(statedAt)])
  }
  tags.push(encodingTag(encoding))
  if (progress !== undefined) tags.push(['progress', String(progress.done), String(progress.total)])
  if (part !== undefined) tags.push(partTag(part))
  return { kind: KIND.state, created_at: createdAt, tags, content }
}

function checkInput(documents: StateEventInput['documents'], part: Part | undefined): void {
  const addresses = new Set(documents.map(({ address }) => address))
  if (documents.length === 0 || addresses.size < documents.length) {
    throw new SyncError('VALUE_INVALID', 'a state event has at least one document, and each once')
  }
  for (const address of addresses) {
    if (parseAddress(address) === undefined) {
      throw new SyncError('VALUE_INVALID', `${JSON.stringify(address)} is not a document's address`)
    }
  }
  if (part !== undefined && documents.length !== 1) {
    throw new SyncError('VALUE_INVALID', 'a part is one of one document')
  }
}

/** A state event taken apart. */
export interface DecodedStateEvent {
  /** In the order of the event. Each update has bytes of its own, and was checked but not applied. */
  readonly documents: readonly (Omit<StateDocument, 'address'> & { readonly address: DocumentAddress })[]
  readonly progress: { readonly done: number; readonly total: number } | undefined
  /** Which part of the one document's state this is; undefined for whole states. */
  readonly part: Part | undefined
}

/**
 * The documents of a state event whose id and signature hold, and whose author is the server: neither is looked
 * at here. Throws `KIND_NOT_ACCEPTED`, `EVENT_TAGS_INVALID`, `ENCODING_UNKNOWN`, `UPDATE_INVALID` or
 * `TOO_LARGE`. Source: SPEC STE1–STE2.
 *
 * @param inflate one that the platform has. @default JavaScript's
 */
export function parseStateEvent(event: NostrEvent, limits: Limits, inflate?: Inflate): DecodedStateEvent {
  if (event.kind !== KIND.state) {
    throw new SyncError('KIND_NOT_ACCEPTED', `a state event has kind ${KIND.state}, this one ${event.kind}`)
  }
  const entries = parseEntries(event, limits)
  const part = parsePartTag(event, limits)
  if (part !== undefined && entries.length !== 1) throw invalid('a part has exactly one a tag')
  const encoding = parseEncodingTag(event)
  const named = entries.reduce((sum, { byteLength }) => sum + byteLength, 0)
  if (named > limits.maxUpdateBytes) throw updateTooLarge(limits.maxUpdateBytes)
  const messages = unpackContent(event.content, encoding, limits, inflate)
  if (messages.byteLength !== named) {
    throw invalid(`the a tags name ${named} bytes, the content has ${messages.byteLength}`)
  }
  let offset = 0
  const logs = parseLogs(event, entries.length)
  const documents = entries.map(({ address, byteLength }, index) => {
    const message = messages.subarray(offset, offset + byteLength)
    offset += byteLength
    return { address, update: decodeState(message, address, limits), log: logs[index] }
  })
  return { documents, part, progress: parseProgress(event) }
}

const NUMBER = /^(?:-1|0|[1-9][0-9]{0,14})$/

/** One `log` tag for each document, in their order, or none at all. */
function parseLogs(event: NostrEvent, count: number): LogSummary[] {
  const tags = event.tags.filter((tag) => tag[0] === 'log')
  const isWellFormed = tags.every(([, ...values]) => values.length === 2 && values.every(isNumber))
  if ((tags.length > 0 && tags.length !== count) || !isWellFormed) {
    throw invalid('a log tag, one for each a tag, is ["log", "<bytes>", "<unix seconds>"]')
  }
  return tags.map(([, bytes, statedAt]) => ({ bytes: Number(bytes), statedAt: Number(statedAt) }))
}

function parseProgress(event: NostrEvent): { done: number; total: number } | undefined {
  const tag = event.tags.find(([name]) => name === 'progress')
  if (tag === undefined) return undefined
  if (tag.length !== 3 || !tag.slice(1).every(isNumber)) {
    throw invalid('a progress tag is ["progress", "<documents done>", "<documents in all>"]')
  }
  return { done: Number(tag[1]), total: Number(tag[2]) }
}

function isNumber(text: string): boolean {
  return NUMBER.test(text)
}

function invalid(message: string): SyncError {
  return new SyncError('EVENT_TAGS_INVALID', message)
}

interface Entry {
  readonly address: DocumentAddress
  readonly byteLength: number
}

/** Decimal without leading zeros, and short enough to be exact. */
const BYTE_LENGTH = /^[1-9][0-9]{0,11}$/
/** UTF-8 can't tell two lone halves of surrogate pairs apart. */
const LONE_SURROGATE = /[\ud800-\udfff]/u

function parseEntries(event: NostrEvent, limits: Limits): Entry[] {
  const tags = event.tags.filter((tag) => tag[0] === 'a')
  if (tags.length === 0) throw invalid('a state event has an a tag for each document')
  if (tags.length > limits.maxStateDocuments) {
    throw new SyncError(
      'TOO_LARGE',
      `${tags.length} documents are more than the ${limits.maxStateDocuments} allowed in one state event`,
    )
  }
  const seen = new Set<string>()
  return tags.map((tag) => {
    const [, text = '', lengthText = ''] = tag
    const address = LONE_SURROGATE.test(text) ? undefined : parseAddress(text)
    if (tag.length !== 3 || address === undefined || !BYTE_LENGTH.test(lengthText)) {
      throw invalid('an a tag is ["a", "<address of a document>", "<byte length of its message>"]')
    }
    const canonical = formatAddress(address)
    if (seen.has(canonical)) throw invalid('each document has one a tag')
    seen.add(canonical)
    return { address, byteLength: Number(lengthText) }
  })
}

function decodeState(message: Uint8Array, { kind }: DocumentAddress, limits: Limits): Uint8Array {
  const { update, checkpoint } = decodeSyncMessage(message)
  if (!checkpoint) {
    throw new SyncError(
      'UPDATE_INVALID',
      'a state event holds SyncStep2 (1) messages, this one is an update (2)',
    )
  }
  checkUpdate(update, kind, limits)
  // Bytes of its own: whoever keeps one document must not keep the bytes of all.
  return update.slice()
}
