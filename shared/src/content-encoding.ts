import { decodeBase64, encodeBase64 } from './base64.js'
import { type Deflate, deflateIfSmaller, type Inflate, inflateBounded, updateTooLarge } from './deflate.js'
import { SyncError } from './errors.js'
import type { EventTemplate } from './event.js'
import type { Limits } from './limits.js'

/** How an event's `content` carries its sync messages: the values of the `encoding` tag after its name. */
export type ContentEncoding = 'yjs' | 'yjs+deflate'

/** Content and how it is encoded; {@link encodingTag} gives the tag that goes with it. */
export interface EncodedContent {
  /** Standard padded base64. */
  readonly content: string
  readonly encoding: ContentEncoding
}

/** The `encoding` tag of an event. Source: SPEC EVT1. */
export function encodingTag(encoding: ContentEncoding): string[] {
  return encoding === 'yjs' ? ['encoding', 'yjs'] : ['encoding', 'yjs', 'deflate']
}

/**
 * What the one `encoding` tag of an event says. Throws `EVENT_TAGS_INVALID` if there isn't exactly one, and
 * `ENCODING_UNKNOWN`. Source: SPEC EVT1.
 */
export function parseEncodingTag(event: Pick<EventTemplate, 'tags'>): ContentEncoding {
  const tags = event.tags.filter((tag) => tag[0] === 'encoding')
  if (tags.length !== 1) {
    throw new SyncError('EVENT_TAGS_INVALID', 'exactly one encoding tag is needed: ["encoding", "yjs"]')
  }
  const values = (tags[0] as string[]).slice(1)
  if (values.length === 1 && values[0] === 'yjs') return 'yjs'
  if (values.length === 2 && values[0] === 'yjs' && values[1] === 'deflate') return 'yjs+deflate'
  throw new SyncError(
    'ENCODING_UNKNOWN',
    `unknown encoding ${JSON.stringify(values.join(' ').slice(0, 64))}; known are "yjs" and "yjs" "deflate"`,
  )
}

/** Bytes of sync messages as content, deflated where that pays. The same bytes give the same content. */
export function packContent(bytes: Uint8Array, deflate?: Deflate): EncodedContent {
  const deflated = deflateIfSmaller(bytes, deflate)
  if (deflated === undefined) return { content: encodeBase64(bytes), encoding: 'yjs' }
  return { content: encodeBase64(deflated), encoding: 'yjs+deflate' }
}

/** The bytes of sync messages in content. Throws `UPDATE_INVALID`, or `TOO_LARGE` beyond `maxUpdateBytes`. */
export function unpackContent(
  content: string,
  encoding: ContentEncoding,
  limits: Pick<Limits, 'maxUpdateBytes'>,
  inflate: Inflate = inflateBounded,
): Uint8Array {
  let bytes: Uint8Array
  try {
    bytes = decodeBase64(content)
  } catch (cause) {
    throw new SyncError('UPDATE_INVALID', 'content must be standard padded base64', { cause })
  }
  if (encoding === 'yjs+deflate') bytes = inflate(bytes, limits.maxUpdateBytes)
  if (bytes.byteLength > limits.maxUpdateBytes) throw updateTooLarge(limits.maxUpdateBytes)
  return bytes
}
