import { HASH_BYTES, hex, sized, uint16, uint32, uint64 } from './bytes.js'

/**
 * How the log's indexes lie in LevelDB: a first byte names the index, numbers are big-endian so that keys sort
 * as they count, hex is kept as bytes, and an address is preceded by its length so that none is a prefix of
 * another. All keys and values are bytes.
 *
 * | prefix | rest of the key | value |
 * |---|---|---|
 * | `m` | name | meta: format version, database id, server secret key |
 * | `p` | seq | id of the epoch that begins there |
 * | `e` | seq | the event's JSON |
 * | `i` | id | seq |
 * | `f` | reader, seq | {@link FEED_EVENT} |
 * | `g` | reader, seq, address | nothing |
 * | `d` | address, seq | created_at, id |
 * | `o` | owner, kind, created_at inverted, id | seq |
 * | `n` | created_at inverted, id | seq of a training contribution |
 * | `a` | seq | nothing: a training contribution is there |
 * | `b` | reader, kind, created_at inverted, id | seq |
 * | `u` | name of a replaceable or addressable event | created_at, id, seq |
 * | `z` | name of a replaceable or addressable event | seq and time of the request that deleted it |
 * | `r` | address | the document's record; see `encodeRecord` |
 * | `s` | reader, address | nothing |
 * | `w` | address, client id | public key |
 * | `t` | reader, seq | address |
 * | `x` | address, seq | id of an event that was superseded |
 * | `k` | author, id | seq of the request that deleted the event |
 * | `v` | public key | seq and time of its request to vanish |
 * | `q` | expiration, seq | nothing |
 * | `h` | author, address, group, index | id and JSON of a part that waits for others |
 * | `c` | address | seq and merged state |
 * | `l` | address | seq and summary, as JSON |
 *
 * A reader in `f` and `b` may be `EVERYBODY`, which is a byte longer than a key.
 *
 * In `i` a position stands for an event in the log, {@link ID_HELD} for a part that waits, and
 * {@link ID_SUPERSEDED} for one that a checkpoint stands for.
 */
const PREFIX = {
  meta: 0x6d,
  epoch: 0x70,
  event: 0x65,
  id: 0x69,
  feed: 0x66,
  grant: 0x67,
  documentLog: 0x64,
  ownerLog: 0x6f,
  training: 0x6e,
  trainingFeed: 0x61,
  listed: 0x62,
  coordinate: 0x75,
  deletedCoordinate: 0x7a,
  record: 0x72,
  shared: 0x73,
  writer: 0x77,
  change: 0x74,
  supersededId: 0x78,
  deletedId: 0x6b,
  expiry: 0x71,
  vanished: 0x76,
  held: 0x68,
  state: 0x63,
  summary: 0x6c,
} as const

/** Values of the `i` index that are no positions: of other lengths than those. */
export const ID_SUPERSEDED = Uint8Array.of(1)
export const ID_HELD = Uint8Array.of(2)
/** Value of a feed entry: what stands at that position. Other marks are left for later formats. */
export const FEED_EVENT = Uint8Array.of(1)
/** Value where the key says everything. */
export const EMPTY = new Uint8Array(0)

const MAX_INDEX = 0xffff
const MAX_CLIENT_ID = 0xffffffff

/** Bounds of a range of keys, both inclusive. */
export interface KeyRange {
  readonly gte: Uint8Array
  readonly lte: Uint8Array
}

function join(prefix: number, ...parts: readonly Uint8Array[]): Uint8Array {
  const key = Buffer.allocUnsafe(1 + parts.reduce((sum, part) => sum + part.byteLength, 0))
  key[0] = prefix
  let offset = 1
  for (const part of parts) {
    key.set(part, offset)
    offset += part.byteLength
  }
  return key
}

/** Keys of every index. `seq` is a position, `reader` and `owner` are public keys as hex. */
export const keyOf = {
  meta: (name: string): Uint8Array => join(PREFIX.meta, Buffer.from(name, 'utf8')),
  epoch: (seq: number): Uint8Array => join(PREFIX.epoch, uint64(seq)),
  event: (seq: number): Uint8Array => join(PREFIX.event, uint64(seq)),
  id: (id: string): Uint8Array => join(PREFIX.id, hex(id)),
  feed: (reader: string, seq: number): Uint8Array => join(PREFIX.feed, hex(reader), uint64(seq)),
  grant: (reader: string, seq: number, address: string): Uint8Array =>
    join(PREFIX.grant, hex(reader), uint64(seq), Buffer.from(address, 'utf8')),
  documentLog: (address: string, seq: number): Uint8Array =>
    join(PREFIX.documentLog, sized(address), uint64(seq)),
  ownerLog: (owner: string, kind: number, createdAt: number, id: string): Uint8Array =>
    join(PREFIX.ownerLog, hex(owner), uint16(kind), uint64(Number.MAX_SAFE_INTEGER - createdAt), hex(id)),
  training: (createdAt: number, id: string): Uint8Array =>
    join(PREFIX.training, uint64(Number.MAX_SAFE_INTEGER - createdAt), hex(id)),
  trainingFeed: (seq: number): Uint8Array => join(PREFIX.trainingFeed, uint64(seq)),
  listed: (reader: string, kind: number, createdAt: number, id: string): Uint8Array =>
    join(PREFIX.listed, hex(reader), uint16(kind), uint64(Number.MAX_SAFE_INTEGER - createdAt), hex(id)),
  coordinate: (name: string): Uint8Array => join(PREFIX.coordinate, sized(name)),
  deletedCoordinate: (name: string): Uint8Array => join(PREFIX.deletedCoordinate, sized(name)),
  record: (address: string): Uint8Array => join(PREFIX.record, sized(address)),
  shared: (reader: string, address: string): Uint8Array =>
    join(PREFIX.shared, hex(reader), Buffer.from(address, 'utf8')),
  writer: (address: string, clientId: number): Uint8Array =>
    join(PREFIX.writer, sized(address), uint32(clientId)),
  change: (reader: string, seq: number): Uint8Array => join(PREFIX.change, hex(reader), uint64(seq)),
  supersededId: (address: string, seq: number): Uint8Array =>
    join(PREFIX.supersededId, sized(address), uint64(seq)),
  deletedId: (pubkey: string, id: string): Uint8Array => join(PREFIX.deletedId, hex(pubkey), hex(id)),
  vanished: (pubkey: string): Uint8Array => join(PREFIX.vanished, hex(pubkey)),
  expiry: (expiresAt: number, seq: number): Uint8Array => join(PREFIX.expiry, uint64(expiresAt), uint64(seq)),
  held: (author: string, address: string, group: string, index: number): Uint8Array =>
    join(PREFIX.held, hex(author), sized(address), sized(group), uint16(index)),
  state: (address: string): Uint8Array => join(PREFIX.state, sized(address)),
  summary: (address: string): Uint8Array => join(PREFIX.summary, sized(address)),
} as const

const LOWEST_ID = '00'.repeat(HASH_BYTES)
const HIGHEST_ID = 'ff'.repeat(HASH_BYTES)
/** Above every byte of UTF-8. */
const AFTER_TEXT = Uint8Array.of(0xff)

/** Ranges of keys; `after` is exclusive, `through`, `since` and `until` are inclusive. */
export const rangeOf = {
  epochs: (): KeyRange => ({ gte: keyOf.epoch(0), lte: keyOf.epoch(Number.MAX_SAFE_INTEGER) }),
  events: (): KeyRange => ({ gte: keyOf.event(0), lte: keyOf.event(Number.MAX_SAFE_INTEGER) }),
  feed: (reader: string, after: number, through: number): KeyRange => ({
    gte: keyOf.feed(reader, after + 1),
    lte: keyOf.feed(reader, through),
  }),
  grants: (reader: string, after: number, through: number): KeyRange => ({
    gte: keyOf.grant(reader, after + 1, ''),
    lte: Buffer.concat([keyOf.grant(reader, through, ''), AFTER_TEXT]),
  }),
  documentLog: (address: string, after: number, through: number): KeyRange => ({
    gte: keyOf.documentLog(address, after + 1),
    lte: keyOf.documentLog(address, through),
  }),
  ownerLog: (owner: string, kind: number, since: number, until: number): KeyRange => ({
    gte: keyOf.ownerLog(owner, kind, until, LOWEST_ID),
    lte: keyOf.ownerLog(owner, kind, since, HIGHEST_ID),
  }),
  training: (since: number, until: number): KeyRange => ({
    gte: keyOf.training(until, LOWEST_ID),
    lte: keyOf.training(since, HIGHEST_ID),
  }),
  trainingFeed: (after: number, through: number): KeyRange => ({
    gte: keyOf.trainingFeed(after + 1),
    lte: keyOf.trainingFeed(through),
  }),
  listed: (reader: string, kind: number, since: number, until: number): KeyRange => ({
    gte: keyOf.listed(reader, kind, until, LOWEST_ID),
    lte: keyOf.listed(reader, kind, since, HIGHEST_ID),
  }),
  ownedBy: (owner: string): KeyRange => ({
    gte: keyOf.ownerLog(owner, 0, Number.MAX_SAFE_INTEGER, LOWEST_ID),
    lte: keyOf.ownerLog(owner, MAX_INDEX, 0, HIGHEST_ID),
  }),
  shared: (reader: string): KeyRange => ({
    gte: keyOf.shared(reader, ''),
    lte: Buffer.concat([keyOf.shared(reader, ''), AFTER_TEXT]),
  }),
  changes: (reader: string, after: number): KeyRange => ({
    gte: keyOf.change(reader, after + 1),
    lte: keyOf.change(reader, Number.MAX_SAFE_INTEGER),
  }),
  supersededIds: (address: string): KeyRange => ({
    gte: keyOf.supersededId(address, 0),
    lte: keyOf.supersededId(address, Number.MAX_SAFE_INTEGER),
  }),
  expiring: (through: number): KeyRange => ({
    gte: keyOf.expiry(0, 0),
    lte: keyOf.expiry(through, Number.MAX_SAFE_INTEGER),
  }),
  writers: (address: string): KeyRange => ({
    gte: keyOf.writer(address, 0),
    lte: keyOf.writer(address, MAX_CLIENT_ID),
  }),
  heldBy: (author: string): KeyRange => ({
    gte: join(PREFIX.held, hex(author)),
    lte: join(PREFIX.held, hex(author), uint16(MAX_INDEX)),
  }),
  records: (): KeyRange => ({
    gte: join(PREFIX.record),
    lte: join(PREFIX.record, uint16(MAX_INDEX)),
  }),
  /** All of one index, entries that are not of its form included. */
  index: (name: keyof typeof PREFIX): { readonly gte: Uint8Array; readonly lt: Uint8Array } => ({
    gte: join(PREFIX[name]),
    lt: join(PREFIX[name] + 1),
  }),
} as const
