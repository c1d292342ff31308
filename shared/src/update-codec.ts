import { Inflate } from 'fflate'
import * as decoding from 'lib0/decoding'
import * as encoding from 'lib0/encoding'
import { messageYjsSyncStep2, messageYjsUpdate } from 'y-protocols/sync'
import { decodeBase64, encodeBase64 } from './base64.js'
import { SyncError } from './errors.js'
import type { Limits } from './limits.js'

/** How an event's `content` carries its sync message: the values of the `encoding` tag after its name. */
export type ContentEncoding = 'yjs' | 'yjs+deflate'

/** A Yjs update (format V1) and whether it was framed as a checkpoint (the whole state). */
export interface FramedUpdate {
  readonly update: Uint8Array
  readonly checkpoint: boolean
}

/** Base64 of exactly one y-protocols sync message: `SyncStep2` for a checkpoint, else `update`. */
export function encodeContent(framed: FramedUpdate): string {
  const encoder = encoding.createEncoder()
  encoding.writeVarUint(encoder, framed.checkpoint ? messageYjsSyncStep2 : messageYjsUpdate)
  encoding.writeVarUint8Array(encoder, framed.update)
  return encodeBase64(encoding.toUint8Array(encoder))
}

/** The update in an event's `content`. Throws `UPDATE_INVALID` or `TOO_LARGE`. Source: SPEC EVT2. */
export function decodeContent(
  content: string,
  contentEncoding: ContentEncoding,
  limits: Pick<Limits, 'maxUpdateBytes'>,
): FramedUpdate {
  let message: Uint8Array
  try {
    message = decodeBase64(content)
  } catch (cause) {
    throw new SyncError('UPDATE_INVALID', 'content must be standard padded base64', { cause })
  }
  if (contentEncoding === 'yjs+deflate') message = inflateBounded(message, limits.maxUpdateBytes)
  if (message.byteLength > limits.maxUpdateBytes) throw tooLarge(limits.maxUpdateBytes)
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

function tooLarge(maxBytes: number): SyncError {
  return new SyncError('TOO_LARGE', `the update is larger than ${maxBytes} bytes: split the edit`)
}

/** Small steps, so that a bomb is noticed after at most a thousandfold of one step. */
const INFLATE_STEP_BYTES = 1024

function inflateBounded(deflated: Uint8Array, maxBytes: number): Uint8Array {
  const chunks: Uint8Array[] = []
  let total = 0
  const inflate = new Inflate((chunk) => {
    total += chunk.byteLength
    if (total > maxBytes) throw tooLarge(maxBytes)
    chunks.push(chunk)
  })
  try {
    let offset = 0
    do {
      const end = Math.min(offset + INFLATE_STEP_BYTES, deflated.byteLength)
      inflate.push(deflated.subarray(offset, end), end === deflated.byteLength)
      offset = end
    } while (offset < deflated.byteLength)
  } catch (cause) {
    if (cause instanceof SyncError) throw cause
    throw new SyncError('UPDATE_INVALID', 'content is not raw DEFLATE, as its encoding tag says', { cause })
  }
  const inflated = new Uint8Array(total)
  let position = 0
  for (const chunk of chunks) {
    inflated.set(chunk, position)
    position += chunk.byteLength
  }
  return inflated
}
