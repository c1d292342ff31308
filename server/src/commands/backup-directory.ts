import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { SyncError, toSyncError } from '@onyx-sync/shared'
import {
  type BackupFile,
  findLineFiles,
  MANIFEST,
  readJson,
  readLineFile,
  UNFINISHED,
} from '../adapters/backup-files.js'
import type { BackupHeader } from '../core/backup-lines.js'
import { type EventFile, isHeader, type Manifest, parseManifest } from '../core/backup-manifest.js'

/** What a directory has of a log already. */
export interface FoundBackup {
  /** The last backup that was finished there; undefined if there is none. */
  readonly manifest: Manifest | undefined
  /** Of which log, and which state of it, a run that did not finish was. */
  readonly unfinished: Pick<BackupHeader, 'database' | 'epochs'> | undefined
  /** Files with events that such a run has finished, beyond those of the manifest. */
  readonly more: readonly EventFile[]
}

/** A file with events is named after the positions of the first and the last one. */
export function eventFileStem(first: number, last: number): string {
  return `events-${pad(first)}-${pad(last)}`
}

function pad(seq: number): string {
  return String(seq).padStart(16, '0')
}

/** The manifest of a backup. Throws `BACKUP_INVALID` where it can't be read. */
export async function readManifest(
  directory: string,
): Promise<{ manifest: Manifest; text: string } | undefined> {
  const found = await readJson(directory, MANIFEST)
  return found === undefined
    ? undefined
    : { manifest: parseManifest(found.value, directory), text: found.text }
}

/** Looks what is there. Files of the manifest that are missing or of another size are left out, and what follows. */
export async function findBackup(directory: string): Promise<FoundBackup> {
  const manifest = (await readManifest(directory))?.manifest
  const value = (await readJson(directory, UNFINISHED).catch(() => undefined))?.value
  const unfinished = isHeader({ format: 1, head: 0, serverKey: '0'.repeat(64), ...(value as object) })
    ? (value as BackupHeader)
    : undefined
  const known = manifest === undefined ? [] : intact(directory, manifest.events)
  if (unfinished === undefined) return { manifest, unfinished, more: [] }
  const more: EventFile[] = []
  let last = known[known.length - 1]?.last ?? 0
  for (const file of await findLineFiles(directory, 'events-')) {
    const described = await describe(directory, file)
    if (described === undefined || described.first <= last) continue
    more.push(described)
    last = described.last
  }
  return { manifest, unfinished, more }
}

/** The first files that are there as they were written, by their size. */
export function intact(directory: string, files: readonly EventFile[]): EventFile[] {
  const found: EventFile[] = []
  for (const file of files) {
    if (statSync(join(directory, file.name), { throwIfNoEntry: false })?.size !== file.bytes) break
    found.push(file)
  }
  return found
}

async function describe(directory: string, file: BackupFile): Promise<EventFile | undefined> {
  const [, first, last] = /^events-(\d{16})-(\d{16})-/.exec(file.name) ?? []
  if (first === undefined || last === undefined) return undefined
  let events = 0
  for await (const _ of readLineFile(directory, file)) events++
  return { ...file, events, first: Number(first), last: Number(last) }
}

/**
 * Makes the directory, readable by its owner only, and keeps other backups out of it. @returns what lets them
 * in again. Throws `CONFIG_INVALID` where it can't be made, `DATA_LOCKED` where another one writes there.
 */
export function lockDirectory(directory: string): () => void {
  const lock = join(directory, 'lock')
  try {
    mkdirSync(directory, { recursive: true, mode: 0o700 })
    const names = readdirSync(directory)
    if (names.length > 0 && ![MANIFEST, UNFINISHED, 'lock'].some((name) => names.includes(name))) {
      throw new SyncError(
        'CONFIG_INVALID',
        `${directory} is not empty and holds no backup: choose another directory`,
      )
    }
    takeLock(lock)
  } catch (error) {
    throw toSyncError(error, 'CONFIG_INVALID', `cannot write a backup to ${directory}`)
  }
  return () => rmSync(lock, { force: true })
}

function takeLock(lock: string): void {
  for (const isFirst of [true, false]) {
    try {
      writeFileSync(lock, String(process.pid), { flag: 'wx', mode: 0o600 })
      return
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
      const pid = Number(readFileSync(lock, 'utf8'))
      if (!isFirst || isRunning(pid)) {
        throw new SyncError(
          'DATA_LOCKED',
          `another backup (process ${pid}) writes there; if none does, remove ${lock}`,
        )
      }
      // Of a process that was killed.
      rmSync(lock, { force: true })
    }
  }
}

function isRunning(pid: number): boolean {
  if (!Number.isInteger(pid) || pid <= 0 || pid === process.pid) return false
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}
