import { addTo, createCutter, type Deletion, fullSlices, type Queues } from './slicing.js'
import { type ReadStruct, readStructs, Unsliceable } from './struct-reader.js'
import { mergeUpdates } from './sync-state.js'

/** Updates that were looked through. */
export interface SliceableUpdates {
  /**
   * Whether they hold formatting. Yjs tidies that at the end of each transaction that brought some, and what it removes
   * depends on what has come by then: everything goes in one transaction.
   */
  readonly isFormatted: boolean
  /**
   * Smaller updates that say the same, each to be applied as soon as it is there, in a transaction of its own: what
   * something hangs on comes before it or with it, and deletions come last. A slice has about `maxBytes`, and ends between
   * two messages of a chat where that can be; a struct is never
   * cut, so one with a long text is a slice of its own. What can't be cut that way, formatted text and what waits for
   * something, comes as it was given, in one. `knownTo` tells how far the document knows a client, in clocks.
   */
  slices(maxBytes: number, knownTo: (client: number) => number): Generator<readonly Uint8Array[], void, void>
}

/**
 * Looks updates (Yjs format V1) through, to apply them in slices. Yields after every `stepBytes`, so that others can have
 * their turn. Never throws: of what is no update Yjs tells what is wrong, when it is applied.
 */
export function* readSliceable(
  updates: readonly Uint8Array[],
  stepBytes: number,
): Generator<undefined, SliceableUpdates, void> {
  const queues: Queues = new Map()
  const deletions: Deletion[] = []
  try {
    for (const update of updates) {
      yield* readStructs(update, stepBytes, {
        struct: (struct) => addTo(queues, struct),
        deletion: (client, clock, length) => deletions.push([client, clock, length]),
      })
    }
  } catch (error) {
    const isFormatted = error instanceof Unsliceable && error.isFormatting
    return {
      isFormatted,
      *slices() {
        yield updates
      },
    }
  }
  return {
    isFormatted: false,
    *slices(maxBytes, knownTo) {
      for (const [client, queue] of queues) {
        queue.next = 0
        const { structs } = queue
        if ((structs[0] as ReadStruct).clock <= knownTo(client)) continue
        yield updates
        return
      }
      const cutter = createCutter(maxBytes)
      yield* fullSlices(queues, cutter, knownTo, true)
      for (const slice of cutter.end(deletions)) yield [slice]
    },
  }
}

/**
 * One update that says the same as several, in which nothing comes twice: what a client wrote goes as the bytes that it is,
 * several times as fast as Yjs merges. What can't go that way is merged. Throws what `Y.mergeUpdates` throws.
 */
export function joinUpdates(updates: readonly Uint8Array[]): Uint8Array {
  if (updates.length < 2) return mergeUpdates(updates)
  const reading = readSliceable(updates, Number.POSITIVE_INFINITY).next()
  const slices =
    reading.done === true ? reading.value.slices(Number.POSITIVE_INFINITY, everything) : [updates]
  // Many deletions are slices of their own.
  return mergeUpdates([...slices].flat())
}

const everything = () => Number.POSITIVE_INFINITY
