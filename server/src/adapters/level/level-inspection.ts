import { SyncError } from '@onyx-sync/shared'
import type { Level } from 'level'
import type {
  EntryOf,
  InspectableLog,
  LogIndex,
  Mending,
  UnreadableEntry,
} from '../../ports/inspectable-log.js'
import { rangeOf } from './keys.js'
import { decodeEntry, encodeEntry, equals } from './level-entries.js'
import { entriesOf } from './paging.js'

type Database = Level<Uint8Array, Uint8Array>

/** All entries of one index, now or as they were. */
export async function* scanIndex<I extends LogIndex>(
  db: Database,
  index: I,
  snapshot?: ReturnType<Database['snapshot']>,
): AsyncGenerator<EntryOf<I> | UnreadableEntry> {
  const range = { ...rangeOf.index(index), ...{ snapshot } }
  for await (const [key, value] of entriesOf<[Uint8Array, Uint8Array]>(db.iterator(range))) {
    yield decodeEntry(index, key, value) ?? {
      index: 'unreadable',
      of: index,
      key: Buffer.from(key).toString('hex'),
    }
  }
}

/** The reading half of {@link InspectableLog}. */
export function createLevelInspection(db: Database): Pick<InspectableLog, 'scan' | 'hasEntries'> {
  return {
    scan: (index) => scanIndex(db, index),
    async hasEntries(entries) {
      const raws = entries.map(encodeEntry)
      const found = await db.getMany(raws.map(({ key }) => key))
      return found.map((value, at) => {
        const expected = raws[at]?.value
        return value !== undefined && expected !== undefined && equals(value, expected)
      })
    },
  }
}

/** Writes a mending into a batch. Throws `STORE_FAILED` for an entry without a value. */
export function writeMending(
  { drop, put }: Mending,
  batch: { put(key: Uint8Array, value: Uint8Array): unknown; del(key: Uint8Array): unknown },
): void {
  for (const entry of drop) {
    batch.del(entry.index === 'unreadable' ? Buffer.from(entry.key, 'hex') : encodeEntry(entry).key)
  }
  for (const entry of put) {
    const { key, value } = encodeEntry(entry)
    if (value === undefined) throw new SyncError('STORE_FAILED', `no value for an entry of ${entry.index}`)
    batch.put(key, value)
  }
}
