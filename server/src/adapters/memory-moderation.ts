import type { ModerationEntry, ModerationStore } from '../ports/moderation-store.js'

/** What the operator decided, for as long as the process lives. */
export function createMemoryModeration(): ModerationStore {
  const entries = new Map<string, ModerationEntry>()
  return {
    load: async () => [...entries.values()],
    async apply(changes) {
      for (const { list, key, value } of changes) {
        if (value === undefined) entries.delete(`${list} ${key}`)
        else entries.set(`${list} ${key}`, { list, key, value })
      }
    },
    close: async () => {},
  }
}
