import { type Deflate, deflateIfSmaller } from '@onyx-sync/shared'
import { byteLengthOf } from './state-pieces.js'

/** Size of a state on the wire, by its own: with base64, and with DEFLATE before it, for ordinary text. */
const BASE64_RATIO = 1.34
const DEFLATED_RATIO = 0.55
const PLAIN_BELOW_BYTES = 512
/** A state that much above what it may cost is not deflated to see: text hardly ever shrinks as far. */
const MAX_DEFLATION = 32

/** Whether a state takes no more than so many bytes on the wire, as far as its length tells; undefined where it doesn't. */
export function estimateFits(byteLength: number, maxWireBytes: number): boolean | undefined {
  if (byteLength < PLAIN_BELOW_BYTES) return byteLength * BASE64_RATIO <= maxWireBytes
  if (byteLength * DEFLATED_RATIO <= maxWireBytes) return true
  return byteLength > maxWireBytes * MAX_DEFLATION ? false : undefined
}

/** Whether updates take no more than so many bytes on the wire. Folded to see only where an estimate doesn't tell. */
export function costsAtMost(
  updates: readonly Uint8Array[],
  maxWireBytes: number,
  deflate: Deflate | undefined,
): boolean {
  const estimate = estimateFits(byteLengthOf(updates), maxWireBytes)
  if (estimate !== undefined) return estimate
  const folded = updates.map((update) => deflateIfSmaller(update, deflate) ?? update)
  return byteLengthOf(folded) * BASE64_RATIO <= maxWireBytes
}
