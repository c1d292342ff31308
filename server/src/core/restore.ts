import { type EventVerifier, SyncError } from '@onyx-sync/shared'
import type { LogEntry } from '../ports/inspectable-log.js'
import { isModerationList, type ModerationEntry } from '../ports/moderation-store.js'
import type { RestoreProgress, RestoreTarget } from '../ports/operable-log.js'
import { BACKED_UP, type BackupLine, type CopiedEntry, type Ranges } from './backup-lines.js'
import { checkStored, entriesOf, placeOf } from './verify-events.js'

/** The files of a backup, in the order in which they go in. */
export interface BackupFiles {
  /** SHA-256 of its manifest, hex. */
  readonly id: string
  readonly count: number
  /** Lines of one file, from the one after `skip` on. */
  lines(file: number, skip: number): AsyncIterable<string>
}

/** An event that is not restored, and why. */
export interface RefusedEvent {
  readonly seq: number
  readonly message: string
}

export interface RestoreOptions {
  readonly files: BackupFiles
  readonly target: RestoreTarget
  /** Takes in what operators decided; durable when it resolves. What is there already may come again. */
  decide(entries: readonly ModerationEntry[]): Promise<void>
  /** Checks ids and signatures. */
  readonly verifier: EventVerifier
  onRefused(event: RefusedEvent): void
  onProgress(progress: RestoreProgress): void
}

/** Lines and characters of them that go into one write: few enough to lose little work with a kill. */
const BATCH_LINES = 256
const BATCH_LENGTH = 1024 * 1024
const BATCH_ENTRIES = 8_192
/** Positions that one line of a feed may stand for. */
const MAX_POSITIONS = 100_000

/**
 * Brings the files of a backup into a new log, checking the id and the signature of every event before it is
 * written, and goes on where an earlier run stopped. An event that is not what its author signed is left out
 * and reported. Throws `BACKUP_INVALID` for a line that says nothing, and for another backup than that which
 * was begun.
 */
export async function restoreFiles(options: RestoreOptions): Promise<RestoreProgress> {
  const { files, target } = options
  if (target.progress !== undefined && target.progress.backup !== files.id) {
    throw new SyncError(
      'BACKUP_INVALID',
      'the restore that was begun there is of another backup, or of another state of it: restore into a new directory',
    )
  }
  let progress = target.progress ?? { backup: files.id, files: 0, lines: 0, events: 0, refused: 0 }
  while (progress.files < files.count) {
    let batch = createBatch()
    const write = async (isLast: boolean): Promise<void> => {
      const { events, refused } = progress
      progress = {
        backup: files.id,
        files: progress.files + (isLast ? 1 : 0),
        lines: isLast ? 0 : progress.lines + batch.lines,
        events: events + batch.events,
        refused: refused + batch.refused,
      }
      if (batch.moderation.length > 0) await options.decide(batch.moderation)
      await target.write(batch.entries, progress)
      batch = createBatch()
      options.onProgress(progress)
    }
    for await (const line of files.lines(progress.files, progress.lines)) {
      takeLine(line, batch, options)
      if (isFull(batch)) await write(false)
    }
    await write(true)
  }
  return progress
}

interface Batch {
  readonly entries: LogEntry[]
  readonly moderation: ModerationEntry[]
  lines: number
  length: number
  events: number
  refused: number
}

function createBatch(): Batch {
  return { entries: [], moderation: [], lines: 0, length: 0, events: 0, refused: 0 }
}

function isFull({ lines, length, entries }: Batch): boolean {
  return lines >= BATCH_LINES || length >= BATCH_LENGTH || entries.length >= BATCH_ENTRIES
}

function takeLine(text: string, batch: Batch, { verifier, onRefused }: RestoreOptions): void {
  batch.lines++
  batch.length += text.length
  const line = parseLine(text)
  if ('event' in line) {
    try {
      // As it was signed, and nothing around it.
      const json = text.slice(`{"seq":${line.seq},"event":`.length, -1)
      checkStored(json, verifier)
      batch.entries.push({ index: 'event', seq: line.seq, json }, ...entriesOf(placeOf(json), line.seq))
      batch.events++
    } catch (error) {
      batch.refused++
      onRefused({ seq: line.seq, message: (error as Error).message })
    }
  } else if ('damaged' in line) {
    batch.refused++
    onRefused({ seq: line.seq, message: 'it was damaged when it was backed up' })
  } else if ('entry' in line) batch.entries.push(...entriesOfCopied(line.entry, verifier))
  else if ('moderation' in line) batch.moderation.push(checkDecided(line.moderation))
  else if ('feed' in line) {
    const { reader } = line.feed
    for (const seq of positionsIn(line.feed.seqs)) batch.entries.push({ index: 'feed', reader, seq })
  }
}

function parseLine(text: string): BackupLine {
  try {
    const line = JSON.parse(text) as unknown
    if (typeof line === 'object' && line !== null) return line as BackupLine
  } catch {
    // Said below.
  }
  throw new SyncError(
    'BACKUP_INVALID',
    `a line of the backup can't be read: ${JSON.stringify(text.slice(0, 80))}`,
  )
}

/** What operators decided, as it can be stored. Throws `BACKUP_INVALID`. */
function checkDecided(entry: ModerationEntry): ModerationEntry {
  const { list, key, value } = (entry ?? {}) as Partial<ModerationEntry>
  if (!isModerationList(list) || typeof key !== 'string' || typeof value !== 'string') {
    throw new SyncError('BACKUP_INVALID', `a decision of operators can't be read: ${JSON.stringify(entry)}`)
  }
  return { list, key, value }
}

/** A copied entry, and what follows from it. */
function entriesOfCopied(entry: CopiedEntry, verifier: EventVerifier): LogEntry[] {
  if (BACKED_UP[entry.index] !== 'copied') {
    throw new SyncError('BACKUP_INVALID', `entries of ${String(entry.index)} don't belong into a backup`)
  }
  if (entry.index === 'supersededId') return [entry, { index: 'id', id: entry.id, place: 'superseded' }]
  if (entry.index !== 'held') return [entry]
  checkStored(entry.part.json, verifier)
  return [entry, { index: 'id', id: entry.part.id, place: 'held' }]
}

function positionsIn(ranges: Ranges): number[] {
  const seqs: number[] = []
  for (const [from, through] of ranges) {
    if (!(through - from < MAX_POSITIONS - seqs.length)) {
      throw new SyncError('BACKUP_INVALID', 'a line of the backup stands for too many positions')
    }
    for (let seq = from; seq <= through; seq++) seqs.push(seq)
  }
  return seqs
}
