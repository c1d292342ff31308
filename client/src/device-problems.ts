import { type SyncError, toSyncError } from '@onyx-sync/shared'
import type { SyncStatus } from './client-api.js'

type Problem = SyncStatus['problem']

/** What went wrong on a device, as its status tells it. Each is known until it is over, or another one takes its place. */
export interface DeviceProblems {
  note(error: unknown): void
  /** Something turned out forged; that is never over. */
  forged(error: SyncError): void
  /** The disk has taken what it had refused. */
  stored(): void
  /** What went wrong goes well again; that says nothing of the disk. */
  over(): void
  clear(): void
  /** The one to be shown, beside that of the connection and that of the server's key. */
  foremost(connection: Problem, trust: SyncError | undefined): Problem
}

export function createDeviceProblems(first: SyncError | undefined): DeviceProblems {
  let forgery: Problem
  let local = describe(first)
  const isOfDisk = () => local?.code === 'STORE_FAILED'

  function clear(): void {
    local = undefined
  }

  return {
    note(error) {
      local = describe(toSyncError(error, 'STORE_FAILED'))
    },
    forged(error) {
      forgery = describe(error)
    },
    stored() {
      if (isOfDisk()) clear()
    },
    over() {
      if (!isOfDisk()) clear()
    },
    clear,
    foremost(connection, trust) {
      // A disk that refuses edits comes before a network that isn't there: those are lost with the process.
      return forgery ?? (isOfDisk() ? local : connection) ?? local ?? describe(trust)
    },
  }
}

function describe(error: SyncError | undefined): Problem {
  return error === undefined ? undefined : { code: error.code, message: error.message }
}
