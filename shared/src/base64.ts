import { base64 } from '@scure/base'

interface NodeBuffer {
  byteLength(text: string): number
  from(text: string, encoding: 'base64'): Uint8Array
  from(buffer: ArrayBufferLike, offset: number, length: number): { toString(encoding: 'base64'): string }
}

// Node's codec is native and many times faster; React Native and browsers have none of that name.
const nodeBuffer = (globalThis as { Buffer?: NodeBuffer }).Buffer
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
  const decoded = nodeBuffer.from(text, 'base64')
  // It takes another alphabet too, and leaves out what is in neither. A look at each character takes ten times as long.
  const isWhole = text.length % 4 === 0 && decoded.byteLength === (text.length / 4) * 3 - paddingOf(text)
  if (!isWhole || text.includes('-') || text.includes('_') || nodeBuffer.byteLength(text) !== text.length)
    throw new Error('not standard padded base64')
  // A plain view: Node's Buffer pools memory and its slice() shares it.
  return new Uint8Array(decoded.buffer, decoded.byteOffset, decoded.byteLength)
}

function paddingOf(text: string): number {
  return text.endsWith('==') ? 2 : text.endsWith('=') ? 1 : 0
}
