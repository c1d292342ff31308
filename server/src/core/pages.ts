import { MAX_PAGE_ENTRIES, type Pages } from '../ports/event-log.js'

/** Goes through pages entry by entry, without a promise for each. */
export interface PageCursor<T> {
  /** What comes next; undefined at the end, and while it {@link isDry}. */
  readonly head: T | undefined
  /** Its page is used up, and there may be another: {@link fill} reads that. */
  readonly isDry: boolean
  advance(): void
  fill(): Promise<void>
  close(): Promise<void>
}

export function createPageCursor<T>(pages: Pages<T>): PageCursor<T> {
  const iterator = pages[Symbol.asyncIterator]()
  let page: readonly T[] = []
  let index = 0
  let isEnded = false
  return {
    get head() {
      return page[index]
    },
    get isDry() {
      return index >= page.length && !isEnded
    },
    advance() {
      index++
    },
    async fill() {
      while (index >= page.length && !isEnded) {
        const result = await iterator.next()
        page = result.done === true ? [] : result.value
        index = 0
        isEnded = result.done === true
      }
    },
    async close() {
      await iterator.return?.()
    },
  }
}

/**
 * Several sequences, each in the order of `isBefore`, as one in that order. What is in two of them comes twice in a row. What
 * is there is handed on before more is read.
 */
export async function* mergePages<T>(
  sources: readonly Pages<T>[],
  isBefore: (a: T, b: T) => boolean,
): Pages<T> {
  const [only] = sources
  if (sources.length === 1 && only !== undefined) {
    yield* only
    return
  }
  const cursors = sources.map(createPageCursor)
  let page: T[] = []
  try {
    for (;;) {
      const isAnyDry = cursors.some(({ isDry }) => isDry)
      if (page.length > 0 && (isAnyDry || page.length === MAX_PAGE_ENTRIES)) {
        yield page
        page = []
      }
      if (isAnyDry) for (const cursor of cursors) await cursor.fill()
      let first: PageCursor<T> | undefined
      for (const cursor of cursors) {
        if (cursor.head === undefined) continue
        if (first?.head === undefined || isBefore(cursor.head, first.head)) first = cursor
      }
      if (first?.head === undefined) break
      page.push(first.head)
      first.advance()
    }
    if (page.length > 0) yield page
  } finally {
    await Promise.all(cursors.map((cursor) => cursor.close()))
  }
}

/** What is there already, as pages. */
export async function* onePage<T>(entries: readonly T[]): Pages<T> {
  if (entries.length > 0) yield entries
}

/** What comes one by one, in pages. */
export async function* gatherPages<T>(source: AsyncIterable<T>): Pages<T> {
  let page: T[] = []
  for await (const entry of source) {
    page.push(entry)
    if (page.length < MAX_PAGE_ENTRIES) continue
    yield page
    page = []
  }
  if (page.length > 0) yield page
}
