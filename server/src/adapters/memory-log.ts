import { compareNewestFirst, getOrCreate, KIND, SyncError, utf8Length } from '@onyx-sync/shared'
import {
  type Commit,
  type EventLog,
  type HeldPart,
  type IndexEntry,
  MAX_PAGE_ENTRIES,
  MIN_PAGE_ENTRIES,
  type PartGroup,
  type Writer,
} from '../ports/event-log.js'
import type { InspectableLog } from '../ports/inspectable-log.js'
import { forgetDocument } from './memory-deletion.js'
import {
  ALL,
  createMemoryInspection,
  createMemoryTables,
  HELD,
  placesAt,
  SUPERSEDED,
} from './memory-entries.js'

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
export function createMemoryLog(options: MemoryLogOptions = {}): InspectableLog {
  const databaseId = options.databaseId ?? globalThis.crypto.randomUUID()
  const serverSecretKey = options.serverSecretKey ?? globalThis.crypto.getRandomValues(new Uint8Array(32))
  const tables = createMemoryTables()
  const { events, seqById, records, feeds, documentLogs, ownerLogs, grants, shared, epochs } = tables
  const { writers, held, changes, states, summaries, deletedIds, expiries, lists, coordinates } = tables
  let isClosed = false

  function assertOpen(): void {
    if (isClosed) throw new SyncError('STORE_FAILED', 'the event log is closed')
  }

  function apply(commit: Commit): void {
    for (const { pubkey, id } of commit.forgottenIds ?? []) deletedIds.delete(`${pubkey} ${id}`)
    for (const coordinate of commit.forgottenCoordinates ?? []) tables.deletedCoordinates.delete(coordinate)
    for (const gone of commit.deletedCoordinates ?? []) tables.deletedCoordinates.set(gone.coordinate, gone)
    for (const gone of commit.vanished ?? []) tables.vanished.set(gone.pubkey, gone)
    for (const { address } of commit.deletedDocuments ?? []) forgetDocument(tables, address)
    for (const { seq, id, coordinate = '' } of commit.withdrawn ?? []) {
      events[seq - 1] = undefined
      seqById.delete(id)
      expiries.delete(seq)
      if (coordinates.get(coordinate)?.seq === seq) coordinates.delete(coordinate)
    }
    for (const { pubkey, id, seq } of commit.deletedIds ?? []) deletedIds.set(`${pubkey} ${id}`, seq)
    if (commit.epoch !== undefined) epochs.push(commit.epoch)
    for (const event of commit.events) {
      events.push(event)
      seqById.set(event.id, event.seq)
      if (event.expiresAt !== undefined) expiries.set(event.seq, event.expiresAt)
      for (const reader of new Set(event.readers)) listOf(feeds, reader).push(event.seq)
      if (event.address !== undefined) listOf(documentLogs, event.address).push(event.seq)
      listOf(ownerLogs, `${event.owner} ${event.kind}`).push(event.seq)
      if (event.kind === KIND.training) {
        listOf(tables.training, ALL).push(event.seq)
        listOf(tables.trainingFeed, ALL).push(event.seq)
      }
      if (event.isListed === true) {
        for (const reader of new Set(event.readers)) listOf(lists, `${reader} ${event.kind}`).push(event.seq)
      }
      if (event.coordinate !== undefined) {
        const { seq, id, createdAt: created_at } = event
        coordinates.set(event.coordinate, { seq, id, created_at })
      }
    }
    for (const record of commit.documents) records.set(record.address, record)
    for (const { reader, address } of commit.revocations) shared.get(reader)?.delete(address)
    for (const grant of commit.grants) {
      listOf(grants, grant.reader).push(grant)
      const addresses = shared.get(grant.reader)
      if (addresses === undefined) shared.set(grant.reader, new Set([grant.address]))
      else addresses.add(grant.address)
    }
    applyDerived(commit)
  }

  function applyDerived({ writers: bound = [], moves = [], superseded = [], ...parts }: Commit): void {
    for (const { address, clientId, pubkey } of bound) writers.set(`${clientId} ${address}`, pubkey)
    for (const { reader, address, to } of moves) {
      const positions = getOrCreate(changes, reader, () => new Map())
      if (to === undefined) positions.delete(address)
      else positions.set(address, to)
    }
    for (const { address, events: gone } of superseded) {
      for (const { seq, id } of gone) {
        listOf(tables.supersededIds, address).push(id)
        events[seq - 1] = undefined
        seqById.set(id, SUPERSEDED)
      }
    }
    for (const group of parts.released ?? []) {
      for (const part of partsOf(group)) {
        held.delete(partKey(part))
        if (seqById.get(part.id) === HELD) seqById.delete(part.id)
      }
    }
    for (const part of parts.held ?? []) {
      held.set(partKey(part), part)
      seqById.set(part.id, HELD)
    }
  }

  function partsOf({ author, address, group }: PartGroup): HeldPart[] {
    return [...held.values()]
      .filter((part) => part.author === author && part.address === address && part.group === group)
      .sort((a, b) => a.index - b.index)
  }

  function isThere(seq: number): boolean {
    return events[seq - 1] !== undefined
  }

  function newestFirst(seqs: readonly number[] = [], since: number, until: number): IndexEntry[] {
    return seqs
      .flatMap((seq) => placesAt(tables, seq))
      .filter(({ created_at }) => created_at >= since && created_at <= until)
      .sort(compareNewestFirst)
  }

  const log: EventLog = {
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
    async areDeleted(asked) {
      assertOpen()
      return asked.map(({ pubkey, id }) => deletedIds.has(`${pubkey} ${id}`))
    },
    async vanishedUntil(pubkeys) {
      assertOpen()
      return pubkeys.map((pubkey) => tables.vanished.get(pubkey)?.until)
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
    async writers(clients) {
      assertOpen()
      return clients.map(({ address, clientId }) => writers.get(`${clientId} ${address}`))
    },
    async *writersOf(address) {
      assertOpen()
      const found: Writer[] = []
      for (const [key, pubkey] of writers) {
        const space = key.indexOf(' ')
        if (key.slice(space + 1) === address)
          found.push({ address, clientId: Number(key.slice(0, space)), pubkey })
      }
      yield* cut(found.sort((a, b) => a.clientId - b.clientId))
    },
    async heldParts(group) {
      assertOpen()
      return partsOf(group).map(({ index, id, json }) => ({ index, id, bytes: utf8Length(json) }))
    },
    async loadHeld(group, index) {
      assertOpen()
      return partsOf(group).find((part) => part.index === index)?.json
    },
    async heldGroups(author) {
      assertOpen()
      const groups = new Map<string, PartGroup & { bytes: number }>()
      for (const { address, group, json, ...part } of held.values()) {
        if (part.author !== author) continue
        getOrCreate(groups, `${group} ${address}`, () => ({ author, address, group, bytes: 0 })).bytes +=
          utf8Length(json)
      }
      return [...groups.values()]
    },
    async load(seqs, maxLength = Number.POSITIVE_INFINITY) {
      assertOpen()
      const texts: (string | undefined)[] = []
      for (let length = 0; texts.length < seqs.length && length < maxLength; ) {
        const json = events[(seqs[texts.length] as number) - 1]?.json
        texts.push(json)
        length += json?.length ?? 0
      }
      return texts
    },
    async locate(ids) {
      assertOpen()
      return ids.map((id) => {
        const seq = seqById.get(id)
        return seq === SUPERSEDED || seq === HELD ? undefined : seq
      })
    },
    async lastInFeed(reader, through) {
      assertOpen()
      return (feeds.get(reader) ?? []).filter((seq) => seq <= through && isThere(seq)).at(-1) ?? 0
    },
    async *feed(reader, after, through) {
      assertOpen()
      yield* cut((feeds.get(reader) ?? []).filter((seq) => seq > after && seq <= through && isThere(seq)))
    },
    async grants(reader, after, through) {
      assertOpen()
      return (grants.get(reader) ?? []).filter(({ seq }) => seq > after && seq <= through)
    },
    async *changedDocuments(reader, after) {
      assertOpen()
      const found = [...(changes.get(reader) ?? [])].filter(([, seq]) => seq > after)
      yield* cut(found.sort(([, a], [, b]) => a - b).map(([address, seq]) => ({ address, seq })))
    },
    async *documentLog(address, after, through) {
      assertOpen()
      const seqs = (documentLogs.get(address) ?? []).filter((seq) => seq > after && seq <= through)
      yield* cut(seqs.flatMap((seq) => placesAt(tables, seq)))
    },
    async *ownerLog(owner, kind, since, until) {
      assertOpen()
      yield* cut(newestFirst(ownerLogs.get(`${owner} ${kind}`), since, until))
    },
    async *listed(reader, kind, since, until) {
      assertOpen()
      yield* cut(newestFirst(lists.get(`${reader} ${kind}`), since, until))
    },
    async coordinates(names) {
      assertOpen()
      return names.map((name) => ({
        current: coordinates.get(name),
        deletedUntil: tables.deletedCoordinates.get(name)?.until,
      }))
    },
    async *training(since, until) {
      assertOpen()
      yield* cut(newestFirst(tables.training.get(ALL), since, until))
    },
    async *trainingFeed(after, through) {
      assertOpen()
      const seqs = tables.trainingFeed.get(ALL) ?? []
      yield* cut(seqs.filter((seq) => seq > after && seq <= through && isThere(seq)))
    },
    async *ownedBy(owner) {
      assertOpen()
      const lists = [...ownerLogs].filter(([key]) => key.startsWith(`${owner} `))
      yield* cut(lists.flatMap(([, seqs]) => seqs.flatMap((seq) => placesAt(tables, seq))))
    },
    async *expiring(through) {
      assertOpen()
      const due = [...expiries].filter(([, expiresAt]) => expiresAt <= through)
      yield* cut(due.sort(([, a], [, b]) => a - b).map(([seq, expiresAt]) => ({ expiresAt, seq })))
    },
    async sharedWith(reader) {
      assertOpen()
      return [...(shared.get(reader) ?? [])].sort()
    },
    async *allDocuments() {
      assertOpen()
      yield* cut([...records.keys()])
    },
    async keptState(address) {
      assertOpen()
      return states.get(address)
    },
    async keepState(address, state) {
      assertOpen()
      if (records.get(address)?.deleted === undefined) states.set(address, state)
    },
    async keptSummaries(addresses) {
      assertOpen()
      return addresses.map((address) => summaries.get(address))
    },
    async keepSummary(kept) {
      assertOpen()
      const { address } = kept.summary
      if (records.get(address)?.deleted === undefined) summaries.set(address, kept)
    },
    async close() {
      isClosed = true
    },
  }
  // Onto the log itself: a copy would freeze its head.
  return Object.assign(log, createMemoryInspection(tables))
}

/** Pages of the sizes that a log lists. */
function* cut<T>(entries: readonly T[]): Generator<readonly T[]> {
  let size = MIN_PAGE_ENTRIES
  for (let from = 0; from < entries.length; ) {
    yield entries.slice(from, from + size)
    from += size
    size = Math.min(MAX_PAGE_ENTRIES, size * 2)
  }
}

function partKey({ author, address, group, index }: HeldPart): string {
  return `${author} ${group} ${index} ${address}`
}

function listOf<T>(lists: Map<string, T[]>, key: string): T[] {
  return getOrCreate(lists, key, () => [])
}
