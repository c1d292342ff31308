/** What waits, by account: accounts take turns, and of one account it is first come, first served. */
export interface FairQueue<T> {
  readonly isEmpty: boolean
  push(account: string, item: T): void
  /** The next one, which stays where it is; undefined when empty. */
  peek(): T | undefined
  /** The next one, and who has the turn after it; undefined when empty. */
  shift(): T | undefined
}

/** A queue in which nobody waits for more than one item of each other account. Source: SPEC FAIR3. */
export function createFairQueue<T>(): FairQueue<T> {
  /** By account, in the order of their turns. `from` is where the first one is that still waits. */
  const lines = new Map<string, { items: T[]; from: number }>()
  return {
    get isEmpty() {
      return lines.size === 0
    },
    push(account, item) {
      const line = lines.get(account)
      if (line === undefined) lines.set(account, { items: [item], from: 0 })
      else line.items.push(item)
    },
    peek() {
      for (const { items, from } of lines.values()) return items[from]
      return undefined
    },
    shift() {
      for (const [account, line] of lines) {
        const item = line.items[line.from++]
        // To the end of the line of accounts.
        lines.delete(account)
        if (line.from < line.items.length) {
          if (line.from >= 1_024) {
            line.items = line.items.slice(line.from)
            line.from = 0
          }
          lines.set(account, line)
        }
        return item
      }
      return undefined
    },
  }
}
