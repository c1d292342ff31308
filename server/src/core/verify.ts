import { type EventVerifier, pureVerifier } from '@onyx-sync/shared'
import type { InspectableLog } from '../ports/inspectable-log.js'
import {
  checkDeletedCoordinates,
  checkDeletedIds,
  checkExpiries,
  checkTombstones,
  checkVanished,
} from './verify-deletions.js'
import { checkDocuments } from './verify-documents.js'
import { checkEvents } from './verify-events.js'
import {
  createFindings,
  type Fault,
  type FaultKind,
  type Findings,
  MendingFailed,
  type VerifyCounts,
  type VerifyProgress,
} from './verify-findings.js'
import { checkFeeds, checkHeld, checkIds, checkLog } from './verify-places.js'
import {
  checkChanges,
  checkEpochs,
  checkGrants,
  checkRecords,
  checkRest,
  checkShared,
} from './verify-rights.js'

/** How to check a log. */
export interface VerifyOptions {
  /** Checks ids and signatures; give the one that the server has. @default noble's, in JavaScript */
  readonly verifier?: EventVerifier
  /**
   * Mends what follows from the events: indexes, records, merged states. Events, parts of edits, epochs, and
   * whom client ids belong to are never touched. @default false
   */
  readonly repair?: boolean
  /** Called with each fault, as it is found; there may be millions. */
  onFault?(fault: Fault): void
  /** Called again and again, with how far it is. */
  onProgress?(progress: VerifyProgress): void
}

/** What a check has come to. */
export interface VerifyReport extends Readonly<VerifyCounts> {
  readonly databaseId: string
  /** Position of the newest event. */
  readonly head: number
  /** Whether nothing is wrong, or nothing any more. */
  readonly isSound: boolean
  /** How many faults of each kind, those that were mended included. */
  readonly faults: Readonly<Record<FaultKind, number>>
  readonly faultCount: number
  /** How many of them follow from the events, so that `repair` mends them. */
  readonly mendableCount: number
  readonly mendedCount: number
}

/**
 * Checks a whole log: every event, and that everything that is derived from events is what they give. Nobody
 * else may use the log meanwhile. Reads it several times; holds one document in memory, and what is wrong.
 * Throws `STORE_FAILED` when it can't be mended. Source: SPEC VFY1–VFY8.
 */
export async function verifyLog(log: InspectableLog, options: VerifyOptions = {}): Promise<VerifyReport> {
  const check = createFindings({
    log,
    verifier: options.verifier ?? pureVerifier,
    repair: options.repair ?? false,
    onFault: (fault) => options.onFault?.(fault),
    onProgress: (progress) => options.onProgress?.(progress),
  })
  // In this order: each goes by what the ones before it have found, and mended.
  const steps: readonly (readonly [name: string, run: () => Promise<void>])[] = [
    ['the epochs', () => checkEpochs(check)],
    ['the events', () => checkEvents(check)],
    [
      'parts of edits and ids',
      async () => {
        const heldIds = await checkHeld(check)
        await checkIds(check, heldIds)
      },
    ],
    ['the logs of documents', () => checkLog(check, 'documentLog')],
    ['the documents', () => checkDocuments(check)],
    ['the logs of owners', () => checkLog(check, 'ownerLog')],
    [
      'training data',
      async () => {
        await checkLog(check, 'training')
        await checkLog(check, 'trainingFeed')
      },
    ],
    ['the lists of readers', () => checkLog(check, 'listed')],
    ['the names', () => checkLog(check, 'coordinate')],
    ['what is known of documents', () => checkRecords(check)],
    ['deleted documents', () => checkTombstones(check)],
    ['deleted ids', () => checkDeletedIds(check)],
    ['deleted names', () => checkDeletedCoordinates(check)],
    ['keys that vanished', () => checkVanished(check)],
    ['what expires', () => checkExpiries(check)],
    ['the grants', () => checkGrants(check)],
    ['what is shared', () => checkShared(check)],
    ['the feeds', () => checkFeeds(check)],
    ['the changes', () => checkChanges(check)],
    ['the other indexes', () => checkRest(check)],
  ]
  for (const [name, run] of steps) if (!(await isRead(check, name, run))) break
  const { faults, mended: mendedCount, mendable: mendableCount, counts } = check
  const faultCount = Object.values(faults).reduce((sum, count) => sum + count, 0)
  const isSound = faultCount === mendedCount
  const { databaseId, head } = log
  return {
    databaseId,
    head,
    isSound,
    ...counts,
    faults: { ...faults },
    faultCount,
    mendableCount,
    mendedCount,
  }
}

/** @returns false where the database could not be read: what comes after could take missing for wrong */
async function isRead(check: Findings, name: string, run: () => Promise<void>): Promise<boolean> {
  let isDone = true
  try {
    await run()
  } catch (error) {
    // What the database can't do has a code; anything else is a mistake of this program.
    if (error instanceof MendingFailed || typeof (error as { code?: unknown }).code !== 'string') throw error
    isDone = false
    const message = `reading ${name} failed, and what comes after was not checked: ${String(error)}`
    await check.note({ kind: 'storage', message })
  }
  await check.settle()
  return isDone
}
