import * as Y from 'yjs'
import { SyncError } from './errors.js'
import { createStructCutter, type Struct } from './struct-cutter.js'
import { type Place, type ScanObserver, scanUpdate } from './update-scan.js'
import { createUpdateWriter } from './update-writer.js'

/** A deleted range with the client it belongs to: four numbers. */
const MAX_DELETION_BYTES = 32

/**
 * Cuts a Yjs update (format V1) into valid updates of at most `maxBytes` each. All of them, in any order or
 * merged, give what the one gives: structs keep their order within each client, deletions come last. Texts and
 * lists of values are cut where a piece is full, a text never between the halves of a surrogate pair. An update
 * that fits comes back as it is. Takes time in proportion to its size.
 *
 * Yjs tidies formatting at the end of each transaction that brought some, and what it removes depends on what
 * has come by then. So apply pieces of formatted text merged, or in one transaction.
 *
 * Throws `UPDATE_INVALID` for what is no update, and `TOO_LARGE` when something that can't be cut, such as one
 * value of a map, doesn't fit into a piece.
 */
export function splitUpdate(update: Uint8Array, maxBytes: number): Uint8Array[] {
  if (update.byteLength <= maxBytes) return [update]
  const pieces: Uint8Array[] = []
  let writer = createUpdateWriter(maxBytes)

  /** Begins the next piece, for something that doesn't fit into this one. */
  function next(neededBytes: () => number): void {
    if (writer.isEmpty()) {
      const bytes = neededBytes()
      throw new SyncError(
        'TOO_LARGE',
        `the edit has a value of ${bytes} bytes, which can't be cut; a part takes ${maxBytes} bytes`,
      )
    }
    pieces.push(writer.toUint8Array())
    writer = createUpdateWriter(maxBytes)
  }

  /** Most structs go as the bytes that they are: nothing is made of them. */
  function addStruct(place: Place, length: number, begin: number, end: number): void {
    const { client, clock } = place
    if (writer.add(client, clock, length, update, begin, end)) return
    const cutter = createStructCutter(structOf(place, update.subarray(begin, end)))
    let from = 0
    for (;;) {
      const to = cutter.fit(from, writer.room(client, clock + from))
      if (to === undefined) {
        const begin = from
        next(() => cutter.encode(begin, cutter.least(begin)).byteLength)
        continue
      }
      writer.add(client, clock + from, to - from, cutter.encode(from, to))
      if (to >= length) return
      from = to
    }
  }

  scan(update, {
    root() {},
    count() {},
    struct: addStruct,
    deletion({ client, clock }, length) {
      while (!writer.addDeletion(client, clock, length)) next(() => MAX_DELETION_BYTES)
    },
  })
  if (!writer.isEmpty() || pieces.length === 0) pieces.push(writer.toUint8Array())
  return pieces
}

function scan(update: Uint8Array, observer: ScanObserver): void {
  try {
    scanUpdate(update, observer)
  } catch (cause) {
    if (cause instanceof SyncError) throw cause
    throw new SyncError('UPDATE_INVALID', 'what is to be split is not a Yjs update (format V1)', { cause })
  }
}

/** One struct of an update, as Yjs reads it. */
function structOf({ client, clock }: Place, bytes: Uint8Array): Struct {
  const writer = createUpdateWriter(Number.POSITIVE_INFINITY)
  writer.add(client, clock, 1, bytes)
  return Y.decodeUpdate(writer.toUint8Array()).structs[0] as Struct
}
