/** Entries fetched from LevelDB at a time; it stops earlier at 16 KiB. */
const FETCH_ENTRIES = 256

/** What LevelDB's iterators over entries and over keys have in common. */
interface Paged<T> {
  nextv(size: number): Promise<T[]>
  close(): Promise<void>
}

/** What an iterator yields, fetched page by page; the iterator is closed however the reading ends. */
export async function* paged<T>(iterator: Paged<T>): AsyncGenerator<T> {
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
