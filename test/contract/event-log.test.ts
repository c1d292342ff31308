import { statSync } from 'node:fs'
import { join } from 'node:path'
import { createMemoryLog, openLevelLog } from '@onyx-sync/server'
import { Level } from 'level'
import { describe, expect, it } from 'vitest'
import { encodeSeq, keyOf } from '../../server/src/adapters/level/keys.js'
import { temporaryDataDirectory } from '../support/servers.js'
import { describeEventLog } from './event-log-contract.js'

describeEventLog('memory', { open: async () => createMemoryLog() })

let directory = ''
describeEventLog('LevelDB', {
  open() {
    directory = temporaryDataDirectory()
    return openLevelLog(directory)
  },
  async reopen(log) {
    await log.close()
    return openLevelLog(directory)
  },
})

describe('the data directory', () => {
  it('[SRV4] is made readable by its owner only', async () => {
    const data = join(temporaryDataDirectory(), 'deep', 'data')
    const log = await openLevelLog(data)
    expect(statSync(data).mode & 0o777).toBe(0o700)
    await log.close()
  })

  it('[SRV4] is used by one process at a time, and says so', async () => {
    const data = temporaryDataDirectory()
    const log = await openLevelLog(data)
    await expect(openLevelLog(data)).rejects.toMatchObject({
      code: 'DATA_LOCKED',
      message: expect.stringContaining(data),
    })
    await log.close()
    await (await openLevelLog(data)).close()
  })

  it('[SRV4] of a newer version is refused, not touched', async () => {
    const data = temporaryDataDirectory()
    await (await openLevelLog(data)).close()
    const db = new Level<Uint8Array, Uint8Array>(join(data, 'log'), {
      keyEncoding: 'view',
      valueEncoding: 'view',
    })
    await db.put(keyOf.meta('format'), encodeSeq(2))
    await db.close()
    await expect(openLevelLog(data)).rejects.toMatchObject({ code: 'DATA_FORMAT' })
    // The failed attempt let go of the lock.
    await expect(openLevelLog(data)).rejects.toMatchObject({ code: 'DATA_FORMAT' })
  })
})
