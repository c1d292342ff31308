import { Worker } from 'node:worker_threads'
import { type Logger, SyncError, type SyncErrorCode } from '@onyx-sync/shared'
import { type Merger, MergerLost, type MergeWork } from '../ports/merger.js'

/** What the thread is asked. */
export interface MergeRequest {
  readonly id: number
  readonly name: keyof MergeWork
  readonly args: readonly unknown[]
}

/** And what it answers; first of all that it has begun. */
export type MergeReply =
  | 'ready'
  | { readonly id: number; readonly value: unknown }
  | {
      readonly id: number
      readonly failure: { readonly code: SyncErrorCode | undefined; readonly message: string }
    }

export interface WorkerMergerOptions {
  /** The module that the thread runs. */
  readonly script: URL
  readonly logger: Logger
  /** How long one piece of work may take before the thread is ended. Seconds. */
  readonly maxSeconds: number
  /** Called when the thread had to be ended, or ended by itself. */
  onLost?(): void
}

/** Memory that the thread may take for JavaScript values: beyond it the thread ends, and not the server. MiB. */
const MAX_HEAP_MB = 1_024

interface Waiting {
  readonly name: keyof MergeWork
  resolve(value: unknown): void
  reject(error: Error): void
}

/**
 * A merger in a thread of its own, which begins with the first piece of work. It is replaced when it ends, be it
 * by itself or because a piece of work takes too long. Real time, not an injected clock: so is the work.
 */
export function createWorkerMerger({ script, logger, maxSeconds, onLost }: WorkerMergerOptions): Merger {
  let worker: Worker | undefined
  let generation = 0
  let requests = 0
  let isClosed = false
  let isReady = false
  /** In the order in which the thread does them: the first is under way. */
  const waiting = new Map<number, Waiting>()
  let timer: NodeJS.Timeout | undefined
  let idle: (() => void)[] = []

  function start(): Worker {
    const thread = new Worker(script, { resourceLimits: { maxOldGenerationSizeMb: MAX_HEAP_MB } })
    thread.on('message', (reply: MergeReply) => {
      if (thread !== worker) return
      if (reply !== 'ready') return settle(reply)
      isReady = true
      watch()
    })
    thread.on('error', (error) => logger.error('the merging thread failed', { error: String(error) }))
    thread.on('exit', () => {
      if (thread === worker) lose('crash')
    })
    return thread
  }

  function settle(reply: Exclude<MergeReply, 'ready'>): void {
    const done = waiting.get(reply.id)
    waiting.delete(reply.id)
    watch()
    if ('value' in reply) done?.resolve(reply.value)
    else {
      const { code, message } = reply.failure
      done?.reject(code === undefined ? new Error(message) : new SyncError(code, message))
    }
  }

  /** Gives the piece of work that is under way now its time. */
  function watch(): void {
    clearTimeout(timer)
    if (waiting.size > 0) {
      worker?.ref()
      if (isReady) timer = setTimeout(() => lose('time'), maxSeconds * 1000)
      return
    }
    // A thread without work keeps no process alive.
    worker?.unref()
    const resolved = idle
    idle = []
    for (const resolve of resolved) resolve()
  }

  function lose(reason: 'time' | 'crash'): void {
    const thread = worker
    worker = undefined
    isReady = false
    generation++
    const lost = [...waiting.values()]
    waiting.clear()
    watch()
    void thread?.terminate()
    if (!isClosed) onLost?.()
    const what = reason === 'time' ? `took more than ${maxSeconds} s` : 'ended the thread'
    logger.warn('the merging thread begins anew', { work: lost[0]?.name, reason: what })
    for (const [index, { name, reject }] of lost.entries()) {
      reject(new MergerLost(index === 0 ? reason : 'bystander', `${name}: a piece of work ${what}`))
    }
  }

  return {
    isApart: true,
    get generation() {
      return generation
    },
    run<N extends keyof MergeWork>(name: N, ...args: Parameters<MergeWork[N]>) {
      if (isClosed) return Promise.reject(new SyncError('SHUTTING_DOWN', 'the server is going down'))
      worker ??= start()
      const thread = worker
      const id = ++requests
      return new Promise<ReturnType<MergeWork[N]>>((resolve, reject) => {
        waiting.set(id, { name, resolve: resolve as (value: unknown) => void, reject })
        thread.postMessage({ id, name, args } satisfies MergeRequest)
        if (waiting.size === 1) watch()
      })
    },
    async close() {
      isClosed = true
      if (waiting.size > 0) await new Promise<void>((resolve) => idle.push(resolve))
      const thread = worker
      worker = undefined
      await thread?.terminate()
    },
  }
}
