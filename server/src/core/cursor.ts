import { SyncError } from '@onyx-sync/shared'

/** A place in the stream of changes that one set of keys may see. */
export interface CursorPosition {
  /** Everything up to this position of the log is covered. */
  readonly seq: number
  /** What the log must hold at that position, see {@link CursorCodec.format}; empty for position 0. */
  readonly mark: string
  /** Whether the cursor can't be continued: everything is sent from the beginning, and the client told so. */
  readonly isReset: boolean
}

/** Writes and reads the opaque cursors of one subscription. */
export interface CursorCodec {
  /**
   * `eventId` is that of the event at `seq`, empty for 0. The cursor carries a mark of it, because a position
   * alone can't tell a log that was set back to a backup and has grown past that position since: it would hold
   * other events there, and whoever continued would miss them for good.
   */
  format(seq: number, eventId: string): string
  /** The mark of an event. */
  mark(eventId: string): string
  /**
   * The position a cursor names; 0 for the empty one. `isReset` when it names another database, a position
   * this one hasn't reached (it was set back to a backup), or was given to other keys. Throws
   * `CURSOR_INVALID` for a text that no server of this kind wrote. Source: SPEC REP1, REP4.
   */
  parse(text: string, head: number): CursorPosition
}

const FORMAT = /^1\.([0-9a-z-]{1,64})\.([0-9a-z]{1,11})\.([0-9a-z]{1,13})\.([0-9a-z]{0,13})$/

/**
 * A codec for one database and one set of keys. A cursor says "whoever holds this has seen all that these
 * keys could see up to here", so it is worth nothing to another set of keys: a key more may bring whole
 * documents that lie before it.
 */
export function createCursorCodec(databaseId: string, sortedKeys: readonly string[]): CursorCodec {
  const keysHash = hashText(sortedKeys.join(','))
  const mark = (eventId: string) => (eventId === '' ? '' : hashText(`${databaseId}/${eventId}`))
  return {
    mark,
    format: (seq, eventId) => `1.${databaseId}.${seq.toString(36)}.${keysHash}.${mark(eventId)}`,
    parse(text, head) {
      if (text === '') return { seq: 0, mark: '', isReset: false }
      const parts = FORMAT.exec(text)
      if (parts === null) {
        throw new SyncError('CURSOR_INVALID', 'after is not a cursor of this server; send "" to start over')
      }
      const seq = Number.parseInt(parts[2] as string, 36)
      const isOurs = parts[1] === databaseId && parts[3] === keysHash && seq <= head
      return isOurs ? { seq, mark: parts[4] as string, isReset: false } : { seq: 0, mark: '', isReset: true }
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
