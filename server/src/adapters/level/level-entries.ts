import type { DocumentRecord } from '../../ports/event-log.js'
import type { EntryOf, LogEntry, LogIndex } from '../../ports/inspectable-log.js'
import { HASH_BYTES, hexAt, SEQ_BYTES, textAt, view } from './bytes.js'
import {
  addressOfChange,
  addressOfRecordKey,
  addressOfSharedKey,
  clientIdOfWriterKey,
  currentOfValue,
  decodeHex,
  decodeSeq,
  deletedCoordinateOfEntry,
  encodeCurrent,
  encodeHeld,
  encodeHex,
  encodePlace,
  encodeSeq,
  encodeVanished,
  entryOfDocumentLog,
  entryOfOwnerLog,
  entryOfTraining,
  expiryOfKey,
  FEED_TAIL_BYTES,
  grantOfKey,
  heldOfEntry,
  LIST_TAIL_BYTES,
  readerOfKey,
  seqOfKey,
  vanishedOfEntry,
} from './codecs.js'
import { EMPTY, FEED_EVENT, ID_HELD, ID_SUPERSEDED, keyOf } from './keys.js'
import { decodeRecord, encodeRecord } from './records.js'

/** An entry as LevelDB has it. */
export interface RawEntry {
  readonly key: Uint8Array
  /** Undefined where it is too large to be shown with the entry, or may be damaged. */
  readonly value: Uint8Array | undefined
}

const FIRST_BYTE = 1

type Decoders = { readonly [I in LogIndex]: (key: Uint8Array, value: Uint8Array) => EntryOf<I> }

/** The address in a key that has its length before it. */
function sizedAddress(key: Uint8Array): string {
  const start = FIRST_BYTE + 2
  return textAt(key.subarray(0, start + view(key).getUint16(FIRST_BYTE)), start)
}

function placeOfId(value: Uint8Array): EntryOf<'id'>['place'] {
  if (value.byteLength === SEQ_BYTES) return decodeSeq(value)
  return equals(value, ID_HELD) ? 'held' : 'superseded'
}

function recordOf(address: string, value: Uint8Array): DocumentRecord | undefined {
  try {
    return decodeRecord(address, value)
  } catch {
    return undefined
  }
}

const DECODERS: Decoders = {
  event: (key, value) => ({ index: 'event', seq: seqOfKey(key), json: textAt(value, 0) }),
  id: (key, value) => ({ index: 'id', id: hexAt(key, FIRST_BYTE), place: placeOfId(value) }),
  supersededId: (key, value) => ({
    index: 'supersededId',
    address: sizedAddress(key),
    seq: seqOfKey(key),
    id: decodeHex(value),
  }),
  feed: (key) => ({ index: 'feed', reader: readerOfKey(key, FEED_TAIL_BYTES), seq: seqOfKey(key) }),
  grant: (key) => ({ index: 'grant', reader: hexAt(key, FIRST_BYTE), ...grantOfKey(key) }),
  documentLog: (key, value) => ({
    index: 'documentLog',
    address: sizedAddress(key),
    ...entryOfDocumentLog(key, value),
  }),
  ownerLog: (key, value) => ({
    index: 'ownerLog',
    owner: hexAt(key, FIRST_BYTE),
    kind: view(key).getUint16(FIRST_BYTE + HASH_BYTES),
    ...entryOfOwnerLog(key, value),
  }),
  training: (key, value) => ({ index: 'training', ...entryOfTraining(key, value) }),
  trainingFeed: (key) => ({ index: 'trainingFeed', seq: seqOfKey(key) }),
  listed: (key, value) => ({
    index: 'listed',
    reader: readerOfKey(key, LIST_TAIL_BYTES),
    kind: view(key).getUint16(key.byteLength - LIST_TAIL_BYTES),
    ...entryOfOwnerLog(key, value),
  }),
  coordinate: (key, value) => ({
    index: 'coordinate',
    coordinate: textAt(key, FIRST_BYTE + 2),
    ...currentOfValue(value),
  }),
  deletedCoordinate: (key, value) => ({
    index: 'deletedCoordinate',
    ...deletedCoordinateOfEntry(key, value),
  }),
  record: (key, value) => {
    const address = addressOfRecordKey(key)
    return { index: 'record', address, record: recordOf(address, value) }
  },
  shared: (key) => ({ index: 'shared', reader: hexAt(key, FIRST_BYTE), address: addressOfSharedKey(key) }),
  change: (key, value) => ({
    index: 'change',
    reader: hexAt(key, FIRST_BYTE),
    seq: seqOfKey(key),
    address: addressOfChange(value),
  }),
  writer: (key, value) => ({
    index: 'writer',
    address: sizedAddress(key),
    clientId: clientIdOfWriterKey(key),
    pubkey: decodeHex(value),
  }),
  deletedId: (key, value) => ({
    index: 'deletedId',
    pubkey: hexAt(key, FIRST_BYTE),
    id: hexAt(key, FIRST_BYTE + HASH_BYTES),
    seq: decodeSeq(value),
  }),
  vanished: (key, value) => ({ index: 'vanished', ...vanishedOfEntry(key, value) }),
  expiry: (key) => ({ index: 'expiry', ...expiryOfKey(key) }),
  held: (key, value) => ({ index: 'held', part: heldOfEntry(key, value) }),
  state: (key) => ({ index: 'state', address: sizedAddress(key) }),
}

/** An entry in bytes. */
export function encodeEntry(entry: LogEntry): RawEntry {
  switch (entry.index) {
    case 'event':
      return { key: keyOf.event(entry.seq), value: undefined }
    case 'id':
      return { key: keyOf.id(entry.id), value: valueOfId(entry.place) }
    case 'supersededId':
      return { key: keyOf.supersededId(entry.address, entry.seq), value: encodeHex(entry.id) }
    case 'feed':
      return { key: keyOf.feed(entry.reader, entry.seq), value: FEED_EVENT }
    case 'grant':
      return { key: keyOf.grant(entry.reader, entry.seq, entry.address), value: EMPTY }
    case 'documentLog':
      return {
        key: keyOf.documentLog(entry.address, entry.seq),
        value: encodePlace(entry.created_at, entry.id),
      }
    case 'ownerLog':
      return {
        key: keyOf.ownerLog(entry.owner, entry.kind, entry.created_at, entry.id),
        value: encodeSeq(entry.seq),
      }
    case 'training':
      return { key: keyOf.training(entry.created_at, entry.id), value: encodeSeq(entry.seq) }
    case 'trainingFeed':
      return { key: keyOf.trainingFeed(entry.seq), value: EMPTY }
    case 'listed':
      return {
        key: keyOf.listed(entry.reader, entry.kind, entry.created_at, entry.id),
        value: encodeSeq(entry.seq),
      }
    case 'coordinate':
      return { key: keyOf.coordinate(entry.coordinate), value: encodeCurrent(entry) }
    case 'deletedCoordinate':
      return { key: keyOf.deletedCoordinate(entry.coordinate), value: encodeVanished(entry) }
    case 'record':
      return {
        key: keyOf.record(entry.address),
        value: entry.record === undefined ? undefined : encodeRecord(entry.record),
      }
    case 'shared':
      return { key: keyOf.shared(entry.reader, entry.address), value: EMPTY }
    case 'change':
      return { key: keyOf.change(entry.reader, entry.seq), value: Buffer.from(entry.address, 'utf8') }
    case 'writer':
      return { key: keyOf.writer(entry.address, entry.clientId), value: encodeHex(entry.pubkey) }
    case 'deletedId':
      return { key: keyOf.deletedId(entry.pubkey, entry.id), value: encodeSeq(entry.seq) }
    case 'vanished':
      return { key: keyOf.vanished(entry.pubkey), value: encodeVanished(entry) }
    case 'expiry':
      return { key: keyOf.expiry(entry.expiresAt, entry.seq), value: EMPTY }
    case 'held': {
      const { author, address, group, index } = entry.part
      return { key: keyOf.held(author, address, group, index), value: encodeHeld(entry.part) }
    }
    case 'state':
      return { key: keyOf.state(entry.address), value: undefined }
  }
}

function valueOfId(place: EntryOf<'id'>['place']): Uint8Array {
  if (place === 'superseded') return ID_SUPERSEDED
  return place === 'held' ? ID_HELD : encodeSeq(place)
}

/**
 * The entry that bytes stand for; undefined where they are of another form. What is read is written again
 * and compared, so that whoever gets an entry can find it, or replace it, by what it says.
 */
export function decodeEntry<I extends LogIndex>(
  index: I,
  key: Uint8Array,
  value: Uint8Array,
): EntryOf<I> | undefined {
  try {
    const entry = (DECODERS[index] as Decoders[I])(key, value)
    const raw = encodeEntry(entry as LogEntry)
    const isSame = equals(key, raw.key) && (raw.value === undefined || equals(value, raw.value))
    return isSame || (index === 'record' && equals(key, raw.key)) ? entry : undefined
  } catch {
    return undefined
  }
}

/** Whether bytes are equal. */
export function equals(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0
}
