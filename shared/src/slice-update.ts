import { type ReadStruct, readStructs, Unsliceable } from './struct-reader.js'
import { mergeUpdates } from './sync-state.js'
import { type Chunks, createChunks, encodeUpdate, highestFirst } from './update-writer.js'

/** Deleted ranges in one slice: each costs a search, and what is deleted its removal. */
const MAX_DELETIONS = 1_000

/** What one client wrote, in its order. */
interface Queue {
  readonly structs: ReadStruct[]
  /** The next one that is in no slice. */
  next: number
}

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
  const queues = new Map<number, Queue>()
  const deletions: [number, number, number][] = []
  try {
    for (const update of updates) {
      yield* readStructs(update, stepBytes, {
        struct(struct) {
          const queue = queues.get(struct.client) ?? { structs: [], next: 0 }
          if (queue.structs.length === 0) queues.set(struct.client, queue)
          const last = queue.structs[queue.structs.length - 1]
          if (last !== undefined && struct.clock !== last.clock + last.length)
            throw new Unsliceable('what a client wrote has a gap, or comes twice')
          queue.structs.push(struct)
        },
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
      for (const slice of cut(inOrder(queues, knownTo), deletions, maxBytes)) yield [slice]
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

function* cut(
  structs: Iterable<ReadStruct>,
  deletions: readonly (readonly [number, number, number])[],
  maxBytes: number,
): Generator<Uint8Array, void, void> {
  let slice = createSlice()
  for (const struct of structs) {
    // Not in the middle of a message, which would be shown, and stored, in pieces.
    if (slice.bytes >= maxBytes && (struct.beginsElement || slice.bytes >= 2 * maxBytes)) {
      yield slice.encode()
      slice = createSlice()
    }
    slice.add(struct)
  }
  if (slice.bytes >= maxBytes) {
    yield slice.encode()
    slice = createSlice()
  }
  for (const [client, clock, length] of deletions) {
    slice.addDeletion(client, clock, length)
    if (slice.deletions < MAX_DELETIONS) continue
    yield slice.encode()
    slice = createSlice()
  }
  if (slice.bytes > 0 || slice.deletions > 0) yield slice.encode()
}

/** All structs, each behind what it hangs on, as Yjs itself takes them: one client as far as possible, then who it needs. */
function* inOrder(
  queues: ReadonlyMap<number, Queue>,
  knownTo: (client: number) => number,
): Generator<ReadStruct, void, void> {
  function isThere(client: number, clock: number): boolean {
    const queue = queues.get(client)
    const next = queue?.structs[queue.next]
    if (next !== undefined) return clock < Math.max(next.clock, knownTo(client))
    const last = queue?.structs[queue.structs.length - 1]
    return clock < Math.max(knownTo(client), last === undefined ? 0 : last.clock + last.length)
  }

  for (const client of queues.keys()) {
    const stack = [client]
    while (stack.length > 0) {
      const queue = queues.get(stack[stack.length - 1] as number)
      const struct = queue?.structs[queue.next]
      if (queue === undefined || struct === undefined) {
        stack.pop()
        continue
      }
      const missing = struct.needs.find(([needed, clock]) => !isThere(needed, clock))
      // Nothing that was written hangs on itself; what says so, or needs what isn't here, Yjs lets wait.
      if (missing !== undefined && canCome(queues, stack, missing[0])) {
        stack.push(missing[0])
        continue
      }
      queue.next++
      yield struct
      // Only as far as somebody needs it.
      if (stack.length > 1) stack.pop()
    }
  }
}

function canCome(queues: ReadonlyMap<number, Queue>, stack: readonly number[], client: number): boolean {
  const queue = queues.get(client)
  return queue !== undefined && queue.next < queue.structs.length && !stack.includes(client)
}

interface Block {
  readonly clock: number
  count: number
  readonly chunks: Chunks
}

/** One slice in the making. */
function createSlice() {
  const blocks = new Map<number, Block>()
  const deleted = new Map<number, number[]>()
  let bytes = 0
  let deletions = 0
  return {
    get bytes() {
      return bytes
    },
    get deletions() {
      return deletions
    },
    add({ client, clock, update, from, to }: ReadStruct): void {
      const block = blocks.get(client) ?? { clock, count: 0, chunks: createChunks() }
      blocks.set(client, block)
      block.count++
      block.chunks.add(update, from, to)
      bytes += to - from
    },
    addDeletion(client: number, clock: number, length: number): void {
      const ranges = deleted.get(client) ?? []
      deleted.set(client, ranges)
      ranges.push(clock, length)
      deletions++
    },
    encode(): Uint8Array {
      return encodeUpdate(
        highestFirst(blocks).map(([client, block]) => ({ client, ...block, chunks: block.chunks.all() })),
        highestFirst(deleted).map(([client, ranges]) => ({ client, ranges })),
      )
    },
  }
}
