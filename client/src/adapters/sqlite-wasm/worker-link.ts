import { type WorkerAnswer, WorkerFault, type WorkerMethod, type WorkerMethods } from './protocol.js'

/** What a request comes to. */
export type WorkerResult<M extends WorkerMethod> =
  | { readonly value: ReturnType<WorkerMethods[M]>; readonly error?: undefined }
  | { readonly error: Error }

/** A worker that holds a database. */
export interface WorkerLink {
  /** Answers come in the order of the calls, each in a task of its own. Never throws. */
  call<M extends WorkerMethod>(
    method: M,
    args: Parameters<WorkerMethods[M]>,
    callback: (result: WorkerResult<M>) => void,
  ): void
  /** As `call`; rejects with a {@link WorkerFault}. */
  ask<M extends WorkerMethod>(
    method: M,
    ...args: Parameters<WorkerMethods[M]>
  ): Promise<ReturnType<WorkerMethods[M]>>
  /** Ends the worker, in whatever it is doing. What is asked from then on fails. */
  end(): void
}

/**
 * What loads the worker. Bundlers look for exactly this expression, and put the worker and `sqlite3.wasm` beside the
 * app's script.
 */
export function createSqliteWorker(): Worker {
  return new Worker(new URL('./sqlite-worker.js', import.meta.url), { type: 'module' })
}

export function createWorkerLink(worker: Worker): WorkerLink {
  const waiting = new Map<number, (result: WorkerResult<WorkerMethod>) => void>()
  let lastId = 0
  let ended: Error | undefined

  function fail(error: Error): void {
    ended ??= error
    const callbacks = [...waiting.values()]
    waiting.clear()
    for (const callback of callbacks) callback({ error: ended })
  }

  worker.addEventListener('message', ({ data }: MessageEvent<WorkerAnswer>) => {
    const callback = waiting.get(data.id)
    waiting.delete(data.id)
    if ('fault' in data) callback?.({ error: new WorkerFault(data.fault.kind, data.fault.message) })
    else callback?.({ value: data.value as never })
  })
  // A script that couldn't be loaded comes as an event without a message.
  worker.addEventListener('error', ({ message }) => {
    worker.terminate()
    fail(new WorkerFault('failed', message ? `the worker failed: ${message}` : NOT_LOADED))
  })

  const link: WorkerLink = {
    call(method, args, callback) {
      if (ended !== undefined) return callback({ error: ended })
      const id = ++lastId
      waiting.set(id, callback as (result: WorkerResult<WorkerMethod>) => void)
      try {
        worker.postMessage({ id, method, args })
      } catch (error) {
        // Something that can't be copied.
        waiting.delete(id)
        callback({ error: error as Error })
      }
    },
    ask: (method, ...args) =>
      new Promise((resolve, reject) => {
        link.call(method, args, (result) =>
          result.error === undefined ? resolve(result.value) : reject(result.error),
        )
      }),
    end() {
      worker.terminate()
      fail(new WorkerFault('failed', 'the database is closed'))
    },
  }
  return link
}

const NOT_LOADED =
  "the worker couldn't be loaded: its script has to be served beside the app's, and a Content-Security-Policy has to allow worker-src 'self' and script-src 'self' 'wasm-unsafe-eval'"
