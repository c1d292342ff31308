import { cpSync, existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { SyncError } from '@onyx-sync/shared'
import { Level } from 'level'
import { damagedTables, openingError } from './level-files.js'
import { spoilBlocks } from './table-file.js'

/**
 * Copies the files of a database into a new data directory, and lets LevelDB make a database there of what it can
 * read, without the blocks whose checksum is wrong. The original is only read. Throws `CONFIG_INVALID` where there is nothing to repair or the new directory
 * is not empty, and `STORE_FAILED`.
 */
export async function repairInto(data: string, out: string): Promise<void> {
  const [from, to] = [join(data, 'log'), join(out, 'log')]
  if (!existsSync(from)) throw new SyncError('CONFIG_INVALID', `there is no database in ${data}`)
  if (existsSync(out) && readdirSync(out).length > 0) {
    throw new SyncError('CONFIG_INVALID', `${out} is not empty: what can be read goes into a new directory`)
  }
  try {
    mkdirSync(out, { recursive: true, mode: 0o700 })
    cpSync(from, to, { recursive: true, filter: (path) => !path.endsWith('/LOCK') })
    for (const { name, bytes, blocks } of damagedTables(to)) {
      spoilBlocks(bytes, blocks)
      writeFileSync(join(to, name), bytes)
    }
    // On Node `Level` is classic-level's, whose types the universal one does not show.
    await (Level as unknown as { repair(location: string): Promise<void> }).repair(to)
  } catch (error) {
    throw openingError(error, out)
  }
}
