import { deflateSync, Inflate as InflateStream, inflateSync } from 'fflate'
import { concatBytes } from './bytes.js'
import { SyncError } from './errors.js'

/**
 * Messages shorter than this are never deflated. Measured on updates of one chat message: at 180 bytes DEFLATE
 * saves 30 of them, at 300 it saves 80, next to the 450 bytes of every event that are no content.
 */
export const DEFLATE_MIN_BYTES = 256

/** A deflated message is used when it is at most this part of the plain one. */
const DEFLATE_MAX_RATIO = 0.9

/** Bytes as raw DEFLATE (RFC 1951). */
export type Deflate = (bytes: Uint8Array) => Uint8Array

/** Raw DEFLATE undone, as {@link inflateBounded} does it. */
export type Inflate = (deflated: Uint8Array, maxBytes: number) => Uint8Array

/**
 * The bytes as raw DEFLATE (RFC 1951) where that pays: from {@link DEFLATE_MIN_BYTES} on, and when it is at
 * least a tenth smaller. Undefined where it doesn't. The same bytes always give the same answer. Synchronous:
 * about 35 ms per megabyte on a laptop.
 *
 * @param deflate one that the platform has. @default JavaScript's
 */
export function deflateIfSmaller(
  bytes: Uint8Array,
  deflate: Deflate = (plain) => deflateSync(plain),
): Uint8Array | undefined {
  if (bytes.byteLength < DEFLATE_MIN_BYTES) return undefined
  const deflated = deflate(bytes)
  return deflated.byteLength <= bytes.byteLength * DEFLATE_MAX_RATIO ? deflated : undefined
}

/** What is larger than an update may be. */
export function updateTooLarge(maxBytes: number): SyncError {
  return new SyncError('TOO_LARGE', `the update is larger than ${maxBytes} bytes: split the edit`)
}

/**
 * What is inflated at once: DEFLATE makes at most a thousandfold of it, which is what an update may have. A
 * stream of 160 KB for each event of a few hundred bytes would cost more than all else that is done with it.
 */
const AT_ONCE_BYTES = 4 * 1024
/** Where it is inflated to. Whatever fills it is done again in steps. */
const SCRATCH_BYTES = 256 * 1024
let scratch: Uint8Array | undefined

/**
 * Steps are at most a thousandth of what may still come, so that a bomb is noticed soon after its bound. Each step
 * costs some tenths of a millisecond, however small it is: a megabyte in steps of 1 KiB would take a second.
 */
const MIN_STEP_BYTES = 1024
const MAX_STEP_BYTES = 64 * 1024
const MAX_INFLATION = 1032

/**
 * Raw DEFLATE undone, in steps that stop at `maxBytes`. Throws `TOO_LARGE` beyond it, and `UPDATE_INVALID` for
 * what is no raw DEFLATE. Source: SPEC YJS5.
 */
export function inflateBounded(deflated: Uint8Array, maxBytes: number): Uint8Array {
  return inflateSmall(deflated, maxBytes) ?? inflateInSteps(deflated, maxBytes)
}

/** Undefined where there is much of it. */
function inflateSmall(deflated: Uint8Array, maxBytes: number): Uint8Array | undefined {
  // What is empty is no DEFLATE, which the steps find.
  if (deflated.byteLength === 0 || deflated.byteLength > AT_ONCE_BYTES) return undefined
  scratch ??= new Uint8Array(SCRATCH_BYTES)
  let inflated: Uint8Array
  try {
    inflated = inflateSync(deflated, { out: scratch })
  } catch (cause) {
    throw notDeflate(cause)
  }
  if (inflated.byteLength === SCRATCH_BYTES) return undefined
  if (inflated.byteLength > maxBytes) throw updateTooLarge(maxBytes)
  return inflated.slice()
}

function notDeflate(cause: unknown): SyncError {
  return new SyncError('UPDATE_INVALID', 'content is not raw DEFLATE, as its encoding tag says', { cause })
}

function inflateInSteps(deflated: Uint8Array, maxBytes: number): Uint8Array {
  const chunks: Uint8Array[] = []
  let total = 0
  const inflate = new InflateStream((chunk) => {
    total += chunk.byteLength
    if (total > maxBytes) throw updateTooLarge(maxBytes)
    chunks.push(chunk)
  })
  try {
    let offset = 0
    do {
      const step = Math.min(MAX_STEP_BYTES, Math.max(MIN_STEP_BYTES, (maxBytes - total) / MAX_INFLATION))
      const end = Math.min(offset + Math.ceil(step), deflated.byteLength)
      inflate.push(deflated.subarray(offset, end), end === deflated.byteLength)
      offset = end
    } while (offset < deflated.byteLength)
  } catch (cause) {
    if (cause instanceof SyncError) throw cause
    throw notDeflate(cause)
  }
  return concatBytes(chunks)
}
