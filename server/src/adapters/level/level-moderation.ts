import { cpSync, existsSync } from 'node:fs'
import { join } from 'node:path'
import { toSyncError } from '@onyx-sync/shared'
import { Level } from 'level'
import type { ModerationEntry, ModerationList, ModerationStore } from '../../ports/moderation-store.js'
import { openingError } from './level-files.js'

function locationIn(directory: string): string {
  return join(directory, 'moderation')
}

/**
 * Opens what the operator decided, in `<directory>/moderation`: a small database of its own, so that the log and its
 * check have nothing to do with it. The log's lock keeps other processes away. Rejects with
 * `STORE_FAILED`, and with `CONFIG_INVALID` where it can't be written.
 */
export async function openLevelModeration(directory: string): Promise<ModerationStore> {
  const failed = (error: unknown) =>
    toSyncError(error, 'STORE_FAILED', `the operator's lists in ${directory} can't be used`)
  const db = new Level<string, string>(locationIn(directory))
  try {
    await db.open()
  } catch (error) {
    const named = openingError(error, locationIn(directory))
    throw named.code === 'CONFIG_INVALID' ? named : failed((error as { cause?: unknown }).cause ?? error)
  }
  return {
    async load() {
      try {
        const entries = await db.iterator().all()
        return entries.map(([name, value]) => {
          const space = name.indexOf(' ')
          return { list: name.slice(0, space) as ModerationList, key: name.slice(space + 1), value }
        })
      } catch (error) {
        throw failed(error)
      }
    },
    async apply(changes) {
      try {
        const batch = db.batch()
        for (const { list, key, value } of changes) {
          if (value === undefined) batch.del(`${list} ${key}`)
          else batch.put(`${list} ${key}`, value)
        }
        await batch.write({ sync: true })
      } catch (error) {
        throw failed(error)
      }
    },
    close: () => db.close(),
  }
}

/** What the operator decided, of a directory that no server has open; nothing where none was ever asked to. */
export async function readLevelModeration(directory: string): Promise<ModerationEntry[]> {
  if (!existsSync(locationIn(directory))) return []
  const store = await openLevelModeration(directory)
  try {
    return await store.load()
  } finally {
    await store.close()
  }
}

/** Copies it to another directory, as it is. No server may have it open. */
export function copyLevelModeration(from: string, to: string): void {
  if (existsSync(locationIn(from))) cpSync(locationIn(from), locationIn(to), { recursive: true })
}
