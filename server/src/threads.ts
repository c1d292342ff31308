import { existsSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import type { Limits, Logger } from '@onyx-sync/shared'
import type { ChosenVerifier } from '@onyx-sync/shared/node'
import { createVerifierPool } from './adapters/verifier-pool.js'
import { createWorkerMerger } from './adapters/worker-merger.js'
import { createLocalMerger } from './core/local-merger.js'
import type { Merger } from './ports/merger.js'
import type { RelayVerifier } from './ports/spread-verifier.js'

/** The built one, also where this module is loaded from its source or with the command. */
const MERGE_WORKER = new URL('../dist/merge-worker.js', import.meta.url)
const VERIFY_WORKER = new URL('../dist/verify-worker.js', import.meta.url)
/** More would hardly find work: one thread parses, stores and answers for all of them. */
const MAX_VERIFY_THREADS = 4

/** When the thread that merges begins, if nothing was to be merged before. Milliseconds. */
const WARM_UP_MS = 1_000

/** A thread of its own; without its module, such as in a bundle, what merges shares this one. */
export function chooseMerger({ maxMergeSeconds }: Limits, logger: Logger, onLost: () => void): Merger {
  if (existsSync(MERGE_WORKER)) {
    const merger = createWorkerMerger({ script: MERGE_WORKER, logger, maxSeconds: maxMergeSeconds, onLost })
    // Loading it takes a fifth of a second: not while the server starts, nor while the first device waits for its chats.
    setTimeout(() => merger.run('drop', 0).catch(() => {}), WARM_UP_MS).unref()
    return merger
  }
  logger.warn('documents are merged in the main thread, because the module of the other one is missing', {
    path: MERGE_WORKER.pathname,
  })
  return createLocalMerger()
}

/** What checks events, with threads that help where a check takes long and there are processors for them. */
export type ServerVerifier = RelayVerifier & { close?(): Promise<void> }

export function spreadVerifier(chosen: ChosenVerifier, logger: Logger): ServerVerifier {
  const { schnorr } = chosen
  const threads = Math.min(availableParallelism() - 1, MAX_VERIFY_THREADS)
  // The system's library takes as long for a check as the rest of the work takes to hand it over and store the event.
  if (schnorr.kind === 'native' || threads < 1 || !existsSync(VERIFY_WORKER)) return chosen
  return createVerifierPool({ schnorr, script: VERIFY_WORKER, threads, logger })
}
