import { createHash } from 'node:crypto'
import { type EventVerifier, SyncError } from '@onyx-sync/shared'
import { MANIFEST, readLineFile } from '../adapters/backup-files.js'
import { openLevelModeration } from '../adapters/level/level-moderation.js'
import { openRestoreTarget } from '../adapters/level/level-restore.js'
import type { Manifest, ManifestFile } from '../core/backup-manifest.js'
import { type BackupFiles, type RefusedEvent, restoreFiles } from '../core/restore.js'
import { type VerifyReport, verifyLog } from '../core/verify.js'
import type { VerifyProgress } from '../core/verify-findings.js'
import type { ModerationStore } from '../ports/moderation-store.js'
import type { RestoreProgress } from '../ports/operable-log.js'
import { readManifest } from './backup-directory.js'

/** What a restore came to. */
export interface RestoreReport {
  readonly manifest: Manifest
  /** Events that are in the new database. */
  readonly events: number
  /** Those of them that an earlier run had brought in. */
  readonly resumedEvents: number
  /** Events that were left out, because they are not what their author signed. */
  readonly refusedEvents: number
  /** The first of them that this run met. */
  readonly refused: readonly RefusedEvent[]
  /** What the check of the new database found, after what could be mended was. */
  readonly check: VerifyReport
}

export interface RestoreOptions {
  /** Directory of the backup. */
  readonly from: string
  /** Directory of the new database. */
  readonly data: string
  /** Checks ids and signatures. */
  readonly verifier: EventVerifier
  onProgress(progress: RestoreProgress, manifest: Manifest): void
  onCheck(progress: VerifyProgress): void
}

/** Events that are named; all are counted. */
const KEPT_REFUSED = 100

/** Every event was checked before it was written. */
const CHECKED_BEFORE: EventVerifier = { name: 'checked before', verify: () => {} }

/**
 * Makes a database out of a backup: checks every event, writes it with the indexes that follow from it, and in
 * the end checks that all of it fits together. No server opens the new database before that. Killed, it goes on
 * where it was. Throws `CONFIG_INVALID` where the directory is not empty, and `BACKUP_INVALID`.
 */
export async function runRestore(options: RestoreOptions): Promise<RestoreReport> {
  const { from, data, verifier } = options
  const found = await readManifest(from)
  if (found === undefined) {
    throw new SyncError('BACKUP_INVALID', `there is no backup in ${from}: ${MANIFEST} is missing`)
  }
  const { manifest } = found
  const files = filesOf(from, manifest, createHash('sha256').update(found.text).digest('hex'))
  const refused: RefusedEvent[] = []
  const target = await openRestoreTarget(data)
  let moderation: ModerationStore | undefined
  try {
    const resumedEvents = target.progress?.events ?? 0
    const progress = await restoreFiles({
      files,
      target,
      async decide(entries) {
        moderation ??= await openLevelModeration(data)
        await moderation.apply(entries)
      },
      verifier,
      onRefused(event) {
        if (refused.length < KEPT_REFUSED) refused.push(event)
      },
      onProgress: (value) => options.onProgress(value, manifest),
    })
    const log = await target.open({
      databaseId: manifest.database,
      serverSecretKey: Buffer.from(manifest.serverKey, 'hex'),
      epochs: manifest.epochs,
    })
    const check = await verifyLog(log, {
      verifier: CHECKED_BEFORE,
      repair: true,
      onProgress: options.onCheck,
    })
    await target.finish()
    return {
      manifest,
      events: progress.events,
      resumedEvents,
      refusedEvents: progress.refused,
      refused,
      check,
    }
  } finally {
    await moderation?.close()
    await target.close()
  }
}

function filesOf(directory: string, manifest: Manifest, id: string): BackupFiles {
  const files: readonly ManifestFile[] = [...manifest.events, manifest.log]
  return {
    id,
    count: files.length,
    async *lines(at, skip) {
      let number = 0
      for await (const line of readLineFile(directory, files[at] as ManifestFile)) {
        if (number >= skip) yield line
        number++
      }
    },
  }
}
