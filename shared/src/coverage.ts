import * as Y from 'yjs'
import { getOrCreate } from './collections.js'

/** Which structs and deletions some updates hold together, without what is in them. */
export interface Coverage {
  /** Throws what `Y.decodeUpdate` throws. */
  add(update: Uint8Array): void
  /** Whether the updates hold everything that is applied in a document: every struct and every deletion (trap Y1). */
  covers(doc: Y.Doc): boolean
  /** Whether the updates hold everything that another one does. Throws what `Y.decodeUpdate` throws. */
  holds(update: Uint8Array): boolean
  /** How much of what was ever written to a document the updates hold, by clocks; deletions don't count. 0 to 1. */
  share(doc: Y.Doc): number
}

interface Range {
  from: number
  to: number
}

/** Ranges of clocks by Yjs client id, in any order and overlapping. */
type Ranges = Map<number, Range[]>

export function createCoverage(): Coverage {
  const structs: Ranges = new Map()
  const deleted: Ranges = new Map()

  function hasDeleted({ clients }: ReturnType<typeof Y.createDeleteSetFromStructStore>): boolean {
    return [...clients].every(([client, ranges]) =>
      ranges.every(({ clock, len }) => isCovered(deleted, client, clock, clock + len)),
    )
  }

  return {
    add(update) {
      const decoded = Y.decodeUpdate(update)
      for (const struct of decoded.structs) {
        // A skip stands for what the update lacks.
        if (!(struct instanceof Y.Skip)) include(structs, struct.id.client, struct.id.clock, struct.length)
      }
      for (const [client, ranges] of decoded.ds.clients)
        for (const { clock, len } of ranges) include(deleted, client, clock, len)
    },
    covers: ({ store }) =>
      [...store.clients.keys()].every((client) => isCovered(structs, client, 0, Y.getState(store, client))) &&
      hasDeleted(Y.createDeleteSetFromStructStore(store)),
    holds(update) {
      const decoded = Y.decodeUpdate(update)
      return (
        decoded.structs.every(
          (struct) =>
            struct instanceof Y.Skip ||
            isCovered(structs, struct.id.client, struct.id.clock, struct.id.clock + struct.length),
        ) && hasDeleted(decoded.ds)
      )
    },
    share({ store }) {
      let total = 0
      let held = 0
      for (const client of store.clients.keys()) {
        const length = Y.getState(store, client)
        total += length
        held += Math.min(length, lengthOf(structs.get(client) ?? []))
      }
      return total === 0 ? 1 : held / total
    },
  }
}

/** Clocks in ranges, those in several of them once. */
function lengthOf(list: Range[]): number {
  let length = 0
  let reached = 0
  for (const { from, to } of list.sort((a, b) => a.from - b.from)) {
    length += Math.max(0, to - Math.max(from, reached))
    reached = Math.max(reached, to)
  }
  return length
}

function include(ranges: Ranges, client: number, from: number, length: number): void {
  const list = getOrCreate(ranges, client, () => [])
  const last = list[list.length - 1]
  // Within an update they follow one another.
  if (last !== undefined && last.to === from) last.to += length
  else list.push({ from, to: from + length })
}

function isCovered(ranges: Ranges, client: number, from: number, to: number): boolean {
  let reached = from
  const list = ranges.get(client) ?? []
  list.sort((a, b) => a.from - b.from)
  for (const range of list) {
    if (reached >= to || range.from > reached) break
    reached = Math.max(reached, range.to)
  }
  return reached >= to
}
