import { base64 } from '@scure/base'

interface NodeBuffer {
  from(text: string, encoding: 'base64'): Uint8Array
  from(buffer: ArrayBufferLike, offset: number, length: number): { toString(encoding: 'base64'): string }
}

// Node's codec is native and many times faster; React Native and browsers have none of that name.
const nodeBuffer = (globalThis as { Buffer?: NodeBuffer }).Buffer
const STANDARD_PADDED = /^[A-Za-z0-9+/]*={0,2}$/

/** Standard padded base64 (RFC 4648 §4). */
export function encodeBase64(bytes: Uint8Array): string {
  if (nodeBuffer !== undefined) {
    return nodeBuffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64')
  }
  return base64.encode(bytes)
}

/** Bytes of standard padded base64. Throws on anything else: wrong alphabet, missing padding, white space. */
export function decodeBase64(text: string): Uint8Array {
  // This one looks by itself, and takes no text that the other refuses.
  if (nodeBuffer === undefined) return base64.decode(text)
  if (text.length % 4 !== 0 || !STANDARD_PADDED.test(text)) throw new Error('not standard padded base64')
  const decoded = nodeBuffer.from(text, 'base64')
  // A plain view: Node's Buffer pools memory and its slice() shares it.
  return new Uint8Array(decoded.buffer, decoded.byteOffset, decoded.byteLength)
}
