import { getOrCreate, type Limits, type Logger, type NostrEvent, SyncError } from '@onyx-sync/shared'
import type { Commit, EventLog, LoggedEvent } from '../ports/event-log.js'
import type { Merger } from '../ports/merger.js'
import { createBatchShares, MAX_BATCH_EVENTS } from './batch-shares.js'
import type { CheckedEvent } from './check-event.js'
import type { Checkpoints } from './checkpoints.js'
import type { Counters } from './counters.js'
import { type DeletionCommit, decideDeletion, type Gone } from './deletions.js'
import { createDraft, type Draft } from './draft.js'
import { createFairQueue } from './fair-queue.js'
import { isForAnyone } from './plain-events.js'
import { ledgerOf, type Quotas } from './quotas.js'
import type { Replacements } from './replacements.js'
import { decideVanish } from './vanish.js'
import { assertNotVanished } from './vanish-check.js'

/** How an event fared: stored now, known before, or refused. */
export type IngestOutcome = 'stored' | 'duplicate' | SyncError

/** A commit that is on disk, as the hub passes it on. */
export interface PublishedCommit {
  /** In log order. */
  readonly events: readonly { readonly logged: LoggedEvent; readonly event: NostrEvent }[]
  readonly grants: Commit['grants']
  readonly revocations: Commit['revocations']
  /** What left the log for good. Absent where nothing did. */
  readonly gone?: Gone
}

/** The one writer of the log. */
export interface Ingest {
  /**
   * Queues an event. `settle` is called once, when the event is durable, known to be durable already, or
   * refused; events submitted one after another for one account are settled in that order. Accounts take turns.
   * `account` is whom the event counts for, by default its author. Source: SPEC ING1–ING4, FAIR3.
   */
  submit(checked: CheckedEvent, settle: (outcome: IngestOutcome) => void, account?: string): void
  /** Whether more of an account waits than the next batches take of it: there is no hurry to read on. Source: SPEC FAIR1. */
  isAhead(account: string): boolean
  /** Does something to the log while nothing else is written. */
  exclusively<T>(work: () => Promise<T>): Promise<T>
  /** Refuses what comes from now on with `SHUTTING_DOWN`; resolves when all that was queued is settled. */
  stop(): Promise<void>
}

export interface IngestOptions {
  readonly log: EventLog
  readonly checkpoints: Checkpoints
  readonly replacements: Replacements
  readonly merger: Merger
  readonly quotas: Quotas
  readonly limits: Limits
  readonly logger: Logger
  readonly counters: Counters
  /** Why a key may not use this server any more; undefined where it may. */
  whyNot(pubkey: string): SyncError | undefined
  /** Names the epoch that this run of the server writes, see {@link Epoch}. */
  readonly epochId: string
  /** Called after every settlement of the commit's own submitters. Must not throw; if it does, it is logged. */
  publish(commit: PublishedCommit): void
  /** The log holds events that were not published: a write that had failed reached the disk after all. */
  onUntold(): void
}

interface Submission {
  readonly checked: CheckedEvent
  /** Whom it counts for. */
  readonly account: string
  settle(outcome: IngestOutcome): void
}

/**
 * Batches for which events of one account may wait. With thousands under way each is collected as garbage when it is old,
 * which takes several times as long, and everybody waits for that.
 */
const AHEAD_BATCHES = 4
/** Characters of JSON in one commit, so that large events don't add up to a huge write. */
const MAX_BATCH_LENGTH = 4 * 1024 * 1024

export function createIngest({
  log,
  checkpoints,
  replacements,
  merger,
  quotas,
  limits,
  logger,
  counters,
  epochId,
  whyNot,
  publish,
  onUntold,
}: IngestOptions): Ingest {
  const queue = createFairQueue<Submission>()
  const shares = createBatchShares()
  /** How many events of one account may wait. */
  let room = AHEAD_BATCHES * shares.share([])
  /** Work that waits for its turn between two batches. */
  const errands: (() => Promise<void>)[] = []
  /** Up to where everybody was told. */
  let toldHead = log.head
  let isStopped = false
  let running: Promise<void> | undefined

  /**
   * One batch at a time, and each takes whatever has queued up while the disk was busy with the one before:
   * the busier it gets, the more events share an fsync.
   */
  async function run(): Promise<void> {
    // Starts after this tick, so that what one read of the socket brought goes into one batch.
    await Promise.resolve()
    while (!queue.isEmpty || errands.length > 0) {
      await errands.shift()?.()
      tellUntold()
      if (queue.isEmpty) continue
      const batch = takeBatch()
      try {
        await write(batch)
      } catch (cause) {
        // Also those that were to be refused or called known: that may have hung on events of this batch,
        // none of which is stored. The next batch starts from what the log holds (trap S4).
        counters.commitsFailed++
        logger.error('a commit failed', { events: batch.length, error: String(cause) })
        const failure = new SyncError('STORE_FAILED', 'the event could not be stored; send it again', {
          cause,
        })
        for (const submission of batch) settle(submission, failure)
        await lookAgain()
      }
    }
    // In the tick that found the queue empty: what is submitted from now on must start a run of its own.
    running = undefined
  }

  function takeBatch(): Submission[] {
    const batch: Submission[] = []
    const names = new Set<string>()
    const taken = new Map<string, number>()
    const share = shares.share(queue.accounts())
    room = AHEAD_BATCHES * shares.share([])
    // Of two events of one name the second may take the place of the first, which has to be there for that.
    const isPassed = ({ account, checked: { plain } }: Submission) =>
      (taken.get(account) ?? 0) >= share || (plain?.coordinate !== undefined && names.has(plain.coordinate))
    for (let length = 0; batch.length < MAX_BATCH_EVENTS && length < MAX_BATCH_LENGTH; ) {
      const next = queue.peek(isPassed)
      // What is deleted may be in the batch: a deletion is one of its own.
      if (next === undefined || (isRemoval(next.checked) && batch.length > 0)) break
      queue.shift(isPassed)
      const name = next.checked.plain?.coordinate
      if (name !== undefined) names.add(name)
      taken.set(next.account, (taken.get(next.account) ?? 0) + 1)
      batch.push(next)
      length += next.checked.json.length
      if (isRemoval(next.checked)) break
    }
    return batch
  }

  async function write(batch: readonly Submission[]): Promise<void> {
    // First: a log that recovers from a failed write may find, while it answers, that it has grown by it.
    const known = await log.has(batch.map(({ checked }) => checked.event.id))
    tellUntold()
    const [first] = batch
    if (first !== undefined && isRemoval(first.checked) && known[0] !== true) return remove(first)
    const unknown = batch.filter((_, index) => known[index] !== true).map(({ checked }) => checked)
    const draft = await createDraft(log, checkpoints, merger, limits, logger, unknown)
    const outcomes: IngestOutcome[] = []
    const added = new Map<string, { bytes: number; documents: number }>()
    for (const [index, submission] of batch.entries()) {
      outcomes.push(known[index] === true ? 'duplicate' : await decide(draft, submission, added))
    }
    const { commit, done } = replacements.begin(draft.toCommit())
    const isEmpty = [commit.events, commit.held, commit.released].every((list) => (list ?? []).length === 0)
    try {
      if (!isEmpty) await log.commit({ ...commit, ...newEpoch(commit) })
      for (const [owner, change] of draft.usageChanges()) quotas.changed(owner, change)
      // From here to the end in one tick: the submitters hear OK first, then everybody gets the events, and
      // nobody can ask in between.
      for (const [index, submission] of batch.entries()) settle(submission, outcomes[index] as IngestOutcome)
      tell(commit, draft.events)
    } finally {
      done()
    }
  }

  /** After a failed write: those who are connected are not to wait for the next one to hear of what is on the disk after all. */
  async function lookAgain(): Promise<void> {
    // Where the disk can't be asked now, the next batch asks it.
    await log.has([]).catch(() => {})
    tellUntold()
  }

  /** What a failed write put on the disk nevertheless: its submitters were told to send it again, and it is known then. */
  function tellUntold(): void {
    if (log.head === toldHead) return
    toldHead = log.head
    onUntold()
  }

  /** Deletes what an event names. As above: durable, then OK, then everybody is told. */
  async function remove(submission: Submission): Promise<void> {
    const { checked } = submission
    let outcome: IngestOutcome = 'stored'
    const decided = await decideRemoval(checked).catch((error: unknown) => {
      if (!(error instanceof SyncError) || error.code === 'STORE_FAILED') throw error
      outcome = error
      return undefined
    })
    if (decided !== undefined) await log.commit({ ...decided.commit, ...newEpoch(decided.commit) })
    settle(submission, outcome)
    if (decided !== undefined) tell(decided.commit, [checked.event], decided.gone)
  }

  async function decideRemoval(checked: CheckedEvent): Promise<DeletionCommit> {
    const [until] = await log.vanishedUntil([checked.event.pubkey])
    assertNotVanished(checked.event, until)
    return (checked.isVanish ? decideVanish : decideDeletion)(log, logger, checked)
  }

  function tell({ events, grants, revocations }: Commit, signed: readonly NostrEvent[], gone?: Gone): void {
    if (events.length === 0) return
    toldHead = log.head
    try {
      publish({
        events: events.map((logged, index) => ({ logged, event: signed[index] as NostrEvent })),
        ...{ grants, revocations },
        ...(gone === undefined ? {} : { gone }),
      })
    } catch (error) {
      logger.error('publishing a commit failed', { error: String(error) })
    }
  }

  async function decide(
    draft: Draft,
    { checked, account }: Submission,
    added: Map<string, { bytes: number; documents: number }>,
  ): Promise<IngestOutcome> {
    if (draft.has(checked.event.id)) return 'duplicate'
    // What was queued when its author lost the right, or who sent it where that is somebody else.
    const refusal = whyNot(isForAnyone(checked.event) ? account : checked.event.pubkey)
    if (refusal !== undefined) return refusal
    const address = checked.content?.address
    const isNewDocument = address !== undefined && draft.isNew(address)
    const mine = getOrCreate(added, ledgerOf(checked), () => ({ bytes: 0, documents: 0 }))
    try {
      const tooMuch = await quotas.check(checked, isNewDocument, mine)
      if (tooMuch !== undefined) return tooMuch
      await draft.add(checked)
      mine.bytes += checked.bytes
      if (isNewDocument) mine.documents++
      return 'stored'
    } catch (error) {
      if (error instanceof SyncError && error.code !== 'STORE_FAILED') return error
      throw error
    }
  }

  /** With the first commit of this run that reaches the disk. */
  function newEpoch({ events }: Commit): Pick<Commit, 'epoch'> {
    const [first] = events
    if (first === undefined || log.epochs[log.epochs.length - 1]?.id === epochId) return {}
    return { epoch: { id: epochId, fromSeq: first.seq } }
  }

  function settle(submission: Submission, outcome: IngestOutcome): void {
    if (outcome === 'stored') counters.eventsStored++
    else if (outcome === 'duplicate') counters.eventsDuplicate++
    try {
      submission.settle(outcome)
    } catch (error) {
      logger.error('answering an event failed', { error: String(error) })
    }
  }

  return {
    submit(checked, settleSubmission, account = checked.event.pubkey) {
      if (isStopped) {
        settleSubmission(new SyncError('SHUTTING_DOWN', 'the server is going down; send it again later'))
        return
      }
      shares.published(account)
      queue.push(account, { checked, account, settle: settleSubmission })
      running ??= run()
    },
    isAhead: (account) => queue.waiting(account) >= room,
    exclusively(work) {
      return new Promise((resolve, reject) => {
        // Whatever becomes of it, the batches go on.
        errands.push(() => work().then(resolve, reject))
        running ??= run()
      })
    },
    async stop() {
      isStopped = true
      while (running !== undefined) await running
    },
  }
}

/** Whether an event takes others out of the log. */
function isRemoval({ deletion, isVanish }: CheckedEvent): boolean {
  return deletion !== undefined || isVanish === true
}
