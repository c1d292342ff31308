import type { CommittedRows } from '../core/journal.js'
import type { QueryRow, QueryTable } from '../ports/store.js'

/** Tells what commits did to the query tables, right after they are durable. */
export interface RowFeed {
  publish(rows: CommittedRows): void
  /** Commits may have been missed: everything is to be read anew. */
  reset(): void
  /** Calls back when commits may have been missed. @returns a function that ends it */
  onReset(listener: () => void): () => void
  /** Calls back with the rows of a table that changed, by id; `null` where one is gone. @returns a function that ends it */
  onRows(table: QueryTable, listener: (rows: ReadonlyMap<string, QueryRow | null>) => void): () => void
  /** Calls back with everything that a commit did. @returns a function that ends it */
  onCommit(listener: (rows: CommittedRows) => void): () => void
  /** Calls back when messages of a chat changed. @returns a function that ends it */
  onMessages(address: string, listener: () => void): () => void
}

export function createRowFeed(): RowFeed {
  const listeners = new Set<(rows: CommittedRows) => void>()
  const resetListeners = new Set<() => void>()

  function listen(listener: (rows: CommittedRows) => void): () => void {
    listeners.add(listener)
    return () => listeners.delete(listener)
  }

  return {
    publish(rows) {
      for (const listener of [...listeners]) listener(rows)
    },
    reset() {
      for (const listener of [...resetListeners]) listener()
    },
    onReset(listener) {
      // A function of its own for each, so that one listener may be given twice.
      const entry = () => listener()
      resetListeners.add(entry)
      return () => resetListeners.delete(entry)
    },
    onCommit: listen,
    onRows: (table, listener) =>
      listen(({ tables }) => {
        const changed = tables.get(table)
        if (changed !== undefined) listener(changed)
      }),
    onMessages(address, listener) {
      const prefix = `${address}/`
      return listen(({ tables, evicted }) => {
        const ids = tables.get('messages')?.keys() ?? []
        // The chat's row says how many there are.
        if (evicted.has(address) || tables.get('chats')?.has(address) || some(ids, prefix)) listener()
      })
    },
  }
}

function some(ids: Iterable<string>, prefix: string): boolean {
  for (const id of ids) if (id.startsWith(prefix)) return true
  return false
}
