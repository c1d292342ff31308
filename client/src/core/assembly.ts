import type { Part } from '@onyx-sync/shared'

/** Puts parts together. Nothing of a whole is seen before all of it is there. */
export interface Assembly<T> {
  /** Takes a part; returns all parts of its whole, in order, once they are there. The same part again is ignored. */
  add(name: string, part: Part, item: T): T[] | undefined
  /** Names of wholes of which parts are missing. */
  readonly incomplete: readonly string[]
  /** Drops what is not complete. */
  clear(): void
}

export function createAssembly<T>(): Assembly<T> {
  const wholes = new Map<string, { readonly name: string; readonly items: Map<number, T> }>()
  return {
    add(name, { group, index, count }, item) {
      const key = `${group}/${count} ${name}`
      const whole = wholes.get(key) ?? { name, items: new Map<number, T>() }
      wholes.set(key, whole)
      whole.items.set(index, item)
      if (whole.items.size < count) return undefined
      wholes.delete(key)
      return [...whole.items].sort(([a], [b]) => a - b).map(([, part]) => part)
    },
    get incomplete() {
      return [...new Set([...wholes.values()].map(({ name }) => name))]
    },
    clear: () => wholes.clear(),
  }
}
