import * as Y from 'yjs'

/** The end of a list, from the first item on that was put into it. */
export interface Tail {
  readonly from: number
  /** Items that weren't there before. */
  readonly added: ReadonlySet<unknown>
}

/** Items that new ones may have come before: with more the whole list is looked through. */
const MAX_TAIL = 1_000

/** Follows what is put near the end of a list of types, at a cost that doesn't grow with the list. */
export interface ListTail {
  /** What came since it was begun anew; undefined when the list may have changed in any other way. */
  readonly tail: Tail | undefined
  /** Takes note of a transaction that changed the list. */
  changed(transaction: Y.Transaction): void
  /** The list may have changed in any way. */
  lose(): void
  /** What came is looked at. */
  begin(): void
  /** Items from an index on, with `undefined` for what is no type. A list's own `slice` begins at the first one. */
  itemsFrom(from: number): unknown[]
}

export function createListTail(list: Y.Array<unknown>): ListTail {
  let length = list.length
  let from = Number.POSITIVE_INFINITY
  let added = new Set<unknown>()
  let isLost = false
  /** Near the end, or undefined. */
  let lastSeen: Y.Item | undefined

  /** The last item. The list itself would begin to look for it at the first one, after others have changed it. */
  function lastItem(): Y.Item | null {
    let item: Y.Item | null | undefined = lastSeen?.deleted === false ? lastSeen : undefined
    if (item === undefined) {
      const last = list.length === 0 ? undefined : list.get(list.length - 1)
      item = isType(last) ? last._item : null
    }
    for (let next = item?.right; next; next = next.right) if (isShown(next)) item = next
    // Values, unlike types, may be joined with those before them.
    lastSeen = item?.content instanceof Y.ContentType ? item : undefined
    return item
  }

  /** Takes note of what is new. @returns whether it is all near the end */
  function noteNew({ beforeState }: Y.Transaction): boolean {
    const least = length - MAX_TAIL
    let missing = list.length - length
    let place = list.length
    for (let item = missing > 0 ? lastItem() : null; missing > 0; item = item.left) {
      while (item !== null && !isShown(item)) item = item.left
      // What is no message, and what lies too far from the end.
      if (item === null || !(item.content instanceof Y.ContentType) || --place < least) return false
      if (item.id.clock < (beforeState.get(item.id.client) ?? 0)) continue
      added.add(item.content.type)
      missing--
    }
    from = Math.min(from, place)
    return true
  }

  return {
    get tail() {
      return isLost ? undefined : { from, added }
    },
    changed(transaction) {
      // Something was deleted: perhaps from the list, with something else put in its place.
      isLost ||= transaction.deleteSet.clients.size > 0 || !noteNew(transaction)
      length = list.length
    },
    lose() {
      isLost = true
    },
    begin() {
      isLost = false
      from = Number.POSITIVE_INFINITY
      added = new Set()
    },
    itemsFrom(first) {
      const items: unknown[] = []
      let left = list.length - first
      for (let item = left > 0 ? lastItem() : null; item !== null && left > 0; item = item.left) {
        if (!isShown(item)) continue
        const { content } = item
        for (let count = item.length; count > 0 && left > 0; count--, left--)
          items.push(content instanceof Y.ContentType ? content.type : undefined)
      }
      return items.reverse()
    },
  }
}

/** Whether it is in the list as others see it. */
function isShown({ deleted, countable }: Y.Item): boolean {
  return !deleted && countable
}

function isType(value: unknown): value is Y.AbstractType<unknown> {
  return value instanceof Y.AbstractType
}
