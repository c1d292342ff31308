import type { Logger } from '@onyx-sync/shared'
import { createControlSocket } from './adapters/control-socket.js'
import { openLevelLog } from './adapters/level/level-log.js'
import { parseOperation, runOperation } from './core/operations.js'
import type { EventLog } from './ports/event-log.js'

/**
 * The log in a data directory, opened for a server. As long as it is open, commands such as `backup` can ask
 * for it over the socket beside it. Throws what `openLevelLog` throws.
 */
export async function openDataDirectory(data: string, logger: Logger): Promise<EventLog> {
  const log = await openLevelLog(data, logger)
  const answer = (request: unknown) => runOperation(log, parseOperation(request))
  const control = await createControlSocket(data, answer, logger)
  const close = log.close.bind(log)
  // Onto the log itself: a copy would freeze its head.
  return Object.assign(log, {
    async close() {
      await control.close()
      await close()
    },
  })
}
