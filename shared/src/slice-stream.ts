import { addTo, createCutter, type Deletion, dropSliced, fullSlices, type Queues } from './slicing.js'
import { type ReadStruct, readStructs, Unsliceable } from './struct-reader.js'

/** Slices of a state that comes in parts, each to be applied as soon as it is there, see `SliceableUpdates`. */
export interface SliceStream {
  /**
   * Looks the next part through. Gives what can be applied before the others come, and undefined after every `stepBytes`, so
   * that others can have their turn. Never throws.
   */
  add(part: Uint8Array): Generator<readonly Uint8Array[] | undefined, void, void>
  /** What is left when all parts are there. What can't be cut comes as it was given, in one. */
  end(): Generator<readonly Uint8Array[], void, void>
}

/**
 * Slices updates (Yjs format V1) as they come: all that hangs on nothing that is still to come, deletions last. Applied in
 * this order, each in a transaction of its own, they give what all of them give together. Of formatted text they give what
 * looks the same: it is applied to what was there before it, and Yjs then tidies away marks that change nothing.
 *
 * @param maxBytes of a slice, about
 * @param knownTo how far the document knows a client, in clocks
 */
export function createSliceStream(
  maxBytes: number,
  stepBytes: number,
  knownTo: (client: number) => number,
): SliceStream {
  const queues: Queues = new Map()
  const deletions: Deletion[] = []
  const cutter = createCutter(maxBytes)
  const parts: Uint8Array[] = []
  let isSliceable = true

  function take(struct: ReadStruct): void {
    if (!queues.has(struct.client) && struct.clock > knownTo(struct.client))
      throw new Unsliceable('what is before it is missing')
    addTo(queues, struct)
  }

  return {
    *add(part) {
      parts.push(part)
      if (!isSliceable) return
      try {
        yield* readStructs(part, stepBytes, {
          struct: take,
          deletion: (client, clock, length) => deletions.push([client, clock, length]),
        })
      } catch {
        // Of what is no update Yjs tells what is wrong, when it is applied.
        isSliceable = false
        return
      }
      yield* fullSlices(queues, cutter, knownTo, false)
      dropSliced(queues)
    },
    *end() {
      if (!isSliceable) {
        // What of it was applied before, Yjs passes over.
        yield parts
        return
      }
      yield* fullSlices(queues, cutter, knownTo, true)
      for (const slice of cutter.end(deletions)) yield [slice]
    },
  }
}
