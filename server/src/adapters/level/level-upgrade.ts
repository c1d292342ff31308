import { coordinatesOfDeletion, KIND, type NostrEvent } from '@onyx-sync/shared'
import type { Level } from 'level'
import { textAt } from './bytes.js'
import { encodeSeq, encodeVanished } from './codecs.js'
import { EMPTY, keyOf, rangeOf } from './keys.js'
import { decodeEntry } from './level-entries.js'
import { entriesOf } from './paging.js'

type Database = Level<Uint8Array, Uint8Array>

/** Entries of training data in one write. */
const BATCH_ENTRIES = 1_000

/**
 * Makes the index of the training data of all authors, which format 2 had not, and marks the database as format 3 with
 * the last write. Killed in the midst of it, it is done again from the beginning, and comes to the same. Durable.
 */
export async function indexTraining(db: Database): Promise<void> {
  let puts: { readonly type: 'put'; readonly key: Uint8Array; readonly value: Uint8Array }[] = []
  for await (const [key, value] of entriesOf<[Uint8Array, Uint8Array]>(
    db.iterator(rangeOf.index('ownerLog')),
  )) {
    const entry = decodeEntry('ownerLog', key, value)
    if (entry?.kind !== KIND.training) continue
    const { seq, id, created_at } = entry
    puts.push(
      { type: 'put', key: keyOf.training(created_at, id), value: encodeSeq(seq) },
      { type: 'put', key: keyOf.trainingFeed(seq), value: EMPTY },
    )
    if (puts.length < BATCH_ENTRIES) continue
    await db.batch(puts, { sync: true })
    puts = []
  }
  puts.push({ type: 'put', key: keyOf.meta('format'), value: encodeSeq(3) })
  await db.batch(puts, { sync: true })
}

/**
 * Remembers which names of replaceable and addressable events deletion requests name, which format 3 did not, and marks
 * the database as format 4 with that write. Done again, it comes to the same. Durable.
 */
export async function indexDeletedNames(db: Database): Promise<void> {
  const untilByName = new Map<string, { readonly until: number; readonly seq: number }>()
  for await (const [key, value] of entriesOf<[Uint8Array, Uint8Array]>(
    db.iterator(rangeOf.index('ownerLog')),
  )) {
    const entry = decodeEntry('ownerLog', key, value)
    if (entry?.kind !== KIND.deletion) continue
    const { seq, created_at: until } = entry
    for (const name of namesIn(await db.get(keyOf.event(seq)))) {
      const known = untilByName.get(name)
      const reachesFurther = known === undefined || until > known.until
      if (reachesFurther || (until === known.until && seq < known.seq)) untilByName.set(name, { until, seq })
    }
  }
  const puts = [...untilByName].map(([name, gone]) => {
    return { type: 'put' as const, key: keyOf.deletedCoordinate(name), value: encodeVanished(gone) }
  })
  await db.batch([...puts, { type: 'put', key: keyOf.meta('format'), value: encodeSeq(4) }], { sync: true })
}

/** None where the request is damaged, which `verify` tells. */
function namesIn(json: Uint8Array | undefined): string[] {
  try {
    return json === undefined ? [] : coordinatesOfDeletion(JSON.parse(textAt(json, 0)) as NostrEvent)
  } catch {
    return []
  }
}
