import { MAX_PAGE_ENTRIES, MIN_PAGE_ENTRIES } from '../../ports/event-log.js'

/** What LevelDB's iterators over entries and over keys have in common. */
interface Iterator<T> {
  nextv(size: number): Promise<T[]>
  close(): Promise<void>
}

/** What an iterator yields, in pages as a log lists it; the iterator is closed however the reading ends. */
export async function* pagesOf<T>(iterator: Iterator<T>): AsyncGenerator<T[]> {
  try {
    for (let size = MIN_PAGE_ENTRIES; ; size = Math.min(MAX_PAGE_ENTRIES, size * 2)) {
      const page = await iterator.nextv(size)
      // LevelDB ends one at 16 KiB, too. Beyond the end it doesn't ask the disk again.
      while (page.length > 0 && page.length < MIN_PAGE_ENTRIES) {
        const more = await iterator.nextv(MIN_PAGE_ENTRIES - page.length)
        if (more.length === 0) break
        page.push(...more)
      }
      if (page.length > 0) yield page
      if (page.length < MIN_PAGE_ENTRIES) return
    }
  } finally {
    await iterator.close()
  }
}

/** The same one by one, where that costs nothing that matters. */
export async function* entriesOf<T>(iterator: Iterator<T>): AsyncGenerator<T> {
  for await (const page of pagesOf(iterator)) yield* page
}
