import * as Y from 'yjs'

/** The end of a list, from the first item on that was put into it. */
export interface Tail {
  readonly from: number
  /** Items that weren't there before. */
  readonly added: ReadonlySet<unknown>
}

/** Items that new ones may have come before: with more the whole list is looked through. */
const MAX_TAIL = 1_000

/** Nothing came. */
export function emptyTail(): Tail {
  return { from: Number.POSITIVE_INFINITY, added: new Set() }
}

/**
 * A tail with what a transaction put near the end of a list that had `length` items; undefined when it may have done
 * anything else. At a cost that doesn't grow with the list.
 */
export function longerTail(
  tail: Tail | undefined,
  transaction: Y.Transaction,
  list: Y.Array<unknown>,
  length: number,
): Tail | undefined {
  // Something was deleted: perhaps from the list, with something else put in its place.
  if (tail === undefined || transaction.deleteSet.clients.size > 0) return undefined
  const added = new Set(tail.added)
  const least = length - MAX_TAIL
  let from = list.length
  for (let missing = list.length - length; missing > 0; ) {
    from--
    const item = from < least ? undefined : list.get(from)
    const id = isType(item) ? item._item?.id : undefined
    // What is no message, and what lies too far from the end.
    if (id === undefined) return undefined
    if (id.clock < (transaction.beforeState.get(id.client) ?? 0)) continue
    added.add(item)
    missing--
  }
  return { from: Math.min(tail.from, from), added }
}

/** Items of a list from an index on. Its own `slice` begins at the first one. */
export function itemsFrom(list: Y.Array<unknown>, from: number): unknown[] {
  const items: unknown[] = []
  for (let index = list.length - 1; index >= from; index--) items.push(list.get(index))
  return items.reverse()
}

function isType(value: unknown): value is Y.AbstractType<unknown> {
  return value instanceof Y.AbstractType
}
