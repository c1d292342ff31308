import { compareNewestFirst, getOrCreate, SyncError } from '@onyx-sync/shared'
import type {
  Commit,
  DocumentRecord,
  Epoch,
  EventLog,
  Grant,
  IndexEntry,
  LoggedEvent,
} from '../ports/event-log.js'

/** What names an in-memory log. Everything has a default; simulations give fixed values. */
export interface MemoryLogOptions {
  /** @default a random UUID */
  readonly databaseId?: string
  /** 32 bytes. @default random */
  readonly serverSecretKey?: Uint8Array
}

/**
 * An event log that forgets everything with the process: for tests, simulations and trying things out. Passes
 * the same contract suite as the one on LevelDB, and like it answers in a later tick, never at once.
 */
export function createMemoryLog(options: MemoryLogOptions = {}): EventLog {
  const databaseId = options.databaseId ?? globalThis.crypto.randomUUID()
  const serverSecretKey = options.serverSecretKey ?? globalThis.crypto.getRandomValues(new Uint8Array(32))
  /** Index is `seq - 1`. */
  const events: LoggedEvent[] = []
  const seqById = new Map<string, number>()
  const records = new Map<string, DocumentRecord>()
  const feeds = new Map<string, number[]>()
  const documentLogs = new Map<string, number[]>()
  const ownerLogs = new Map<string, number[]>()
  const grants = new Map<string, Grant[]>()
  const shared = new Map<string, Set<string>>()
  const epochs: Epoch[] = []
  let isClosed = false

  function assertOpen(): void {
    if (isClosed) throw new SyncError('STORE_FAILED', 'the event log is closed')
  }

  function apply(commit: Commit): void {
    if (commit.epoch !== undefined) epochs.push(commit.epoch)
    for (const event of commit.events) {
      events.push(event)
      seqById.set(event.id, event.seq)
      for (const reader of new Set(event.readers)) listOf(feeds, reader).push(event.seq)
      if (event.address !== undefined) listOf(documentLogs, event.address).push(event.seq)
      listOf(ownerLogs, `${event.owner} ${event.kind}`).push(event.seq)
    }
    for (const record of commit.documents) records.set(record.address, record)
    for (const { reader, address } of commit.revocations) shared.get(reader)?.delete(address)
    for (const grant of commit.grants) {
      listOf(grants, grant.reader).push(grant)
      const addresses = shared.get(grant.reader)
      if (addresses === undefined) shared.set(grant.reader, new Set([grant.address]))
      else addresses.add(grant.address)
    }
  }

  function entryAt(seq: number): IndexEntry {
    const event = events[seq - 1] as LoggedEvent
    return { seq, id: event.id, created_at: event.createdAt }
  }

  return {
    databaseId,
    serverSecretKey,
    epochs,
    get head() {
      return events.length
    },
    async has(ids) {
      assertOpen()
      return ids.map((id) => seqById.has(id))
    },
    async documents(addresses) {
      assertOpen()
      return addresses.map((address) => records.get(address))
    },
    async commit(commit) {
      assertOpen()
      for (const [index, { seq }] of commit.events.entries()) {
        if (seq !== events.length + index + 1) {
          throw new SyncError('STORE_FAILED', `position ${seq} does not follow ${events.length + index}`)
        }
      }
      // Like a disk: the caller goes on in a later tick.
      await Promise.resolve()
      apply(commit)
    },
    async load(seqs) {
      assertOpen()
      return seqs.map((seq) => events[seq - 1]?.json)
    },
    async locate(ids) {
      assertOpen()
      return ids.map((id) => seqById.get(id))
    },
    async *feed(reader, after, through) {
      assertOpen()
      yield* (feeds.get(reader) ?? []).filter((seq) => seq > after && seq <= through)
    },
    async grants(reader, after, through) {
      assertOpen()
      return (grants.get(reader) ?? []).filter(({ seq }) => seq > after && seq <= through)
    },
    async *documentLog(address, through) {
      assertOpen()
      yield* (documentLogs.get(address) ?? []).filter((seq) => seq <= through).map(entryAt)
    },
    async *ownerLog(owner, kind, since, until) {
      assertOpen()
      yield* (ownerLogs.get(`${owner} ${kind}`) ?? [])
        .map(entryAt)
        .filter(({ created_at }) => created_at >= since && created_at <= until)
        .sort(compareNewestFirst)
    },
    async sharedWith(reader) {
      assertOpen()
      return [...(shared.get(reader) ?? [])].sort()
    },
    async close() {
      isClosed = true
    },
  }
}

function listOf<T>(lists: Map<string, T[]>, key: string): T[] {
  return getOrCreate(lists, key, () => [])
}
