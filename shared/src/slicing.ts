import { type ReadStruct, Unsliceable } from './struct-reader.js'
import { type Chunks, createChunks, encodeUpdate, highestFirst } from './update-writer.js'

/** Deleted ranges in one slice: each costs a search, and what is deleted its removal. */
const MAX_DELETIONS = 1_000

/** What one client wrote, in its order. */
export interface Queue {
  readonly structs: ReadStruct[]
  /** The next one that is in no slice. */
  next: number
  /** The clock behind the last one. */
  end: number
}

/** What is to be sliced, by client id. */
export type Queues = Map<number, Queue>

/** A client id, and clock and length of what was deleted of it. */
export type Deletion = readonly [client: number, clock: number, length: number]

/** Adds a struct behind what its client wrote before. Throws `Unsliceable` where it doesn't follow that. */
export function addTo(queues: Queues, struct: ReadStruct): void {
  let queue = queues.get(struct.client)
  if (queue === undefined) {
    queue = { structs: [], next: 0, end: struct.clock }
    queues.set(struct.client, queue)
  }
  if (struct.clock !== queue.end) throw new Unsliceable('what a client wrote has a gap, or comes twice')
  queue.structs.push(struct)
  queue.end += struct.length
}

/** Lets go of what is in a slice. */
export function dropSliced(queues: Queues): void {
  for (const queue of queues.values()) {
    queue.structs.splice(0, queue.next)
    queue.next = 0
  }
}

/** Cuts structs that come in order into updates of about `maxBytes`, between two messages of a chat where that can be. */
export function createCutter(maxBytes: number) {
  let slice = createSlice()

  function take(): Uint8Array {
    const taken = slice.encode()
    slice = createSlice()
    return taken
  }

  return {
    /** @returns the slice that ends before this struct, if one does */
    add(struct: ReadStruct): Uint8Array | undefined {
      // Not in the middle of a message, which would be shown, and stored, in pieces.
      const isFull = slice.bytes >= maxBytes && (struct.beginsElement || slice.bytes >= 2 * maxBytes)
      const full = isFull ? take() : undefined
      slice.add(struct)
      return full
    },
    /** What is left, and what was deleted. */
    *end(deletions: readonly Deletion[]): Generator<Uint8Array, void, void> {
      if (slice.bytes >= maxBytes) yield take()
      for (const [client, clock, length] of deletions) {
        slice.addDeletion(client, clock, length)
        if (slice.deletions >= MAX_DELETIONS) yield take()
      }
      if (slice.bytes > 0 || slice.deletions > 0) yield take()
    },
  }
}

/**
 * All structs that are in no slice yet, each behind what it hangs on, as Yjs itself takes them: one client as far as possible,
 * then who it needs. Until `isWhole` what hangs on something that isn't there waits for it.
 */
function* inOrder(
  queues: Queues,
  knownTo: (client: number) => number,
  isWhole: boolean,
): Generator<ReadStruct, void, void> {
  /** Clients whose next struct waits. */
  const waiting = new Set<number>()

  function isThere(client: number, clock: number): boolean {
    const queue = queues.get(client)
    const next = queue?.structs[queue.next]
    return clock < Math.max(next?.clock ?? queue?.end ?? 0, knownTo(client))
  }

  function firstMissing({ needs }: ReadStruct): ReadStruct['needs'][number] | undefined {
    // Most hang on nothing of others.
    return needs.length === 0 ? undefined : needs.find(([client, clock]) => !isThere(client, clock))
  }

  function canCome(client: number, stack: readonly number[]): boolean {
    const queue = queues.get(client)
    const isLeft = queue !== undefined && queue.next < queue.structs.length
    return isLeft && !stack.includes(client) && !waiting.has(client)
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
      const missing = firstMissing(struct)
      // Nothing that was written hangs on itself; what says so, or needs what isn't here, Yjs lets wait.
      if (missing !== undefined && canCome(missing[0], stack)) {
        stack.push(missing[0])
        continue
      }
      if (missing !== undefined && !isWhole) {
        waiting.add(struct.client)
        stack.pop()
        continue
      }
      queue.next++
      yield struct
      // Only as far as somebody needs it.
      if (stack.length > 1) stack.pop()
    }
  }
}

/** Slices of what {@link inOrder} gives, as soon as each is full. What is left stays with the cutter. */
export function* fullSlices(
  queues: Queues,
  cutter: ReturnType<typeof createCutter>,
  knownTo: (client: number) => number,
  isWhole: boolean,
): Generator<readonly Uint8Array[], void, void> {
  for (const struct of inOrder(queues, knownTo, isWhole)) {
    const slice = cutter.add(struct)
    if (slice !== undefined) yield [slice]
  }
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
