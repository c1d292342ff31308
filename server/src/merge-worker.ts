import { parentPort } from 'node:worker_threads'
import { SyncError } from '@onyx-sync/shared'
import { nativeDeflate, nativeInflate } from './adapters/native-deflate.js'
import type { MergeReply, MergeRequest } from './adapters/worker-merger.js'
import { createMergeWork } from './core/merge-work.js'
import type { MergeWork } from './ports/merger.js'

/** The thread in which a server merges: does what `adapters/worker-merger.ts` asks, one piece after another. */
const work = createMergeWork({ deflate: nativeDeflate, inflate: nativeInflate })

/** What is smaller is copied faster than it is handed over. Bytes. */
const COPIED_BYTES = 64 * 1024

parentPort?.on('message', ({ id, name, args }: MergeRequest) => {
  const reply = answer(id, name, args)
  parentPort?.postMessage(reply, typeof reply === 'object' && 'value' in reply ? buffersOf(reply.value) : [])
})

// From now on work takes its own time only, and not that of loading what does it.
parentPort?.postMessage('ready' satisfies MergeReply)

function answer(id: number, name: keyof MergeWork, args: readonly unknown[]): MergeReply {
  try {
    return { id, value: (work[name] as (...input: readonly unknown[]) => unknown)(...args) }
  } catch (error) {
    const code = error instanceof SyncError ? error.code : undefined
    return { id, failure: { code, message: error instanceof Error ? error.message : String(error) } }
  }
}

/** Buffers that are handed over instead of copied: those of large results, which nobody here needs any more. */
function buffersOf(value: unknown): ArrayBuffer[] {
  if (value instanceof Uint8Array) {
    const { buffer, byteLength } = value
    const isWhole = buffer instanceof ArrayBuffer && buffer.byteLength === byteLength
    return isWhole && byteLength > COPIED_BYTES ? [buffer] : []
  }
  if (Array.isArray(value)) return value.flatMap(buffersOf)
  return []
}
