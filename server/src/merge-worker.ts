import { parentPort } from 'node:worker_threads'
import { SyncError } from '@onyx-sync/shared'
import { nativeDeflate, nativeInflate } from './adapters/native-deflate.js'
import type { MergeReply, MergeRequest } from './adapters/worker-merger.js'
import { createMergeWork } from './core/merge-work.js'
import type { MergeWork } from './ports/merger.js'

/** The thread in which a server merges: does what `adapters/worker-merger.ts` asks, one piece after another. */
const work = createMergeWork({ deflate: nativeDeflate, inflate: nativeInflate })

/** What is smaller is copied faster than it is shared. Bytes. */
const COPIED_BYTES = 64 * 1024

parentPort?.on('message', ({ id, name, args }: MergeRequest) => {
  parentPort?.postMessage(answer(id, name, args))
})

// From now on work takes its own time only, and not that of loading what does it.
parentPort?.postMessage('ready' satisfies MergeReply)

function answer(id: number, name: keyof MergeWork, args: readonly unknown[]): MergeReply {
  try {
    return { id, value: shared((work[name] as (...input: readonly unknown[]) => unknown)(...args)) }
  } catch (error) {
    const code = error instanceof SyncError ? error.code : undefined
    return { id, failure: { code, message: error instanceof Error ? error.message : String(error) } }
  }
}

/**
 * A result, whose large bytes lie in memory that both threads see. What merges gives states out and is given them again,
 * to compare, cut or fold them; copied each time, an update of 40 MB would hold up the thread that serves everybody.
 * Nobody writes into them any more.
 */
function shared(value: unknown): unknown {
  if (value instanceof Uint8Array) {
    if (value.byteLength <= COPIED_BYTES) return value
    const copy = new Uint8Array(new SharedArrayBuffer(value.byteLength))
    copy.set(value)
    return copy
  }
  if (Array.isArray(value)) return value.map(shared)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([name, field]) => [name, shared(field)]))
}
