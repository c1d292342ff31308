import { SyncError } from '@onyx-sync/shared'
import {
  type BackupFile,
  createLineFile,
  type LineFile,
  MANIFEST,
  readLineFile,
  removeOthers,
  UNFINISHED,
  writeJson,
} from '../adapters/backup-files.js'
import type { BackupHeader, Ranges } from '../core/backup-lines.js'
import {
  countWithin,
  type EventFile,
  isContinued,
  isHeader,
  isWithin,
  type Manifest,
} from '../core/backup-manifest.js'
import { eventFileStem, findBackup, intact } from './backup-directory.js'
import type { DataAccess } from './data-access.js'

/** How far a backup is. */
export interface BackupProgress {
  /** Position of the last event that was written, and of the newest. */
  readonly seq: number
  readonly head: number
  /** Events written. */
  readonly events: number
  readonly bytes: number
}

/** What a backup came to. */
export interface BackupReport {
  readonly manifest: Manifest
  /** Events that the backup has, those that were brought in this run, and those of runs before. */
  readonly events: number
  readonly newEvents: number
  readonly keptEvents: number
  readonly bytes: number
  /** Events that are no JSON any more; kept as they are, and not restored. */
  readonly damaged: number
  /** Entries of indexes that could not be read, and are left out. */
  readonly unreadable: number
}

export interface BackupOptions {
  readonly access: DataAccess
  /** Where it goes; locked. */
  readonly directory: string
  /** Brings every event anew, also those that an earlier backup there has. */
  readonly full: boolean
  onProgress(progress: BackupProgress): void
}

/** Size of a file with events at which the next one is begun: what a killed run has to bring again. */
const FILE_BYTES = 8 * 1024 * 1024

/**
 * Brings a backup up to date with the log, or begins one. Until the new manifest is there as a whole, the one
 * before holds. What is deleted in the log is not in the new backup, nor in the directory afterwards. Throws
 * `BACKUP_INVALID` where the directory has a backup of another log, or of one that went on differently.
 */
export async function runBackup(options: BackupOptions): Promise<BackupReport> {
  const { access, directory } = options
  const found = await findBackup(directory)
  const { kept, after } = options.full ? { kept: [], after: 0 } : reusable(directory, found)
  const lines = access.ask({ op: 'backup', after })[Symbol.asyncIterator]()
  try {
    const header = parseHeader((await lines.next()).value)
    const { manifest, unfinished } = found
    const manifestLast = lastOf(manifest?.events ?? [])
    if (manifest !== undefined) assertSameLog(manifest, header, Math.min(after, manifestLast), directory)
    if (after > manifestLast && !isContinued(unfinished as BackupHeader, header, after)) {
      // Of another history than what the directory was begun with: begun anew.
      await lines.return?.()
      await removeOthers(directory, new Set((manifest?.events ?? []).map(({ name }) => name)))
      return runBackup(options)
    }
    await writeJson(directory, UNFINISHED, { database: header.database, epochs: header.epochs })
    const written = await writeAll(header, lines, kept, options)
    const { serverKey, ...rest } = header
    const next: Manifest = {
      ...rest,
      created: new Date().toISOString(),
      events: written.files,
      log: written.log,
      serverKey,
    }
    await writeJson(directory, MANIFEST, next)
    await removeOthers(directory, new Set([...written.files, written.log].map(({ name }) => name)))
    return reportOf(next, written)
  } finally {
    await lines.return?.()
  }
}

function reusable(
  directory: string,
  { manifest, more }: Awaited<ReturnType<typeof findBackup>>,
): { readonly kept: readonly EventFile[]; readonly after: number } {
  const known = intact(directory, manifest?.events ?? [])
  // What was found beyond them follows them only if none of them is missing.
  const kept = known.length === (manifest?.events.length ?? 0) ? [...known, ...more] : known
  return { kept, after: lastOf(kept) }
}

function lastOf(files: readonly EventFile[]): number {
  return files[files.length - 1]?.last ?? 0
}

function parseHeader(line: string | undefined): BackupHeader {
  const header: unknown = JSON.parse(line ?? 'null')
  if (isHeader(header)) return header
  throw new SyncError(
    'STORE_FAILED',
    'the server answers in a way that this version of the command does not know',
  )
}

function assertSameLog(manifest: Manifest, header: BackupHeader, through: number, directory: string): void {
  if (manifest.database !== header.database) {
    throw new SyncError(
      'BACKUP_INVALID',
      `${directory} has a backup of another database (${manifest.database}): choose another directory`,
    )
  }
  if (!isContinued(manifest, header, Math.max(through, lastOf(manifest.events)))) {
    throw new SyncError(
      'BACKUP_INVALID',
      `the database was set back after the backup in ${directory}, which has what it lacks now: choose another directory, and keep that one`,
    )
  }
}

interface Written {
  readonly files: readonly EventFile[]
  readonly log: BackupFile
  newEvents: number
  damaged: number
  unreadable: number
}

async function writeAll(
  header: BackupHeader,
  lines: AsyncIterator<string>,
  kept: readonly EventFile[],
  options: BackupOptions,
): Promise<Written> {
  const { directory, onProgress } = options
  const counts = { newEvents: 0, damaged: 0, unreadable: 0 }
  const live: Ranges[number][] = []
  let files: EventFile[] | undefined
  const writer = createEventWriter(directory)
  const log = await createLineFile(directory, 'log')
  try {
    for (let next = await lines.next(); next.done !== true; next = await lines.next()) {
      const line = next.value
      const event = /^\{"seq":(\d+),/.exec(line)
      if (event === null) {
        const { live: ranges, unreadable } = JSON.parse(line) as { live?: Ranges; unreadable?: number }
        counts.unreadable += unreadable ?? 0
        if (ranges === undefined) await log.write(line)
        else live.push(...ranges)
        continue
      }
      files ??= await withoutDeleted(directory, kept, live)
      const seq = Number(event[1])
      const isDamaged = !isReadable(line)
      counts.newEvents++
      if (isDamaged) counts.damaged++
      await writer.write(seq, isDamaged ? damagedLine(seq, line) : line)
      onProgress({ seq, head: header.head, events: counts.newEvents, bytes: writer.bytes })
    }
    files ??= await withoutDeleted(directory, kept, live)
    return { files: [...files, ...(await writer.finish())], log: await log.finish('log'), ...counts }
  } catch (error) {
    await Promise.all([writer.abandon(), log.abandon()])
    throw error
  }
}

function isReadable(line: string): boolean {
  try {
    return 'event' in (JSON.parse(line) as object)
  } catch {
    return false
  }
}

function damagedLine(seq: number, line: string): string {
  return line.startsWith(`{"seq":${seq},"damaged":`) ? line : JSON.stringify({ seq, damaged: line })
}

/** Files with events, begun anew when they are large. */
function createEventWriter(directory: string) {
  const files: EventFile[] = []
  let current: { readonly file: LineFile; readonly first: number; last: number; events: number } | undefined
  let finishedBytes = 0

  async function finishCurrent(): Promise<void> {
    if (current === undefined) return
    const { file, ...place } = current
    current = undefined
    const finished = await file.finish(eventFileStem(place.first, place.last))
    finishedBytes += finished.bytes
    files.push({ ...finished, ...place })
  }

  return {
    get bytes() {
      return finishedBytes + (current?.file.bytes ?? 0)
    },
    async write(seq: number, line: string): Promise<void> {
      current ??= { file: await createLineFile(directory, 'events'), first: seq, last: seq, events: 0 }
      current.last = seq
      current.events++
      await current.file.write(line)
      if (current.file.bytes >= FILE_BYTES) await finishCurrent()
    },
    async finish(): Promise<readonly EventFile[]> {
      await finishCurrent()
      return files
    },
    async abandon(): Promise<void> {
      await current?.file.abandon()
    },
  }
}

/** Files that were there before, written anew where events of them are gone from the log. */
async function withoutDeleted(
  directory: string,
  files: readonly EventFile[],
  live: Ranges,
): Promise<EventFile[]> {
  const kept: EventFile[] = []
  for (const file of files) {
    const count = countWithin(live, file.first, file.last)
    if (count === file.events) kept.push(file)
    else if (count > 0) kept.push(...(await rewrite(directory, file, live)))
  }
  return kept
}

async function rewrite(directory: string, file: EventFile, live: Ranges): Promise<readonly EventFile[]> {
  const writer = createEventWriter(directory)
  try {
    for await (const line of readLineFile(directory, file)) {
      const seq = Number(/^\{"seq":(\d+),/.exec(line)?.[1])
      if (isWithin(live, seq)) await writer.write(seq, line)
    }
    return await writer.finish()
  } catch (error) {
    await writer.abandon()
    throw error
  }
}

function reportOf(manifest: Manifest, { newEvents, damaged, unreadable }: Written): BackupReport {
  const events = manifest.events.reduce((sum, file) => sum + file.events, 0)
  const bytes = manifest.events.reduce((sum, file) => sum + file.bytes, manifest.log.bytes)
  return { manifest, events, newEvents, keptEvents: events - newEvents, bytes, damaged, unreadable }
}
