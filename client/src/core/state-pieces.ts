import { encodeState, type StateVector } from '@onyx-sync/shared'
import * as Y from 'yjs'
import type { Turns } from '../ports/turns.js'

/**
 * What becomes one event at least: encoding, deflating and signing it is some twenty milliseconds of work. Smaller ones
 * would be more of them, and where JavaScript signs on a phone each signature takes 66 ms. Bytes.
 */
const PIECE_BYTES = 128 * 1024

/**
 * What a document held at the moment of a state vector, as updates, encoded with turns between them: while they are taken
 * the document may change, see `encodeState`. Undefined if it doesn't hold that much. The caller keeps it loaded.
 */
export async function statePieces(
  doc: Y.Doc,
  vector: StateVector,
  turns: Turns,
): Promise<readonly Uint8Array[] | undefined> {
  if ([...vector].some(([client, clock]) => Y.getState(doc.store, client) < clock)) return undefined
  const pieces: Uint8Array[] = []
  for (const piece of encodeState(doc, PIECE_BYTES, vector)) {
    // A small document is one piece, and there is nothing to wait for.
    if (pieces.length > 0) await turns.next()
    pieces.push(piece)
  }
  return pieces
}
