import { getOrCreate, SyncError } from '@onyx-sync/shared'
import type {
  DeletedCoordinate,
  DocumentRecord,
  Epoch,
  Grant,
  HeldPart,
  IndexEntry,
  KeptState,
  KeptSummary,
  LoggedEvent,
  Vanished,
} from '../ports/event-log.js'
import type {
  DerivedEntry,
  EntryOf,
  InspectableLog,
  LogIndex,
  Mending,
  PlaceEntry,
} from '../ports/inspectable-log.js'

/** In place of a position: the event was superseded, or is a part that is held. */
export const SUPERSEDED = -1
export const HELD = 0

/** Key of lists of which there is one. */
export const ALL = ''

/** What a log in memory consists of. */
export interface MemoryTables {
  /** Index is `seq - 1`; undefined where an event was superseded. */
  readonly events: (LoggedEvent | undefined)[]
  readonly seqById: Map<string, number>
  readonly records: Map<string, DocumentRecord>
  /** Positions, ascending; those of superseded events stay. */
  readonly feeds: Map<string, number[]>
  readonly documentLogs: Map<string, number[]>
  /** Ids of superseded events, by document. */
  readonly supersededIds: Map<string, string[]>
  /** By owner and kind. */
  readonly ownerLogs: Map<string, number[]>
  /** All under one key; by time when they are read. */
  readonly training: Map<string, number[]>
  readonly trainingFeed: Map<string, number[]>
  /** By reader and kind. */
  readonly lists: Map<string, number[]>
  /** The newest event of each name. */
  readonly coordinates: Map<string, IndexEntry>
  readonly deletedCoordinates: Map<string, DeletedCoordinate>
  readonly grants: Map<string, Grant[]>
  readonly shared: Map<string, Set<string>>
  readonly epochs: Epoch[]
  /** By client id and address. */
  readonly writers: Map<string, string>
  readonly held: Map<string, HeldPart>
  /** Positions of deletion requests, by author and id. */
  readonly deletedIds: Map<string, number>
  /** By public key. */
  readonly vanished: Map<string, Vanished>
  /** When events expire, by position. */
  readonly expiries: Map<number, number>
  /** Position of the newest event of each document, by reader. */
  readonly changes: Map<string, Map<string, number>>
  readonly states: Map<string, KeptState>
  readonly summaries: Map<string, KeptSummary>
}

/** An empty log. */
export function createMemoryTables(): MemoryTables {
  return {
    events: [],
    seqById: new Map(),
    records: new Map(),
    feeds: new Map(),
    documentLogs: new Map(),
    supersededIds: new Map(),
    ownerLogs: new Map(),
    training: new Map(),
    trainingFeed: new Map(),
    lists: new Map(),
    coordinates: new Map(),
    deletedCoordinates: new Map(),
    grants: new Map(),
    shared: new Map(),
    epochs: [],
    writers: new Map(),
    held: new Map(),
    deletedIds: new Map(),
    vanished: new Map(),
    expiries: new Map(),
    changes: new Map(),
    states: new Map(),
    summaries: new Map(),
  }
}

/** The place of an event; none where it was superseded. */
export function placesAt({ events }: MemoryTables, seq: number): IndexEntry[] {
  const event = events[seq - 1]
  return event === undefined ? [] : [{ seq, id: event.id, created_at: event.createdAt }]
}

/** What {@link InspectableLog} adds to a log in memory. */
export function createMemoryInspection(
  tables: MemoryTables,
): Pick<InspectableLog, 'scan' | 'hasEntries' | 'mend'> {
  return {
    async *scan<I extends LogIndex>(index: I) {
      // All at once: what is mended meanwhile must not show.
      yield* (SCANS[index] as (tables: MemoryTables) => EntryOf<I>[])(tables)
    },
    async hasEntries(entries) {
      return entries.map((entry) => hasEntry(tables, entry))
    },
    async mend(mending) {
      mend(tables, mending)
    },
  }
}

function hasEntry(tables: MemoryTables, entry: PlaceEntry): boolean {
  switch (entry.index) {
    case 'id':
      return tables.seqById.get(entry.id) === numberOfPlace(entry.place)
    case 'vanished': {
      const known = tables.vanished.get(entry.pubkey)
      return known?.seq === entry.seq && known.until === entry.until
    }
    case 'deletedCoordinate': {
      const known = tables.deletedCoordinates.get(entry.coordinate)
      return known?.seq === entry.seq && known.until === entry.until
    }
    case 'coordinate': {
      const known = tables.coordinates.get(entry.coordinate)
      return known?.seq === entry.seq && known.id === entry.id && known.created_at === entry.created_at
    }
    case 'expiry':
      return tables.expiries.get(entry.seq) === entry.expiresAt
    case 'deletedId':
      return tables.deletedIds.get(`${entry.pubkey} ${entry.id}`) === entry.seq
    case 'shared':
      return tables.shared.get(entry.reader)?.has(entry.address) === true
    case 'change':
      return tables.changes.get(entry.reader)?.get(entry.address) === entry.seq
    case 'grant': {
      const { seq, address } = entry
      return (
        tables.grants.get(entry.reader)?.some((one) => one.seq === seq && one.address === address) === true
      )
    }
    default: {
      const [list, key] = listOf(tables, entry)
      const place = placesAt(tables, entry.seq)[0]
      if (place === undefined || list.get(key)?.includes(entry.seq) !== true) return false
      if (!('id' in entry)) return true
      return place.id === entry.id && (!('created_at' in entry) || place.created_at === entry.created_at)
    }
  }
}

function numberOfPlace(place: EntryOf<'id'>['place']): number {
  if (place === 'superseded') return SUPERSEDED
  return place === 'held' ? HELD : place
}

function flat<T, E>(lists: Map<string, T>, entriesOf: (list: T, key: string) => E[]): E[] {
  return [...lists].flatMap(([key, list]) => entriesOf(list, key))
}

const SCANS: { readonly [I in LogIndex]: (tables: MemoryTables) => EntryOf<I>[] } = {
  event: ({ events }) =>
    events.flatMap((event) =>
      event === undefined ? [] : { index: 'event', seq: event.seq, json: event.json },
    ),
  id: ({ seqById }) =>
    [...seqById].map(([id, seq]) => ({
      index: 'id',
      id,
      place: seq === SUPERSEDED ? 'superseded' : seq === HELD ? 'held' : seq,
    })),
  // Ids are never forgotten here.
  supersededId: () => [],
  feed: (tables) =>
    flat(tables.feeds, (seqs, reader) =>
      seqs.flatMap((seq) => placesAt(tables, seq).map(() => ({ index: 'feed', reader, seq }))),
    ),
  grant: ({ grants }) => flat(grants, (list) => list.map((grant) => ({ index: 'grant', ...grant }))),
  documentLog: (tables) =>
    flat(tables.documentLogs, (seqs, address) =>
      seqs.flatMap((seq) =>
        placesAt(tables, seq).map((place) => ({ index: 'documentLog', address, ...place })),
      ),
    ),
  ownerLog: (tables) =>
    flat(tables.ownerLogs, (seqs, key) => {
      const [owner = '', kind] = key.split(' ')
      return seqs.flatMap((seq) =>
        placesAt(tables, seq).map((place) => ({ index: 'ownerLog', owner, kind: Number(kind), ...place })),
      )
    }),
  training: (tables) =>
    flat(tables.training, (seqs) =>
      seqs.flatMap((seq) => placesAt(tables, seq).map((place) => ({ index: 'training', ...place }))),
    ),
  trainingFeed: (tables) =>
    flat(tables.trainingFeed, (seqs) =>
      seqs.flatMap((seq) => placesAt(tables, seq).map(() => ({ index: 'trainingFeed', seq }))),
    ),
  listed: (tables) =>
    flat(tables.lists, (seqs, key) => {
      const [reader = '', kind] = key.split(' ')
      return seqs.flatMap((seq) =>
        placesAt(tables, seq).map((place) => ({ index: 'listed', reader, kind: Number(kind), ...place })),
      )
    }),
  coordinate: ({ coordinates }) =>
    flat(coordinates, (place, coordinate) => [{ index: 'coordinate', coordinate, ...place }]),
  deletedCoordinate: ({ deletedCoordinates }) =>
    flat(deletedCoordinates, (entry) => [{ index: 'deletedCoordinate', ...entry }]),
  record: ({ records }) => flat(records, (record, address) => [{ index: 'record', address, record }]),
  shared: ({ shared }) =>
    flat(shared, (addresses, reader) =>
      [...addresses].map((address) => ({ index: 'shared', reader, address })),
    ),
  change: ({ changes }) =>
    flat(changes, (seqs, reader) =>
      [...seqs]
        .sort(([, a], [, b]) => a - b)
        .map(([address, seq]) => ({ index: 'change', reader, seq, address })),
    ),
  writer: ({ writers }) =>
    flat(writers, (pubkey, key) => {
      const space = key.indexOf(' ')
      const clientId = Number(key.slice(0, space))
      return [{ index: 'writer', address: key.slice(space + 1), clientId, pubkey }]
    }),
  deletedId: ({ deletedIds }) =>
    flat(deletedIds, (seq, key) => {
      const [pubkey = '', id = ''] = key.split(' ')
      return [{ index: 'deletedId', pubkey, id, seq }]
    }),
  vanished: ({ vanished }) => flat(vanished, (entry) => [{ index: 'vanished', ...entry }]),
  expiry: ({ expiries }) => [...expiries].map(([seq, expiresAt]) => ({ index: 'expiry', expiresAt, seq })),
  held: ({ held }) => flat(held, (part) => [{ index: 'held', part }]),
  state: ({ states }) => flat(states, (_state, address) => [{ index: 'state', address }]),
}

function mend(tables: MemoryTables, { drop: dropped, put: added }: Mending): void {
  for (const entry of dropped) if (entry.index !== 'unreadable') drop(tables, entry)
  for (const entry of added) put(tables, entry)
}

function drop(tables: MemoryTables, entry: DerivedEntry): void {
  switch (entry.index) {
    case 'id':
      tables.seqById.delete(entry.id)
      break
    case 'record':
      tables.records.delete(entry.address)
      break
    case 'state':
      tables.states.delete(entry.address)
      break
    case 'vanished':
      tables.vanished.delete(entry.pubkey)
      break
    case 'coordinate':
      tables.coordinates.delete(entry.coordinate)
      break
    case 'deletedCoordinate':
      tables.deletedCoordinates.delete(entry.coordinate)
      break
    case 'expiry':
      tables.expiries.delete(entry.seq)
      break
    case 'deletedId':
      tables.deletedIds.delete(`${entry.pubkey} ${entry.id}`)
      break
    case 'shared':
      tables.shared.get(entry.reader)?.delete(entry.address)
      break
    case 'change': {
      const seqs = tables.changes.get(entry.reader)
      if (seqs?.get(entry.address) === entry.seq) seqs.delete(entry.address)
      break
    }
    case 'grant': {
      const { reader, seq, address } = entry
      const left = (tables.grants.get(reader) ?? []).filter(
        (grant) => grant.seq !== seq || grant.address !== address,
      )
      tables.grants.set(reader, left)
      break
    }
    default: {
      const [list, key] = listOf(tables, entry)
      list.set(
        key,
        (list.get(key) ?? []).filter((seq) => seq !== entry.seq),
      )
    }
  }
}

function put(tables: MemoryTables, entry: PlaceEntry | EntryOf<'record'>): void {
  switch (entry.index) {
    case 'id':
      tables.seqById.set(entry.id, numberOfPlace(entry.place))
      break
    case 'record':
      if (entry.record === undefined) throw new SyncError('STORE_FAILED', 'no value for an entry of record')
      tables.records.set(entry.address, entry.record)
      break
    case 'vanished':
      tables.vanished.set(entry.pubkey, { pubkey: entry.pubkey, until: entry.until, seq: entry.seq })
      break
    case 'coordinate': {
      const { seq, id, created_at } = entry
      tables.coordinates.set(entry.coordinate, { seq, id, created_at })
      break
    }
    case 'deletedCoordinate': {
      const { index: _, ...gone } = entry
      tables.deletedCoordinates.set(entry.coordinate, gone)
      break
    }
    case 'expiry':
      tables.expiries.set(entry.seq, entry.expiresAt)
      break
    case 'deletedId':
      tables.deletedIds.set(`${entry.pubkey} ${entry.id}`, entry.seq)
      break
    case 'shared':
      getOrCreate(tables.shared, entry.reader, () => new Set()).add(entry.address)
      break
    case 'change':
      getOrCreate(tables.changes, entry.reader, () => new Map()).set(entry.address, entry.seq)
      break
    case 'grant': {
      drop(tables, entry)
      const { index: _, ...grant } = entry
      getOrCreate(tables.grants, entry.reader, () => []).push(grant)
      tables.grants.get(entry.reader)?.sort((a, b) => a.seq - b.seq)
      break
    }
    default: {
      drop(tables, entry)
      const [list, key] = listOf(tables, entry)
      getOrCreate(list, key, () => []).push(entry.seq)
      list.get(key)?.sort((a, b) => a - b)
    }
  }
}

/** The list of positions that an entry stands in. */
function listOf(
  tables: MemoryTables,
  entry: EntryOf<
    'feed' | 'documentLog' | 'ownerLog' | 'training' | 'trainingFeed' | 'listed' | 'supersededId'
  >,
): [lists: Map<string, number[]>, key: string] {
  if (entry.index === 'feed') return [tables.feeds, entry.reader]
  if (entry.index === 'documentLog') return [tables.documentLogs, entry.address]
  if (entry.index === 'ownerLog') return [tables.ownerLogs, `${entry.owner} ${entry.kind}`]
  if (entry.index === 'training') return [tables.training, ALL]
  if (entry.index === 'trainingFeed') return [tables.trainingFeed, ALL]
  if (entry.index === 'listed') return [tables.lists, `${entry.reader} ${entry.kind}`]
  return [new Map(), '']
}
