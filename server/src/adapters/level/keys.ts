import type {
  DeletedCoordinate,
  HeldPart,
  HeldPlace,
  IndexEntry,
  KeptState,
  PartGroup,
  Vanished,
} from '../../ports/event-log.js'

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
 * | `r` | address | the document's record as JSON |
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

const SEQ_BYTES = 8
/** Values of the `i` index that are no positions: of other lengths than those. */
export const ID_SUPERSEDED = Uint8Array.of(1)
export const ID_HELD = Uint8Array.of(2)
const HASH_BYTES = 32
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

function uint64(value: number): Uint8Array {
  const bytes = Buffer.allocUnsafe(SEQ_BYTES)
  bytes.writeUInt32BE(Math.floor(value / 2 ** 32), 0)
  bytes.writeUInt32BE(value >>> 0, 4)
  return bytes
}

function uint16(value: number): Uint8Array {
  return Uint8Array.of(value >> 8, value & 0xff)
}

function uint32(value: number): Uint8Array {
  const bytes = Buffer.allocUnsafe(4)
  bytes.writeUInt32BE(value >>> 0, 0)
  return bytes
}

function hex(text: string): Uint8Array {
  return Buffer.from(text, 'hex')
}

function sized(text: string): Uint8Array {
  const bytes = Buffer.from(text, 'utf8')
  return Buffer.concat([uint16(bytes.byteLength), bytes])
}

/** For reading numbers. */
export function view(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

/** A position inside a key or value. */
export function uint64At(bytes: Uint8Array, offset: number): number {
  const data = view(bytes)
  return data.getUint32(offset) * 2 ** 32 + data.getUint32(offset + 4)
}

/** 32 bytes as hex. */
export function hexAt(bytes: Uint8Array, offset: number): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset + offset, HASH_BYTES).toString('hex')
}

/** UTF-8 from an offset to the end. */
export function textAt(bytes: Uint8Array, offset: number): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset + offset, bytes.byteLength - offset).toString('utf8')
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

/** A position as a value. */
export function encodeSeq(seq: number): Uint8Array {
  return uint64(seq)
}

/** The position in a value of the `i`, `o` and `n` indexes. */
export function decodeSeq(value: Uint8Array): number {
  return uint64At(value, 0)
}

/** The value of a `d` entry. */
export function encodePlace(createdAt: number, id: string): Uint8Array {
  return Buffer.concat([uint64(createdAt), hex(id)])
}

/** A value of the `i` index: the position, or undefined for an event that has none. */
export function seqOfId(value: Uint8Array): number | undefined {
  return value.byteLength === SEQ_BYTES ? decodeSeq(value) : undefined
}

/** A key as the value of a `w` entry, or an event's id as that of an `x` entry. */
export function encodeHex(text: string): Uint8Array {
  return hex(text)
}

/** The key in the value of a `w` entry, or the id in that of an `x` entry. */
export function decodeHex(value: Uint8Array): string {
  return hexAt(value, 0)
}

/** The value of an `h` entry. */
export function encodeHeld({ id, json }: { readonly id: string; readonly json: string }): Uint8Array {
  return Buffer.concat([hex(id), Buffer.from(json, 'utf8')])
}

/** The JSON in the value of an `h` entry. */
export function jsonOfHeld(value: Uint8Array): string {
  return textAt(value, HASH_BYTES)
}

/** An `h` entry. */
export function heldOfEntry(key: Uint8Array, value: Uint8Array): HeldPart {
  const { bytes: _, ...place } = heldPlaceOfEntry(key, value)
  return { ...place, json: jsonOfHeld(value) }
}

/** An `h` entry, without the event in it. */
export function heldPlaceOfEntry(key: Uint8Array, value: Uint8Array): PartGroup & HeldPlace {
  const addressOffset = 1 + HASH_BYTES
  const addressEnd = addressOffset + 2 + view(key).getUint16(addressOffset)
  const groupEnd = addressEnd + 2 + view(key).getUint16(addressEnd)
  return {
    author: hexAt(key, 1),
    address: textAt(key.subarray(0, addressEnd), addressOffset + 2),
    group: textAt(key.subarray(0, groupEnd), addressEnd + 2),
    index: view(key).getUint16(groupEnd),
    id: hexAt(value, 0),
    bytes: value.byteLength - HASH_BYTES,
  }
}

/** The value of a `v` or `z` entry. */
export function encodeVanished({ seq, until }: Omit<Vanished, 'pubkey'>): Uint8Array {
  return Buffer.concat([uint64(seq), uint64(until)])
}

/** A `v` entry. */
export function vanishedOfEntry(key: Uint8Array, value: Uint8Array): Vanished {
  return { pubkey: hexAt(key, 1), seq: uint64At(value, 0), until: uint64At(value, SEQ_BYTES) }
}

/** A `z` entry. */
export function deletedCoordinateOfEntry(key: Uint8Array, value: Uint8Array): DeletedCoordinate {
  return { coordinate: textAt(key, 3), seq: uint64At(value, 0), until: uint64At(value, SEQ_BYTES) }
}

/** The value of a `u` entry. */
export function encodeCurrent({ seq, id, created_at }: IndexEntry): Uint8Array {
  return Buffer.concat([encodePlace(created_at, id), uint64(seq)])
}

/** The value of a `u` entry. */
export function currentOfValue(value: Uint8Array): IndexEntry {
  return {
    seq: uint64At(value, SEQ_BYTES + HASH_BYTES),
    id: hexAt(value, SEQ_BYTES),
    created_at: uint64At(value, 0),
  }
}

/** The reader at the beginning of an `f` or `b` key, with so many bytes after it. */
export function readerOfKey(key: Uint8Array, bytesAfter: number): string {
  return Buffer.from(key.buffer, key.byteOffset + 1, key.byteLength - 1 - bytesAfter).toString('hex')
}

/** Bytes of an `f` key after the reader. */
export const FEED_TAIL_BYTES = SEQ_BYTES
/** Bytes of a `b` or `o` key after the reader or owner. */
export const LIST_TAIL_BYTES = 2 + SEQ_BYTES + HASH_BYTES

/** A `q` key. */
export function expiryOfKey(key: Uint8Array): { readonly expiresAt: number; readonly seq: number } {
  return { expiresAt: uint64At(key, 1), seq: seqOfKey(key) }
}

/** The address in an `h` key. */
export function addressOfHeldKey(key: Uint8Array): string {
  const start = 1 + HASH_BYTES + 2
  return textAt(key.subarray(0, start + view(key).getUint16(start - 2)), start)
}

/** The value of a `c` entry. */
export function encodeState({ throughSeq, update }: KeptState): Uint8Array {
  return Buffer.concat([uint64(throughSeq), update])
}

/** The merged state in the value of a `c` entry. */
export function decodeState(value: Uint8Array): KeptState {
  return { throughSeq: uint64At(value, 0), update: value.subarray(SEQ_BYTES) }
}

/** The client id at the end of a `w` key. */
export function clientIdOfWriterKey(key: Uint8Array): number {
  return view(key).getUint32(key.byteLength - 4)
}

/** The address in an `r` key. */
export function addressOfRecordKey(key: Uint8Array): string {
  return textAt(key, 3)
}

/** The address in the value of a `t` entry. */
export function addressOfChange(value: Uint8Array): string {
  return textAt(value, 0)
}

/** The position at the end of an `a`, `e`, `f`, `d`, `t` or `x` key. */
export function seqOfKey(key: Uint8Array): number {
  return uint64At(key, key.byteLength - SEQ_BYTES)
}

/** Position and address of a `g` key. */
export function grantOfKey(key: Uint8Array): { readonly seq: number; readonly address: string } {
  return { seq: uint64At(key, 1 + HASH_BYTES), address: textAt(key, 1 + HASH_BYTES + SEQ_BYTES) }
}

/** The address of an `s` key. */
export function addressOfSharedKey(key: Uint8Array): string {
  return textAt(key, 1 + HASH_BYTES)
}

/** An entry of the `d` index. */
export function entryOfDocumentLog(key: Uint8Array, value: Uint8Array): IndexEntry {
  return { seq: seqOfKey(key), id: hexAt(value, SEQ_BYTES), created_at: uint64At(value, 0) }
}

/** An entry of the `o` or `b` index. */
export function entryOfOwnerLog(key: Uint8Array, value: Uint8Array): IndexEntry {
  return entryByTime(key, value)
}

/** An entry of the `n` index. */
export function entryOfTraining(key: Uint8Array, value: Uint8Array): IndexEntry {
  return entryByTime(key, value)
}

function entryByTime(key: Uint8Array, value: Uint8Array): IndexEntry {
  const timeOffset = key.byteLength - SEQ_BYTES - HASH_BYTES
  return {
    seq: decodeSeq(value),
    id: hexAt(key, timeOffset + SEQ_BYTES),
    created_at: Number.MAX_SAFE_INTEGER - uint64At(key, timeOffset),
  }
}
