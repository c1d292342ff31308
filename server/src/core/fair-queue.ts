/** What waits, by account: accounts take turns, and of one account it is first come, first served. */
export interface FairQueue<T> {
  readonly isEmpty: boolean
  /** Of which something waits. */
  accounts(): Iterable<string>
  /** How much of an account waits. */
  waiting(account: string): number
  push(account: string, item: T): void
  /**
   * The next one, which stays where it is; undefined where there is none. An account whose first item is passed over
   * keeps its turn.
   */
  peek(isPassed?: (item: T) => boolean): T | undefined
  /** The same, taken out, and its account has its next turn after all others. */
  shift(isPassed?: (item: T) => boolean): T | undefined
}

/** A queue in which nobody waits for more than one item of each other account. Source: SPEC FAIR3. */
export function createFairQueue<T>(): FairQueue<T> {
  /** By account, in the order of their turns. `from` is where the first one is that still waits. */
  const lines = new Map<string, { items: T[]; from: number }>()
  return {
    get isEmpty() {
      return lines.size === 0
    },
    accounts: () => lines.keys(),
    waiting(account) {
      const line = lines.get(account)
      return line === undefined ? 0 : line.items.length - line.from
    },
    push(account, item) {
      const line = lines.get(account)
      if (line === undefined) lines.set(account, { items: [item], from: 0 })
      else line.items.push(item)
    },
    peek(isPassed = () => false) {
      for (const { items, from } of lines.values()) {
        const item = items[from] as T
        if (!isPassed(item)) return item
      }
      return undefined
    },
    shift(isPassed = () => false) {
      for (const [account, line] of lines) {
        const item = line.items[line.from] as T
        if (isPassed(item)) continue
        line.from++
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
