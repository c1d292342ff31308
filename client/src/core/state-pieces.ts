import { encodeState } from '@onyx-sync/shared'
import type * as Y from 'yjs'
import type { Turns } from '../ports/turns.js'

/**
 * What becomes one event at least: encoding, deflating and signing it is some twenty milliseconds of work. Smaller ones
 * would be more of them, and where JavaScript signs on a phone each signature takes 66 ms. Bytes.
 */
const PIECE_BYTES = 128 * 1024

/** Encoding is a small part of that. */
const PIECES_PER_TURN = 2

/**
 * The whole state of a document as updates, encoded with turns between them; undefined if the document changed meanwhile.
 * The caller keeps it loaded.
 */
export async function statePieces(doc: Y.Doc, turns: Turns): Promise<readonly Uint8Array[] | undefined> {
  let isChanged = false
  const look = ({ afterState, beforeState, deleteSet }: Y.Transaction) => {
    const isLonger = [...afterState].some(([client, clock]) => beforeState.get(client) !== clock)
    if (isLonger || deleteSet.clients.size > 0) isChanged = true
  }
  doc.on('afterTransaction', look)
  try {
    const pieces: Uint8Array[] = []
    for (const piece of encodeState(doc, PIECE_BYTES)) {
      pieces.push(piece)
      // A small document is one piece, and there is nothing to wait for. Not after each: the longer it takes, the more
      // likely it is that somebody writes meanwhile.
      if (pieces.length % PIECES_PER_TURN === 0) await turns.next()
      if (isChanged) return undefined
    }
    return pieces
  } finally {
    doc.off('afterTransaction', look)
  }
}
