import { SyncError } from '@onyx-sync/shared'

/** A place in the stream of changes that one set of keys may see. */
export interface CursorPosition {
  /** Everything up to this position of the log is covered. */
  readonly seq: number
  /** Whether the cursor can't be continued: everything is sent from the beginning, and the client told so. */
  readonly isReset: boolean
}

/** Writes and reads the opaque cursors of one subscription. */
export interface CursorCodec {
  format(seq: number): string
  /**
   * The position a cursor names; 0 for the empty one. `isReset` when it names another database, a position
   * this one hasn't reached (it was set back to a backup), or was given to other keys. Throws
   * `CURSOR_INVALID` for a text that no server of this kind wrote. Source: SPEC REP1, REP4.
   */
  parse(text: string, head: number): CursorPosition
}

const FORMAT = /^1\.([0-9a-z-]{1,64})\.([0-9a-z]{1,11})\.([0-9a-z]{1,13})$/

/**
 * A codec for one database and one set of keys. A cursor says "whoever holds this has seen all that these
 * keys could see up to here", so it is worth nothing to another set of keys: a key more may bring whole
 * documents that lie before it.
 */
export function createCursorCodec(databaseId: string, sortedKeys: readonly string[]): CursorCodec {
  const keysHash = hashText(sortedKeys.join(','))
  return {
    format: (seq) => `1.${databaseId}.${seq.toString(36)}.${keysHash}`,
    parse(text, head) {
      if (text === '') return { seq: 0, isReset: false }
      const parts = FORMAT.exec(text)
      if (parts === null) {
        throw new SyncError('CURSOR_INVALID', 'after is not a cursor of this server; send "" to start over')
      }
      const seq = Number.parseInt(parts[2] as string, 36)
      const isOurs = parts[1] === databaseId && parts[3] === keysHash && seq <= head
      return isOurs ? { seq, isReset: false } : { seq: 0, isReset: true }
    },
  }
}

/**
 * 53 bits that tell key sets apart (cyrb53). No secret and no defence: what a cursor brings is checked against
 * the keys of the connection anyway, so a forged one only fools its forger.
 */
function hashText(text: string): string {
  let h1 = 0xdeadbeef
  let h2 = 0x41c6ce57
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index)
    h1 = Math.imul(h1 ^ code, 2654435761)
    h2 = Math.imul(h2 ^ code, 1597334677)
  }
  h1 = Math.imul(h1 ^ (h1 >>> 16), 2246822507) ^ Math.imul(h2 ^ (h2 >>> 13), 3266489909)
  h2 = Math.imul(h2 ^ (h2 >>> 16), 2246822507) ^ Math.imul(h1 ^ (h1 >>> 13), 3266489909)
  return (4294967296 * (2097151 & h2) + (h1 >>> 0)).toString(36)
}
