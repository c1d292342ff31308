import { applyUpdate, type SliceableUpdates } from '@onyx-sync/shared'
import type * as Y from 'yjs'
import type { StoredUpdate } from '../ports/store.js'
import type { Turns } from '../ports/turns.js'
import { readInSteps, SLICE_BYTES, takeInSlices } from './slices.js'

/**
 * Applies the rows of a document's log to a document that nobody else has yet. What is large goes in slices with turns
 * between them, so that no app stands still for it; formatted text at once, because Yjs tidies it after each transaction.
 * One bad row is set aside, the rest is applied (trap Y9). Source: SPEC LOD1.
 */
export async function applyRows(
  doc: Y.Doc,
  rows: readonly StoredUpdate[],
  turns: Turns,
  origin: unknown,
  onBad: (seq: number, error: unknown) => void,
): Promise<void> {
  /** In one transaction. */
  function applyAll(some: readonly StoredUpdate[]): void {
    doc.transact(() => {
      for (const { seq, update } of some) {
        try {
          applyUpdate(doc, update, origin)
        } catch (error) {
          onBad(seq, error)
        }
      }
    }, origin)
  }

  if (bytesOf(rows) <= SLICE_BYTES) return applyAll(rows)
  const read: { readonly row: StoredUpdate; readonly updates: SliceableUpdates }[] = []
  for (const group of groups(rows)) {
    for (const row of group) read.push({ row, updates: await readInSteps([row.update], turns) })
    await turns.next()
  }
  if (read.some(({ updates }) => updates.isFormatted)) return applyAll(rows)
  const sliceable = new Map(read.map(({ row, updates }) => [row, updates]))
  for (const group of groups(rows)) {
    const [first] = group
    if (first !== undefined && first.update.byteLength > SLICE_BYTES) {
      const updates = sliceable.get(first) as SliceableUpdates
      await takeInSlices(doc, updates, turns, (slice) => {
        for (const update of slice) applyUpdate(doc, update, origin)
      }).catch((error) => onBad(first.seq, error))
    } else applyAll(group)
    await turns.next()
  }
}

function bytesOf(rows: readonly StoredUpdate[]): number {
  return rows.reduce((sum, { update }) => sum + update.byteLength, 0)
}

/** Rows in their order: large ones alone, small ones together up to the size of a slice. */
function groups(rows: readonly StoredUpdate[]): StoredUpdate[][] {
  const found: StoredUpdate[][] = []
  let room = 0
  for (const row of rows) {
    const { byteLength } = row.update
    if (byteLength <= room) found[found.length - 1]?.push(row)
    else found.push([row])
    room = (byteLength <= room ? room : SLICE_BYTES) - byteLength
  }
  return found
}
