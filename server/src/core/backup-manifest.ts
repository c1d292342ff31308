import { SyncError } from '@onyx-sync/shared'
import type { Epoch } from '../ports/event-log.js'
import { BACKUP_FORMAT, type BackupHeader, type Ranges } from './backup-lines.js'

/** A file of a backup. */
export interface ManifestFile {
  readonly name: string
  readonly bytes: number
  /** Hex. */
  readonly sha256: string
}

/** A file with events, in the order of the log, one a line. */
export interface EventFile extends ManifestFile {
  /** How many there are, damaged ones included. */
  readonly events: number
  /** Positions of the first and the last one. */
  readonly first: number
  readonly last: number
}

/** What makes a directory a backup: who the log is, and of which files it consists. */
export interface Manifest extends BackupHeader {
  /** When the backup was finished, ISO 8601. */
  readonly created: string
  readonly events: readonly EventFile[]
  /** What else belongs to the log. */
  readonly log: ManifestFile
}

/** Checks what a manifest says. Throws `BACKUP_INVALID`. */
export function parseManifest(value: unknown, directory: string): Manifest {
  const manifest = value as Partial<Manifest> | null
  if (typeof manifest?.format === 'number' && manifest.format > BACKUP_FORMAT) {
    throw new SyncError(
      'BACKUP_INVALID',
      `the backup in ${directory} was written by a newer version (format ${manifest.format}, this one knows ${BACKUP_FORMAT}): update onyx-sync`,
    )
  }
  const events: readonly unknown[] = Array.isArray(manifest?.events) ? manifest.events : [undefined]
  if (!isHeader(value) || !isFile(manifest?.log) || !areEventFiles(events))
    throw new SyncError('BACKUP_INVALID', `the manifest of the backup in ${directory} can't be read`)
  return manifest as Manifest
}

function areEventFiles(values: readonly unknown[]): boolean {
  let last = 0
  for (const value of values) {
    const file = value as EventFile
    if (!isFile(value) || ![file.events, file.first, file.last].every(isPosition) || file.first <= last) {
      return false
    }
    last = file.last
  }
  return true
}

/** Whether this is what a server says first. */
export function isHeader(value: unknown): value is BackupHeader {
  const header = value as Partial<BackupHeader> | null
  return (
    header?.format === BACKUP_FORMAT &&
    typeof header.database === 'string' &&
    (header.head === 0 || isPosition(header.head)) &&
    /^[0-9a-f]{64}$/.test(String(header.serverKey)) &&
    Array.isArray(header.epochs) &&
    header.epochs.every(
      (epoch: Partial<Epoch> | null) =>
        /^[0-9a-f]{16}$/.test(String(epoch?.id)) && isPosition(epoch?.fromSeq),
    )
  )
}

function isFile(value: unknown): boolean {
  const file = value as Partial<ManifestFile> | null
  return (
    // Names are joined to a path: nothing that leads elsewhere.
    /^(events|log)(-[0-9a-f]+)+\.jsonl$/.test(String(file?.name)) &&
    /^[0-9a-f]{64}$/.test(String(file?.sha256)) &&
    Number.isInteger(file?.bytes)
  )
}

function isPosition(value: unknown): boolean {
  return Number.isSafeInteger(value) && (value as number) > 0
}

/** Whether positions up to `through` name the same events in two states of one log. */
export function isContinued(
  before: Pick<BackupHeader, 'database' | 'epochs'>,
  now: BackupHeader,
  through: number,
): boolean {
  const upTo = (epochs: readonly Epoch[]) =>
    JSON.stringify(epochs.filter(({ fromSeq }) => fromSeq <= through).map(({ id, fromSeq }) => [id, fromSeq]))
  return before.database === now.database && now.head >= through && upTo(before.epochs) === upTo(now.epochs)
}

/** How many positions of ascending ranges lie between two, both inclusive. */
export function countWithin(ranges: Ranges, first: number, last: number): number {
  let total = 0
  for (let at = indexFrom(ranges, first); at < ranges.length; at++) {
    const [from, through] = ranges[at] as Ranges[number]
    if (from > last) break
    total += Math.max(0, Math.min(through, last) - Math.max(from, first) + 1)
  }
  return total
}

/** Whether ascending ranges have a position. */
export function isWithin(ranges: Ranges, seq: number): boolean {
  const range = ranges[indexFrom(ranges, seq)]
  return range !== undefined && range[0] <= seq
}

/** Index of the first range that ends at a position or behind it. */
function indexFrom(ranges: Ranges, seq: number): number {
  let [low, high] = [0, ranges.length]
  while (low < high) {
    const middle = (low + high) >> 1
    if ((ranges[middle] as Ranges[number])[1] < seq) low = middle + 1
    else high = middle
  }
  return low
}
