import { existsSync, mkdirSync, readdirSync } from 'node:fs'
import { statfs } from 'node:fs/promises'
import { join } from 'node:path'
import { isSummary, type Logger, SyncError, silentLogger } from '@onyx-sync/shared'
import { Level } from 'level'
import type { Commit, KeptSummary, Pages } from '../../ports/event-log.js'
import type { OperableLog } from '../../ports/operable-log.js'
import {
  addressOfChange,
  addressOfRecordKey,
  addressOfSharedKey,
  clientIdOfWriterKey,
  currentOfValue,
  decodeHex,
  decodeState,
  deletedCoordinateOfEntry,
  encodeState,
  entryOfDocumentLog,
  entryOfOwnerLog,
  entryOfTraining,
  expiryOfKey,
  grantOfKey,
  jsonOfHeld,
  seqOfId,
  seqOfKey,
  vanishedOfEntry,
} from './codecs.js'
import { createHeldIndex } from './held-index.js'
import { type KeyRange, keyOf, rangeOf } from './keys.js'
import { lookUp, writeCommit } from './level-commit.js'
import { assertTablesSound, checkFiles, journalBytes, openingError } from './level-files.js'
import { createLevelInspection, writeMending } from './level-inspection.js'
import { type Meta, readMeta, renewMeta } from './level-meta.js'
import { createLevelOperations, type Place, readPlace } from './level-snapshot.js'
import { pagesOf } from './paging.js'
import { decodeRecord } from './records.js'
import { loadTexts, smallValues } from './values.js'

/**
 * What LevelDB keeps in memory until it writes a table of it. Keys of the indexes lie anywhere among those that are
 * there, so each table that is merged has LevelDB write much of an index anew. With 8 MiB and a million events in the
 * log that was 0.11 ms of processor time for each event; with 32 MiB it was 0.05 ms, and with 64 MiB 0.02 ms. Two may be
 * in memory at a time, and a start may have to read one again.
 */
const WRITE_BUFFER_BYTES = 64 * 1024 * 1024
/** Free space that opening the database again takes, besides as much as LevelDB's journal has: a table is written of that. */
const REOPEN_BYTES = 8 * 1024 * 1024

type Database = Level<Uint8Array, Uint8Array>

/** How to open the event log. */
export interface LevelLogOptions {
  /** Only a database that is there is opened; none is made. @default false */
  readonly mustExist?: boolean
  /** The database gets a new id: devices then take it for another one, and send what it lacks. @default false */
  readonly newIdentity?: boolean
  /** Every table is read first, and its checksums compared: for what reads, or rewrites, them all anyway. @default false */
  readonly checkTables?: boolean
}

/**
 * Opens the event log in `<directory>/log`, making both if they are missing (the data directory readable by
 * its owner only: it holds a secret key and people's chats). One process at a time. Throws `DATA_LOCKED` when
 * another has it open, `DATA_FORMAT` when a newer version wrote it, `DATA_DAMAGED` when its files are, and then
 * leaves them as they are, `STORE_FAILED` when it can't be opened, `CONFIG_INVALID` when the directory is none or
 * can't be written, or there is no database and it must exist.
 */
export async function openLevelLog(
  directory: string,
  logger: Logger = silentLogger,
  { mustExist = false, newIdentity = false, checkTables = false }: LevelLogOptions = {},
): Promise<OperableLog> {
  const location = join(directory, 'log')
  // LevelDB would leave a directory behind before it finds that there is nothing in it.
  if (mustExist && (!existsSync(location) || readdirSync(location).length === 0)) {
    throw new SyncError('CONFIG_INVALID', `there is no database in ${directory}`)
  }
  let db: Database
  try {
    checkFiles(directory)
    if (checkTables) assertTablesSound(directory)
    mkdirSync(directory, { recursive: true, mode: 0o700 })
    db = new Level(location, {
      keyEncoding: 'view',
      valueEncoding: 'view',
      writeBufferSize: WRITE_BUFFER_BYTES,
    })
    await db.open()
  } catch (error) {
    throw openingError(error, directory)
  }
  try {
    const meta = await (newIdentity ? renewMeta(db, directory) : readMeta(db, directory, mustExist))
    return createLevelLog(db, meta, await readPlace(db), logger)
  } catch (error) {
    await db.close()
    throw openingError(error, directory)
  }
}

/** A log on an open database. */
export function createLevelLog(db: Database, meta: Meta, initial: Place, logger: Logger): OperableLog {
  let { head, epochs } = initial
  let isSuspect = false
  let isClosed = false
  let healing: Promise<void> | undefined
  /** Documents that are being deleted, or were: what is derived of them must not be kept any more. */
  const deleted = new Set<string>()
  /** Settles when nothing that is derived is being written. */
  let keeping: Promise<void> = Promise.resolve()
  /** Settles when nothing is being written. */
  let writing: Promise<void> = Promise.resolve()

  /**
   * A write that failed may have left half a record in LevelDB's journal; what is written behind it could be
   * lost at the next start, although it was synced. So nothing is written before the database was opened
   * anew, which also tells whether the failed write reached the disk after all (trap S4). Readers that are
   * under way meanwhile fail, and ask again.
   */
  async function reopen(): Promise<void> {
    const { bavail, bsize } = await statfs(db.location)
    if (bavail * bsize < (await journalBytes(db.location)) + REOPEN_BYTES) {
      // Opening needs room to write; as long as there is none, the open database still serves its readers.
      throw new SyncError('STORE_FAILED', 'the disk is full')
    }
    logger.warn('opening the event log again after a failed write')
    await db.close()
    await db.open()
    ;({ head, epochs } = await readPlace(db))
    isSuspect = false
  }

  /** Everything that a write is based on waits for this first. */
  async function heal(): Promise<void> {
    if (!isSuspect || isClosed) return
    healing ??= reopen().finally(() => {
      healing = undefined
    })
    await healing
  }

  async function write(commit: Commit): Promise<void> {
    await heal()
    assertFollows(commit, head)
    const { deletedDocuments = [] } = commit
    for (const { address } of deletedDocuments) deleted.add(address)
    try {
      // LevelDB may write a value that was handed to it before after this batch.
      if (deletedDocuments.length > 0) await keeping
      const lookedUp = await lookUp(db, commit, held)
      await writeBatch((batch) => writeCommit(commit, lookedUp, batch))
      held.committed(commit)
    } catch (error) {
      held.forget()
      for (const { address } of deletedDocuments) deleted.delete(address)
      throw error
    }
    head += commit.events.length
    if (commit.epoch !== undefined) epochs = [...epochs, commit.epoch]
  }

  async function writeBatch(
    fill: (batch: ReturnType<Database['batch']>) => void | Promise<void>,
  ): Promise<void> {
    const batch = db.batch()
    try {
      await fill(batch)
    } catch (error) {
      await batch.close()
      throw error
    }
    try {
      await batch.write({ sync: true })
    } catch (error) {
      isSuspect = true
      throw error
    }
  }

  /** Closing waits for it. */
  function begin(written: Promise<void>): Promise<void> {
    writing = Promise.allSettled([writing, written]).then(() => {})
    return written
  }

  async function keep(address: string, put: () => Promise<void>): Promise<void> {
    if (isClosed || isSuspect || deleted.has(address)) return
    const kept = begin(put())
    keeping = Promise.allSettled([keeping, kept]).then(() => {})
    await kept
  }

  async function* entries<T>(range: KeyRange, read: (key: Uint8Array, value: Uint8Array) => T): Pages<T> {
    for await (const page of pagesOf<[Uint8Array, Uint8Array]>(db.iterator(range))) {
      yield page.map(([key, value]) => read(key, value))
    }
  }

  async function* keys<T>(range: KeyRange, read: (key: Uint8Array) => T): Pages<T> {
    for await (const page of pagesOf<Uint8Array>(db.keys(range))) yield page.map(read)
  }

  const held = createHeldIndex(db)

  return {
    databaseId: meta.databaseId,
    serverSecretKey: meta.serverSecretKey,
    get head() {
      return head
    },
    get epochs() {
      return epochs
    },
    async has(ids) {
      await heal()
      return (await smallValues(db, ids.map(keyOf.id))).map((value) => value !== undefined)
    },
    async areDeleted(events) {
      const keys = events.map(({ pubkey, id }) => keyOf.deletedId(pubkey, id))
      return (await smallValues(db, keys)).map((value) => value !== undefined)
    },
    async vanishedUntil(pubkeys) {
      const values = await smallValues(db, pubkeys.map(keyOf.vanished))
      return values.map((value, index) =>
        value === undefined
          ? undefined
          : vanishedOfEntry(keyOf.vanished(pubkeys[index] as string), value).until,
      )
    },
    async documents(addresses) {
      const values = await smallValues(db, addresses.map(keyOf.record))
      return values.map((value, index) =>
        value === undefined ? undefined : decodeRecord(addresses[index] as string, value),
      )
    },
    commit(commit) {
      if (isClosed) return Promise.reject(new SyncError('STORE_FAILED', 'the event log is closed'))
      return begin(write(commit))
    },
    ...createLevelInspection(db),
    ...createLevelOperations(db),
    mend(mending) {
      if (isClosed) return Promise.reject(new SyncError('STORE_FAILED', 'the event log is closed'))
      return begin(
        heal()
          .then(() => writeBatch((batch) => writeMending(mending, batch)))
          .finally(held.forget),
      )
    },
    async writers(clients) {
      const keys = clients.map(({ address, clientId }) => keyOf.writer(address, clientId))
      const values = await smallValues(db, keys)
      return values.map((value) => (value === undefined ? undefined : decodeHex(value)))
    },
    writersOf: (address) =>
      entries(rangeOf.writers(address), (key, value) => {
        return { address, clientId: clientIdOfWriterKey(key), pubkey: decodeHex(value) }
      }),
    heldParts: held.parts,
    heldGroups: held.groups,
    async loadHeld({ author, address, group }, index) {
      const value = await db.get(keyOf.held(author, address, group, index))
      return value === undefined ? undefined : jsonOfHeld(value)
    },
    load: (seqs, maxLength) => loadTexts(db, seqs.map(keyOf.event), maxLength),
    async locate(ids) {
      return (await smallValues(db, ids.map(keyOf.id))).map((value) =>
        value === undefined ? undefined : seqOfId(value),
      )
    },
    async lastInFeed(reader, through) {
      const range = { ...rangeOf.feed(reader, 0, through), reverse: true, limit: 1 }
      const [last] = await db.keys(range).all()
      return last === undefined ? 0 : seqOfKey(last)
    },
    async *feed(reader, after, through) {
      if (after < through) yield* keys(rangeOf.feed(reader, after, through), seqOfKey)
    },
    async grants(reader, after, through) {
      if (after >= through) return []
      const found = await db.keys(rangeOf.grants(reader, after, through)).all()
      return found.map((key) => ({ reader, ...grantOfKey(key) }))
    },
    changedDocuments: (reader, after) =>
      entries(rangeOf.changes(reader, after), (key, value) => {
        return { address: addressOfChange(value), seq: seqOfKey(key) }
      }),
    async *documentLog(address, after, through) {
      if (after < through) yield* entries(rangeOf.documentLog(address, after, through), entryOfDocumentLog)
    },
    async *ownerLog(owner, kind, since, until) {
      if (since <= until) yield* entries(rangeOf.ownerLog(owner, kind, since, until), entryOfOwnerLog)
    },
    async *training(since, until) {
      if (since <= until) yield* entries(rangeOf.training(since, until), entryOfTraining)
    },
    async *trainingFeed(after, through) {
      if (after < through) yield* keys(rangeOf.trainingFeed(after, through), seqOfKey)
    },
    async *listed(reader, kind, since, until) {
      if (since <= until) yield* entries(rangeOf.listed(reader, kind, since, until), entryOfOwnerLog)
    },
    async coordinates(names) {
      const [current, deleted] = await Promise.all([
        smallValues(db, names.map(keyOf.coordinate)),
        smallValues(db, names.map(keyOf.deletedCoordinate)),
      ])
      return names.map((name, index) => {
        const [place, gone] = [current[index], deleted[index]]
        return {
          current: place === undefined ? undefined : currentOfValue(place),
          deletedUntil:
            gone === undefined
              ? undefined
              : deletedCoordinateOfEntry(keyOf.deletedCoordinate(name), gone).until,
        }
      })
    },
    ownedBy: (owner) => entries(rangeOf.ownedBy(owner), entryOfOwnerLog),
    expiring: (through) => keys(rangeOf.expiring(through), expiryOfKey),
    async sharedWith(reader) {
      return (await db.keys(rangeOf.shared(reader)).all()).map(addressOfSharedKey)
    },
    allDocuments: () => keys(rangeOf.records(), addressOfRecordKey),
    async keptState(address) {
      const value = await db.get(keyOf.state(address))
      return value === undefined ? undefined : decodeState(value)
    },
    keepState: (address, state) => keep(address, () => db.put(keyOf.state(address), encodeState(state))),
    async keptSummaries(addresses) {
      const values = await db.getMany<Uint8Array, string>(addresses.map(keyOf.summary), {
        valueEncoding: 'utf8',
      })
      return values.map((json) => (json === undefined ? undefined : readSummary(json)))
    },
    keepSummary(kept) {
      const { address } = kept.summary
      const value = Buffer.from(JSON.stringify(kept), 'utf8')
      return keep(address, () => db.put(keyOf.summary(address), value))
    },
    async close() {
      isClosed = true
      await writing
      await db.close()
    },
  }
}

/** Undefined for what another version wrote, or nobody: it is made anew. */
function readSummary(json: string): KeptSummary | undefined {
  try {
    const { throughSeq, summary } = JSON.parse(json) as Partial<KeptSummary>
    return typeof throughSeq === 'number' && isSummary(summary) ? { throughSeq, summary } : undefined
  } catch {
    return undefined
  }
}

function assertFollows(commit: Commit, head: number): void {
  for (const [index, { seq }] of commit.events.entries()) {
    if (seq !== head + index + 1) {
      throw new SyncError('STORE_FAILED', `position ${seq} does not follow ${head + index}`)
    }
  }
}
