/** Bytes of a position, or a time. */
export const SEQ_BYTES = 8
/** Bytes of an id, or a public key. */
export const HASH_BYTES = 32

/** A position, or seconds, big-endian. */
export function uint64(value: number): Uint8Array {
  const bytes = Buffer.allocUnsafe(SEQ_BYTES)
  bytes.writeUInt32BE(Math.floor(value / 2 ** 32), 0)
  bytes.writeUInt32BE(value >>> 0, 4)
  return bytes
}

export function uint16(value: number): Uint8Array {
  return Uint8Array.of(value >> 8, value & 0xff)
}

export function uint32(value: number): Uint8Array {
  const bytes = Buffer.allocUnsafe(4)
  bytes.writeUInt32BE(value >>> 0, 0)
  return bytes
}

/** The bytes of hex. */
export function hex(text: string): Uint8Array {
  return Buffer.from(text, 'hex')
}

/** A text behind its length, of which none is a prefix of another. At most 65,535 bytes of UTF-8. */
export function sized(text: string): Uint8Array {
  const bytes = Buffer.from(text, 'utf8')
  return Buffer.concat([uint16(bytes.byteLength), bytes])
}

/** For reading numbers. */
export function view(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

/** A position, or seconds, inside a key or value. */
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

export function uint32At(bytes: Uint8Array, offset: number): number {
  return view(bytes).getUint32(offset)
}
