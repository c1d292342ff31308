import { type Logger, type NostrEvent, SyncError } from '@onyx-sync/shared'
import type { Commit, EventLog, LoggedEvent } from '../ports/event-log.js'
import type { CheckedEvent } from './check-event.js'
import type { Checkpoints } from './checkpoints.js'
import type { Counters } from './counters.js'
import { type DeletionCommit, decideDeletion, type Gone } from './deletions.js'
import { createDraft, type Draft } from './draft.js'
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
   * refused; events submitted one after another are settled in that order. Source: SPEC ING1–ING4.
   */
  submit(checked: CheckedEvent, settle: (outcome: IngestOutcome) => void): void
  /** Does something to the log while nothing else is written. */
  exclusively<T>(work: () => Promise<T>): Promise<T>
  /** Refuses what comes from now on with `SHUTTING_DOWN`; resolves when all that was queued is settled. */
  stop(): Promise<void>
}

export interface IngestOptions {
  readonly log: EventLog
  readonly checkpoints: Checkpoints
  /** Bytes of one author's parts that wait for others. */
  readonly maxHeldBytes: number
  readonly logger: Logger
  readonly counters: Counters
  /** Names the epoch that this run of the server writes, see {@link Epoch}. */
  readonly epochId: string
  /** Called after every settlement of the commit's own submitters. Must not throw; if it does, it is logged. */
  publish(commit: PublishedCommit): void
}

interface Submission {
  readonly checked: CheckedEvent
  settle(outcome: IngestOutcome): void
}

/** Events of one commit: enough for one fsync to serve a crowd, few enough to keep the wait short. */
const MAX_BATCH_EVENTS = 512
/** Characters of JSON in one commit, so that large events don't add up to a huge write. */
const MAX_BATCH_LENGTH = 8 * 1024 * 1024

export function createIngest({
  log,
  checkpoints,
  maxHeldBytes,
  logger,
  counters,
  epochId,
  publish,
}: IngestOptions): Ingest {
  let queue: Submission[] = []
  /** Work that waits for its turn between two batches. */
  const errands: (() => Promise<void>)[] = []
  let isStopped = false
  let running: Promise<void> | undefined

  /**
   * One batch at a time, and each takes whatever has queued up while the disk was busy with the one before:
   * the busier it gets, the more events share an fsync.
   */
  async function run(): Promise<void> {
    // Starts after this tick, so that what one read of the socket brought goes into one batch.
    await Promise.resolve()
    while (queue.length + errands.length > 0) {
      await errands.shift()?.()
      if (queue.length === 0) continue
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
      }
    }
    // In the tick that found the queue empty: what is submitted from now on must start a run of its own.
    running = undefined
  }

  function takeBatch(): Submission[] {
    let length = 0
    let count = 0
    while (count < queue.length && count < MAX_BATCH_EVENTS && length < MAX_BATCH_LENGTH) {
      const { checked } = queue[count] as Submission
      // What is deleted may be in the batch: a deletion is one of its own.
      if (isRemoval(checked) && count > 0) break
      length += checked.json.length
      count++
      if (isRemoval(checked)) break
    }
    const batch = queue.slice(0, count)
    queue = queue.slice(count)
    return batch
  }

  async function write(batch: readonly Submission[]): Promise<void> {
    // First: a log that recovers from a failed write may find, while it answers, that it has grown by it.
    const known = await log.has(batch.map(({ checked }) => checked.event.id))
    const [first] = batch
    if (first !== undefined && isRemoval(first.checked) && known[0] !== true) return remove(first)
    const unknown = batch.filter((_, index) => known[index] !== true).map(({ checked }) => checked)
    const draft = await createDraft(log, checkpoints, maxHeldBytes, unknown)
    const outcomes: IngestOutcome[] = []
    for (const [index, { checked }] of batch.entries()) {
      outcomes.push(known[index] === true ? 'duplicate' : await decide(draft, checked))
    }
    const commit = draft.toCommit()
    const isEmpty = [commit.events, commit.held, commit.released].every((list) => (list ?? []).length === 0)
    if (!isEmpty) await log.commit({ ...commit, ...newEpoch(commit) })
    // From here to the end in one tick: the submitters hear OK first, then everybody gets the events, and
    // nobody can ask in between.
    for (const [index, submission] of batch.entries()) settle(submission, outcomes[index] as IngestOutcome)
    tell(commit, draft.events)
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

  async function decide(draft: Draft, checked: CheckedEvent): Promise<IngestOutcome> {
    if (draft.has(checked.event.id)) return 'duplicate'
    try {
      await draft.add(checked)
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
    submit(checked, settleSubmission) {
      if (isStopped) {
        settleSubmission(new SyncError('SHUTTING_DOWN', 'the server is going down; send it again later'))
        return
      }
      queue.push({ checked, settle: settleSubmission })
      running ??= run()
    },
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
