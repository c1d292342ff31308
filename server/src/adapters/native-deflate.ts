import { constants } from 'node:buffer'
import { deflateRawSync, inflateRawSync } from 'node:zlib'
import { inflateBounded } from '@onyx-sync/shared'

/** From here on speed counts more than the last twentieth of the size. Bytes. */
const LARGE_BYTES = 64 * 1024
const THOROUGH = 6
const FAST = 4

/** Raw DEFLATE by Node's zlib: a megabyte of chats takes it 12 ms, and JavaScript's 45 ms. */
export function nativeDeflate(bytes: Uint8Array): Uint8Array {
  return deflateRawSync(bytes, { level: bytes.byteLength > LARGE_BYTES ? FAST : THOROUGH })
}

/** What is smaller is inflated faster than zlib is set up. Bytes. */
const SMALL_BYTES = 2 * 1024

/**
 * Undoes it, for what was checked already: what zlib takes and JavaScript's refuses must not come into a log. Throws
 * what Node throws.
 */
export function nativeInflate(deflated: Uint8Array, maxBytes: number): Uint8Array {
  if (deflated.byteLength < SMALL_BYTES) return inflateBounded(deflated, maxBytes)
  return inflateRawSync(deflated, { maxOutputLength: Math.min(maxBytes, constants.MAX_LENGTH) })
}
