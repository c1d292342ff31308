import { SyncError } from '@onyx-sync/shared'
import type { Merger, MergeWork } from '../ports/merger.js'
import { createMergeWork, type MergeWorkOptions } from './merge-work.js'

/** A merger in this very thread: for simulations, whose order of events must not hang on threads, and for tools. */
export function createLocalMerger(options: MergeWorkOptions = {}): Merger {
  const work = createMergeWork(options)
  let isClosed = false
  return {
    isApart: false,
    generation: 0,
    async run(name, ...args) {
      if (isClosed) throw new SyncError('SHUTTING_DOWN', 'the server is going down')
      const method = work[name] as (...input: typeof args) => ReturnType<MergeWork[typeof name]>
      return method(...args)
    },
    async close() {
      isClosed = true
    },
  }
}
