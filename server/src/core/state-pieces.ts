import { encodeState, vectorOf } from '@onyx-sync/shared'
import type * as Y from 'yjs'

/**
 * Of about so many bytes are the pieces in which a state is encoded, kept and sent: small enough that one piece with a long
 * text at its end is still sent as it is.
 */
const PIECE_BYTES = 224 * 1024

/** A document as updates (Yjs format V1) that together are its whole state. A struct is never cut: with a long text one is longer. */
export function piecesOf(doc: Y.Doc): Uint8Array[] {
  return [...encodeState(doc, PIECE_BYTES, vectorOf(doc))]
}

export function byteLengthOf(updates: readonly Uint8Array[]): number {
  return updates.reduce((sum, { byteLength }) => sum + byteLength, 0)
}
