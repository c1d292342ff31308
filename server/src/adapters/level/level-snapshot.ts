import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { Level } from 'level'
import type { Epoch } from '../../ports/event-log.js'
import type { LogIndex } from '../../ports/inspectable-log.js'
import type { LogSnapshot, OperableLog } from '../../ports/operable-log.js'
import { textAt } from './bytes.js'
import { seqOfKey } from './codecs.js'
import { type KeyRange, keyOf, rangeOf } from './keys.js'
import { scanIndex } from './level-inspection.js'
import { entriesOf } from './paging.js'

type Database = Level<Uint8Array, Uint8Array>
type Snapshot = ReturnType<Database['snapshot']>

/** How far the log is, and which epochs it went through. */
export interface Place {
  readonly head: number
  readonly epochs: readonly Epoch[]
}

/** Reads it, now or as it was. */
export async function readPlace(db: Database, snapshot?: Snapshot): Promise<Place> {
  const [last] = await db.keys({ ...rangeOf.events(), ...{ snapshot }, reverse: true, limit: 1 }).all()
  const epochs = await db.iterator({ ...rangeOf.epochs(), ...{ snapshot } }).all()
  return {
    head: last === undefined ? 0 : seqOfKey(last),
    epochs: epochs.map(([key, id]) => ({ id: Buffer.from(id).toString('hex'), fromSeq: seqOfKey(key) })),
  }
}

/** What {@link OperableLog} adds to a log. */
export function createLevelOperations(db: Database): Pick<OperableLog, 'snapshot' | 'diskUse' | 'compact'> {
  return {
    async snapshot() {
      const snapshot = db.snapshot()
      try {
        return createSnapshot(db, snapshot, await readPlace(db, snapshot))
      } catch (error) {
        await snapshot.close()
        throw error
      }
    },
    async diskUse() {
      const sizes = await Promise.all(
        // LevelDB may remove a file meanwhile.
        (await readdir(db.location)).map((name) => stat(join(db.location, name)).catch(() => undefined)),
      )
      const files = sizes.flatMap((file) => (file === undefined ? [] : [file.size]))
      return { files: files.length, bytes: files.reduce((sum, size) => sum + size, 0) }
    },
    async compact() {
      // On Node `Level` is classic-level's, whose types the universal one does not show.
      const { compactRange } = db as unknown as {
        compactRange(start: Uint8Array, end: Uint8Array): Promise<void>
      }
      await compactRange.call(db, Uint8Array.of(0), Uint8Array.of(0xff))
    },
  }
}

function createSnapshot(db: Database, snapshot: Snapshot, place: Place): LogSnapshot {
  return {
    ...place,
    scan: <I extends LogIndex>(index: I) => scanIndex(db, index, snapshot),
    async *positions(through) {
      const range: KeyRange = { gte: keyOf.event(0), lte: keyOf.event(through) }
      for await (const key of entriesOf<Uint8Array>(db.keys({ ...range, snapshot }))) yield seqOfKey(key)
    },
    async *events(after) {
      const range: KeyRange = { ...rangeOf.events(), gte: keyOf.event(after + 1) }
      for await (const [key, value] of entriesOf<[Uint8Array, Uint8Array]>(
        db.iterator({ ...range, snapshot }),
      )) {
        yield { seq: seqOfKey(key), json: textAt(value, 0) }
      }
    },
    close: () => snapshot.close(),
  }
}
