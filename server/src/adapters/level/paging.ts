import { MAX_PAGE_ENTRIES, MIN_PAGE_ENTRIES } from '../../ports/event-log.js'

/** What LevelDB's iterators over entries and over keys have in common. */
interface Iterator<T> {
  /** At least one, unless there is nothing more, and no more once they have 16 KiB. */
  nextv(size: number): Promise<T[]>
  close(): Promise<void>
}

/** What an iterator yields, in pages as a log lists it; the iterator is closed however the reading ends. */
export async function* pagesOf<T>(iterator: Iterator<T>): AsyncGenerator<T[]> {
  try {
    for (let size = MIN_PAGE_ENTRIES; ; size = Math.min(MAX_PAGE_ENTRIES, size * 2)) {
      const page = await iterator.nextv(size)
      // Beyond the end the disk isn't asked again.
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

/** Entries fetched from LevelDB at a time. */
const FETCH_ENTRIES = 256

/** The same one by one, for whoever goes through everything. Of large entries one is in memory at a time. */
export async function* entriesOf<T>(iterator: Iterator<T>): AsyncGenerator<T> {
  try {
    for (;;) {
      const page = await iterator.nextv(FETCH_ENTRIES)
      if (page.length === 0) return
      yield* page
    }
  } finally {
    await iterator.close()
  }
}
