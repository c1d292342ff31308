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

/** Texts that are read before it is known how large they are, and no more than so many at a time. */
const FIRST_TEXTS = 8
const MAX_TEXTS = 64

/**
 * Texts by key, undefined where there is none. Each comes through this thread, a megabyte in half a millisecond: of large
 * ones only the first are read, at least one and few more than have `maxLength` characters together.
 */
export async function loadTexts(
  db: Level<Uint8Array, Uint8Array>,
  keys: readonly Uint8Array[],
  maxLength = Number.POSITIVE_INFINITY,
): Promise<(string | undefined)[]> {
  const texts: (string | undefined)[] = []
  let length = 0
  let size = FIRST_TEXTS
  while (texts.length < keys.length && length < maxLength) {
    const page = keys.slice(texts.length, texts.length + size)
    for (const text of await db.getMany<Uint8Array, string>(page, { valueEncoding: 'utf8' })) {
      texts.push(text)
      length += text?.length ?? 0
    }
    const average = Math.max(1, length / texts.length)
    size = Math.max(1, Math.min(MAX_TEXTS, Math.floor((maxLength - length) / average)))
  }
  return texts
}
