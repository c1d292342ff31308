import { SyncError } from '@onyx-sync/shared'
import type { EventLog } from '../ports/event-log.js'
import type { PlaceCodec } from '../ports/place-codec.js'

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
   * The position a cursor names; 0 for the empty one. `isReset` when it names another database, a history
   * that this one is not the continuation of (it was set back to a backup), or was given to other keys.
   * Throws `CURSOR_INVALID` for a text that no server of this kind wrote. Source: SPEC REP1, REP4.
   */
  parse(text: string): CursorPosition
}

/** What a codec has to know of the log. */
export type CursorLog = Pick<EventLog, 'databaseId' | 'head' | 'epochs'>

const READABLE = /^([0-9a-f]{0,16})\.([0-9a-z]{1,11})$/

/** Writes places as they are. Whoever reads it learns how much a server stores: a server hands in another one. */
export const readablePlaces: PlaceCodec = {
  write: ({ seq, epochId }) => `${epochId}.${seq.toString(36)}`,
  read(text) {
    const [, epochId, seq] = READABLE.exec(text) ?? []
    return epochId === undefined || seq === undefined ? undefined : { epochId, seq: Number.parseInt(seq, 36) }
  },
}

const FORMAT = /^1\.([0-9a-z-]{1,64})\.([0-9A-Za-z_.-]{1,64})\.([0-9a-z]{1,13})$/

/**
 * A codec for one log and one set of keys. A cursor says "whoever holds this has seen all that these keys
 * could see up to here", so it is worth nothing to another set of keys: a key more may bring whole documents
 * that lie before it.
 *
 * A position is given with its epoch. The position alone couldn't tell a log that was set back to a backup
 * and has grown past that position since: it holds other events there, and whoever continued would miss them
 * for good.
 */
export function createCursorCodec(
  log: CursorLog,
  sortedKeys: readonly string[],
  places: PlaceCodec = readablePlaces,
): CursorCodec {
  const keysHash = hashText(sortedKeys.join(','))
  return {
    format: (seq) => `1.${log.databaseId}.${places.write({ seq, epochId: epochAt(log, seq) })}.${keysHash}`,
    parse(text) {
      if (text === '') return { seq: 0, isReset: false }
      const parts = FORMAT.exec(text)
      if (parts === null) {
        throw new SyncError('CURSOR_INVALID', 'after is not a cursor of this server; send "" to start over')
      }
      const [, databaseId, placeText, keys] = parts
      const place = databaseId === log.databaseId ? places.read(placeText as string) : undefined
      const isOurs =
        place !== undefined &&
        keys === keysHash &&
        place.seq <= log.head &&
        epochAt(log, place.seq) === place.epochId
      return isOurs ? { seq: place.seq, isReset: false } : { seq: 0, isReset: true }
    },
  }
}

/**
 * Up to where a cursor is given for what was read up to `through`: the newest entry that the keys can see, or where
 * they had got to. The head of the log would tell them that others have written.
 */
export async function visiblePosition(
  log: EventLog,
  keys: readonly string[],
  from: number,
  through: number,
): Promise<number> {
  const last = await Promise.all(keys.map((key) => log.lastInFeed(key, through)))
  return Math.max(from, ...last)
}

/** Id of the epoch that a position lies in; empty for 0, which lies before all. */
function epochAt({ epochs }: CursorLog, seq: number): string {
  for (let index = epochs.length - 1; index >= 0; index--) {
    const epoch = epochs[index]
    if (epoch !== undefined && epoch.fromSeq <= seq) return epoch.id
  }
  return ''
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
