import { applyUpdate } from '@onyx-sync/shared'
import type * as Y from 'yjs'

/**
 * Applies updates to a document in one transaction, and does nothing else. After remote changes to formatted
 * text Yjs also deletes marks that have no effect, and which ones these are hangs on what came together. The
 * merged state of a log must not hang on that, nor hold deletions that nobody signed.
 */
export function mergeInto(doc: Y.Doc, updates: Iterable<Uint8Array>): void {
  mergeTogether(doc, () => {
    for (const update of updates) applyUpdate(doc, update)
  })
}

/** The same for what `apply` applies, for whoever has to know which update fails. */
export function mergeTogether(doc: Y.Doc, apply: () => void): void {
  doc.transact((transaction) => {
    // Yjs notes here that there is something to tidy. Setting `local` instead would leave stale search markers.
    Object.defineProperty(transaction, '_needFormattingCleanup', { get: () => false, set: () => {} })
    apply()
  })
}
