/**
 * What this device wrote last, by its position in the log. What is signed next needn't be read back from the disk, where it
 * would wait behind everything that is written and read there.
 */
export interface RecentEdits {
  note(seq: number, update: Uint8Array): void
  /** An update as it is in the log; undefined for an older one, or from before a restart. */
  get(seq: number): Uint8Array | undefined
}

/** Updates that are kept, bytes: a few seconds of somebody who writes, or of a reply that streams. */
const MAX_BYTES = 256 * 1024

export function createRecentEdits(): RecentEdits {
  const updates = new Map<number, Uint8Array>()
  let bytes = 0
  return {
    note(seq, update) {
      updates.set(seq, update)
      bytes += update.byteLength
      for (const [oldest, { byteLength }] of updates) {
        if (bytes <= MAX_BYTES) break
        updates.delete(oldest)
        bytes -= byteLength
      }
    },
    get: (seq) => updates.get(seq),
  }
}
