import type { Logger } from '@onyx-sync/shared'
import { createControlSocket } from './adapters/control-socket.js'
import { openLevelLog } from './adapters/level/level-log.js'
import { openLevelModeration } from './adapters/level/level-moderation.js'
import { parseOperation, runOperation } from './core/operations.js'
import type { EventLog } from './ports/event-log.js'
import type { ModerationStore } from './ports/moderation-store.js'

/** What is in a data directory. Closing the log ends what commands ask; close both. */
export interface DataDirectory {
  readonly log: EventLog
  readonly store: ModerationStore
}

/**
 * A data directory, opened for a server. As long as its log is open, commands such as `backup` can ask for what is in
 * it over the socket beside it. Throws what `openLevelLog` and `openLevelModeration` throw.
 */
export async function openDataDirectory(data: string, logger: Logger): Promise<DataDirectory> {
  const log = await openLevelLog(data, logger)
  let store: ModerationStore
  try {
    store = await openLevelModeration(data)
  } catch (error) {
    await log.close()
    throw error
  }
  const answer = (request: unknown) => runOperation({ log, moderation: store }, parseOperation(request))
  const control = await createControlSocket(data, answer, logger)
  const close = log.close.bind(log)
  // Onto the log itself: a copy would freeze its head.
  const closable = Object.assign(log, {
    async close() {
      await control.close()
      await close()
    },
  })
  return { log: closable, store }
}
