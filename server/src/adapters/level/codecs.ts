import type {
  DeletedCoordinate,
  HeldPart,
  HeldPlace,
  IndexEntry,
  KeptState,
  PartGroup,
  Vanished,
} from '../../ports/event-log.js'
import {
  HASH_BYTES,
  hex,
  hexAt,
  SEQ_BYTES,
  textAt,
  uint32,
  uint32At,
  uint64,
  uint64At,
  view,
} from './bytes.js'

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

/** In the first byte of a position: behind it are the number of updates, the length of each, and then the updates. */
const IN_PIECES = 0x80
const NUMBER_BYTES = 4

/** The value of a `c` entry. */
export function encodeState({ throughSeq, updates }: KeptState): Uint8Array {
  const seq = uint64(throughSeq)
  if (updates.length === 1) return Buffer.concat([seq, ...updates])
  seq[0] = IN_PIECES
  const lengths = updates.map(({ byteLength }) => uint32(byteLength))
  return Buffer.concat([seq, uint32(updates.length), ...lengths, ...updates])
}

/** The merged state in the value of a `c` entry. Of one that is damaged or cut off there is one update, which can't be read. */
export function decodeState(value: Uint8Array): KeptState {
  if (value[0] !== IN_PIECES) return { throughSeq: uint64At(value, 0), updates: [value.subarray(SEQ_BYTES)] }
  const seq = new Uint8Array(value.subarray(0, SEQ_BYTES))
  seq[0] = 0
  return { throughSeq: uint64At(seq, 0), updates: piecesIn(value.subarray(SEQ_BYTES)) ?? [new Uint8Array(0)] }
}

function piecesIn(bytes: Uint8Array): Uint8Array[] | undefined {
  const count = bytes.byteLength < NUMBER_BYTES ? 0 : uint32At(bytes, 0)
  let end = NUMBER_BYTES * (count + 1)
  if (count === 0 || end > bytes.byteLength) return undefined
  const updates: Uint8Array[] = []
  for (let index = 1; index <= count; index++) {
    const from = end
    end += uint32At(bytes, index * NUMBER_BYTES)
    // Bytes of its own: a view that is handed to another thread takes all along that it is a view of.
    updates.push(new Uint8Array(bytes.subarray(from, end)))
  }
  return end === bytes.byteLength ? updates : undefined
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
