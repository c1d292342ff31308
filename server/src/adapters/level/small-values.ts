import type { Level } from 'level'

/** Look-ups that take less time, 7 µs each, than handing them to another thread and being woken by it. */
const FEW_KEYS = 8

/**
 * Values by key, undefined where there is none; for those that take a few hundred bytes at most. Few are read in this
 * very thread: an event by itself asks for five, one after another, while its author waits.
 */
export async function smallValues(
  db: Level<Uint8Array, Uint8Array>,
  keys: readonly Uint8Array[],
): Promise<(Uint8Array | undefined)[]> {
  return keys.length > FEW_KEYS ? db.getMany([...keys]) : keys.map((key) => db.getSync(key))
}
