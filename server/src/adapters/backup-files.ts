import { createHash } from 'node:crypto'
import { createReadStream, existsSync } from 'node:fs'
import { open, readdir, readFile, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { SyncError, toSyncError } from '@onyx-sync/shared'
import { linesOf } from './lines.js'

/** Name of the file that makes a directory a backup; written last. */
export const MANIFEST = 'manifest.json'
/** Which log the files of a backup that is not finished yet are from. */
export const UNFINISHED = 'unfinished.json'

/** One file of a backup. Its name carries the beginning of its SHA-256, so that it can be told to be whole. */
export interface BackupFile {
  readonly name: string
  readonly bytes: number
  /** Hex. */
  readonly sha256: string
}

/** A file of lines in the making. Nothing of it is there under its name before it is on disk as a whole. */
export interface LineFile {
  /** Bytes so far. */
  readonly bytes: number
  write(line: string): Promise<void>
  /** Puts it on disk (fsync) as `<stem>-<hash>.jsonl`. */
  finish(stem: string): Promise<BackupFile>
  /** Drops it. */
  abandon(): Promise<void>
}

const HASH_IN_NAME = 16
const MODE = 0o600
/** Characters gathered before they are written. */
const BUFFER_LENGTH = 256 * 1024

/** Begins a file. One of a name at a time. */
export async function createLineFile(directory: string, temporaryName: string): Promise<LineFile> {
  const temporary = join(directory, `${temporaryName}.partial`)
  const file = await open(temporary, 'w', MODE)
  const hash = createHash('sha256')
  let bytes = 0
  let buffered = ''

  async function flush(): Promise<void> {
    const data = Buffer.from(buffered, 'utf8')
    buffered = ''
    hash.update(data)
    await file.writeFile(data)
  }

  return {
    get bytes() {
      return bytes
    },
    async write(line) {
      buffered += `${line}\n`
      bytes += Buffer.byteLength(line) + 1
      if (buffered.length >= BUFFER_LENGTH) await flush()
    },
    async finish(stem) {
      await flush()
      await file.sync()
      await file.close()
      const sha256 = hash.digest('hex')
      const name = `${stem}-${sha256.slice(0, HASH_IN_NAME)}.jsonl`
      await rename(temporary, join(directory, name))
      await syncDirectory(directory)
      return { name, bytes, sha256 }
    },
    async abandon() {
      await file.close()
      await rm(temporary, { force: true })
    },
  }
}

/** Lines of a file. Throws `BACKUP_INVALID` at its end where they are not those that were written. */
export async function* readLineFile(directory: string, { name, sha256 }: BackupFile): AsyncGenerator<string> {
  const hash = createHash('sha256')
  async function* hashed(): AsyncGenerator<Uint8Array> {
    for await (const chunk of createReadStream(join(directory, name))) {
      hash.update(chunk as Uint8Array)
      yield chunk as Uint8Array
    }
  }
  try {
    yield* linesOf(hashed())
  } catch (error) {
    throw toSyncError(error, 'BACKUP_INVALID', `${name} of the backup can't be read`)
  }
  if (hash.digest('hex') !== sha256) {
    throw new SyncError(
      'BACKUP_INVALID',
      `${name} of the backup was changed or damaged: use another copy of it`,
    )
  }
}

/** Files that are whole by their names, whose stem begins so, in the order of their names. */
export async function findLineFiles(directory: string, prefix: string): Promise<BackupFile[]> {
  const found: BackupFile[] = []
  for (const name of (await readdir(directory)).sort()) {
    const named = /-([0-9a-f]{16})\.jsonl$/.exec(name)?.[1]
    if (named === undefined || !name.startsWith(prefix)) continue
    const hash = createHash('sha256')
    let bytes = 0
    for await (const chunk of createReadStream(join(directory, name))) {
      hash.update(chunk as Uint8Array)
      bytes += (chunk as Uint8Array).byteLength
    }
    const sha256 = hash.digest('hex')
    if (sha256.startsWith(named)) found.push({ name, bytes, sha256 })
  }
  return found
}

/** JSON of a file; undefined where there is none. Throws `BACKUP_INVALID`. */
export async function readJson(
  directory: string,
  name: string,
): Promise<{ text: string; value: unknown } | undefined> {
  if (!existsSync(join(directory, name))) return undefined
  try {
    const text = await readFile(join(directory, name), 'utf8')
    return { text, value: JSON.parse(text) as unknown }
  } catch (error) {
    throw toSyncError(error, 'BACKUP_INVALID', `${join(directory, name)} can't be read`)
  }
}

/** Replaces a file as a whole, on disk when it resolves. */
export async function writeJson(directory: string, name: string, value: unknown): Promise<void> {
  const temporary = join(directory, `${name}.partial`)
  const file = await open(temporary, 'w', MODE)
  try {
    await file.writeFile(`${JSON.stringify(value, null, 2)}\n`)
    await file.sync()
  } finally {
    await file.close()
  }
  await rename(temporary, join(directory, name))
  await syncDirectory(directory)
}

/** Removes files of a backup that are none any more. */
export async function removeOthers(directory: string, kept: ReadonlySet<string>): Promise<void> {
  for (const name of await readdir(directory)) {
    const isOurs = /^(events|log)-.*\.(jsonl|partial)$/.test(name) || name === UNFINISHED
    if (isOurs && !kept.has(name)) await rm(join(directory, name), { force: true })
  }
  await syncDirectory(directory)
}

async function syncDirectory(directory: string): Promise<void> {
  // Not possible on Windows, and not needed there.
  if (process.platform === 'win32') return
  const handle = await open(directory, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}
