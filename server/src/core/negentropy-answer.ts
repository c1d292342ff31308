import { SyncError } from '@onyx-sync/shared'
import {
  type Bound,
  createMessageReader,
  createMessageWriter,
  END_OF_ALL,
  ID_BYTES,
} from './negentropy-codec.js'
import type { RecordSet } from './negentropy-records.js'

/** First byte of every message: Negentropy Protocol V1. */
const PROTOCOL_VERSION = 0x61
const FINGERPRINT_BYTES = 16
const MODE = { skip: 0, fingerprint: 1, idList: 2 } as const

/** Into how many ranges one that differs is split, and below how many records it is listed instead. */
const SPLIT = 16
const LISTED_BELOW = 2 * SPLIT
/** More than splitting or listing one range takes, and what is said in the end of what didn't fit. */
const RESERVE_BYTES = 1_200
/**
 * Ranges in an answer. The other end may make up to 1 KB of each, and what it sends back must fit into one
 * message too.
 */
const MAX_ANSWERED_RANGES = 512
/** Ranges of a message that are looked at in one go: bounds the time it takes. The rest is put off. */
const MAX_READ_RANGES = 1_024

/**
 * The relay's answer to one message: where the two sets differ, and in the end which ids we have there. It holds
 * no more than `maxBytes`, at least 4,096, and what didn't fit comes up again in the next round. A message of
 * another version is answered with ours. Throws `MESSAGE_MALFORMED`. Source: NIP-77, SPEC NEG1–NEG4.
 */
export function answerNegentropy(records: RecordSet, message: Uint8Array, maxBytes: number): Uint8Array {
  const reader = createMessageReader(message)
  const writer = createMessageWriter()
  const version = reader.byte()
  if (version >> 4 !== PROTOCOL_VERSION >> 4) {
    throw new SyncError(
      'MESSAGE_MALFORMED',
      'not a negentropy message: it begins with another byte than 0x61',
    )
  }
  writer.bytes(Uint8Array.of(PROTOCOL_VERSION))
  if (version !== PROTOCOL_VERSION) return writer.finish()

  /** Up to here both ends agree, or the message said not to look; nothing has been written of it yet. */
  let skippedTo: Bound | undefined
  let writtenRanges = 0
  let lower = 0

  function write(bound: Bound, mode: number): void {
    if (skippedTo !== undefined) {
      writer.bound(skippedTo)
      writer.varint(MODE.skip)
      skippedTo = undefined
    }
    writer.bound(bound)
    writer.varint(mode)
    writtenRanges++
  }

  function writeFingerprint(begin: number, end: number, bound: Bound): void {
    write(bound, MODE.fingerprint)
    writer.bytes(records.fingerprint(begin, end))
  }

  function writeIds(begin: number, end: number, bound: Bound): void {
    write(bound, MODE.idList)
    writer.varint(end - begin)
    for (let index = begin; index < end; index++) writer.bytes(records.idAt(index))
  }

  function split(end: number, bound: Bound): void {
    const count = end - lower
    if (count < LISTED_BELOW) {
      writeIds(lower, end, bound)
      return
    }
    for (let part = 0; part < SPLIT; part++) {
      const partEnd = lower + Math.floor((count * (part + 1)) / SPLIT)
      const partBound = partEnd === end ? bound : records.boundBefore(partEnd)
      writeFingerprint(lower + Math.floor((count * part) / SPLIT), partEnd, partBound)
    }
  }

  for (let readRanges = 0; !reader.isAtEnd; readRanges++) {
    const isFull = writer.length + RESERVE_BYTES > maxBytes || writtenRanges + SPLIT > MAX_ANSWERED_RANGES
    if (isFull || readRanges >= MAX_READ_RANGES) {
      writeFingerprint(lower, records.size, END_OF_ALL)
      break
    }
    const bound = reader.bound()
    const mode = reader.varint()
    let upper = records.lowerBound(lower, bound)
    let reached = bound
    if (mode === MODE.skip) {
      skippedTo = bound
    } else if (mode === MODE.fingerprint) {
      const theirs = reader.bytes(FINGERPRINT_BYTES)
      const ours = records.fingerprint(lower, upper)
      if (ours.every((byte, index) => byte === theirs[index])) skippedTo = bound
      else split(upper, bound)
    } else if (mode === MODE.idList) {
      // Theirs are for them to compare with ours.
      const count = reader.varint()
      reader.bytes(count * ID_BYTES)
      const room = Math.floor((maxBytes - writer.length - RESERVE_BYTES) / ID_BYTES) + 1
      if (upper - lower > room) {
        upper = lower + room
        reached = records.boundBefore(upper)
      }
      writeIds(lower, upper, reached)
      if (reached !== bound) {
        writeFingerprint(upper, records.size, END_OF_ALL)
        break
      }
    } else {
      throw new SyncError('MESSAGE_MALFORMED', `not a negentropy message: there is no mode ${mode}`)
    }
    lower = upper
    if (bound.timestamp === Number.POSITIVE_INFINITY) break
  }
  return writer.finish()
}
