import { SyncError } from '@onyx-sync/shared'

/** Where a range ends, exclusive: a time, and as much of an id as is needed. Times are Unix seconds. */
export interface Bound {
  /** `Infinity` for the end of everything. */
  readonly timestamp: number
  /** 0–32 bytes; the rest counts as zeros. */
  readonly idPrefix: Uint8Array
}

export const ID_BYTES = 32
export const END_OF_ALL: Bound = { timestamp: Number.POSITIVE_INFINITY, idPrefix: new Uint8Array() }

function malformed(message: string): SyncError {
  return new SyncError('MESSAGE_MALFORMED', `not a negentropy message: ${message}`)
}

/** Reads a message of Negentropy Protocol V1. */
export interface MessageReader {
  readonly isAtEnd: boolean
  byte(): number
  /** A whole number below 2⁵³. */
  varint(): number
  bytes(count: number): Uint8Array
  /** Times are written as differences, so bounds have to be read in order. */
  bound(): Bound
}

/** All methods throw `MESSAGE_MALFORMED` where the message ends too early or a number is out of range. */
export function createMessageReader(message: Uint8Array): MessageReader {
  let offset = 0
  let lastTimestamp = 0

  function bytes(count: number): Uint8Array {
    if (count > message.length - offset) throw malformed('it ends too early')
    offset += count
    return message.subarray(offset - count, offset)
  }

  function byte(): number {
    return bytes(1)[0] as number
  }

  function varint(): number {
    let value = 0
    for (;;) {
      const digit = byte()
      value = value * 128 + (digit & 127)
      if (value > Number.MAX_SAFE_INTEGER) throw malformed('a number is 2⁵³ or more')
      if (digit < 128) return value
    }
  }

  return {
    get isAtEnd() {
      return offset === message.length
    },
    byte,
    varint,
    bytes,
    bound() {
      const difference = varint()
      const timestamp = difference === 0 ? Number.POSITIVE_INFINITY : lastTimestamp + difference - 1
      const length = varint()
      if (length > ID_BYTES) throw malformed(`an id has at most ${ID_BYTES} bytes`)
      lastTimestamp = timestamp
      return { timestamp, idPrefix: bytes(length) }
    },
  }
}

/** Writes a message of Negentropy Protocol V1. */
export interface MessageWriter {
  /** Bytes written so far. */
  readonly length: number
  bytes(bytes: Uint8Array): void
  /** A whole number, 0 or more. */
  varint(value: number): void
  /** In order, as with {@link MessageReader.bound}. */
  bound(bound: Bound): void
  /** What was written. */
  finish(): Uint8Array
}

export function createMessageWriter(): MessageWriter {
  let buffer = new Uint8Array(1024)
  let length = 0
  let lastTimestamp = 0

  function bytes(added: Uint8Array): void {
    if (length + added.length > buffer.length) {
      const larger = new Uint8Array(Math.max(buffer.length * 2, length + added.length))
      larger.set(buffer)
      buffer = larger
    }
    buffer.set(added, length)
    length += added.length
  }

  function varint(value: number): void {
    bytes(encodeVarint(value))
  }

  return {
    get length() {
      return length
    },
    bytes,
    varint,
    bound({ timestamp, idPrefix }) {
      varint(timestamp === Number.POSITIVE_INFINITY ? 0 : timestamp - lastTimestamp + 1)
      lastTimestamp = timestamp
      varint(idPrefix.length)
      bytes(idPrefix)
    },
    finish: () => buffer.slice(0, length),
  }
}

/** Seven bits a byte, the most significant first. */
export function encodeVarint(value: number): Uint8Array {
  const digits = [value % 128]
  for (let rest = Math.floor(value / 128); rest > 0; rest = Math.floor(rest / 128)) {
    digits.unshift((rest % 128) + 128)
  }
  return Uint8Array.from(digits)
}
