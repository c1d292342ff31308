import {
  type Clock,
  cursorHint,
  EOSE_FINISH,
  EOSE_RESET,
  encodeRelay,
  type Filter,
  mayMatchDocument,
  parseAddress,
  type TimerHandle,
} from '@onyx-sync/shared'
import type { DocumentRecord, EventLog } from '../ports/event-log.js'
import type { Peer } from '../ports/peer.js'
import type { Counters } from './counters.js'
import { type CursorCodec, type CursorPosition, visiblePosition } from './cursor.js'
import type { Hub, Subscriber } from './hub.js'
import type { Reading, Replacements } from './replacements.js'
import { readableAmong } from './stored-events.js'
import type { Subscription } from './subscription.js'
import type { Summaries } from './summaries.js'

export interface SummarySubscriptionOptions {
  readonly id: string
  readonly filters: readonly Filter[]
  readonly keys: readonly string[]
  readonly sync: { readonly codec: CursorCodec; readonly from: CursorPosition }
  readonly log: EventLog
  readonly summaries: Summaries
  readonly hub: Hub
  readonly replacements: Replacements
  readonly peer: Peer
  readonly clock: Clock
  readonly counters: Counters
  /** Documents read at a time. */
  readonly pageDocuments: number
  /** Reading failed: nothing more will be sent. */
  onFailed(error: unknown): void
}

/** How long changes gather before they are told: a reply that streams in would be told with every word. */
const GATHER_MS = 1_000
const HIGH_WATER_BYTES = 1024 * 1024

/**
 * Answers one `REQ` for summaries: of what changed after a cursor, `EOSE`, then of what changes. Source: SPEC
 * SUM2–SUM5.
 *
 * Live changes are not collected: that there are some is noted, and after a while the log is asked what changed
 * since `position`, as at the beginning. So it holds nothing, however much changes.
 */
export function createSummarySubscription(options: SummarySubscriptionOptions): Subscription {
  const { id, filters, keys, sync, log, summaries, hub, replacements, peer, clock, counters } = options
  const keySet = new Set(keys)
  let isOpen = true
  /** Defined while it reads. */
  let reading: Reading | undefined
  let isEoseSent = false
  let position = sync.from.seq
  /** What a cursor covers: as far as `position`, but nothing of others shows in it. */
  let visible = position
  let timer: TimerHandle
  let isTimerSet = false
  /** Something changed while it was reading. */
  let hasMore = false
  /** Counts revocations, so that a permission looked up before one isn't used after it. */
  let revocations = 0
  /** Documents that left the log while it reads. */
  const gone = new Set<string>()

  const subscriber: Subscriber = {
    keys,
    revoked() {
      revocations++
    },
    withdrawn({ documents }) {
      if (reading !== undefined) for (const { address } of documents) gone.add(address)
    },
    deliver(events, hasGrants) {
      if (hasGrants || events.some(({ logged }) => isWanted(logged.address))) schedule()
    },
    untold: schedule,
  }

  function isWanted(address: string | undefined): boolean {
    const parsed = address === undefined ? undefined : parseAddress(address)
    return parsed !== undefined && filters.some((filter) => mayMatchDocument(filter, parsed))
  }

  function schedule(): void {
    // While it reads, the end of the reading looks at the log once more.
    hasMore = reading !== undefined
    if (!isOpen || hasMore || isTimerSet) return
    isTimerSet = true
    timer = clock.setTimeout(() => {
      isTimerSet = false
      void read()
    }, GATHER_MS)
  }

  async function read(): Promise<void> {
    hasMore = false
    reading = replacements.beginReading(keys)
    try {
      await reading.replaced()
      const through = log.head
      visible = await visiblePosition(log, keys, visible, through)
      await tell(position)
      position = through
      endReading()
      gone.clear()
      finish()
      if (hasMore) schedule()
    } catch (error) {
      // A closed database during shutdown is no news to a subscription that is closed too.
      if (!isOpen) return
      close()
      options.onFailed(error)
    }
  }

  function finish(): void {
    if (isEoseSent || !isOpen) return
    isEoseSent = true
    const hints = [EOSE_FINISH, cursorHint(sync.codec.format(visible))]
    peer.send(encodeRelay.eose(id, sync.from.isReset ? [...hints, EOSE_RESET] : hints))
  }

  async function tell(after: number): Promise<void> {
    const records = await changedRecords(after)
    const size = options.pageDocuments
    for (let start = 0; start < records.length; start += size) {
      const isLast = start + size >= records.length
      await send(records.slice(start, start + size), isEoseSent && isLast ? visible : undefined)
      if (!isOpen) return
    }
  }

  /** Oldest change first. */
  async function changedRecords(after: number): Promise<DocumentRecord[]> {
    const addresses = new Set<string>()
    for (const key of keys) {
      for await (const page of log.changedDocuments(key, after)) {
        for (const { address } of page) if (isWanted(address)) addresses.add(address)
      }
    }
    const records = await log.documents([...addresses])
    return (
      records
        .filter((record) => record !== undefined)
        // A checkpoint that repeats what was there is no news.
        .filter(({ contentSeq }) => contentSeq > after)
        .sort((a, b) => a.headSeq - b.headSeq)
    )
  }

  async function send(records: readonly DocumentRecord[], covered: number | undefined): Promise<void> {
    const found = await summaries.read(records)
    if (peer.queuedBytes() > HIGH_WATER_BYTES) await peer.drained()
    let readable: ReadonlySet<string> = new Set()
    // Who may read is looked up after the last wait before it is sent (trap S9).
    for (let checkedAt = -1; isOpen && checkedAt !== revocations; ) {
      checkedAt = revocations
      readable = await readableAmong(
        log,
        keySet,
        found.map(({ address }) => address),
      )
    }
    if (!isOpen) return
    const documents = found.filter(({ address }) => readable.has(address) && !gone.has(address))
    const events = summaries.sign(documents)
    counters.summariesSent += documents.length
    for (const [index, json] of events.entries()) {
      const isLast = index === events.length - 1
      const cursor = isLast && covered !== undefined ? sync.codec.format(covered) : undefined
      peer.send(encodeRelay.event(id, json, cursor))
    }
  }

  function endReading(): void {
    reading?.end()
    reading = undefined
  }

  function close(): void {
    if (!isOpen) return
    isOpen = false
    endReading()
    clock.clearTimeout(timer)
    counters.subscriptions--
    hub.leave(subscriber)
  }

  counters.subscriptions++
  hub.join(subscriber)
  void read()
  return { close }
}
