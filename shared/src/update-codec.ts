import * as decoding from 'lib0/decoding'
import * as encoding from 'lib0/encoding'
import { messageYjsSyncStep2, messageYjsUpdate } from 'y-protocols/sync'
import { type ContentEncoding, type EncodedContent, packContent, unpackContent } from './content-encoding.js'
import type { Inflate } from './deflate.js'
import { SyncError } from './errors.js'
import type { Limits } from './limits.js'

/** A Yjs update (format V1) and whether it was framed as a checkpoint (the whole state). */
export interface FramedUpdate {
  readonly update: Uint8Array
  readonly checkpoint: boolean
}

/** Exactly one y-protocols sync message: `SyncStep2` for a checkpoint, else `update`. */
export function encodeSyncMessage(framed: FramedUpdate): Uint8Array {
  const encoder = encoding.createEncoder()
  encoding.writeVarUint(encoder, framed.checkpoint ? messageYjsSyncStep2 : messageYjsUpdate)
  encoding.writeVarUint8Array(encoder, framed.update)
  return encoding.toUint8Array(encoder)
}

/**
 * The update in bytes that are exactly one sync message; a view of them. Throws `UPDATE_INVALID`. What the
 * update says is not looked at.
 */
export function decodeSyncMessage(message: Uint8Array): FramedUpdate {
  try {
    const decoder = decoding.createDecoder(message)
    const type = decoding.readVarUint(decoder)
    const update = decoding.readVarUint8Array(decoder)
    if (type !== messageYjsUpdate && type !== messageYjsSyncStep2) throw new Error(`message type ${type}`)
    if (decoding.hasContent(decoder)) throw new Error('bytes after the message')
    return { update, checkpoint: type === messageYjsSyncStep2 }
  } catch (cause) {
    throw new SyncError(
      'UPDATE_INVALID',
      'content must hold exactly one y-protocols sync message: update (2) or SyncStep2 (1)',
      { cause },
    )
  }
}

/**
 * Base64 of exactly one sync message, deflated where that pays, and how it is encoded: the event needs the
 * `encoding` tag that says so. The same update always gives the same content.
 */
export function encodeContent(framed: FramedUpdate): EncodedContent {
  return packContent(encodeSyncMessage(framed))
}

/**
 * The update in an event's `content`. Throws `UPDATE_INVALID` or `TOO_LARGE`. Source: SPEC EVT2.
 *
 * @param inflate one that the platform has. @default JavaScript's
 */
export function decodeContent(
  content: string,
  contentEncoding: ContentEncoding,
  limits: Pick<Limits, 'maxUpdateBytes'>,
  inflate?: Inflate,
): FramedUpdate {
  return decodeSyncMessage(unpackContent(content, contentEncoding, limits, inflate))
}
