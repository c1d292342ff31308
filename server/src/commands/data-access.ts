import { SyncError } from '@onyx-sync/shared'
import { askControl, connectControl } from '../adapters/control-socket.js'
import { type LevelLogOptions, openLevelLog } from '../adapters/level/level-log.js'
import { readLevelModeration } from '../adapters/level/level-moderation.js'
import { type OperationRequest, runOperation } from '../core/operations.js'

/** A data directory, whether or not a server has it. */
export interface DataAccess {
  /** Whether a running server answers. */
  readonly isOnline: boolean
  /** Lines of JSON. Must be read to the end, or let go. */
  ask(request: OperationRequest): AsyncIterable<string>
  close(): Promise<void>
}

/**
 * Opens the database of a data directory, or where a server has it, asks that server. Throws `CONFIG_INVALID`
 * where there is none, and `DATA_LOCKED` where another process has it that can't be asked.
 */
export async function openData(
  data: string,
  options: Pick<LevelLogOptions, 'checkTables'> = {},
): Promise<DataAccess> {
  if ((await reach(data)) !== undefined) return throughServer(data)
  try {
    const log = await openLevelLog(data, undefined, { ...options, mustExist: true })
    const moderation = { load: () => readLevelModeration(data) }
    const ask = (request: OperationRequest) => runOperation({ log, moderation }, request)
    return { isOnline: false, ask, close: () => log.close() }
  } catch (error) {
    if (!(error instanceof SyncError) || error.code !== 'DATA_LOCKED') throw error
    throw new SyncError(
      'DATA_LOCKED',
      `another process has ${data} and can't be asked: a check, a backup, or a server that has no control socket; wait for it, or stop it`,
      { cause: error },
    )
  }
}

async function reach(data: string): Promise<true | undefined> {
  const socket = await connectControl(data)
  socket?.destroy()
  return socket === undefined ? undefined : true
}

function throughServer(data: string): DataAccess {
  return {
    isOnline: true,
    async *ask(request) {
      const socket = await connectControl(data)
      if (socket === undefined)
        throw new SyncError('STORE_FAILED', `the server on ${data} is gone; run this again`)
      yield* askControl(socket, request)
    },
    close: async () => {},
  }
}
