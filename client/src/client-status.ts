import { type Clock, SyncError, type SyncErrorCode } from '@onyx-sync/shared'
import type { SyncClient, SyncStatus } from './client-api.js'

/** Problems that an app's user can do something about: those of this device, not of the network. */
const DEVICE_PROBLEMS: ReadonlySet<SyncErrorCode> = new Set([
  'AUTH_CLOCK_SKEW',
  'AUTH_INVALID',
  'IDENTITY_MISMATCH',
  'SIGNER_FAILED',
  'STORE_FAILED',
  'SERVER_KEY_CHANGED',
  'EVENT_FORGED',
  'TAB_SILENT',
])

/** How a device stands, and who wants to know. */
export interface StatusBoard {
  /** The same object until something differs: whoever renders by it asks often. */
  read(): SyncStatus
  /** Something may have changed. Listeners hear of it once per tick at most: a burst of changes is one change. */
  changed(): void
  /** @returns a function that ends it */
  listen(listener: (status: SyncStatus) => void): () => void
  /**
   * Looks at every change until `look` decides; false when `timeoutMs` is over first. Looks again when `ready` has
   * settled; a boolean that it gives decides.
   */
  until(
    look: (status: SyncStatus) => boolean | undefined,
    timeoutMs: number | undefined,
    ready: Promise<boolean | undefined>,
  ): Promise<boolean>
}

export function createStatusBoard(clock: Clock, compose: () => SyncStatus): StatusBoard {
  const listeners = new Set<(status: SyncStatus) => void>()
  let last: SyncStatus | undefined
  let isNotifying = false

  function read(): SyncStatus {
    const now = compose()
    if (last === undefined || JSON.stringify(last) !== JSON.stringify(now)) last = now
    return last
  }

  function listen(listener: (status: SyncStatus) => void): () => void {
    listeners.add(listener)
    return () => listeners.delete(listener)
  }

  return {
    read,
    listen,
    changed() {
      if (isNotifying || listeners.size === 0) return
      isNotifying = true
      queueMicrotask(() => {
        isNotifying = false
        const status = read()
        for (const listener of listeners) listener(status)
      })
    },
    until: (look, timeoutMs, ready) =>
      new Promise((resolve) => {
        const settle = (result: boolean) => {
          stopListening()
          clock.clearTimeout(timer)
          resolve(result)
        }
        const check = (status: SyncStatus) => {
          const result = look(status)
          if (result !== undefined) settle(result)
        }
        const timer = timeoutMs === undefined ? undefined : clock.setTimeout(() => settle(false), timeoutMs)
        const stopListening = listen(check)
        void ready.then((result) => (typeof result === 'boolean' ? settle(result) : check(read())))
      }),
  }
}

/** Tells whether a promise has settled, however it did. */
export function settled(work: Promise<unknown>): {
  readonly isSettled: boolean
  readonly promise: Promise<undefined>
} {
  const state = { isSettled: false, promise: Promise.resolve(undefined) }
  const note = () => {
    state.isSettled = true
    return undefined
  }
  state.promise = work.then(note, note)
  return state
}

/** See `SyncClient.onProblem`. */
export function onDeviceProblem(
  board: Pick<StatusBoard, 'listen'>,
  listener: Parameters<SyncClient['onProblem']>[0],
): () => void {
  // By code: the words of a clock that is off name the time, and so differ with each attempt.
  let last: string | undefined
  return board.listen(({ problem }) => {
    if (problem !== undefined && problem.code !== last && DEVICE_PROBLEMS.has(problem.code)) listener(problem)
    last = problem?.code
  })
}

/** See `SyncClient.unsaved`. */
export function describeUnsaved(
  board: Pick<StatusBoard, 'read'>,
  documents: () => readonly string[],
): ReturnType<SyncClient['unsaved']> {
  const { unsent, refused } = board.read()
  const edits = unsent + refused
  if (edits === 0) return undefined
  return {
    edits,
    documents: documents(),
    message: `${edits} edit${edits === 1 ? '' : 's'} not saved yet`,
  }
}

/** Throws `UNSAVED_EDITS` where there is something. */
export function refuseToLose(left: ReturnType<SyncClient['unsaved']>): void {
  if (left === undefined) return
  throw new SyncError(
    'UNSAVED_EDITS',
    `${left.message}: connect and wait for saved(), or log out with discard: true to lose them`,
  )
}
