import { Worker } from 'node:worker_threads'
import { type Logger, signatureInvalid } from '@onyx-sync/shared'
import { CHECK_BYTES, createEventVerifier, isSigned, type Schnorr, writeCheck } from '@onyx-sync/shared/node'
import type { SpreadVerifier } from '../ports/spread-verifier.js'

export interface VerifierPoolOptions {
  readonly schnorr: Schnorr
  /** The module that each thread runs. */
  readonly script: URL
  /** How many there are at most. They begin when there is work for them. */
  readonly threads: number
  readonly logger: Logger
}

/** What a thread is told. */
export interface VerifyRequest {
  readonly batch: number
  /** Of each check {@link CHECK_BYTES}. */
  readonly bytes: Uint8Array
}

/** And what it answers: 1 for each check whose signature holds. */
export interface VerifyReply {
  readonly batch: number
  readonly valid: Uint8Array
}

interface Waiting {
  resolve(): void
  reject(error: unknown): void
}

interface Batch {
  readonly bytes: Buffer
  readonly waiting: Waiting[]
}

interface Thread {
  readonly worker: Worker
  readonly batches: Map<number, Batch>
}

/** Checks that go together. Handing one over costs 10 µs by itself, and 0.6 µs among so many. */
const BATCH_CHECKS = 16
/** Fewer than these are done at once: two of them take less time than waking a thread and being woken by it. */
const FEW_CHECKS = 3
/** Batches that wait for one thread. Beyond that the main thread checks, too. */
const MAX_BATCHES = 2

/** A verifier whose checks take so long that other threads are to help. */
export function createVerifierPool(
  options: VerifierPoolOptions,
): SpreadVerifier & { close(): Promise<void> } {
  const { schnorr, script, threads: maxThreads, logger } = options
  const verifier = createEventVerifier(schnorr)
  const threads = new Set<Thread>()
  /** Threads that ended by themselves: as many begin no more. */
  let failed = 0
  let batches = 0
  let isClosed = false
  let gathering: Batch | undefined

  function gather(): Batch {
    if (gathering !== undefined) return gathering
    const batch: Batch = { bytes: Buffer.allocUnsafeSlow(BATCH_CHECKS * CHECK_BYTES), waiting: [] }
    gathering = batch
    // After everything that this tick brings.
    process.nextTick(() => {
      if (gathering === batch) dispatch()
    })
    return batch
  }

  function dispatch(): void {
    const batch = gathering
    gathering = undefined
    if (batch === undefined) return
    const isFew =
      batch.waiting.length < FEW_CHECKS && [...threads].every((thread) => thread.batches.size === 0)
    const thread = isFew ? undefined : freeThread()
    if (thread === undefined) {
      checkHere(batch)
      return
    }
    const id = ++batches
    thread.batches.set(id, batch)
    thread.worker.ref()
    const bytes = batch.bytes.subarray(0, batch.waiting.length * CHECK_BYTES)
    thread.worker.postMessage({ batch: id, bytes } satisfies VerifyRequest)
  }

  /** The one with the least to do; undefined where all have enough. */
  function freeThread(): Thread | undefined {
    const [least] = [...threads].sort((a, b) => a.batches.size - b.batches.size)
    if (least?.batches.size !== 0 && threads.size < maxThreads - failed && !isClosed) return start()
    return least !== undefined && least.batches.size < MAX_BATCHES ? least : undefined
  }

  function start(): Thread {
    const worker = new Worker(script, { workerData: schnorr.kind })
    const thread: Thread = { worker, batches: new Map() }
    threads.add(thread)
    worker.on('message', ({ batch: id, valid }: VerifyReply) => {
      const batch = thread.batches.get(id)
      thread.batches.delete(id)
      // One without work keeps no process alive.
      if (thread.batches.size === 0) worker.unref()
      for (const [index, waiting] of (batch?.waiting ?? []).entries()) answer(waiting, valid[index] === 1)
    })
    worker.on('error', (error) => logger.warn('a verifying thread failed', { error: String(error) }))
    worker.on('exit', () => {
      threads.delete(thread)
      if (!isClosed) failed++
      for (const batch of thread.batches.values()) checkHere(batch)
    })
    return thread
  }

  function checkHere({ bytes, waiting }: Batch): void {
    for (const [index, one] of waiting.entries()) {
      try {
        answer(one, isSigned(schnorr, bytes, index * CHECK_BYTES))
      } catch (error) {
        one.reject(error)
      }
    }
  }

  function answer({ resolve, reject }: Waiting, isValid: boolean): void {
    if (isValid) resolve()
    else reject(signatureInvalid())
  }

  return {
    name: verifier.name,
    verify: verifier.verify,
    later(event) {
      const batch = gather()
      try {
        writeCheck(event, batch.bytes, batch.waiting.length * CHECK_BYTES)
      } catch (error) {
        return Promise.reject(error)
      }
      return new Promise((resolve, reject) => {
        batch.waiting.push({ resolve, reject })
        if (batch.waiting.length === BATCH_CHECKS) dispatch()
      })
    },
    async close() {
      isClosed = true
      await Promise.all([...threads].map(({ worker }) => worker.terminate()))
    },
  }
}
