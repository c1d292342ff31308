import { createMemoryStore, type QueryTable, type SyncStore } from '@onyx-sync/client'
import { type Commit, createMemoryLog, type EventLog, type InspectableLog } from '@onyx-sync/server'
import { SyncError } from '@onyx-sync/shared'
import { type Delay, NO_DELAY } from './delay.js'
import type { SeededRandom } from './seeded-random.js'
import type { VirtualClock } from './virtual-clock.js'

/** How a disk misbehaves. Probabilities per write, 0 to 1. */
export interface DiskFaults {
  /**
   * The write is refused: the disk is full or broken. Nothing of it is there on a device; a server's may be there as a
   * whole, where only the fsync failed.
   */
  refuse: number
}

/** What is common to both kinds of disk: writes take time, and a crash catches them in the middle. */
interface Disk {
  readonly faults: DiskFaults
  /** Whether something is being written. */
  readonly isWriting: boolean
  /** The machine stops: writes under way are there as a whole or not at all, and nobody hears of it. */
  crash(): void
}

/** A device's disk. */
export interface DeviceDisk extends Disk {
  /** The store as a newly started process sees it. Ends with the next crash. */
  open(): SyncStore
  /** What is on the disk, for checks. */
  readonly contents: SyncStore
  /** A copy of what is on it. */
  copy(): Promise<SyncStore>
  /** Puts something else on it, which is copied. Only while no process has it open. */
  replace(contents: SyncStore): Promise<void>
}

/** The server's disk. */
export interface ServerDisk extends Disk {
  open(): EventLog
  /** What is on the disk, for checks. */
  readonly contents: InspectableLog
  /** Commits that are on the disk, oldest first. */
  readonly commits: readonly Commit[]
  /** How often it was replaced, by a backup or an empty one. */
  readonly resets: number
  /** Replaces the disk by a backup that holds the first `count` commits. */
  restore(count: number): Promise<void>
  /** Replaces the disk by an empty one, with another database id. */
  replace(): void
}

/** Longest time that a write takes, one for each disk: what is quick on a server may be slow on a phone. */
const MAX_WRITES_MS = [12, 12, 60, 250]
/** How often what a server's disk refused is there nevertheless. */
const REFUSED_BUT_THERE = 0.3

/** A promise that never settles: what a process that was killed is waiting for. */
function never<T>(): Promise<T> {
  return new Promise(() => {})
}

/**
 * Runs writes with a delay, and settles those that a crash catches by a toss: written, or not at all. `isThere` tells of one
 * that is refused whether it is there nevertheless.
 */
function createWriter(clock: VirtualClock, random: SeededRandom, faults: DiskFaults, isThere = () => false) {
  const maxWriteMs = random.pick(MAX_WRITES_MS)
  let generation = 0
  const underWay = new Set<() => Promise<void>>()
  const whenIdle: (() => void)[] = []
  return {
    get generation() {
      return generation
    },
    get isWriting() {
      return underWay.size > 0
    },
    async write(apply: () => Promise<void>): Promise<void> {
      const startedIn = generation
      underWay.add(apply)
      await new Promise<void>((resolve) => clock.setTimeout(resolve, 1 + random.below(maxWriteMs)))
      if (startedIn !== generation) return never()
      underWay.delete(apply)
      if (underWay.size === 0) for (const resolve of whenIdle.splice(0)) void clock.settle().then(resolve)
      if (random.chance(faults.refuse)) {
        if (isThere()) await apply()
        throw new SyncError('STORE_FAILED', 'no space left on the simulated disk')
      }
      await apply()
    },
    /** Resolves when what is being written now is there. */
    async idle(): Promise<void> {
      if (underWay.size > 0) await new Promise<void>((resolve) => whenIdle.push(resolve))
    },
    crash(loses = 0.5) {
      generation++
      for (const apply of underWay) if (!random.chance(loses)) void apply()
      underWay.clear()
    },
  }
}

/** What a process that opens a disk now may do with it: nothing of it comes to an end once the disk has crashed. */
function accessTo(writer: { readonly generation: number }, takeTime: Delay) {
  const openedIn = writer.generation
  const isAlive = () => openedIn === writer.generation
  const alive = <A extends unknown[], T>(method: (...args: A) => Promise<T>) => {
    return (...args: A): Promise<T> => (isAlive() ? method(...args) : never<T>())
  }
  return {
    alive,
    /** What is read is as it was when reading it began. */
    read: <A extends unknown[], T>(method: (...args: A) => Promise<T>) =>
      alive(async (...args: A) => {
        const found = await method(...args)
        await takeTime()
        return isAlive() ? found : never<T>()
      }),
    entries: <A extends unknown[], T>(method: (...args: A) => AsyncIterable<T>) =>
      async function* (...args: A): AsyncGenerator<T> {
        await takeTime()
        yield* method(...args)
      },
  }
}

/** A disk for one device. `takeTime` is for what is read. */
export function createDeviceDisk(
  clock: VirtualClock,
  random: SeededRandom,
  takeTime: Delay = NO_DELAY,
): DeviceDisk {
  const faults: DiskFaults = { refuse: 0 }
  const writer = createWriter(clock, random, faults)
  let contents = createMemoryStore()
  return {
    faults,
    get contents() {
      return contents
    },
    get isWriting() {
      return writer.isWriting
    },
    crash: () => writer.crash(),
    copy: () => copyOf(contents),
    async replace(others) {
      contents = await copyOf(others)
    },
    open() {
      const { alive, read } = accessTo(writer, takeTime)
      let isClosed = false
      return {
        loadMeta: read(() => contents.loadMeta()),
        lastSeq: read(() => contents.lastSeq()),
        loadDocuments: read(() => contents.loadDocuments()),
        loadUpdates: read((address) => contents.loadUpdates(address)),
        loadUpdateRange: read((address, from, through) => contents.loadUpdateRange(address, from, through)),
        loadOutbox: read(() => contents.loadOutbox()),
        loadRows: read((table, where) => contents.loadRows(table, where)),
        loadMessages: read((address, range) => contents.loadMessages(address, range)),
        searchRows: read((table, query, options) => contents.searchRows(table, query, options)),
        commit: alive(async (batch) => {
          if (isClosed) throw new SyncError('STORE_FAILED', 'the simulated disk is closed')
          await writer.write(() => contents.commit(batch))
        }),
        close: alive(async () => {
          isClosed = true
          await writer.idle()
        }),
      }
    },
  }
}

const TABLES: readonly QueryTable[] = ['chats', 'messages', 'settings', 'training']

async function copyOf(store: SyncStore): Promise<SyncStore> {
  const copy = createMemoryStore()
  const documents = await store.loadDocuments()
  const updates = await Promise.all(documents.map(({ address }) => store.loadUpdates(address)))
  const rows = TABLES.map(async (table) => ({ table, put: await store.loadRows(table), delete: [] }))
  await copy.commit({
    documents,
    updates: updates.flat(),
    outboxPut: await store.loadOutbox(),
    rows: await Promise.all(rows),
    meta: await store.loadMeta(),
  })
  return copy
}

/**
 * A disk for the server. With a `syncDelayMs` it lies: what it called written is lost by a crash within that time. `takeTime` is
 * for what is read.
 */
export function createServerDisk(
  clock: VirtualClock,
  random: SeededRandom,
  syncDelayMs = 0,
  takeTime: Delay = NO_DELAY,
): ServerDisk {
  const faults: DiskFaults = { refuse: 0 }
  // Of its own, so that it doesn't move what else is drawn.
  const refusing = random.fork('refusing')
  const writer = createWriter(clock, random, faults, () => refusing.chance(REFUSED_BUT_THERE))
  let names = 0
  const newLog = (databaseId = `db${++names}`) => createMemoryLog({ databaseId })
  let contents = newLog()
  let commits: Commit[] = []
  let writtenAtMs: number[] = []
  let resets = 0

  async function apply(commit: Commit): Promise<void> {
    // What a crash lets through at the last moment belongs to the disk as it was, not to one set in its place.
    const [log, list, times] = [contents, commits, writtenAtMs]
    await log.commit(commit)
    list.push(commit)
    times.push(clock.now())
  }

  /** Goes back to the first `count` commits. */
  async function truncate(count: number): Promise<void> {
    const kept = commits.slice(0, count)
    contents = newLog(contents.databaseId)
    commits = []
    writtenAtMs = []
    for (const commit of kept) await apply(commit)
  }

  return {
    faults,
    get contents() {
      return contents
    },
    get commits() {
      return commits
    },
    crash() {
      writer.crash(syncDelayMs === 0 ? 0.5 : 1)
      if (syncDelayMs === 0) return
      const synced = writtenAtMs.filter((atMs) => atMs <= clock.now() - syncDelayMs).length
      if (synced < commits.length) void truncate(synced)
    },
    get isWriting() {
      return writer.isWriting
    },
    get resets() {
      return resets
    },
    async restore(count) {
      resets++
      await truncate(count)
    },
    replace() {
      resets++
      contents = newLog()
      commits = []
      writtenAtMs = []
    },
    open() {
      const log = contents
      const { alive, read, entries } = accessTo(writer, takeTime)
      return {
        databaseId: log.databaseId,
        serverSecretKey: log.serverSecretKey,
        get head() {
          return log.head
        },
        get epochs() {
          return log.epochs
        },
        has: read((ids) => log.has(ids)),
        areDeleted: read((events) => log.areDeleted(events)),
        vanishedUntil: read((pubkeys) => log.vanishedUntil(pubkeys)),
        ownedBy: entries((owner) => log.ownedBy(owner)),
        listed: entries((...args) => log.listed(...args)),
        coordinates: read((names) => log.coordinates(names)),
        expiring: entries((through) => log.expiring(through)),
        documents: read((addresses) => log.documents(addresses)),
        commit: alive((commit) => writer.write(() => apply(commit))),
        writers: read((clients) => log.writers(clients)),
        writersOf: entries((address) => log.writersOf(address)),
        heldParts: read((group) => log.heldParts(group)),
        loadHeld: read((group, index) => log.loadHeld(group, index)),
        heldGroups: read((author) => log.heldGroups(author)),
        allDocuments: () => log.allDocuments(),
        keptState: read((address) => log.keptState(address)),
        keepState: read((address, state) => log.keepState(address, state)),
        keptSummaries: read((addresses) => log.keptSummaries(addresses)),
        keepSummary: read((kept) => log.keepSummary(kept)),
        load: read((seqs) => log.load(seqs)),
        locate: read((ids) => log.locate(ids)),
        feed: entries((reader, after, through) => log.feed(reader, after, through)),
        lastInFeed: read((reader, through) => log.lastInFeed(reader, through)),
        grants: read((reader, after, through) => log.grants(reader, after, through)),
        changedDocuments: entries((reader, after) => log.changedDocuments(reader, after)),
        documentLog: entries((address, after, through) => log.documentLog(address, after, through)),
        ownerLog: entries((owner, kind, since, until) => log.ownerLog(owner, kind, since, until)),
        training: entries((since, until) => log.training(since, until)),
        trainingFeed: entries((after, through) => log.trainingFeed(after, through)),
        sharedWith: read((reader) => log.sharedWith(reader)),
        close: alive(async () => {}),
      }
    },
  }
}
